"""A node's accelerator: admission, prompt chunks, decode cycles.

Continuous batching as in COSTS 10: each iteration holds all running decodes and at most one prompt chunk within the token budget. A
chunk, once formed, keeps its size and its iteration time until that is over; decodes run at one token an iteration beside it. Iterations
are formed when the one before starts, so a prompt waits for the rest of the running one and the whole next. Several variants on one
accelerator take turns: a cycle is one iteration of each.
"""

from __future__ import annotations

import math

from edge6g_env._jit import njit_inner
from edge6g_env.kernel import costing, loading, memory, setup_pass, way
from edge6g_env.kernel.world import ACTIVE, AT_CLOUD, COST_HEAD, DECODE, INBOX, LINK, UPLINK

_MIN_CHUNK_TOKENS = 16.0  # a full batch of decodes still leaves a prompt this much of the budget; judgement
_PATIENCE_S = 2.0  # who waits longer for room for its weights lets nobody pass, so that the node empties; judgement
_LOAD_MEMORY_S = 1.0  # time constant of prefill_share


@njit_inner
def _add_decode(w, b, job, part):
    i = memory.part_node(job, part)
    low, high = memory.part_range(w, job, part)
    share = (high - low) / w.model[job.variant].layers
    duty = job.duty_0 if part == 0 else job.duty_1
    if duty <= 0.0:
        return  # its tokens cannot cross a link that is down
    w.node[b, i].decodes = 1
    variant = w.variant[b, i, job.variant]
    variant.tokens += duty * share
    variant.context_tokens += duty * share * (job.prompt_tokens + job.done_tokens)
    variant.share = max(variant.share, share)


@njit_inner
def _clear_counts(w, b):
    for i in range(w.node.shape[1]):
        w.node[b, i].n_senders, w.node[b, i].n_backhaul = 0, 0
        for k in range(w.link.shape[2]):
            w.link[b, i, k].n_transfers = 0
        if w.node[b, i].decodes == 0:
            continue
        w.node[b, i].decodes = 0
        for v in range(w.variant.shape[2]):
            variant = w.variant[b, i, v]
            if variant.tokens > 0.0:
                variant.tokens, variant.context_tokens, variant.share = 0.0, 0.0, 0.0


@njit_inner
def count_work(w, b, t0):
    """Count who decodes, sends and transfers from t0 on; who begins later in the substep counts itself."""
    _clear_counts(w, b)
    for place in range(w.episode[b].n_active):
        job = w.job[b, w.roster[b, ACTIVE, place]]
        if job.stage == DECODE:
            if job.users_0 == 1:
                _add_decode(w, b, job, 0)
            if job.users_1 == 1:
                _add_decode(w, b, job, 1)
        elif job.stage == UPLINK and job.stage_s < t0 and t0 >= w.ue[b, job.ue].silent_until_s:
            w.node[b, w.ue[b, job.ue].node].n_senders += 1
            w.ue[b, job.ue].sending_s = t0
        elif job.stage == LINK and job.stage_s < t0:
            if way.to_cloud(w, job):
                w.node[b, job.ingress].n_backhaul += 1
            else:
                w.link[b, job.ingress, job.link].n_transfers += 1
    for i in range(w.node.shape[1]):
        loading.count_load(w, b, i, t0)


@njit_inner
def _set_cycle(w, b, i):
    """Iteration time of every active variant of node i, and their sum, the decode cycle."""
    node = w.node[b, i]
    node.cycle_s = 0.0
    if node.decodes == 0:
        return
    for v in range(w.variant.shape[2]):
        variant = w.variant[b, i, v]
        if variant.tokens <= 0.0:
            continue
        # `tokens` is weighted by layer share: over the widest part, each layer sees tokens / share of them.
        tokens, context = variant.tokens / variant.share, variant.context_tokens / variant.share
        with_head = variant.high == w.model[v].layers
        variant.iteration_s = costing.decode_iteration_s(
            w, node.accelerator, v, tokens, context, variant.share, with_head
        )
        variant.last_used_s = w.episode[b].now_s
        node.cycle_s += variant.iteration_s


@njit_inner
def _make_room_for(w, b, i, job, kv_bytes):
    """Have the job's adapter and room for its KV at node i; False if memory does not allow it."""
    adapter = w.service[job.service].adapter
    if not loading.bring_adapter(w, b, i, job):
        return False
    return memory.make_room(w, b, i, kv_bytes, job.variant, adapter)


