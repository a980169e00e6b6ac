"""One slot, in its fixed order, and `run`, the entry that Python calls."""

from __future__ import annotations

from edge6g_env._jit import njit, njit_inner
from edge6g_env.kernel import air, checks, dispatch, engine, faults, handover, memory, mobility, path, traffic
from edge6g_env.kernel.ledger import end_job, is_measured
from edge6g_env.kernel.observe import exchange_reports, observe
from edge6g_env.kernel.rng import world_key
from edge6g_env.kernel.world import ACTIVE, CUT, DISPATCH, EXPIRED, OWN_REWARD, SPARE


@njit_inner
def _drop_active(w, b, place):
    """Take a row out of the active list; the last one takes its place."""
    episode = w.episode[b]
    episode.n_active -= 1
    w.roster[b, ACTIVE, place] = w.roster[b, ACTIVE, episode.n_active]


@njit_inner
def _advance_jobs(w, b, t0, t1):
    place = 0
    while place < w.episode[b].n_active:
        if path.advance(w, b, w.roster[b, ACTIVE, place], t0, t1):
            _drop_active(w, b, place)
        else:
            place += 1


@njit_inner
def _substep(w, b, t0, t1):
    engine.count_work(w, b, t0)
    for i in range(w.node.shape[1]):
        engine.run_node(w, b, i, t0, t1)
    engine.run_cloud(w, b, t1)
    _advance_jobs(w, b, t0, t1)


@njit_inner
def _advance_world(w, b, t0, t1):
    """Go from t0 to t1 in one substep, or in several that end where a part fails or is repaired."""
    episode = w.episode[b]
    while episode.next_fault_s <= t1:
        fault_s = episode.next_fault_s
        if fault_s > t0:
            episode.now_s = t0
            _substep(w, b, t0, fault_s)
            t0 = fault_s
        faults.change_parts(w, b, fault_s)
    if t0 < t1:
        episode.now_s = t0
        _substep(w, b, t0, t1)


@njit_inner
def _is_over_age(w, b, j, now_s):
    job = w.job[b, j]
    return now_s >= job.arrival_s + w.service[job.service].expire_s


@njit_inner
def _sweep(w, b, now_s, everything):
    """End the jobs that are too old, dispatched or not; with `everything`, end all: measured ones expire, others are cut."""
    place = 0
    while place < w.episode[b].n_active:
        j = w.roster[b, ACTIVE, place]
        if everything or _is_over_age(w, b, j, now_s):
            expires = not everything or is_measured(w, w.job[b, j].arrival_s)
            end_job(w, b, j, EXPIRED if expires else CUT, now_s)
            _drop_active(w, b, place)
        else:
            place += 1
    for i in range(w.node.shape[1]):
        kept = 0
        for place in range(w.node[b, i].n_queue):
            j = w.queue[b, i, DISPATCH, place]
            if everything or _is_over_age(w, b, j, now_s):
                expires = not everything or is_measured(w, w.job[b, j].arrival_s)
                end_job(w, b, j, EXPIRED if expires else CUT, now_s)
            else:
                w.queue[b, i, DISPATCH, kept] = j
                kept += 1
        w.node[b, i].n_queue = kept


@njit_inner
def _slot(w, b, idle):
    """Actions (hold when idle); fluid substeps; UEs and channels; arrivals; expiry; reports."""
    episode, time = w.episode[b], w.time[0]
    start_s = episode.slot * time.slot_s
    for i in range(w.node.shape[1]):
        dispatch.act(w, b, i, 0 if idle else w.actions[b, i], start_s)
    for n in range(time.n_substeps):
        t0 = start_s + n * time.slot_s / time.n_substeps
        _advance_world(w, b, t0, start_s + (n + 1) * time.slot_s / time.n_substeps)
    episode.slot += 1
    end_s = episode.slot * time.slot_s
    episode.now_s = end_s
    mobility.move_ues(w, b, end_s)
    handover.measure_cells(w, b, end_s)
    air.estimate_channels(w, b, end_s)
    traffic.arrive(w, b, end_s)
    _sweep(w, b, end_s, False)
    exchange_reports(w, b)


@njit_inner
def _start_episode(w, b):
    """Empty world, fresh random key, UEs placed, first reports sent."""
    episode = w.episode[b]
    episode.key = world_key(episode.seed, episode.episode)
    episode.slot, episode.now_s, episode.n_active, episode.next_job, episode.reports = 0, 0.0, 0, 0, -1
    episode.cloud_running, episode.cloud_free_s, episode.n_cloud_wait, episode.cloud_up = 0, 0.0, 0, 1
    episode.arrived, episode.finished, episode.rejected, episode.expired, episode.failed = 0, 0, 0, 0, 0
    episode.preempted, episode.handovers, episode.ping_pongs, episode.error = 0, 0, 0, 0
    episode.outages, episode.requeued = 0, 0
    episode.measure_step, episode.csi_step = 0, -1
    n_free = w.job.shape[1] - 1
    episode.n_free = n_free
    for j in range(n_free):
        w.roster[b, SPARE, j] = n_free - 1 - j
        w.job[b, j].stage = 0
    w.job[b, n_free].stage = 0
    for i in range(w.node.shape[1]):
        _empty_node(w, b, i)
    for u in range(w.ue.shape[1]):
        ue = w.ue[b, u]
        ue.device_variant, ue.device_layers, ue.device_jobs, ue.arrivals = -1, 0, 0, 0
        mobility.place_ue(w, b, u)
        handover.attach(w, b, u)
    air.start_interference(w, b)
    air.estimate_channels(w, b, 0.0)
    traffic.start_arrivals(w, b)
    exchange_reports(w, b)  # sent while all was well: who is cut off from the start knows no better
    faults.start_faults(w, b)


