"""A decoder layer of a model's shape out of torch's operators, with random weights: what the profiler times.

A layer is RMSNorm, one product for queries, keys and values, rotary positions, attention over a KV cache with grouped
heads, output projection, RMSNorm, a feed-forward part with or without gate. Sequences of a batch have equal lengths.
Nothing here is timed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from edge6g_env.costs.specs import ModelSpec
from edge6g_env.profiler.products import Product, activation_dtype, make_product

ROTARY_BASE = 10_000.0
QUERY_BLOCK = 64  # of 32, 64 and 128 the one with the least time on AVX2 from 128 tokens on
_STD = 0.02  # of the weights: activations of a few layers stay finite
_DRAWN = 1_000_003  # a prime, so that no two rows are alike


class Heads(NamedTuple):
    """Queries (b, H, n, d), keys and values (b, K, n, d) of n new tokens of b sequences."""

    query: Tensor
    key: Tensor
    value: Tensor


@dataclass
class Cache:
    """Keys and values (b, K, capacity, d) of one layer."""

    key: Tensor
    value: Tensor


class Rotation(NamedTuple):
    """Cosines and sines (n, d) of the rotary positions of n tokens."""

    cos: Tensor
    sin: Tensor


def random_weight(outputs: int, inputs: int, generator: torch.Generator) -> Tensor:
    """Weights (outputs, inputs) in fp32: a million random numbers over and over, since drawing them all takes seconds."""
    count = outputs * inputs
    drawn = torch.empty(min(count, _DRAWN)).normal_(std=_STD, generator=generator)
    return drawn.repeat(-(-count // len(drawn)))[:count].view(outputs, inputs)


def rotation(spec: ModelSpec, first: int, tokens: int, dtype: torch.dtype) -> Rotation:
    """The rotary positions `first`, `first` + 1, ... of `tokens` tokens; computed once a step, for all layers."""
    half = (spec.head_dim + 1) // 2
    rate = ROTARY_BASE ** (-torch.arange(half) / half)
    angle = torch.outer(torch.arange(first, first + tokens), rate).repeat(1, 2)[:, : spec.head_dim]
    return Rotation(angle.cos().to(dtype), angle.sin().to(dtype))


class Block(NamedTuple):
    """Queries [first, end) of a prompt; what they see is added to the scores, None where the kernel's causal mask will do."""

    first: int
    end: int
    mask: Tensor | None


def query_blocks(new: int, cached: int, dtype: torch.dtype) -> list[Block]:
    """The new tokens of a prompt in blocks, each with the keys up to its end: torch's kernel computes the masked half as well.

    Made once a step, for all layers.
    """
    blocks = []
    for first in range(0, new, QUERY_BLOCK):
        end = min(first + QUERY_BLOCK, new)
        seen = torch.ones(end - first, cached + end, dtype=torch.bool).tril(cached + first)
        mask = torch.zeros(seen.shape, dtype=dtype).masked_fill(~seen, -torch.inf)
        blocks.append(Block(first, end, mask if cached + first else None))
    return blocks


class Layer:
    """One layer of a dense model at a precision; copies of it hold the same numbers at other places of the memory."""

    def __init__(self, spec: ModelSpec, precision: str, weights: dict[str, Tensor]) -> None:
        self._spec, self.dtype = spec, activation_dtype(precision)
        self._norms = [torch.ones(spec.hidden, dtype=self.dtype) for _ in range(2)]
        made = {name: make_product(weight, precision) for name, weight in weights.items()}
        self._qkv, self._out, self._up, self._down = (made[name] for name in ("qkv", "out", "up", "down"))

    def heads(self, x: Tensor, rotary: Rotation, batch: int) -> Heads:
        """Queries, keys and values of x (batch * n, hidden), rotated to their positions."""
        spec = self._spec
        joint = self._qkv(functional.rms_norm(x, (spec.hidden,), self._norms[0]))
        split = joint.view(batch, -1, spec.heads + 2 * spec.kv_heads, spec.head_dim).transpose(1, 2)
        query, key, value = split.split([spec.heads, spec.kv_heads, spec.kv_heads], dim=1)
        return Heads(_rotated(query, rotary), _rotated(key, rotary), value)

    def finish(self, x: Tensor, attended: Tensor) -> Tensor:
        """The residual stream (batch * n, hidden) after this layer, given what attention found (batch * n, H * d)."""
        x = x + self._out(attended)
        up = self._up(functional.rms_norm(x, (self._spec.hidden,), self._norms[1]))
        if not self._spec.gated_mlp:
            return x + self._down(functional.gelu(up))
        gate, up = up.chunk(2, dim=-1)
        return x + self._down(functional.silu(gate) * up)


