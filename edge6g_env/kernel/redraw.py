"""Another future of the same present: random numbers come from another key from now on, and what is drawn already but has not happened yet
is drawn anew."""

from __future__ import annotations

from edge6g_env._jit import njit_seldom
from edge6g_env.kernel import channel, codes, faults, rates, rng, traffic


@njit_seldom
def redraw(w, b):
    """Give world b the future of flight.sample_key: arrivals, lengths of the answers under way beyond what is done, the next change of
    every blockage and unplanned fault; later draws of walks, channels and delays follow from the key. Hotspots, walls and planned outages
    stay."""
    episode, now_s = w.episode[b], w.episode[b].now_s
    traffic.look_at_bursts(w, b, now_s)
    for u in range(w.ue.shape[1] if w.radio[0].blockers_per_m2 > 0.0 else 0):
        for m in range(w.cell.shape[2]):
            channel.bring_blockage(w, b, u, w.cell[b, u, m], now_s)
    episode.key = w.flight[b].sample_key
    rates.start_interference(w, b)
    traffic.redraw_arrivals(w, b, now_s)
    for j in range(w.job.shape[1]):
        job = w.job[b, j]
        if job.stage != codes.FREE and w.service[job.service].kind == codes.INFERENCE:
            _redraw_output(w, b, job)
    for u in range(w.ue.shape[1] if w.radio[0].blockers_per_m2 > 0.0 else 0):
        for m in range(w.cell.shape[2]):
            w.cell[b, u, m].change_s = channel.next_change_s(w, b, u, w.cell[b, u, m], now_s)
    faults.redraw_faults(w, b, now_s)


@njit_seldom
def _redraw_output(w, b, job):
    """A length of the job's service among those that go on beyond what is generated; one whose answer is whole keeps it."""
    longer = w.longer[job.service]
    done = int(job.done_tokens)
    if job.done_tokens >= job.output_tokens or done >= longer.shape[0] or longer[done] <= 0.0:
        return
    left = rng.uniform(w.episode[b].key, rng.FOR_OUTPUT, job.number, 0) * longer[done]
    low, high = done + 1, longer.shape[0] - 1  # the first length whose share of longer ones is not above what is drawn
    while low < high:
        middle = (low + high) // 2
        if longer[middle] > left:
            low = middle + 1
        else:
            high = middle
    job.output_tokens = float(low)
