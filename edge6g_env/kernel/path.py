"""A job's way: device part, upload, ingress part, link, target part, then tokens one by one.

Each job carries its own clock and is advanced through as many stages as fit before the end of the substep, so a stage that ends
early hands its left-over time to the next. Latencies without a queue only move the clock. Rates are those of the substep.
"""

from __future__ import annotations

import math

from edge6g_env._jit import njit_inner
from edge6g_env.kernel import air, costing, memory, requeue
from edge6g_env.kernel.ledger import end_job, release
from edge6g_env.kernel.rng import FOR_CLOUD_DELAY, FOR_XN_DELAY, normal
from edge6g_env.kernel.world import (
    ACTIVE,
    AT_CLOUD,
    CLOUD_WAIT,
    DECODE,
    DEVICE,
    DOWNLINK,
    FINISHED,
    INBOX,
    LINK,
    NODE_PREFILL,
    RETURN,
    UPLINK,
)

KV_BLOCK_TOKENS = 64.0  # a sequence that outgrows its reservation grows by this; judgement, four of vLLM's blocks
TOKEN_BYTES = 4.0  # a token id
_EPSILON_S = 1e-12


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
def hop_s(w, b, job):
    """Extra one-way delay when the UE is served by another node than its ingress: its data take the Xn link."""
    return w.setup[0].xn_delay_s if w.ue[b, job.ue].node != job.ingress else 0.0


@njit_inner
def link_delay_s(w, job):
    """Mean one-way delay between ingress and target."""
    return w.setup[0].backhaul_delay_s if to_cloud(w, job) else w.setup[0].xn_delay_s


@njit_inner
def is_cut_off(w, b, job):
    """Whether the link between ingress and target is down."""
    if not has_target(w, job):
        return False
    if to_cloud(w, job):
        return w.node[b, job.ingress].backhaul_up == 0
    return w.link[b, job.ingress, job.link].up == 0


@njit_inner
def _crossing_s(w, b, job):
    """Delay in s of the job's next message to its target: lognormal, of the mean link_delay_s."""
    setup = w.setup[0]
    if to_cloud(w, job):
        purpose, sigma = FOR_CLOUD_DELAY, setup.backhaul_delay_jitter
    else:
        purpose, sigma = FOR_XN_DELAY, setup.xn_delay_jitter
    z = normal(w.episode[b].key, purpose, job.number, job.crossings)
    job.crossings += 1
    return link_delay_s(w, job) * math.exp(sigma * z - 0.5 * sigma * sigma)


@njit_inner
def begin_setup(w, b, j, start_s, sent_before):
    """Start the setup pass of job j at its first part; after a preemption or a fault the prompt includes what was generated.
    sent_before: the nodes know these tokens already."""
    job = w.job[b, j]
    job.clock_s, job.prefilled = start_s, 0.0
    if job.layer_1 > 0:
        _begin_device(w, b, job)
    elif sent_before:
        _begin_node_parts(w, b, job)
    else:
        _begin_upload(w, b, job)


@njit_inner
def _begin_device(w, b, job):
    setup, ue, v = w.setup[0], w.ue[b, job.ue], job.variant
    if job.on_device == 0:
        job.on_device = 1
        ue.device_jobs += 1
    job.left_s = device_load_s(w, ue, v, job.layer_1)
    if ue.device_variant != v:
        ue.device_variant, ue.device_layers = v, job.layer_1
    ue.device_layers = max(ue.device_layers, job.layer_1)
    with_head = not needs_upload(w, job)
    compute_s = costing.whole_prompt_s(w, setup.ue_device, v, job.layer_1, job.setup_tokens, with_head)
    job.left_s += compute_s
    job.energy_j += compute_s * costing.prefill_power_w(w, setup.ue_device)
    job.stage, job.stage_s = DEVICE, job.clock_s


