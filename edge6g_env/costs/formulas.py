"""Every latency formula of COSTS 3, once, compiled: public functions, fits and the kernel's tables all call these.

Units are seconds, bytes, FLOP/s and byte/s. No argument is checked here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edge6g_env._jit import njit


class Rates(NamedTuple):
    """How fast a device multiplies at one precision."""

    flops_per_s: float  # achievable: peak * ec
    bytes_per_s: float  # achievable: bandwidth * eb
    p: float  # sharpness of the smooth maximum
    weight_bytes: float  # a weight element
    input_bytes: float  # an element of the activations that enter a product


class LayerShape(NamedTuple):
    """The four products of a layer and what its element-wise kernels touch, in elements."""

    hidden: float
    qkv: float  # outputs of the joint query, key and value projection
    attention: float  # inputs of the output projection
    up: float  # outputs of the up (and gate) projection
    ffn: float
    elementwise: float  # elements read and written a token outside products and attention
    experts: float  # feed-forward blocks, 1 in a dense layer
    active: float  # of which a token passes so many


@njit
def smooth_max(x: float, y: float, p: float) -> float:
    """(x**p + y**p)**(1/p) for x, y >= 0, without overflow."""
    high, low = max(x, y), min(x, y)
    if low <= 0.0:
        return high
    if p == 1.0:  # most attention tables; the same bits without two powers
        return high * (1.0 + low / high)
    return high * (1.0 + (low / high) ** p) ** (1.0 / p)


@njit
def product_s(m: float, n: float, k: float, weights: float, rates: Rates) -> float:
    """Time of (m, k) activations times (n, k) weights, without the fixed part; m rows spread over `weights` matrices."""
    compute_s = 2.0 * m * n * k / rates.flops_per_s
    memory_bytes = rates.weight_bytes * weights * n * k + rates.input_bytes * m * k + 2.0 * m * n
    return smooth_max(compute_s, memory_bytes / rates.bytes_per_s, rates.p)


@njit
def experts_read(tokens: float, experts: float, active: float) -> float:
    """Mean number of experts that `tokens` tokens reach, each `active` of them at random: E (1 - (1 - e/E)**n) (COSTS 12)."""
    return experts * (1.0 - (1.0 - active / experts) ** tokens)


@njit
def feed_forward_s(tokens: float, shape: LayerShape, rates: Rates) -> float:
    """The up and down products: each token through its experts, the weights of every expert reached read once."""
    routed = tokens * shape.active
    reached = experts_read(tokens, shape.experts, shape.active)
    up_s = product_s(routed, shape.up, shape.hidden, reached, rates)
    return up_s + product_s(routed, shape.hidden, shape.ffn, reached, rates)


@njit
def layer_s(tokens: float, shape: LayerShape, rates: Rates, elementwise_bytes_per_s: float, o_s: float) -> float:
    """One layer without attention (L3): four products, element-wise bytes, and one fixed time for all launches."""
    return (
        product_s(tokens, shape.qkv, shape.hidden, 1.0, rates)
        + product_s(tokens, shape.hidden, shape.attention, 1.0, rates)
        + feed_forward_s(tokens, shape, rates)
        + 2.0 * tokens * shape.elementwise / elementwise_bytes_per_s
        + o_s
    )


@njit
def attention_decode_s(p: np.ndarray, sum_context_tokens: float) -> float:
    """Decode attention of one layer; p: (s per context token, fixed s, sharpness); contexts summed over the batch."""
    return smooth_max(p[0] * sum_context_tokens, p[1], p[2])


@njit
def attention_prefill_s(p: np.ndarray, new_tokens: float, cached_tokens: float) -> float:
    """Causal attention of one layer for new tokens after cached ones; p: (s per token pair, ramp tokens, fixed s, sharpness).

    However few tokens are new, a kernel walks over the whole context once, in the time of `ramp` of them.
    """
    return p[0] * (cached_tokens + 0.5 * new_tokens) * smooth_max(new_tokens, p[1], p[3]) + p[2]


@njit
def product_times_s(m: np.ndarray, n: np.ndarray, k: np.ndarray, rates: Rates) -> np.ndarray:
    """`product_s` of float64 arrays of one shape (R,)."""
    out = np.empty(m.size)
    for i in range(m.size):
        out[i] = product_s(m[i], n[i], k[i], 1.0, rates)
    return out


@njit
def layer_times_s(
    tokens: np.ndarray, shapes: np.ndarray, rates: Rates, elementwise_bytes_per_s: float, o_s: float
) -> np.ndarray:
    """`layer_s` of tokens (R,) with one layer shape a row: shapes (R, 8) in the order of LayerShape."""
    out = np.empty(tokens.size)
    for i in range(tokens.size):
        s = shapes[i]
        shape = LayerShape(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7])
        out[i] = layer_s(tokens[i], shape, rates, elementwise_bytes_per_s, o_s)
    return out


@njit
def attention_decode_times_s(p: np.ndarray, sum_context_tokens: np.ndarray) -> np.ndarray:
    """`attention_decode_s` of sums (R,)."""
    out = np.empty(sum_context_tokens.size)
    for i in range(sum_context_tokens.size):
        out[i] = attention_decode_s(p, sum_context_tokens[i])
    return out


@njit
def attention_prefill_times_s(
    p: np.ndarray, new_tokens: np.ndarray, cached_tokens: np.ndarray, batch: np.ndarray
) -> np.ndarray:
    """Prefill attention of `batch` equal sequences, float64 (R,) each: work adds up, the fixed time is paid once."""
    out = np.empty(new_tokens.size)
    for i in range(new_tokens.size):
        work_s = attention_prefill_s(p, new_tokens[i], cached_tokens[i]) - p[2]
        out[i] = batch[i] * work_s + p[2]
    return out
