"""What a token costs that a job generates: its time in each part, its bytes, price and energy."""

from __future__ import annotations

import math

from edge6g_env._jit import njit_inner
from edge6g_env.kernel import air, costing, memory, way
from edge6g_env.kernel.world import DECODE

_SAME_TOKENS = 1e-9  # sums of shares of a token are equal to so much
_NO_MESSAGE = -1.0


@njit_inner
def device_token_s(w, v, layer_1, context_tokens, jobs):
    """Time in s of a token's first layer_1 layers on a device that `jobs` jobs share."""
    share = layer_1 / w.model[v].layers
    with_head = layer_1 == w.model[v].layers
    step_s = costing.decode_iteration_s(w, w.mobility[0].ue_device, v, 1.0, context_tokens, share, with_head)
    return step_s * max(jobs, 1)


@njit_inner
def cloud_decode_s(w, v, share, context_tokens):
    """Time in s of an iteration of the cloud's batch over a share of the layers."""
    batch = w.cloud[0].batch
    return costing.decode_iteration_s(w, w.cloud[0].cloud_device, v, batch, batch * context_tokens, share, True)


@njit_inner
def _node_token_s(w, b, job, part):
    """Time in s of a token in a node part: its share of the decode cycle, and for a token that comes and goes the mean wait for
    the running iteration of the others."""
    i = memory.part_node(job, part)
    site, server, variant = w.site[i], w.server[b, i], w.variant[b, i, job.variant]
    low, high = memory.part_range(w, job, part)
    share = (high - low) / w.model[job.variant].layers
    if server.decode_rate <= 0.0 or variant.tokens <= 0.0:
        context = job.prompt_tokens + job.done_tokens
        return costing.decode_iteration_s(
            w, site.accelerator, job.variant, 1.0, context, share, high == w.model[job.variant].layers
        )
    cycle_s = 1.0 / server.decode_rate
    if share >= variant.share and job.layer_1 == 0 and job.layer_2 in (0, w.model[job.variant].layers):
        return cycle_s
    duty = job.duty_0 if part == 0 else job.duty_1
    others = min(1.0, max(0.0, variant.tokens / variant.share - duty))
    return cycle_s * min(1.0, share / max(variant.share, share)) + 0.5 * others * cycle_s


@njit_inner
def _token_under_way(job):
    """Number of the token that is being generated."""
    return math.floor(job.done_tokens + _SAME_TOKENS)


@njit_inner
def token_left(job):
    """What is left of the token under way: a share of one."""
    return _token_under_way(job) + 1.0 - job.done_tokens


@njit_inner
def _message_s(w, b, job):
    """Time in s that the cut behind the device adds to the token under way: up with the activations, down with the token. The channel is
    asked once, when the token begins; infinite while one of the directions is down, and then asked again."""
    token = _token_under_way(job)
    if job.message_token != token:
        job.message_s, job.message_bit_s = _send_message(w, b, job)
        job.message_token = token if job.message_s < math.inf else _NO_MESSAGE
    return job.message_s


@njit_inner
def _send_message(w, b, job):
    """(time in s of a token's messages both ways at the job's clock, rate in bit/s of the one with the activations)."""
    ue = w.ue[b, job.ue]
    band = w.band[w.site[ue.node].band]
    up, up_errors = air.uplink(w, b, job.ue, max(1, w.node[b, ue.node].n_senders), job.clock_s)
    down, down_errors = air.downlink(w, b, job.ue, job.clock_s)
    if up <= 0.0 or down <= 0.0:
        return math.inf, 0.0
    sending_s = 8.0 * w.model[job.variant].boundary_bytes / up + 8.0 * costing.TOKEN_BYTES / down
    sending_s += air.mean_retransmission_s(band, up_errors) + air.mean_retransmission_s(band, down_errors)
    return sending_s + band.uplink_stream_s + band.downlink_access_s + 2.0 * way.hop_s(w, b, job), up


