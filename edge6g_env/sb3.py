"""Stable-Baselines3's `VecEnv`: one environment an agent, so that one policy is shared by all agents of all worlds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import Wrapper, spaces
from stable_baselines3.common.vec_env import VecEnv

from edge6g_env import _arguments
from edge6g_env._last_step import LastStep
from edge6g_env.batch import BatchEnv, Observation
from edge6g_env.render.renderer import Renderer, check_mode
from edge6g_env.scenario import Scenario
from edge6g_env.views import Named, WorldView

Indices = int | Iterable[int] | None


class AgentHandle(WorldView):
    """One of the environments of an AgentVecEnv: what `get_attr` and `env_method` reach. Its state and counters are its world's."""

    def __init__(self, place: int, batch: BatchEnv, shown: np.ndarray, *spaces_and_ends: Any) -> None:
        """shown: (B, S) states as the door showed them last, or (B, 0) if it shows none; kept by the door."""
        world, self.agent = divmod(place, batch.num_agents)
        self._shown = shown
        super().__init__(batch, world, *spaces_and_ends)

    def action_masks(self) -> np.ndarray:
        """bool (C,): legal actions of this agent."""
        return self.batch.world.action_mask[0, self.world, self.agent].astype(bool)

    def outcomes(self) -> np.ndarray:
        """Jobs that this agent decided last and that ended in the last step."""
        rows = super().outcomes()
        return rows[rows["agent"] == self.agent]

    def load_state(self, state: dict[str, Any]) -> None:
        """Put the world of this agent, all of its agents, back to a saved state; UserError, and nothing changed, if it does not fit."""
        super().load_state(state)
        if self._shown.size:
            self._shown[self.world] = self.state()


