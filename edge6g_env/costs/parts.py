"""A model on a device at a precision, resolved to the numbers that the latency formulas take.

Order of preference for each number: fitted on layers, fitted on single products, default of the device's class.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from edge6g_env.costs import efficiency as eff
from edge6g_env.costs import formulas, shapes
from edge6g_env.costs.efficiency import DeviceFit, Residual, Roofline
from edge6g_env.costs.formulas import LayerShape, Rates
from edge6g_env.costs.specs import DeviceSpec, ModelSpec

PRODUCTS_A_LAYER = 4
WEIGHT_ONLY = ("int8-wo", "int4")
PROFILED_HEAD_TOKENS = 2.0 ** np.arange(7)
HEAD_KNOT_TOKENS = 64.0  # the head's cost per produced token is its mean slope up to this batch
SAMPLER_S = (25e-6, 0.7e-6)  # per step and per sequence, from measured/rtx-4090__head_overhead.csv
OLD_ENGINE_S = (1.2e-3, 0.10e-3)  # CPU time per iteration and per sequence (COSTS 3.2)
# Judgement, inside 0.1..0.3 (COSTS 3.2): what a current engine does not hide; served H100 runs favour the low end.
MODERN_ENGINE_SHARE = 0.10


NO_RESIDUAL = Residual((1.0,), (1.0,))


class Parts(NamedTuple):
    """One layer and the whole-model extras of a (device, model, precision)."""

    shape: LayerShape
    rates: Rates
    elementwise_bytes_per_s: float
    o_s: float
    residual: Residual  # of the layer
    attention_decode: np.ndarray  # (3,)
    attention_prefill: np.ndarray  # (4,)
    prefill_token_s: float  # of a prompt's attention, a new token
    head_s: np.ndarray  # (2,)
    overhead_s: np.ndarray  # (2,)


def class_layer(spec: DeviceSpec) -> Roofline:
    """Default of a whole fp16 layer on a device that was never measured, by what its data sheet says."""
    if spec.shares_memory:
        return eff.PHONE_LAYER if spec.class_ == "ue" else eff.JETSON_LAYER
    if spec.halves_fp16:
        return eff.HALVED_LAYER
    return eff.CLOUD_LAYER if spec.class_ == "cloud" else eff.EDGE_LAYER


def peak_flops(spec: DeviceSpec, precision: str) -> float:
    """Dense peak in FLOP/s of the units that a precision computes on; fp16 units if it has none of its own."""
    if spec.measured_tflops is not None:
        return spec.measured_tflops[precision] * 1e12
    own = {"fp8": spec.fp8_tflops, "int8": spec.int8_tops}.get(precision)
    return (own or spec.fp16_tflops) * 1e12


def attention_peak_flops(spec: DeviceSpec) -> float:
    """What attention's share of the peak refers to, FLOP/s: fp16 units; of a profiled machine its fastest products."""
    if spec.measured_tflops is not None:
        return max(spec.measured_tflops.values()) * 1e12
    return peak_flops(spec, "fp16")


def bandwidth(spec: DeviceSpec) -> float:
    """Memory bandwidth of the data sheet, or as measured, in byte/s."""
    return spec.mem_bw_gbs * 1e9


def compute_precision(spec: DeviceSpec, fit: DeviceFit, precision: str) -> str:
    """The precision whose kernels run; ValueError if the device has no times at it.

    int8-wo where fp8 or int8 units are missing and nothing was measured; fp16 for bf16, and the other way round where only the
    other was profiled.
    """
    if precision not in spec.precisions:
        raise ValueError(f"device = {spec.name!r} has no times at {precision}: it has {', '.join(spec.precisions)}")
    if spec.measured_tflops is not None:
        return precision if precision in fit.layer else {"fp16": "bf16", "bf16": "fp16"}[precision]
    if precision == "bf16":
        return "fp16"
    native = {"fp8": spec.fp8_tflops, "int8": spec.int8_tops}.get(precision, 1.0)
    measured = precision in fit.gemm or precision in fit.layer
    return precision if native or measured else "int8-wo"


