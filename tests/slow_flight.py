"""Flights through the doors: worlds that are cloned by their saved states and played on step by step, in Python between all slots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from agents.policy import Observation, make_rule
from edge6g_env.batch import BatchEnv
from edge6g_env.spaces import Layout


class SlowFlight(NamedTuple):
    worth: np.ndarray
    now_s: np.ndarray
    unfinished: np.ndarray


class Greedy:
    """`greedy`, which stands for its own compiled form."""

    privileged, needs_candidates = False, True

    def __init__(self, layout: Layout) -> None:
        self._rule = make_rule("greedy", layout)
        self.compiled = self

    def act(self, obs: Observation, rng: np.random.Generator | None = None) -> np.ndarray:
        return self._rule.act(obs, np.random.default_rng(0))


class SlowWorlds(BatchEnv):
    """A BatchEnv whose `clone` and `fly` are made of its other methods."""

    def __init__(self, scenario: Any, num_worlds: int, **options: Any) -> None:
        super().__init__(scenario, num_worlds, **{"observe": "candidates", **options})

    def clone(self, source: BatchEnv, worlds: Sequence[int], targets: Sequence[int]) -> None:  # type: ignore[override,unused-ignore]
        states = {world: source.save_state(world) for world in set(worlds)}
        for world, target in zip(worlds, targets, strict=True):
            self.load_state(states[world], target)

    def fly(self, policy: Greedy, until_s: float, **options: Any) -> SlowFlight:  # type: ignore[override,unused-ignore]
        worlds, forced = list(options["worlds"]), options["forced"]
        count_s = options["count_until_s"]
        worth, first = np.zeros(self.num_worlds), True
        arrived = np.zeros(self.num_worlds, np.int64)
        end_s, flying = self.world.episode["now_s"].copy(), np.isin(np.arange(self.num_worlds), worlds)
        under_way = np.ones(self.num_worlds, bool)
        while (flying & under_way).any():
            actions = (
                np.where(forced >= 0, forced, policy.act(self.observations()))
                if first
                else policy.act(self.observations())
            )
            first = False
            *_, truncated, info = self.step(actions)
            outcomes = info["outcomes"]
            counted = outcomes[(outcomes["arrival_s"] < count_s) & (flying & under_way)[outcomes["world"]]]
            np.add.at(worth, counted["world"], counted["worth"])
            now_s = np.asarray(info["time_s"])
            end_s = np.where(flying & under_way, now_s, end_s)
            under_way &= ~truncated & (now_s < until_s - 1e-9)
        del arrived
        return SlowFlight(worth, end_s, np.zeros(self.num_worlds, np.int64))