def _rotated(heads: Tensor, rotary: Rotation) -> Tensor:
    first, second = heads.chunk(2, dim=-1)
    return heads * rotary.cos + torch.cat([-second, first], dim=-1) * rotary.sin


def attend(heads: Heads, cache: Cache, cached: int, blocks: list[Block]) -> Tensor:
    """Write keys and values behind `cached` tokens and attend to all of them, causally: (batch * n, H * d).

    One new token: the heads of a group are rows of one product, so that keys are read once. Several: block by block.
    """
    batch, num_heads, new, head_dim = heads.query.shape
    end = cached + new
    cache.key[:, :, cached:end] = heads.key
    cache.value[:, :, cached:end] = heads.value
    key, value = cache.key[:, :, :end], cache.value[:, :, :end]
    if new == 1:
        query = heads.query.reshape(batch, key.shape[1], -1, head_dim)
        out = functional.scaled_dot_product_attention(query, key, value).view(heads.query.shape)
    else:
        out = torch.cat([_attend_block(heads.query, key, value, cached, block) for block in blocks], dim=2)
    return out.transpose(1, 2).reshape(batch * new, num_heads * head_dim)


def _attend_block(query: Tensor, key: Tensor, value: Tensor, cached: int, block: Block) -> Tensor:
    seen = cached + block.end
    return functional.scaled_dot_product_attention(
        query[:, :, block.first : block.end],
        key[:, :, :seen],
        value[:, :, :seen],
        attn_mask=block.mask,
        is_causal=block.mask is None,
        enable_gqa=True,
    )


def layer_weights(spec: ModelSpec, generator: torch.Generator) -> dict[str, Tensor]:
    """Random weights in fp32 of the four products of a layer."""
    width, up = spec.heads * spec.head_dim, (1 + spec.gated_mlp) * spec.ffn
    qkv = width + 2 * spec.kv_heads * spec.head_dim
    sizes = {
        "qkv": (qkv, spec.hidden),
        "out": (spec.hidden, width),
        "up": (up, spec.hidden),
        "down": (spec.hidden, spec.ffn),
    }
    return {name: random_weight(*size, generator) for name, size in sizes.items()}


class Head:
    """What a step does outside the layers: last norm, output head, the likeliest token, its embedding."""

    def __init__(self, spec: ModelSpec, precision: str, generator: torch.Generator) -> None:
        weight = random_weight(spec.vocab, spec.hidden, generator)
        self._product: Product = make_product(weight, precision)
        self._norm = torch.ones(spec.hidden, dtype=activation_dtype(precision))
        # Rows of the embedding are looked up, not read through: a small one with the same row length stands for it.
        self._embedding = weight[: min(spec.vocab, 4096)].to(self._norm.dtype, copy=True)

    def next_tokens(self, x: Tensor) -> Tensor:
        """The residual stream (batch, hidden) of the next step after x (batch, hidden)."""
        logits = self._product(functional.rms_norm(x, (x.shape[-1],), self._norm))
        return self._embedding[logits.argmax(dim=-1) % len(self._embedding)]
