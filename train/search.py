"""Direct search of linear weights: whole episodes in the kernel, no gradient, no credit of single decisions.

Each generation plays its candidates on the same fresh seeds; a candidate's reward is the mean worth of the measured jobs. The search itself
is `train.evolution`. Now and then the search point and its running mean are played on the validation seeds; the best is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch

from agents.learned.linear import LinearPolicy
from agents.learned.reading import Reads
from agents.values import ALL_ROWS, TUNED, Rows, ValuesError, distances_of, tuned
from agents.weights import SCORED_ROWS, weighted_entries
from edge6g_env import CompiledPolicy
from edge6g_env.scenario import Scenario
from edge6g_env.spaces import Layout
from eval.pools.flights import means_by_world
from eval.pools.pool import Hangar, Pool, play, shares
from eval.statistics import mean_of
from train.algorithm import Algorithm, Tensors
from train.evolution import Evolution, SearchState
from train.limits import Limit, costs_of, price_weights, priced, prices_tensor, prices_told, reads_costs
from train.setup import SettingError
from train.spreads import spreads, step_variances
from train.worlds import Worlds

GREEDY = "greedy"  # weights 0
BEGINS = (GREEDY, TUNED)
# Found by a study on campus and tiny: with a larger step the search wanders; with the cap it stays where the running mean means something.
SETTINGS: dict[str, Any] = {
    "population": 16,
    "sigma": 0.06,
    "sigma_cap": 0.12,
    "begin": GREEDY,
    "measured_share": 0.8,  # of an episode at least, see train.worlds.lengthened; docs/search.md has a trial
}
MOST_MEASURED = 0.95  # of an episode, which is twenty times as long as what is not measured then
EPISODES = 1  # of each candidate in a generation, a long one
PRICED_EPISODES = 8  # of a generation, by whose costs the prices of limits move; judgement
DEFAULTS: dict[str, Any] = {**SETTINGS, "episodes": EPISODES}  # of `edge6g train --algo search`


def weighted_reads(worlds: Worlds) -> Reads:
    """What a search weighs: the same entries in all scenarios."""
    return worlds.reads((), weighted_entries(worlds.layouts[0]))


class Played(NamedTuple):
    """Episodes of P policies."""

    rewards: np.ndarray  # float64 (P, S) mean worth of the measured jobs, NaN where there are none
    costs: np.ndarray  # float64 (P, limits, S) mean cost of a measured job, NaN likewise
    decisions: int


@dataclass(frozen=True)
class EpisodesPart:
    """Every policy on every seed (eval.pools.pool.Part)."""

    scenario: Scenario
    policies: Sequence[CompiledPolicy]
    seeds: Sequence[int]
    costs: Sequence[str] = ()
    is_share: bool = False
    """Whether these are some of the seeds that are looked at together, of which none need have a measured job."""

    def __call__(self, hangar: Hangar) -> Played:
        """Raises NothingMeasuredError if no job is measured where one must be."""
        flights = hangar.flights(self.scenario)
        flown = (flights.some if self.is_share else flights)(self.policies, self.seeds)
        seeds = len(self.seeds)
        costs = np.full((len(self.policies), len(self.costs), seeds), np.nan)
        for p, jobs in enumerate(flown.jobs):
            for c, name in enumerate(self.costs):
                costs[p, c] = means_by_world(jobs, costs_of(name, jobs), seeds)
        return Played(flown.rewards, costs, flown.decisions)


class Start(NamedTuple):
    """Where a search begins."""

    weights: np.ndarray  # float64 (entries,)
    rows: Rows  # which it keeps


def start_of(scenarios: Sequence[Scenario], reads: Reads, begin: str) -> Start:
    """At `greedy`, weights of 0 over all rows, or at the rule `tuned` of the scenario; of several its weights are averaged.

    Raises SettingError if a scenario has no values of `tuned`, or if its rows there are not those of the first one.
    """
    names = [feature.name for feature in reads.candidates]
    if begin == GREEDY:
        return Start(np.zeros(len(names)), ALL_ROWS)
    try:
        found = [tuned(TUNED, scenario).values for scenario in scenarios]
    except ValuesError as error:
        raise SettingError(f"begin = {TUNED}: {error}") from None
    rows = found[0]["rows"]
    for scenario, values in zip(scenarios, found, strict=True):
        if values["rows"] != rows:
            other = f"the rows of {TUNED} in {scenario.label} are not those in {scenarios[0].label}"
            raise SettingError(f"begin = {TUNED}: {other}, a policy has one set: begin = {GREEDY} takes all rows")
    return Start(np.mean([[values["weights"].get(name, 0.0) for name in names] for values in found], axis=0), rows)


class LinearSearch:
    """The search of a run: its state, and what stays the same all through."""

    def __init__(
        self,
        worlds: Worlds,
        pool: Pool,
        reads: Reads,
        seed: int,
        *,
        stage: int = 0,
        episodes: int = EPISODES,
        top: int = SCORED_ROWS,
        limits: Sequence[Limit] = (),
        rows: Rows | None = None,
        **settings: Any,
    ) -> None:
        """episodes: of each candidate in a generation; stage: whose worlds it meets; top: rows that are scored; rows: of a search that
        goes on, whose state is loaded then, else those of its start. Raises SettingError."""
        self.settings = {**SETTINGS, **settings}
        if self.settings["population"] < 2:
            raise SettingError("population = 1: a search compares 2 candidates or more")
        for name in ("sigma", "sigma_cap"):
            if self.settings[name] == 0.0:
                raise SettingError(f"{name} = 0: a search must move, it must be above 0")
        if self.settings["begin"] not in BEGINS:
            raise SettingError(f"begin = {self.settings['begin']!r}: it is one of {', '.join(BEGINS)}")
        if not self.settings["measured_share"] <= MOST_MEASURED:
            told = f"measured_share = {self.settings['measured_share']:g}: it must be {MOST_MEASURED:g} at most"
            raise SettingError(f"{told}, jobs before and after the window of an episode are not measured")
        self._worlds, self._own_worlds = worlds.lengthened(self.settings["measured_share"]), worlds
        start = Start(np.zeros(len(reads.candidates)), rows) if rows is not None else None
        self._start, rows = start or start_of(worlds.scenarios, reads, self.settings["begin"])
        self._pool, self._stage, self._episodes, self._top, self.limits = pool, stage, episodes, top, tuple(limits)
        self._weighted = replace(reads, rows=rows)
        self.reads = reads_costs(self._weighted, limits, worlds.layouts[0])
        self._evolution = Evolution(self.settings["population"], self.settings["sigma_cap"], seed)
        self._state: SearchState | None = None

    @property
    def state(self) -> SearchState:
        """Where the search is; where it begins, if it has not."""
        if self._state is None:
            seeds, entries = self._worlds.batch(self._stage, 0, self._episodes)[0][1], self._weighted.candidates
            found = [
                spreads(layout.scenario, entries, seeds, distances_of(layout, self.reads.rows))
                for layout in self._worlds.layouts
            ]  # an entry that is the same of all candidates in one scenario may differ in another
            variances = step_variances(np.max(found, axis=0))
            self._state = SearchState.at(self._start, self.settings["sigma"], variances)
        return self._state

    @state.setter
    def state(self, state: SearchState) -> None:
        self._state = state

    def policy(self, layout: Layout, weights: np.ndarray) -> LinearPolicy:
        """The policy of weights of `reads`."""
        return LinearPolicy(layout, self.reads, weights, self._top)

    def first(self) -> np.ndarray:
        """Weights of `reads` with which it begins."""
        return self._less_prices(self._start)

    def points(self) -> list[np.ndarray]:
        """What a validation plays: the search point, and its running mean where it is another; weights of `reads`."""
        mean, running = self.state.mean, self.state.running_mean
        found = [mean] if np.array_equal(mean, running) else [mean, running]
        return [self._less_prices(point) for point in found]

    def _less_prices(self, point: np.ndarray) -> np.ndarray:
        """Weights of `reads`, (entries,): a point of the search, and the prices as they are now."""
        weights = price_weights(self.limits, self.reads)
        weights[: len(point)] += point
        return weights

    def tensors(self) -> Tensors:
        """State and prices, by name."""
        state = {name: torch.from_numpy(np.array(array)) for name, array in self.state._asdict().items()}
        return {**state, "prices": prices_tensor(self.limits)}

    def load(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Go on from there; ValueError or KeyError if they do not fit."""
        state = SearchState.of({name: tensors[name].numpy() for name in SearchState._fields})
        if len(state.mean) != len(self._weighted.candidates):
            raise ValueError(f"it has {len(state.mean)} weights, there are {len(self._weighted.candidates)} entries")
        self.limits, self.state = priced(self.limits, tensors["prices"].tolist()), state

    def advance(self) -> tuple[int, dict[str, float]]:
        """Play and tell one generation; its decisions and figures."""
        generation, points = int(self.state.generation), self._evolution.ask(self.state)
        costs = [limit.cost for limit in self.limits]
        parts: list[EpisodesPart] = []
        batch = self._worlds.batch(self._stage, generation, self._episodes)
        for layout, seeds in batch:
            policies = [self.policy(layout, self._less_prices(point)).compiled for point in points]
            parts += [
                EpisodesPart(layout.scenario, share, seeds, costs) for share in shares(policies, self._pool.workers)
            ]
        each, point = len(parts) // len(batch), self._point_parts(generation)
        played: list[Played] = play(self._pool, [*parts, *point])
        own = played[len(parts) :]
        groups = [played[n : n + each] for n in range(0, len(parts), each)]
        rewards, spent = (
            np.concatenate([np.concatenate([getattr(one, name) for one in group]) for group in groups], axis=-1)
            for name in ("rewards", "costs")
        )
        means, costs_mean = np.nanmean(rewards, axis=1), np.nanmean(spent, axis=2)
        worth = means - costs_mean @ np.array([limit.price for limit in self.limits])
        told = self._evolution.tell(self.state, points, worth)
        if self.limits:
            costs_own = np.concatenate([one.costs[0] for one in own], axis=-1)
            self.limits = tuple(limit.after(mean_of(each)) for limit, each in zip(self.limits, costs_own, strict=True))
        self.state = told
        figures = {
            "population_reward": float(means.mean()),
            "step_size": float(told.sigma),
            "generation": float(told.generation),
            "weights_norm": float(np.linalg.norm(told.mean)),
        }
        return sum(one.decisions for one in played), figures | prices_told(self.limits)

    def _point_parts(self, generation: int) -> list[EpisodesPart]:
        """What raises the prices: the search point, in the scenario's own episodes, as limits are meant. What candidates around it cost in
        longer episodes is another mean."""
        if not self.limits:
            return []
        costs, (mean, *_) = [limit.cost for limit in self.limits], self.points()
        return [
            EpisodesPart(layout.scenario, [self.policy(layout, mean).compiled], share, costs, is_share=True)
            for layout, seeds in self._own_worlds.batch(self._stage, generation, PRICED_EPISODES)
            for share in shares(seeds, self._pool.workers)
        ]


class SearchAlgorithm(Algorithm):
    """A search as the callbacks take it."""

    def __init__(
        self,
        worlds: Worlds,
        pool: Pool,
        seed: int,
        episodes: int = EPISODES,
        limits: Sequence[Limit] = (),
        **options: Any,
    ) -> None:
        """See LinearSearch."""
        super().__init__(pool)
        reads = weighted_reads(worlds)
        self.search = LinearSearch(worlds, pool, reads, seed, episodes=episodes, limits=limits, **options)

    def _advance(self) -> tuple[int, dict[str, float]]:
        return self.search.advance()

    def _tensors(self) -> Tensors:
        return self.search.tensors()

    def _load(self, tensors: Mapping[str, torch.Tensor]) -> None:
        self.search.load(tensors)
