"""Rule `greedy`."""

from __future__ import annotations

import numpy as np

from agents.policy import Observation, register
from edge6g_env.compiled import CompiledPolicy
from edge6g_env.spaces import Layout


@register("greedy")
class Greedy:
    """The legal candidate with the highest utility by the cost model, `reject` included; ties to the lowest row."""

    privileged = False
    needs_candidates = True

    def __init__(self, layout: Layout) -> None:
        self.compiled = CompiledPolicy(layout)

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """Deterministic; see Policy.act."""
        return self.compiled.act(obs)