@njit_inner
def _empty_node(w, b, i):
    node = w.node[b, i]
    memory.empty_server(w, b, i, 0.0)
    node.n_queue, node.n_senders, node.n_backhaul, node.shown, node.up, node.backhaul_up = 0, 0, 0, 1, 1, 1
    node.cloud_seen_wait_s, node.cloud_seen_s, node.cloud_seen_up = 0.0, 0.0, 1
    node.decided, node.action_effect, node.mask_job = 0, 0, -1
    for k in range(w.link.shape[2]):
        w.link[b, i, k].up, w.link[b, i, k].n_transfers = 1, 0
    for v in range(w.variant.shape[2]):
        if w.model[v].preload == 1:
            memory.preload(w, b, i, v)


@njit_inner
def _begin_step(w, b):
    w.episode[b].n_outcomes = 0
    w.result[b] = 0.0
    w.episode[b].truncated, w.episode[b].slots, w.episode[b].step_end_s = 0, 0, 0.0


@njit_inner
def _mix_reward(w, b):
    mix = w.reward[0].reward_mix
    if mix > 0.0:
        mean = 0.0
        for i in range(w.result.shape[1]):
            mean += w.result[b, i, OWN_REWARD] / w.result.shape[1]
        for i in range(w.result.shape[1]):
            w.result[b, i, OWN_REWARD] = (1.0 - mix) * w.result[b, i, OWN_REWARD] + mix * mean


@njit_inner
def _write_counters(w, b):
    counters, episode = w.counters[b], w.episode[b]
    counters.in_flight = episode.n_active
    for i in range(w.node.shape[1]):
        counters.in_flight += w.node[b, i].n_queue
    counters.arrived, counters.finished, counters.rejected = episode.arrived, episode.finished, episode.rejected
    counters.expired, counters.failed = episode.expired, episode.failed


@njit_inner
def _some_decision(w, b):
    for i in range(w.node.shape[1]):
        if w.node[b, i].n_queue > 0:
            return True
    return False


@njit_inner
def _keep_final(w, b):
    for i in range(w.node.shape[1]):
        for f in range(w.observation.shape[3]):
            w.observation[1, b, i, f] = w.observation[0, b, i, f]
        for c in range(w.action_mask.shape[3]):
            w.action_mask[1, b, i, c] = w.action_mask[0, b, i, c]
        for c in range(w.candidates.shape[3]):
            for f in range(w.candidates.shape[4]):
                w.candidates[1, b, i, c, f] = w.candidates[0, b, i, c, f]


@njit_inner
def _end_episode(w, b):
    """Last observation aside, then a new episode in the same step."""
    w.episode[b].truncated = 1
    observe(w, b)
    _keep_final(w, b)
    _sweep(w, b, w.episode[b].now_s, True)
    w.episode[b].episode += 1
    _start_episode(w, b)


@njit_inner
def _keep_effects(w, b):
    """Keep what became of the step's actions; its idle slots only hold."""
    for i in range(w.node.shape[1]):
        w.node[b, i].step_decided, w.node[b, i].step_effect = w.node[b, i].decided, w.node[b, i].action_effect


@njit_inner
def _step_world(w, b, skip_idle):
    """One step of world b: a slot, and with skip_idle the idle slots up to the next decision."""
    episode = w.episode[b]
    _begin_step(w, b)
    while True:
        _slot(w, b, w.episode[b].slots > 0)
        w.episode[b].slots += 1
        if w.episode[b].slots == 1:
            _keep_effects(w, b)
        if w.interface[0].debug == 1:
            checks.check_world(w, b)
        _write_counters(w, b)
        episode.step_end_s = episode.now_s
        if episode.slot >= w.time[0].episode_slots:
            _end_episode(w, b)
            break
        room = w.outcome.shape[1] - episode.n_outcomes > 2 * w.job.shape[1]
        if not skip_idle or _some_decision(w, b) or not room:
            break
    _mix_reward(w, b)
    observe(w, b)
    if w.interface[0].debug == 1:
        checks.check_kept(w, b)


@njit_inner
def _reset_world(w, b):
    _begin_step(w, b)
    _keep_effects(w, b)
    _start_episode(w, b)
    _write_counters(w, b)
    observe(w, b)


@njit
def run(w, first, end, resets, skip_idle):
    """Step the worlds [first, end) by the actions in w.actions; with `resets`, start an episode in those whose episode.chosen is 1
    instead (seed and number of the episode stand there). One entry for both, since they share most of what has to be compiled."""
    for b in range(first, end):
        if not resets:
            _step_world(w, b, skip_idle)
        elif w.episode[b].chosen == 1:
            _reset_world(w, b)