@njit_inner
def _admit_job(w, b, j):
    """Admit the job if its weights are resident and its KV fits: 1 admitted, 0 waits for its weights, -1 for memory for its KV,
    -2 for memory for its weights."""
    job = w.job[b, j]
    i, v = memory.part_node(job, job.part), job.variant
    node = w.node[b, i]
    low, high = memory.part_range(w, job, job.part)
    if not memory.is_resident(w, b, i, v, low, high):
        return 0 if loading.start_load(w, b, i, v, low, high, job.clock_s) else -2
    need_bytes = memory.part_kv_bytes(w, job, job.part, job.kv_tokens)
    if node.n_admitted >= w.serving[0].max_batch:
        return -1
    if not _make_room_for(w, b, i, job, need_bytes):
        if node.n_admitted > 0:
            return -1
        memory.narrow(w, b, i, v, low, high)  # nobody computes here: layers of v beside the part make way
        if not _make_room_for(w, b, i, job, need_bytes):
            return -1
    job.clock_s = max(job.clock_s, w.variant[b, i, v].ready_s)
    memory.hold_kv(w, b, job, job.part, need_bytes)
    job.admitted, job.admit_s = 1, job.clock_s
    return 1


@njit_inner
def _admit(w, b, i, t0, t1):
    """Go through the inbox in order; a job that waits for memory lets nobody pass, one that waits for weights does for a while."""
    node = w.node[b, i]
    loading.advance_load(w, b, i, t0, t1)
    blocked = False
    for place in range(node.n_inbox):
        j = w.queue[b, i, INBOX, place]
        if w.job[b, j].admitted == 1 or w.job[b, j].clock_s >= t1:
            continue
        state = -1 if blocked else _admit_job(w, b, j)
        blocked = state == -1 or (state == -2 and t1 - w.job[b, j].stage_s > _PATIENCE_S)
        if state < 0:
            w.job[b, j].clock_s = t1


@njit_inner
def _next_prompt(w, b, i, t1):
    node = w.node[b, i]
    for place in range(node.n_inbox):
        job = w.job[b, w.queue[b, i, INBOX, place]]
        if job.admitted == 1 and job.clock_s < t1:
            return w.queue[b, i, INBOX, place]
    return -1


@njit_inner
def _chunk_start_s(w, b, i, job):
    """When the first chunk that has not been formed yet without the job can start: an iteration is formed when the one before it
    starts, of what is there then (COSTS 10)."""
    node, variant = w.node[b, i], w.variant[b, i, job.variant]
    free_s = node.prefill_free_s
    if job.clock_s <= node.chunk_end_s - node.chunk_s:
        return free_s  # there when the last chunk began
    next_s = node.cycle_s * min(1.0, variant.tokens / variant.share) if variant.tokens > 0.0 else 0.0
    if job.clock_s <= free_s:
        return free_s + next_s
    return job.clock_s + 0.5 * node.cycle_s + next_s  # decodes' iterations: of the running one half is left on average


@njit_inner
def _form_chunk(w, b, i, j, start_s):
    """Latch a chunk of job j: its tokens beside the running decodes and the time of the iteration."""
    node, job = w.node[b, i], w.job[b, j]
    v = job.variant
    variant = w.variant[b, i, v]
    low, high = memory.part_range(w, job, job.part)
    riding = variant.tokens / variant.share if variant.tokens > 0.0 else 0.0
    room = max(w.serving[0].token_budget - riding, _MIN_CHUNK_TOKENS)
    node.chunk_tokens = min(room, job.setup_tokens - job.prefilled)
    # What the chunk adds to the cycle: its layers with the decodes aboard, less those layers' pass without it.
    added_s = costing.prefill_s(w, node.accelerator, v, high - low, node.chunk_tokens, job.prefilled, riding)
    if riding > 0.0:
        added_s -= costing.linear_s(w, node.accelerator, v, min(high - low, variant.share * w.model[v].layers), riding)
    else:
        added_s += w.device[node.accelerator].iteration_overhead_s
        if high == w.model[v].layers:
            added_s += w.cost[node.accelerator, v, COST_HEAD]
    added_s += w.device[node.accelerator].sequence_overhead_s
    if high == w.model[v].layers:
        added_s += w.cost[node.accelerator, v, COST_HEAD + 1]
    node.chunk_job = j
    node.chunk_added_s = max(added_s, 0.0)
    node.chunk_s = node.cycle_s + node.chunk_added_s
    node.chunk_end_s = start_s + node.chunk_s


