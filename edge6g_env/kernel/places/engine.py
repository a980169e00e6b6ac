"""A node's accelerator: admission, prompt chunks, decode cycles, and slices of training where no prompt waits.

Continuous batching as in COSTS 10: each iteration holds all running decodes and at most one prompt chunk within the token budget. A
chunk, once formed, keeps its size and its iteration time until that is over; decodes run at one token an iteration beside it. Iterations
are formed when the one before starts, so a prompt waits for the rest of the running one and the whole next. Several variants on one
accelerator take turns: a cycle is one iteration of each that has a token there, and one whose tokens are all elsewhere has no turn.
"""

from __future__ import annotations

import math

from edge6g_env import costs
from edge6g_env._jit import njit_inner, njit_seldom
from edge6g_env.kernel import codes, costing, notes
from edge6g_env.kernel.places import loading, memory, training

LOADS, LACKS_KV, LACKS_WEIGHTS = -1, -2, -3  # not ADMITTED: weights load, no memory for KV, none for weights
_MIN_CHUNK_TOKENS = 16.0  # a full batch of decodes still leaves a prompt this much of the budget; judgement
_PATIENCE_S = 2.0  # waiting longer for room for weights, a job lets none pass, so that the node empties; judgement
_LOAD_MEMORY_S = 1.0  # time constant of prefill_share


@njit_inner
def count(w, b, job, part):
    """Count a sequence that decodes from now on, by its part here, among those of its variant."""
    if part.state < codes.WAITING or part.duty <= 0.0:
        return  # not here, or its tokens cannot cross a link that is down
    share = (part.high - part.low) / w.model[job.variant].layers
    w.server[b, part.node].decodes = 1
    variant = w.variant[b, part.node, job.variant]
    variant.tokens += part.duty * share * job.pass_tokens
    variant.decoders += part.duty * share
    variant.context_tokens += part.duty * share * (job.prompt_tokens + job.done_tokens + (job.pass_tokens - 1.0))
    variant.share = max(variant.share, share)
    if part.high == w.model[job.variant].layers:
        variant.head_tokens += part.duty * job.pass_tokens


@njit_inner
def clear_counts(w, b, i):
    """Forget the sequences that decoded at node i in the last substep."""
    if w.server[b, i].decodes == 0:
        return
    w.server[b, i].decodes = 0
    for v in range(w.variant.shape[2]):
        variant = w.variant[b, i, v]
        if variant.tokens > 0.0:
            variant.tokens, variant.decoders, variant.context_tokens = 0.0, 0.0, 0.0
            variant.share, variant.head_tokens = 0.0, 0.0


@njit_inner
def _set_cycle(w, b, i):
    """Iteration time of every active variant of node i, and the mean decode cycle: each for the share of time in which it has a token."""
    site, server = w.site[i], w.server[b, i]
    server.cycle_s, server.decode_share = 0.0, 0.0
    if server.decodes == 0:
        return
    for v in range(w.variant.shape[2]):
        variant = w.variant[b, i, v]
        if variant.tokens <= 0.0:
            continue
        # `tokens` is weighted by layer share: over the widest part, each layer sees tokens / share of them.
        tokens, context = variant.tokens / variant.share, variant.context_tokens / variant.share
        decoders, fewest = variant.decoders / variant.share, variant.tokens / variant.decoders
        # A pass has a sequence in it and reads its whole context: how often it comes is a matter of duty.
        if decoders < 1.0:
            tokens, context = fewest, context / decoders
        device = site.accelerator
        variant.iteration_s = costing.decode_iteration_s(w, device, v, tokens, context, variant.share, False)
        if variant.head_tokens > 0.0:
            variant.iteration_s += costing.head_s(w, device, v, max(variant.head_tokens, fewest))
        variant.last_used_s = w.episode[b].now_s
        server.cycle_s += min(1.0, decoders) * variant.iteration_s
        server.decode_share = min(1.0, server.decode_share + decoders)
    server.cycle_s *= costing.slowdown(w, w.node[b, i].ran_load)


@njit_inner
def _make_room_for(w, b, i, job, kv_bytes):
    """Have the job's adapter and room for its KV at node i, where need be in place of training; False if memory does not allow it."""
    adapter = memory.adapter_of(w, job)
    while not (loading.bring_adapter(w, b, i, job) and memory.make_room(w, b, i, kv_bytes, job.variant, adapter)):
        if not training.make_way(w, b, i, job.clock_s):
            return False
    return True


