"""What the doors to one world share: they own a `BatchEnv` of one world and hand out fresh arrays, not its buffers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edge6g_env import _arguments
from edge6g_env._last_step import LastStep
from edge6g_env.batch import BatchEnv, Counters, Observation
from edge6g_env.errors import UserError
from edge6g_env.render.renderer import Renderer, check_mode
from edge6g_env.scenario import Scenario
from edge6g_env.views import Named

_NOBODY = np.zeros(1, bool)
_ONE_WORLD = (
    "this environment has one world; batch_env, sb3_vec_env (num_worlds) and gymnasium.make_vec (num_envs) have several"
)


class SingleWorld(Named):
    """One world of a scenario: its names, state, counters and outcomes, for the adapters to inherit."""

    def __init__(
        self,
        scenario: str | Path | Scenario = "campus",
        *,
        observe: str = "plain",
        skip_idle: bool = False,
        debug: bool = False,
        render_mode: str | None = None,
        **overrides: Any,
    ) -> None:
        """Options, overrides: those of BatchEnv; render_mode: "rgb_array" or "human" for `render`, ArgumentError for another."""
        check_mode(render_mode)
        _arguments.refuse_foreign(overrides, worlds=_ONE_WORLD)
        self.batch = BatchEnv(scenario, 1, observe=observe, skip_idle=skip_idle, debug=debug, **overrides)
        self._renderer = Renderer(self.batch, render_mode)
        self.render_mode: str | None = self._renderer.mode
        self.possible_agents = [f"node_{i}" for i in range(self.batch.num_agents)]
        self._index = {agent: i for i, agent in enumerate(self.possible_agents)}
        self._running = False  # between a reset and the end of its episode

    def _restart(self, seed: int | None) -> Observation:
        """Start an episode: the first of `seed`, or the next one. Fresh arrays (N, ...)."""
        seeds = np.array([-1 if seed is None else _arguments.one_seed(seed)])
        self.batch.restart(~_NOBODY, seeds, at_start=np.array([self._has_ended]))
        self._running = True
        return self._observations()

    def _advance(self, actions: Any) -> LastStep:
        """Step with actions (N,) that are checked: the door copies what it hands out from the views, see `_running` for the end."""
        self._renderer.keep()
        last = self.batch.advance(actions)
        self._running = not last.truncated.item(0)
        return last

    def _observations(self) -> Observation:
        """Fresh arrays (N, ...): the present observations, or the last ones of the episode that has ended."""
        last = self.batch.last_step
        shown = last.observations if self._running else last.final_observations
        return {name: array[0].copy() for name, array in shown.items()}

    @property
    def _has_ended(self) -> bool:
        """Whether the last observation is shown; the kernel has gone on to the next episode already."""
        return self.batch.started and not self._running

    def render(self) -> np.ndarray | None:
        """The world as a picture, uint8 (600, 800, 3), or None and a window shows it, as render_mode says; without one None and a warning.

        After the end of an episode it is the world of a step before. Raises RuntimeError before the first reset.
        """
        frames = self._renderer.render({0: self._has_ended})
        return frames[0] if frames else None

    def state(self) -> np.ndarray:
        """float32 (S,): the whole world, see state_names; after the end of an episode the observations in it are its last ones and
        the rest is of the episode to come."""
        state = self.batch.state()[0]
        if self._has_ended:
            last = self.batch.world.observation[1, 0].flatten()
            state[: len(last)] = last
        return state

    def outcomes(self, agent: str | None = None) -> np.ndarray:
        """Jobs that ended in the last step, of one agent or of all: rows of OUTCOME (docs/state.md)."""
        rows = self.batch.outcomes()
        return rows if agent is None else rows[rows["agent"] == self._agent_index(agent)]

    def counters(self) -> Counters:
        """The six counters of the episode, each int64 (1,)."""
        return self.batch.counters()

    def save_state(self) -> dict[str, Any]:
        """An exact copy of the world: a dict of arrays that np.savez takes without pickling."""
        return {**self.batch.save_state(), "running": np.array(self._running)}

    def load_state(self, state: dict[str, Any]) -> None:
        """Put the world back to a saved state; ValueError, and nothing changed, if it does not fit."""
        if "running" not in state:
            raise UserError("the saved state does not fit: it is not of one world")
        self.batch.load_state(state)
        self._renderer.forget()
        self._running = bool(state["running"])

    def close(self) -> None:
        """Close the window and end the threads, if there were any; the environment goes on to work, and closing twice is fine."""
        self._renderer.close()
        self.batch.close()

    def _agent_index(self, agent: str) -> int:
        if agent not in self._index:
            raise UserError(f"no agent {agent!r}: there are {self.possible_agents[0]} to {self.possible_agents[-1]}")
        return self._index[agent]
