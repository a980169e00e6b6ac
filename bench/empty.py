"""A PettingZoo environment in which nothing happens: fresh dicts and arrays of each agent, and no more."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv

ENTRIES, ACTIONS = 64, 100


class Empty(ParallelEnv[str, dict[str, np.ndarray], int]):
    """Observations of zeros with a mask, rewards 0, no end."""

    def __init__(self, agents: int) -> None:
        self.metadata = {"name": "empty", "render_modes": []}
        self.render_mode = None
        self.possible_agents = [f"agent_{i}" for i in range(agents)]
        self.agents = list(self.possible_agents)
        box = spaces.Box(0.0, 1.0, (ENTRIES,), np.float32)
        mask = spaces.Box(0, 1, (ACTIONS,), np.int8)
        self.observation_spaces = dict.fromkeys(
            self.possible_agents, spaces.Dict({"observation": box, "action_mask": mask})
        )
        self.action_spaces = {agent: spaces.Discrete(ACTIONS) for agent in self.possible_agents}

    def _observations(self) -> dict[str, dict[str, np.ndarray]]:
        return {
            agent: {"observation": np.zeros(ENTRIES, np.float32), "action_mask": np.ones(ACTIONS, np.int8)}
            for agent in self.agents
        }

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        """Zeros."""
        return self._observations(), {agent: {} for agent in self.agents}

    def step(self, actions: dict[str, int]) -> tuple[Any, Any, Any, Any, Any]:
        """Zeros again."""
        agents = self.agents
        return (
            self._observations(),
            dict.fromkeys(agents, 0.0),
            dict.fromkeys(agents, False),
            dict.fromkeys(agents, False),
            {agent: {} for agent in agents},
        )
