"""A model's parts ready to be called, and the clock. Copies of a layer take turns, so that its weights come from memory, as in a model."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

from edge6g_env.costs import shapes
from edge6g_env.costs.efficiency import HEADS
from edge6g_env.costs.specs import ModelSpec
from edge6g_env.profiler import layer as parts
from edge6g_env.profiler.layer import Cache, Head, Heads, Layer
from edge6g_env.profiler.plan import Point
from edge6g_env.profiler.products import activation_dtype

# Judgement: far more than any last cache, and than the first levels of the translation of addresses reach.
ROTATED_BYTES = 1e9
CACHE_BYTES = 64e6  # of keys and values that take turns

Call = Callable[[int], object]


def time_calls(call: Call, budget_s: float) -> float:
    """Wall time in s of `call(1)`, `call(2)`, ... until `budget_s` is over: the median.

    `call(0)` warms up and does not count; one that takes longer than all of the budget is the only one, and does.
    """
    with torch.inference_mode():
        start = time.perf_counter()
        call(0)
        now = time.perf_counter()
        if now - start > budget_s:
            return now - start
        times: list[float] = []
        end = now + budget_s
        while now < end:
            call(len(times) + 1)
            before, now = now, time.perf_counter()
            times.append(now - before)
    return statistics.median(times)


class Bench:
    """The parts of one dense model at one precision, made when first called for."""

    def __init__(self, spec: ModelSpec, precision: str) -> None:
        self._spec, self._precision = spec, precision
        self._dtype = activation_dtype(precision)
        self._generator = torch.Generator().manual_seed(0)

    def call_of(self, point: Point) -> tuple[Call, int]:
        """What to time for a point, and how many layers one call of it passes."""
        if point.kind == "layer":
            return self._layer_call(point), 1
        if point.kind == "attention":
            return self._attention_call(point), 1
        if point.kind == "head":
            return self._head_call(point), 1
        return self._step_call(point), len(self._layers)

    @property
    def copies(self) -> int:
        """Layers that take turns."""
        return _layer_copies(self._spec, self._precision)

    @cached_property
    def _layers(self) -> list[Layer]:
        weights = parts.layer_weights(self._spec, self._generator)
        return [Layer(self._spec, self._precision, weights) for _ in range(self.copies)]

    @cached_property
    def _head(self) -> Head:
        return Head(self._spec, HEADS[self._precision], self._generator)

    def _stream(self, tokens: int) -> Tensor:
        return torch.empty(tokens, self._spec.hidden).normal_(generator=self._generator).to(self._dtype)

    def _caches(self, point: Point, count: int) -> list[Cache]:
        spec = self._spec
        size = (point.batch, spec.kv_heads, point.cached + point.new, spec.head_dim)
        return [Cache(*(torch.full(size, 0.1, dtype=self._dtype) for _ in range(2))) for _ in range(count)]

    def _layer_call(self, point: Point) -> Call:
        x, layers = self._stream(point.new), self._layers
        rotary = parts.rotation(self._spec, 0, point.new, self._dtype)

        def call(i: int) -> Tensor:
            one = layers[i % len(layers)]
            query = one.heads(x, rotary, 1).query
            return one.finish(x, query.transpose(1, 2).reshape(point.new, -1))

        return call

    def _attention_call(self, point: Point) -> Call:
        spec, new = self._spec, point.new
        kv_bytes = 2.0 * point.batch * spec.kv_heads * spec.head_dim * (point.cached + new) * self._dtype.itemsize
        caches = self._caches(point, min(_copies(kv_bytes, CACHE_BYTES), spec.layers))
        counts = (spec.heads, spec.kv_heads, spec.kv_heads)
        made = [self._stream_of(point.batch, count, new) for count in counts]
        heads, blocks = Heads(*made), parts.query_blocks(new, point.cached, self._dtype)
        return lambda i: parts.attend(heads, caches[i % len(caches)], point.cached, blocks)

    def _stream_of(self, batch: int, heads: int, new: int) -> Tensor:
        size = (batch, heads, new, self._spec.head_dim)
        return torch.empty(size).normal_(generator=self._generator).to(self._dtype)

    def _head_call(self, point: Point) -> Call:
        x, head = self._stream(point.batch).to(activation_dtype(HEADS[self._precision])), self._head
        return lambda _: head.next_tokens(x)

    def _step_call(self, point: Point) -> Call:
        x, layers = self._stream(point.batch * point.new), self._layers
        caches = self._caches(point, len(layers))

        def call(_: int) -> Tensor:
            stream = x
            rotary = parts.rotation(self._spec, point.cached, point.new, self._dtype)
            blocks = parts.query_blocks(point.new, point.cached, self._dtype)
            for one, cache in zip(layers, caches, strict=True):
                heads = one.heads(stream, rotary, point.batch)
                stream = one.finish(stream, parts.attend(heads, cache, point.cached, blocks))
            return stream

        return call


def stored_bytes(spec: ModelSpec, precision: str) -> float:
    """Memory of the layers that take turns and of the head."""
    head_bytes = spec.vocab * spec.hidden * shapes.STORED_BITS[HEADS[precision]] / 8.0
    return _layer_copies(spec, precision) * _layer_bytes(spec, precision) + head_bytes


def _layer_copies(spec: ModelSpec, precision: str) -> int:
    return min(_copies(_layer_bytes(spec, precision), ROTATED_BYTES), spec.layers)


def _layer_bytes(spec: ModelSpec, precision: str) -> float:
    return shapes.linear_params(spec) * shapes.STORED_BITS[precision] / 8.0


def _copies(one_bytes: float, all_bytes: float) -> int:
    return max(2, math.ceil(all_bytes / one_bytes))
