"""Fits of the efficiency parameters on measured rows (COSTS 3.1, 3.2, 3.3, 3.3b).

A few physical parameters each; least squares on the logarithm of time with a soft loss, so that small and large shapes
weigh alike. scipy is imported only when something is fitted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edge6g_env.costs import efficiency as eff
from edge6g_env.costs import formulas, parts, shapes
from edge6g_env.costs.efficiency import DecodeAttention, DeviceFit, PrefillAttention, Residual, Roofline
from edge6g_env.costs.measured_rows import Row, records_of
from edge6g_env.costs.specs import DeviceSpec
from edge6g_env.costs.tables import device, model, models

Predict = Callable[[np.ndarray], np.ndarray]

DEVICE_ALIASES = {"a100": "a100-80g", "h100": "h100-80g"}
# The chat demo's rows that have a shape of models.csv (measured/README.md): its Vicuna and VILA are Llama-2.
CHAT_SHAPES = {f"{name}-{size}": f"llama-2-{size}" for name in ("llama-2", "vicuna", "vila") for size in ("7b", "13b")}
CHAT_CONTEXT_TOKENS = 500.0  # stated for llama-2-7b only
Bounds = tuple[float, float]
EC, EB, O_S, P = (0.05, 1.2), (0.05, 1.2), (0.0, 1e-3), (1.0, 8.0)
# Of a profiled machine: the shares refer to one product and one read that were timed, not to a data sheet; a call may take long.
PROFILED_SHARE, PROFILED_O_S = (1e-3, 4.0), (0.0, 1e-2)
MIN_ROWS = 4
NEEDED = (
    f"at least {MIN_ROWS} of a kind are needed: gemm_us at a known precision, layer_ms with tp 1, attn_ms with phase decode or "
    f"prefill and KV in fp16, ms with phase decode of {', '.join(sorted(CHAT_SHAPES))}"
)
MAY_BE_ZERO = ("gated", "kv_prior")


def mean_error_percent(predicted: np.ndarray, measured: np.ndarray) -> float:
    """Mean absolute relative error in percent."""
    return float(100.0 * np.mean(np.abs(predicted / measured - 1.0)))


def _least_squares(
    predict: Predict, measured: np.ndarray, start: Sequence[float], bounds: Sequence[tuple[float, float]]
) -> np.ndarray:
    from scipy.optimize import least_squares

    low, high = np.array(bounds, dtype=float).T
    span = high - low

    def residual(x: np.ndarray) -> np.ndarray:
        return np.log(predict(low + x * span) / measured)

    x0 = np.clip((np.array(start) - low) / span, 1e-3, 1 - 1e-3)
    found = least_squares(residual, x0, bounds=(0.0, 1.0), loss="soft_l1", f_scale=0.1)
    return low + found.x * span


def _columns(rows: Sequence[Row], *names: str) -> list[np.ndarray]:
    return [np.array([_cell(row, name) for row in rows]) for name in names]


def _cell(row: Row, name: str) -> float:
    try:
        value = float(row[name])
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"rows: {name} = {row[name]!r} is not a number") from None
    if not np.isfinite(value) or value < 0.0 or (value == 0.0 and name not in MAY_BE_ZERO):
        allowed = "at least 0" if name in MAY_BE_ZERO else "above 0"
        raise ValueError(f"rows: {name} = {value:g} is out of range: finite and {allowed}")
    return value


def _fit_gemm(spec: DeviceSpec, precision: str, rows: Sequence[Row]) -> tuple[Roofline, float]:
    m, n, k, us = _columns(rows, "m", "n", "k", "gemm_us")

    def predict(x: np.ndarray) -> np.ndarray:
        rates = parts.rates_of(spec, Roofline(*x), precision, shapes.PER_CHANNEL_BITS)
        return formulas.product_times_s(m, n, k, rates) + x[2]

    start = eff.DEFAULT_GEMM[precision]
    x = _least_squares(predict, us * 1e-6, (start.ec, start.eb, start.o_s, start.p), (EC, EB, (0.0, 1e-4), P))
    return Roofline(*x.tolist()), mean_error_percent(predict(x), us * 1e-6)


def _head_dim(row: Row) -> float:
    """Size of a head: its column, else that of the model of this name, else hidden / heads."""
    if "head_dim" in row:
        return _cell(row, "head_dim")
    name = str(row.get("model"))
    return float(model(name).head_dim) if name in models() else _cell(row, "hidden") // _cell(row, "heads")


def _bounds(spec: DeviceSpec) -> tuple[Bounds, Bounds, Bounds]:
    """Bounds of ec, eb and o_s."""
    return (PROFILED_SHARE, PROFILED_SHARE, PROFILED_O_S) if spec.is_profiled else (EC, EB, O_S)


def _residual(tokens: np.ndarray, predicted: np.ndarray, measured: np.ndarray) -> Residual:
    """Measured over predicted time at each number of tokens, geometric mean over the shapes."""
    knots, place = np.unique(tokens, return_inverse=True)
    logs = np.bincount(place, np.log(measured / predicted)) / np.bincount(place)
    return Residual(tuple(knots.tolist()), tuple(np.exp(logs).tolist()))


def _fit_head(spec: DeviceSpec, precision: str, rows: Sequence[Row]) -> tuple[Roofline, Residual, float]:
    batch, vocab, hidden, ms = _columns(rows, "batch", "vocab", "hidden", "head_ms")

    def predict(x: np.ndarray) -> np.ndarray:
        rates = parts.rates_of(spec, Roofline(*x), precision, shapes.STORED_BITS)
        return formulas.product_times_s(batch, vocab, hidden, rates) + x[2]

    x = _least_squares(predict, ms * 1e-3, (0.7, 0.8, 40e-6, 2.0), (*_bounds(spec), P))
    residual = _residual(batch, predict(x), ms * 1e-3)
    found = predict(x) * parts.factors_at(residual, batch)
    return Roofline(*x.tolist()), residual, mean_error_percent(found, ms * 1e-3)


def _fit_layer(spec: DeviceSpec, precision: str, rows: Sequence[Row]) -> tuple[Roofline, Residual | None, float]:
    tokens, hidden, ffn, heads, kv_heads, gated, ms = _columns(
        rows, "tokens", "hidden", "ffn", "heads", "kv_heads", "gated", "layer_ms"
    )
    head_dim = np.array([_head_dim(row) for row in rows])
    dims = np.stack([hidden, ffn, heads, kv_heads, head_dim, gated], axis=1).astype(int)
    layer_shapes = np.array([shapes.shape_of(*row.tolist()) for row in dims])

    def predict(x: np.ndarray) -> np.ndarray:
        rates = parts.rates_of(spec, Roofline(*x), precision, shapes.STORED_BITS)
        return formulas.layer_times_s(tokens, layer_shapes, rates, rates.bytes_per_s, x[2])

    x = _least_squares(predict, ms * 1e-3, (0.7, 0.8, 40e-6, 2.0), (*_bounds(spec), P))
    found = predict(x)
    residual = _residual(tokens, found, ms * 1e-3) if spec.is_profiled else None
    if residual is not None:
        found = found * parts.factors_at(residual, tokens)
    return Roofline(*x.tolist()), residual, mean_error_percent(found, ms * 1e-3)


def _fit_decode_attention(spec: DeviceSpec, precision: str, rows: Sequence[Row]) -> tuple[DecodeAttention, float]:
    batch, prior, kv_heads, head_dim, ms = _columns(rows, "batch", "kv_prior", "kv_heads", "head_dim", "attn_ms")
    kv_bytes = 4.0 * shapes.kv_bytes_over_fp16(precision) * kv_heads * head_dim
    read_s = kv_bytes * batch * (prior + 1.0) / parts.bandwidth(spec)

    def predict(x: np.ndarray) -> np.ndarray:
        return formulas.attention_decode_times_s(np.array([1.0, x[1], x[2]]), read_s / x[0])

    x = _least_squares(predict, ms * 1e-3, (0.8, 20e-6, 1.5), (_bounds(spec)[1], (0.0, 2e-4), (1.0, 4.0)))
    return DecodeAttention(*x.tolist()), mean_error_percent(predict(x), ms * 1e-3)


def _fit_prefill_attention(spec: DeviceSpec, rows: Sequence[Row]) -> tuple[PrefillAttention, float]:
    batch, new, prior, heads, head_dim, ms = _columns(
        rows, "batch", "new_tokens", "kv_prior", "q_heads", "head_dim", "attn_ms"
    )
    pair_s = 4.0 * heads * head_dim / parts.attention_peak_flops(spec)
    by_heads = [(n, heads == n) for n in np.unique(heads)]

    def predict(x: np.ndarray) -> np.ndarray:
        n0, n1 = (0.0, x[1]) if spec.is_profiled else (x[1], 0.0)
        work = n1 * new * batch
        for n, own in by_heads:
            row = np.array([1.0, eff.ramp_tokens(n0, n), 0.0, x[3]])
            work[own] += formulas.attention_prefill_times_s(row, new[own], prior[own], batch[own])
        return pair_s / x[0] * work + x[2]

    bounds = (_bounds(spec)[0], (0.0, 3000.0), (0.0, 1e-3), P)
    ec, ramp, o_s, p = x = _least_squares(predict, ms * 1e-3, (0.6, 300.0, 10e-6, 1.5), bounds).tolist()
    found = PrefillAttention(ec, 0.0, o_s, ramp) if spec.is_profiled else PrefillAttention(ec, ramp, o_s, p=p)
    return found, mean_error_percent(predict(x), ms * 1e-3)


def _chat_precision(row: Row) -> str:
    return "int4" if str(row["precision"]).startswith("int4") else str(row["precision"])


def _chat_times(spec: DeviceSpec, fit: DeviceFit, rows: Sequence[Row]) -> np.ndarray:
    one = np.ones(1)
    shape = [model(CHAT_SHAPES[str(row["model"])]) for row in rows]
    resolved = [parts.resolve(spec, fit, m, _chat_precision(r)) for m, r in zip(shape, rows, strict=True)]
    context = CHAT_CONTEXT_TOKENS * one
    return np.array([parts.decode_times(p, m.layers, context, one)[0] for p, m in zip(resolved, shape, strict=True)])


def _chat_only(spec: DeviceSpec, fit: DeviceFit, rows: Sequence[Row]) -> list[str]:
    """Precisions known from whole-model decode times alone; where memory is shared, these stand for every precision."""
    seen = set(eff.PRECISIONS) if spec.shares_memory else {_chat_precision(row) for row in rows}
    return [p for p in eff.PRECISIONS if p in seen and p not in fit.layer and p not in fit.gemm]


def _with_chat_layers(spec: DeviceSpec, fit: DeviceFit, unmeasured: Sequence[str], eb: float, o_s: float) -> DeviceFit:
    """The fit with layers at one (eb, o) for the given precisions."""
    known = {p: parts.layer_roofline(spec, fit, p) for p in unmeasured}
    return replace(fit, layer={**fit.layer, **{p: replace(r, eb=eb, o_s=o_s) for p, r in known.items()}})


def _fit_chat(spec: DeviceSpec, fit: DeviceFit, rows: Sequence[Row]) -> DeviceFit:
    """Batch-1 decode of whole models: eb and o a layer, fitted on fp16 and int4 together (COSTS 3.3)."""
    rows = [row for row in rows if row["model"] in CHAT_SHAPES and row["phase"] == "decode"]
    if len(rows) < MIN_ROWS:
        return fit
    (ms,) = _columns(rows, "ms")
    if only := _chat_only(spec, fit, rows):
        start = fit

        def predict(x: np.ndarray) -> np.ndarray:
            return _chat_times(spec, _with_chat_layers(spec, start, only, *x.tolist()), rows)

        x = _least_squares(predict, ms * 1e-3, (0.85, 1e-4), (EB, O_S))
        fit = _with_chat_layers(spec, start, only, *x.tolist())
    error = mean_error_percent(_chat_times(spec, fit, rows), ms * 1e-3)
    return replace(fit, errors={**fit.errors, "decode step": error})


def _by_kind(spec: DeviceSpec, rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Rows sorted by what they measure; shards of tensor parallelism, mixed batches and other tables are left out.

    With a data sheet bf16 is fp16, as `parts.compute_precision` has it.
    """
    kinds: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.get("precision") == "bf16" and not spec.is_profiled:
            row = {**row, "precision": "fp16"}
        if "gemm_us" in row:
            kinds[f"gemm {row['precision']}"].append(row)
        elif "layer_ms" in row and ("tp" not in row or _cell(row, "tp") == 1.0):
            kinds[f"layer {row.get('precision', 'fp16')}"].append(row)
        elif "attn_ms" in row and row["phase"] in ("decode", "prefill") and _has_known_kv(spec, row):
            kinds[attention_kind(str(row["phase"]), row.get("precision", "fp16"))].append(row)
        elif "head_ms" in row and spec.is_profiled:
            kinds[f"head {row['precision']}"].append(row)
        elif "precision" in row and "ms" in row:
            kinds["chat"].append(row)
    return kinds


