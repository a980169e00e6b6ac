"""What is timed: parts of a layer for the fit, other lengths of them and whole steps to see how far the fit is off."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from edge6g_env.costs.specs import ModelSpec

Kind = Literal["layer", "attention", "head", "step"]

FIT_TOKENS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
HELD_OUT_TOKENS = (3, 6, 12, 24, 48, 96, 192, 384)
FIT_BATCHES = (1, 2, 4, 8, 16, 64)
HELD_OUT_BATCHES = (3, 6, 12, 32)
# (sequences, new tokens of each, cached tokens of each)
FIT_DECODES = ((1, 1, 64), (1, 1, 256), (1, 1, 1024), (1, 1, 4096), (4, 1, 256), (4, 1, 1024), (16, 1, 256))
HELD_OUT_DECODES = ((1, 1, 512), (1, 1, 2048), (2, 1, 1024), (8, 1, 256))
FIT_PREFILLS = (  # prompts, then chunks of them as an engine makes them
    *((1, n, 0) for n in (16, 32, 64, 128, 256, 512)),
    *((1, n, c) for n, c in ((256, 256), (512, 512), (256, 1024), (512, 1536))),
)
HELD_OUT_PREFILLS = (
    *((1, n, 0) for n in (48, 96, 192, 384)),
    *((1, n, c) for n, c in ((256, 512), (384, 512), (512, 1024))),
)
STEPS = ((1, 1, 200), (1, 1, 900), (4, 1, 300), (8, 1, 150), (16, 1, 100), (1, 40, 0), (1, 150, 0), (1, 300, 0))


class Point(NamedTuple):
    """One thing to time: `batch` sequences with `new` tokens each after `cached` ones; held_out: not used in the fit.

    layer: all but attention, `new` is the tokens of all sequences together; step: all of a layer.
    """

    kind: Kind
    batch: int
    new: int
    cached: int
    held_out: bool

    @property
    def name(self) -> str:
        """The point in words, its key in the cache of measurements."""
        return f"{self.kind} batch {self.batch} new {self.new} cached {self.cached}"

    @property
    def work(self) -> float:
        """What its time grows with, in any unit."""
        if self.kind == "attention":
            return self.batch * self.new * (self.cached + self.new)
        return self.batch * self.new

    @property
    def phase(self) -> str:
        """decode or prefill."""
        return "decode" if self.new == 1 else "prefill"

    @property
    def part(self) -> str:
        """What its error belongs to: layer, decode attention, prefill attention, head, whole step."""
        return {"attention": f"{self.phase} attention", "step": "whole step"}.get(self.kind, self.kind)


def _attention(shapes: tuple[tuple[int, int, int], ...], held_out: bool) -> Iterator[Point]:
    return (Point("attention", *shape, held_out) for shape in shapes)


def _layer_points() -> list[Point]:
    """Layers without attention, in the order of their work."""
    tokens = sorted([(n, False) for n in FIT_TOKENS] + [(n, True) for n in HELD_OUT_TOKENS])
    return [Point("layer", 1, n, 0, held_out) for n, held_out in tokens]


def _head_points() -> list[Point]:
    """Heads, in the order of their work."""
    batches = sorted([(b, False) for b in FIT_BATCHES] + [(b, True) for b in HELD_OUT_BATCHES])
    return [Point("head", b, 1, 0, held_out) for b, held_out in batches]


def _attention_points(spec: ModelSpec) -> list[Point]:
    """Attention of decodes and prefills, in the order of their work, up to the model's context."""
    points = [
        *_attention(FIT_DECODES + FIT_PREFILLS, False),
        *_attention(HELD_OUT_DECODES + HELD_OUT_PREFILLS, True),
    ]
    longest = spec.context or max(p.cached + p.new for p in points)
    return sorted((p for p in points if p.cached + p.new <= longest), key=lambda p: (p.phase, p.work))


def _step_points(spec: ModelSpec) -> list[Point]:
    """Whole layers, one after another as in a step of the model: none is used in the fit."""
    longest = spec.context or max(cached + new for _, new, cached in STEPS)
    return [Point("step", *shape, True) for shape in STEPS if shape[1] + shape[2] <= longest]


def points_of(spec: ModelSpec) -> dict[Kind, list[Point]]:
    """All points of a model by kind."""
    return {
        "layer": _layer_points(),
        "attention": _attention_points(spec),
        "head": _head_points(),
        "step": _step_points(spec),
    }