@njit_inner
def _starts_load(w, b, i, job, low, high):
    """The same of its weights: whether they load, or others, of which none that only training asked for."""
    if w.server[b, i].load_variant != job.variant:
        training.gives_up_load(w, b, i, job.clock_s)
    while not loading.start_load(w, b, i, job.variant, low, high, job.clock_s):
        if not training.make_way(w, b, i, job.clock_s):
            return False
    return True


@njit_inner
def _admit_job(w, b, job):
    """Admit the job if its weights are resident and its KV fits; returns one of the codes above."""
    part, v = w.part[b, job.row, job.part], job.variant
    i, low, high = part.node, part.low, part.high
    server = w.server[b, i]
    if not memory.is_resident(w, b, i, v, low, high):
        return LOADS if _starts_load(w, b, i, job, low, high) else LACKS_WEIGHTS
    need_bytes = costing.kv_bytes(w, v, high - low, job.kv_tokens)
    if server.n_admitted >= w.serving[0].max_batch:
        return LACKS_KV
    if not _make_room_for(w, b, i, job, need_bytes):
        if server.n_admitted > 0 or server.load_variant == v:  # what loads counts on the layers that are there
            return LACKS_KV
        memory.narrow(w, b, i, v, low, high)  # nobody computes here: layers of v beside the part make way
        if not _make_room_for(w, b, i, job, need_bytes):
            return LACKS_KV
    job.clock_s = max(job.clock_s, w.variant[b, i, v].ready_s)
    memory.hold_kv(w, b, part, need_bytes)
    part.state, job.admit_s = codes.ADMITTED, job.clock_s
    return codes.ADMITTED


@njit_seldom
def _note_admission(w, b, job, state, since_s, t0):
    """Note what a job waits for that has been looked at: memory, weights or, when it has both, its turn."""
    if state <= LACKS_KV:
        notes.of_admission(w, b, job, notes.MEMORY, since_s, t0)
        return
    if state == LOADS or job.clock_s > since_s:
        notes.of_admission(w, b, job, notes.LOAD, since_s, t0)
    if state == codes.ADMITTED:
        notes.of_wait(w, b, job, notes.QUEUE, job.clock_s)


@njit_inner
def _admit(w, b, i, t0, t1):
    """Go through the inbox in order; a job that waits for memory lets nobody pass, one that waits for weights does for a while."""
    server = w.server[b, i]
    loading.advance_load(w, b, i, t0, t1)
    blocked = False
    for place in range(server.n_inbox):
        job = w.job[b, w.queue[b, i, codes.INBOX, place]]
        if w.part[b, job.row, job.part].state == codes.ADMITTED or job.clock_s >= t1:
            continue
        since_s = job.clock_s
        state = LACKS_KV if blocked else _admit_job(w, b, job)
        if notes.are_kept(w):
            _note_admission(w, b, job, state, since_s, t0)
        blocked = state == LACKS_KV or (state == LACKS_WEIGHTS and t1 - job.stage_s > _PATIENCE_S)
        if state <= LACKS_KV:
            job.clock_s = t1
    training.admit(w, b, i, t1)


@njit_inner
def _prompt_waits(w, b, i, at_s):
    """Whether a prompt could be computed at that time."""
    for place in range(w.server[b, i].n_inbox):
        job = w.job[b, w.queue[b, i, codes.INBOX, place]]
        if w.part[b, job.row, job.part].state == codes.ADMITTED and job.clock_s <= at_s:
            return True
    return False


@njit_inner
def _next_prompt(w, b, i, t1):
    server = w.server[b, i]
    for place in range(server.n_inbox):
        job = w.job[b, w.queue[b, i, codes.INBOX, place]]
        if w.part[b, job.row, job.part].state == codes.ADMITTED and job.clock_s < t1:
            return job.row
    return -1


@njit_inner
def _chunk_start_s(w, b, i, job):
    """When the first chunk that has not been formed yet without the job can start: an iteration is formed when the one before it
    starts, of what is there then (COSTS 10)."""
    server, variant = w.server[b, i], w.variant[b, i, job.variant]
    free_s = server.prefill_free_s
    if job.clock_s <= server.chunk_end_s - server.chunk_s:
        return free_s  # there when the last chunk began
    next_s = server.cycle_s * min(1.0, variant.decoders / variant.share) if variant.tokens > 0.0 else 0.0
    if job.clock_s <= free_s:
        return free_s + next_s
    return job.clock_s + 0.5 * server.cycle_s + next_s  # of decodes' running iteration half is left on average


