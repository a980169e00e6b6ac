"""PettingZoo's parallel API: dicts by agent <-> the arrays of one world."""

from __future__ import annotations

from collections.abc import Mapping
from operator import index
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv

from edge6g_env.batch import Observation
from edge6g_env.scenario import Scenario
from edge6g_env.single import SingleWorld
from edge6g_env.views import Seeded

AgentObservation = dict[str, np.ndarray]


class Edge6gParallelEnv(SingleWorld, Seeded, ParallelEnv):
    """Every node an agent, `node_0`, `node_1` and so on; all act in every step and live to the end of the episode.

    An agent observes a dict of `observation` float32 (D,), `action_mask` int8 (C,) and, with observe="candidates",
    `candidates` float32 (C, F); its action is a row of `action_table`. Episodes end by truncation.
    """

    def __init__(self, scenario: str | Path | Scenario = "campus", **options: Any) -> None:
        super().__init__(scenario, **options)
        self.metadata = {"name": self.scenario.id, "render_modes": [], "is_parallelizable": True}
        self.agents: list[str] = []
        with_candidates = self.batch.observe == "candidates"
        self.observation_spaces = {agent: self.layout.agent_space(with_candidates) for agent in self.possible_agents}
        self.action_spaces = {agent: spaces.Discrete(self.layout.num_actions) for agent in self.possible_agents}
        self.state_space = self.layout.state_space

    def observation_space(self, agent: str) -> spaces.Dict:
        """Space of an agent's observation: an object of its own, the same in each call."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Discrete:
        """Space of an agent's action, Discrete(C): an object of its own, the same in each call."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, AgentObservation], dict[str, dict[str, Any]]]:
        """Start the first episode of `seed`, or the next one; `options` has no meaning here, the infos are empty."""
        obs = self._restart(seed)
        if seed is not None:
            self.seed_np_random(int(seed))
        self.agents = self.possible_agents[:]
        return self._by_agent(obs), {agent: {} for agent in self.agents}

    def step(
        self, actions: Mapping[str, int]
    ) -> tuple[
        dict[str, AgentObservation], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]
    ]:
        """One step of all agents.

        Infos of an agent: `decision`, `action_effect` int, `slots` int (slots that the step took), `reward_terms` and
        `costs` float32. Raises ValueError for a missing, unknown or malformed action and leaves the world as it was,
        RuntimeError when no episode is running.
        """
        if not self.agents:
            raise RuntimeError("the episode has ended or none was started: call reset before step")
        obs, rewards, ended, info = self._advance(self._joint(actions))
        agents = self.possible_agents
        if ended:
            self.agents = []
        return (
            self._by_agent(obs),
            dict(zip(agents, rewards.tolist(), strict=True)),
            dict.fromkeys(agents, False),
            dict.fromkeys(agents, ended),
            self._infos(info),
        )

    def checked_action(self, agent: str, action: Any) -> int:
        """The action as an int; ValueError that names the agent and the range if it is none of its actions."""
        try:
            c = index(action)
        except TypeError:
            c = -1
        if not 0 <= c < self.layout.num_actions:
            last = self.layout.num_actions - 1
            raise ValueError(f"action of {agent} is {action!r}: it must be an integer in 0..{last}")
        return c

    def load_state(self, state: dict[str, Any]) -> None:
        """Put the world back to a saved state; ValueError, and nothing changed, if it does not fit."""
        super().load_state(state)
        self.agents = self.possible_agents[:] if self._running else []

    def _joint(self, actions: Mapping[str, int]) -> np.ndarray:
        """int64 (1, N) from actions in any order of agents."""
        if actions.keys() != self._index.keys():
            missing = [agent for agent in self.possible_agents if agent not in actions]
            unknown = [agent for agent in actions if agent not in self._index]
            what = f"no action of {missing[0]}" if missing else f"an action of an unknown agent, {unknown[0]!r}"
            raise ValueError(f"{what}: step needs one of each of {', '.join(self.possible_agents)}")
        try:
            row = np.array([actions[agent] for agent in self.possible_agents])
        except ValueError:  # of different shapes
            row = np.zeros(0)
        if row.ndim != 1 or row.dtype.kind not in "iu" or row.min() < 0 or row.max() >= self.layout.num_actions:
            row = np.array([self.checked_action(agent, actions[agent]) for agent in self.possible_agents])
        return row[None]

    def _by_agent(self, obs: Observation) -> dict[str, AgentObservation]:
        rows = zip(*obs.values(), strict=True)
        return {agent: dict(zip(obs, row, strict=True)) for agent, row in zip(self.possible_agents, rows, strict=True)}

    def _infos(self, info: dict[str, Any]) -> dict[str, dict[str, Any]]:
        slots = int(info["slots"][0])
        rows = zip(
            self.possible_agents,
            info["decision"][0].tolist(),
            info["action_effect"][0].tolist(),
            info["reward_terms"][0],
            info["costs"][0],
            strict=True,
        )
        return {
            agent: {"decision": decided, "action_effect": effect, "slots": slots, "reward_terms": terms, "costs": costs}
            for agent, decided, effect, terms, costs in rows
        }


def parallel_env(scenario: str | Path | Scenario = "campus", **options: Any) -> Edge6gParallelEnv:
    """PettingZoo `ParallelEnv` of a scenario; options (observe, skip_idle, debug) and overrides as in BatchEnv."""
    return Edge6gParallelEnv(scenario, **options)
