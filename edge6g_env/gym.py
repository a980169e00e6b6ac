"""Gymnasium's API: one controller that acts for all nodes, one world or a batch of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from edge6g_env.batch import BatchEnv, Counters, Observation
from edge6g_env.scenario import Scenario
from edge6g_env.single import SingleWorld
from edge6g_env.spaces import Layout

_INFO_KEYS = ("decision", "action_effect", "reward_terms", "costs", "slots", "time_s")


def _controller_spaces(layout: Layout, agents: int, candidates: bool) -> tuple[spaces.Dict, spaces.MultiDiscrete]:
    """Spaces of all agents of a world together: observations (N, ...), actions MultiDiscrete([C] * N)."""
    observation = batch_space(layout.agent_space(candidates), agents)
    assert isinstance(observation, spaces.Dict)
    return observation, spaces.MultiDiscrete([layout.num_actions] * agents)


class Edge6gEnv(SingleWorld, gymnasium.Env[Any, np.ndarray]):
    """One world, all of its nodes one agent: observations stacked (N, ...), reward the mean over the nodes.

    Infos hold `decision`, `action_effect` (N,), `reward_terms` (N, terms), `costs` (N, costs), `slots` and `time_s` ().
    """

    metadata = {"render_modes": []}  # noqa: RUF012  # gymnasium reads it from the class

    def __init__(self, scenario: str | Path | Scenario = "campus", **options: Any) -> None:
        super().__init__(scenario, **options)
        self.observation_space, self.action_space = _controller_spaces(
            self.layout, len(self.possible_agents), self.batch.observe == "candidates"
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start the first episode of `seed`, or the next one; `options` has no meaning here, the info is empty."""
        gymnasium.Env.reset(self, seed=seed)
        return self._restart(seed), {}

    def step(self, action: np.ndarray | Sequence[int]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """One step; action int (N,), rows of action_table. ValueError, and nothing changed, for another."""
        if not self._running:
            raise ResetNeeded("the episode has ended or none was started: call reset before step")
        obs, rewards, ended, info = self._advance(np.asarray(action)[None])
        return obs, float(rewards.mean()), False, ended, {key: info[key][0] for key in _INFO_KEYS}

    def action_masks(self) -> np.ndarray:
        """bool (N * C,): legal actions, node after node, as sb3-contrib wants them for MultiDiscrete."""
        ended = self.batch.started and not self._running
        return self.batch.world.action_mask[int(ended), 0].astype(bool).ravel()


class Edge6gVectorEnv(VectorEnv[Observation, np.ndarray, np.ndarray]):
    """B worlds stepped together by the kernel, each as in Edge6gEnv; a world that ends is reset in the same step.

    Infos have the keys of Edge6gEnv with a first axis B; where a world ended also `final_obs` and `final_info`.
    """

    metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012  # read from the class

    def __init__(
        self,
        num_envs: int = 1,
        scenario: str | Path | Scenario = "campus",
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        """num_envs: B; options (threads, observe, skip_idle, debug), overrides: as in BatchEnv; render_mode: None."""
        if render_mode is not None:
            raise ValueError(f"render_mode must be None, it is {render_mode!r}")
        self.batch = BatchEnv(scenario, num_envs, **options)
        self.num_envs = num_envs
        self.single_observation_space, self.single_action_space = _controller_spaces(
            self.batch.layout, self.batch.num_agents, self.batch.observe == "candidates"
        )
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(
        self, *, seed: int | Sequence[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode in every world: world b has seed `seed + b` or `seed[b]`; without one the next episode."""
        super().reset(seed=seed if isinstance(seed, int) else None)
        return _copied(self.batch.reset(seed)), {}

    def step(self, actions: np.ndarray) -> tuple[Observation, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One step of all worlds; actions int (B, N). Rewards float64 (B,), terminations and truncations bool (B,)."""
        obs, rewards, terminated, truncated, info = self.batch.step(actions)
        return _copied(obs), rewards.mean(axis=1), terminated, truncated, self._infos(info, truncated)

    def _infos(self, info: dict[str, Any], ended: np.ndarray) -> dict[str, Any]:
        """Gymnasium's form: under `_key` stands which worlds have a `key`."""
        step = {key: info[key] for key in _INFO_KEYS}
        infos = {**step, **{f"_{key}": np.ones(self.num_envs, bool) for key in step}}
        if ended.any():
            final_obs = np.full(self.num_envs, None, dtype=object)
            for b in np.flatnonzero(ended):
                final_obs[b] = {name: array[b].copy() for name, array in info["final_obs"].items()}
            final_info = {key: values.copy() for key, values in step.items()}
            infos["final_obs"], infos["_final_obs"] = final_obs, ended.copy()
            infos["final_info"] = {**final_info, **{f"_{key}": ended.copy() for key in step}}
            infos["_final_info"] = ended.copy()
        return infos

    def action_masks(self) -> np.ndarray:
        """bool (B, N * C): legal actions of every world, node after node."""
        return self.batch.world.action_mask[0].astype(bool).reshape(self.num_envs, -1)

    def state(self) -> np.ndarray:
        """float32 (B, N * D): the observations of all nodes of a world side by side."""
        return self.batch.state()

    def outcomes(self) -> np.ndarray:
        """Jobs that ended in the last step: rows of kernel.world_fields.OUTCOME_FIELDS, world by world."""
        return self.batch.outcomes()

    def counters(self) -> Counters:
        """The six counters of each world, int64 (B,)."""
        return self.batch.counters()

    def save_state(self) -> dict[str, np.ndarray]:
        """An exact copy of all worlds."""
        return self.batch.save_state()

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Put the worlds back to a saved state; ValueError, and nothing changed, if it does not fit."""
        self.batch.load_state(state)


def _copied(obs: Observation) -> Observation:
    return {name: array.copy() for name, array in obs.items()}