@njit_inner
def _encoder_s(w, job, part):
    """Time in s of the encoder, which runs with the first chunk of a prompt in the part that has layer 0."""
    if job.prefilled > w.service[job.service].input_context:
        return 0.0
    return costing.encoder_s(w, w.site[part.node].accelerator, job, job.variant, part.low)


@njit_inner
def _form_chunk(w, b, i, job, start_s):
    """Latch a chunk of a job: its tokens beside the running decodes and the time of the iteration, at the cell's load of now."""
    site, server = w.site[i], w.server[b, i]
    part, v = w.part[b, job.row, job.part], job.variant
    low, high, variant = part.low, part.high, w.variant[b, i, v]
    riding = variant.tokens / variant.share if variant.tokens > 0.0 else 0.0
    room = max(w.serving[0].token_budget - riding, _MIN_CHUNK_TOKENS)
    server.chunk_tokens = min(room, job.setup_tokens - job.prefilled)
    # What the chunk adds to the cycle: its layers with the decodes aboard, less those layers' pass without it.
    added_s = costing.prefill_layer_s(w, site.accelerator, v, server.chunk_tokens, job.prefilled, riding)
    added_s *= high - low
    if riding > 0.0:
        shared_layers = min(high - low, variant.share * w.model[v].layers)
        times_s = w.cost[site.accelerator, v, codes.COST_HEADER :]
        added_s -= shared_layers * costs.tokens_lookup(times_s, max(riding, 1.0))
    else:
        added_s += w.device[site.accelerator].iteration_overhead_s
        if high == w.model[v].layers:
            added_s += w.cost[site.accelerator, v, codes.COST_HEAD]
    added_s += w.device[site.accelerator].sequence_overhead_s
    if high == w.model[v].layers:
        added_s += w.cost[site.accelerator, v, codes.COST_HEAD + 1]
    server.chunk_job = job.row
    server.chunk_added_s = max(added_s, 0.0) + _encoder_s(w, job, part)
    server.chunk_s = server.cycle_s + server.chunk_added_s * costing.slowdown(w, w.node[b, i].ran_load)
    server.chunk_end_s = start_s + server.chunk_s
    notes.of_work(w, b, job, start_s, server.chunk_tokens)


@njit_inner
def estimate_prompt(w, job, part):
    """Set left_s to the accelerator time that what is left of a prompt should take in its part."""
    left = job.setup_tokens - job.prefilled
    chunk, device = min(left, w.serving[0].token_budget), w.site[part.node].accelerator
    layer_s = costing.prefill_layer_s(w, device, job.variant, chunk, job.prefilled, 0.0)
    job.left_s = (part.high - part.low) * layer_s * left / chunk + _encoder_s(w, job, part)


@njit_inner
def _pay_chunk(w, b, i, job, share):
    """Price and energy of a share of the chunk that is formed."""
    device, added_s = w.device[w.site[i].accelerator], share * w.server[b, i].chunk_added_s
    job.price_usd += added_s * device.usd_s
    job.energy_j += added_s * device.prefill_w


@njit_inner
def give_up_chunk(w, b, i, job, now_s):
    """If a chunk of the job runs at node i it ends now; what was computed of it is paid."""
    server = w.server[b, i]
    if server.chunk_job != job.row:
        return
    left_s = min(max(server.chunk_end_s - now_s, 0.0), server.chunk_s)
    _pay_chunk(w, b, i, job, 1.0 - left_s / server.chunk_s)
    server.chunk_job, server.prefill_free_s = -1, now_s


@njit_inner
def _complete_chunk(w, b, i):
    """Credit the finished chunk; when it was the last, the prompt is through."""
    server = w.server[b, i]
    job = w.job[b, server.chunk_job]
    part = w.part[b, job.row, job.part]
    job.prefilled += server.chunk_tokens
    _pay_chunk(w, b, i, job, 1.0)
    server.chunk_job, server.prefill_free_s = -1, server.chunk_end_s
    if job.prefilled < job.setup_tokens - 1e-6:
        estimate_prompt(w, job, part)
        notes.of_wait(w, b, job, notes.QUEUE, server.chunk_end_s)
        return
    job.clock_s = server.chunk_end_s
    part.state, part.duty = codes.PREFILLED, 1.0


@njit_inner
def _cycles(w, server, start_s, end_s):
    """Decode cycles of a stretch without a prompt chunk. Training takes its share of it as long as decodes have not had theirs after its
    last slice: fluid, since a slice may be longer than a substep."""
    if server.cycle_s <= 0.0 or end_s <= start_s:
        return 0.0
    beside_s = max(0.0, min(end_s, server.slice_free_s) - start_s)
    return (end_s - start_s - w.serving[0].train_share * beside_s) / server.cycle_s