def _has_known_kv(spec: DeviceSpec, row: Row) -> bool:
    """Whether the keys and values of a row of attention are in a precision whose times are ever asked for."""
    return spec.is_profiled or row.get("precision", "fp16") == "fp16"


def attention_kind(phase: str, precision: str) -> str:
    """What a fit of attention is called: "decode attention" with KV in fp16, "decode attention fp32" otherwise."""
    return f"{phase} attention" if precision == "fp16" else f"{phase} attention {precision}"


def fit_rows(spec: DeviceSpec, rows: Iterable[Row]) -> DeviceFit:
    """Parameters of a device from measured rows alone; kinds with fewer than MIN_ROWS rows are not fitted."""
    kinds = {kind: group for kind, group in _by_kind(spec, rows).items() if len(group) >= MIN_ROWS}
    gemm, layer, head, residual, errors = {}, {}, {}, {}, {}
    decode, prefill = {}, {}
    for p in eff.ALL_PRECISIONS if spec.is_profiled else eff.PRECISIONS:
        if p in eff.DEFAULT_GEMM and (group := kinds.get(what := f"gemm {p}")):
            gemm[p], errors[what] = _fit_gemm(spec, p, group)
        if group := kinds.get(what := f"layer {p}"):
            layer[p], residual[what], errors[what] = _fit_layer(spec, p, group)
        if group := kinds.get(what := attention_kind("decode", p)):
            decode[p], errors[what] = _fit_decode_attention(spec, p, group)
        if group := kinds.get(what := attention_kind("prefill", p)):
            prefill[p], errors[what] = _fit_prefill_attention(spec, group)
        if group := kinds.get(what := f"head {p}"):
            head[p], residual[what], errors[what] = _fit_head(spec, p, group)
    known = {what: one for what, one in residual.items() if one is not None}
    fit = DeviceFit(gemm, layer, decode, prefill, head, known, errors)
    return _fit_chat(spec, fit, kinds.get("chat", []))


