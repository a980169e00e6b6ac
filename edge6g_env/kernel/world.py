"""The state of B worlds: one record array an entity. A field is named, typed, given a unit and explained once, here.

`job.left_bytes` below is `world.job[b, j].left_bytes` in the kernel and `world.job["left_bytes"]` outside it. Times are seconds
since the start of the episode. Sizes: B worlds, N nodes, K neighbours a node, U UEs, M candidate cells a UE, J job rows, S services,
V variants (a model at a precision), D devices, Z bands, C actions, Q places in a queue, P parts that can fail, E changes by planned
outages, G points of the token grid.
"""

from __future__ import annotations

import inspect
from typing import NamedTuple

import numpy as np

# --- stages of a job ------------------------------------------------------------------------------------------------
FREE, QUEUED, DEVICE, UPLINK, NODE_PREFILL, LINK, CLOUD_WAIT, DECODE, DOWNLINK, RETURN = range(10)
STAGE_NAMES = (
    "free",
    "queued",
    "device",
    "uplink",
    "node_prefill",
    "link",
    "cloud_wait",
    "decode",
    "downlink",
    "return",
)

# --- how a job ended ------------------------------------------------------------------------------------------------
FINISHED, REJECTED, EXPIRED, FAILED, CUT = range(5)
PHASE_NAMES = ("finished", "rejected", "expired", "failed", "cut")

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
(
    DONE,
    NO_JOB,
    NO_NEIGHBOUR,
    RAW_LEAVES_DEVICE,
    RAW_REACHES_CLOUD,
    DEVICE_TOO_SMALL,
    DEVICE_BUSY,
    NODE_TOO_SMALL,
    NODE_DOWN,
    LINK_DOWN,
    NEIGHBOUR_DOWN,
    BACKHAUL_DOWN,
    CLOUD_DOWN,
) = range(len(ACTION_EFFECTS))

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

# --- lists of job rows: of a world, and of a node ------------------------------------------------------------------------
ACTIVE, SPARE, AT_CLOUD = range(3)
DISPATCH, INBOX = range(2)

# --- World.cost[d, v]: 3 of costs.attention_decode_s, 3 of costs.attention_prefill_s, 2 of the head, then layer times ------
COST_HEADER = 8

Rows = tuple[tuple[str, str, str, str], ...]

