"""EdgeShard: a model cut over several edge devices is served where no single one can hold it, and faster where one can.

The paper's kind of place: Jetsons with a stronger machine behind a slow link. Dynamic programming chooses the layers of each device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from benchmarks.published.claims import Claim, show
from edge6g_env import costs
from edge6g_env.costs.memory import usable_bytes
from edge6g_env.costs.shapes import stored_layer_bytes

WORK = "EdgeShard"
EDGE, CLOUD = "jetson-agx-orin-64g", "rtx-4090"
DEVICES = (EDGE,) * 6 + (CLOUD,)
CONTEXT_TOKENS = 512.0
RATE_BIT_S, DELAY_S = 50e6, 0.002  # between any two devices; the paper's 50 Mbit/s


class Plan(NamedTuple):
    """Layers of each device in order; time of a token through all, and of the slowest stage."""

    layers: tuple[int, ...]
    token_s: float
    stage_s: float


@cache
def _layer_s(model: str, device: str) -> float:
    return float(costs.layer_time_s(model, device, 1) + costs.attention_time_s(model, device, 1, CONTEXT_TOKENS))


def _hop_s(model: str) -> float:
    return DELAY_S + 8.0 * float(costs.boundary_bytes(model, 1)) / RATE_BIT_S


def _room(model: str, device: str) -> int:
    """Layers with their KV that a device holds; embedding and head of a part are left to the first and last device."""
    spec = costs.model(model)
    kept = float(costs.kv_bytes(spec, CONTEXT_TOKENS)) / spec.layers
    both = costs.memory_bytes(spec) - spec.layers * stored_layer_bytes(spec, "fp16")
    return max(0, int((usable_bytes(costs.device(device)) - both) / (stored_layer_bytes(spec, "fp16") + kept)))


def plan_of(model: str, devices: Sequence[str], layers: Sequence[int]) -> Plan:
    """Time of a token for given layers of each device; infinite if a device cannot hold its own."""
    if any(n > _room(model, d) for n, d in zip(layers, devices, strict=True)):
        return Plan(tuple(layers), math.inf, math.inf)
    stages = [n * _layer_s(model, d) for n, d in zip(layers, devices, strict=True) if n > 0]
    hops_s = _hop_s(model) * len(stages) if len(stages) > 1 else 0.0  # and the token id back
    return Plan(tuple(layers), sum(stages) + hops_s, max(stages) + (_hop_s(model) if len(stages) > 1 else 0.0))


def fastest(model: str, devices: Sequence[str], throughput: bool = False) -> Plan:
    """The partition with the least time of a token (or of its slowest stage), by dynamic programming over devices."""
    total = costs.model(model).layers
    best: dict[int, tuple[int, ...]] = {0: ()}
    for i, device in enumerate(devices):
        following: dict[int, tuple[int, ...]] = {}
        for done, layers in best.items():
            for n in range(min(total - done, _room(model, device)) + 1):
                candidate = (*layers, n)
                rival = following.get(done + n)
                if rival is None or _key(model, devices[: i + 1], candidate, throughput) < _key(
                    model, devices[: i + 1], rival, throughput
                ):
                    following[done + n] = candidate
        best = following
    return plan_of(model, devices, best[total]) if total in best else Plan((), math.inf, math.inf)


def _key(model: str, devices: Sequence[str], layers: Sequence[int], throughput: bool) -> float:
    if not any(layers):
        return 0.0
    plan = plan_of(model, devices, layers)
    return plan.stage_s if throughput else plan.token_s


def claims() -> list[Claim]:
    """Memory, latency and throughput against one edge device, the cloud alone and an even split."""
    alone = {d: fastest("llama-2-70b", [d]).token_s for d in (EDGE, CLOUD)}
    shared = fastest("llama-2-70b", DEVICES)
    small = costs.model("llama-2-13b").layers
    solo = plan_of("llama-2-13b", [EDGE], [small])
    even = plan_of("llama-2-13b", [EDGE, CLOUD], [small // 2, small - small // 2])
    best, flow = fastest("llama-2-13b", DEVICES), fastest("llama-2-13b", DEVICES, throughput=True)
    saved = 1.0 - best.token_s / min(solo.token_s, even.token_s)
    more = min(solo.stage_s, even.stage_s) / flow.stage_s
    return [
        Claim(
            "llama-2-70b in fp16: one device, several",
            "out of memory, served",
            f"{'out of memory' if math.isinf(min(alone.values())) else 'served'}, {1e3 * shared.token_s:.0f} ms a token",
            math.isinf(min(alone.values())) and math.isfinite(shared.token_s),
        ),
        Claim(
            "llama-2-13b, time a token against the better of edge-only and even split",
            "up to -50 %",
            f"-{100 * saved:.0f} % ({1e3 * solo.token_s:.0f} and {1e3 * even.token_s:.0f} to {1e3 * best.token_s:.0f} ms)",
            saved > 0.0,
        ),
        Claim("llama-2-13b, tokens a second of the pipeline against them", "2 x", f"{more:.1f} x", more > 1.0),
        Claim(
            "llama-2-13b in the cloud alone (24 GB)",
            "out of memory",
            "out of memory" if math.isinf(fastest("llama-2-13b", [CLOUD]).token_s) else "served",
            math.isinf(fastest("llama-2-13b", [CLOUD]).token_s),
        ),
    ]


if __name__ == "__main__":
    show(WORK, claims())
