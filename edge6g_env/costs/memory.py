"""Bytes of weights, KV cache and boundary activations, and the time to load them (COSTS 4 to 6)."""

from __future__ import annotations

from collections.abc import Callable

from numpy.typing import ArrayLike

from edge6g_env._arrays import require_within
from edge6g_env.costs import shapes
from edge6g_env.costs.checks import Floats, check_precision
from edge6g_env.costs.specs import DeviceSpec, ModelSpec
from edge6g_env.costs.tables import device, model, unknown

LOADER_START_S = 1.0  # judgement, inside 0.5..2: a tuned loader's fixed time
USABLE_SHARE, USABLE_SHARE_SHARED_MEMORY = 0.9, 0.6  # COSTS 4: the rest stays free

# hidden size -> bytes a token with scales: one fp16 scale a token for 8 bits, one a group below that (boundary.csv).
_BOUNDARY: dict[str, Callable[[float], float]] = {
    "fp32": lambda h: 4.0 * h,
    "bf16": lambda h: 2.0 * h,
    "fp16": lambda h: 2.0 * h,
    "fp8": lambda h: h + 2.0,
    "int8": lambda h: h + 2.0,
    "int8-wo": lambda h: h + 2.0,
    "int4": lambda h: h / 2.0 + 2.0 * h / 128.0,
    "int2": lambda h: h / 4.0 + 2.0 * h / 64.0,
}


def memory_bytes(model_name: str | ModelSpec, precision: str = "fp16") -> float:
    """Weight bytes of a whole model at a precision; embedding and head stay fp16 for int4. Source: COSTS 4, 5."""
    return shapes.stored_bytes(model(model_name), check_precision(precision))


def kv_token_bytes(spec: ModelSpec, precision: str) -> float:
    """Bytes of a token's keys and values in all layers of a model at a precision."""
    return spec.kv_bytes_per_token_fp16 * shapes.kv_bytes_over_fp16(precision)


def kv_bytes(model_name: str | ModelSpec, tokens: ArrayLike, precision: str = "fp16") -> Floats:
    """Bytes of the KV cache of `tokens` (>= 0) tokens in all layers, float64, shape of tokens. Source: COSTS 4.

    precision: that of the model; KV is fp16 in all but fp32, where it takes 4 bytes an element.
    """
    return kv_token_bytes(model(model_name), check_precision(precision)) * require_within("tokens", tokens, 0.0)


def boundary_token_bytes(spec: ModelSpec, precision: str) -> float:
    """Bytes that one token's activations take at a cut, scales included."""
    if precision not in _BOUNDARY:
        raise unknown("precision", precision, _BOUNDARY)
    return _BOUNDARY[precision](float(spec.hidden))


def boundary_bytes(model_name: str | ModelSpec, tokens: ArrayLike, precision: str = "fp16") -> Floats:
    """Bytes of the activations of `tokens` (>= 0) tokens at a cut, scales included, float64, shape of tokens.

    precision: that of the activations as sent: fp32; fp16, bf16; fp8, int8, int8-wo (8 bits, a scale a token); int4 (a scale for
    128 values); int2 (for 64). Source: COSTS 6, boundary.csv.
    """
    return boundary_token_bytes(model(model_name), precision) * require_within("tokens", tokens, 0.0)


def usable_bytes(spec: DeviceSpec, memory_gb: float | None = None) -> float:
    """Memory for weights, adapters and KV, bytes: 0.9 of it, 0.6 where the CPU shares it. Source: COSTS 4.

    memory_gb: in place of that of the data sheet.
    """
    share = USABLE_SHARE_SHARED_MEMORY if spec.shares_memory else USABLE_SHARE
    return share * (spec.mem_gb if memory_gb is None else memory_gb) * 1e9


def load_bytes_per_s(spec: DeviceSpec) -> float:
    """Rate from disk to the accelerator, byte/s: the slower of disk and host link."""
    links = [spec.disk_read_gbs] + ([] if spec.host_link_gbs is None else [spec.host_link_gbs])
    return min(links) * 1e9


def load_s(model_name: str | ModelSpec, device_name: str | DeviceSpec, precision: str = "fp16") -> float:
    """Time to load a model from disk, s: bytes / min(disk, host link) + 1.0 s (judgement, 0.5..2). Source: COSTS 4."""
    return memory_bytes(model_name, precision) / load_bytes_per_s(device(device_name)) + LOADER_START_S
