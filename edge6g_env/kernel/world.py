"""The state of B worlds: one record array an entity, and the numbers that stand for stages, phases, kinds and effects.

`job.left_bytes` below is `world.job[b, j].left_bytes` in the kernel and `world.job["left_bytes"]` outside it. Times are seconds
since the start of the episode. Sizes: B worlds, N nodes, K neighbours a node, U UEs, M candidate cells a UE or models a service, J job
rows, S services, V variants (a model at a precision), A adapters, R rounds of a draft, D devices, Z bands, C actions, Q places in a
queue, T tiles of the area, P parts that can fail, E changes by planned outages, G points of the token grid; of what flies P policies, R
candidates that are scored, D' and E entries that are read, H hidden units, W weights.

Letters of the kernel: `w` the World, `b` a world, `i` a node, `k` a neighbour of it, `u` a UE, `m` a candidate cell of it, `v` a variant,
`a` an adapter, `s` a service, `c` an action, `z` a band, `p` a part (of a job, or one that can fail). `job` is the record, `job.row` its
index; other records go by the names of their arrays.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class World(NamedTuple):
    """All arrays of B worlds; up to `cost` they are shared by the worlds and constant. Compiled code holds it by kernel/handle.py."""

    interface: np.recarray  # (1,) INTERFACE
    time: np.recarray  # (1,) TIME
    radio: np.recarray  # (1,) RADIO
    mobility: np.recarray  # (1,) MOBILITY
    wired: np.recarray  # (1,) WIRED
    cloud: np.recarray  # (1,) CLOUD
    serving: np.recarray  # (1,) SERVING
    prediction: np.recarray  # (1,) PREDICTION
    arrivals: np.recarray  # (1,) ARRIVALS
    reward: np.recarray  # (1,) REWARD
    prices: np.recarray  # (1,) PRICES
    band: np.recarray  # (Z,) BAND
    service: np.recarray  # (S,) SERVICE
    choice: np.recarray  # (S, M) CHOICE models of a service, in its order
    round: np.recarray  # (S, M, R) ROUND of a service's draft with a model, by tokens drafted
    tuning: np.recarray  # (S, V) TUNING of a fine-tuning service with its model, 0 elsewhere
    lora: np.recarray  # (A,) LORA
    action: np.recarray  # (C,) ACTION
    device: np.recarray  # (D,) DEVICE
    model: np.recarray  # (V,) MODEL
    site: np.recarray  # (N,) SITE
    equipment: np.recarray  # (U,) EQUIPMENT of a UE, the same in all worlds and episodes
    tile: np.ndarray  # (T + 1,) int64 first row of tile_node of each tile, row by row of tiles, and the end
    tile_node: np.ndarray  # (N,) int64 nodes by the tile that they stand in
    neighbour: np.ndarray  # (N, K) int64 nodes, nearest first
    action_layers: np.ndarray  # (C, V, 2) int64 layer_1, layer_2 for a variant
    exposure: np.ndarray  # (V, layers + 1) share of a prompt that a cut behind so many layers gives away, 1 at 0
    trace: np.ndarray  # (rows, 3) arrival s, prompt tokens, output tokens
    longer: np.ndarray  # (S, tokens) share of the service's outputs that are longer than so many tokens, 0 in the end
    observation_limits: np.ndarray  # float32 (2, D) low, high
    candidate_limits: np.ndarray  # float32 (2, F) low, high
    mcs: np.ndarray  # (3, mcs) threshold dB rising, efficiency bit/s/Hz, probit slope of the block errors 1/dB
    outage: np.recarray  # (E,) OUTAGE beginnings and ends of planned outages
    encoder_s: np.ndarray  # (S, D, V) time in s of a variant's encoder for the inputs of a job of a service
    tuning_s: np.ndarray  # (S, D, V, 3) time in s of a training step: forward through a layer, backward, head both ways
    cost: np.ndarray  # (D, V, COST_HEADER + G) cost tables, see edge6g_env.costs.CostTables
    blank: np.recarray  # (1,) a new row of each entity that is born as a copy of one
    part_faults: np.recarray  # (P,) FAULT of parts that can fail as an episode begins
    flight: np.recarray  # (B,) FLIGHT what a flight is asked for and leaves
    forced: np.ndarray  # (B, N) int64 actions of a flight's first slot, -1: the policy's
    policy: np.recarray  # (1,) POLICY of a flight; from here to recorded_inputs there is nothing without one
    policy_distance: np.ndarray  # (P, S, C) int64 steps of each action from what a policy wants, by service
    policy_route: np.ndarray  # (C,) int64 routes of the action table
    policy_context: np.ndarray  # (D',) int64 entries of the observation that its network reads
    policy_entries: np.ndarray  # (E,) int64 entries of a candidate that it reads
    policy_scales: np.ndarray  # float32 (3, D' + E) how they are scaled: whether by the logarithm, unit, top
    policy_linear: np.ndarray  # float32 (P, E + 1) weights of scaled entries and regret
    policy_network: np.ndarray  # float32 (P, W) its network, see choose.py
    utility: np.ndarray  # float32 (B, C) scratch: predicted utilities of a decision, -inf: not allowed
    shortlist: np.ndarray  # (B, R) int64 scratch: actions that are scored
    candidate_row: np.ndarray  # float32 (B, F) scratch: one candidate
    context: np.ndarray  # float32 (B, D') scratch: scaled
    inputs: np.ndarray  # float32 (B, R, E + 1) scratch: scaled, with the regret
    hidden: np.ndarray  # float32 (B, 3, H) scratch of the network
    scores: np.ndarray  # (B, R) scratch
    recorded: np.recarray  # (B, decisions) RECORDED
    recorded_context: np.ndarray  # float32 (B, decisions, D')
    recorded_inputs: np.ndarray  # float32 (B, decisions, R, E + 1)
    episode: np.recarray  # (B,) EPISODE
    step: np.recarray  # (B,) STEP what a call asks for and leaves; it outlives an episode
    tally: np.recarray  # (B,) TALLY since the episode began
    last_tally: np.recarray  # (B,) TALLY at the end of the last slot, which may have ended an episode
    node: np.recarray  # (B, N) NODE
    server: np.recarray  # (B, N) SERVER of a node: what a failure of it loses
    variant: np.recarray  # (B, N, V) VARIANT
    adapter: np.recarray  # (B, N, A) ADAPTER
    link: np.recarray  # (B, N, K) LINK
    seen: np.recarray  # (B, N, K, V) SEEN
    ue: np.recarray  # (B, U) UE
    cell: np.recarray  # (B, U + 1, M) CELL, nearest first; the last row is scratch
    tap: np.ndarray  # (B, U, 4, 8) fading taps of the serving link: real part, imaginary part, power with the ray, the same a step before
    arrival_heap: np.ndarray  # (B, U) int64 UEs by the instant of their next job, see heap.py
    source: np.recarray  # (B, S) SOURCE of the jobs of a service, where services have their own
    fault: np.recarray  # (B, P) FAULT parts that can fail
    job: np.recarray  # (B, J) JOB
    part: np.recarray  # (B, J, 2) PART of a job: at the ingress, at the target
    roster: np.ndarray  # (B, 3, J) int64 rows of job: dispatched, a stack of free ones, waiting for the cloud
    queue: np.ndarray  # (B, N, 3, Q) int64 rows of job at a node: to be decided, in the inbox, training there
    outcome: np.recarray  # (B, 3 J) OUTCOME of the last step
    noted: np.recarray  # (B, 64) NOTED legs of the watched job as they began; more rows of a recording
    last_note: np.ndarray  # (B, J) int64 what was noted last of each job, see notes.py; (B, 0) without a recording
    last_busy_s: np.ndarray  # (B, N) node.busy_s at the end of the last episode
    observation: np.ndarray  # (2, B, N, D) float32: NOW, and FINAL: the last one of an episode that ended in this step
    action_mask: np.ndarray  # (2, B, N, C) int8, likewise
    candidates: np.ndarray  # (2, B, N, C, F) float32, likewise, or (2, B, N, 0, F) when nobody asked
    known: np.recarray  # (B, K + 3, V) KNOWN scratch of a decision: own node, neighbours, device, cloud
    chunk_layer_s: np.ndarray  # (B, K + 1, V, chunks) scratch, s: a layer's time for each of the first chunks
    forecast: np.recarray  # (B,) FORECAST scratch of a prediction
    undrafted: np.recarray  # (B,) FORECAST of the same action without its draft
    actions: np.ndarray  # (B, N) int64 actions of this step
    decision: np.recarray  # (B, N) DECISION of this step
    result: np.ndarray  # (B, N, 1 + terms + costs) float64 reward, its terms, costs


STATE_ARRAYS = World._fields[World._fields.index("episode") :]
