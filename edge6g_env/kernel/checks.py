"""Invariants that the debug switch checks inside the loop: nothing lost, no memory overrun, no double counting; and what is kept from
slot to slot is what it would be if it were worked out anew."""

from __future__ import annotations

from edge6g_env import radio
from edge6g_env._jit import njit_inner
from edge6g_env.kernel import channel, dispatch
from edge6g_env.kernel.costing import weight_bytes
from edge6g_env.kernel.rng import FOR_INTERFERER, owner_bits
from edge6g_env.kernel.world import DISPATCH, DONE, FREE

VIOLATIONS = (
    "",
    "jobs are lost: arrived is not finished + rejected + expired + failed + in flight",
    "job rows are lost: free + in flight is not all",
    "weights and KV of a node exceed its memory",
    "reserved KV of a node is not the sum over its jobs",
    "resident weights of a node are not the sum over its variants and adapters",
    "a variant's users are not the jobs that use it",
    "the cloud serves more jobs than it has places",
    "a UE's device counts jobs that it does not run",
    "a server that is down holds jobs, weights or KV",
    "a cloud that is down has jobs",
    "a mask is not that of the job at the head",
    "the next arrival is not the earliest of all UEs",
    "a UE has passed a link step or the end of its leg unseen",
    "the power of a link is not that of its loss",
    "a node with decoders is passed over",
    "the interferer's draws of a UE do not belong to its episode",
)
_BYTE = 1.0  # rounding of sums of bytes


@njit_inner
def _check_jobs(w, b):
    episode = w.episode[b]
    in_flight = episode.n_active
    for i in range(w.node.shape[1]):
        in_flight += w.node[b, i].n_queue
    ended = episode.finished + episode.rejected + episode.expired + episode.failed
    if episode.arrived != ended + in_flight:
        episode.error = 1
    if episode.n_free + in_flight != w.job.shape[1] - 1:
        episode.error = 2


@njit_inner
def _check_node(w, b, i):
    episode, node = w.episode[b], w.node[b, i]
    if node.kv_bytes + node.weight_bytes > node.usable_bytes + _BYTE:
        episode.error = 3
    kv_bytes, weights = 0.0, 0.0
    for v in range(w.variant.shape[2]):
        variant = w.variant[b, i, v]
        users = 0
        for j in range(w.job.shape[1]):
            job = w.job[b, j]
            if job.stage == FREE or job.variant != v:
                continue
            at_ingress = job.users_0 == 1 and job.ingress == i
            at_target = job.users_1 == 1 and job.target == i
            users += int(at_ingress) + int(at_target)
            kv_bytes += job.kv_0_bytes if at_ingress else 0.0
            kv_bytes += job.kv_1_bytes if at_target else 0.0
        if users != variant.users:
            episode.error = 6
        if node.load_variant == v:
            weights += weight_bytes(w, v, node.load_low, node.load_high)
        else:
            weights += weight_bytes(w, v, variant.low, variant.high)
    for a in range(w.adapter.shape[2]):
        if w.adapter[b, i, a].resident == 1:
            weights += w.lora[a].bytes
    if abs(kv_bytes - node.kv_bytes) > _BYTE:
        episode.error = 4
    if abs(weights - node.weight_bytes) > _BYTE:
        episode.error = 5
    if node.up == 0 and (node.n_inbox > 0 or node.n_admitted > 0 or node.kv_bytes > 0.0 or node.weight_bytes > 0.0):
        episode.error = 9


@njit_inner
def check_world(w, b):
    """Set w.episode[b].error to the number of a violated invariant (index into VIOLATIONS)."""
    episode = w.episode[b]
    _check_jobs(w, b)
    for i in range(w.node.shape[1]):
        _check_node(w, b, i)
    if episode.cloud_running > w.cloud[0].concurrency:
        episode.error = 7
    if episode.cloud_up == 0 and episode.cloud_running + episode.n_cloud_wait > 0:
        episode.error = 10
    for u in range(w.ue.shape[1]):
        jobs = 0
        for j in range(w.job.shape[1]):
            jobs += int(w.job[b, j].stage != FREE and w.job[b, j].ue == u and w.job[b, j].on_device == 1)
        if jobs != w.ue[b, u].device_jobs:
            episode.error = 8


@njit_inner
def check_kept(w, b):
    """The same for what is kept while nothing that it depends on changes; after the observation."""
    episode = w.episode[b]
    for i in range(w.node.shape[1]):
        _check_mask(w, b, i)
        for v in range(w.variant.shape[2]):
            if w.variant[b, i, v].tokens > 0.0 and w.node[b, i].decodes == 0:
                episode.error = 15
    for u in range(w.ue.shape[1]):
        _check_way(w, b, u)
        if w.arrivals[0].trace_replay == 0 and w.ue[b, u].next_arrival_s < episode.next_arrival_s:
            episode.error = 12
        if w.ue[b, u].interferer_bits != owner_bits(episode.key, FOR_INTERFERER, u):
            episode.error = 16
        for m in range(w.cell.shape[2]):
            _check_powers(w, b, w.cell[b, u, m])


@njit_inner
def _check_mask(w, b, i):
    if w.node[b, i].n_queue == 0:
        return
    for c in range(w.action.shape[0]):
        legal = dispatch.refusal(w, b, i, w.queue[b, i, DISPATCH, 0], c) == DONE
        if legal != (w.action_mask[0, b, i, c] == 1):
            w.episode[b].error = 11


@njit_inner
def _check_way(w, b, u):
    ue, now_s = w.ue[b, u], w.episode[b].now_s
    gone_m = ue.walked_m + channel.stand(ue, now_s) * ue.leg_m
    stopped = now_s >= ue.leg_end_s
    if int(gone_m / w.radio[0].link_step_m) != ue.link_steps or now_s >= ue.leave_s or stopped != (ue.speed_m_s == 0.0):
        w.episode[b].error = 13


@njit_inner
def _check_powers(w, b, cell):
    band = w.band[w.node[b, cell.node].band]
    power_dbm = band.ptx_bs_dbm - cell.coupling_loss_db
    moved = cell.power_dbm != power_dbm or cell.heard_astray_mw != radio.linear_of(power_dbm + band.stray_db)
    if cell.offset_db != band.offset_db or (w.radio[0].blockers_per_m2 <= 0.0 and moved):
        w.episode[b].error = 14
