"""How long a part of a model takes: the cost tables of edge6g_env.costs, applied to layer ranges, batches and contexts."""

from __future__ import annotations

from edge6g_env import costs
from edge6g_env._jit import njit_inner
from edge6g_env.kernel import codes

TOKEN_BYTES = 4.0  # a token id, or a label
STATE_BYTES = 8.0  # of training state a byte of the adapter: 16 for each of its fp16 parameters (COSTS 7)


@njit_inner
def slowdown(w, ran_load):
    """How much longer the work of a node takes while its cell has this load: the radio runs on the accelerator first (AI-RAN). Times are
    multiplied by it; price and energy are of the time without it."""
    return 1.0 / (1.0 - w.serving[0].ran_share * ran_load)


@njit_inner
def head_s(w, device, v, tokens):
    """Time in s of output head and sampling for `tokens` tokens of one step."""
    return w.cost[device, v, codes.COST_HEAD] + w.cost[device, v, codes.COST_HEAD + 1] * tokens


@njit_inner
def decode_iteration_s(w, device, v, tokens, context_tokens, layer_share, with_head):
    """One decode iteration in s of `tokens` sequences with `context_tokens` cached tokens in all, over a share of the layers."""
    layer_s = decode_layer_s(w, device, v, tokens, context_tokens)
    return iteration_s(w, device, v, layer_s, tokens, layer_share, with_head)


@njit_inner
def lone_pass_s(w, device, job, v, tokens, layers, with_head):
    """An iteration with nothing but `tokens` tokens of the job in it, over `layers` layers of variant v."""
    context, share = job.prompt_tokens + job.done_tokens + (tokens - 1.0), layers / w.model[v].layers
    return decode_iteration_s(w, device, v, tokens, context, share, with_head)


@njit_inner
def decode_layer_s(w, device, v, tokens, context_tokens):
    """One layer of it."""
    layer_s = costs.tokens_lookup(w.cost[device, v, codes.COST_HEADER :], max(tokens, 1.0))
    return layer_s + costs.attention_decode_s(w.cost[device, v, : codes.COST_PREFILL], context_tokens)


@njit_inner
def iteration_s(w, device, v, layer_s, tokens, layer_share, with_head):
    """A decode iteration from the time of its layer."""
    total_s = layer_share * w.model[v].layers * layer_s
    total_s += w.device[device].iteration_overhead_s + w.device[device].sequence_overhead_s * tokens
    if with_head:
        total_s += head_s(w, device, v, tokens)
    return total_s


@njit_inner
def prefill_layer_s(w, device, v, new_tokens, cached_tokens, riding_tokens):
    """Time in s of a prompt chunk through a layer while `riding_tokens` decodes share its pass."""
    layer_s = costs.tokens_lookup(w.cost[device, v, codes.COST_HEADER :], new_tokens + riding_tokens)
    attention = w.cost[device, v, codes.COST_PREFILL : codes.COST_HEAD]
    return layer_s + costs.attention_prefill_s(attention, new_tokens, cached_tokens)


@njit_inner
def chunk_layers_s(w, device, v, tokens, cached, kept_s):
    """Fill kept_s with the layer times of the first chunks of a prompt on an idle device; chunks have the token budget, and the first
    comes after `cached` tokens that need none."""
    done = cached
    for n in range(kept_s.shape[0]):
        if done >= tokens:
            return
        chunk = min(w.serving[0].token_budget, tokens - done)
        kept_s[n] = prefill_layer_s(w, device, v, chunk, done, 0.0)
        done += chunk


@njit_inner
def setup_s(w, device, v, layers, tokens, cached, with_head, kept_s):
    """Time in s of a whole prompt through `layers` layers on an idle device, in chunks; kept_s: from chunk_layers_s."""
    total_s, done, n = 0.0, cached, 0
    while done < tokens:
        chunk = min(w.serving[0].token_budget, tokens - done)
        layer_s = kept_s[n] if n < kept_s.shape[0] else prefill_layer_s(w, device, v, chunk, done, 0.0)
        total_s += layers * layer_s + w.device[device].iteration_overhead_s + w.device[device].sequence_overhead_s
        if with_head:
            total_s += head_s(w, device, v, 1.0)
        done += chunk
        n += 1
    return total_s