@njit_inner
def device_load_s(w, ue, v, layer_1):
    """Time in s to read from the UE's storage what layers [0, layer_1) of v lack on the device."""
    held = ue.device_layers if ue.device_variant == v else 0
    if held >= layer_1:
        return 0.0
    missing = costing.weight_bytes(w, v, 0, layer_1) - costing.weight_bytes(w, v, 0, held)
    return missing / w.device[w.setup[0].ue_device].load_bytes_s


@njit_inner
def _begin_upload(w, b, job):
    setup = w.setup[0]
    raw = job.layer_1 == 0
    job.left_bytes = costing.prompt_bytes(w, job, job.variant, job.setup_tokens, raw)
    job.air_bytes += job.left_bytes
    job.price_usd += job.left_bytes * setup.usd_per_air_byte
    if raw:
        job.raw_left = 1
    job.clock_s += air.uplink_access_s(w, b, job)
    job.stage, job.stage_s = UPLINK, job.clock_s


@njit_inner
def _begin_node_parts(w, b, job):
    if job.layer_2 > job.layer_1:
        _enter_inbox(w, b, job, 0)
    else:
        _begin_link(w, b, job)


@njit_inner
def _enter_inbox(w, b, job, part):
    """Queue at a node; a full inbox is tried again in the next substep."""
    i = memory.part_node(job, part)
    node = w.node[b, i]
    if node.up == 0:
        requeue.lose(w, b, job, part, job.clock_s)
        return
    job.part, job.stage, job.stage_s, job.prefilled, job.admitted = part, NODE_PREFILL, job.clock_s, 0.0, 0
    if node.n_inbox == w.places.shape[3]:
        job.admitted = -1
        return
    w.places[b, i, INBOX, node.n_inbox] = job.row
    node.n_inbox += 1
    memory.join_node(w, b, job, part)


@njit_inner
def _begin_link(w, b, job):
    raw = job.layer_2 == 0
    job.left_bytes = costing.prompt_bytes(w, job, job.variant, job.setup_tokens, raw)
    _pay_link(w, job, job.left_bytes)
    job.stage, job.stage_s = LINK, job.clock_s


@njit_inner
def _pay_link(w, job, sent_bytes):
    if to_cloud(w, job):
        job.backhaul_bytes += sent_bytes
        job.price_usd += sent_bytes * w.setup[0].usd_per_backhaul_byte
    else:
        job.xn_bytes += sent_bytes


@njit_inner
def after_part(w, b, j):
    """What follows when a node has finished the job's prefill part, at the job's clock."""
    job = w.job[b, j]
    if job.part == 0 and has_target(w, job):
        _begin_link(w, b, job)
    else:
        _first_token(w, job)


@njit_inner
def _first_token(w, job):
    """The setup pass yields a token; decoding begins."""
    job.stage, job.stage_s = DECODE, job.clock_s
    _count_tokens(w, job, 1.0)


@njit_inner
def _deliver_first(w, b, job):
    """Let the first token reach the UE at the job's clock, unless the downlink or a link is down: then the next substep tries again."""
    if job.first_token_s < 0.0 and _is_reachable(w, b, job):
        job.first_token_s = job.clock_s + _return_s(w, b, job, air.FIRST_TOKEN)


@njit_inner
def _is_reachable(w, b, job):
    """Whether tokens reach the UE at the job's clock: over the link, if there is one, and the air."""
    if is_cut_off(w, b, job):
        return False
    return not needs_upload(w, job) or air.downlink(w, b, job.ue, job.clock_s)[0] > 0.0


@njit_inner
def _return_s(w, b, job, message):
    """Delay in s from the generation of a token to the UE: link, Xn hop after a handover, access, transmission, block errors."""
    if not needs_upload(w, job):
        return 0.0
    rate, error_rate = air.downlink(w, b, job.ue, job.clock_s)
    back_s = air.downlink_access_s(w, b, job, message) + air.retransmission_s(w, b, job, message, error_rate)
    back_s += 8.0 * TOKEN_BYTES / rate + hop_s(w, b, job)
    return back_s + link_delay_s(w, job) if has_target(w, job) else back_s


