"""The state of B worlds: one record array an entity. A field is named, typed, given a unit and explained once, here.

`job.left_bytes` below is `world.job[b, j].left_bytes` in the kernel and `world.job["left_bytes"]` outside it. Times are seconds
since the start of the episode. Sizes: B worlds, N nodes, K neighbours a node, U UEs, M candidate cells a UE, J job rows, S services,
V variants (a model at a precision), D devices, C actions, Q places in a queue, G points of the token grid.
"""

from __future__ import annotations

import inspect
from typing import NamedTuple

import numpy as np

# --- stages of a job ------------------------------------------------------------------------------------------------
FREE, QUEUED, DEVICE, UPLINK, NODE_PREFILL, LINK, CLOUD_WAIT, DECODE = range(8)
STAGE_NAMES = ("free", "queued", "device", "uplink", "node_prefill", "link", "cloud_wait", "decode")

# --- how a job ended ------------------------------------------------------------------------------------------------
FINISHED, REJECTED, EXPIRED, FAILED, CUT = range(5)
PHASE_NAMES = ("finished", "rejected", "expired", "failed", "cut")

# --- privacy classes ------------------------------------------------------------------------------------------------
OPEN, SITE, ON_DEVICE = range(3)
PRIVACY_NAMES = ("open", "site", "device")

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
) = range(len(ACTION_EFFECTS))

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
    ("carrier_ghz", "f8", "GHz", "carrier frequency"),
    ("bandwidth_hz", "f8", "Hz", "bandwidth of a cell"),
    ("ptx_ue_dbm", "f8", "dBm", "largest uplink power, Pcmax"),
    ("p0_dbm", "f8", "dBm", "uplink power control, P0 a 180 kHz"),
    ("path_loss_share", "f8", "1", "uplink power control, alpha"),
    ("gain_db", "f8", "dB", "antenna gains of both ends less the pointing loss"),
    ("noise_figure_bs_db", "f8", "dB", "noise figure of the node's receiver"),
    ("evm_db", "f8", "dB", "SINR ceiling of the transmitter"),
    ("margin_db", "f8", "dB", "implementation margin taken off the SINR"),
    ("uplink_efficiency", "f8", "1", "uplink share of the TDD period, less overhead and block errors"),
    ("max_layers", "i8", "1", "most spatial layers"),
    ("h_bs_m", "f8", "m", "height of the node's antenna"),
    ("h_ue_m", "f8", "m", "height of the UE"),
    ("sigma_los_db", "f8", "dB", "shadowing, line of sight"),
    ("sigma_nlos_db", "f8", "dB", "shadowing, no line of sight"),
    ("shadow_corr_m", "f8", "m", "decorrelation distance of the shadowing"),
    ("los_corr_m", "f8", "m", "decorrelation distance of the LOS state"),
    ("k_mean_db", "f8", "dB", "Rician K factor, mean"),
    ("k_std_db", "f8", "dB", "Rician K factor, standard deviation"),
    ("k_corr_m", "f8", "m", "decorrelation distance of the K factor"),
    ("n_taps", "i8", "1", "fading taps averaged over the band"),
    ("fading_period_s", "f8", "s", "time grid of the fast fading"),
    ("csi_error_db", "f8", "dB", "standard deviation of the agents' channel estimate"),
    ("handover_hysteresis_db", "f8", "dB", "a cell must be this much stronger"),
    ("handover_interruption_s", "f8", "s", "no data during a handover"),
    ("uplink_access_s", "f8", "s", "mean access latency of a first uplink message"),
    ("uplink_stream_s", "f8", "s", "mean access latency of a following uplink message of a stream"),
    ("downlink_access_s", "f8", "s", "mean access latency of a downlink message"),
    ("ue_tx_power_w", "f8", "W", "what a UE draws while it sends"),
    ("speed_min_m_s", "f8", "m/s", "slowest walk"),
    ("speed_max_m_s", "f8", "m/s", "fastest walk"),
    ("pause_s", "f8", "s", "mean pause at a waypoint"),
    ("hotspots", "i8", "1", "places where people gather, redrawn each episode"),
    ("hotspot_share", "f8", "1", "share of the waypoints that lie in a hotspot"),
    ("hotspot_radius_m", "f8", "m", "radius of a hotspot"),
    ("ue_device", "i8", "D", "device of the UEs"),
    ("xn_rate_bit_s", "f8", "bit/s", "rate of a link between neighbours"),
    ("xn_delay_s", "f8", "s", "one-way delay between neighbours"),
    ("backhaul_rate_bit_s", "f8", "bit/s", "rate of a node's backhaul"),
    ("backhaul_delay_s", "f8", "s", "one-way delay to the cloud"),
    ("delay_jitter", "f8", "1", "sigma of the log of a cloud message's delay"),
    ("cloud_device", "i8", "D", "accelerator of the cloud"),
    ("cloud_concurrency", "i8", "job", "requests the cloud serves at a time"),
    ("cloud_batch", "f8", "job", "batch in which the cloud decodes"),
    ("token_budget", "f8", "token", "most tokens of an iteration with a prefill chunk"),
    ("max_batch", "i8", "job", "most sequences admitted at a node"),
    ("load_overhead_s", "f8", "s", "fixed part of loading weights"),
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
    ("arrived", "i8", "job", "jobs that arrived"),
    ("finished", "i8", "job", "jobs that finished"),
    ("rejected", "i8", "job", "jobs that were rejected"),
    ("expired", "i8", "job", "jobs that expired"),
    ("failed", "i8", "job", "jobs that failed"),
    ("preempted", "i8", "1", "sequences put back for want of KV memory"),
    ("handovers", "i8", "1", "changes of the serving cell"),
    ("n_outcomes", "i8", "job", "rows of outcome that are filled"),
    ("chosen", "i8", "0/1", "to be reset by the next call of reset"),
    ("truncated", "i8", "0/1", "the episode ended in the last step"),
    ("slots", "i8", "slot", "slots that the last step took"),
    ("step_end_s", "f8", "s", "end of the last step in the time of its episode"),
    ("error", "i8", "id", "a violated invariant (debug), 0: none"),
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
)

