"""What a job is worth: its answer, what it cost, and the ends that bring no answer. The ledger asks for it when a job has ended, the
forecast before it begins, so that the two cannot differ."""

from __future__ import annotations

from edge6g_env._jit import njit_inner
from edge6g_env.kernel import codes


@njit_inner
def timeliness(service, ttft_s, tpot_s, latency_s):
    """1 while the deadline of the whole answer is met, or both objectives where there is none; else it falls as the objective over the
    time, of two for each."""
    if service.deadline_s > 0.0:
        return min(1.0, service.deadline_s / max(latency_s, 1e-9))
    return min(1.0, service.ttft_slo_s / max(ttft_s, 1e-9)) * min(1.0, service.tpot_slo_s / max(tpot_s, 1e-9))


@njit_inner
def progress(w, job, phase):
    """Share of a job that is done when it ends: of a training job its credited steps, of others all or nothing."""
    if w.service[job.service].kind == codes.FINETUNE:
        return job.done_steps / w.service[job.service].steps
    return 1.0 if phase == codes.FINISHED else 0.0


@njit_inner
def quality(w, s, m, v):
    """Quality of an answer of variant v, of model m of service s; 1 where no model makes it."""
    return w.model[v].quality * w.choice[s, m].quality_factor if w.choice[s, m].weights >= 0 else 1.0


@njit_inner
def priced_exposure(service, device, site):
    """The exposure that a service pays for: `site`, of what reached the cloud, where its raw data stay on the site; else `device`, of what
    left the device."""
    return site if service.privacy == codes.SITE else device


@njit_inner
def expose(w, b, job, left_device, reached_cloud):
    """Write to w.forecast[b] what of its prompt the job will have given away if so much leaves the device, or reaches the cloud, beside
    what has before; returns the one that its service pays for."""
    forecast = w.forecast[b]
    forecast.exposure_device = max(job.exposure_device, left_device)
    forecast.exposure_site = max(job.exposure_site, reached_cloud)
    return priced_exposure(w.service[job.service], forecast.exposure_device, forecast.exposure_site)


@njit_inner
def costs_of(w, service, price_usd, energy_j, exposure):
    """(price, energy, exposure): what is taken off for dollars, joules and the share of the prompt that is given away."""
    reward = w.reward[0]
    return reward.price_per_usd * price_usd, reward.energy_per_j * energy_j, service.exposure_cost * exposure


@njit_inner
def cost_of_end(w, phase):
    """What is taken off for an end without an answer: 0 for a job that finished or was cut."""
    reward = w.reward[0]
    if phase == codes.REJECTED:
        return reward.rejected_cost
    if phase == codes.EXPIRED:
        return reward.expired_cost
    return reward.failed_cost if phase == codes.FAILED else 0.0