@njit_inner
def _form_next(w, b, i, t1):
    """Latch what node i computes next beside decodes, a prompt's chunk or a slice of training; returns when it begins, inf if nothing does
    before t1."""
    row, start_s = _next_prompt(w, b, i, t1), math.inf
    if row >= 0:
        start_s = _chunk_start_s(w, b, i, w.job[b, row])
    trainee = training.next_job(w, b, i, t1) if w.server[b, i].n_training > 0 else -1
    if trainee >= 0:
        slice_s = training.slice_start_s(w.server[b, i], w.job[b, trainee])
        if slice_s < min(start_s, t1) and not _prompt_waits(w, b, i, slice_s):
            training.form_slice(w, b, i, w.job[b, trainee], slice_s)
            return slice_s
    if start_s >= t1:
        return math.inf
    _form_chunk(w, b, i, w.job[b, row], start_s)
    return start_s


@njit_inner
def _work(w, b, i, t0, t1):
    """Run node i through [t0, t1): returns decode cycles done and seconds with a chunk, or with training as decodes feel it."""
    server = w.server[b, i]
    time_s, cycles, prefill_s, chunks_s = t0, 0.0, 0.0, 0.0
    if server.chunk_trains == 1 and _prompt_waits(w, b, i, server.chunk_end_s - server.chunk_s):
        training.take_back_slice(w, b, i)  # the prompt came in the last substep, after the node had been advanced
    while True:
        if server.chunk_job < 0:
            start_s = _form_next(w, b, i, t1)
            if start_s >= t1:
                break
            if start_s > time_s:
                cycles += _cycles(w, server, time_s, start_s)
                time_s = start_s
        until_s = min(server.chunk_end_s, t1)
        if until_s > time_s:
            if server.chunk_trains == 1:
                cycles += _cycles(w, server, time_s, until_s)
                prefill_s += (until_s - time_s) * (1.0 if server.cycle_s > 0.0 else w.serving[0].train_share)
            else:
                cycles += (until_s - time_s) / server.chunk_s
                prefill_s += until_s - time_s
            chunks_s += until_s - time_s
            time_s = until_s
        if server.chunk_end_s > t1:
            break
        if server.chunk_trains == 1:
            training.complete_slice(w, b, i)
        else:
            _complete_chunk(w, b, i)
    w.node[b, i].busy_s += chunks_s + server.decode_share * (t1 - t0 - chunks_s)
    return cycles + _cycles(w, server, time_s, t1), prefill_s


@njit_inner
def set_backlog(w, b, i):
    """Sum up the work of the prompts in node i's inbox and the memory that they wait for, for its own eyes and for reports."""
    server, last = w.server[b, i], -1
    server.backlog_s, server.claimed_bytes = 0.0, 0.0
    for place in range(server.n_inbox):
        job = w.job[b, w.queue[b, i, codes.INBOX, place]]
        part, v = w.part[b, job.row, job.part], job.variant
        server.backlog_s += job.left_s
        if part.state != codes.WAITING:
            continue
        server.claimed_bytes += costing.kv_bytes(w, v, part.high - part.low, job.kv_tokens)
        if v != last and v != server.load_variant:  # jobs of a variant that follow each other share its weights
            server.claimed_bytes += memory.bytes_to_load(w, b, i, v, part.low, part.high)
        last = v


@njit_inner
def advance(w, b, i, t0, t1):
    """Admit, compute prompts, train and decode at node i during [t0, t1); a prompt or a step that is through waits as PREFILLED."""
    server = w.server[b, i]
    _set_cycle(w, b, i)
    if server.n_inbox == 0 and server.n_trainees == 0 and server.load_variant < 0:
        server.decode_rate = 1.0 / server.cycle_s if server.cycle_s > 0.0 else 0.0
        w.node[b, i].busy_s += server.decode_share * (t1 - t0)
        if server.prefill_share > 0.0:
            server.prefill_share *= math.exp((t0 - t1) / _LOAD_MEMORY_S)
        return
    _admit(w, b, i, t0, t1)
    cycles, prefill_s = _work(w, b, i, t0, t1)
    server.decode_rate = cycles / (t1 - t0) if server.cycle_s > 0.0 else 0.0
    keep = math.exp((t0 - t1) / _LOAD_MEMORY_S)
    server.prefill_share = keep * server.prefill_share + (1.0 - keep) * prefill_s / (t1 - t0)