SETUP_FIELDS: Rows = (
    ("slot_s", "f8", "s", "length of a slot"),
    ("n_substeps", "i8", "1", "fluid substeps in a slot"),
    ("episode_slots", "i8", "slot", "slots of an episode"),
    ("episode_s", "f8", "s", "length of an episode"),
    ("warmup_s", "f8", "s", "jobs that arrive earlier are served but not measured"),
    ("drain_s", "f8", "s", "jobs that arrive in the last drain_s are served but not measured"),
    ("report_period_s", "f8", "s", "period of the reports between neighbours"),
    ("n_precisions", "i8", "1", "precisions of the action table"),
    ("debug", "i8", "0/1", "check conservation and memory in every slot"),
    ("width_m", "f8", "m", "area, west to east"),
    ("height_m", "f8", "m", "area, south to north"),
    ("environment", "i8", "id", "propagation environment of edge6g_env.radio"),
    ("margin_db", "f8", "dB", "implementation margin taken off the SINR"),
    ("h_bs_m", "f8", "m", "height of the node's antenna"),
    ("h_ue_m", "f8", "m", "height of the UE"),
    ("shadow_corr_los_m", "f8", "m", "decorrelation distance of the shadowing, line of sight"),
    ("shadow_corr_nlos_m", "f8", "m", "the same without line of sight"),
    ("los_corr_m", "f8", "m", "decorrelation distance of the LOS state"),
    ("k_mean_db", "f8", "dB", "Rician K factor, mean"),
    ("k_std_db", "f8", "dB", "Rician K factor, standard deviation"),
    ("k_corr_m", "f8", "m", "decorrelation distance of the K factor"),
    ("fading_period_s", "f8", "s", "time grid of fast fading and interference"),
    ("beam_tracking_s", "f8", "s", "period in which beams are pointed anew"),
    ("blockers_per_m2", "f8", "1/m2", "density of people that walk through links, 0: none"),
    ("background_load", "f8", "1", "share of every cell that other traffic uses"),
    ("indoor_share", "f8", "1", "share of the UEs that are inside buildings"),
    ("csi_error_db", "f8", "dB", "standard deviation of the agents' channel estimate"),
    ("csi_period_s", "f8", "s", "period of that estimate, its greatest age"),
    ("measurement_period_s", "f8", "s", "period of the power measurements of a UE"),
    ("filter_share", "f8", "1", "weight of a new measurement in the filtered power"),
    ("time_to_trigger_s", "f8", "s", "a cell must be stronger for this long"),
    ("handover_hysteresis_db", "f8", "dB", "and by this much"),
    ("handover_interruption_s", "f8", "s", "no data during a handover"),
    ("ue_tx_power_w", "f8", "W", "what a UE draws while it sends"),
    ("mobility", "i8", "id", "see MOBILITY_NAMES"),
    ("speed_min_m_s", "f8", "m/s", "slowest walk; Gauss-Markov: slowest mean"),
    ("speed_max_m_s", "f8", "m/s", "fastest walk; Gauss-Markov: fastest mean"),
    ("pause_s", "f8", "s", "mean pause at a waypoint"),
    ("hotspots", "i8", "1", "places where people gather, redrawn each episode"),
    ("hotspot_share", "f8", "1", "share of the waypoints that lie in a hotspot"),
    ("hotspot_radius_m", "f8", "m", "radius of a hotspot"),
    ("velocity_memory", "f8", "1", "Gauss-Markov: correlation of a velocity with the one a period before"),
    ("velocity_period_s", "f8", "s", "Gauss-Markov: how long a velocity is kept"),
    ("velocity_std_m_s", "f8", "m/s", "Gauss-Markov: standard deviation of each component of the velocity"),
    ("street_spacing_m", "f8", "m", "street grid: from street to street"),
    ("ue_device", "i8", "D", "device of the UEs"),
    ("xn_rate_bit_s", "f8", "bit/s", "rate of a link between neighbours"),
    ("xn_delay_s", "f8", "s", "mean one-way delay between neighbours"),
    ("xn_delay_jitter", "f8", "1", "sigma of the log of a message's delay there"),
    ("backhaul_rate_bit_s", "f8", "bit/s", "rate of a node's backhaul"),
    ("backhaul_delay_s", "f8", "s", "mean one-way delay to the cloud"),
    ("backhaul_delay_jitter", "f8", "1", "sigma of the log of a message's delay there"),
    ("cloud_device", "i8", "D", "accelerator of the cloud"),
    ("cloud_concurrency", "i8", "job", "requests the cloud serves at a time"),
    ("cloud_batch", "f8", "job", "batch in which the cloud decodes"),
    ("token_budget", "f8", "token", "most tokens of an iteration with a prefill chunk"),
    ("max_batch", "i8", "job", "most sequences admitted at a node"),
    ("load_overhead_s", "f8", "s", "fixed part of loading weights"),
    ("fault_retries", "i8", "1", "how often a job is put back after a fault before it fails"),
    ("trace_replay", "i8", "0/1", "arrivals: 1 replays the traces, 0 draws a Poisson process"),
    ("rate_jobs_s", "f8", "1/s", "arrivals of the whole world"),
    ("price_per_usd", "f8", "1/USD", "reward lost for a dollar"),
    ("energy_per_j", "f8", "1/J", "reward lost for a joule"),
    ("rejected_cost", "f8", "1", "reward lost for a rejected job"),
    ("expired_cost", "f8", "1", "reward lost for an expired job"),
    ("failed_cost", "f8", "1", "reward lost for a failed job"),
    ("reward_mix", "f8", "1", "0: own reward, 1: mean over the agents"),
    ("usd_per_air_byte", "f8", "USD/B", "price of the air"),
    ("usd_per_backhaul_byte", "f8", "USD/B", "price of the backhaul"),
    ("usd_per_egress_byte", "f8", "USD/B", "price of what leaves the cloud"),
)

EPISODE_FIELDS: Rows = (
    ("key", "u8", "1", "random key of this world and episode"),
    ("seed", "i8", "1", "seed of the world"),
    ("episode", "i8", "1", "episodes before this one"),
    ("slot", "i8", "slot", "slots since the start"),
    ("now_s", "f8", "s", "time"),
    ("n_active", "i8", "job", "dispatched jobs"),
    ("n_free", "i8", "row", "free job rows"),
    ("next_job", "i8", "1", "number of the next job"),
    ("next_arrival_s", "f8", "s", "earliest arrival to come"),
    ("reports", "i8", "1", "report periods that have passed"),
    ("cloud_running", "i8", "job", "jobs in service at the cloud"),
    ("cloud_free_s", "f8", "s", "when a full cloud last had a place again"),
    ("n_cloud_wait", "i8", "job", "jobs that wait for the cloud"),
    ("cloud_up", "i8", "0/1", "the cloud serves"),
    ("next_fault_s", "f8", "s", "when the next part fails or is repaired"),
    ("next_outage", "i8", "1", "row of outage that comes next"),
    ("arrived", "i8", "job", "jobs that arrived"),
    ("finished", "i8", "job", "jobs that finished"),
    ("rejected", "i8", "job", "jobs that were rejected"),
    ("expired", "i8", "job", "jobs that expired"),
    ("failed", "i8", "job", "jobs that failed"),
    ("preempted", "i8", "1", "sequences put back for want of KV memory"),
    ("handovers", "i8", "1", "changes of the serving cell"),
    ("ping_pongs", "i8", "1", "of them: back to the cell before within a second"),
    ("measure_step", "i8", "1", "measurement periods that have passed"),
    ("csi_step", "i8", "1", "periods of the channel estimate that have passed"),
    ("interference_step", "i8", "1", "fading grid step of the uplink interference, -1: none"),
    ("outages", "i8", "1", "failures of a part"),
    ("requeued", "i8", "1", "jobs put back in their queue after a fault"),
    ("n_outcomes", "i8", "job", "rows of outcome that are filled"),
    ("chosen", "i8", "0/1", "to be reset by the next call of reset"),
    ("truncated", "i8", "0/1", "the episode ended in the last step"),
    ("slots", "i8", "slot", "slots that the last step took"),
    ("step_end_s", "f8", "s", "end of the last step in the time of its episode"),
    ("error", "i8", "id", "a violated invariant (debug), 0: none"),
)