@njit_inner
def _arrive_at_target(w, b, job):
    job.clock_s += _crossing_s(w, b, job)
    episode = w.episode[b]
    if not to_cloud(w, job):
        _enter_inbox(w, b, job, 1)
        return
    if episode.cloud_up == 0:
        requeue.lose(w, b, job, 1, job.clock_s)
        return
    job.stage, job.stage_s = CLOUD_WAIT, job.clock_s
    w.rows[b, AT_CLOUD, episode.n_cloud_wait] = job.row
    episode.n_cloud_wait += 1


@njit_inner
def start_in_cloud(w, b, job, start_s):
    """Give the job one of the cloud's places at start_s: its part is computed at once, tokens are paid by the list."""
    setup, v, service = w.setup[0], job.variant, w.service[job.service]
    w.episode[b].cloud_running += 1
    job.in_cloud = 1
    w.node[b, job.ingress].cloud_seen_wait_s = start_s - job.clock_s
    w.node[b, job.ingress].cloud_seen_s = start_s
    layers = w.model[v].layers - job.layer_2
    share = layers / w.model[v].layers
    job.price_usd += share * job.setup_tokens * service.usd_per_input_token
    compute_s = costing.whole_prompt_s(w, setup.cloud_device, v, layers, job.setup_tokens, True)
    job.energy_j += compute_s * costing.prefill_power_w(w, setup.cloud_device)
    job.cloud_decode_s = cloud_decode_s(w, v, share, job.setup_tokens + service.mean_output_tokens / 2.0)
    job.clock_s = start_s + compute_s
    _first_token(w, job)


@njit_inner
def cloud_decode_s(w, v, share, context_tokens):
    """Time in s of an iteration of the cloud's batch over a share of the layers."""
    batch = w.setup[0].cloud_batch
    return costing.decode_iteration_s(w, w.setup[0].cloud_device, v, batch, batch * context_tokens, share, True)


@njit_inner
def device_token_s(w, v, layer_1, context_tokens, jobs):
    """Time in s of a token's first layer_1 layers on a device that `jobs` jobs share."""
    share = layer_1 / w.model[v].layers
    with_head = layer_1 == w.model[v].layers
    step_s = costing.decode_iteration_s(w, w.setup[0].ue_device, v, 1.0, context_tokens, share, with_head)
    return step_s * max(jobs, 1)


@njit_inner
def _node_token_s(w, b, job, part):
    """Time in s of a token in a node part: its share of the decode cycle, and for a token that comes and goes the mean wait for
    the running iteration of the others."""
    i = memory.part_node(job, part)
    node, variant = w.node[b, i], w.variant[b, i, job.variant]
    low, high = memory.part_range(w, job, part)
    share = (high - low) / w.model[job.variant].layers
    if node.decode_rate <= 0.0 or variant.tokens <= 0.0:
        context = job.prompt_tokens + job.done_tokens
        return costing.decode_iteration_s(
            w, node.accelerator, job.variant, 1.0, context, share, high == w.model[job.variant].layers
        )
    cycle_s = 1.0 / node.decode_rate
    if share >= variant.share and job.layer_1 == 0 and job.layer_2 in (0, w.model[job.variant].layers):
        return cycle_s
    duty = job.duty_0 if part == 0 else job.duty_1
    others = min(1.0, max(0.0, variant.tokens / variant.share - duty))
    return cycle_s * min(1.0, share / max(variant.share, share)) + 0.5 * others * cycle_s


