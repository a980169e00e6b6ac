"""Invariants that the debug switch checks inside the loop: nothing lost, no memory overrun, no double counting."""

from __future__ import annotations

from edge6g_env._jit import njit_inner
from edge6g_env.kernel.costing import weight_bytes
from edge6g_env.kernel.memory import adapter_bytes
from edge6g_env.kernel.world import FREE

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
            weights += adapter_bytes(w, a)
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
    if episode.cloud_running > w.setup[0].cloud_concurrency:
        episode.error = 7
    if episode.cloud_up == 0 and episode.cloud_running + episode.n_cloud_wait > 0:
        episode.error = 10
    for u in range(w.ue.shape[1]):
        jobs = 0
        for j in range(w.job.shape[1]):
            jobs += int(w.job[b, j].stage != FREE and w.job[b, j].ue == u and w.job[b, j].on_device == 1)
        if jobs != w.ue[b, u].device_jobs:
            episode.error = 8
