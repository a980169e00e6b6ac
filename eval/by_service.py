"""The best constant of a column by service: each service its own, chosen by what it earned when the column was frozen for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TypedDict

import numpy as np

from agents.policy import Around, MakePolicy, Observation, Policy
from agents.rules._rows import nearest_legal, service_entries
from edge6g_env.scenario import Scenario
from edge6g_env.spaces import Layout
from eval.decisions import Column
from eval.statistics import Estimate


class ByService(TypedDict):
    """Each service's constant, the reward with all of them together, and what is lost by it."""

    values: dict[str, str]
    reward: Estimate
    reward_lost: Estimate


class Frozen(Around):
    """A policy that has only the legal actions nearest to a wanted value of a column, besides `hold` and `reject`.

    distance: int64 (S, C) by service, or (1, C) for all, 0 for the value itself. Where it is illegal the nearest legal value stands in for
    it, so that a frozen column leaves no free choice to such a job either.
    """

    def __init__(self, policy: Policy, distance: np.ndarray, services: Sequence[int] = ()) -> None:
        """services: entries of an observation that say the job's service, where each has its own distance."""
        super().__init__(policy)
        self._distance, self._services = distance, list(services)

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """What the policy does with the narrower mask; see Policy.act."""
        mask, distance = obs["action_mask"], self._distance[0]
        if self._services:
            distance = self._distance[obs["observation"][..., self._services].argmax(axis=-1)]
        return self._policy.act({**obs, "action_mask": mask * nearest_legal(mask, distance)}, rng)


def frozen(make: MakePolicy, column: Column, numbers: Sequence[int]) -> MakePolicy:
    """A policy with a column frozen to one number of its values, or one a service."""
    return partial(_make_frozen, make, np.stack([_distance(column, number) for number in numbers]))


def _make_frozen(make: MakePolicy, distance: np.ndarray, layout: Layout) -> Frozen:
    return Frozen(make(layout), distance, service_entries(layout) if len(distance) > 1 else ())


def _distance(column: Column, number: int) -> np.ndarray:
    """How far each action is from a value, int64 (C,): steps along the grid, but any other route is as far as another."""
    steps = np.abs(column.numbers - number)
    return np.where(column.means, np.minimum(steps, 1) if column.name == "route" else steps, 0)


def best_numbers(jobs: Mapping[int, np.ndarray], scenario: Scenario) -> list[int]:
    """For each service the number of the value with which it earned most a job.

    jobs: number of a value -> measured jobs with the column frozen to it. Ties, and services without a job, take the lowest number.
    """
    return [max(jobs, key=lambda number: (_earned(jobs[number], n), -number)) for n in range(len(scenario.service))]


def _earned(jobs: np.ndarray, service: int) -> float:
    mine = jobs["worth"][jobs["service"] == service]
    return float(mine.mean()) if len(mine) else -np.inf