@njit_inner
def encoder_s(w, device, job, v, low):
    """Time in s of the encoder over the job's pictures or sound, in a part whose first layer is `low`: it runs where layer 0 does."""
    return w.encoder_s[job.service, device, v] if low == 0 else 0.0


@njit_inner
def whole_prompt_s(w, device, job, v, low, high):
    """Time in s of a job's prompt through layers [low, high) of variant v in one pass, with the encoder: what a UE's device or the cloud
    does, which serve a prompt on its own."""
    cached = w.service[job.service].input_context
    layer_s = prefill_layer_s(w, device, v, job.setup_tokens - cached, cached, 0.0)
    pass_s = one_pass_s(w, device, v, high - low, layer_s, high == w.model[v].layers)
    return pass_s + encoder_s(w, device, job, v, low)


@njit_inner
def one_pass_s(w, device, v, layers, layer_s, with_head):
    """A pass of one prompt from the time of its layer."""
    total_s = layers * layer_s + w.device[device].iteration_overhead_s + w.device[device].sequence_overhead_s
    if with_head:
        total_s += head_s(w, device, v, 1.0)
    return total_s


@njit_inner
def know_pass(w, known, device, v, job, output, batch):
    """Fill a row of w.known, once a decision, for a place that serves a prompt in one pass and its tokens in a batch."""
    if known.ready == 0:
        prompt, cached = job.setup_tokens, w.service[job.service].input_context
        known.prompt_layer_s = prefill_layer_s(w, device, v, prompt - cached, cached, 0.0)
        known.with_layer_s = decode_layer_s(w, device, v, batch, batch * (prompt + 0.5 * output))
        known.ready = 1


@njit_inner
def step_s(w, s, device, v, layers, with_head):
    """Time in s of a training step of service s through `layers` layers of variant v, both ways, and through the head with the loss."""
    part_s = layers * (w.tuning_s[s, device, v, 0] + w.tuning_s[s, device, v, 1])
    return part_s + w.tuning_s[s, device, v, 2] if with_head else part_s


@njit_inner
def decode_steps(output):
    """Tokens of an answer that are decoded one by one: the setup pass yields the first."""
    return max(output - 1.0, 0.0)


@njit_inner
def weight_bytes(w, v, low, high):
    """Bytes of layers [low, high) of variant v, with the embedding where they begin at 0 and the head where they end at L."""
    if high <= low:
        return 0.0
    total = w.model[v].layer_bytes * (high - low)
    first, last = low == 0, high == w.model[v].layers
    if first and last:
        total += w.model[v].both_bytes
    elif first:
        total += w.model[v].embedding_bytes
    elif last:
        total += w.model[v].head_bytes
    return total


@njit_inner
def kv_bytes(w, v, layers, tokens):
    """KV bytes of `tokens` tokens in `layers` layers of variant v."""
    return w.model[v].kv_bytes * layers * tokens


@njit_inner
def pass_bytes(w, v, pass_tokens):
    """Bytes that a decode pass brings to a part: activations of a token, or the ids of those to be checked."""
    return w.model[v].boundary_bytes if pass_tokens == 1.0 else TOKEN_BYTES * (pass_tokens - 1.0)


@njit_inner
def prompt_bytes(w, job, v, tokens, raw):
    """Bytes of a prompt that cross a cut: while raw, ids of its text and the service's picture or sound, else boundary activations."""
    if raw:
        service = w.service[job.service]
        return TOKEN_BYTES * (tokens - service.input_tokens) + service.payload_bytes
    return tokens * w.model[v].boundary_bytes