@njit_inner
def _device_cut_s(w, b, job):
    """Time in s that the cut behind the device adds to each token: up with the activations, down with the token; infinite while
    one of the directions is down."""
    ue = w.ue[b, job.ue]
    band = w.band[w.node[b, ue.node].band]
    up, up_errors = air.uplink(w, b, job.ue, max(1, w.node[b, ue.node].n_senders), job.clock_s)
    down, down_errors = air.downlink(w, b, job.ue, job.clock_s)
    if up <= 0.0 or down <= 0.0:
        return math.inf
    sending_s = 8.0 * w.model[job.variant].boundary_bytes / up + 8.0 * TOKEN_BYTES / down
    sending_s += air.mean_retransmission_s(band, up_errors) + air.mean_retransmission_s(band, down_errors)
    return sending_s + band.uplink_stream_s + band.downlink_access_s + 2.0 * hop_s(w, b, job)


@njit_inner
def _token_period_s(w, b, job):
    """Time in s between two tokens; sets the shares of it that each node works on them."""
    v = job.variant
    period_s = 0.0
    if job.layer_1 > 0:
        context = job.prompt_tokens + job.done_tokens
        period_s += device_token_s(w, v, job.layer_1, context, w.ue[b, job.ue].device_jobs)
        if needs_upload(w, job):
            period_s += _device_cut_s(w, b, job)
    ingress_s, target_s = 0.0, 0.0
    if job.users_0 == 1:
        ingress_s = _node_token_s(w, b, job, 0)
    if job.users_1 == 1:
        target_s = _node_token_s(w, b, job, 1)
    elif job.in_cloud == 1:
        period_s += job.cloud_decode_s
    if has_target(w, job) and job.layer_2 > 0:
        rate = w.setup[0].backhaul_rate_bit_s if to_cloud(w, job) else w.setup[0].xn_rate_bit_s
        period_s += 2.0 * link_delay_s(w, job) + 8.0 * w.model[v].boundary_bytes / rate
    period_s += ingress_s + target_s
    job.duty_0, job.duty_1 = ingress_s / period_s, target_s / period_s
    return period_s


@njit_inner
def _pay_node_tokens(w, b, job, part, tokens):
    i = memory.part_node(job, part)
    device, variant = w.node[b, i].accelerator, w.variant[b, i, job.variant]
    low, high = memory.part_range(w, job, part)
    share = (high - low) / w.model[job.variant].layers
    iteration_s = variant.iteration_s
    if variant.tokens <= 0.0:
        iteration_s = costing.decode_iteration_s(w, device, job.variant, 1.0, job.prompt_tokens, share, True)
    busy_s = tokens * iteration_s / max(variant.tokens, 1.0) * min(1.0, share / max(variant.share, share))
    job.price_usd += busy_s * w.device[device].usd_s
    job.energy_j += busy_s * costing.decode_power_w(w, device)


@njit_inner
def _count_tokens(w, job, tokens):
    """Count generated tokens with their bytes and prices; accelerator time is paid in _pay_decode."""
    setup = w.setup[0]
    job.done_tokens += tokens
    if needs_upload(w, job):
        job.air_bytes += tokens * TOKEN_BYTES
        job.price_usd += tokens * TOKEN_BYTES * setup.usd_per_air_byte
    if to_cloud(w, job):
        share = (w.model[job.variant].layers - job.layer_2) / w.model[job.variant].layers
        job.price_usd += tokens * share * w.service[job.service].usd_per_output_token
        job.price_usd += tokens * TOKEN_BYTES * setup.usd_per_egress_byte
    if has_target(w, job):
        _pay_link(w, job, tokens * TOKEN_BYTES)


