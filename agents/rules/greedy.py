"""Rule `greedy`."""

from __future__ import annotations

import numpy as np

from agents.policy import Observation, register
from agents.rules._rows import waiting
from edge6g_env.spaces import Layout


@register("greedy")
class Greedy:
    """The legal candidate with the highest utility by the cost model, `reject` included; ties to the lowest row."""

    privileged = False
    needs_candidates = True

    def __init__(self, layout: Layout) -> None:
        self._utility = layout.candidate_index("utility")

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """Deterministic; see Policy.act."""
        decides = waiting(obs)
        actions = np.zeros(decides.shape, np.int64)
        legal = obs["action_mask"][decides] == 1
        utility = obs["candidates"][decides, :, self._utility]
        actions[decides] = np.where(legal, utility, -np.inf).argmax(axis=-1)
        return actions