ACTION_FIELDS: Rows = (
    ("route", "i8", "id", "hold, reject, local, neighbours, cloud"),
    ("precision", "i8", "id", "index into the scenario's precisions"),
)

NODE_FIELDS: Rows = (
    ("accelerator", "i8", "D", "its accelerator"),
    ("x_m", "f8", "m", "position"),
    ("y_m", "f8", "m", "position"),
    ("usable_bytes", "f8", "B", "memory for weights and KV"),
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
    ("n_backhaul", "i8", "job", "transfers on the backhaul"),
    ("cloud_seen_wait_s", "f8", "s", "wait of this node's last job at the cloud"),
    ("cloud_seen_s", "f8", "s", "when that was seen"),
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
    ("n_transfers", "i8", "job", "transfers under way"),
    ("report_s", "f8", "s", "when the report was made"),
    ("sent_since", "i8", "job", "jobs sent there since that report"),
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
    ("leg_end_s", "f8", "s", "arrival at the waypoint"),
    ("leave_s", "f8", "s", "end of the pause there"),
    ("from_x_m", "f8", "m", "start of the leg"),
    ("from_y_m", "f8", "m", "start of the leg"),
    ("to_x_m", "f8", "m", "waypoint"),
    ("to_y_m", "f8", "m", "waypoint"),
    ("x_m", "f8", "m", "position"),
    ("y_m", "f8", "m", "position"),
    ("speed_m_s", "f8", "m/s", "speed, 0 during a pause"),
    ("walked_m", "f8", "m", "way before this leg"),
    ("metre", "i8", "m", "whole metres walked, address of the channel's random numbers"),
    ("legs", "i8", "1", "legs walked, address of the mobility's random numbers"),
    ("serving", "i8", "M", "serving cell among the candidates"),
    ("node", "i8", "N", "node of the serving cell"),
    ("silent_until_s", "f8", "s", "end of the handover interruption"),
    ("fading_step", "i8", "1", "fading grid step of the taps, -1: none"),
    ("fading_node", "i8", "N", "node that the taps belong to"),
    ("sinr_db", "f8", "dB", "full-band uplink SNR of the serving cell without fading"),
    ("seen_sinr_db", "f8", "dB", "the same as the agent estimates it"),
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
    ("coupling_loss_db", "f8", "dB", "path loss and shadowing less the antenna gains"),
)

