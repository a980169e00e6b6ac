"""The numbers that stand for stages, phases, kinds, effects and columns."""

from __future__ import annotations

# Stages of a job; LOOP and END stand in the table of legs.
FREE, QUEUED, DEVICE, UPLINK, NODE_PREFILL, LINK, CLOUD_WAIT, DECODE, DOWNLINK, RETURN, LOOP, END = range(12)
BACK, DOWNLOAD = range(12, 14)  # bytes for the UE that are no tokens: over the link, and down the air
# Of fine-tuning: wait for memory at the server, the server's part of a step, count a step, wait for the others of a round.
ADMIT, TRAIN, STEP, MEET = range(14, 18)
INFERENCE, FINETUNE = range(2)  # kinds of jobs, in the order of legs.KINDS
SAME_INSTANT_S = 1e-12  # instants closer together are one
INGRESS, TARGET = range(2)  # node parts of a job
UNDER_WAY, OVER, LOST = range(3)  # what `begin` and `advance` of a place say
# A part at its node; from WAITING on it uses the weights. ASKING is a training job without memory, PREFILLED what is through there.
ABSENT, TURNED_AWAY, ASKING, WAITING, ADMITTED, PREFILLED = range(6)

FINISHED, REJECTED, EXPIRED, FAILED, CUT = range(5)  # how a job ended
PHASE_NAMES = ("finished", "rejected", "expired", "failed", "cut")
OPEN, SITE, ON_DEVICE = range(3)  # privacy classes
PRIVACY_NAMES = ("open", "site", "device")
WAYPOINT, GAUSS_MARKOV, STREET_GRID, STATIONARY = range(4)  # how UEs move
MOBILITY_NAMES = ("waypoint", "gauss-markov", "street-grid", "stationary")
POISSON, TRACE, BURST = range(3)  # how jobs arrive
ARRIVAL_NAMES = ("poisson", "trace", "burst")
NODE_FAULT, XN_FAULT, BACKHAUL_FAULT, CLOUD_FAULT = range(4)  # parts that can fail
FAULT_KINDS = ("node", "xn", "backhaul", "cloud")

HOLD, REJECT, LOCAL, NEIGHBOUR = range(4)  # routes: a neighbour k is NEIGHBOUR + k, the cloud comes after the last
# What became of an action.
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
    "refused: the service has no such model",
    "refused: no data of the service may reach the cloud",
    "refused: the model has no draft",
    "refused: fine-tuning is not cut between nodes",
    "refused: labels may not leave the site",
)
DONE, NO_JOB, NO_NEIGHBOUR, RAW_LEAVES_DEVICE, RAW_REACHES_CLOUD, DEVICE_TOO_SMALL, DEVICE_BUSY = range(7)
NODE_TOO_SMALL, NODE_DOWN, LINK_DOWN, NEIGHBOUR_DOWN, BACKHAUL_DOWN, CLOUD_DOWN = range(7, 13)
NO_MODEL, STAYS_ON_SITE, NO_DRAFT, NO_NODE_CUT, LABELS_LEAVE = range(13, len(ACTION_EFFECTS))

# Columns of World.result: the reward, its terms, the costs beside it.
REWARD_TERMS = ("answer", "price", "energy", "exposure", "rejected", "expired", "failed")
COST_NAMES = ("slo_miss", "exposure", "energy_j")
OWN_REWARD = 0
ANSWER, PRICE, ENERGY, EXPOSURE, REJECTED_COST, EXPIRED_COST, FAILED_COST = range(1, 1 + len(REWARD_TERMS))
SLO_MISS, EXPOSED, JOULES = range(1 + len(REWARD_TERMS), 1 + len(REWARD_TERMS) + len(COST_NAMES))

# What `step.run` does: a slot, on to the next decision, an episode's start, a flight, another future, a look without a step.
STEP, STEP_ON, RESET, FLY, REDRAW, LOOK = range(6)
NOW, FINAL = range(2)  # what agents see: of now, and the last of an episode that ended in this step
ACTIVE, SPARE, AT_CLOUD = range(3)  # lists of World.roster
DISPATCH, INBOX, TRAINING = range(3)  # lists of World.queue
# First columns of World.cost[d, v]: 3 of costs.attention_decode_s, 4 of costs.attention_prefill_s, 2 of the head, layers by tokens.
COST_PREFILL, COST_HEAD, COST_HEADER = 3, 7, 9
