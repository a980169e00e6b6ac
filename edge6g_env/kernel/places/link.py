"""The wired links: from a job's ingress to its target, a neighbour over Xn or the cloud over the backhaul; and the Xn hop of a UE's data
when another node serves it than the ingress."""

from __future__ import annotations

import math

from edge6g_env._jit import njit_inner
from edge6g_env.kernel import codes, costing, rng


@njit_inner
def is_used(job):
    """Whether layers run beyond the ingress node."""
    return job.link >= 0


@njit_inner
def leads_to_cloud(w, job):
    """Whether the job's last part runs in the cloud."""
    return job.link == w.link.shape[2]


@njit_inner
def refuse(w, b, i, route, target):
    """Why node i's link to a target cannot be used: both ends know at once when it is down."""
    if target == w.node.shape[1]:
        return codes.DONE if w.node[b, i].backhaul_up == 1 else codes.BACKHAUL_DOWN
    return codes.DONE if w.link[b, i, route - codes.NEIGHBOUR].up == 1 else codes.LINK_DOWN


@njit_inner
def is_cut_off(w, b, job):
    """Whether the link between ingress and target is down."""
    if not is_used(job):
        return False
    if leads_to_cloud(w, job):
        return w.node[b, job.ingress].backhaul_up == 0
    return w.link[b, job.ingress, job.link].up == 0


@njit_inner
def hop_s(w, b, job):
    """Extra one-way delay when the UE is served by another node than its ingress: its data take the Xn link."""
    return w.wired[0].xn_delay_s if w.ue[b, job.ue].node != job.ingress else 0.0


@njit_inner
def delay_s(w, job):
    """Mean one-way delay between ingress and target."""
    return w.wired[0].backhaul_delay_s if leads_to_cloud(w, job) else w.wired[0].xn_delay_s


@njit_inner
def _rate_bit_s(w, job):
    """Rate of the link between ingress and target, for all its transfers together."""
    return w.wired[0].backhaul_rate_bit_s if leads_to_cloud(w, job) else w.wired[0].xn_rate_bit_s


@njit_inner
def _crossing_s(w, b, job):
    """Delay in s of the job's next message to its target: lognormal, of the mean delay_s."""
    wired = w.wired[0]
    if leads_to_cloud(w, job):
        purpose, sigma = rng.FOR_CLOUD_DELAY, wired.backhaul_delay_jitter
    else:
        purpose, sigma = rng.FOR_XN_DELAY, wired.xn_delay_jitter
    z = rng.normal(w.episode[b].key, purpose, job.number, job.crossings)
    job.crossings += 1
    return delay_s(w, job) * math.exp(sigma * z - 0.5 * sigma * sigma)


@njit_inner
def _pay(w, job, sent_bytes):
    """Count bytes on the link; those of the backhaul have a price."""
    if leads_to_cloud(w, job):
        job.backhaul_bytes += sent_bytes
        job.price_usd += sent_bytes * w.prices[0].usd_per_backhaul_byte


@njit_inner
def _pay_back(w, job, sent_bytes):
    """The same of what comes back: what leaves the cloud has another price, too."""
    _pay(w, job, sent_bytes)
    if leads_to_cloud(w, job):
        job.price_usd += sent_bytes * w.prices[0].usd_per_egress_byte


@njit_inner
def take_back(w, job):
    """Take back what was paid for bytes of a transfer that are not sent any more."""
    if job.stage == codes.LINK and job.left_bytes > 0.0:
        _pay(w, job, -job.left_bytes)
    elif job.stage == codes.BACK and job.left_bytes > 0.0:
        _pay_back(w, job, -job.left_bytes)


@njit_inner
def begin(w, b, job):
    """Send what the target needs: the raw prompt if it computes from the first layer on, else the activations at the cut."""
    if not is_used(job):
        return codes.OVER
    raw = w.part[b, job.row, codes.TARGET].low == 0
    return send(w, job, costing.prompt_bytes(w, job, job.variant, job.setup_tokens, raw))


@njit_inner
def send(w, job, sent_bytes):
    """Begin a transfer to the target."""
    job.left_bytes = sent_bytes
    _pay(w, job, job.left_bytes)
    job.stage, job.stage_s = codes.LINK, job.clock_s
    return codes.UNDER_WAY


