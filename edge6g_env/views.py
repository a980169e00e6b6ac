"""One world of a batch as an environment: what `get_attr`, `env_method` and `call` reach in the doors to several worlds."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.utils import seeding

from edge6g_env.batch import BatchEnv, Counters
from edge6g_env.errors import UserError
from edge6g_env.render.renderer import Renderer
from edge6g_env.scenario import Scenario
from edge6g_env.spaces import Layout

Names = list[tuple[str, str, float, float]]


class Named:
    """The scenario and the names that a door shows under its batch's own names."""

    batch: BatchEnv

    @property
    def scenario(self) -> Scenario:
        """The scenario that is played."""
        return self.batch.scenario

    @property
    def layout(self) -> Layout:
        """Action table and entries."""
        return self.batch.layout

    @property
    def action_table(self) -> np.ndarray:
        """int64 (C, 5), see BatchEnv."""
        return self.batch.action_table

    @property
    def action_names(self) -> list[str]:
        """Each action in words."""
        return self.batch.action_names

    @property
    def observation_names(self) -> Names:
        """(name, unit, low, high) of each entry of an observation."""
        return self.batch.observation_names

    @property
    def candidate_names(self) -> Names:
        """(name, unit, low, high) of each entry of a candidate."""
        return self.batch.candidate_names

    @property
    def state_names(self) -> Names:
        """(name, unit, low, high) of each entry of state()."""
        return self.batch.state_names

    action_effects = BatchEnv.action_effects
    reward_terms = BatchEnv.reward_terms
    cost_names = BatchEnv.cost_names
    phases = BatchEnv.phases


class Seeded:
    """`np_random` as environments have it, for wrappers and users: seeded with the world, which draws nothing from it."""

    _np_random: np.random.Generator | None = None
    _np_random_seed = -1

    @property
    def np_random(self) -> np.random.Generator:
        """Seeded by the last reset with a seed, else at random."""
        if self._np_random is None:
            self.seed_np_random(None)
        assert self._np_random is not None
        return self._np_random

    @np_random.setter
    def np_random(self, value: np.random.Generator) -> None:
        self._np_random, self._np_random_seed = value, -1

    @property
    def np_random_seed(self) -> int:
        """Seed of np_random; -1 of one that was set from outside."""
        _ = self.np_random
        return self._np_random_seed

    def seed_np_random(self, seed: int | None) -> None:
        """Make np_random anew."""
        self._np_random, self._np_random_seed = seeding.np_random(seed)


class WorldView(Named, Seeded):
    """World `world` of a batch, with the methods that a door to one world has; all return fresh arrays."""

    spec = None

    def __init__(
        self,
        batch: BatchEnv,
        world: int,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        ended: np.ndarray,
        renderer: Renderer,
        shows_ends: bool = True,
    ) -> None:
        """ended: bool (B,), kept by the door: worlds of which the last observation is shown until they are reset; renderer: the door's.
        shows_ends: whether there are any, or worlds are reset in the step in which they end."""
        self._shows_ends = shows_ends
        self.batch, self.world, self._ended, self._renderer = batch, world, ended, renderer
        self.render_mode, self.metadata = renderer.mode, renderer.metadata
        self.observation_space, self.action_space = observation_space, action_space

    @property
    def unwrapped(self) -> WorldView:
        """Itself."""
        return self

    def action_masks(self) -> np.ndarray:
        """bool (N * C,): legal actions, node after node."""
        return self.batch.world.action_mask[int(self._ended[self.world]), self.world].astype(bool).ravel()

    def render(self) -> np.ndarray | None:
        """A picture of this world, uint8 (600, 800, 3), or None and the door's window shows it, as render_mode says."""
        frames = self._renderer.render({self.world: bool(self._ended[self.world])})
        return frames[0] if frames else None

    def state(self) -> np.ndarray:
        """float32 (S,): the whole world, see state_names; after an end the observations in it are the last ones."""
        state = self.batch.state(slice(self.world, self.world + 1))[0]
        if self._ended[self.world]:
            last = self.batch.world.observation[1, self.world].ravel()
            state[: len(last)] = last
        return state

    def counters(self) -> Counters:
        """The six counters of the episode, each int64 (1,)."""
        return Counters(*(values[self.world : self.world + 1] for values in self.batch.counters()))

    def outcomes(self) -> np.ndarray:
        """Jobs of this world that ended in the last step: rows of OUTCOME (docs/state.md)."""
        return self.batch.outcomes(self.world)

    def save_state(self) -> dict[str, Any]:
        """An exact copy of the world, for a door to one world or for any world of a door to several."""
        return {**self.batch.save_state(self.world), "running": np.array(not self._ended[self.world])}

    def load_state(self, state: dict[str, Any]) -> None:
        """Put this world back to a saved state of one world; UserError, and nothing changed, if it does not fit."""
        if "running" not in state:
            raise UserError("the saved state does not fit: it is not of one world")
        self.batch.load_state(state, self.world)
        self._renderer.forget()
        self._ended[self.world] = self._shows_ends and not state["running"]
