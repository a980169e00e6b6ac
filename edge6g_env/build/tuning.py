"""What fine-tuning takes: bytes and seconds of a step of each service with its model, worked out once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edge6g_env import costs
from edge6g_env.kernel.fields import DTYPES
from edge6g_env.scenario import Scenario
from edge6g_env.scenario_services import FinetuneService


def _tuned(scenario: Scenario) -> Iterator[tuple[int, FinetuneService, int, str]]:
    """(number of a service, the service, number of a variant of its model, its precision)."""
    for s, service in enumerate(scenario.service):
        if isinstance(service, FinetuneService):
            own = [(v, p) for v, (weights, p) in enumerate(scenario.variants) if weights == service.model]
            yield from ((s, service, *variant) for variant in own)


def sizes(scenario: Scenario) -> np.recarray:
    """TUNING (S, V)"""
    out = np.zeros((len(scenario.service), len(scenario.variants)), DTYPES["tuning"])
    for s, service, v, precision in _tuned(scenario):
        row, model, tokens = out[s, v], scenario.model_spec(service.model), service.tokens_a_step
        row["adapter_bytes"] = costs.adapter_bytes(model, service.lora_rank, service.lora_targets, layers=1)
        row["state_bytes"], row["step_bytes"] = costs.training_state_bytes(model, tokens, **service.training)
        row["head_bytes"] = costs.training_head_bytes(model, tokens, precision)
    return out.view(np.recarray)


def times(scenario: Scenario) -> np.ndarray:
    """Time in s of a step, float64 (S, D, V, 3): forward through a layer, backward through it, the head with its loss both ways."""
    out = np.zeros((len(scenario.service), len(scenario.devices), len(scenario.variants), 3))
    for s, service, v, precision in _tuned(scenario):
        for d, device in enumerate(scenario.devices):
            pair = scenario.model_spec(service.model), scenario.device_spec(device)
            step = (*pair, service.step_tokens, service.step_sequences, precision)
            out[s, d, v] = costs.training_pass_s(*step, **service.training)
    return out