BAND_FIELDS: Rows = (
    ("carrier_ghz", "f8", "GHz", "carrier frequency"),
    ("bandwidth_hz", "f8", "Hz", "bandwidth of a cell"),
    ("ptx_bs_dbm", "f8", "dBm", "downlink power"),
    ("ptx_ue_dbm", "f8", "dBm", "largest uplink power, Pcmax"),
    ("p0_dbm", "f8", "dBm", "uplink power control, P0 a 180 kHz"),
    ("path_loss_share", "f8", "1", "uplink power control, alpha"),
    ("gain_db", "f8", "dB", "antenna gains of both ends less the fixed pointing loss"),
    ("beamwidth_deg", "f8", "deg", "half-power beamwidth of the node's beam"),
    ("alignment", "f8", "1", "probability that a beam for somebody else points here"),
    ("stray_db", "f8", "dB", "gain of a beam that points elsewhere, relative to the full gain"),
    ("offset_db", "f8", "dB", "added to this band's power where cells are compared"),
    ("noise_bs_mw_hz", "f8", "mW/Hz", "noise density at the node's receiver"),
    ("noise_ue_mw_hz", "f8", "mW/Hz", "noise density at the UE's receiver"),
    ("evm_floor", "f8", "1", "error vector magnitude of the transmitter, power share"),
    ("uplink_efficiency", "f8", "1", "uplink share of the TDD period, less overhead"),
    ("downlink_efficiency", "f8", "1", "downlink share, less overhead"),
    ("max_layers", "i8", "1", "most spatial layers"),
    ("sigma_los_db", "f8", "dB", "shadowing, line of sight"),
    ("sigma_los_far_db", "f8", "dB", "the same beyond the break point"),
    ("breakpoint_m", "f8", "m", "break point distance"),
    ("sigma_nlos_db", "f8", "dB", "shadowing, no line of sight"),
    ("air_db_per_m", "f8", "dB/m", "gas and rain"),
    ("wall_db", "f8", "dB", "loss of an outer wall"),
    ("wall_std_db", "f8", "dB", "its standard deviation, 0: indoor distance is drawn a link"),
    ("blocked_los_db", "f8", "dB", "loss of a blocked link in sight"),
    ("blocked_nlos_db", "f8", "dB", "loss of a blocked link without sight"),
    ("n_taps", "i8", "1", "fading taps averaged over the band"),
    ("radio_slot_s", "f8", "s", "radio slot Ts"),
    ("tdd_period_s", "f8", "s", "period of the TDD pattern"),
    ("downlink_slots", "i8", "slot", "run of downlink slots in it"),
    ("uplink_slots", "i8", "slot", "run of uplink slots in it"),
    ("sr_period_s", "f8", "s", "period of scheduling request occasions"),
    ("grant_s", "f8", "s", "from grant to transmission, k2 Ts"),
    ("processing_s", "f8", "s", "preparation and decoding of a message"),
    ("harq_rtt_s", "f8", "s", "what a failed block costs"),
    ("uplink_access_s", "f8", "s", "mean access latency of a first uplink message"),
    ("uplink_stream_s", "f8", "s", "mean access latency of a following uplink message of a stream"),
    ("downlink_access_s", "f8", "s", "mean access latency of a downlink message"),
)

COUNTER_FIELDS: Rows = (
    ("arrived", "i8", "job", "jobs that arrived"),
    ("finished", "i8", "job", "jobs that finished"),
    ("rejected", "i8", "job", "jobs that were rejected"),
    ("expired", "i8", "job", "jobs that expired"),
    ("failed", "i8", "job", "jobs that failed"),
    ("in_flight", "i8", "job", "jobs that wait for a decision or are under way"),
)

DEVICE_FIELDS: Rows = (
    ("iteration_overhead_s", "f8", "s", "CPU time of an iteration"),
    ("sequence_overhead_s", "f8", "s", "CPU time of an iteration, a sequence"),
    ("idle_w", "f8", "W", "power at rest"),
    ("tdp_w", "f8", "W", "power at full load"),
    ("prefill_w", "f8", "W", "power while a prompt is computed"),
    ("decode_w", "f8", "W", "power while tokens are generated"),
    ("usable_bytes", "f8", "B", "memory for weights and KV"),
    ("load_bytes_s", "f8", "B/s", "rate at which weights are read"),
    ("usd_s", "f8", "USD/s", "price of a second, 0 for what is not paid by time"),
)

MODEL_FIELDS: Rows = (
    ("layers", "i8", "layer", "layers of the model"),
    ("layer_bytes", "f8", "B", "weights of a layer at this precision"),
    ("embedding_bytes", "f8", "B", "what a part that begins at layer 0 holds besides"),
    ("head_bytes", "f8", "B", "what a part that ends at the last layer holds besides"),
    ("both_bytes", "f8", "B", "what the whole model holds besides (a tied head is the embedding)"),
    ("kv_bytes", "f8", "B", "KV cache a token and layer"),
    ("boundary_bytes", "f8", "B", "activations of a token at a cut"),
    ("quality", "f8", "1", "quality of an answer"),
    ("preload", "i8", "0/1", "resident at every node that has room when an episode starts"),
)