def device_name(row: Row) -> str:
    """The device of a measured row under its name in devices.csv."""
    name = str(row["device"])
    return DEVICE_ALIASES.get(name, name)


def _sheet(rows: Sequence[Row]) -> DeviceSpec:
    """The row of devices.csv for the one device of the rows."""
    names = sorted({device_name(row) for row in rows if "device" in row})
    if len(names) != 1:
        raise ValueError(f"rows: expected rows of one device, got {names or 'none with a device column'}")
    try:
        return device(names[0])
    except ValueError as error:
        raise ValueError(f"{error}; a device outside it needs its data sheet: fit_device(rows, spec)") from None


def fit_device(rows: Any, spec: DeviceSpec | None = None) -> DeviceSpec:
    """The device of `rows` with efficiencies fitted on them; `.fit.errors` has the mean error of each fit in percent.

    rows: the columns of measured/*.csv (products, layers, attention, whole decode steps, in any mix, more columns do no harm) of
    one device, as mappings, a DataFrame, a structured array or columns by name; numbers may be strings, blank cells are
    left out, shards of tensor parallelism (tp > 1) too. spec: its data sheet, by default the row of devices.csv. What the
    rows leave out keeps the defaults of COSTS 3.3 and 3.3b. With a data sheet bf16 rows count as fp16, fp32 rows are
    left out, and so is attention with KV in less than 16 bits. Raises ValueError on rows of several devices, unknown devices,
    missing columns, cells that are no positive numbers (`gated` and `kv_prior` may be 0), or fewer than 4 rows of every kind.
    """
    records = records_of(rows)
    spec = _sheet(records) if spec is None else spec
    try:
        fit = fit_rows(spec, records)
    except KeyError as error:
        raise ValueError(f"rows: a row lacks the column {error}") from None
    if not fit.errors:
        raise ValueError(f"rows: nothing to fit in {len(records)}; {NEEDED}")
    return replace(spec, fit=fit)