@njit_inner
def _pay_decode(w, b, job, tokens):
    """Price, energy and cut bytes of `tokens` tokens generated one by one."""
    setup, v = w.setup[0], job.variant
    for part in range(2):
        if (job.users_0 if part == 0 else job.users_1) == 1:
            _pay_node_tokens(w, b, job, part, tokens)
    if job.in_cloud == 1:
        busy_s = tokens * job.cloud_decode_s / setup.cloud_batch
        job.energy_j += busy_s * costing.decode_power_w(w, setup.cloud_device)
    if has_target(w, job) and job.layer_2 > 0:
        _pay_link(w, job, tokens * w.model[v].boundary_bytes)
    if job.layer_1 > 0:
        step_s = device_token_s(w, v, job.layer_1, job.prompt_tokens + job.done_tokens, 1)
        job.energy_j += tokens * step_s * costing.decode_power_w(w, setup.ue_device)
        if needs_upload(w, job):
            cut_bytes = tokens * w.model[v].boundary_bytes
            rate = air.uplink(w, b, job.ue, max(1, w.node[b, w.ue[b, job.ue].node].n_senders), job.clock_s)[0]
            job.air_bytes += cut_bytes
            job.price_usd += cut_bytes * setup.usd_per_air_byte
            job.energy_j += setup.ue_tx_power_w * 8.0 * cut_bytes / rate


@njit_inner
def _preempt_youngest(w, b, i):
    """Put back the sequence at node i that was admitted last (recomputation, as vLLM does); returns its row, -1 for none."""
    youngest = -1
    for place in range(w.episode[b].n_active):
        j = w.rows[b, ACTIVE, place]
        job = w.job[b, j]
        holds = (job.ingress == i and job.kv_0_bytes > 0.0) or (job.target == i and job.kv_1_bytes > 0.0)
        at_work = job.stage == DECODE or job.stage == NODE_PREFILL
        if not holds or not at_work:
            continue
        last = w.job[b, youngest]
        if youngest < 0 or job.admit_s > last.admit_s or (job.admit_s == last.admit_s and job.number > last.number):
            youngest = j
    if youngest < 0:
        return -1
    job = w.job[b, youngest]
    release(w, b, youngest, job.clock_s)
    job.setup_tokens = job.prompt_tokens + math.floor(job.done_tokens)
    job.kv_tokens = max(job.kv_tokens, job.setup_tokens + KV_BLOCK_TOKENS)
    w.episode[b].preempted += 1
    begin_setup(w, b, youngest, job.clock_s, True)
    return youngest


@njit_inner
def _grow_kv(w, b, j):
    """Reserve another block where the sequence has outgrown its reservation; False if the job itself was put back."""
    job = w.job[b, j]
    while job.prompt_tokens + job.done_tokens > job.kv_tokens:
        wanted = job.kv_tokens + KV_BLOCK_TOKENS
        for part in range(2):
            if (job.users_0 if part == 0 else job.users_1) == 0:
                continue
            i = memory.part_node(job, part)
            held = job.kv_0_bytes if part == 0 else job.kv_1_bytes
            want_bytes = memory.part_kv_bytes(w, job, part, wanted)
            while not memory.make_room(w, b, i, want_bytes - held, job.variant, w.service[job.service].adapter):
                if _preempt_youngest(w, b, i) == j:
                    return False
            memory.hold_kv(w, b, job, part, want_bytes)
        job.kv_tokens = wanted
    return True


@njit_inner
def _advance_device(w, b, job, t1):
    share = max(1, w.ue[b, job.ue].device_jobs)
    need_s = job.left_s * share
    if job.clock_s + need_s > t1:
        job.left_s -= (t1 - job.clock_s) / share
        job.clock_s = t1
        return
    job.clock_s += need_s
    job.left_s = 0.0
    if needs_upload(w, job):
        _begin_upload(w, b, job)
    else:
        _first_token(w, job)


@njit_inner
def _advance_upload(w, b, job, t0, t1):
    ue = w.ue[b, job.ue]
    senders = w.node[b, ue.node].n_senders
    if job.stage_s >= t0:
        senders += 1  # began in this substep, so it was not counted
    start_s = max(job.clock_s, min(ue.silent_until_s, t1))
    if start_s >= t1:
        job.clock_s = t1
        return
    rate, error_rate = air.uplink(w, b, job.ue, max(1, senders), start_s)
    if rate <= 0.0:
        job.clock_s = t1
        return
    need_s = 8.0 * job.left_bytes / rate
    sent_s = min(need_s, t1 - start_s)
    job.energy_j += sent_s * w.setup[0].ue_tx_power_w
    if start_s + need_s > t1:
        job.left_bytes -= sent_s * rate / 8.0
        job.clock_s = t1
        return
    job.clock_s = start_s + need_s + hop_s(w, b, job) + air.retransmission_s(w, b, job, air.UPLOAD, error_rate)
    job.left_bytes = 0.0
    _begin_node_parts(w, b, job)


