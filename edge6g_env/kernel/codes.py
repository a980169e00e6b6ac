"""The numbers that stand for stages, phases, kinds, effects and columns."""

from __future__ import annotations

# --- stages of a job ------------------------------------------------------------------------------------------------
FREE, QUEUED, DEVICE, UPLINK, NODE_PREFILL, LINK, CLOUD_WAIT, DECODE, DOWNLINK, RETURN = range(10)
SAME_INSTANT_S = 1e-12  # instants closer together are one

# --- node parts of a job ---------------------------------------------------------------------------------------------------
INGRESS, TARGET = range(2)

# --- what `begin` and `advance` of a place say ---------------------------------------------------------------------------
UNDER_WAY, OVER, LOST = range(3)

# --- how a job ended ------------------------------------------------------------------------------------------------
FINISHED, REJECTED, EXPIRED, FAILED, CUT = range(5)
PHASE_NAMES = ("finished", "rejected", "expired", "failed", "cut")

# --- a job at a node: before, in and after its inbox ---------------------------------------------------------------------
TURNED_AWAY, WAITING, ADMITTED, PREFILLED = range(-1, 3)

# --- privacy classes ------------------------------------------------------------------------------------------------
OPEN, SITE, ON_DEVICE = range(3)
PRIVACY_NAMES = ("open", "site", "device")

# --- how UEs move --------------------------------------------------------------------------------------------------------
WAYPOINT, GAUSS_MARKOV, STREET_GRID, STATIONARY = range(4)
MOBILITY_NAMES = ("waypoint", "gauss-markov", "street-grid", "stationary")

# --- routes: a neighbour k is NEIGHBOUR + k, the cloud comes after the last neighbour ---------------------------------
HOLD, REJECT, LOCAL, NEIGHBOUR = range(4)

# --- what became of an action ----------------------------------------------------------------------------------------
ACTION_EFFECTS = (
    "done",
    "refused: no job is waiting",
    "refused: no such neighbour",
    "refused: raw data may not leave the device",
    "refused: raw data may not reach the cloud",
    "refused: the device cannot hold its part",
    "refused: the device is busy with another model",
    "refused: the node cannot hold its part",
    "refused: the node is down",
    "refused: the link is down",
    "refused: the neighbour is reported down",
    "refused: the backhaul is down",
    "refused: the cloud is reported down",
)
DONE, NO_JOB, NO_NEIGHBOUR, RAW_LEAVES_DEVICE, RAW_REACHES_CLOUD, DEVICE_TOO_SMALL, DEVICE_BUSY = range(7)
NODE_TOO_SMALL, NODE_DOWN, LINK_DOWN, NEIGHBOUR_DOWN, BACKHAUL_DOWN, CLOUD_DOWN = range(7, len(ACTION_EFFECTS))

# --- parts that can fail ---------------------------------------------------------------------------------------------
NODE_FAULT, XN_FAULT, BACKHAUL_FAULT, CLOUD_FAULT = range(4)
FAULT_KINDS = ("node", "xn", "backhaul", "cloud")

# --- terms of the reward and costs beside it ---------------------------------------------------------------------------
REWARD_TERMS = ("answer", "price", "energy", "exposure", "rejected", "expired", "failed")
COST_NAMES = ("slo_miss", "exposure", "energy_j")

# --- columns of World.result: the reward, its terms, the costs ---------------------------------------------------------
OWN_REWARD = 0
ANSWER, PRICE, ENERGY, EXPOSURE, REJECTED_COST, EXPIRED_COST, FAILED_COST = range(1, 1 + len(REWARD_TERMS))
SLO_MISS, EXPOSED, JOULES = range(1 + len(REWARD_TERMS), 1 + len(REWARD_TERMS) + len(COST_NAMES))

# --- buffers of what agents see: of now, and the last of an episode that ended in this step -----------------------------
NOW, FINAL = range(2)

# --- lists of job rows: of a world, and of a node ------------------------------------------------------------------------
ACTIVE, SPARE, AT_CLOUD = range(3)
DISPATCH, INBOX = range(2)

# --- World.cost[d, v]: 3 of costs.attention_decode_s, 4 of costs.attention_prefill_s, 2 of the head, then layer times ------
COST_PREFILL, COST_HEAD, COST_HEADER = 3, 7, 9  # first columns: decode attention before them, layers by tokens after