def _products_against_fp16(fit: DeviceFit, precision: str) -> tuple[Roofline, Roofline]:
    """Products of a precision and of fp16 from one source: both measured on the device, or both defaults.

    Weight-only products run on the fp16 units, so without measurements they reach the same share of the peak (COSTS 5:
    prefill 4 % less to 7 % more).
    """
    if precision in fit.gemm and "fp16" in fit.gemm:
        return fit.gemm[precision], fit.gemm["fp16"]
    own, fp16 = eff.DEFAULT_GEMM[precision], eff.DEFAULT_GEMM["fp16"]
    return (replace(own, ec=fp16.ec) if precision in WEIGHT_ONLY else own), fp16


def _changed_from_fp16(spec: DeviceSpec, base: Roofline, fit: DeviceFit, precision: str, products: int) -> Roofline:
    """The fp16 roofline `base` of some products, changed as a product of this precision differs from one of fp16.

    Engines differ by more than precisions do, so absolute values of two engines are never mixed. Where fp16 is halved int8
    is not, so its share of the peak is not that of fp16.
    """
    if precision == "fp16":
        return base
    own, fp16 = _products_against_fp16(fit, precision)
    o_s = max(0.0, base.o_s + products * (own.o_s - fp16.o_s))
    ec = own.ec if precision == "int8" and spec.halves_fp16 else base.ec * own.ec / fp16.ec
    return Roofline(ec, base.eb * own.eb / fp16.eb, o_s, own.p)


def gemm_roofline(spec: DeviceSpec, fit: DeviceFit, precision: str) -> Roofline:
    """Parameters of one matrix product."""
    if precision in fit.gemm:
        return fit.gemm[precision]
    if spec.is_profiled:
        return replace(fit.layer[precision], o_s=fit.layer[precision].o_s / PRODUCTS_A_LAYER)
    default = eff.DEFAULT_GEMM[precision]
    if spec.shares_memory:
        return replace(default, ec=eff.SHARED_MEMORY_EC)
    known = {name: replace(layer, o_s=layer.o_s / PRODUCTS_A_LAYER) for name, layer in fit.layer.items()} | {**fit.gemm}
    if spec.halves_fp16 and not known:
        known = {"fp16": replace(eff.HALVED_LAYER, o_s=eff.HALVED_LAYER.o_s / PRODUCTS_A_LAYER)}
    if precision in known:
        return known[precision]
    return _changed_from_fp16(spec, known["fp16"], fit, precision, 1) if "fp16" in known else default


def layer_roofline(spec: DeviceSpec, fit: DeviceFit, precision: str) -> Roofline:
    """Parameters of one layer: measured, changed from the fp16 layer (measured, or the class's), or four products."""
    if precision in fit.layer:
        return fit.layer[precision]
    if spec.shares_memory:
        return fit.layer.get("fp16", class_layer(spec))
    if "fp16" in fit.layer or not fit.gemm:
        base = fit.layer.get("fp16", class_layer(spec))
        return _changed_from_fp16(spec, base, fit, precision, PRODUCTS_A_LAYER)
    product = gemm_roofline(spec, fit, precision)
    return replace(product, o_s=PRODUCTS_A_LAYER * product.o_s)


def rates_of(spec: DeviceSpec, roofline: Roofline, precision: str, weight_bits: dict[str, float]) -> Rates:
    """Achievable rates of a precision under a roofline."""
    return Rates(
        flops_per_s=peak_flops(spec, precision) * roofline.ec,
        bytes_per_s=bandwidth(spec) * roofline.eb,
        p=roofline.p,
        weight_bytes=weight_bits[precision] / 8.0,
        input_bytes=shapes.ACTIVATION_BITS[precision] / 8.0,
    )


