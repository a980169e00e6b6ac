"""The closed forms of a fine-tuning job for other models, precisions, adapters and ways to keep activations than those of test_finetune."""

from __future__ import annotations

from typing import NamedTuple

import pytest

import edge6g_env
from edge6g_env import costs
from edge6g_env.costs.kernel_tables import BOUNDARY_PRECISION
from edge6g_env.spaces import cut_layer
from tests.kernel.test_finetune import TUNED
from tests.kernel.test_unloaded import DOWN, DOWN_S, NODE, UP, UP_S, WORLD

DEVICE = "jetson-agx-orin-64g"


class Case(NamedTuple):
    """What is tuned, and how."""

    model: str
    precision: str
    rank: int
    targets: str
    checkpointing: bool
    privacy: str
    share: float


CASES = [
    Case("llama-3.1-8b", "int4", 8, "all-linear", True, "open", 0.25),
    Case("llama-3.1-8b", "fp16", 64, "q,k,v,o", False, "device", 0.25),
    Case("qwen2.5-0.5b", "int4", 4, "q", False, "device", 0.5),
    Case("qwen2.5-7b", "int8", 32, "gate,up,down", True, "open", 0.5),
    Case("llama-3.2-1b", "fp16", 8, "all-linear", False, "open", 1.0),
    Case("qwen2.5-1.5b", "int4", 16, "q,v", False, "open", 0.0),
    Case("mistral-7b-v0.1", "int4", 16, "all-linear", True, "device", 0.5),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_time_and_bytes(case):
    """Setup and steps, one participant, within a per cent; bytes to the byte; candidates within three per cent."""
    steps, shape = 5, (384.0, 3.0)
    n, total = shape[0] * shape[1], costs.model(case.model).layers
    k = cut_layer(case.share, total)
    service = {
        **TUNED,
        "model": case.model,
        "privacy": case.privacy,
        "step_tokens": 384,
        "step_sequences": 3,
        "steps": steps,
        "lora_rank": case.rank,
        "lora_targets": case.targets,
        "checkpointing": case.checkpointing,
        "payload_bytes": 0.0,
    }
    options = {**WORLD, "ues.device": DEVICE, "actions.device_split": [0.0, 0.25, 0.5, 1.0]}
    options["time"] = {"warmup_s": 0.0, "drain_s": TUNED["expire_s"], "episode_s": 3700.0}
    scenario = edge6g_env.load_scenario("tiny", service=[service], **options)
    name = f"local{f', {case.share:g} on the device' if case.share else ''}, {case.precision}"
    found = edge6g_env.lone_job(scenario, name)

    def t(device, layers):
        how = {"rank": case.rank, "targets": case.targets, "checkpointing": case.checkpointing, "layers": layers}
        return float(costs.training_step_s(case.model, device, *shape, case.precision, **how))

    cut_bytes = float(costs.boundary_bytes(case.model, n, BOUNDARY_PRECISION[case.precision]))
    adapter = float(costs.adapter_bytes(case.model, case.rank, case.targets, layers=k)) if k else 0.0
    setup_s, air_bytes, step_bytes = DOWN_S + 8.0 * adapter / DOWN, adapter, 0.0
    if k == 0:
        air_bytes = 4.0 * n * steps
        setup_s, step_s = UP_S + 8.0 * air_bytes / UP, t(NODE, None)
    elif k == total:
        step_s = t(DEVICE, None)
    elif case.privacy == "device":
        step_bytes = 4.0 * cut_bytes
        step_s = t(DEVICE, k) + t(DEVICE, None) - t(DEVICE, total) + t(NODE, total) - t(NODE, k)
        step_s += 2.0 * (UP_S + 8.0 * cut_bytes / UP) + 2.0 * (DOWN_S + 8.0 * cut_bytes / DOWN)
    else:
        step_bytes = 2.0 * cut_bytes + 4.0 * n
        step_s = t(DEVICE, k) + UP_S + 8.0 * (cut_bytes + 4.0 * n) / UP + t(NODE, None) - t(NODE, k)
        step_s += DOWN_S + 8.0 * cut_bytes / DOWN
    assert found.outcome["end_s"] - found.decided_s == pytest.approx(setup_s + steps * step_s, rel=0.01)
    assert found.outcome["air_bytes"] == pytest.approx(air_bytes + steps * step_bytes, abs=0.5)
    assert found.predicted["tpot_s"] == pytest.approx(step_s, rel=0.03)
    assert found.predicted["energy_j"] == pytest.approx(found.outcome["energy_j"], rel=0.03)
    assert found.predicted["price_musd"] == pytest.approx(1e3 * found.outcome["price_usd"], rel=0.03)