ACTION_FIELDS: Rows = (
    ("route", "i8", "id", "hold, reject, local, neighbours, cloud"),
    ("precision", "i8", "id", "index into the scenario's precisions"),
)

NODE_FIELDS: Rows = (
    ("accelerator", "i8", "D", "its accelerator"),
    ("band", "i8", "Z", "band of its cell"),
    ("x_m", "f8", "m", "position"),
    ("y_m", "f8", "m", "position"),
    ("usable_bytes", "f8", "B", "memory for weights and KV"),
    ("up", "i8", "0/1", "its server runs"),
    ("backhaul_up", "i8", "0/1", "its backhaul carries"),
    ("n_queue", "i8", "job", "jobs that wait for a decision"),
    ("n_inbox", "i8", "job", "jobs at this node that wait for weights, KV or prefill"),
    ("n_admitted", "i8", "job", "sequences that hold KV memory here"),
    ("kv_bytes", "f8", "B", "reserved KV memory"),
    ("weight_bytes", "f8", "B", "resident weights and those being loaded"),
    ("load_variant", "i8", "V", "variant being loaded, -1: none"),
    ("load_low", "i8", "layer", "first layer resident when the load ends"),
    ("load_high", "i8", "layer", "end of the layers resident when the load ends"),
    ("load_end_s", "f8", "s", "when the load ends"),
    ("chunk_job", "i8", "J", "job whose chunk runs, -1: none"),
    ("chunk_end_s", "f8", "s", "when the chunk's iteration ends"),
    ("chunk_s", "f8", "s", "length of that iteration"),
    ("chunk_added_s", "f8", "s", "what the chunk adds to the decode cycle"),
    ("chunk_tokens", "f8", "token", "prompt tokens in the chunk"),
    ("prefill_free_s", "f8", "s", "end of the last chunk"),
    ("cycle_s", "f8", "s", "one decode iteration of every active variant"),
    ("decode_rate", "f8", "1/s", "decode cycles a second, mean over the substep"),
    ("prefill_share", "f8", "1", "share of recent time spent on prefill (exponential mean, 1 s)"),
    ("backlog_s", "f8", "s", "work of the prompts that wait"),
    ("free_bytes", "f8", "B", "memory that neither KV nor weights in use hold"),
    ("n_senders", "i8", "job", "uploads in this cell"),
    ("interferer", "i8", "U", "UE of this cell that other cells hear, -1: none"),
    ("interferer_draw", "u8", "1", "random number by which it was drawn"),
    ("uplink_load", "f8", "1", "share of the uplink in use in the fading period before"),
    ("interference_mw_hz", "f8", "mW/Hz", "density of the uplink interference"),
    ("noise_dbm_hz", "f8", "dBm/Hz", "density of noise and interference in the uplink"),
    ("n_backhaul", "i8", "job", "transfers on the backhaul"),
    ("cloud_seen_wait_s", "f8", "s", "wait of this node's last job at the cloud"),
    ("cloud_seen_s", "f8", "s", "when that was seen"),
    ("cloud_seen_up", "i8", "0/1", "the cloud answered when this node last heard of it"),
    ("shown", "i8", "0/1", "mask and candidates show a job"),
    ("decided", "i8", "0/1", "the last slot decided about a job"),
    ("action_effect", "i8", "id", "what became of the last slot's action"),
    ("step_decided", "i8", "0/1", "the last step decided about a job"),
    ("step_effect", "i8", "id", "what became of the last step's action"),
)

VARIANT_FIELDS: Rows = (
    ("low", "i8", "layer", "first resident layer"),
    ("high", "i8", "layer", "end of the resident layers"),
    ("users", "i8", "job", "jobs that need these weights"),
    ("last_used_s", "f8", "s", "for LRU eviction"),
    ("ready_s", "f8", "s", "end of the last load"),
    ("tokens", "f8", "token", "tokens a decode iteration, weighted by layer share"),
    ("context_tokens", "f8", "token", "their contexts, weighted alike"),
    ("share", "f8", "1", "largest layer share of a running job"),
    ("iteration_s", "f8", "s", "one decode iteration"),
)

LINK_FIELDS: Rows = (
    ("peer", "i8", "N", "the neighbour, -1: none"),
    ("up", "i8", "0/1", "it carries, as both ends know at once"),
    ("n_transfers", "i8", "job", "transfers under way"),
    ("report_s", "f8", "s", "when the report was made"),
    ("sent_since", "i8", "job", "jobs sent there since that report"),
    ("seen_up", "i8", "0/1", "peer's server runs, by the report or by a job that came back"),
    ("seen_queue", "i8", "job", "peer's queue in the report"),
    ("seen_inbox", "i8", "job", "peer's inbox in the report"),
    ("seen_admitted", "i8", "job", "peer's sequences in the report"),
    ("seen_cycle_s", "f8", "s", "peer's decode cycle in the report"),
    ("seen_prefill_share", "f8", "1", "peer's prefill share in the report"),
    ("seen_backlog_s", "f8", "s", "peer's prefill backlog in the report"),
    ("seen_free_bytes", "f8", "B", "peer's memory that neither KV nor weights in use hold, in the report"),
)

