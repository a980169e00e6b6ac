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

from edge6g_env import _arguments
from edge6g_env.batch import BatchEnv, Counters, Observation
from edge6g_env.errors import UserError
from edge6g_env.kernel.codes import FINAL
from edge6g_env.render.renderer import MODES, Renderer, check_mode
from edge6g_env.scenario import Scenario
from edge6g_env.single import SingleWorld
from edge6g_env.spaces import Layout
from edge6g_env.views import Named, WorldView


def _controller_spaces(layout: Layout, agents: int, candidates: bool) -> tuple[spaces.Dict, spaces.MultiDiscrete]:
    """Spaces of all agents of a world together: observations (N, ...), actions MultiDiscrete([C] * N)."""
    observation = batch_space(layout.agent_space(candidates), agents)
    assert isinstance(observation, spaces.Dict)
    return observation, spaces.MultiDiscrete([layout.num_actions] * agents)


class Edge6gEnv(SingleWorld, gymnasium.Env[Any, np.ndarray]):
    """One world, all of its nodes one agent: observations stacked (N, ...), reward the mean over the nodes.

    Infos hold `decision`, `job`, `action_effect` (N,), `reward_terms` (N, terms), `costs` (N, costs), `slots` and `time_s` ().
    """

    metadata = {"render_modes": list(MODES)}  # noqa: RUF012  # gymnasium reads it from the class; each has its own render_fps

    def __init__(self, scenario: str | Path | Scenario = "campus", **options: Any) -> None:
        super().__init__(scenario, **options)
        self.metadata = self._renderer.metadata
        self.observation_space, self.action_space = _controller_spaces(
            self.layout, len(self.possible_agents), self.batch.observe == "candidates"
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start the first episode of `seed`, or the next one; `options` has no meaning here, the info is empty."""
        obs = self._restart(seed)
        gymnasium.Env.reset(self, seed=None if seed is None else int(seed))
        return obs, {}

    def step(self, action: np.ndarray | Sequence[int]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """One step; action int (N,), rows of action_table. ValueError, and nothing changed, for another."""
        if not self._running:
            raise ResetNeeded("the episode has ended or none was started: call reset before step")
        last = self._advance(self.batch.checked(np.asarray(action)[None]))
        info = {key: array[0] for key, array in last.info().items()}
        mean = np.add.reduce(last.rewards[0]) / len(self.possible_agents)
        return self._observations(), float(mean), False, not self._running, info

    def action_masks(self) -> np.ndarray:
        """bool (N * C,): legal actions, node after node, as sb3-contrib wants them for MultiDiscrete."""
        return self.batch.world.action_mask[int(self._has_ended), 0].astype(bool).ravel()


class Edge6gVectorEnv(Named, VectorEnv[Observation, np.ndarray, np.ndarray]):
    """B worlds stepped together by the kernel, each as in Edge6gEnv; ends are met as `autoreset_mode` says, see Gymnasium.

    Infos have the keys of Edge6gEnv with a first axis B, the same in every step. `_key` says in which worlds a key is about the
    episode of the observation; in SAME_STEP `final_obs` and `final_info` are about the one that ended.
    """

    metadata = {"render_modes": list(MODES), "autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012  # as above

    def __init__(
        self,
        num_envs: int = 1,
        scenario: str | Path | Scenario = "campus",
        render_mode: str | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        **options: Any,
    ) -> None:
        """num_envs: B; autoreset_mode: "SameStep" (a world that ends is reset in the same step), "NextStep" (in the step after
        it, which ignores its action) or "Disabled" (by `reset` with a `reset_mask`), or a gymnasium.vector.AutoresetMode;
        options (threads, observe, skip_idle, debug), overrides: as in BatchEnv; render_mode: "rgb_array" or "human", see `render`."""
        check_mode(render_mode)
        _arguments.refuse_foreign(options, worlds="num_envs is the number of worlds of gymnasium.make_vec")
        self.num_envs, self.autoreset_mode = _arguments.count("num_envs", num_envs), _autoreset_mode(autoreset_mode)
        self.batch = BatchEnv(scenario, self.num_envs, **options)
        self._renderer = Renderer(self.batch, render_mode)
        self.render_mode = self._renderer.mode
        self.metadata = {**self._renderer.metadata, "autoreset_mode": self.autoreset_mode}
        self.single_observation_space, self.single_action_space = _controller_spaces(
            self.batch.layout, self.batch.num_agents, self.batch.observe == "candidates"
        )
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._ended = np.zeros(self.num_envs, bool)  # not in SAME_STEP: worlds that show their last observation
        both = self.single_observation_space, self.single_action_space
        shows_ends = self.autoreset_mode is not AutoresetMode.SAME_STEP
        self._views = [
            WorldView(self.batch, b, *both, self._ended, self._renderer, shows_ends) for b in range(self.num_envs)
        ]

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode in every world, or in those of `options={"reset_mask": bool (B,)}`: world b has seed `seed + b` or
        `seed[b]`; without one the next episode. Other options have no meaning here, the info is empty."""
        chosen = self._chosen(options)
        seeds = _arguments.seeds_of_worlds(seed, self.num_envs)
        if not (self.batch.started or chosen.all()):
            raise ResetNeeded("no episode was started: the first reset must be of all worlds, without a reset_mask")
        self.batch.restart(chosen, seeds, self._ended)
        self._ended[chosen] = False
        for b in np.flatnonzero(chosen & (seeds >= 0)).tolist():
            self._views[b].seed_np_random(int(seeds[b]))
        if chosen[0] and seeds[0] >= 0:
            super().reset(seed=int(seeds[0]))
        return self._shown(), {}

    def _chosen(self, options: dict[str, Any] | None) -> np.ndarray:
        """bool (B,) from the reset_mask, by the rules of gymnasium's SyncVectorEnv."""
        if options is None or "reset_mask" not in options:
            return np.ones(self.num_envs, bool)
        mask = options["reset_mask"]
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
            raise TypeError(f"options['reset_mask'] must be a numpy array of bool, it is {mask!r}")
        if mask.shape != (self.num_envs,) or not mask.any():
            raise UserError(f"options['reset_mask'] must have shape ({self.num_envs},) and a True, it is {mask}")
        return mask

    def step(self, actions: np.ndarray) -> tuple[Observation, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One step of all worlds; actions int (B, N). Rewards float64 (B,), terminations and truncations bool (B,)."""
        if self._ended.any():
            return self._step_after_ends(actions)
        self._keep_frames()
        last = self.batch.advance(self.batch.checked(actions))
        truncated, info = last.ended(), last.info()
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            infos = _with_masks(info, ~truncated)
            if truncated.any():
                infos.update(self._finals(info, truncated))
        else:
            infos = _with_masks(info, np.ones(self.num_envs, bool))
            self._ended[:] = truncated
        return self._shown(), last.rewards.mean(axis=1), np.zeros(self.num_envs, bool), truncated, infos

    def _step_after_ends(self, actions: np.ndarray) -> tuple[Any, ...]:
        """The step after some worlds ended: they start their next episode, or, if nothing does that by itself, ResetNeeded."""
        ended = self._ended.copy()
        if self.autoreset_mode is AutoresetMode.DISABLED:
            worlds = ", ".join(map(str, np.flatnonzero(ended).tolist()))
            raise ResetNeeded(
                f"the episode has ended in world {worlds}: with autoreset_mode Disabled they are reset first, by "
                'reset(options={"reset_mask": mask}), mask a bool array with True there'
            )
        self._keep_frames()
        last = self.batch.advance_but(actions, ended)
        truncated = last.ended()
        self._ended[:] = truncated
        infos = _with_masks(last.info(), ~ended)
        return self._shown(), last.rewards.mean(axis=1), np.zeros(self.num_envs, bool), truncated, infos

    def _keep_frames(self) -> None:
        """Of worlds that show their last observation when they have ended."""
        if self.autoreset_mode is not AutoresetMode.SAME_STEP:
            self._renderer.keep(np.flatnonzero(~self._ended).tolist())

    def render(self) -> tuple[np.ndarray, ...] | None:
        """A picture of each world, uint8 (600, 800, 3), or None and one window shows all, as render_mode says; else as Edge6gEnv."""
        frames = self._renderer.render(dict(enumerate(self._ended.tolist())))
        return tuple(frames) if frames else None

    def _shown(self) -> Observation:
        """Fresh arrays (B, ...): the present observations, or the last ones of worlds that have ended and wait for their reset."""
        shown = _copied(self.batch.observations())
        if self._ended.any():
            for name, last in self.batch.final_observations().items():
                shown[name][self._ended] = last[self._ended]
        return shown

    def _finals(self, info: dict[str, np.ndarray], ended: np.ndarray) -> dict[str, Any]:
        """Last observation and info of the worlds that ended in this step."""
        final_obs = np.full(self.num_envs, None, dtype=object)
        final_info = {key: np.zeros_like(values) for key, values in info.items()}
        last = self.batch.final_observations()
        for b in np.flatnonzero(ended):
            final_obs[b] = {name: array[b].copy() for name, array in last.items()}
        for key, values in final_info.items():
            values[ended] = info[key][ended]
        finals = {"final_obs": final_obs, "final_info": _with_masks(final_info, ended)}
        return {**finals, "_final_obs": ended.copy(), "_final_info": ended.copy()}

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """An attribute of each world, or what a method of it returns, as gymnasium's SyncVectorEnv: see WorldView."""
        found = [getattr(view, name) for view in self._views]
        return tuple(one(*args, **kwargs) if callable(one) else one for one in found)

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """An attribute of each world."""
        return self.call(name)

    def set_attr(self, name: str, values: Any) -> None:
        """Set an attribute of each world; a list or tuple has one value a world."""
        each = values if isinstance(values, list | tuple) else [values] * self.num_envs
        if len(each) != self.num_envs:
            raise UserError(f"values must be one, or a list of {self.num_envs}: there are {len(each)}")
        for view, value in zip(self._views, each, strict=True):
            setattr(view, name, value)

    def action_masks(self) -> np.ndarray:
        """bool (B, N * C): legal actions of every world, node after node."""
        masks = self.batch.action_masks()
        masks[self._ended] = self.batch.world.action_mask[FINAL, self._ended]
        return masks.reshape(self.num_envs, -1)

    def state(self) -> np.ndarray:
        """float32 (B, S): every world as in Edge6gEnv, see state_names."""
        return np.stack(self.call("state")) if self._ended.any() else self.batch.state()

    def outcomes(self) -> np.ndarray:
        """Jobs that ended in the last step: rows of OUTCOME (docs/state.md), world by world; `call` gives them apart."""
        return self.batch.outcomes()

    def counters(self) -> Counters:
        """The six counters of each world, int64 (B,)."""
        return self.batch.counters()

    def save_state(self) -> dict[str, np.ndarray]:
        """An exact copy of all worlds."""
        return {**self.batch.save_state(), "ended": self._ended.copy()}

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Put the worlds back to a saved state, of any door to as many; UserError, and nothing changed, if it does not fit."""
        self.batch.load_state(state)
        self._renderer.forget()
        shows_ends = self.autoreset_mode is not AutoresetMode.SAME_STEP and "ended" in state
        self._ended[:] = state["ended"] if shows_ends else False

    def close_extras(self, **kwargs: Any) -> None:
        """Close the window and end the threads; the worlds go on to work."""
        self._renderer.close()
        self.batch.close()


def _autoreset_mode(value: AutoresetMode | str) -> AutoresetMode:
    try:
        return AutoresetMode(value)
    except ValueError:
        words = ", ".join(f'"{mode.value}"' for mode in AutoresetMode)
        raise UserError(f"autoreset_mode must be one of {words} or an AutoresetMode, it is {value!r}") from None


def _with_masks(info: dict[str, np.ndarray], present: np.ndarray) -> dict[str, Any]:
    """Gymnasium's form: under `_key` stands which worlds have a `key`."""
    return {**info, **{f"_{key}": present.copy() for key in info}}


def _copied(obs: Observation) -> Observation:
    return {name: array.copy() for name, array in obs.items()}
