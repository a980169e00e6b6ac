"""Replay of a request trace on one serving node: arrivals and lengths in, time to first token and time per token out."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from edge6g_env._arrays import require_within
from edge6g_env.costs import batching, memory, parts
from edge6g_env.costs.batching import Engine, Ints, NodeCost, Requests
from edge6g_env.costs.checks import Floats
from edge6g_env.costs.tables import device as device_spec
from edge6g_env.costs.tables import model as model_spec
from edge6g_env.costs.times import Device, Model, resolved_parts


def replay(
    model: Model,
    device: Device,
    t_s: ArrayLike,
    context_tokens: ArrayLike,
    generated_tokens: ArrayLike,
    precision: str = "fp16",
    token_budget: int = 2048,
    max_batch: int = 256,
    cached_tokens: ArrayLike | None = None,
    *,
    kv_cache_tokens: int | None = None,
    async_scheduling: bool = True,
) -> dict[str, Floats]:
    """Serve R requests on one device with continuous batching: `ttft_s`, `tpot_s`, `latency_s`, float64 (R,) each.

    t_s: arrivals (R,), in any order and from any origin. context_tokens, generated_tokens: prompt and output of each
    request, whole numbers >= 1, (R,) or one for all. cached_tokens: tokens of the prompt whose KV is there already, below
    context_tokens: held and read, not computed; none if left out. token_budget: tokens of an iteration. max_batch:
    running sequences, token_budget at most. kv_cache_tokens: size of the KV cache, in blocks of 16 tokens; if left out,
    what the weights leave of the usable memory (COSTS 4). async_scheduling: an iteration is formed when the one before it starts
    (vLLM's default since 0.14), so that a request waits for the rest of the running one and the whole next; else when that ends.

    Results are in the order of the requests: ttft_s and latency_s from the arrival to the end of the iteration that
    produces the first and the last token, tpot_s = (latency_s - ttft_s) / (generated_tokens - 1), 0 where one token is
    all. Network, tokeniser and HTTP are left out. The rules are in `batching.py`, the times those of `decode_step_s` and
    `prefill_s`. Raises ValueError for unknown names, values outside these ranges, arrays that do not match, a model that
    does not fit the device, or a request that never fits the KV cache. Source: COSTS 3, 4, 10.
    """
    arrival = _arrivals(t_s)
    prompt = _tokens("context_tokens", context_tokens, 1, arrival.size)
    output = _tokens("generated_tokens", generated_tokens, 1, arrival.size)
    cached = _tokens("cached_tokens", 0 if cached_tokens is None else cached_tokens, 0, arrival.size)
    budget, batch = _count("token_budget", token_budget), _count("max_batch", max_batch)
    _check_cached(cached, prompt)
    blocks = kv_blocks(model, device, precision, kv_cache_tokens)
    _check_requests_fit(prompt, output, blocks)
    formed_ahead = _flag(async_scheduling)
    budget = min(budget, int((prompt + output).sum()))  # no iteration has more
    order = np.argsort(arrival, kind="stable")
    requests = Requests(arrival[order], prompt[order], output[order], cached[order])
    engine = batching.new_engine(requests, min(batch, budget), blocks)
    batching.run(engine, node_cost(model, device, precision, budget), budget, formed_ahead)
    return _results(engine, order)


def _arrivals(t_s: ArrayLike) -> Floats:
    """Arrivals (R,), counted from the first one; ValueError unless they are finite and one-dimensional."""
    arrival = require_within("t_s", t_s, -np.finfo(np.float64).max)
    if arrival.ndim != 1:
        raise ValueError(f"t_s has the shape {arrival.shape}: (R,) is expected, an arrival a request")
    return arrival - arrival.min() if arrival.size else arrival


def _tokens(name: str, value: ArrayLike, low: int, requests: int) -> Ints:
    """Token counts (R,), a scalar repeated; ValueError unless they are whole numbers of at least `low`."""
    numbers = require_within(name, value, low)
    if numbers.shape not in ((), (requests,)):
        raise ValueError(f"{name} has the shape {numbers.shape}: one number or ({requests},) as t_s is expected")
    if np.any(numbers != np.floor(numbers)) or np.any(numbers > 2**53):
        wrong = numbers[(numbers != np.floor(numbers)) | (numbers > 2**53)].flat[0]
        raise ValueError(f"{name} = {wrong:g} is out of range: whole numbers")
    return np.broadcast_to(numbers, (requests,)).astype(np.int64)


def _count(name: str, value: int) -> int:
    """One whole number of at least 1."""
    return int(_tokens(name, [value], 1, 1)[0])


def _flag(async_scheduling: bool) -> bool:
    """True or False; ValueError for what is only taken as such, as 1 or "no" would be."""
    if not isinstance(async_scheduling, bool | np.bool_):
        raise ValueError(f"async_scheduling = {async_scheduling!r} is not True or False")
    return bool(async_scheduling)


def _check_cached(cached: Ints, prompt: Ints) -> None:
    wrong = np.flatnonzero(cached >= prompt)
    if wrong.size:
        r = wrong[0]
        raise ValueError(
            f"cached_tokens = {cached[r]} of request {r} is out of range: below its {prompt[r]} context_tokens"
        )


def kv_blocks(model: Model, device: Device, precision: str, kv_cache_tokens: int | None) -> int:
    """Blocks of the KV cache: as told, or usable memory less weights; ValueError if the weights do not fit."""
    spec, target = model_spec(model), device_spec(device)
    weight_bytes, usable_bytes = memory.memory_bytes(spec, precision), memory.usable_bytes(target)
    if weight_bytes > usable_bytes:
        raise ValueError(
            f"model = {spec.name!r} at {precision} has {weight_bytes / 1e9:.1f} GB of weights, "
            f"device = {target.name!r} has {usable_bytes / 1e9:.1f} GB for them"
        )
    if kv_cache_tokens is None:
        return int((usable_bytes - weight_bytes) // (batching.BLOCK_TOKENS * memory.kv_token_bytes(spec, precision)))
    return _count("kv_cache_tokens", kv_cache_tokens) // batching.BLOCK_TOKENS


def _check_requests_fit(prompt: Ints, output: Ints, blocks: int) -> None:
    """The KV of every request, all but its last token, must fit an empty cache."""
    tokens, room = prompt + output - 1, blocks * batching.BLOCK_TOKENS
    wrong = np.flatnonzero(tokens > room)
    if wrong.size:
        raise ValueError(f"request {wrong[0]} needs KV for {tokens[wrong[0]]} tokens, the cache has room for {room}")


def node_cost(model: Model, device: Device, precision: str, token_budget: int) -> NodeCost:
    """The cost model with the layer time of every possible number of tokens."""
    resolved = resolved_parts(model, device, precision)
    layer_s = np.zeros(token_budget + 1)
    layer_s[1:] = parts.table_times(resolved, np.arange(1.0, token_budget + 1.0))
    rows = (resolved.attention_decode, resolved.attention_prefill, resolved.head_s, resolved.overhead_s)
    return NodeCost(float(model_spec(model).layers), layer_s, *rows)


def _results(engine: Engine, order: Ints) -> dict[str, Floats]:
    """Times in the order of the requests."""
    seq = engine.seq
    tpot_s = (seq["latency_s"] - seq["ttft_s"]) / np.maximum(seq["output_tokens"] - 1, 1)
    times = {"ttft_s": seq["ttft_s"], "tpot_s": tpot_s, "latency_s": seq["latency_s"]}
    results = {name: np.empty(order.size) for name in times}
    for name, values in times.items():
        results[name][order] = values
    return results
