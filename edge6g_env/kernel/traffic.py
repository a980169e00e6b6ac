"""Arrivals: a Poisson process a UE, and of each service the replay of a request trace or a Poisson process that switches between a calm
and a busy rate (two-state MMPP: Fischer, Meier-Hellstern, Performance Evaluation 18, 1993). Prompt and output come from a trace together.
Beside them loops: a UE that sends a job each period, from a phase on that is drawn once.
"""

from __future__ import annotations

import math

from edge6g_env._jit import njit_inner, njit_seldom
from edge6g_env.kernel import codes, heap, notes, rng
from edge6g_env.kernel.ledger import end_job


@njit_seldom
def start_arrivals(w, b):
    """Draw the phase of every loop, and the first arrival of every UE, or of every service: where its trace is entered, or whether it
    begins in a burst."""
    arrivals = w.arrivals[0]
    for u in range(w.ue.shape[1]):
        drawn = arrivals.kind == codes.POISSON and u >= arrivals.first_ue
        w.ue[b, u].next_arrival_s = _poisson_gap_s(w, b, u, 0) if drawn else math.inf
    for s in range(w.service.shape[0]):
        for u in range(w.service[s].first_ue, w.service[s].first_ue + w.service[s].n_ues):
            ue = w.ue[b, u]
            ue.loop = s
            ue.loop_phase_s = rng.uniform(w.episode[b].key, rng.FOR_LOOP, u, 0) * w.service[s].period_s
            ue.next_loop_s = ue.loop_phase_s
    heap.order(w, b)
    for s in range(w.source.shape[1] if arrivals.kind != codes.POISSON else 0):
        w.source[b, s] = w.blank[0].source
        if arrivals.kind == codes.TRACE:
            _enter_trace(w, b, s)
        else:
            _begin_bursts(w, b, s)
        w.source[b, s].next_s = _next_s(w, b, s)
    _set_next(w, b)


@njit_seldom
def redraw_arrivals(w, b, now_s):
    """Draw all arrivals after now_s anew, of the key that the world has now: Poisson ones have no memory, loops get another phase, a replay
    goes on at another time of its trace, a burst in the state that `look_at_bursts` has found."""
    arrivals = w.arrivals[0]
    for u in range(w.ue.shape[1]):
        ue = w.ue[b, u]
        if arrivals.kind == codes.POISSON and u >= arrivals.first_ue:
            ue.next_arrival_s = now_s + _poisson_gap_s(w, b, u, ue.arrivals)
        if ue.next_loop_s < math.inf:
            period_s = w.service[ue.loop].period_s
            ue.next_loop_s = now_s + rng.uniform(w.episode[b].key, rng.FOR_LOOP, u, 0) * period_s
            ue.loop_phase_s = ue.next_loop_s - ue.loops * period_s
    heap.order(w, b)
    for s in range(w.source.shape[1] if arrivals.kind != codes.POISSON else 0):
        source = w.source[b, s]
        if arrivals.kind == codes.TRACE:
            _enter_trace(w, b, s)
            source.first_row -= source.jobs
            service = w.service[s]
            trace_rate = service.trace_rows / service.trace_span_s
            source.start_s -= now_s * service.share * arrivals.rate_jobs_s / trace_rate
        else:
            source.next_s, source.switch_s = now_s, now_s + _dwell_s(w, b, s)
        source.next_s = max(now_s, _next_s(w, b, s))
    _set_next(w, b)


@njit_seldom
def look_at_bursts(w, b, now_s):
    """Go back over the switches that lie between now_s and the next job: its service is busy or calm as it is now."""
    for s in range(w.source.shape[1] if w.arrivals[0].kind == codes.BURST else 0):
        source = w.source[b, s]
        while source.switches > 0 and source.switch_s - _dwell_s(w, b, s) > now_s + codes.SAME_INSTANT_S:
            source.switch_s -= _dwell_s(w, b, s)
            source.switches -= 1
            source.busy = 1 - source.busy


@njit_inner
def _poisson_gap_s(w, b, u, count):
    arrivals = w.arrivals[0]
    return rng.exponential(w.episode[b].key, rng.FOR_ARRIVAL, u, count) * arrivals.n_ues / arrivals.rate_jobs_s


