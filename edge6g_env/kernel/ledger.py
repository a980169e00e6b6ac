"""The end of a job: what it gives back, the reward of its decider, and the counters that nothing may escape."""

from __future__ import annotations

from edge6g_env._jit import njit_inner, njit_seldom
from edge6g_env.kernel import codes, worth
from edge6g_env.kernel.places import cloud, device, node, paid


@njit_inner
def is_measured(w, arrival_s):
    """Whether a job that arrives then counts in the metrics."""
    time = w.time[0]
    return time.warmup_s <= arrival_s < time.episode_s - time.drain_s


@njit_inner
def release(w, b, job, now_s):
    """Give back everything that a job holds at its places, and pay for what has happened, no more."""
    paid.take_back(w, b, job, now_s)
    cloud.pay_places(w, job, now_s)
    node.give_up(w, b, job, now_s)
    cloud.give_up(w, b, job, now_s)
    device.give_up(w, b, job)


@njit_seldom
def _write_outcome(w, b, job, phase, end_s, ttft_s, tpot_s, met, worth_of_it):
    step = w.step[b]
    if step.n_outcomes == w.outcome.shape[1]:
        return  # a storm of arrivals: counted, but without a row
    row = w.outcome[b, step.n_outcomes]
    row.world, row.agent, row.slot, row.job = b, job.decider, job.decided_slot, job.number
    row.worth, row.phase, row.measured = worth_of_it, phase, 1 if is_measured(w, job.arrival_s) else 0
    row.service, row.action, row.arrival_s, row.end_s = job.service, job.action, job.arrival_s, end_s
    row.ttft_s, row.tpot_s, row.slo_met = ttft_s, tpot_s, 1 if met else 0
    row.progress, row.done_steps = worth.progress(w, job, phase), job.done_steps
    row.deadline_s = w.service[job.service].deadline_s
    row.prompt_tokens, row.output_tokens = job.prompt_tokens, job.output_tokens
    row.model = job.model if job.action >= 0 else -1
    row.quality = worth.quality(w, job.service, job.model, job.variant) if row.progress > 0.0 else 0.0
    row.energy_j, row.price_usd, row.air_bytes = job.energy_j, job.price_usd, job.air_bytes
    row.backhaul_bytes, row.retries, row.kind = job.backhaul_bytes, job.retries, w.service[job.service].kind
    row.exposure_device, row.exposure_site = job.exposure_device, job.exposure_site
    step.n_outcomes += 1


@njit_seldom
def _reward(w, result, job, phase, met, gain):
    """Add the terms of a job that ended, with an answer worth `gain`, to its decider's row of w.result; returns their sum."""
    service = w.service[job.service]
    given_away = worth.priced_exposure(service, job.exposure_device, job.exposure_site)
    price, energy, exposure = worth.costs_of(w, service, job.price_usd, job.energy_j, given_away)
    lost = worth.cost_of_end(w, phase) * (1.0 - worth.progress(w, job, phase))
    result[codes.ANSWER] += gain
    if phase != codes.FINISHED:
        result[codes.REJECTED_COST - codes.REJECTED + phase] -= lost
    result[codes.PRICE] -= price
    result[codes.ENERGY] -= energy
    result[codes.EXPOSURE] -= exposure
    result[codes.SLO_MISS] += 0.0 if met else 1.0
    result[codes.EXPOSED] += job.exposure_device
    result[codes.JOULES] += job.energy_j
    total = gain - lost - (price + energy + exposure)
    result[codes.OWN_REWARD] += total
    return total


@njit_seldom
def end_job(w, b, job, phase, end_s):
    """End a job of world b: free what it holds, reward the node that decided, write its outcome row and count it.

    The caller takes the row out of the list that it stands in (queue or active). A CUT job belongs to no term and no counter.
    """
    tally, service, ttft_s, tpot_s, late = w.tally[b], w.service[job.service], -1.0, -1.0, 0.0
    release(w, b, job, end_s)
    # One that ended otherwise may have had its first token, too.
    if phase == codes.FINISHED or 0.0 <= job.first_token_s <= end_s:
        ttft_s = job.first_token_s - job.arrival_s
    if phase == codes.FINISHED:
        if job.output_tokens > 1.0:
            tpot_s = (end_s - job.first_token_s) / (job.output_tokens - 1.0)
        late = worth.timeliness(service, ttft_s, max(tpot_s, 0.0), end_s - job.arrival_s)
    if service.kind == codes.FINETUNE:
        late, ttft_s, tpot_s = worth.progress(w, job, phase), -1.0, -1.0
    met, total = late >= 1.0, 0.0
    if phase != codes.CUT:
        gain = service.value * worth.quality(w, job.service, job.model, job.variant) * late
        total = _reward(w, w.result[b, job.decider], job, phase, met, gain)
    tally.finished += phase == codes.FINISHED
    tally.rejected += phase == codes.REJECTED
    tally.expired += phase == codes.EXPIRED
    tally.failed += phase == codes.FAILED
    tally.cut += phase == codes.CUT
    _write_outcome(w, b, job, phase, end_s, ttft_s, tpot_s, met, total)
    job.stage = codes.FREE
    w.roster[b, codes.SPARE, w.episode[b].n_free] = job.row
    w.episode[b].n_free += 1
