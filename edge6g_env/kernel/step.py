"""One slot, in its fixed order, and `run`, the entry that Python calls."""

from __future__ import annotations

from edge6g_env._jit import njit, njit_inner, njit_seldom
from edge6g_env.kernel import (
    checks,
    codes,
    dispatch,
    faults,
    flight,
    handover,
    mobility,
    notes,
    rates,
    redraw,
    rng,
    rounds,
    stages,
    traffic,
)
from edge6g_env.kernel.ledger import end_job, is_measured
from edge6g_env.kernel.observe import exchange_reports, observe
from edge6g_env.kernel.places import air, memory
from edge6g_env.kernel.rows import copy


@njit_inner
def _drop_active(w, b, place):
    """Take a row out of the active list; the last one takes its place."""
    episode = w.episode[b]
    episode.n_active -= 1
    w.roster[b, codes.ACTIVE, place] = w.roster[b, codes.ACTIVE, episode.n_active]


@njit_inner
def _advance_jobs(w, b, t0, t1):
    place = 0
    while place < w.episode[b].n_active:
        if stages.advance(w, b, w.job[b, w.roster[b, codes.ACTIVE, place]], t0, t1):
            _drop_active(w, b, place)
        else:
            place += 1


@njit_inner
def _substep(w, b, t0, t1):
    stages.count_work(w, b, t0)
    stages.run_servers(w, b, t0, t1)
    _advance_jobs(w, b, t0, t1)
    rounds.settle(w, b, t1)


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
def _end_if_due(w, b, job, now_s, everything):
    """End the job if the sweep does, and say so: as expired, but as cut if it is not measured and everything ends."""
    if not everything and now_s < job.arrival_s + w.service[job.service].expire_s:
        return False
    expires = not everything or is_measured(w, job.arrival_s)
    end_job(w, b, job, codes.EXPIRED if expires else codes.CUT, now_s)
    return True


@njit_inner
def _sweep(w, b, now_s, everything):
    """End the jobs that are too old, dispatched or not, or all of them."""
    place = 0
    while place < w.episode[b].n_active:
        if _end_if_due(w, b, w.job[b, w.roster[b, codes.ACTIVE, place]], now_s, everything):
            _drop_active(w, b, place)
        else:
            place += 1
    for i in range(w.node.shape[1]):
        kept = 0
        for place in range(w.node[b, i].n_queue):
            row = w.queue[b, i, codes.DISPATCH, place]
            if not _end_if_due(w, b, w.job[b, row], now_s, everything):
                w.queue[b, i, codes.DISPATCH, kept] = row
                kept += 1
        w.node[b, i].n_queue = kept


@njit_inner
def _slot(w, b, idle):
    """Actions, unless it is an idle slot; fluid substeps; UEs and channels; arrivals; expiry; heads; reports."""
    episode, time = w.episode[b], w.time[0]
    start_s = episode.slot * time.slot_s
    for i in range(w.node.shape[1] if not idle else 0):
        dispatch.act(w, b, i, w.actions[b, i], start_s)
    for n in range(time.n_substeps):
        t0 = start_s + n * time.slot_s / time.n_substeps
        _advance_world(w, b, t0, start_s + (n + 1) * time.slot_s / time.n_substeps)
    episode.slot += 1
    end_s = episode.slot * time.slot_s
    episode.now_s = end_s
    mobility.move_ues(w, b, end_s)
    handover.measure_cells(w, b, end_s)
    rates.estimate_channels(w, b, end_s)
    traffic.arrive(w, b, end_s)
    _sweep(w, b, end_s, False)
    dispatch.set_heads(w, b)
    exchange_reports(w, b)


@njit_seldom
def _start_episode(w, b):
    """An empty world with a fresh random key, UEs placed, first reports sent."""
    episode, n_rows = w.episode[b], w.job.shape[1] - 1
    notes.of_world(w, b, notes.BEGINS, -1, 0, 0, 0.0, 0.0)
    w.episode[b], w.tally[b] = w.blank[0].episode, w.blank[0].tally
    episode.key, episode.n_free = rng.world_key(w.step[b].seed, w.step[b].episode), n_rows
    episode.place_key = episode.key
    for j in range(n_rows):
        w.roster[b, codes.SPARE, j] = n_rows - 1 - j
    for j in range(n_rows + 1):
        w.job[b, j] = w.blank[0].job
        for p in range(w.part.shape[2]):
            w.part[b, j, p] = w.blank[0].part
    for i in range(w.node.shape[1]):
        _start_node(w, b, i)
    for u in range(w.ue.shape[1]):
        w.ue[b, u] = w.blank[0].ue
        mobility.place_ue(w, b, u)
        handover.attach(w, b, u)
    rates.start_interference(w, b)
    rates.estimate_channels(w, b, 0.0)
    traffic.start_arrivals(w, b)
    exchange_reports(w, b)  # sent while all was well: who is cut off from the start knows no better
    faults.start_faults(w, b)