@njit_inner
def token_period_s(w, b, job):
    """Time in s between two tokens; sets the shares of it that each node works on them."""
    v = job.variant
    period_s = 0.0
    if job.layer_1 > 0:
        context = job.prompt_tokens + job.done_tokens
        period_s += device_token_s(w, v, job.layer_1, context, w.ue[b, job.ue].device_jobs)
        if way.needs_upload(w, job):
            period_s += _message_s(w, b, job)
    ingress_s, target_s = 0.0, 0.0
    if job.users_0 == 1:
        ingress_s = _node_token_s(w, b, job, 0)
    if job.users_1 == 1:
        target_s = _node_token_s(w, b, job, 1)
    elif job.in_cloud == 1:
        period_s += job.cloud_decode_s
    if way.has_target(w, job) and job.layer_2 > 0:
        rate = way.link_rate_bit_s(w, job)
        period_s += 2.0 * way.link_delay_s(w, job) + 8.0 * w.model[v].boundary_bytes / rate
    period_s += ingress_s + target_s
    job.duty_0, job.duty_1 = ingress_s / period_s, target_s / period_s
    return period_s


@njit_inner
def count_tokens(w, job, tokens):
    """Count generated tokens with their bytes and prices; accelerator time is paid in pay_decode."""
    prices = w.prices[0]
    job.done_tokens += tokens
    if way.needs_upload(w, job):
        job.air_bytes += tokens * costing.TOKEN_BYTES
        job.price_usd += tokens * costing.TOKEN_BYTES * prices.usd_per_air_byte
    if way.to_cloud(w, job):
        share = (w.model[job.variant].layers - job.layer_2) / w.model[job.variant].layers
        job.price_usd += tokens * share * w.service[job.service].usd_per_output_token
        job.price_usd += tokens * costing.TOKEN_BYTES * prices.usd_per_egress_byte
    if way.has_target(w, job):
        way.pay_link(w, job, tokens * costing.TOKEN_BYTES)


@njit_inner
def _pay_node_tokens(w, b, job, part, tokens):
    i = memory.part_node(job, part)
    device, variant = w.site[i].accelerator, w.variant[b, i, job.variant]
    low, high = memory.part_range(w, job, part)
    share = (high - low) / w.model[job.variant].layers
    iteration_s = variant.iteration_s
    if variant.tokens <= 0.0:
        iteration_s = costing.decode_iteration_s(w, device, job.variant, 1.0, job.prompt_tokens, share, True)
    busy_s = tokens * iteration_s / max(variant.tokens, 1.0) * min(1.0, share / max(variant.share, share))
    job.price_usd += busy_s * w.device[device].usd_s
    job.energy_j += busy_s * costing.decode_power_w(w, device)


@njit_inner
def pay_decode(w, b, job, tokens):
    """Price, energy and cut bytes of `tokens` tokens generated one by one."""
    v = job.variant
    for part in range(2):
        if (job.users_0 if part == 0 else job.users_1) == 1:
            _pay_node_tokens(w, b, job, part, tokens)
    if job.in_cloud == 1:
        busy_s = tokens * job.cloud_decode_s / w.cloud[0].batch
        job.energy_j += busy_s * costing.decode_power_w(w, w.cloud[0].cloud_device)
    if way.has_target(w, job) and job.layer_2 > 0:
        way.pay_link(w, job, tokens * w.model[v].boundary_bytes)
    if job.layer_1 > 0:
        step_s = device_token_s(w, v, job.layer_1, job.prompt_tokens + job.done_tokens, 1)
        job.energy_j += tokens * step_s * costing.decode_power_w(w, w.mobility[0].ue_device)
        if way.needs_upload(w, job):
            cut_bytes = tokens * w.model[v].boundary_bytes
            job.air_bytes += cut_bytes
            job.price_usd += cut_bytes * w.prices[0].usd_per_air_byte
            job.energy_j += w.mobility[0].tx_power_w * 8.0 * cut_bytes / job.message_bit_s


@njit_inner
def begin_decode(w, job):
    """The setup pass yields a token; decoding begins."""
    job.stage, job.stage_s, job.message_token = DECODE, job.clock_s, _NO_MESSAGE
    count_tokens(w, job, 1.0)