SEEN_FIELDS: Rows = (
    ("low", "i8", "layer", "first resident layer in the report"),
    ("high", "i8", "layer", "end of the resident layers in the report"),
    ("users", "i8", "job", "jobs that need these weights in the report"),
    ("tokens", "f8", "token", "tokens a decode iteration in the report"),
)

UE_FIELDS: Rows = (
    ("leg_start_s", "f8", "s", "start of the present leg"),
    ("leg_end_s", "f8", "s", "end of the leg"),
    ("leave_s", "f8", "s", "end of the pause after it, inf: it stays for ever"),
    ("from_x_m", "f8", "m", "start of the leg"),
    ("from_y_m", "f8", "m", "start of the leg"),
    ("to_x_m", "f8", "m", "end of the leg"),
    ("to_y_m", "f8", "m", "end of the leg"),
    ("leg_m", "f8", "m", "length of the leg"),
    ("x_m", "f8", "m", "position"),
    ("y_m", "f8", "m", "position"),
    ("speed_m_s", "f8", "m/s", "speed, 0 while it rests"),
    ("walked_m", "f8", "m", "way before this leg"),
    ("metre", "i8", "m", "whole metres walked, address of the channel's random numbers"),
    ("legs", "i8", "1", "legs begun, address of the mobility's random numbers"),
    ("heading", "i8", "id", "street grid: 0 east, 1 north, 2 west, 3 south"),
    ("periods", "i8", "1", "Gauss-Markov: velocities drawn, address of their random numbers"),
    ("velocity_x_m_s", "f8", "m/s", "Gauss-Markov: velocity"),
    ("velocity_y_m_s", "f8", "m/s", "Gauss-Markov: velocity"),
    ("mean_x_m_s", "f8", "m/s", "Gauss-Markov: mean velocity, turned back at a border"),
    ("mean_y_m_s", "f8", "m/s", "Gauss-Markov: mean velocity, turned back at a border"),
    ("serving", "i8", "M", "serving cell among the candidates"),
    ("node", "i8", "N", "node of the serving cell"),
    ("better_node", "i8", "N", "node of a cell that is stronger, -1: none"),
    ("better_since_s", "f8", "s", "since when"),
    ("last_node", "i8", "N", "node that served before, -1: none"),
    ("handover_s", "f8", "s", "time of the last handover"),
    ("silent_until_s", "f8", "s", "end of the handover interruption"),
    ("indoor", "i8", "0/1", "inside a building"),
    ("indoor_m", "f8", "m", "way of the radio inside the building"),
    ("z_wall", "f8", "1", "unit normal of the wall's loss"),
    ("fading_step", "i8", "1", "fading grid step of the taps, -1: none"),
    ("fading_node", "i8", "N", "node that the taps belong to"),
    ("fading_loss_db", "f8", "dB", "coupling loss at that step"),
    ("old_loss_db", "f8", "dB", "coupling loss one step before, which the MCS is chosen by"),
    ("sending_s", "f8", "s", "start of the last substep in which it sent"),
    ("up_step", "i8", "1", "fading grid step of the uplink's rate, -1: none"),
    ("up_senders", "i8", "job", "sharers for whom it holds"),
    ("up_bit_s", "f8", "bit/s", "uplink throughput in that step"),
    ("up_error_rate", "f8", "1", "block error rate behind it"),
    ("down_step", "i8", "1", "the same of the downlink"),
    ("down_bit_s", "f8", "bit/s", "downlink throughput"),
    ("down_error_rate", "f8", "1", "block error rate behind it"),
    ("sinr_db", "f8", "dB", "full-band uplink SINR without fading, at the last estimate"),
    ("seen_uplink_db", "f8", "dB", "what agents estimate that it is"),
    ("seen_downlink_db", "f8", "dB", "their estimate of the downlink SINR"),
    ("seen_s", "f8", "s", "time of these estimates"),
    ("next_arrival_s", "f8", "s", "next job of this UE (Poisson)"),
    ("arrivals", "i8", "job", "jobs of this UE, address of their random numbers"),
    ("device_variant", "i8", "V", "variant on the device, -1: none"),
    ("device_layers", "i8", "layer", "layers on the device"),
    ("device_jobs", "i8", "job", "jobs whose part runs on the device"),
)

CELL_FIELDS: Rows = (
    ("node", "i8", "N", "node of this candidate cell"),
    ("distance_m", "f8", "m", "ground distance when it became one"),
    ("z_shadow", "f8", "1", "unit normal of the shadowing"),
    ("z_los", "f8", "1", "unit normal of the LOS state"),
    ("z_k", "f8", "1", "unit normal of the K factor"),
    ("los", "i8", "0/1", "line of sight"),
    ("coupling_loss_db", "f8", "dB", "path loss and shadowing less the antenna gains, without blockage"),
    ("blocked", "i8", "0/1", "somebody stands in the link"),
    ("blockages", "i8", "1", "changes of that state, address of their random numbers"),
    ("change_s", "f8", "s", "when it changes next"),
    ("changed_s", "f8", "s", "when it changed last"),
    ("to_blocked_per_s", "f8", "1/s", "rate of blockages at this distance"),
    ("filtered_dbm", "f8", "dBm", "filtered downlink power at the UE"),
)

