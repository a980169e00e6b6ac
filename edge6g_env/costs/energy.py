"""Energy of a step from how busy compute units and memory are (COSTS 9)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from edge6g_env._arrays import require_within
from edge6g_env.costs import parts, shapes
from edge6g_env.costs.checks import Floats
from edge6g_env.costs.specs import DeviceSpec, ModelSpec
from edge6g_env.costs.tables import device as device_spec
from edge6g_env.costs.tables import model as model_spec
from edge6g_env.costs.times import broadcast, resolved_parts

COMPUTE_SHARE, MEMORY_SHARE = 0.65, 0.45  # judgement: share of the range between idle and TDP

# Where the kernel takes a device's power: Sarathi-Serve's chunk; a batch and a context in the middle of the shipped traces (judgement).
CHUNK_TOKENS, DECODE_BATCH, CONTEXT_TOKENS = 512.0, 8.0, 1000.0


def _work(
    spec: ModelSpec, precision: str, new: Floats, context: Floats, batch: Floats, elements: float
) -> tuple[Floats, Floats]:
    """FLOPs and bytes of one iteration of the whole model; new and context tokens are those of each sequence."""
    tokens = new * batch
    head_flops = 2.0 * spec.vocab * spec.hidden * batch
    layer_flops = shapes.linear_flops(spec, tokens) + batch * shapes.attention_flops(spec, new, context)
    layer_bytes = (
        shapes.read_layer_bytes(spec, precision, tokens)
        + 2.0 * elements * tokens
        + shapes.layer_kv_bytes(spec, batch * (context + new), precision)
    )
    return (
        spec.layers * layer_flops + head_flops,
        spec.layers * layer_bytes + shapes.stored_head_bytes(spec, precision),
    )


def _time_and_energy(
    spec: ModelSpec, target: DeviceSpec, precision: str, total: Floats, context: Floats, sequences: Floats
) -> tuple[Floats, Floats]:
    """Seconds and joules of one iteration of the whole model. Arrays of one shape."""
    resolved = resolved_parts(spec, target, precision)
    new = total / sequences
    layer_s = parts.layer_times(resolved, total) + parts.attention_times(resolved, new, context, sequences)
    time_s = spec.layers * layer_s + parts.step_extras_s(resolved, sequences)
    flops, moved = _work(spec, precision, new, context, sequences, resolved.shape.elementwise)
    busy_s = COMPUTE_SHARE * flops / resolved.rates.flops_per_s + MEMORY_SHARE * moved / resolved.rates.bytes_per_s
    return time_s, target.idle_w * time_s + (target.tdp_w - target.idle_w) * np.minimum(busy_s, time_s)


def busy_w(spec: ModelSpec, target: DeviceSpec, precision: str) -> tuple[float, float]:
    """Power in W while a prompt is computed and while tokens are generated, at a chunk and a batch of usual size."""
    one = np.ones(1)
    prefill_s, prefill_j = _time_and_energy(spec, target, precision, CHUNK_TOKENS * one, 0.0 * one, one)
    batch = DECODE_BATCH * one
    decode_s, decode_j = _time_and_energy(spec, target, precision, batch, CONTEXT_TOKENS * one, batch)
    return float(prefill_j[0] / prefill_s[0]), float(decode_j[0] / decode_s[0])


def step_energy_j(
    model: str | ModelSpec,
    device: str | DeviceSpec,
    tokens: ArrayLike,
    context_tokens: ArrayLike,
    batch: ArrayLike = 1.0,
    precision: str = "fp16",
) -> Floats:
    """Energy of one iteration of the whole model in J; float64, shape of the broadcast inputs.

    tokens: new tokens of all sequences together, >= batch; equal to batch in a decode step. context_tokens: cached
    tokens of each sequence, >= 0. batch: sequences, >= 1. Power is idle + (tdp - idle) min(1, 0.65 u_compute + 0.45
    u_memory), the two busy shares against achievable rates. Raises ValueError outside the ranges and on unknown names.
    Source: COSTS 9.
    """
    spec, target = model_spec(model), device_spec(device)
    total, context, sequences = broadcast(
        require_within("tokens", tokens, 1.0),
        require_within("context_tokens", context_tokens, 0.0),
        require_within("batch", batch, 1.0),
    )
    if np.any(total < sequences):
        raise ValueError("tokens is out of range: at least batch, since it counts the new tokens of all sequences")
    return _time_and_energy(spec, target, precision, total, context, sequences)[1]