@njit_inner
def _next_s(w, b, s):
    """Arrival of the next job of service s; inf for a loop, which its UEs have."""
    if w.service[s].n_ues > 0:
        return math.inf
    return _replay_s(w, b, s) if w.arrivals[0].kind == codes.TRACE else _burst_s(w, b, s)


@njit_seldom
def _enter_trace(w, b, s):
    """Start at a uniform time of the trace's round, between two rows as a rule: a row as the start would favour bursts."""
    source = w.source[b, s]
    source.start_s = rng.uniform(w.episode[b].key, rng.FOR_TRACE_START, s, 0) * w.service[s].trace_span_s
    source.first_row = _first_row(w, s, source.start_s)


@njit_seldom
def _first_row(w, s, start_s):
    """The first row of service s that is not before start_s; the number of rows, which is row 0 of the next round, if none is."""
    low, high = 0, w.service[s].trace_rows
    while low < high:
        middle = (low + high) // 2
        if _round_s(w, s, middle) < start_s:
            low = middle + 1
        else:
            high = middle
    return low


@njit_inner
def _round_s(w, s, row):
    """Instant of a row of service s, counted on over the trace's end, since the trace's first row; in the trace's own time."""
    service = w.service[s]
    rounds, row_of_round = divmod(row, service.trace_rows)
    first = service.trace_first
    return w.trace[first + row_of_round, 0] - w.trace[first, 0] + rounds * service.trace_span_s


@njit_inner
def _replay_s(w, b, s):
    """Arrival of the next row to be replayed: its distance from the start in the trace, scaled to the service's rate."""
    service, source = w.service[s], w.source[b, s]
    trace_rate = service.trace_rows / service.trace_span_s
    since_start_s = _round_s(w, s, source.first_row + source.jobs) - source.start_s
    return since_start_s * trace_rate / (service.share * w.arrivals[0].rate_jobs_s)


@njit_seldom
def _begin_bursts(w, b, s):
    """Busy with the share of the time in which it is; what is left of an exponential dwell is exponential: the process is stationary."""
    source = w.source[b, s]
    if rng.uniform(w.episode[b].key, rng.FOR_FIRST_STATE, s, 0) < w.arrivals[0].busy_share:
        source.busy = 1
    source.switch_s = _dwell_s(w, b, s)


@njit_inner
def _dwell_s(w, b, s):
    arrivals, source = w.arrivals[0], w.source[b, s]
    mean_s = arrivals.burst_s if source.busy == 1 else arrivals.calm_s
    return rng.exponential(w.episode[b].key, rng.FOR_DWELL, s, source.switches) * mean_s


@njit_inner
def _burst_s(w, b, s):
    """Instant at which the rate, integrated from the service's last job on, reaches the next job's unit exponential; inf, and no switch
    drawn, beyond the end of the episode."""
    arrivals, source = w.arrivals[0], w.source[b, s]
    left, at_s = rng.exponential(w.episode[b].key, rng.FOR_ARRIVAL, s, source.jobs), source.next_s
    while at_s < w.time[0].episode_s:
        factor = arrivals.busy_factor if source.busy == 1 else arrivals.calm_factor
        rate_jobs_s = factor * w.service[s].share * arrivals.rate_jobs_s
        expected = rate_jobs_s * (source.switch_s - at_s)
        if left <= expected:
            return at_s + left / rate_jobs_s
        left -= expected
        at_s = source.switch_s
        source.busy = 1 - source.busy
        source.switches += 1
        source.switch_s += _dwell_s(w, b, s)
    return math.inf


@njit_inner
def _set_next(w, b):
    episode = w.episode[b]
    episode.next_arrival_s = heap.next_s(w.ue[b, heap.earliest(w, b)])
    for s in range(w.source.shape[1] if w.arrivals[0].kind != codes.POISSON else 0):
        episode.next_arrival_s = min(episode.next_arrival_s, w.source[b, s].next_s)


@njit_inner
def _service_of(w, x):
    """Service drawn by share, of those that are no loops."""
    total, last = 0.0, 0
    for s in range(w.service.shape[0]):
        if w.service[s].share > 0.0:
            total, last = total + w.service[s].share, s
            if x < total:
                break
    return last


