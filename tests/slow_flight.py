"""Flights through the doors: worlds that are cloned by their saved states and played on step by step, in Python between all slots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from agents.policy import Observation
from edge6g_env.batch import BatchEnv
from edge6g_env.compiled import CompiledPolicy
from edge6g_env.spaces import Layout


class SlowFlight(NamedTuple):
    worth: np.ndarray
    now_s: np.ndarray


class Greedy:
    """`greedy`, whose compiled form a slow flight takes for the policy itself."""

    privileged, needs_candidates = False, True

    def __init__(self, layout: Layout) -> None:
        self.compiled = CompiledPolicy(layout)

    def act(self, obs: Observation, rng: np.random.Generator | None = None) -> np.ndarray:
        return self.compiled.act(obs)


class SlowWorlds(BatchEnv):
    """A BatchEnv whose `clone` and `fly` are made of its other methods."""

    def __init__(self, scenario: Any, num_worlds: int, **options: Any) -> None:
        super().__init__(scenario, num_worlds, **{"observe": "candidates", **options})

    def clone(self, source: BatchEnv, worlds: Sequence[int], targets: Sequence[int]) -> None:  # type: ignore[override]
        states = {world: source.save_state(world) for world in set(worlds)}
        for world, target in zip(worlds, targets, strict=True):
            self.load_state(states[world], target)

    def fly(self, policy: CompiledPolicy, until_s: float, **options: Any) -> SlowFlight:  # type: ignore[override]
        worlds, forced = list(options["worlds"]), options["forced"]
        count_s = options["count_until_s"]
        worth, first = np.zeros(self.num_worlds), True
        end_s, flying = self.times_s(), np.isin(np.arange(self.num_worlds), worlds)
        under_way = np.ones(self.num_worlds, bool)
        while (flying & under_way).any():
            actions = policy.act(self.observations())
            actions, first = np.where(first & (forced >= 0), forced, actions), False
            *_, truncated, info = self.step(actions)
            outcomes = info["outcomes"]
            counted = outcomes[(outcomes["arrival_s"] < count_s) & (flying & under_way)[outcomes["world"]]]
            np.add.at(worth, counted["world"], counted["worth"])
            now_s = np.asarray(info["time_s"])
            end_s = np.where(flying & under_way, now_s, end_s)
            under_way &= ~truncated & (now_s < until_s - 1e-9)
        return SlowFlight(worth, end_s)
