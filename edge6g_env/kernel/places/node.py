"""A node's server as a job meets it: an inbox, then memory and prompt chunks, then a share of every decode cycle. What goes on inside
is in engine.py, memory.py and loading.py."""

from __future__ import annotations

import math

from edge6g_env._jit import njit_inner, njit_seldom
from edge6g_env.kernel import codes, costing, externality
from edge6g_env.kernel.places import loading, memory, training
from edge6g_env.kernel.places.engine import advance as advance
from edge6g_env.kernel.places.engine import clear_counts as clear_counts
from edge6g_env.kernel.places.engine import count as count
from edge6g_env.kernel.places.engine import estimate_prompt, give_up_chunk

OWN = 0  # row of w.known of the node itself; its neighbours follow


@njit_inner
def refuse(w, i, v, low, high, own_bytes):
    """Why layers [low, high) with own_bytes of KV or training state could not run at node i, even if it were empty."""
    need_bytes = costing.weight_bytes(w, v, low, high) + own_bytes
    return codes.DONE if need_bytes <= w.site[i].usable_bytes else codes.NODE_TOO_SMALL


@njit_inner
def refuse_down(w, b, i, route):
    """Why the server that a route of node i leads to is down: its own as it is, a neighbour's by what the node heard of it last."""
    if route < codes.NEIGHBOUR:
        return codes.DONE if w.node[b, i].up == 1 else codes.NODE_DOWN
    return codes.DONE if w.link[b, i, route - codes.NEIGHBOUR].seen_up == 1 else codes.NEIGHBOUR_DOWN


@njit_inner
def end_part(w, job):
    """The job's parts at nodes are the rows from first_part to here of its w.part."""
    return codes.TARGET + (0 <= job.link < w.link.shape[2])


@njit_inner
def begin(w, b, job, p):
    """Queue for part p of the job at its node; a full inbox is tried again in the next substep."""
    part = w.part[b, job.row, p]
    if part.high <= part.low or part.node == w.node.shape[1]:
        return codes.OVER
    if w.node[b, part.node].up == 0:
        return codes.LOST
    server = w.server[b, part.node]
    job.part, job.stage, job.stage_s = p, codes.NODE_PREFILL, job.clock_s
    job.prefilled = w.service[job.service].input_context
    if server.n_inbox == w.queue.shape[3]:
        part.state = codes.TURNED_AWAY
        return codes.UNDER_WAY
    part.state = codes.WAITING
    w.queue[b, part.node, codes.INBOX, server.n_inbox] = job.row
    server.n_inbox += 1
    memory.count_user(w, b, job, part, 1)
    estimate_prompt(w, job, part)
    return codes.UNDER_WAY


# --- tokens ----------------------------------------------------------------------------------------------------------------------------


@njit_inner
def _alone_s(w, job, part):
    """Of a pass with the accelerator to itself."""
    device, layers = w.site[part.node].accelerator, part.high - part.low
    with_head = part.high == w.model[job.variant].layers
    return costing.lone_pass_s(w, device, job, job.variant, job.pass_tokens, layers, with_head)


@njit_inner
def pass_s(w, b, job, part):
    """Time in s of a pass in a part: a decode cycle where its token stays; one that comes and goes waits for its turn, half a cycle of
    what else runs there on average, and then takes its layers' share of the iteration."""
    if part.state < codes.WAITING:
        return 0.0
    layers, server, variant = w.model[job.variant].layers, w.server[b, part.node], w.variant[b, part.node, job.variant]
    slowdown = costing.slowdown(w, w.node[b, part.node].ran_load)
    if server.decode_rate <= 0.0 or variant.tokens <= 0.0:
        return slowdown * _alone_s(w, job, part)
    cycle_s, share = 1.0 / server.decode_rate, (part.high - part.low) / layers
    if share >= variant.share and part.low == 0 and part.high == layers and job.pass_tokens == 1.0:
        return cycle_s
    decoders, share_of_it = variant.decoders / variant.share, share / max(variant.share, share)
    without_it = min(1.0, max(0.0, decoders - part.duty * share_of_it))
    iteration_s = slowdown * variant.iteration_s
    others_s = max(0.0, server.cycle_s - (min(1.0, decoders) - without_it) * iteration_s)
    slower = cycle_s / server.cycle_s  # by the prompts between the iterations
    return (iteration_s * share_of_it + 0.5 * others_s) * slower