def attention_rows(
    spec: DeviceSpec, fit: DeviceFit, heads: int, kv_heads: int, head_dim: int, kind: str = "fp16"
) -> tuple[np.ndarray, np.ndarray, float]:
    """Rows of `attention_decode_s` and `attention_prefill_s` for one layer with these heads, and `Parts.prefill_token_s`.

    kind: the precision whose kernels run. KV is in fp16; on a profiled machine in what it computes with beside products of this kind.
    """
    kv = eff.ACTIVATIONS[kind] if spec.is_profiled else "fp16"
    decode, prefill = fit.decode_attention.get(kv), fit.prefill_attention.get(kv)
    if spec.shares_memory:
        base = kind if spec.is_profiled else "fp16"
        decode = decode or eff.DecodeAttention(layer_roofline(spec, fit, base).eb, 0.0, 1.0)
        prefill = prefill or eff.SHARED_MEMORY_PREFILL
    peak_flops_s = attention_peak_flops(spec)
    decode = decode or eff.DEFAULT_DECODE_ATTENTION
    prefill = prefill or eff.default_prefill_attention(peak_flops_s, spec.halves_fp16)
    token_s = 4.0 * shapes.kv_bytes_over_fp16(kv) * kv_heads * head_dim / (bandwidth(spec) * decode.eb)
    pair_s = 4.0 * heads * head_dim / (peak_flops_s * prefill.ec)
    rows = (
        np.array([token_s, decode.o_s, decode.p]),
        np.array([pair_s, eff.ramp_tokens(prefill.n0, heads), prefill.o_s, prefill.p]),
    )
    return *rows, pair_s * prefill.n1


def head_row(spec: DeviceSpec, fit: DeviceFit, model: ModelSpec, precision: str) -> np.ndarray:
    """Output head and sampling: [s per step, s per produced token]; the head is fp16 in int4 models."""
    if spec.is_profiled:
        return _profiled_head_row(spec, fit, model, compute_precision(spec, fit, precision))
    kind = "fp16" if precision == "int4" else compute_precision(spec, fit, precision)
    rates = rates_of(spec, layer_roofline(spec, fit, kind), kind, shapes.STORED_BITS)
    first_s, knot_s = (
        formulas.product_s(m, float(model.vocab), float(model.hidden), 1.0, rates) for m in (1.0, HEAD_KNOT_TOKENS)
    )
    slope_s = (knot_s - first_s) / (HEAD_KNOT_TOKENS - 1.0)
    if spec.shares_memory:
        return np.array([first_s - slope_s, slope_s])
    launch_s = gemm_roofline(spec, fit, kind).o_s + SAMPLER_S[0]
    return np.array([first_s - slope_s + launch_s, slope_s + SAMPLER_S[1]])


def _profiled_head_row(spec: DeviceSpec, fit: DeviceFit, model: ModelSpec, kind: str) -> np.ndarray:
    """The same from heads timed whole: exact for one token, then the line with the least relative error."""
    kind = eff.HEADS[kind]
    roofline, sizes = fit.head[kind], (float(model.vocab), float(model.hidden))
    rates = rates_of(spec, roofline, kind, shapes.STORED_BITS)
    product_s = np.array([formulas.product_s(m, *sizes, 1.0, rates) for m in PROFILED_HEAD_TOKENS])
    time_s = (product_s + roofline.o_s) * factors_at(fit.residual[f"head {kind}"], PROFILED_HEAD_TOKENS)
    more, over = PROFILED_HEAD_TOKENS[1:] - 1.0, time_s[1:] - time_s[0]
    slope_s = max(0.0, float(np.sum(over * more / time_s[1:] ** 2) / np.sum((more / time_s[1:]) ** 2)))
    return np.array([time_s[0] - slope_s, slope_s])


def overhead_row(spec: DeviceSpec) -> np.ndarray:
    """Engine CPU time: [s per iteration, s per sequence]; 0 where the fitted o per layer covers it."""
    share = 0.0 if spec.shares_memory else MODERN_ENGINE_SHARE
    return np.array(OLD_ENGINE_S) * share


def resolve(spec: DeviceSpec, fit: DeviceFit, model: ModelSpec, precision: str) -> Parts:
    """Everything the formulas need for one model on one device at one precision."""
    kind = compute_precision(spec, fit, precision)
    layer = layer_roofline(spec, fit, kind)
    decode, prefill, token_s = attention_rows(spec, fit, model.heads, model.kv_heads, model.head_dim, kind)
    base = layer if spec.is_profiled else layer_roofline(spec, fit, "fp16")
    return Parts(
        shape=shapes.layer_shape(model),
        rates=rates_of(spec, layer, kind, shapes.STORED_BITS),
        elementwise_bytes_per_s=bandwidth(spec) * base.eb,
        o_s=layer.o_s,
        residual=fit.residual.get(f"layer {kind}", NO_RESIDUAL),
        attention_decode=decode,
        attention_prefill=prefill,
        prefill_token_s=token_s,
        head_s=head_row(spec, fit, model, precision),
        overhead_s=overhead_row(spec),
    )


