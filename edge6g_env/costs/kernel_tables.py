"""The cost model as arrays for the compiled kernel: devices x variants, a variant being a model at a precision."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from edge6g_env._jit import njit
from edge6g_env.costs import energy, memory, parts, shapes
from edge6g_env.costs.checks import check_precision
from edge6g_env.costs.efficiency import ALL_PRECISIONS
from edge6g_env.costs.formulas import attention_decode_s, attention_prefill_s
from edge6g_env.costs.parts import Parts
from edge6g_env.costs.quality import quality
from edge6g_env.costs.specs import DeviceSpec, ModelSpec
from edge6g_env.costs.tables import device, model
from edge6g_env.costs.times import resolved_parts

POINTS_PER_OCTAVE = 16
OCTAVES = 15
TOKEN_GRID = 2.0 ** (np.arange(OCTAVES * POINTS_PER_OCTAVE + 1) / POINTS_PER_OCTAVE)  # (G,) tokens, 1 to 32768
TOKEN_GRID.setflags(write=False)
_LAST_CELL = TOKEN_GRID.size - 2

# The cut of a variant is sent at 16 bits or at 8: int8 per token is about lossless at one cut (COSTS 6).
BOUNDARY_PRECISION = {p: "fp16" if p in ("fp32", "bf16", "fp16") else "int8" for p in ALL_PRECISIONS}

__all__ = ["TOKEN_GRID", "CostTables", "attention_decode_s", "attention_prefill_s", "kernel_tables", "tokens_lookup"]


class CostTables(NamedTuple):
    """D devices, V variants, G points of TOKEN_GRID; float64 unless said otherwise."""

    layer_s: np.ndarray  # (D, V, G) s, one layer without attention (parts.table_times)
    attention_decode: np.ndarray  # (D, V, 3) row of attention_decode_s: s per context token, fixed s, sharpness
    attention_prefill: (
        np.ndarray
    )  # (D, V, 4) row of attention_prefill_s: s per token pair, ramp tokens, fixed s, sharpness
    head_s: np.ndarray  # (D, V, 2) s per iteration, s per produced token
    overhead_s: np.ndarray  # (D, 2) s per iteration, s per sequence: the engine's CPU
    peak: np.ndarray  # (D, V, 2) achievable FLOP/s and byte/s
    power_w: np.ndarray  # (D, 2) idle, full load
    busy_w: np.ndarray  # (D, 2) while a prompt is computed, while tokens are generated: mean over the variants
    usable_bytes: np.ndarray  # (D,) memory for weights, adapters and KV
    load_bytes_per_s: np.ndarray  # (D,) from disk to the accelerator
    layer_bytes: np.ndarray  # (V,) weights of one layer
    embedding_bytes: np.ndarray  # (V,) everything outside layers and head: embedding, norms, encoder
    head_bytes: np.ndarray  # (V,) output head, 0 if it is the embedding
    tail_bytes: np.ndarray  # (V,) what a part that has the last layer and not the first holds beside layers
    kv_bytes_per_token_layer: np.ndarray  # (V,) fp16; fp32 in fp32 models
    boundary_bytes_per_token: np.ndarray  # (V,) activations at a cut
    layers: np.ndarray  # (V,) int64
    params_per_layer: np.ndarray  # (V,)
    quality: np.ndarray  # (V,) 0..1


@njit
def tokens_lookup(row: np.ndarray, tokens: float) -> float:
    """Value at `tokens` of row (G,) on TOKEN_GRID: linear between points, clamped below 1, extrapolated above 32768."""
    x = max(tokens, 1.0)
    i = min(int(POINTS_PER_OCTAVE * np.log2(x)), _LAST_CELL)
    low = TOKEN_GRID[i]
    share = (x - low) / (TOKEN_GRID[i + 1] - low)
    return row[i] + share * (row[i + 1] - row[i])


# Environments of one process are made of the same devices and models: what those say is worked out once.
@lru_cache(maxsize=1024)
def _pair(spec: DeviceSpec, shape: ModelSpec, precision: str) -> tuple[Parts, np.ndarray]:
    """What the formulas need for a variant on a device, and its layer times (G,); only to be read."""
    resolved = resolved_parts(shape, spec, precision)
    return resolved, parts.table_times(resolved, TOKEN_GRID)


_busy_w = lru_cache(maxsize=1024)(energy.busy_w)


def _pair_tables(specs: Sequence[DeviceSpec], variants: Sequence[tuple[ModelSpec, str]]) -> dict[str, np.ndarray]:
    """The arrays that depend on device and variant."""
    d, v = len(specs), len(variants)
    out = {
        "layer_s": np.empty((d, v, TOKEN_GRID.size)),
        "attention_decode": np.empty((d, v, 3)),
        "attention_prefill": np.empty((d, v, 4)),
        "head_s": np.empty((d, v, 2)),
        "peak": np.empty((d, v, 2)),
    }
    for i, spec in enumerate(specs):
        for j, (shape, precision) in enumerate(variants):
            resolved, out["layer_s"][i, j] = _pair(spec, shape, precision)
            out["attention_decode"][i, j] = resolved.attention_decode
            out["attention_prefill"][i, j] = resolved.attention_prefill
            out["head_s"][i, j] = resolved.head_s
            out["peak"][i, j] = resolved.rates.flops_per_s, resolved.rates.bytes_per_s
    return out


def _device_tables(specs: Sequence[DeviceSpec], variants: Sequence[tuple[ModelSpec, str]]) -> dict[str, np.ndarray]:
    return {
        "busy_w": np.array([np.mean([_busy_w(m, spec, p) for m, p in variants], axis=0) for spec in specs]),
        "overhead_s": np.array([parts.overhead_row(spec) for spec in specs]),
        "power_w": np.array([(spec.idle_w, spec.tdp_w) for spec in specs]),
        "usable_bytes": np.array([memory.usable_bytes(spec) for spec in specs]),
        "load_bytes_per_s": np.array([memory.load_bytes_per_s(spec) for spec in specs]),
    }


def _variant_tables(variants: Sequence[tuple[ModelSpec, str]], beside: Iterable[ModelSpec]) -> dict[str, np.ndarray]:
    layer = np.array([shapes.stored_layer_bytes(m, p) for m, p in variants])
    head = np.array([0.0 if m.tied_embeddings else shapes.stored_head_bytes(m, p) for m, p in variants])
    total = np.array([shapes.stored_bytes(m, p) for m, p in variants])
    layers = np.array([m.layers for m, _ in variants], dtype=np.int64)
    return {
        "layer_bytes": layer,
        "embedding_bytes": total - head - layers * layer,
        "head_bytes": head,
        "tail_bytes": np.array([shapes.tail_bytes(m, p) for m, p in variants]),
        "kv_bytes_per_token_layer": np.array([memory.kv_token_bytes(m, p) / m.layers for m, p in variants]),
        "boundary_bytes_per_token": np.array(
            [memory.boundary_token_bytes(m, BOUNDARY_PRECISION[p]) for m, p in variants]
        ),
        "layers": layers,
        "params_per_layer": np.array([m.params_per_layer for m, _ in variants], dtype=np.float64),
        "quality": np.array([quality(m, p, beside=beside) for m, p in variants]),
    }


def kernel_tables(
    devices: Sequence[str | DeviceSpec],
    variants: Sequence[tuple[str | ModelSpec, str]],
    beside: Sequence[ModelSpec] = (),
) -> CostTables:
    """Tables of every device with every variant (model, precision), in the order given; beside: models that count among those
    known where quality is relative to the best.

    Raises ValueError for an empty list, an unknown device, model or precision, or a variant without a quality row.
    """
    if not devices or not variants:
        raise ValueError(f"devices and variants must not be empty, got {len(devices)} and {len(variants)}")
    specs = [device(name) for name in devices]
    pairs = [(model(name), check_precision(precision)) for name, precision in variants]
    return CostTables(**_pair_tables(specs, pairs), **_device_tables(specs, pairs), **_variant_tables(pairs, beside))
