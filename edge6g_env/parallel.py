"""PettingZoo's parallel API: dicts by agent <-> the arrays of one world."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from operator import index
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv

from edge6g_env._last_step import LastStep
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
        self.metadata = {"name": self.scenario.id, "is_parallelizable": True, **self._renderer.metadata}
        self.agents: list[str] = []
        with_candidates = self.batch.observe == "candidates"
        self.observation_spaces = {agent: self.layout.agent_space(with_candidates) for agent in self.possible_agents}
        self._num_actions, self._nobody = self.layout.num_actions, dict.fromkeys(self.possible_agents, False)
        self.action_spaces = {agent: spaces.Discrete(self._num_actions) for agent in self.possible_agents}
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

        Infos of an agent: `decision`, `job`, `action_effect` int, `slots` int (slots that the step took), `reward_terms` and
        `costs` float32. Raises ValueError for a missing, unknown or malformed action and leaves the world as it was,
        RuntimeError when no episode is running.
        """
        if not self.agents:
            raise RuntimeError("the episode has ended or none was started: call reset before step")
        last = self._advance(self._chosen(actions))
        agents = self.possible_agents
        if not self._running:
            self.agents = []
        return (
            self._by_agent(self._observations()),
            dict(zip(agents, last.rewards[0].tolist(), strict=True)),
            self._nobody.copy(),
            self._nobody.copy() if self._running else dict.fromkeys(agents, True),
            self._infos(last),
        )

    def checked_action(self, agent: str, action: Any) -> int:
        """The action as an int; ValueError that names the agent and the range if it is none of its actions."""
        try:
            c = index(action)
        except TypeError:
            c = -1
        if not 0 <= c < self._num_actions:
            raise ValueError(f"action of {agent} is {action!r}: it must be an integer in 0..{self._num_actions - 1}")
        return c

    def load_state(self, state: dict[str, Any]) -> None:
        """Put the world back to a saved state; ValueError, and nothing changed, if it does not fit."""
        super().load_state(state)
        self.agents = self.possible_agents[:] if self._running else []

    def _chosen(self, actions: Mapping[str, int]) -> Sequence[int]:
        """Action of each agent, checked, from actions in any order of agents."""
        if not isinstance(actions, Mapping):
            raise ValueError(f"actions are {type(actions).__name__}: step needs a dict with one of each agent")
        if actions.keys() != self._index.keys():
            missing = [agent for agent in self.possible_agents if agent not in actions]
            unknown = [agent for agent in actions if agent not in self._index]
            what = f"no action of {missing[0]}" if missing else f"an action of an unknown agent, {unknown[0]!r}"
            raise ValueError(f"{what}: step needs one of each of {', '.join(self.possible_agents)}")
        given = [actions[agent] for agent in self.possible_agents]
        try:
            chosen = array("Q", given)  # integers of any type, none below 0
            if max(chosen) < self._num_actions:
                return chosen
        except (TypeError, OverflowError):
            pass
        return [self.checked_action(agent, action) for agent, action in zip(self.possible_agents, given, strict=True)]

    def _by_agent(self, obs: Observation) -> dict[str, AgentObservation]:
        """Of each agent its rows of arrays (N, ...)."""
        if "candidates" in obs:
            rows = zip(self.possible_agents, obs["observation"], obs["action_mask"], obs["candidates"], strict=True)
            return {agent: {"observation": o, "action_mask": m, "candidates": c} for agent, o, m, c in rows}
        pairs = zip(self.possible_agents, obs["observation"], obs["action_mask"], strict=True)
        return {agent: {"observation": o, "action_mask": m} for agent, o, m in pairs}

    def _infos(self, last: LastStep) -> dict[str, dict[str, Any]]:
        slots = last.slots.item(0)
        rows = zip(
            self.possible_agents,
            last.job[0].tolist(),
            last.effect[0].tolist(),
            last.terms[0].astype(np.float32),
            last.costs[0].astype(np.float32),
            strict=True,
        )
        return {
            agent: {
                "decision": int(job >= 0),
                "job": job,
                "action_effect": effect,
                "slots": slots,
                "reward_terms": terms,
                "costs": costs,
            }
            for agent, job, effect, terms, costs in rows
        }


def parallel_env(scenario: str | Path | Scenario = "campus", **options: Any) -> Edge6gParallelEnv:
    """PettingZoo `ParallelEnv` of a scenario; options (observe, skip_idle, debug) and overrides as in BatchEnv, and render_mode."""
    return Edge6gParallelEnv(scenario, **options)