SERVICE_FIELDS: Rows = (
    ("model", "i8", "1", "model of the service"),
    ("privacy", "i8", "id", "0 open, 1 site, 2 device"),
    ("share", "f8", "1", "share of the arrivals"),
    ("ttft_slo_s", "f8", "s", "objective for the time to first token"),
    ("tpot_slo_s", "f8", "s", "objective for the time per output token"),
    ("expire_s", "f8", "s", "a job this old expires"),
    ("exposure_cost", "f8", "1", "reward lost when the raw prompt leaves the device"),
    ("payload_bytes", "f8", "B", "picture or sound that goes with a raw prompt"),
    ("mean_output_tokens", "f8", "token", "mean output, known to agents"),
    ("trace_first", "i8", "row", "first row of its trace"),
    ("trace_rows", "i8", "row", "rows of its trace"),
    ("trace_span_s", "f8", "s", "time that its trace covers"),
    ("usd_per_input_token", "f8", "USD", "cloud price of a prompt token"),
    ("usd_per_output_token", "f8", "USD", "cloud price of an output token"),
)

OUTAGE_FIELDS: Rows = (
    ("at_s", "f8", "s", "when it begins or ends, ascending"),
    ("part", "i8", "P", "part that is meant"),
    ("change", "i8", "1", "1 begins, -1 ends"),
)

FAULT_FIELDS: Rows = (
    ("kind", "i8", "id", "see FAULT_KINDS"),
    ("node", "i8", "N", "its node, of a link the end that comes first, -1: the cloud"),
    ("peer", "i8", "N", "other end of a link, -1: none"),
    ("owner", "i8", "1", "address of its random numbers"),
    ("mtbf_s", "f8", "s", "mean time between a repair and the next failure, 0: planned outages only"),
    ("mttr_s", "f8", "s", "mean time to repair"),
    ("up", "i8", "0/1", "it works: neither failed by chance nor by plan"),
    ("broken", "i8", "0/1", "failed by chance"),
    ("planned", "i8", "1", "planned outages in force"),
    ("changes", "i8", "1", "failures and repairs by chance, address of the next one's random number"),
    ("next_s", "f8", "s", "next failure or repair by chance"),
)

REPLAY_FIELDS: Rows = (
    ("next_row", "i8", "row", "rows replayed, counted on over the end of the trace"),
    ("first_row", "i8", "row", "where the episode starts in the trace"),
    ("next_s", "f8", "s", "time of the next arrival"),
)

JOB_FIELDS: Rows = (
    ("row", "i8", "J", "this row's own index"),
    ("stage", "i8", "id", "see STAGE_NAMES"),
    ("number", "i8", "1", "running number in the world"),
    ("service", "i8", "S", "service"),
    ("ue", "i8", "U", "UE"),
    ("ingress", "i8", "N", "node that decides"),
    ("target", "i8", "N", "node of the last part, N: cloud, -1: none"),
    ("link", "i8", "K", "neighbour index of the target, -1: none"),
    ("variant", "i8", "V", "model and precision"),
    ("action", "i8", "C", "the decision, -1: none"),
    ("layer_1", "i8", "layer", "layers [0, layer_1) run on the device"),
    ("layer_2", "i8", "layer", "layers [layer_1, layer_2) run at the ingress node, the rest at the target"),
    ("part", "i8", "id", "part in prefill, or lost by a fault, 0: at the ingress, 1: at the target"),
    ("admitted", "i8", "0/1", "holds weights and KV at the node of its inbox"),
    ("users_0", "i8", "0/1", "counted as user of the weights at the ingress"),
    ("users_1", "i8", "0/1", "counted as user of the weights at the target"),
    ("on_device", "i8", "0/1", "counted as a job of its UE's device"),
    ("in_cloud", "i8", "0/1", "holds one of the cloud's places"),
    ("decided_slot", "i8", "slot", "slot of the decision, -1: none"),
    ("arrival_s", "f8", "s", "arrival at the UE"),
    ("decided_s", "f8", "s", "time of the decision"),
    ("clock_s", "f8", "s", "time up to which the job has been advanced"),
    ("stage_s", "f8", "s", "when the stage began"),
    ("admit_s", "f8", "s", "when it was last admitted"),
    ("prompt_tokens", "f8", "token", "prompt"),
    ("output_tokens", "f8", "token", "output (agents do not know it)"),
    ("setup_tokens", "f8", "token", "tokens to prefill: the prompt, and after a preemption what was generated too"),
    ("done_tokens", "f8", "token", "tokens generated"),
    ("left_s", "f8", "s", "device work left"),
    ("left_bytes", "f8", "B", "bytes left to send"),
    ("prefilled", "f8", "token", "tokens prefilled in this part"),
    ("kv_tokens", "f8", "token", "tokens reserved at each node part"),
    ("kv_0_bytes", "f8", "B", "KV held at the ingress"),
    ("kv_1_bytes", "f8", "B", "KV held at the target"),
    ("duty_0", "f8", "1", "share of time in which its token is at the ingress"),
    ("duty_1", "f8", "1", "share of time in which its token is at the target"),
    ("cloud_decode_s", "f8", "s", "time of its layers in a cloud iteration"),
    ("first_token_s", "f8", "s", "first token at the UE, -1: not yet"),
    ("energy_j", "f8", "J", "energy of device, radio and accelerators"),
    ("price_usd", "f8", "USD", "tokens, accelerator seconds and bytes"),
    ("air_bytes", "f8", "B", "bytes over the air"),
    ("backhaul_bytes", "f8", "B", "bytes over the backhaul"),
    ("xn_bytes", "f8", "B", "bytes between nodes"),
    ("raw_left", "i8", "0/1", "the raw prompt left the device"),
    ("crossings", "i8", "1", "messages to a target, address of their random numbers"),
    ("retries", "i8", "1", "how often it was put back after a fault"),
)

