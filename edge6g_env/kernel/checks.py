"""Invariants that the debug switch checks inside the loop: nothing lost, no memory overrun, no double counting; and what is kept from
slot to slot is what it would be if it were worked out anew."""

from __future__ import annotations

from edge6g_env import radio
from edge6g_env._jit import njit_seldom
from edge6g_env.kernel import channel, codes, dispatch, heap, rng
from edge6g_env.kernel.costing import weight_bytes
from edge6g_env.kernel.places import device

VIOLATIONS = (
    "",
    "jobs are lost: arrived is not finished + rejected + expired + failed + in flight",
    "job rows are lost: free + in flight is not all",
    "weights, KV and training state of a node exceed its memory",
    "reserved KV or training state of a node is not the sum over its jobs",
    "resident weights of a node are not the sum over its variants and adapters",
    "a variant's users are not the jobs that use it",
    "the cloud serves more jobs than it has places",
    "a UE's device counts jobs that it does not run",
    "a server that is down holds jobs, weights or KV",
    "a cloud that is down has jobs",
    "a mask is not that of the job at the head",
    "the next arrival is not the earliest of all UEs or services",
    "a UE has passed a link step or the end of its leg unseen",
    "the power of a link is not that of its loss",
    "a node with decoders is passed over",
    "the interferer's draws of a UE do not belong to its episode",
    "weights and KV of a UE's device exceed its memory",
    "a training job has more steps than it was asked for, or waits for others of a round in which it is not",
)
JOBS_LOST, ROWS_LOST, MEMORY_OVERRUN, KV_MISCOUNTED, WEIGHTS_MISCOUNTED, USERS_MISCOUNTED, CLOUD_OVERFULL = range(1, 8)
DEVICE_MISCOUNTED, DOWN_SERVER_HOLDS, DOWN_CLOUD_HOLDS, MASK_STALE, ARRIVAL_PASSED, UE_PASSED = range(8, 14)
POWER_STALE, DECODERS_PASSED, INTERFERER_FOREIGN, DEVICE_OVERRUN, STEPS_MISCOUNTED = range(14, len(VIOLATIONS))
_BYTE = 1.0  # rounding of sums of bytes


@njit_seldom
def _check_node(w, b, i):
    step, node, site, server = w.step[b], w.node[b, i], w.site[i], w.server[b, i]
    if server.kv_bytes + server.training_bytes + server.weight_bytes > site.usable_bytes + _BYTE:
        step.error = MEMORY_OVERRUN
    kv_bytes, weights, training_bytes, all_trainers = 0.0, 0.0, 0.0, 0
    for v in range(w.variant.shape[2]):
        variant = w.variant[b, i, v]
        users, trainers = 0, 0
        for j in range(w.job.shape[1]):
            job = w.job[b, j]
            if job.stage == codes.FREE or job.variant != v:
                continue
            for p in range(w.part.shape[2]):
                part = w.part[b, j, p]
                if part.state >= codes.WAITING and part.node == i:
                    users += 1
                    if w.service[job.service].kind == codes.FINETUNE:
                        training_bytes += part.kv_bytes
                        trainers += 1
                    else:
                        kv_bytes += part.kv_bytes
        all_trainers += trainers
        if users != variant.users or trainers != variant.trainers:
            step.error = USERS_MISCOUNTED
        if server.load_variant == v:
            weights += weight_bytes(w, v, server.load_low, server.load_high)
        else:
            weights += weight_bytes(w, v, variant.low, variant.high)
    for a in range(w.adapter.shape[2]):
        if w.adapter[b, i, a].resident == 1:
            weights += w.lora[a].bytes
    if all_trainers != server.n_training:
        step.error = USERS_MISCOUNTED
    if abs(kv_bytes - server.kv_bytes) > _BYTE or abs(training_bytes - server.training_bytes) > _BYTE:
        step.error = KV_MISCOUNTED
    if abs(weights - server.weight_bytes) > _BYTE:
        step.error = WEIGHTS_MISCOUNTED
    if node.up == 0 and (
        server.n_inbox + server.n_admitted + server.n_trainees > 0 or server.kv_bytes + server.weight_bytes > 0.0
    ):
        step.error = DOWN_SERVER_HOLDS


