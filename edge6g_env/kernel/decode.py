"""Tokens one by one until the last has reached the UE.

A sequence that outgrows its KV memory reserves another block; if there is none, the youngest makes way (recomputation, as vLLM does).
"""

from __future__ import annotations

import math

from edge6g_env._jit import njit_inner
from edge6g_env.kernel import air, costing, generation, memory, setup_pass, way
from edge6g_env.kernel.ledger import end_job, release
from edge6g_env.kernel.world import ACTIVE, DECODE, DOWNLINK, FINISHED, NODE_PREFILL


@njit_inner
def _is_reachable(w, b, job):
    """Whether tokens reach the UE at the job's clock: over the link, if there is one, and the air."""
    if way.is_cut_off(w, b, job):
        return False
    return not way.needs_upload(w, job) or air.downlink(w, b, job.ue, job.clock_s)[0] > 0.0


@njit_inner
def _return_s(w, b, job, message):
    """Delay in s from the generation of a token to the UE: link, Xn hop after a handover, access, transmission, block errors."""
    if not way.needs_upload(w, job):
        return 0.0
    rate, error_rate = air.downlink(w, b, job.ue, job.clock_s)
    back_s = air.downlink_access_s(w, b, job, message) + air.retransmission_s(w, b, job, message, error_rate)
    back_s += 8.0 * costing.TOKEN_BYTES / rate + way.hop_s(w, b, job)
    return back_s + way.link_delay_s(w, job) if way.has_target(w, job) else back_s


@njit_inner
def _deliver_first(w, b, job):
    """Let the first token reach the UE at the job's clock, unless the downlink or a link is down: then the next substep tries again."""
    if job.first_token_s < 0.0 and _is_reachable(w, b, job):
        job.first_token_s = job.clock_s + _return_s(w, b, job, air.FIRST_TOKEN)


@njit_inner
def advance_decode(w, b, job, t1):
    """Generate tokens until t1; what a finished job holds is free before its last token is delivered."""
    if way.is_cut_off(w, b, job):  # its tokens wait for the repair
        job.duty_0, job.duty_1, job.clock_s = 0.0, 0.0, t1
        return
    _deliver_first(w, b, job)
    left = job.output_tokens - job.done_tokens
    if left > 0.0:
        period_s = generation.token_period_s(w, b, job)
        generated, until_s = (t1 - job.clock_s) / period_s, t1
        if generated <= 0.0:
            job.clock_s = t1
            return
        most = min(left, generation.token_left(job)) if way.tokens_cross_air(w, job) else left
        if generated >= most:
            generated, until_s = most, job.clock_s + most * period_s
        generation.pay_decode(w, b, job, generated)
        generation.count_tokens(w, job, generated)
        job.clock_s = until_s
        if generated < left:
            _grow_kv(w, b, job)
            return
    release(w, b, job, job.clock_s)
    job.stage, job.stage_s = DOWNLINK, job.clock_s


@njit_inner
def advance_downlink(w, b, job, t1):
    """Deliver the last token, once the downlink is up; True when the job has finished."""
    if not _is_reachable(w, b, job):
        job.clock_s = min(max(job.clock_s, w.ue[b, job.ue].silent_until_s), t1)
        if job.clock_s >= t1 - way.EPSILON_S or not _is_reachable(w, b, job):
            job.clock_s = t1
            return False
    _deliver_first(w, b, job)
    end_s = job.first_token_s
    if job.output_tokens > 1.0:
        end_s = max(end_s, job.clock_s + _return_s(w, b, job, air.LAST_TOKEN))
    end_job(w, b, job, FINISHED, end_s)
    return True


@njit_inner
def _grow_kv(w, b, job):
    """Reserve blocks where the sequence has outgrown its reservation; without room the youngest goes, which may be the job itself."""
    while job.prompt_tokens + job.done_tokens > job.kv_tokens:
        wanted = job.kv_tokens + memory.KV_BLOCK_TOKENS
        for part in range(2):
            if (job.users_0 if part == 0 else job.users_1) == 0:
                continue
            i = memory.part_node(job, part)
            held = job.kv_0_bytes if part == 0 else job.kv_1_bytes
            want_bytes = memory.part_kv_bytes(w, job, part, wanted)
            while not memory.make_room(w, b, i, want_bytes - held, job.variant, w.service[job.service].adapter):
                if _preempt_youngest(w, b, i) == job.row:
                    return
            memory.hold_kv(w, b, job, part, want_bytes)
        job.kv_tokens = wanted


@njit_inner
def _preempt_youngest(w, b, i):
    """Put back the sequence at node i that was admitted last (recomputation, as vLLM does); returns its row, -1 for none."""
    youngest = -1
    for place in range(w.episode[b].n_active):
        job = w.job[b, w.roster[b, ACTIVE, place]]
        holds = (job.ingress == i and job.kv_0_bytes > 0.0) or (job.target == i and job.kv_1_bytes > 0.0)
        at_work = job.stage == DECODE or job.stage == NODE_PREFILL
        if not holds or not at_work:
            continue
        last = w.job[b, youngest]
        if youngest < 0 or job.admit_s > last.admit_s or (job.admit_s == last.admit_s and job.number > last.number):
            youngest = job.row
    if youngest < 0:
        return -1
    job = w.job[b, youngest]
    release(w, b, job, job.clock_s)
    job.setup_tokens = job.prompt_tokens + math.floor(job.done_tokens)
    job.kv_tokens = max(job.kv_tokens, job.setup_tokens + memory.KV_BLOCK_TOKENS)
    w.episode[b].preempted += 1
    setup_pass.begin_setup(w, b, job, job.clock_s, True)
    return youngest