OUTCOME_FIELDS: Rows = (
    ("world", "i8", "B", "world"),
    ("agent", "i8", "N", "agent that decided, the ingress node"),
    ("slot", "i8", "slot", "slot of the decision, -1: none was taken"),
    ("job", "i8", "1", "running number of the job in its world"),
    ("worth", "f8", "1", "sum of its reward terms"),
    ("phase", "i8", "id", "see PHASE_NAMES"),
    ("measured", "i8", "0/1", "arrived between warm-up and drain"),
    ("service", "i8", "S", "service"),
    ("action", "i8", "C", "the decision, -1: none"),
    ("arrival_s", "f8", "s", "arrival"),
    ("end_s", "f8", "s", "last token at the UE, or when it ended otherwise"),
    ("ttft_s", "f8", "s", "time to first token, -1: there was none"),
    ("tpot_s", "f8", "s", "time per output token after the first, -1: there was none"),
    ("slo_met", "i8", "0/1", "finished within its objectives"),
    ("prompt_tokens", "f8", "token", "prompt"),
    ("output_tokens", "f8", "token", "output"),
    ("quality", "f8", "1", "quality of the answer, 0 if there is none"),
    ("energy_j", "f8", "J", "energy"),
    ("price_usd", "f8", "USD", "price"),
    ("air_bytes", "f8", "B", "bytes over the air"),
    ("backhaul_bytes", "f8", "B", "bytes over the backhaul"),
    ("raw_left", "i8", "0/1", "the raw prompt left the device"),
    ("retries", "i8", "1", "how often it was put back after a fault"),
)


PLACE_FIELDS: Rows = (
    ("accelerator", "i8", "D", "its accelerator"),
    ("cycle_s", "f8", "s", "decode cycle"),
    ("prefill_share", "f8", "1", "share of recent time spent on prefill"),
    ("backlog_s", "f8", "s", "work of the prompts that wait"),
    ("prompts", "i8", "job", "prompts that wait"),
    ("sent_since", "i8", "job", "jobs sent there since the report"),
    ("sequences", "i8", "job", "sequences that hold memory, likewise"),
    ("free_bytes", "f8", "B", "memory that neither KV nor weights in use hold"),
    ("low", "i8", "layer", "first layer held of the variant"),
    ("high", "i8", "layer", "end of the layers held of the variant"),
    ("users", "i8", "job", "jobs that need the variant's weights"),
    ("tokens", "f8", "token", "tokens a decode iteration of the variant"),
    ("disk_s", "f8", "s", "time until the disk is free"),
    ("age_s", "f8", "s", "age of this knowledge"),
)

FORECAST_FIELDS: Rows = (
    ("time_s", "f8", "s", "from now to the first token"),
    ("token_s", "f8", "s", "time per output token"),
    ("load_s", "f8", "s", "of it: loading weights"),
    ("wait_s", "f8", "s", "of it: waiting for prefill, memory or the cloud"),
    ("upload_s", "f8", "s", "of it: upload"),
    ("busy_s", "f8", "s", "accelerator time at nodes"),
    ("energy_j", "f8", "J", "energy"),
    ("price_usd", "f8", "USD", "price"),
    ("air_bytes", "f8", "B", "bytes over the air"),
    ("backhaul_bytes", "f8", "B", "bytes over the backhaul"),
    ("sequences", "f8", "job", "sequences at the place of the last part"),
    ("cycle_s", "f8", "s", "decode cycle there"),
    ("age_s", "f8", "s", "age of what is known of it"),
)


def record(rows: Rows) -> np.dtype:
    """Aligned dtype of a table of fields."""
    return np.dtype([(name, kind) for name, kind, _, _ in rows], align=True)


SETUP_DTYPE = record(SETUP_FIELDS)
EPISODE_DTYPE = record(EPISODE_FIELDS)
NODE_DTYPE = record(NODE_FIELDS)
VARIANT_DTYPE = record(VARIANT_FIELDS)
LINK_DTYPE = record(LINK_FIELDS)
SEEN_DTYPE = record(SEEN_FIELDS)
UE_DTYPE = record(UE_FIELDS)
CELL_DTYPE = record(CELL_FIELDS)
SERVICE_DTYPE = record(SERVICE_FIELDS)
OUTAGE_DTYPE, FAULT_DTYPE = record(OUTAGE_FIELDS), record(FAULT_FIELDS)
REPLAY_DTYPE = record(REPLAY_FIELDS)
JOB_DTYPE = record(JOB_FIELDS)
OUTCOME_DTYPE = record(OUTCOME_FIELDS)
COUNTER_DTYPE = record(COUNTER_FIELDS)
DEVICE_DTYPE = record(DEVICE_FIELDS)
MODEL_DTYPE = record(MODEL_FIELDS)
PLACE_DTYPE, FORECAST_DTYPE = record(PLACE_FIELDS), record(FORECAST_FIELDS)
ACTION_DTYPE, BAND_DTYPE = record(ACTION_FIELDS), record(BAND_FIELDS)