@njit_inner
def pay_passes(w, b, job, part, passes):
    """Price and energy of the accelerator's time for passes of a part, without the radio's share: of an iteration, by the tokens in it."""
    if part.state < codes.WAITING:
        return
    device, variant = w.site[part.node].accelerator, w.variant[b, part.node, job.variant]
    if variant.tokens <= 0.0:
        busy_s = passes * _alone_s(w, job, part)
    else:
        own = (part.high - part.low) / w.model[job.variant].layers * job.pass_tokens  # of all layers' tokens in it
        fewest = variant.share * (variant.tokens / variant.decoders)
        busy_s = passes * variant.iteration_s * own / max(variant.tokens, fewest, own)
    job.price_usd += busy_s * w.device[device].usd_s
    job.energy_j += busy_s * w.device[device].decode_w


@njit_inner
def _life_s(w, job):
    """Time in s that a mean output takes: at the pace of the tokens so far, a preemption counted in; before there are any, at its
    objective."""
    service = w.service[job.service]
    begin_s = min(job.stage_s, job.first_token_s)
    if job.stage == codes.DECODE and begin_s >= 0.0 and job.clock_s > begin_s and job.done_tokens > 1.0:
        return service.mean_output_tokens * (job.clock_s - begin_s) / (job.done_tokens - 1.0)
    return service.deadline_s if service.deadline_s > 0.0 else service.mean_output_tokens * service.tpot_slo_s


@njit_inner
def count_releases(w, b):
    """Add up at each node the pace at which its sequences give back KV: each all of it in its life."""
    episode = w.episode[b]
    for i in range(w.node.shape[1]):
        w.server[b, i].release_bytes_s = 0.0
    for place in range(episode.n_active):
        job = w.job[b, w.roster[b, codes.ACTIVE, place]]
        if w.service[job.service].kind == codes.FINETUNE:
            continue
        for p in range(job.first_part, end_part(w, job)):
            part = w.part[b, job.row, p]
            if part.state >= codes.ADMITTED:
                w.server[b, part.node].release_bytes_s += part.kv_bytes / _life_s(w, job)


# --- what agents expect ----------------------------------------------------------------------------------------------------------------


@njit_inner
def _known(w, b, i, p, v, job, output):
    """The own node (p = 0) or neighbour p - 1 as node i knows it, with the layer times of the job there."""
    known = w.known[b, p, v]
    if known.ready == 0:
        if p == OWN:
            _look_at_own(w, b, i, v, known)
        else:
            _look_at_neighbour(w, b, i, p - OWN - 1, v, known)
        device, running, context = known.accelerator, known.tokens, job.setup_tokens + 0.5 * output
        cached = w.service[job.service].input_context
        costing.chunk_layers_s(w, device, v, job.setup_tokens, cached, w.chunk_layer_s[b, p, v])
        known.with_layer_s = costing.decode_layer_s(w, device, v, running + 1.0, context * (known.decoders + 1.0))
        if running > 0.0:
            known.running_layer_s = costing.decode_layer_s(w, device, v, running, context * known.decoders)
        known.ready = 1
    return known


@njit_inner
def _look_at_own(w, b, i, v, known):
    """What node i knows of itself."""
    server, variant = w.server[b, i], w.variant[b, i, v]
    known.own, known.accelerator, known.cycle_s = i, w.site[i].accelerator, server.cycle_s
    known.slowdown = costing.slowdown(w, w.node[b, i].ran_load)
    known.ue_share = _ue_share(w, w.node[b, i].n_ues)
    known.prefill_share, known.backlog_s = server.prefill_share, server.backlog_s
    known.prompts, known.sent_since = server.n_inbox, 0
    known.sequences, known.free_bytes, known.age_s = server.n_admitted, server.free_bytes, 0.0
    known.trainees = server.n_trainees
    known.claimed_bytes, known.release_bytes_s = server.claimed_bytes, server.release_bytes_s
    known.low, known.high, known.users = variant.low, variant.high, variant.users
    known.tokens, known.decoders = variant.tokens, variant.decoders
    known.disk_s = max(0.0, server.load_end_s - w.episode[b].now_s) if server.load_variant >= 0 else 0.0
    if server.load_variant == v:
        known.low, known.high = server.load_low, server.load_high


