"""The end of a job: what it gives back, what it was worth, and the counters that nothing may escape."""

from __future__ import annotations

from edge6g_env._jit import njit_inner
from edge6g_env.kernel.memory import leave_nodes
from edge6g_env.kernel.world import (
    ANSWER,
    AT_CLOUD,
    CLOUD_WAIT,
    CUT,
    ENERGY,
    EXPIRED,
    EXPIRED_COST,
    EXPOSED,
    EXPOSURE,
    FAILED,
    FAILED_COST,
    FINISHED,
    FREE,
    JOULES,
    OWN_REWARD,
    PRICE,
    REJECTED,
    REJECTED_COST,
    SLO_MISS,
    SPARE,
)


@njit_inner
def timeliness(service, ttft_s, tpot_s):
    """1 while both objectives are met, else it falls as the objective over the time, for each of the two."""
    return min(1.0, service.ttft_slo_s / max(ttft_s, 1e-9)) * min(1.0, service.tpot_slo_s / max(tpot_s, 1e-9))


@njit_inner
def is_measured(w, arrival_s):
    """Whether a job that arrives then counts in the metrics."""
    time = w.time[0]
    return time.warmup_s <= arrival_s < time.episode_s - time.drain_s


@njit_inner
def _leave_cloud_wait(w, b, j):
    episode = w.episode[b]
    kept = 0
    for place in range(episode.n_cloud_wait):
        if w.roster[b, AT_CLOUD, place] != j:
            w.roster[b, AT_CLOUD, kept] = w.roster[b, AT_CLOUD, place]
            kept += 1
    episode.n_cloud_wait = kept


@njit_inner
def release(w, b, j, now_s):
    """Give back everything that job j holds: at nodes, at the cloud or in its queue, on its device."""
    episode, job = w.episode[b], w.job[b, j]
    leave_nodes(w, b, j, now_s)
    if job.stage == CLOUD_WAIT:
        _leave_cloud_wait(w, b, j)
    if job.in_cloud == 1:
        if episode.cloud_running == w.cloud[0].concurrency:
            episode.cloud_free_s = min(now_s, job.clock_s)
        episode.cloud_running -= 1
    if job.on_device == 1:
        w.ue[b, job.ue].device_jobs -= 1
    job.in_cloud, job.on_device = 0, 0


@njit_inner
def _give_back(w, b, j, end_s):
    release(w, b, j, end_s)
    w.job[b, j].stage = FREE
    w.roster[b, SPARE, w.episode[b].n_free] = j
    w.episode[b].n_free += 1


@njit_inner
def _count(episode, phase):
    if phase == FINISHED:
        episode.finished += 1
    elif phase == REJECTED:
        episode.rejected += 1
    elif phase == EXPIRED:
        episode.expired += 1
    elif phase == FAILED:
        episode.failed += 1


@njit_inner
def _write_outcome(w, b, job, phase, end_s, ttft_s, tpot_s, met, worth):
    if w.episode[b].n_outcomes == w.outcome.shape[1]:
        return  # a storm of arrivals: counted, but without a row
    row = w.outcome[b, w.episode[b].n_outcomes]
    row.world, row.agent, row.slot, row.job = b, job.ingress, job.decided_slot, job.number
    row.worth, row.phase, row.measured = worth, phase, 1 if is_measured(w, job.arrival_s) else 0
    row.service, row.action, row.arrival_s, row.end_s = job.service, job.action, job.arrival_s, end_s
    row.ttft_s, row.tpot_s, row.slo_met = ttft_s, tpot_s, 1 if met else 0
    row.prompt_tokens, row.output_tokens = job.prompt_tokens, job.output_tokens
    row.quality = w.model[job.variant].quality if phase == FINISHED else 0.0
    row.energy_j, row.price_usd, row.air_bytes = job.energy_j, job.price_usd, job.air_bytes
    row.backhaul_bytes, row.raw_left, row.retries = job.backhaul_bytes, job.raw_left, job.retries
    w.episode[b].n_outcomes += 1


@njit_inner
def end_job(w, b, j, phase, end_s):
    """End job j of world b: free what it holds, reward the node that decided, write its outcome row and count it.

    The caller takes the row out of the list that it stands in (queue or active). A CUT job belongs to no term and no counter.
    """
    reward, job = w.reward[0], w.job[b, j]
    service = w.service[job.service]
    ttft_s, tpot_s, met = -1.0, -1.0, False
    if (
        phase == FINISHED or 0.0 <= job.first_token_s <= end_s
    ):  # one that ended otherwise may have had its first token, too
        ttft_s = job.first_token_s - job.arrival_s
    result = w.result[b, job.ingress]
    worth = 0.0
    if phase == FINISHED:
        late = 1.0
        if job.output_tokens > 1.0:
            tpot_s = (end_s - job.first_token_s) / (job.output_tokens - 1.0)
            late = timeliness(service, ttft_s, tpot_s)
        else:
            late = timeliness(service, ttft_s, 0.0)
        met = late >= 1.0
        answer = w.model[job.variant].quality * late
        result[ANSWER] += answer
        worth += answer
    elif phase == REJECTED:
        result[REJECTED_COST] -= reward.rejected_cost
        worth -= reward.rejected_cost
    elif phase == EXPIRED:
        result[EXPIRED_COST] -= reward.expired_cost
        worth -= reward.expired_cost
    elif phase == FAILED:
        result[FAILED_COST] -= reward.failed_cost
        worth -= reward.failed_cost
    if phase != CUT:
        price, energy = reward.price_per_usd * job.price_usd, reward.energy_per_j * job.energy_j
        exposure = service.exposure_cost * job.raw_left
        result[PRICE] -= price
        result[ENERGY] -= energy
        result[EXPOSURE] -= exposure
        worth -= price + energy + exposure
        result[SLO_MISS] += 0.0 if met else 1.0
        result[EXPOSED] += job.raw_left
        result[JOULES] += job.energy_j
    w.result[b, job.ingress, OWN_REWARD] += worth
    _count(w.episode[b], phase)
    _write_outcome(w, b, job, phase, end_s, ttft_s, tpot_s, met, worth)
    _give_back(w, b, j, end_s)