def factors_at(residual: Residual, tokens: np.ndarray) -> np.ndarray:
    """What a residual multiplies the time of each number of tokens by, (R,); the nearest one's outside its range."""
    return np.interp(np.log2(tokens), np.log2(residual.tokens), residual.factors)


def layer_times(parts: Parts, tokens: np.ndarray) -> np.ndarray:
    """One layer without attention at each token count, s, shape of tokens."""
    flat = np.ascontiguousarray(tokens, dtype=np.float64).ravel()
    rows = np.repeat(np.array([parts.shape]), flat.size, axis=0)
    times = formulas.layer_times_s(flat, rows, parts.rates, parts.elementwise_bytes_per_s, parts.o_s)
    if parts.residual is not NO_RESIDUAL:
        times *= factors_at(parts.residual, flat)
    return times.reshape(np.shape(tokens))


def table_times(parts: Parts, tokens: np.ndarray) -> np.ndarray:
    """`layer_times` for tables that are read by the tokens of an iteration, so with what each new token adds to attention.

    Decodes pay it too, for want of a place of its own: under 1 % of their layers on the machines that were profiled.
    """
    return layer_times(parts, tokens) + parts.prefill_token_s * tokens


def expert_times(parts: Parts, tokens: np.ndarray) -> np.ndarray:
    """The routed feed-forward blocks of one layer at each token count, s, shape of tokens."""
    products_s = [formulas.feed_forward_s(n, parts.shape, parts.rates) for n in np.ravel(tokens).tolist()]
    moved = 2.0 * shapes.routed_elements(parts.shape) * tokens
    return np.reshape(products_s, np.shape(tokens)) + moved / parts.elementwise_bytes_per_s


def step_extras_s(parts: Parts, batch: np.ndarray) -> np.ndarray:
    """Head and engine time of an iteration that produces one token for each of `batch` sequences, s."""
    return parts.head_s[0] + parts.overhead_s[0] + (parts.head_s[1] + parts.overhead_s[1]) * batch


def decode_attention(parts: Parts, context_tokens: np.ndarray, batch: np.ndarray) -> np.ndarray:
    """One layer's decode attention, s; each sequence reads its context and the new token. Arrays of one shape."""
    read = np.ascontiguousarray(batch * (context_tokens + 1.0)).ravel()
    return formulas.attention_decode_times_s(parts.attention_decode, read).reshape(batch.shape)


def prefill_attention(
    parts: Parts, new_tokens: np.ndarray, context_tokens: np.ndarray, batch: np.ndarray
) -> np.ndarray:
    """One layer's causal attention of new tokens after cached ones, s, for equal sequences. Arrays of one shape."""
    flat = (np.ascontiguousarray(a).ravel() for a in (new_tokens, context_tokens, batch))
    times = formulas.attention_prefill_times_s(parts.attention_prefill, *flat).reshape(batch.shape)
    return times + parts.prefill_token_s * new_tokens * batch


def attention_times(parts: Parts, new_tokens: np.ndarray, context_tokens: np.ndarray, batch: np.ndarray) -> np.ndarray:
    """One layer's attention, s: a decode step where a sequence has one new token, a prefill where it has more."""
    decode = decode_attention(parts, context_tokens, batch)
    return np.where(new_tokens == 1.0, decode, prefill_attention(parts, new_tokens, context_tokens, batch))


def decode_times(parts: Parts, layers: int, context_tokens: np.ndarray, batch: np.ndarray) -> np.ndarray:
    """One decode iteration of the whole model, s. Arrays of one shape."""
    layer = layer_times(parts, batch) + decode_attention(parts, context_tokens, batch)
    return layers * layer + step_extras_s(parts, batch)