@njit_inner
def _look_at_neighbour(w, b, i, k, v, known):
    """What node i knows of neighbour k: its report, and the jobs sent there since."""
    link, seen = w.link[b, i, k], w.seen[b, i, k, v]
    known.own, known.accelerator = -1, w.site[w.neighbour[i, k]].accelerator
    known.slowdown = costing.slowdown(w, link.seen_ran_load)
    known.ue_share = _ue_share(w, link.seen_ues)
    known.cycle_s, known.prefill_share = link.seen_cycle_s, link.seen_prefill_share
    known.backlog_s, known.prompts, known.sent_since = link.seen_backlog_s, link.seen_inbox, link.sent_since
    known.sequences, known.free_bytes = link.seen_admitted + link.sent_since, link.seen_free_bytes
    known.trainees = link.seen_trainees
    known.claimed_bytes, known.release_bytes_s = link.seen_claimed_bytes, link.seen_release_bytes_s
    known.low, known.high, known.users = seen.low, seen.high, seen.users
    known.tokens, known.decoders = seen.tokens, seen.decoders
    known.disk_s, known.age_s = 0.0, w.episode[b].now_s - link.report_s


@njit_inner
def _ue_share(w, ues):
    """What more of all UEs a cell serves than an even share."""
    return ues / w.ue.shape[1] - 1.0 / w.node.shape[1]


@njit_inner
def _missing_bytes(w, known, v, low, high):
    if known.high <= known.low:
        return costing.weight_bytes(w, v, low, high)
    joined = costing.weight_bytes(w, v, min(low, known.low), max(high, known.high))
    return joined - costing.weight_bytes(w, v, known.low, known.high)


@njit_inner
def _memory_wait_s(w, known, v, layers, tokens, missing_bytes):
    """Time until memory for the weights and KV is released, after what those before it wait for."""
    short_bytes = costing.kv_bytes(w, v, layers, tokens) + missing_bytes + known.claimed_bytes - known.free_bytes
    if known.users == 0:
        short_bytes += costing.weight_bytes(w, v, known.low, known.high)  # they would have to stay
    if short_bytes <= 0.0:
        return 0.0
    if known.release_bytes_s <= 0.0:
        return w.prediction[0].blocked_wait_s
    return min(w.prediction[0].max_wait_s, short_bytes / known.release_bytes_s)


@njit_inner
def _load_s(w, b, known, v, low, high, missing_bytes):
    """Time to have the part's weights; nothing is known of a load that a neighbour has under way, nor of its other sources."""
    if missing_bytes > 0.0:
        rate = w.device[known.accelerator].load_bytes_s
        if known.own >= 0:
            rate = loading.best_rate_bytes_s(w, b, known.own, v, low, high)
        return known.disk_s + missing_bytes / rate + w.serving[0].load_overhead_s
    return known.disk_s


@njit_inner
def _iteration_wait_s(known):
    """Time until an iteration that is formed with the job in it: the rest of the running one and the whole next. Among the prompts of
    others there is none to wait for but their own, and after the last of them the next."""
    next_s = known.cycle_s * min(1.0, known.decoders)
    if known.prompts == 0:
        return 0.5 * known.cycle_s + next_s
    return next_s if known.prompts == 1 else 0.0


@njit_inner
def forecast(w, b, i, p, v, low, high, job, output, whole):
    """Add layers [low, high) at place p, as node i knows it: load, wait, prefill, a share of every token. whole: no cut, so tokens stay."""
    known, expected = _known(w, b, i, p, v, job, output), w.forecast[b]
    device, running, slowdown = known.accelerator, known.tokens, known.slowdown
    prompt, cached = job.setup_tokens, w.service[job.service].input_context
    with_head = high == w.model[v].layers
    share = (high - low) / w.model[v].layers
    missing_bytes = _missing_bytes(w, known, v, low, high)
    load_s = _load_s(w, b, known, v, low, high, missing_bytes)
    kept_s = w.chunk_layer_s[b, p, v]
    compute_s = costing.setup_s(w, device, v, high - low, prompt, cached, with_head, kept_s)
    compute_s += costing.encoder_s(w, device, job, v, low)
    wait_s = slowdown * known.backlog_s + known.prompts * known.cycle_s + _iteration_wait_s(known)
    # Jobs on their way there are taken to be like this one.
    wait_s += known.sent_since * (slowdown * compute_s + known.cycle_s)
    wait_s += _memory_wait_s(w, known, v, high - low, prompt + output, missing_bytes)
    wait_s = min(wait_s, w.prediction[0].max_wait_s)
    pass_tokens, layer_s = expected.pass_tokens, known.with_layer_s
    if pass_tokens > 1.0:
        context = (prompt + 0.5 * output) * (known.decoders + 1.0) + (pass_tokens - 1.0)
        layer_s = costing.decode_layer_s(w, device, v, running + pass_tokens, context)
    with_it_s = costing.iteration_s(w, device, v, layer_s, running + pass_tokens, share, with_head)
    others_s, running_s = known.cycle_s, 0.0
    if running > 0.0:
        running_s = costing.iteration_s(w, device, v, known.running_layer_s, running, share, with_head)
        others_s -= slowdown * min(1.0, known.decoders) * running_s
    token_s = slowdown * with_it_s + (max(others_s, 0.0) if whole else 0.5 * known.cycle_s)
    passes = costing.decode_steps(output) / expected.pass_yield
    decode_s = passes * with_it_s * pass_tokens / (running + pass_tokens)
    expected.load_s += load_s
    expected.wait_s += wait_s
    chunks = math.ceil((prompt - cached) / w.serving[0].token_budget)
    expected.time_s += load_s + wait_s + slowdown * compute_s + chunks * known.cycle_s
    expected.token_s += token_s / (1.0 - min(known.prefill_share, w.prediction[0].max_prefill_share))
    expected.busy_s += compute_s + decode_s
    expected.price_usd += (compute_s + decode_s) * w.device[device].usd_s
    expected.energy_j += compute_s * w.device[device].prefill_w + decode_s * w.device[device].decode_w
    expected.sequences, expected.cycle_s, expected.age_s = known.sequences, known.cycle_s, known.age_s
    added_s = slowdown * (with_it_s - running_s)
    externality.add_slowdown(expected, known, added_s)
    externality.add_prompt(expected, known, compute_s, missing_bytes > 0.0)
    need_bytes = missing_bytes + costing.kv_bytes(w, v, high - low, prompt + output)
    externality.add_memory(w, b, i, p, expected, known, missing_bytes, need_bytes, with_it_s)


