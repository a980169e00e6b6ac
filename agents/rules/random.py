"""Rule `random`."""

from __future__ import annotations

import numpy as np

from agents.policy import Observation, register
from agents.rules._rows import waiting
from edge6g_env.kernel.codes import HOLD
from edge6g_env.spaces import Layout


@register("random")
class Random:
    """Any legal action with equal probability, `reject` among them; never `hold` while a job waits."""

    privileged = False
    needs_candidates = False
    worlds_at_a_time = 1  # its draws are by the world's seed alone

    def __init__(self, layout: Layout) -> None:
        """It needs to know nothing of the layout."""

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """One draw a waiting job; see Policy.act."""
        decides = waiting(obs)
        actions = np.zeros(decides.shape, np.int64)
        legal = obs["action_mask"][decides] == 1
        legal[:, HOLD] = False
        place = (rng.random(len(legal)) * legal.sum(axis=1)).astype(np.int64)
        actions[decides] = (legal.cumsum(axis=1) > place[:, None]).argmax(axis=1)
        return actions