@njit_inner
def _complete_chunk(w, b, i):
    """Credit the finished chunk; when the prompt is through, the job leaves the inbox for its next stage."""
    node = w.node[b, i]
    j = node.chunk_job
    job = w.job[b, j]
    job.prefilled += node.chunk_tokens
    job.price_usd += node.chunk_added_s * w.device[node.accelerator].usd_s
    job.energy_j += node.chunk_added_s * costing.prefill_power_w(w, node.accelerator)
    node.chunk_job, node.prefill_free_s = -1, node.chunk_end_s
    if job.prefilled < job.setup_tokens - 1e-6:
        return
    memory.drop_from_inbox(w, b, i, j)
    job.clock_s = node.chunk_end_s
    job.duty_0, job.duty_1 = 1.0, 1.0
    setup_pass.after_part(w, b, j)


@njit_inner
def _work(w, b, i, t0, t1):
    """Run node i through [t0, t1): returns decode cycles done and seconds with a chunk."""
    node = w.node[b, i]
    time_s, cycles, prefill_s = t0, 0.0, 0.0
    while True:
        if node.chunk_job < 0:
            j = _next_prompt(w, b, i, t1)
            if j < 0:
                break
            start_s = _chunk_start_s(w, b, i, w.job[b, j])
            if start_s >= t1:
                break
            if start_s > time_s:
                if node.cycle_s > 0.0:
                    cycles += (start_s - time_s) / node.cycle_s
                time_s = start_s
            _form_chunk(w, b, i, j, start_s)
        until_s = min(node.chunk_end_s, t1)
        if until_s > time_s:
            cycles += (until_s - time_s) / node.chunk_s
            prefill_s += until_s - time_s
            time_s = until_s
        if node.chunk_end_s > t1:
            break
        _complete_chunk(w, b, i)
    if node.cycle_s > 0.0 and time_s < t1:
        cycles += (t1 - time_s) / node.cycle_s
    return cycles, prefill_s


@njit_inner
def _prompt_left_s(w, b, i, j):
    """Estimated accelerator time of what is left of a prompt in its part at node i."""
    job = w.job[b, j]
    low, high = memory.part_range(w, job, job.part)
    left = job.setup_tokens - job.prefilled
    chunk = min(left, w.serving[0].token_budget)
    chunk_s = costing.prefill_s(w, w.node[b, i].accelerator, job.variant, high - low, chunk, job.prefilled, 0.0)
    return chunk_s * left / chunk


@njit_inner
def set_backlog(w, b, i):
    """Sum up the work of the prompts in node i's inbox, for its own eyes and for reports."""
    node = w.node[b, i]
    node.backlog_s = 0.0
    for place in range(node.n_inbox):
        node.backlog_s += _prompt_left_s(w, b, i, w.queue[b, i, INBOX, place])


@njit_inner
def run_node(w, b, i, t0, t1):
    """Admit, compute prompts and decode at node i during [t0, t1)."""
    node = w.node[b, i]
    _set_cycle(w, b, i)
    if node.n_inbox == 0 and node.load_variant < 0:
        node.decode_rate = 1.0 / node.cycle_s if node.cycle_s > 0.0 else 0.0
        if node.prefill_share > 0.0:
            node.prefill_share *= math.exp((t0 - t1) / _LOAD_MEMORY_S)
        return
    _admit(w, b, i, t0, t1)
    cycles, prefill_s = _work(w, b, i, t0, t1)
    node.decode_rate = cycles / (t1 - t0) if node.cycle_s > 0.0 else 0.0
    keep = math.exp((t0 - t1) / _LOAD_MEMORY_S)
    node.prefill_share = keep * node.prefill_share + (1.0 - keep) * prefill_s / (t1 - t0)


@njit_inner
def run_cloud(w, b, t1):
    """Fill free places of the cloud, first come first served."""
    episode = w.episode[b]
    free = w.cloud[0].concurrency - episode.cloud_running
    started = 0
    while started < free and started < episode.n_cloud_wait:
        job = w.job[b, w.roster[b, AT_CLOUD, started]]
        if job.clock_s >= t1:
            break
        setup_pass.start_in_cloud(w, b, job, max(job.clock_s, episode.cloud_free_s))
        started += 1
    if started > 0:
        for place in range(started, episode.n_cloud_wait):
            w.roster[b, AT_CLOUD, place - started] = w.roster[b, AT_CLOUD, place]
        episode.n_cloud_wait -= started