@njit_seldom
def forecast_training(w, b, i, p, v, low, job, compute_s):
    """Add layers [low, L) of a training job at place p, as node i knows it: load and memory, then compute_s of the accelerator each step.
    Other training jobs there, which make way like this one, are taken to be as large and to have as much to compute."""
    known, expected, layers = _known(w, b, i, p, v, job, 0.0), w.forecast[b], w.model[v].layers
    missing_bytes, own_bytes = (
        _missing_bytes(w, known, v, low, layers),
        training.own_bytes(w, job.service, v, layers - low),
    )
    load_s = _load_s(w, b, known, v, low, layers, missing_bytes)
    short_bytes = (1.0 + known.trainees) * own_bytes + missing_bytes + known.claimed_bytes - known.free_bytes
    if known.users <= known.trainees:  # weights that are idle or only trained count as free, and would have to stay
        short_bytes += costing.weight_bytes(w, v, known.low, known.high)
    wait_s = w.prediction[0].blocked_wait_s if short_bytes > 0.0 else 0.0
    beside, prompts = w.serving[0].train_share, min(known.prefill_share, w.prediction[0].max_prefill_share)
    if known.trainees > 0:
        prompts = max(0.0, (prompts - beside) / (1.0 - beside))  # without the share of those that train there
    share = (beside if known.cycle_s > 0.0 else 1.0) * (1.0 - prompts)
    expected.load_s += load_s
    expected.wait_s += wait_s
    expected.time_s += load_s + wait_s
    expected.token_s += known.slowdown * compute_s * (1.0 + known.trainees) / max(share, 1e-3)
    expected.busy_s += compute_s
    expected.price_usd += compute_s * w.device[known.accelerator].usd_s
    expected.energy_j += compute_s * w.device[known.accelerator].prefill_w
    expected.sequences, expected.cycle_s, expected.age_s = known.sequences, known.cycle_s, known.age_s
    if known.trainees == 0:  # else the share of those that train is taken already
        externality.add_slowdown(expected, known, known.cycle_s * beside / (1.0 - beside))
    externality.add_prompt(expected, known, compute_s, missing_bytes > 0.0)
    externality.add_memory(w, b, i, p, expected, known, missing_bytes, missing_bytes + own_bytes, compute_s)


# --- the end ---------------------------------------------------------------------------------------------------------------------------


@njit_inner
def give_up(w, b, job, now_s):
    """Give back everything that a job holds at nodes: places, weights in use, KV or training state."""
    if w.service[job.service].kind == codes.FINETUNE:
        training.leave(w, b, job, now_s)
        return
    for p in range(job.first_part, end_part(w, job)):
        part = w.part[b, job.row, p]
        if part.state < codes.WAITING:
            continue
        i = part.node
        memory.drop_from(w, b, i, codes.INBOX, job)
        give_up_chunk(w, b, i, job, now_s)
        memory.leave(w, b, job, part, now_s)