@njit_inner
def begin_back(w, b, job):
    """Send back from the target what the job has for its UE beside tokens."""
    if not is_used(job) or job.back_bytes <= 0.0:
        return codes.OVER
    job.left_bytes = job.back_bytes
    _pay_back(w, job, job.left_bytes)
    job.stage, job.stage_s = codes.BACK, job.clock_s
    return codes.UNDER_WAY


@njit_inner
def back_link(w, i, k):
    """Index, at neighbour k of node i, of the link back to i; -1 if there is none."""
    peer = w.neighbour[i, k]
    for n in range(w.link.shape[2]):
        if w.neighbour[peer, n] == i:
            return n
    return -1


@njit_inner
def _counted_at(w, job):
    """(node, link) whose transfers the one under way shares: a link carries both ways, so what comes back is the peer's, if it has one."""
    if job.stage == codes.BACK:
        n = back_link(w, job.ingress, job.link)
        if n >= 0:
            return w.neighbour[job.ingress, job.link], n
    return job.ingress, job.link


@njit_inner
def count(w, b, job, t0):
    """Count a transfer that goes on from t0 on among those of its link."""
    if job.stage_s >= t0:
        return
    if leads_to_cloud(w, job):
        w.node[b, job.ingress].n_backhaul += 1
    else:
        i, k = _counted_at(w, job)
        w.link[b, i, k].n_transfers += 1


@njit_inner
def advance(w, b, job, t0, t1):
    """Send until t1, the rate shared with the link's other transfers; a link that is down loses the job."""
    if is_cut_off(w, b, job):
        return codes.LOST
    if leads_to_cloud(w, job):
        transfers = w.node[b, job.ingress].n_backhaul
    else:
        i, k = _counted_at(w, job)
        transfers = w.link[b, i, k].n_transfers
    if job.stage_s >= t0:
        transfers += 1
    rate = _rate_bit_s(w, job)
    need_s = 8.0 * job.left_bytes * max(1, transfers) / rate
    if job.clock_s + need_s > t1:
        job.left_bytes -= (t1 - job.clock_s) * rate / (8.0 * max(1, transfers))
        job.clock_s = t1
        return codes.UNDER_WAY
    job.clock_s += need_s
    job.clock_s += _crossing_s(w, b, job)
    job.left_bytes = 0.0
    return codes.OVER


@njit_inner
def _is_in_every_pass(w, b, job):
    """Whether every pass crosses the link: layers before it run elsewhere, or its tokens are drafted elsewhere."""
    return is_used(job) and (w.part[b, job.row, codes.TARGET].low > 0 or job.pass_tokens > 1.0)


@njit_inner
def pass_s(w, b, job):
    """Time in s that the link adds to a pass: there with activations or drafted tokens, back with the token."""
    if not _is_in_every_pass(w, b, job):
        return 0.0
    return 2.0 * delay_s(w, job) + 8.0 * costing.pass_bytes(w, job.variant, job.pass_tokens) / _rate_bit_s(w, job)


@njit_inner
def pay_passes(w, b, job, passes):
    """Bytes of what passes need there."""
    if _is_in_every_pass(w, b, job):
        _pay(w, job, passes * costing.pass_bytes(w, job.variant, job.pass_tokens))


@njit_inner
def pay_way_back(w, job, passes):
    """Bytes of the token that each pass sends back."""
    if is_used(job):
        _pay(w, job, passes * costing.TOKEN_BYTES)


@njit_inner
def forecast(w, b, job, v, target_low, in_cloud, passes):
    """Add the link to the target and back, and where it has a part in each pass that round trip; returns bytes sent."""
    wired, expected = w.wired[0], w.forecast[b]
    mean_delay_s = wired.backhaul_delay_s if in_cloud else wired.xn_delay_s
    rate = wired.backhaul_rate_bit_s if in_cloud else wired.xn_rate_bit_s
    sent_bytes = costing.prompt_bytes(w, job, v, job.setup_tokens, target_low == 0)
    expected.time_s += 2.0 * mean_delay_s + 8.0 * sent_bytes / rate
    expected.back_s += mean_delay_s
    if target_low > 0 or expected.pass_tokens > 1.0:
        message_bytes = costing.pass_bytes(w, v, expected.pass_tokens)
        expected.token_s += 2.0 * mean_delay_s + 8.0 * message_bytes / rate
        sent_bytes += passes * message_bytes
    return sent_bytes + costing.TOKEN_BYTES * (1.0 + passes)
