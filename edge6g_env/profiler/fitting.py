"""From times of points to a device with fitted parameters, and how far its predictions are off."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from edge6g_env import costs
from edge6g_env.costs.efficiency import ACTIVATIONS, HEADS
from edge6g_env.costs.fit import fit_device
from edge6g_env.costs.parts import head_row
from edge6g_env.costs.specs import DeviceSpec, ModelSpec
from edge6g_env.profiler.plan import Kind, Point

PARTS = ("layer", "decode attention", "prefill attention", "head", "whole step")


class Timed(NamedTuple):
    """A point of a model at a precision with its time in s; of a step the time of one layer."""

    model: ModelSpec
    precision: str
    point: Point
    time_s: float


class Error(NamedTuple):
    """Predicted against measured: mean absolute relative error in percent and the largest, of so many points."""

    mean_percent: float
    worst_percent: float
    points: int


Errors = dict[str, dict[str, dict[str, Error]]]  # precision -> part -> "fit" or "held_out"


def label_of(kind: Kind, precision: str) -> str:
    """What is timed, at the precision that it really has: attention at that of the activations, a head at its own."""
    return f"{kind} {({'attention': ACTIVATIONS, 'head': HEADS}.get(kind) or {}).get(precision, precision)}"


def row_of(timed: Timed, device: str) -> dict[str, Any]:
    """A row shaped like those of costs/data/measured, with the precision in a column of its own."""
    spec, point, ms = timed.model, timed.point, 1e3 * timed.time_s
    kind, precision = label_of(point.kind, timed.precision).split()
    row = {"device": device, "model": spec.name, "precision": precision, "held_out": point.held_out}
    if kind == "layer":
        shape = {name: getattr(spec, name) for name in ("hidden", "ffn", "heads", "kv_heads", "head_dim")}
        return {**row, **shape, "gated": spec.gated_mlp, "tp": 1, "tokens": point.new, "layer_ms": ms}
    if kind == "head":
        return {**row, "vocab": spec.vocab, "hidden": spec.hidden, "batch": point.batch, "head_ms": ms}
    tokens = {"phase": point.phase, "batch": point.batch, "new_tokens": point.new, "kv_prior": point.cached}
    if kind == "step":
        return {**row, "layers": spec.layers, **tokens, "step_layer_ms": ms}
    heads = {"q_heads": spec.heads, "kv_heads": spec.kv_heads, "head_dim": spec.head_dim}
    return {**row, **heads, **tokens, "attn_ms": ms}


def fit_profile(sheet: DeviceSpec, rows: Sequence[dict[str, Any]]) -> DeviceSpec:
    """The device with parameters fitted on the rows that are not held out."""
    return fit_device([row for row in rows if not row["held_out"]], sheet)


def errors_of(device: DeviceSpec, timed: Iterable[Timed]) -> Errors:
    """Errors of every precision by part, on the points of the fit and on those that it has not seen."""
    timed, found = list(timed), {}
    head_s = {(t.model, t.precision, t.point.batch): t.time_s for t in timed if t.point.kind == "head"}
    for precision in dict.fromkeys(t.precision for t in timed):
        own = [t for t in timed if t.precision == precision]
        found[precision] = {part: _errors(device, [t for t in own if t.point.part == part], head_s) for part in PARTS}
    return found


def _errors(
    device: DeviceSpec, timed: list[Timed], head_s: dict[tuple[ModelSpec, str, int], float]
) -> dict[str, Error]:
    pairs: dict[str, list[float]] = {"fit": [], "held_out": []}
    for one in timed:
        measured_s, batch_head_s = one.time_s, head_s.get((one.model, one.precision, one.point.batch))
        if one.point.kind == "step":
            if batch_head_s is None:
                continue
            measured_s = one.model.layers * one.time_s + batch_head_s
        off = abs(_PREDICTED[one.point.kind](device, one) / measured_s - 1.0)
        pairs["held_out" if one.point.held_out else "fit"].append(100.0 * off)
    return {name: Error(float(np.mean(v)), max(v), len(v)) for name, v in pairs.items() if v}


def _layer_s(device: DeviceSpec, timed: Timed) -> float:
    return float(costs.layer_time_s(timed.model, device, timed.point.new, timed.precision))


def _attention_s(device: DeviceSpec, timed: Timed) -> float:
    _, batch, new, cached, _ = timed.point
    return float(costs.attention_time_s(timed.model, device, new, cached, batch, timed.precision))


def _head_s(device: DeviceSpec, timed: Timed) -> float:
    first_s, token_s = head_row(device, costs.fit_of(device), timed.model, timed.precision)
    return float(first_s + token_s * timed.point.batch)


def _step_s(device: DeviceSpec, timed: Timed) -> float:
    _, batch, new, cached, _ = timed.point
    if new == 1:
        return float(costs.decode_step_s(timed.model, device, cached, batch, timed.precision))
    return float(costs.prefill_s(timed.model, device, new, timed.precision))


_PREDICTED: dict[Kind, Callable[[DeviceSpec, Timed], float]] = {
    "layer": _layer_s,
    "attention": _attention_s,
    "head": _head_s,
    "step": _step_s,
}