@njit_seldom
def check_world(w, b):
    """Set w.step[b].error to the number of a violated invariant (index into VIOLATIONS)."""
    episode, step, tally = w.episode[b], w.step[b], w.tally[b]
    in_flight = episode.n_active
    for i in range(w.node.shape[1]):
        in_flight += w.node[b, i].n_queue
        _check_node(w, b, i)
    if tally.arrived != tally.finished + tally.rejected + tally.expired + tally.failed + tally.cut + in_flight:
        step.error = JOBS_LOST
    if episode.n_free + in_flight != w.job.shape[1] - 1:
        step.error = ROWS_LOST
    if episode.cloud_running > w.cloud[0].concurrency:
        step.error = CLOUD_OVERFULL
    if episode.cloud_up == 0 and episode.cloud_running + episode.n_cloud_wait > 0:
        step.error = DOWN_CLOUD_HOLDS
    for u in range(w.ue.shape[1]):
        _check_device(w, b, u)
    for place in range(episode.n_active):
        _check_steps(w, b, w.job[b, w.roster[b, codes.ACTIVE, place]])


@njit_seldom
def _check_steps(w, b, job):
    steps = w.service[job.service].steps
    too_many = job.done_steps + job.run_steps > steps or job.run_steps < 0.0
    if too_many or (job.stage == codes.MEET and job.in_round == 0 and job.run_steps > 0.0):
        w.step[b].error = STEPS_MISCOUNTED


@njit_seldom
def _check_device(w, b, u):
    ue, jobs, busy, kv_bytes, layers = w.ue[b, u], 0, 0, 0.0, 0
    for j in range(w.job.shape[1]):
        job = w.job[b, j]
        if job.stage != codes.FREE and job.ue == u and job.on_device == 1:
            jobs, busy, kv_bytes = jobs + 1, busy + job.computes, kv_bytes + job.device_kv_bytes
            layers = max(layers, device.part_of(w, job)[1])
    if jobs != ue.device_jobs or busy != ue.device_busy or abs(kv_bytes - ue.device_kv_bytes) > _BYTE:
        w.step[b].error = DEVICE_MISCOUNTED
    held_bytes = weight_bytes(w, ue.device_variant, 0, layers) + kv_bytes if jobs > 0 else 0.0
    if held_bytes > w.device[w.equipment[u].accelerator].usable_bytes + _BYTE:
        w.step[b].error = DEVICE_OVERRUN


@njit_seldom
def check_kept(w, b):
    """The same for what is kept while nothing that it depends on changes; after the observation."""
    episode, step = w.episode[b], w.step[b]
    for i in range(w.node.shape[1]):
        _check_mask(w, b, i)
        for v in range(w.variant.shape[2]):
            if w.variant[b, i, v].tokens > 0.0 and w.server[b, i].decodes == 0:
                step.error = DECODERS_PASSED
    for s in range(w.source.shape[1]):
        if w.arrivals[0].kind != codes.POISSON and w.source[b, s].next_s < max(episode.next_arrival_s, episode.now_s):
            step.error = ARRIVAL_PASSED
    for u in range(w.ue.shape[1]):
        _check_way(w, b, u)
        if heap.next_s(w.ue[b, u]) < episode.next_arrival_s:
            step.error = ARRIVAL_PASSED
        if w.ue[b, u].interferer_bits != rng.owner_bits(episode.key, rng.FOR_INTERFERER, u):
            step.error = INTERFERER_FOREIGN
        for m in range(w.cell.shape[2]):
            _check_powers(w, b, w.cell[b, u, m])


@njit_seldom
def _check_mask(w, b, i):
    head = w.node[b, i].head
    if head < 0:
        return
    for c in range(w.action.shape[0]):
        legal = dispatch.refusal(w, b, i, w.job[b, head], c) == codes.DONE
        if legal != (w.action_mask[codes.NOW, b, i, c] == 1):
            w.step[b].error = MASK_STALE


@njit_seldom
def _check_way(w, b, u):
    ue, now_s = w.ue[b, u], w.episode[b].now_s
    gone_m = ue.walked_m + channel.stand(ue, now_s) * ue.leg_m
    stopped = now_s >= ue.leg_end_s
    if int(gone_m / w.radio[0].link_step_m) != ue.link_steps or now_s >= ue.leave_s or stopped != (ue.speed_m_s == 0.0):
        w.step[b].error = UE_PASSED


@njit_seldom
def _check_powers(w, b, cell):
    band = w.band[w.site[cell.node].band]
    power_dbm = band.ptx_bs_dbm - cell.coupling_loss_db
    moved = cell.power_dbm != power_dbm or cell.heard_astray_mw != radio.linear_of(power_dbm + band.stray_db)
    if cell.offset_db != band.offset_db or (w.radio[0].blockers_per_m2 <= 0.0 and moved):
        w.step[b].error = POWER_STALE