@njit_inner
def _arrive(w, b, u, s, row, arrival_s):
    """A job of service s at UE u; of a fine-tuning task one at each of the UEs that take part, u and those after it which its node serves
    too, as many as there are."""
    first, i, ues = w.episode[b].next_job, w.ue[b, u].node, w.ue.shape[1]
    wanted = max(1, w.service[s].participants)
    members = 0
    for n in range(ues if wanted > 1 else 1):
        members += members < wanted and w.ue[b, (u + n) % ues].node == i
    for n in range(ues if wanted > 1 else 1):
        if w.episode[b].next_job < first + members and w.ue[b, (u + n) % ues].node == i:
            _join_queue(w, b, (u + n) % ues, s, row, arrival_s, first, members)


@njit_inner
def _join_queue(w, b, u, s, row, arrival_s, task, members):
    """The job of a UE, with the lengths of a trace row, joins the queue of the serving node."""
    episode, i = w.episode[b], w.ue[b, u].node
    node = w.node[b, i]
    full = episode.n_free == 0
    if not full:
        episode.n_free -= 1
    # The last row is never among the free ones: it describes a job for which there is none.
    j = w.job.shape[1] - 1 if full else w.roster[b, codes.SPARE, episode.n_free]
    job = w.job[b, j]
    w.job[b, j] = w.blank[0].job
    for p in range(w.part.shape[2]):
        w.part[b, j, p] = w.blank[0].part
    job.stage, job.row, job.number = codes.QUEUED, j, episode.next_job
    job.service, job.ue, job.ingress, job.decider = s, u, i, i
    job.variant = w.service[s].model * w.interface[0].n_precisions
    job.arrival_s = job.clock_s = arrival_s
    job.task, job.members = task, members
    job.prompt_tokens = job.setup_tokens = w.trace[row, 1]
    job.output_tokens = w.trace[row, 2]
    w.tally[b].arrived += 1
    episode.next_job += 1
    notes.of_arrival(w, b, job)
    if full or node.n_queue == w.queue.shape[3]:
        end_job(w, b, job, codes.REJECTED, arrival_s)
        if full:
            episode.n_free = 0
        return
    w.queue[b, i, codes.DISPATCH, node.n_queue] = j
    node.n_queue += 1


@njit_inner
def _arrive_at_ue(w, b, u):
    """The next job of a UE, of its loop or drawn. The instants of a loop are no sums of periods, so that they do not drift."""
    key, ue = w.episode[b].key, w.ue[b, u]
    s, at_s = ue.loop, ue.next_loop_s
    if ue.next_loop_s <= ue.next_arrival_s:
        x = rng.uniform(key, rng.FOR_LOOP, u, 1 + ue.loops)
        ue.loops += 1
        ue.next_loop_s = ue.loop_phase_s + ue.loops * w.service[s].period_s
    else:
        s, at_s = _service_of(w, rng.uniform(key, rng.FOR_SERVICE, u, ue.arrivals)), ue.next_arrival_s
        x = rng.uniform(key, rng.FOR_LENGTH, u, ue.arrivals)
        ue.arrivals += 1
        ue.next_arrival_s += _poisson_gap_s(w, b, u, ue.arrivals)
    _arrive(w, b, u, s, w.service[s].trace_first + int(x * w.service[s].trace_rows), at_s)


@njit_inner
def _arrive_of_service(w, b, s):
    """Its next job, at a uniform UE; of a replay the trace's next row, of bursts a uniform one."""
    key, source, service = w.episode[b].key, w.source[b, s], w.service[s]
    u = w.arrivals[0].first_ue + int(rng.uniform(key, rng.FOR_UE, s, source.jobs) * w.arrivals[0].n_ues)
    if w.arrivals[0].kind == codes.TRACE:
        row = (source.first_row + source.jobs) % service.trace_rows
    else:
        row = int(rng.uniform(key, rng.FOR_LENGTH, s, source.jobs) * service.trace_rows)
    _arrive(w, b, u, s, service.trace_first + row, source.next_s)
    source.jobs += 1
    source.next_s = _next_s(w, b, s)


@njit_inner
def arrive(w, b, until_s):
    """Let every job arrive whose instant lies before until_s."""
    episode = w.episode[b]
    while episode.next_arrival_s < until_s:
        u = heap.earliest(w, b)
        if heap.next_s(w.ue[b, u]) == episode.next_arrival_s:
            _arrive_at_ue(w, b, u)
            heap.postpone(w, b)
        else:
            for s in range(w.source.shape[1]):
                if w.source[b, s].next_s == episode.next_arrival_s:
                    _arrive_of_service(w, b, s)
        _set_next(w, b)
