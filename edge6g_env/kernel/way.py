"""Where the parts of a job run, and what lies between them: device, air, ingress node, link, target."""

from __future__ import annotations

import math

from edge6g_env._jit import njit_inner
from edge6g_env.kernel.rng import FOR_CLOUD_DELAY, FOR_XN_DELAY, normal

EPSILON_S = 1e-12  # instants closer together are one


@njit_inner
def to_cloud(w, job):
    """Whether the job's last part runs in the cloud."""
    return job.target == w.node.shape[1]


@njit_inner
def has_target(w, job):
    """Whether layers run beyond the ingress node."""
    return job.target >= 0


@njit_inner
def needs_upload(w, job):
    """Whether anything leaves the device before the answer."""
    return job.layer_1 < w.model[job.variant].layers


@njit_inner
def tokens_cross_air(w, job):
    """Whether every token crosses the air: the device computes a part of it, but not all."""
    return job.layer_1 > 0 and needs_upload(w, job)


@njit_inner
def is_cut_off(w, b, job):
    """Whether the link between ingress and target is down."""
    if not has_target(w, job):
        return False
    if to_cloud(w, job):
        return w.node[b, job.ingress].backhaul_up == 0
    return w.link[b, job.ingress, job.link].up == 0


@njit_inner
def hop_s(w, b, job):
    """Extra one-way delay when the UE is served by another node than its ingress: its data take the Xn link."""
    return w.wired[0].xn_delay_s if w.ue[b, job.ue].node != job.ingress else 0.0


@njit_inner
def link_delay_s(w, job):
    """Mean one-way delay between ingress and target."""
    return w.wired[0].backhaul_delay_s if to_cloud(w, job) else w.wired[0].xn_delay_s


@njit_inner
def link_rate_bit_s(w, job):
    """Rate of the link between ingress and target, for all its transfers together."""
    return w.wired[0].backhaul_rate_bit_s if to_cloud(w, job) else w.wired[0].xn_rate_bit_s


@njit_inner
def crossing_s(w, b, job):
    """Delay in s of the job's next message to its target: lognormal, of the mean link_delay_s."""
    wired = w.wired[0]
    if to_cloud(w, job):
        purpose, sigma = FOR_CLOUD_DELAY, wired.backhaul_delay_jitter
    else:
        purpose, sigma = FOR_XN_DELAY, wired.xn_delay_jitter
    z = normal(w.episode[b].key, purpose, job.number, job.crossings)
    job.crossings += 1
    return link_delay_s(w, job) * math.exp(sigma * z - 0.5 * sigma * sigma)


@njit_inner
def pay_link(w, job, sent_bytes):
    """Count bytes on the link between ingress and target; those of the backhaul have a price."""
    if to_cloud(w, job):
        job.backhaul_bytes += sent_bytes
        job.price_usd += sent_bytes * w.prices[0].usd_per_backhaul_byte
    else:
        job.xn_bytes += sent_bytes
