"""Whole episodes of many policies on the same seeds: what a search asks for. In the kernel where a policy has a compiled form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from agents.policy import MakePolicy, Policy
from edge6g_env import BatchEnv, CompiledPolicy
from edge6g_env.flight import Flight, pieces
from edge6g_env.scenario import Scenario
from edge6g_env.spaces import Layout
from eval.episodes import NothingMeasuredError, Played, nothing_measured, play_worlds

PIECES = 20  # of an episode: between them an interrupt is seen and a bar moves


class Flown(NamedTuple):
    """Episodes of P policies on S seeds."""

    rewards: np.ndarray
    """float64 (P, S) mean worth of the measured jobs, NaN where there are none."""
    jobs: list[np.ndarray]
    """Of each policy its measured jobs, rows of OUTCOME, `world` the index of the seed."""
    decisions: int

    @property
    def means(self) -> np.ndarray:
        """Mean reward of each policy, float64 (P,), over the seeds that have one."""
        return np.nanmean(self.rewards, axis=1)


class Flights:
    """Plays policies in a scenario; the worlds are made once for each number of them."""

    def __init__(self, scenario: Scenario, threads: int = 1) -> None:
        """Raises what the environment raises for `threads`."""
        self.tick: Callable[[], None] = lambda: None
        """Called now and then while episodes are played; what it raises ends them."""
        self.scenario, self.layout, self._threads = scenario, Layout(scenario), threads
        self._envs: dict[tuple[int, str], BatchEnv] = {}

    def env(self, count: int, observe: str = "plain") -> BatchEnv:
        """So many worlds, in whatever state they were left."""
        key = count, observe
        if key not in self._envs:
            self._envs[key] = BatchEnv(self.scenario, count, threads=self._threads, observe=observe)
        return self._envs[key]

    def fly(self, policies: Sequence[CompiledPolicy], seeds: Sequence[int], **options: Any) -> list[Flight]:
        """An episode a pair in pieces; options: of `BatchEnv.fly`."""
        env, flights = self.env(len(seeds)), []
        env.reset(list(seeds))
        for flight in pieces(env, list(policies), PIECES, **options):
            flights.append(flight)
            self.tick()
        return flights

    def pairs(self, policies: Sequence[CompiledPolicy], seeds: Sequence[int]) -> tuple[np.ndarray, int]:
        """Measured jobs of an episode a pair, `world` the pair's index, and the decisions taken."""
        flights = self.fly(policies, seeds)
        jobs = np.concatenate([flight.outcomes[flight.outcomes["measured"] == 1] for flight in flights])
        return jobs, sum(int(flight.decisions.sum()) for flight in flights)

    def __call__(self, policies: Sequence[Policy | CompiledPolicy], seeds: Sequence[int]) -> Flown:
        """Every policy on every seed. Raises NothingMeasuredError if no job is measured: all policies meet the same jobs."""
        flown = self.some(policies, seeds)
        if not len(flown.jobs[0]):
            raise NothingMeasuredError(nothing_measured(self.scenario, seeds))
        return flown

    def some(self, policies: Sequence[Policy | CompiledPolicy], seeds: Sequence[int]) -> Flown:
        """The same of a part of the seeds, of which none need have a measured job."""
        compiled = [
            policy if isinstance(policy, CompiledPolicy) else getattr(policy, "compiled", None) for policy in policies
        ]
        flying = [one for one in compiled if one is not None]
        if len(flying) == len(policies):
            each = [one for one in flying for _ in seeds]
            jobs, decisions = self.pairs(each, [*seeds] * len(policies))
            owner, jobs["world"] = np.divmod(jobs["world"], len(seeds))
            parts = [jobs[owner == p] for p in range(len(policies))]
        else:
            played = [self._through_the_doors(policy, seeds) for policy in policies]
            parts, decisions = [one.jobs for one in played], sum(one.decisions for one in played)
        return Flown(np.stack([means_by_world(part, part["worth"], len(seeds)) for part in parts]), parts, decisions)

    def close(self) -> None:
        """End the threads that step the worlds."""
        for env in self._envs.values():
            env.close()

    def _through_the_doors(self, policy: Any, seeds: Sequence[int]) -> Played:
        """Episodes of a policy without a compiled form."""
        make: MakePolicy = lambda _: policy  # noqa: E731
        return play_worlds("search", make, self.scenario, seeds, lambda _: self.tick(), self._threads)


def means_by_world(jobs: np.ndarray, values: np.ndarray, worlds: int) -> np.ndarray:
    """Mean of a value of jobs in each world, float64 (worlds,), NaN where there are none."""
    with np.errstate(invalid="ignore"):
        return np.bincount(jobs["world"], values, worlds) / np.bincount(jobs["world"], minlength=worlds)
