"""Tokens until the last has reached the UE, pass by pass: each takes its time at every place of the job, and yields a token, or with a
draft several on average."""

from __future__ import annotations

from edge6g_env._jit import njit_inner
from edge6g_env.kernel import codes, draft, notes, rates
from edge6g_env.kernel.ledger import release
from edge6g_env.kernel.places import air, cloud, device, link, node


@njit_inner
def _pass_s(w, b, job):
    """Time in s from pass to pass; sets the shares of it that each node works on them."""
    period_s = device.pass_s(w, b, job) + air.pass_s(w, b, job) + cloud.pass_s(job) + link.pass_s(w, b, job)
    nodes_s, end = 0.0, node.end_part(w, job)
    for p in range(job.first_part, end):
        part = w.part[b, job.row, p]
        part.duty = node.pass_s(w, b, job, part)  # its time first
        nodes_s += part.duty
    period_s += nodes_s
    for p in range(job.first_part, end):
        w.part[b, job.row, p].duty /= period_s
    return period_s


@njit_inner
def _count_tokens(w, b, job, tokens):
    """Count generated tokens, and what their way back costs."""
    job.done_tokens += tokens
    air.pay_way_back(w, job, tokens / job.pass_yield)
    cloud.pay_way_back(w, b, job, tokens)
    link.pay_way_back(w, job, tokens / job.pass_yield)


@njit_inner
def _pay_passes(w, b, job, passes):
    """Price, energy and bytes of passes at every place."""
    for p in range(job.first_part, node.end_part(w, job)):
        node.pay_passes(w, b, job, w.part[b, job.row, p], passes)
    cloud.pay_passes(w, job, passes)
    link.pay_passes(w, b, job, passes)
    device.pay_passes(w, job, passes)
    air.pay_passes(w, job, passes)


@njit_inner
def begin(w, b, job):
    """The setup pass yields a token; decoding begins."""
    job.stage, job.stage_s, job.message_token = codes.DECODE, job.clock_s, air.NO_MESSAGE
    device.compute(w, b, job, 1 if job.device_layers > 0 or job.draft >= 0 else 0)
    _count_tokens(w, b, job, 1.0)
    return codes.UNDER_WAY


@njit_inner
def _deliver_first(w, b, job):
    """Let the first token reach the UE at the job's clock, unless the downlink or a link is down: then the next substep tries again."""
    if job.first_token_s < 0.0 and _is_reachable(w, b, job):
        job.first_token_s = job.clock_s + air.way_back_s(w, b, job, rates.FIRST_TOKEN)


@njit_inner
def _is_reachable(w, b, job):
    """Whether tokens reach the UE at the job's clock: over the link, if there is one, and the air."""
    if link.is_cut_off(w, b, job):
        return False
    return device.has_whole_model(w, job) or rates.downlink(w, b, job.ue, 1, job.clock_s)[0] > 0.0


@njit_inner
def advance(w, b, job, t1):
    """Generate tokens until t1; a job that is cut off waits for the repair."""
    if link.is_cut_off(w, b, job):
        for p in range(job.first_part, node.end_part(w, job)):
            w.part[b, job.row, p].duty = 0.0
        notes.of_wait(w, b, job, notes.REPAIR, job.clock_s)
        job.clock_s = t1
        return codes.UNDER_WAY
    notes.of_repair(w, b, job, job.clock_s)
    _deliver_first(w, b, job)
    left = job.output_tokens - job.done_tokens
    if left <= 0.0:
        return codes.OVER
    end_s = draft.join(w, b, job, t1)
    period_s = _pass_s(w, b, job) / job.pass_yield
    generated, until_s = (end_s - job.clock_s) / period_s, end_s
    if generated <= 0.0:
        job.clock_s = end_s
        return codes.UNDER_WAY
    most = min(left, air.pass_left(job)) if air.is_in_every_pass(w, job) else left
    if generated >= most:
        generated, until_s = most, job.clock_s + most * period_s
    _pay_passes(w, b, job, generated / job.pass_yield)
    _count_tokens(w, b, job, generated)
    job.clock_s = until_s
    return codes.OVER if generated >= left else codes.UNDER_WAY


@njit_inner
def begin_delivery(w, b, job):
    """The last token is still to be delivered; what the job holds is free before."""
    release(w, b, job, job.clock_s)
    job.stage, job.stage_s = codes.DOWNLINK, job.clock_s
    return codes.UNDER_WAY


@njit_inner
def advance_delivery(w, b, job, t1):
    """Deliver the last token, once the downlink is up."""
    if not _is_reachable(w, b, job):
        job.clock_s = min(max(job.clock_s, w.ue[b, job.ue].silent_until_s), t1)
        if job.clock_s >= t1 - codes.SAME_INSTANT_S or not _is_reachable(w, b, job):
            if link.is_cut_off(w, b, job):
                notes.of_wait(w, b, job, notes.REPAIR, job.clock_s)
            job.clock_s = t1
            return codes.UNDER_WAY
    notes.of_repair(w, b, job, job.clock_s)
    _deliver_first(w, b, job)
    last_s = job.clock_s + air.way_back_s(w, b, job, rates.LAST_TOKEN) if job.output_tokens > 1.0 else job.first_token_s
    job.clock_s = max(job.first_token_s, last_s)
    return codes.OVER