@njit_seldom
def _start_node(w, b, i):
    w.node[b, i] = w.blank[0].node
    air.load_cell(w, w.node[b, i])
    memory.empty_server(w, b, i, 0.0)
    for k in range(w.link.shape[2]):
        w.link[b, i, k] = w.blank[0].link
    for v in range(w.variant.shape[2]):
        if w.model[v].preload == 1:
            memory.preload(w, b, i, v)


@njit_inner
def _begin_step(w, b):
    step = w.step[b]
    w.result[b] = 0.0
    step.n_outcomes, step.truncated, step.slots, step.end_s, step.error = 0, 0, 0, 0.0, 0
    for i in range(w.node.shape[1]):
        w.decision[b, i].job, w.decision[b, i].effect = -1, codes.DONE


@njit_inner
def _mix_reward(w, b):
    mix = w.reward[0].reward_mix
    if mix > 0.0:
        mean = 0.0
        for i in range(w.result.shape[1]):
            mean += w.result[b, i, codes.OWN_REWARD] / w.result.shape[1]
        for i in range(w.result.shape[1]):
            w.result[b, i, codes.OWN_REWARD] = (1.0 - mix) * w.result[b, i, codes.OWN_REWARD] + mix * mean


@njit_inner
def _keep_tally(w, b):
    w.tally[b].in_flight = flight.in_flight(w, b)
    w.last_tally[b] = w.tally[b]


@njit_seldom
def _keep_final(w, b):
    for i in range(w.node.shape[1]):
        copy(w.observation[codes.NOW, b, i], w.observation[codes.FINAL, b, i])
        copy(w.action_mask[codes.NOW, b, i], w.action_mask[codes.FINAL, b, i])
        for c in range(w.candidates.shape[3]):
            copy(w.candidates[codes.NOW, b, i, c], w.candidates[codes.FINAL, b, i, c])


@njit_seldom
def _end_episode(w, b):
    """Last observation aside, then a new episode in the same step."""
    w.step[b].truncated = 1
    observe(w, b)
    if w.interface[0].debug == 1:
        checks.check_kept(w, b)
    _keep_final(w, b)
    _sweep(w, b, w.episode[b].now_s, True)
    if w.interface[0].debug == 1:
        checks.check_world(w, b)
    for i in range(w.node.shape[1]):
        w.last_busy_s[b, i] = w.node[b, i].busy_s
    w.step[b].episode += 1
    _start_episode(w, b)


@njit_seldom
def _stop_at_end(w, b):
    """In flight the episode ends, and no other begins: what is under way ends as in the metrics."""
    _sweep(w, b, w.episode[b].now_s, True)
    dispatch.set_heads(w, b)


@njit_inner
def _step_world(w, b, task):
    """One step of world b: a slot, with STEP_ON the idle slots up to the next decision, with FLY as far as its flight goes."""
    episode, step, debug, flies = w.episode[b], w.step[b], w.interface[0].debug == 1, task == codes.FLY
    _begin_step(w, b)
    if flies:
        flight.go_on(w, b)
    while not (flies and flight.rests(w, b)):
        if flies:
            flight.decide(w, b)
        _slot(w, b, episode.n_heads == 0 if flies else step.slots > 0)
        step.slots += 1
        if debug:
            checks.check_world(w, b)
        _keep_tally(w, b)
        step.end_s = episode.now_s
        ends = episode.slot >= w.time[0].episode_slots
        if flies:
            if ends:
                _stop_at_end(w, b)
            flight.count(w, b)
            continue
        if ends:
            _end_episode(w, b)
            break
        room = w.outcome.shape[1] - step.n_outcomes > 2 * w.job.shape[1]
        if task == codes.STEP or episode.n_heads > 0 or not room or step.slots == step.most_slots:
            break
    _mix_reward(w, b)
    if flies and w.flight[b].over == 0:
        return
    observe(w, b)
    if flies:
        flight.finish(w, b)
    if debug:
        checks.check_kept(w, b)


@njit_seldom
def _reset_world(w, b):
    _begin_step(w, b)
    w.step[b].n_noted = 0
    for i in range(w.node.shape[1]):
        w.last_busy_s[b, i] = 0.0
    _start_episode(w, b)
    _keep_tally(w, b)
    observe(w, b)


@njit
def run(w, first, end, task):
    """Do a task (codes.STEP to LOOK) with the worlds [first, end): those that step do so by w.actions, those that fly by w.flight; a reset
    starts the episode (seed and number stand in w.step) where step.chosen is 1, REDRAW and LOOK are of such worlds, too. One entry for
    all, since they share most of what has to be compiled."""
    for b in range(first, end):
        if task <= codes.STEP_ON or (task == codes.FLY and w.flight[b].flies == 1):
            _step_world(w, b, task)
        elif task == codes.RESET and w.step[b].chosen == 1:
            _reset_world(w, b)
        elif task == codes.REDRAW and w.step[b].chosen == 1:
            redraw.redraw(w, b)
        elif task == codes.LOOK and w.step[b].chosen == 1:
            observe(w, b)