SERVICE_FIELDS: Rows = (
    ("model", "i8", "1", "model of the service"),
    ("privacy", "i8", "id", "0 open, 1 site, 2 device"),
    ("share", "f8", "1", "share of the arrivals"),
    ("ttft_slo_s", "f8", "s", "objective for the time to first token"),
    ("tpot_slo_s", "f8", "s", "objective for the time per output token"),
    ("expire_s", "f8", "s", "a job this old expires"),
    ("exposure_cost", "f8", "1", "reward lost when the raw prompt leaves the device"),
    ("mean_output_tokens", "f8", "token", "mean output, known to agents"),
    ("trace_first", "i8", "row", "first row of its trace"),
    ("trace_rows", "i8", "row", "rows of its trace"),
    ("trace_span_s", "f8", "s", "time that its trace covers"),
    ("usd_per_input_token", "f8", "USD", "cloud price of a prompt token"),
    ("usd_per_output_token", "f8", "USD", "cloud price of an output token"),
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
    ("part", "i8", "id", "node part in prefill, 0: ingress, 1: target"),
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
REPLAY_DTYPE = record(REPLAY_FIELDS)
JOB_DTYPE = record(JOB_FIELDS)
OUTCOME_DTYPE = record(OUTCOME_FIELDS)
COUNTER_DTYPE = record(COUNTER_FIELDS)
DEVICE_DTYPE = record(DEVICE_FIELDS)
MODEL_DTYPE = record(MODEL_FIELDS)
PLACE_DTYPE, FORECAST_DTYPE = record(PLACE_FIELDS), record(FORECAST_FIELDS)
ACTION_DTYPE = record(ACTION_FIELDS)

ENTITIES: dict[str, Rows] = {
    "setup": SETUP_FIELDS,
    "episode": EPISODE_FIELDS,
    "node": NODE_FIELDS,
    "variant": VARIANT_FIELDS,
    "link": LINK_FIELDS,
    "seen": SEEN_FIELDS,
    "ue": UE_FIELDS,
    "cell": CELL_FIELDS,
    "service": SERVICE_FIELDS,
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
    service: np.recarray  # (S,) SERVICE
    action: np.recarray  # (C,) ACTION
    device: np.recarray  # (D,) DEVICE
    model: np.recarray  # (V,) MODEL
    action_layers: np.ndarray  # (C, V, 2) int64 layer_1, layer_2 for a variant
    trace: np.ndarray  # (rows, 3) arrival s, prompt tokens, output tokens
    limits: np.ndarray  # (observation + candidate entries, 2) low, high
    mcs: np.ndarray  # (2, mcs) threshold dB rising, efficiency bit/s/Hz
    cost: np.ndarray  # (D, V, COST_HEADER + G) cost tables, see edge6g_env.costs.CostTables
    episode: np.recarray  # (B,) EPISODE
    counters: np.recarray  # (B,) COUNTER
    node: np.recarray  # (B, N) NODE
    variant: np.recarray  # (B, N, V) VARIANT
    link: np.recarray  # (B, N, K) LINK
    seen: np.recarray  # (B, N, K, V) SEEN
    ue: np.recarray  # (B, U) UE
    cell: np.recarray  # (B, U + 1, M) CELL, nearest first; the last row is scratch
    tap: np.ndarray  # (B, U, 3, 8) fading taps of the serving link: real part, imaginary part, power with the ray
    replay: np.recarray  # (B, S) REPLAY
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
