"""Parameters, elements, bytes and FLOPs of a model's parts (COSTS 1, 2 and 5): counts only, nothing measured."""

from __future__ import annotations

import numpy as np

from edge6g_env.costs import formulas
from edge6g_env.costs.checks import Floats
from edge6g_env.costs.formulas import LayerShape
from edge6g_env.costs.specs import ModelSpec

STORED_BITS = {
    "fp32": 32.0,
    "bf16": 16.0,
    "fp16": 16.0,
    "fp8": 8.0,
    "int8": 8.0,
    "int8-wo": 8.0,
    "int4": 4.15,
}  # int4 in groups of 128, scales included
PER_CHANNEL_BITS = {**STORED_BITS, "int4": 4.0}  # as the int4 products of measured/gemm_*.csv
ACTIVATION_BITS = {
    "fp32": 32.0,
    "bf16": 16.0,
    "fp16": 16.0,
    "fp8": 8.0,
    "int8": 8.0,
    "int8-wo": 16.0,
    "int4": 16.0,
}


def shape_of(hidden: int, ffn: int, heads: int, kv_heads: int, head_dim: int, gated: int) -> LayerShape:
    """Products and element-wise traffic of a dense layer; without a gate the activation reads one ffn vector less."""
    gate = 1 if gated else 0
    elementwise = 11 * hidden + 2 * (heads + kv_heads) * head_dim + (2 + gate) * ffn
    qkv = (heads + 2 * kv_heads) * head_dim
    return LayerShape(*(float(v) for v in (hidden, qkv, heads * head_dim, (1 + gate) * ffn, ffn, elementwise, 1, 1)))


def layer_shape(spec: ModelSpec) -> LayerShape:
    """The shape of one layer of a model; experts add the copies of a token that go to each and come back."""
    width = spec.expert_ffn if spec.has_experts else spec.ffn
    dense = shape_of(spec.hidden, width, spec.heads, spec.kv_heads, spec.head_dim, spec.gated_mlp)
    if not spec.has_experts:
        return dense
    routed = dense._replace(experts=float(spec.experts), active=float(spec.experts_active))
    one_activation = dense.up + dense.ffn
    return routed._replace(elementwise=dense.elementwise - one_activation + routed_elements(routed))


def routed_elements(s: LayerShape) -> float:
    """Elements a token that routed blocks touch outside products: its copies sent out and summed up, their activations."""
    return 2.0 * (1.0 + s.active) * s.hidden + s.active * (s.up + s.ffn)


def _projection_params(spec: ModelSpec) -> float:
    s = layer_shape(spec)
    return (s.qkv + s.attention) * s.hidden


def expert_params(spec: ModelSpec) -> int:
    """Parameters of one expert of a layer; of the feed-forward part if it is dense."""
    s = layer_shape(spec)
    return int((s.up + s.ffn) * s.hidden)


def linear_params(spec: ModelSpec) -> int:
    """W, the parameters of one layer's four products: those that a token passes, so of experts the active ones."""
    return int(_projection_params(spec) + layer_shape(spec).active * expert_params(spec))


def stored_layer_bytes(spec: ModelSpec, precision: str) -> float:
    """Weight bytes of one layer at a precision, every expert counted."""
    return spec.params_per_layer * STORED_BITS[precision] / 8.0


def read_layer_bytes(spec: ModelSpec, precision: str, tokens: Floats) -> Floats:
    """Weight bytes of one layer that a step of `tokens` tokens reads: of experts only those reached (COSTS 12)."""
    if not spec.has_experts:
        return np.full(np.shape(tokens), stored_layer_bytes(spec, precision))
    s = layer_shape(spec)
    reached = [formulas.experts_read(n, s.experts, s.active) for n in np.ravel(tokens).tolist()]
    unread = s.experts - np.reshape(reached, np.shape(tokens))
    return (spec.params_per_layer - unread * expert_params(spec)) * STORED_BITS[precision] / 8.0


def stored_head_bytes(spec: ModelSpec, precision: str) -> float:
    """Bytes of the output matrix, which a step reads: fp16 for int4 models (COSTS 4); tied or not."""
    bits = 16.0 if precision == "int4" else STORED_BITS[precision]
    return spec.vocab * spec.hidden * bits / 8.0


def stored_bytes(spec: ModelSpec, precision: str) -> float:
    """Weight bytes of the whole model: fp16_bytes * w / 16; embedding and head stay fp16 for int4."""
    share = STORED_BITS[precision] / 16.0
    if precision != "int4":
        return spec.fp16_bytes * share
    matrices = 1 if spec.tied_embeddings else 2
    kept = matrices * stored_head_bytes(spec, precision)
    return (spec.fp16_bytes - kept) * share + kept


def tail_bytes(spec: ModelSpec, precision: str) -> float:
    """Bytes of what a part that ends at the last layer and does not begin at the first holds beside its layers: the output matrix, which of
    tied embeddings stands at both ends, with the last norm. An encoder runs where layer 0 does."""
    if not spec.tied_embeddings or spec.enc_layers:
        return stored_head_bytes(spec, precision)
    return stored_bytes(spec, precision) - spec.layers * stored_layer_bytes(spec, precision)


def linear_flops(spec: ModelSpec, tokens: Floats) -> Floats:
    """FLOPs of one layer's products for `tokens` tokens: 2 n W (COSTS 2)."""
    return 2.0 * linear_params(spec) * tokens


def attention_flops(spec: ModelSpec, new_tokens: Floats, context_tokens: Floats) -> Floats:
    """FLOPs of one layer's causal attention: new tokens of one sequence after `context_tokens` cached ones (COSTS 2).

    A single new token sees its whole context and itself; more of them see half of each other on average.
    """
    seen = np.where(new_tokens == 1.0, context_tokens + 1.0, context_tokens + 0.5 * new_tokens)
    return 4.0 * new_tokens * seen * spec.heads * spec.head_dim


def kv_bytes_over_fp16(precision: str) -> float:
    """Bytes of keys and values in a model at a precision over those in fp16: fp32 models keep them in fp32, all others in fp16."""
    return 2.0 if precision == "fp32" else 1.0


def layer_kv_bytes(spec: ModelSpec, tokens: Floats, precision: str = "fp16") -> Floats:
    """Bytes of keys and values of one layer in a model at a precision."""
    return 4.0 * kv_bytes_over_fp16(precision) * spec.kv_heads * spec.head_dim * tokens
