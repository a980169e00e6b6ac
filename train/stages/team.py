"""A batch of decisions with their credits, played inside the kernel: each seed once by argmax and several times drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edge6g_env import CompiledPolicy
from edge6g_env.flight import Flight
from edge6g_env.scenario import Scenario
from eval.pools.flights import means_by_world
from eval.pools.pool import Hangar
from train.limits import Limit, costs_of
from train.stages import credit


class Decided(NamedTuple):
    """n decisions of sampled runs, in the order of seeds, draws and time."""

    context: np.ndarray  # float32 (n, D) scaled entries of the observation
    inputs: np.ndarray  # float32 (n, R, E + 1) scaled entries of each candidate and its regret, 0 behind the last
    candidates: np.ndarray  # int64 (n,) how many there are
    choice: np.ndarray  # int64 (n,) place of the chosen one
    log_probability: np.ndarray  # float32 (n,) when it was drawn
    credit: np.ndarray  # float32 (n,)

    @classmethod
    def joined(cls, parts: Sequence[Decided]) -> Decided:
        """Those of all parts, in their order."""
        return cls(*(np.concatenate(column) for column in zip(*parts, strict=True)))


class Batch(NamedTuple):
    """What came of a part."""

    decided: Decided
    decisions: int
    """That were taken, those of the base runs included."""
    rewards: np.ndarray
    """float64 (runs,) mean worth of the measured jobs of each drawn run; NaN without any."""
    costs: np.ndarray
    """float64 (limits, runs) mean cost of a measured job of each drawn run; NaN without any."""


@dataclass(frozen=True)
class Terms:
    """How decisions are credited."""

    own: bool
    """With the worth of their own job alone: no base run is played."""
    horizon_s: float
    """Of the other jobs those that arrive so long after the decision count."""
    share: float
    """Weight of the other jobs."""


@dataclass(frozen=True)
class TeamPart:
    """Some seeds of a batch (eval.pools.pool.Part)."""

    scenario: Scenario
    policy: CompiledPolicy
    seeds: Sequence[int]
    draws: Sequence[int]
    """Seeds of the draws: each world's seed is played once with each."""
    terms: Terms
    limits: Sequence[Limit] = ()

    def __call__(self, hangar: Hangar) -> Batch:
        """Play, and credit every decision among two candidates or more."""
        flights = hangar.flights(self.scenario)
        each = [(seed, draw) for seed in self.seeds for draw in self.draws]
        flown = flights.fly(
            [self.policy] * len(each),
            [seed for seed, _ in each],
            sample_seed=[draw for _, draw in each],
            record=True,
        )
        taken = int(sum(flight.decisions.sum() for flight in flown))
        outcomes = np.concatenate([flight.outcomes for flight in flown])
        sampled = jobs_by_world(self.scenario, outcomes, len(each), self.limits)
        base: list[credit.Jobs] = []
        if not self.terms.own:
            argmax = flights.fly([self.policy] * len(self.seeds), self.seeds)
            taken += int(sum(flight.decisions.sum() for flight in argmax))
            of_base = np.concatenate([flight.outcomes for flight in argmax])
            base = jobs_by_world(self.scenario, of_base, len(self.seeds), self.limits)
        rows, kept = recorded_choices(flown)
        credits = np.empty(len(rows))
        for world, jobs in enumerate(sampled):
            of = rows["world"] == world
            about, time_s = rows["job"][of], rows["time_s"][of]
            credits[of] = (
                credit.own(jobs, about)
                if self.terms.own
                else credit.team(
                    base[world // len(self.draws)], jobs, about, time_s, self.terms.horizon_s, self.terms.share
                )
            )
        decided = Decided(
            *kept,
            rows["n_shortlist"].astype(np.int64),
            rows["choice"].astype(np.int64),
            rows["log_probability"].astype(np.float32),
            credits.astype(np.float32),
        )
        return Batch(decided, taken, *means_of_runs(outcomes, len(each), self.limits))


def jobs_by_world(scenario: Scenario, outcomes: np.ndarray, worlds: int, limits: Sequence[Limit]) -> list[credit.Jobs]:
    """The jobs of each world's whole episode, what limits price their costs at taken off."""
    taken_off = priced_costs(outcomes, limits)
    parts = (outcomes["world"] == world for world in range(worlds))
    return [credit.jobs_of(scenario, outcomes[of], taken_off[of]) for of in parts]


def priced_costs(outcomes: np.ndarray, limits: Sequence[Limit]) -> np.ndarray:
    """What is taken off the worth of each job, float64 (rows,)."""
    return sum((limit.price * costs_of(limit.cost, outcomes) for limit in limits), np.zeros(len(outcomes)))


def recorded_choices(flown: Sequence[Flight]) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Rows of RECORDED, and context and inputs, of all pieces, world by world, of decisions that were choices."""
    parts = [flight.recorded for flight in flown if flight.recorded is not None]
    rows = np.concatenate([part.rows for part in parts])
    order = np.argsort(rows["world"], kind="stable")
    order = order[rows["n_shortlist"][order] > 1]
    kept = (np.concatenate([getattr(part, name) for part in parts])[order] for name in ("context", "inputs"))
    context, inputs = kept
    return rows[order], (context, inputs)


def means_of_runs(outcomes: np.ndarray, worlds: int, limits: Sequence[Limit]) -> tuple[np.ndarray, np.ndarray]:
    """Rewards and costs of Batch."""
    measured = outcomes[outcomes["measured"] == 1]
    of_jobs = [measured["worth"], *(costs_of(limit.cost, measured) for limit in limits)]
    rewards, *costs = (means_by_world(measured, values, worlds) for values in of_jobs)
    return rewards, np.reshape(costs, (len(limits), worlds))
