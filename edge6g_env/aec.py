"""PettingZoo's AEC API, over the parallel one: agents act in turn, the world moves when the last one has."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from pettingzoo.utils import OrderEnforcingWrapper
from pettingzoo.utils.conversions import parallel_to_aec_wrapper

from edge6g_env.parallel import AgentObservation, Edge6gParallelEnv
from edge6g_env.scenario import Scenario

_BOOKKEEPING = (
    "agents",
    "agent_selection",
    "terminations",
    "truncations",
    "rewards",
    "infos",
    "_observations",
    "_live_agents",
    "_actions",
    "_agent_selector",
    "_cumulative_rewards",
    "_skip_agent_selection",
)


class Edge6gAECEnv(parallel_to_aec_wrapper):
    """The parallel environment in turns; what else it has (outcomes, counters, names) is found here under its name."""

    env: Edge6gParallelEnv

    def __getattr__(self, name: str) -> Any:
        if name == "env" or name.startswith("_") or name in _BOOKKEEPING:
            raise AttributeError(f"{type(self).__name__} has no {name} (before reset)")
        return getattr(self.env, name)

    def observe(self, agent: str) -> AgentObservation:
        """A fresh copy of what the agent sees."""
        return {name: array.copy() for name, array in self._observations[agent].items()}

    def step(self, action: int | None) -> None:
        """Take the action of the agent whose turn it is, None after its end; ValueError for another, no change."""
        agent = self.agent_selection
        ended = self.terminations[agent] or self.truncations[agent]
        if ended and action is not None:
            raise ValueError(f"the episode of {agent} has ended: its action must be None, it is {action!r}")
        super().step(None if ended else self.env.checked_action(agent, action))

    def save_state(self) -> dict[str, Any]:
        """An exact copy of the world and of whose turn it is: the parallel environment's state, and `turns`."""
        kept = {name: self.__dict__[name] for name in _BOOKKEEPING if name in self.__dict__}
        return {**self.env.save_state(), "turns": copy.deepcopy(kept)}

    def load_state(self, state: dict[str, Any]) -> None:
        """Put the world back to a saved state; ValueError, and nothing changed, if it does not fit."""
        if "turns" not in state:
            raise ValueError("the saved state does not fit: it is not of an AEC environment")
        self.env.load_state(state)
        for name in _BOOKKEEPING:
            self.__dict__.pop(name, None)
        self.__dict__.update(copy.deepcopy(state["turns"]))


class _Ordered(OrderEnforcingWrapper):
    """PettingZoo's wrapper against calls before reset, for which a loaded state counts as a reset."""

    def load_state(self, state: dict[str, Any]) -> None:
        """Put the world back to a saved state; ValueError, and nothing changed, if it does not fit."""
        self.env.load_state(state)
        self._has_reset = self._has_updated = bool(state["started"])

    def __str__(self) -> str:
        return str(self.env)


def raw_env(scenario: str | Path | Scenario = "campus", **options: Any) -> Edge6gAECEnv:
    """PettingZoo `AECEnv` of a scenario without PettingZoo's order check."""
    return Edge6gAECEnv(Edge6gParallelEnv(scenario, **options))


def env(scenario: str | Path | Scenario = "campus", **options: Any) -> OrderEnforcingWrapper:
    """PettingZoo `AECEnv` of a scenario; options (observe, skip_idle, debug) and overrides as in BatchEnv, and render_mode."""
    return _Ordered(raw_env(scenario, **options))