class AgentVecEnv(Named, VecEnv):
    """B worlds with N agents as B * N environments, world by world; parameters are shared because the policy is one.

    Infos hold `decision`, `job`, `action_effect`, `slots` as int, `reward_terms` and `costs` float32, `TimeLimit.truncated`,
    and at an end `terminal_observation`.
    """

    def __init__(self, batch: BatchEnv, *, state: bool = False, render_mode: str | None = None) -> None:
        """render_mode: "rgb_array" or "human", see `get_images`. state: observations have `state`, too, float32 (S,), that of the agent's
        world, for a centralised critic. In a `terminal_observation`, of a world that has begun anew, its observations are the last ones,
        the rest is as one step before."""
        self.batch, self._with_state = batch, _arguments.flag("state", state)
        num_envs = batch.num_worlds * batch.num_agents
        self._actions = np.zeros((batch.num_worlds, batch.num_agents), np.int64)
        self._shown = np.zeros((batch.num_worlds, len(batch.layout.state) if state else 0), np.float32)  # last
        self._renderer, own = Renderer(batch, render_mode), self._spaces()
        never = np.zeros(batch.num_worlds, bool)
        self._agents = [
            AgentHandle(place, batch, self._shown, *own, never, self._renderer, False) for place in range(num_envs)
        ]
        super().__init__(num_envs, *own)
        self.metadata = self._renderer.metadata

    def _spaces(self) -> tuple[spaces.Dict, spaces.Discrete]:
        """Of one agent."""
        own, layout = self.batch.layout.agent_space(self.batch.observe == "candidates"), self.batch.layout
        return self._and_state(own), spaces.Discrete(layout.num_actions)

    def _and_state(self, own: spaces.Dict) -> spaces.Dict:
        return spaces.Dict({**own, "state": self.batch.layout.state_space}) if self._with_state else own

    def seed(self, seed: int | None = None) -> list[int | None]:
        """Seeds for the next reset: the agents of world b have `seed + b`."""
        first = super().seed(None if seed is None else _arguments.one_seed(seed))[0]
        assert first is not None
        self._seeds = [first + agent.world for agent in self._agents]
        return self._seeds

    def reset(self) -> Observation:
        """Start an episode in every world, with the seeds given before or else the next one; arrays (B * N, ...)."""
        seeds = [seed for seed in self._seeds[:: self.batch.num_agents] if seed is not None]
        obs = self.batch.reset(seeds or None)
        for agent, seed in zip(self._agents, self._seeds, strict=True):
            if seed is not None:
                agent.seed_np_random(seed)
        self._reset_seeds()
        self._reset_options()
        return self._present(obs)

    def step_async(self, actions: np.ndarray) -> None:
        """Take the actions, int (B * N,), of the next step_wait; ValueError for another shape."""
        actions = np.asarray(actions)
        if actions.size != self.num_envs:
            raise ValueError(f"actions must be {self.num_envs} integers, they have shape {actions.shape}")
        self._actions = actions.reshape(self.batch.num_worlds, self.batch.num_agents)

    def step_wait(self) -> tuple[Observation, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Step all worlds: observations (B * N, ...), rewards float32 (B * N,), dones bool (B * N,), infos."""
        last = self.batch.advance(self.batch.checked(self._actions))
        dones = last.ended().repeat(self.batch.num_agents)
        infos = self._infos(last, dones)  # before the present, since ends show the state of before
        return self._present(last.observations), last.rewards.astype(np.float32).ravel(), dones, infos

    def _present(self, obs: Observation) -> Observation:
        """What is handed out of the observations of now."""
        flat = self._flat(obs)
        if self._with_state:
            self._shown[...] = self.batch.state()
            flat["state"] = self._shown.repeat(self.batch.num_agents, axis=0)
        return flat

    def _final(self, obs: Observation) -> Observation:
        """What is handed out of last observations; that of worlds which did not end means nothing."""
        flat = self._flat(obs)
        if self._with_state:
            of_agents = obs["observation"].reshape(self.batch.num_worlds, -1)
            state = np.concatenate([of_agents, self._shown[:, of_agents.shape[1] :]], axis=1)
            flat["state"] = state.repeat(self.batch.num_agents, axis=0)
        return flat

    def _flat(self, obs: Observation) -> Observation:
        """Fresh arrays with worlds and agents as one axis; the rollout buffers keep references."""
        return {name: array.reshape(self.num_envs, *array.shape[2:]).copy() for name, array in obs.items()}

    def _infos(self, last: LastStep, dones: np.ndarray) -> list[dict[str, Any]]:
        rows = zip(
            last.job.ravel().tolist(),
            last.effect.ravel().tolist(),
            last.slots.repeat(self.batch.num_agents).tolist(),
            last.terms.astype(np.float32).reshape(self.num_envs, -1),
            last.costs.astype(np.float32).reshape(self.num_envs, -1),
            dones.tolist(),
            strict=True,
        )
        infos: list[dict[str, Any]] = [
            {
                "decision": int(job >= 0),
                "job": job,
                "action_effect": effect,
                "slots": slots,
                "reward_terms": terms,
                "costs": costs,
                "TimeLimit.truncated": done,
            }
            for job, effect, slots, terms, costs, done in rows
        ]
        if dones.any():
            final = self._final(last.final_observations)
            for place in np.flatnonzero(dones):
                infos[place]["terminal_observation"] = {name: array[place] for name, array in final.items()}
        return infos

    def action_masks(self) -> np.ndarray:
        """bool (B * N, C): legal actions of every agent."""
        return self.batch.action_masks().reshape(self.num_envs, -1)

    def save_state(self) -> dict[str, np.ndarray]:
        """An exact copy of all worlds."""
        return self.batch.save_state()

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Put the worlds back to a saved state; ValueError, and nothing changed, if it does not fit."""
        self.batch.load_state(state)
        if self._with_state:
            self._shown[...] = self.batch.state()

    def get_images(self) -> list[np.ndarray | None]:
        """A picture of each world, uint8 (600, 800, 3): its agents are in one; a world that has ended has begun anew."""
        return list(self._renderer.render(dict.fromkeys(range(self.batch.num_worlds), False)) or [])

    def render(self, mode: str | None = None) -> np.ndarray | None:
        """All worlds in one picture, as Stable-Baselines3 tiles them; with render_mode "human" None, and a window shows them."""
        if self.render_mode == "human" and mode in (None, "human"):
            self.get_images()
            return None
        return super().render(mode)

    def close(self) -> None:
        """Close the window and end the threads; stepping goes on to work without them, and closing twice is fine."""
        self._renderer.close()
        self.batch.close()

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        """An attribute of each chosen agent's handle."""
        return [getattr(self._agents[place], attr_name) for place in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        """Set an attribute of each chosen agent's handle."""
        for place in self._get_indices(indices):
            setattr(self._agents[place], attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Indices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of each chosen agent's handle; `action_masks` is read for all at once."""
        if method_name == "action_masks":
            masks = self.action_masks()
            return [masks[place] for place in self._get_indices(indices)]
        methods = self.get_attr(method_name, indices)
        return [method(*method_args, **method_kwargs) for method in methods]

    def env_is_wrapped(self, wrapper_class: type[Wrapper], indices: Indices = None) -> list[bool]:
        """Agents are never wrapped one by one."""
        return [False for _ in self._get_indices(indices)]


def sb3_vec_env(
    scenario: str | Path | Scenario = "campus",
    num_worlds: int = 16,
    *,
    state: bool = False,
    render_mode: str | None = None,
    **options: Any,
) -> AgentVecEnv:
    """Stable-Baselines3 `VecEnv` of num_worlds * N agents; state, render_mode: as of AgentVecEnv; options (threads ...), overrides as of
    BatchEnv."""
    check_mode(render_mode)
    return AgentVecEnv(BatchEnv(scenario, num_worlds, **options), state=state, render_mode=render_mode)
