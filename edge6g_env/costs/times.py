"""Latency of products, layers, attention, prefill and decode steps: arrays in, arrays out, seconds (COSTS 3)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from edge6g_env._arrays import require_within
from edge6g_env.costs import formulas, parts, shapes
from edge6g_env.costs.checks import Floats, check_precision
from edge6g_env.costs.parts import Parts
from edge6g_env.costs.shipped_fits import fit_of
from edge6g_env.costs.specs import DeviceSpec, ModelSpec
from edge6g_env.costs.tables import device as device_spec
from edge6g_env.costs.tables import model as model_spec

Model = str | ModelSpec
Device = str | DeviceSpec


def broadcast(*arrays: Floats) -> list[Floats]:
    """The arrays at their common shape, copied; ValueError if they have none."""
    try:
        return [np.array(a) for a in np.broadcast_arrays(*arrays)]
    except ValueError:
        raise ValueError(f"shapes {[a.shape for a in arrays]} cannot be broadcast together") from None


def resolved_parts(model_name: Model, device_name: Device, precision: str) -> Parts:
    """The checked and resolved (model, device, precision); only to be read."""
    return _resolved(device_spec(device_name), model_spec(model_name), check_precision(precision))


@lru_cache(maxsize=1024)  # the formulas take microseconds, what they need ten times as long
def _resolved(spec: DeviceSpec, shape: ModelSpec, precision: str) -> Parts:
    return parts.resolve(spec, fit_of(spec), shape, precision)


def gemm_time_s(device: Device, m: ArrayLike, n: ArrayLike, k: ArrayLike, precision: str = "fp16") -> Floats:
    """Time of one product in s, (m, k) activations times an (n, k) weight; float64, shape of the broadcast inputs.

    m, n, k: tokens, outputs, inputs, each >= 1. precision: fp16, fp8, int8 (W8A8), int8-wo, int4 (weights only, one
    scale a channel). Devices without measurements take the defaults of COSTS 3.3b; 8-bit products without units for
    them run as int8-wo. Raises ValueError on unknown names or sizes below 1. Source: COSTS 3.3b, measured/gemm_*.csv.
    """
    spec = device_spec(device)
    fit = fit_of(spec)
    kind = parts.compute_precision(spec, fit, check_precision(precision))
    roofline = parts.gemm_roofline(spec, fit, kind)
    rates = parts.rates_of(spec, roofline, kind, shapes.PER_CHANNEL_BITS)
    sizes = broadcast(*(require_within(name, value, 1.0) for name, value in (("m", m), ("n", n), ("k", k))))
    rows, columns, inner = (a.ravel() for a in sizes)
    times = formulas.product_times_s(rows, columns, inner, rates)
    return times.reshape(sizes[0].shape) + roofline.o_s


def layer_time_s(model: Model, device: Device, tokens: ArrayLike, precision: str = "fp16") -> Floats:
    """Time of one layer without attention in s, as layer_ms of measured/; float64, shape of tokens.

    tokens: tokens in the batch, >= 1: prompt length in prefill, sequences in decode. Four products by the smooth
    roofline (form L3), element-wise bytes at the fp16 rate, one fixed time. A precision without measured layers changes
    the fp16 layer as its products differ from fp16 products; a device without measured layers takes four products.
    Raises ValueError on unknown names or tokens < 1. Source: COSTS 3, 3.1, 3.3b.
    """
    return parts.layer_times(resolved_parts(model, device, precision), require_within("tokens", tokens, 1.0))


def experts_time_s(model: Model, device: Device, tokens: ArrayLike, precision: str = "fp16") -> Floats:
    """Time of the routed experts of one layer in s, a part of `layer_time_s`; float64, shape of tokens (>= 1).

    A step of n tokens reads E (1 - (1 - e/E)**n) experts (uniform routing), and each token is computed by e of them. Raises
    ValueError for a dense model, unknown names or tokens < 1. Source: COSTS 12, measured/moe_layers.csv.
    """
    spec = model_spec(model)
    if not spec.has_experts:
        raise ValueError(f"model = {spec.name!r} is dense: it has no experts")
    return parts.expert_times(resolved_parts(spec, device, precision), require_within("tokens", tokens, 1.0))


def attention_time_s(
    model: Model,
    device: Device,
    new_tokens: ArrayLike,
    context_tokens: ArrayLike,
    batch: ArrayLike = 1.0,
    precision: str = "fp16",
) -> Floats:
    """Time of one layer's attention in s for `batch` equal sequences; float64, shape of the broadcast inputs.

    new_tokens: of each sequence, >= 1; where it is 1 the step is a decode, else a causal prefill. context_tokens:
    cached tokens of each sequence, >= 0. batch: sequences, >= 1. precision: that of the model; KV is in fp16, on a profiled machine
    in what it computes with at that precision. Raises ValueError outside these ranges.
    Source: COSTS 3.2.
    """
    resolved = resolved_parts(model, device, precision)
    new, context, sequences = broadcast(
        require_within("new_tokens", new_tokens, 1.0),
        require_within("context_tokens", context_tokens, 0.0),
        require_within("batch", batch, 1.0),
    )
    return parts.attention_times(resolved, new, context, sequences)


def decode_step_s(
    model: Model, device: Device, context_tokens: ArrayLike, batch: ArrayLike = 1.0, precision: str = "fp16"
) -> Floats:
    """Time of one decode iteration of the whole model (layers, attention, head, engine) in s; float64, broadcast shape.

    context_tokens: cached tokens of each sequence, >= 0. batch: sequences, >= 1, one new token each. Raises ValueError
    outside these ranges and on unknown names. Source: COSTS 3, 10.
    """
    context, sequences = broadcast(
        require_within("context_tokens", context_tokens, 0.0), require_within("batch", batch, 1.0)
    )
    return parts.decode_times(resolved_parts(model, device, precision), model_spec(model).layers, context, sequences)


def verify_step_s(
    model: Model,
    device: Device,
    context_tokens: ArrayLike,
    drafted: ArrayLike,
    batch: ArrayLike = 1.0,
    precision: str = "fp16",
) -> Floats:
    """Time of one iteration in s that checks `drafted` tokens of each sequence and adds one; float64, broadcast shape.

    A decode step of `drafted` + 1 tokens a sequence whose attention reads each context once: at 0 it is `decode_step_s`.
    context_tokens: cached tokens of each sequence, >= 0. drafted: k >= 0. batch: sequences, >= 1. Raises ValueError outside
    these ranges and on unknown names. Source: COSTS 3, 10, 12.
    """
    context, k, sequences = broadcast(
        require_within("context_tokens", context_tokens, 0.0),
        require_within("drafted", drafted, 0.0),
        require_within("batch", batch, 1.0),
    )
    resolved, layers, tokens = resolved_parts(model, device, precision), model_spec(model).layers, sequences * (k + 1.0)
    read_twice = parts.decode_attention(resolved, context, tokens) - parts.decode_attention(
        resolved, context + k, sequences
    )
    return parts.decode_times(resolved, layers, context, tokens) - layers * read_twice


def prefill_s(
    model: Model, device: Device, tokens: ArrayLike, precision: str = "fp16", cached_tokens: ArrayLike = 0.0
) -> Floats:
    """Time to prefill `tokens` (>= 1) tokens of one prompt behind `cached_tokens` (>= 0) with the whole model in s, up to
    the next token; float64, broadcast shape.

    Nothing else runs. The attention is a prompt's even where one token is new, while `attention_time_s` takes that for a decode step:
    behind a long cache it costs up to three times as much. Raises ValueError outside these ranges, on shapes that cannot be broadcast
    and on unknown names. Source: COSTS 3, 3.2, 12.
    """
    length, cached = broadcast(
        require_within("tokens", tokens, 1.0), require_within("cached_tokens", cached_tokens, 0.0)
    )
    resolved = resolved_parts(model, device, precision)
    one = np.ones(length.shape)
    layer = parts.layer_times(resolved, length) + parts.prefill_attention(resolved, length, cached, one)
    return model_spec(model).layers * layer + parts.step_extras_s(resolved, one)


def encoder_tokens(model: Model) -> int:
    """Tokens of one image or 30 s clip, 0 without an encoder: they join the prompt (LLaVA 576, OpenVLA 256), or the decoder
    attends to them apart (Whisper 1500). Source: COSTS 2, models.csv.
    """
    return model_spec(model).enc_tokens_per_input


def encoder_s(model: Model, device: Device, precision: str = "fp16", inputs: ArrayLike = 1.0) -> Floats:
    """Time of a model's encoder in s for `inputs` (>= 1) images or 30 s clips at once; 0 without an encoder.

    Plain layers without gate at the precision, attention without causal mask; projector and patch embedding are left out.
    Raises ValueError on unknown names or inputs < 1. Source: COSTS 2.
    """
    count = require_within("inputs", inputs, 1.0)
    spec, target = model_spec(model), device_spec(device)
    check_precision(precision)
    if spec.enc_layers == 0:
        return np.zeros(count.shape)
    fit, head_dim = fit_of(target), spec.enc_hidden // spec.enc_heads
    shape = shapes.shape_of(spec.enc_hidden, spec.enc_ffn, spec.enc_heads, spec.enc_heads, head_dim, gated=0)
    tokens = float(spec.enc_tokens_per_input)
    layer = parts.layer_times(resolved_parts(model, device, precision)._replace(shape=shape), tokens * count)
    kind = parts.compute_precision(target, fit, precision)
    _, row, token_s = parts.attention_rows(target, fit, spec.enc_heads, spec.enc_heads, head_dim, kind)
    row_s = formulas.attention_prefill_s(row, tokens, 0.5 * tokens) - row[2]
    return spec.enc_layers * (layer + (row_s + token_s * tokens) * count + row[2])