@njit_inner
def _advance_link(w, b, job, t0, t1):
    setup = w.setup[0]
    if is_cut_off(w, b, job):
        requeue.lose(w, b, job, 0, job.clock_s)
        return
    if to_cloud(w, job):
        rate, transfers = setup.backhaul_rate_bit_s, w.node[b, job.ingress].n_backhaul
    else:
        rate, transfers = setup.xn_rate_bit_s, w.link[b, job.ingress, job.link].n_transfers
    if job.stage_s >= t0:
        transfers += 1
    need_s = 8.0 * job.left_bytes * max(1, transfers) / rate
    if job.clock_s + need_s > t1:
        job.left_bytes -= (t1 - job.clock_s) * rate / (8.0 * max(1, transfers))
        job.clock_s = t1
        return
    job.clock_s += need_s
    job.left_bytes = 0.0
    _arrive_at_target(w, b, job)


@njit_inner
def _advance_decode(w, b, j, t1):
    """Generate tokens until t1; what a finished job holds is free before its last token is delivered."""
    job = w.job[b, j]
    if is_cut_off(w, b, job):  # its tokens wait for the repair
        job.duty_0, job.duty_1, job.clock_s = 0.0, 0.0, t1
        return
    _deliver_first(w, b, job)
    left = job.output_tokens - job.done_tokens
    if left > 0.0:
        period_s = _token_period_s(w, b, job)
        tokens = min(left, (t1 - job.clock_s) / period_s)
        if tokens <= 0.0:
            job.clock_s = t1
            return
        _pay_decode(w, b, job, tokens)
        _count_tokens(w, job, tokens)
        if tokens < left:
            job.clock_s = t1
            _grow_kv(w, b, j)
            return
        job.clock_s += tokens * period_s
    release(w, b, j, job.clock_s)
    job.stage, job.stage_s = DOWNLINK, job.clock_s


@njit_inner
def _advance_downlink(w, b, j, t1):
    """Deliver the last token, once the downlink is up; True when the job has finished."""
    job = w.job[b, j]
    if not _is_reachable(w, b, job):
        job.clock_s = min(max(job.clock_s, w.ue[b, job.ue].silent_until_s), t1)
        if job.clock_s >= t1 - _EPSILON_S or not _is_reachable(w, b, job):
            job.clock_s = t1
            return False
    _deliver_first(w, b, job)
    end_s = job.first_token_s
    if job.output_tokens > 1.0:
        end_s = max(end_s, job.clock_s + _return_s(w, b, job, air.LAST_TOKEN))
    end_job(w, b, j, FINISHED, end_s)
    return True


@njit_inner
def advance(w, b, j, t0, t1):
    """Advance job j to t1 through every stage that needs no node or cloud to act; True when it is no longer under way."""
    job = w.job[b, j]
    while job.clock_s < t1 - _EPSILON_S:
        if job.stage == DEVICE:
            _advance_device(w, b, job, t1)
        elif job.stage == UPLINK:
            _advance_upload(w, b, job, t0, t1)
        elif job.stage == LINK:
            _advance_link(w, b, job, t0, t1)
        elif job.stage == DECODE:
            _advance_decode(w, b, j, t1)
        elif job.stage == DOWNLINK:
            if _advance_downlink(w, b, j, t1):
                return True
        elif job.stage == RETURN:
            return requeue.come_back(w, b, j, t1)
        elif job.stage == NODE_PREFILL and job.admitted < 0:
            job.clock_s = t1
            _enter_inbox(w, b, job, job.part)
            return False
        else:
            return False
    return False
