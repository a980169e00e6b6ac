"""Draft and verify (Leviathan et al. 2023, COSTS 12): the device proposes tokens with a small model, the job's own model checks them in one
pass and adds one. A pass is a round then; rounds are fluid as tokens are, by their mean yield. While the draft has no prompt yet, the
job's model goes on token by token; what it generates meanwhile is taken in with the first round, as are tokens that the draft missed."""

from __future__ import annotations

from edge6g_env._jit import njit_inner
from edge6g_env.kernel import codes, costing
from edge6g_env.kernel.places import air, cloud, device


@njit_inner
def advance(w, b, job, t1):
    """Load the draft and compute the prompt with it until t1, beside what else happens to the job; the device's jobs share its time."""
    if job.draft_s >= t1:
        return
    share = w.ue[b, job.ue].device_busy
    need_s = job.draft_left_s * share
    if job.draft_s + need_s > t1:
        job.draft_left_s -= (t1 - job.draft_s) / share
        job.draft_s = t1
        return
    job.draft_s += need_s
    job.draft_left_s = 0.0
    if job.stage != codes.DECODE:
        device.compute(w, b, job, 0)


@njit_inner
def join(w, b, job, t1):
    """Have the draft take part from the job's clock on, if it has the prompt by then; returns how long passes stay as they are, t1 at
    most."""
    if job.draft < 0 or job.pass_tokens > 1.0 or job.draft_left_s > 0.0:
        return t1
    if job.draft_s > job.clock_s + codes.SAME_INSTANT_S:
        return min(t1, job.draft_s)
    row = w.round[job.service, job.model, job.draft]
    job.pass_tokens, job.pass_yield, job.message_token = row.drafted + 1.0, row.tokens, air.NO_MESSAGE
    if job.in_cloud == 1:
        cloud.set_pass(w, b, job)
    return t1


@njit_inner
def settle(w, b, output):
    """From passes to tokens of what is expected, some of which come undrafted: those until the draft has the prompt."""
    expected, plain = w.forecast[b], w.undrafted[b]
    expected.token_s /= expected.pass_yield
    expected.lone_s /= expected.pass_yield
    alone_s = expected.draft_s - (expected.time_s - expected.back_s)
    alone = min(1.0, max(0.0, alone_s) / (max(1.0, costing.decode_steps(output)) * plain.token_s))
    expected.token_s += alone * (plain.token_s - expected.token_s)
    expected.busy_s += alone * (plain.busy_s - expected.busy_s)
    expected.energy_j += alone * (plain.energy_j + expected.draft_j - expected.energy_j)
    expected.price_usd += alone * (plain.price_usd - expected.price_usd)
    expected.air_bytes += alone * (plain.air_bytes - expected.air_bytes)
    expected.backhaul_bytes += alone * (plain.backhaul_bytes - expected.backhaul_bytes)
