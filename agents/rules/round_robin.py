"""Rule `round-robin`."""

from __future__ import annotations

import numpy as np

from agents.policy import Observation, register
from agents.rules._rows import DefaultRows, waiting
from edge6g_env.kernel.codes import LOCAL
from edge6g_env.spaces import Layout


@register("round-robin")
class RoundRobin:
    """Each agent gives its jobs in turn to itself, its neighbours and the cloud."""

    privileged = False
    needs_candidates = False

    def __init__(self, layout: Layout) -> None:
        self._rows = DefaultRows(layout)
        self._places = layout.cloud_route + 1 - LOCAL
        self._num_agents = layout.scenario.nodes.count
        self.reset(1)

    def reset(self, num_worlds: int) -> None:
        """All agents of `num_worlds` worlds begin with themselves."""
        self._turn = np.zeros((num_worlds, self._num_agents), np.int64)

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """Moves the turn of each agent that decides. Raises ValueError for a batch that `reset` was not told of."""
        decides = waiting(obs)
        if decides.shape != self._turn.shape:
            raise ValueError(f"round-robin was reset for {len(self._turn)} worlds, the batch has {len(decides)}")
        actions = self._rows.choose(obs, LOCAL + self._turn % self._places)
        self._turn += decides
        return actions