ENTITIES: dict[str, Rows] = {
    "setup": SETUP_FIELDS,
    "band": BAND_FIELDS,
    "episode": EPISODE_FIELDS,
    "node": NODE_FIELDS,
    "variant": VARIANT_FIELDS,
    "link": LINK_FIELDS,
    "seen": SEEN_FIELDS,
    "ue": UE_FIELDS,
    "cell": CELL_FIELDS,
    "service": SERVICE_FIELDS,
    "outage": OUTAGE_FIELDS,
    "fault": FAULT_FIELDS,
    "replay": REPLAY_FIELDS,
    "job": JOB_FIELDS,
    "outcome": OUTCOME_FIELDS,
    "counters": COUNTER_FIELDS,
    "device": DEVICE_FIELDS,
    "model": MODEL_FIELDS,
    "action": ACTION_FIELDS,
    "place": PLACE_FIELDS,
    "forecast": FORECAST_FIELDS,
}


class World(NamedTuple):
    """All arrays of B worlds; up to `cost` they are shared by the worlds and constant. Compiled code holds it by kernel/handle.py."""

    setup: np.recarray  # (1,) SETUP
    band: np.recarray  # (Z,) BAND
    service: np.recarray  # (S,) SERVICE
    action: np.recarray  # (C,) ACTION
    device: np.recarray  # (D,) DEVICE
    model: np.recarray  # (V,) MODEL
    action_layers: np.ndarray  # (C, V, 2) int64 layer_1, layer_2 for a variant
    trace: np.ndarray  # (rows, 3) arrival s, prompt tokens, output tokens
    limits: np.ndarray  # (observation + candidate entries, 2) low, high
    mcs: np.ndarray  # (3, mcs) threshold dB rising, efficiency bit/s/Hz, probit slope of the block errors 1/dB
    outage: np.recarray  # (E,) OUTAGE beginnings and ends of planned outages
    cost: np.ndarray  # (D, V, COST_HEADER + G) cost tables, see edge6g_env.costs.CostTables
    episode: np.recarray  # (B,) EPISODE
    counters: np.recarray  # (B,) COUNTER
    node: np.recarray  # (B, N) NODE
    variant: np.recarray  # (B, N, V) VARIANT
    link: np.recarray  # (B, N, K) LINK
    seen: np.recarray  # (B, N, K, V) SEEN
    ue: np.recarray  # (B, U) UE
    cell: np.recarray  # (B, U + 1, M) CELL, nearest first; the last row is scratch
    tap: np.ndarray  # (B, U, 4, 8) fading taps of the serving link: real part, imaginary part, power with the ray, the same a step before
    replay: np.recarray  # (B, S) REPLAY
    fault: np.recarray  # (B, P) FAULT parts that can fail
    job: np.recarray  # (B, J) JOB
    rows: np.ndarray  # (B, 3, J) int64 job rows: dispatched, a stack of free ones, waiting for the cloud
    places: np.ndarray  # (B, N, 2, Q) int64 job rows at a node: to be decided, waiting for weights, KV or prefill
    outcome: np.recarray  # (B, 3 J) OUTCOME of the last step
    observation: np.ndarray  # (2, B, N, D) float32: present, and the last one of an episode that ended in this step
    action_mask: np.ndarray  # (2, B, N, C) int8, likewise
    candidates: np.ndarray  # (2, B, N, C, F) float32, likewise, or (2, B, N, 0, F) when nobody asked
    place: np.recarray  # (B,) PLACE scratch of a prediction
    forecast: np.recarray  # (B,) FORECAST scratch of a prediction
    actions: np.ndarray  # (B, N) int64 actions of this step
    result: np.ndarray  # (B, N, 1 + terms + costs) float64 reward, its terms, costs


STATE_FIELDS = World._fields[World._fields.index("episode") :]


def print_fields() -> None:
    """Print docs/state.md: every array of World and every field of its records."""
    text = (__doc__ or "").split("\n\n", 1)[1].strip()
    print("# The state\n\nGenerated by `python -m edge6g_env.kernel.world > docs/state.md`; a test compares them.\n")
    print(f"{text}\n\n| array | what |\n|---|---|")
    for line in inspect.getsource(World).splitlines():
        if "  # " in line:
            name, what = line.split("  # ", 1)
            print(f"| `{name.split(':')[0].strip()}` | {what} |")
    for entity, rows in ENTITIES.items():
        print(f"\n## {entity}\n\n| field | type | unit | meaning |\n|---|---|---|---|")
        for name, kind, unit, meaning in rows:
            print(f"| `{name}` | {kind} | {unit} | {meaning} |")


if __name__ == "__main__":
    print_fields()
