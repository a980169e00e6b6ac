"""What the doors to one world share: they own a `BatchEnv` of one world and hand out fresh arrays, not its buffers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edge6g_env.batch import BatchEnv, Counters, Observation
from edge6g_env.scenario import Scenario


class SingleWorld:
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
        """Options, overrides: those of BatchEnv; render_mode is there for makers that pass it, and must be None."""
        if render_mode is not None:
            raise ValueError(f"render_mode must be None, it is {render_mode!r}")
        if "num_worlds" in overrides:
            raise ValueError("num_worlds is of batch_env and sb3_vec_env: this environment has one world")
        self.render_mode: str | None = None
        self.batch = BatchEnv(scenario, 1, observe=observe, skip_idle=skip_idle, debug=debug, **overrides)
        self.scenario, self.layout = self.batch.scenario, self.batch.layout
        self.possible_agents = [f"node_{i}" for i in range(self.batch.num_agents)]
        self.action_table, self.action_names = self.batch.action_table, self.batch.action_names
        self.state_names = self.batch.state_names
        self.observation_names, self.candidate_names = self.batch.observation_names, self.batch.candidate_names
        self.action_effects, self.phases = self.batch.action_effects, self.batch.phases
        self.reward_terms, self.cost_names = self.batch.reward_terms, self.batch.cost_names
        self._index = {agent: i for i, agent in enumerate(self.possible_agents)}
        self._running = False  # between a reset and the end of its episode

    def _restart(self, seed: int | None) -> Observation:
        """Start an episode: the first of `seed`, or the next one. Fresh arrays (N, ...)."""
        ended = self.batch.started and not self._running
        if seed is None and ended:  # the kernel has gone on to the next episode already; start just that one
            self.batch.reset_worlds(np.ones(1, np.int8))
        else:
            self.batch.reset(seed)
        self._running = True
        return _first_world(self.batch.observations())

    def _advance(self, actions: np.ndarray) -> tuple[Observation, np.ndarray, bool, dict[str, Any]]:
        """Step with actions (1, N): observations (N, ...), rewards float64 (N,), whether it ended, the batch's info."""
        obs, rewards, _, truncated, info = self.batch.step(actions)
        ended = bool(truncated[0])
        self._running = not ended
        return _first_world(info["final_obs"] if ended else obs), rewards[0], ended, info

    def state(self) -> np.ndarray:
        """float32 (S,): the whole world, see state_names; after the end of an episode the observations in it are its last ones and
        the rest is of the episode to come."""
        state = self.batch.state()[0]
        if self.batch.started and not self._running:
            last = self.batch.world.observation[1, 0].flatten()
            state[: len(last)] = last
        return state

    def outcomes(self, agent: str | None = None) -> np.ndarray:
        """Jobs that ended in the last step, of one agent or of all: rows of kernel.world_fields.OUTCOME_FIELDS."""
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
            raise ValueError("the saved state does not fit: it is not of one world")
        self.batch.load_state(state)
        self._running = bool(state["running"])

    def close(self) -> None:
        """Nothing to release; there because environments have it."""

    def _agent_index(self, agent: str) -> int:
        if agent not in self._index:
            raise ValueError(f"no agent {agent!r}: there are {self.possible_agents[0]} to {self.possible_agents[-1]}")
        return self._index[agent]


def _first_world(obs: Observation) -> Observation:
    return {name: array[0].copy() for name, array in obs.items()}
