"""The worlds that a run meets: which scenario, varied setting and seed, by numbers alone: of stage and batch, or of world and episode."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from agents.learned.reading import Reads
from agents.weights import weighed
from edge6g_env.errors import UserError
from edge6g_env.features import widest
from edge6g_env.overrides import plain, value_of
from edge6g_env.scenario import Scenario, load_scenario
from edge6g_env.spaces import Layout
from edge6g_env.varied import difference
from train.seeds import run_of_batch, world_seed

VARIED_TOGETHER = 2  # environments of a batch at least, where a setting varies: each has a value of its own; judgement
MOST_VARIED = 8  # settings: what a network reads is scaled over all combinations of their ends


class VaryError(UserError):
    """A setting that cannot be varied as asked."""


@dataclass(frozen=True)
class Varied:
    """A number of the scenario that is drawn anew, uniformly: by an environment for each batch, or by a world for each episode."""

    key: str
    low: float
    high: float
    whole: bool
    """Whether it takes whole numbers alone."""
    times: bool = False
    """Whether low and high are factors of what each scenario has of its own."""

    @property
    def word(self) -> str:
        """As it is asked for."""
        return f"{self.key}={self.range}"

    @property
    def range(self) -> str:
        """Low and high as they are asked for, exactly: 6:14 are whole numbers, 6.0:14.0 are not, 0.5x:2.0x are factors."""
        low, high = (
            str(int(end)) if self.whole else f"{end!r}{'x' if self.times else ''}" for end in (self.low, self.high)
        )
        return f"{low}:{high}"

    def ends(self, scenario: Scenario) -> tuple[float, float]:
        """Low and high, as a scenario takes them; VaryError if it has no number there that could be multiplied."""
        low, high = (self._in(scenario, int(end) if self.whole else end) for end in (self.low, self.high))
        return low, high

    def drawn(self, scenario: Scenario, *numbers: int) -> float | int:
        """The value that belongs to some numbers, in a scenario."""
        rng = np.random.default_rng([*numbers, zlib.crc32(self.key.encode())])
        number = (
            int(rng.integers(int(self.low), int(self.high) + 1))
            if self.whole
            else float(rng.uniform(self.low, self.high))
        )
        return self._in(scenario, number)

    def _in(self, scenario: Scenario, number: float) -> float:
        if not self.times:
            return number
        own = value_of(plain(scenario), self.key)
        if own is None:
            load_scenario(scenario, **{self.key: number})  # which says what is wrong with a key that nobody knows
        if isinstance(own, bool) or not isinstance(own, int | float):
            raise VaryError(f"--vary {self.word}: {self.key} is no number in {scenario.label}, it cannot be multiplied")
        return round(own * number) if isinstance(own, int) else own * number


def varied_of(words: Sequence[str], scenarios: Sequence[Scenario]) -> tuple[Varied, ...]:
    """Settings of KEY=LOW:HIGH, or KEY=LOWx:HIGHx for factors; VaryError for a range that is none or a key that stands twice, ScenarioError
    if a scenario cannot have an end."""
    found: dict[str, Varied] = {}
    for word in words:
        key, _, ends = word.partition("=")
        low, _, high = ends.partition(":")
        times = low.endswith("x") and high.endswith("x")
        try:
            numbers = float(low[:-1] if times else low), float(high[:-1] if times else high)
        except ValueError:
            numbers = math.nan, math.nan
        if not key or not -math.inf < numbers[0] < numbers[1] < math.inf:
            raise VaryError(
                f"--vary {word}: it must be KEY=LOW:HIGH with two numbers, as arrivals.rate_jobs_s=6:14, or with two factors of what "
                "the scenario has, as arrivals.rate_jobs_s=0.5x:1.5x"
            )
        if key == "version":
            raise VaryError(f"--vary {word}: the version of a scenario is no setting of its worlds")
        if key in found:
            raise VaryError(f"--vary {key} stands twice: a setting has one range")
        whole = not times and not {".", "e", "E"} & {*low, *high}
        varied = found[key] = Varied(key, *numbers, whole, times)
        for scenario in scenarios:
            low_end, high_end = varied.ends(scenario)
            if low_end == high_end:
                raise VaryError(f"--vary {word}: both ends are {low_end:g} in {scenario.label}, nothing varies")
            for end in (low_end, high_end):
                load_scenario(scenario, **{key: end})
    if len(found) > MOST_VARIED:
        raise VaryError(f"--vary stands {len(found)} times: at most {MOST_VARIED} settings vary together")
    return tuple(found.values())


def check_layout_stays(scenario: Scenario, varied: Sequence[Varied], learns: str) -> None:
    """VaryError, with the first thing that differs, if a setting changes more than values; learns: who needs that, and who does not."""
    for one in varied:
        for end in one.ends(scenario):
            if found := difference(scenario, load_scenario(scenario, **{one.key: end})):
                what, here, there = found
                raise VaryError(
                    f"--vary {one.word}: {what} is {here} in {scenario.label}, {there} with {one.key} = {end:g}; {learns}"
                )


@dataclass(frozen=True)
class Draws:
    """A scenario with settings that vary."""

    scenario: Scenario
    varied: tuple[Varied, ...]

    def __call__(self, *numbers: int) -> Scenario:
        """With the values that belong to some numbers; ScenarioError for one that it cannot have."""
        return self._with([one.drawn(self.scenario, *numbers) for one in self.varied])

    def ends(self) -> list[Scenario]:
        """As it is, and with each combination of ends: between their ranges lie those of all that is drawn."""
        combinations = product(*(one.ends(self.scenario) for one in self.varied)) if self.varied else ()
        return [self.scenario, *map(self._with, combinations)]

    def _with(self, values: Sequence[float]) -> Scenario:
        named = {one.key: value for one, value in zip(self.varied, values, strict=True)}
        return load_scenario(self.scenario, **named)


def lengthened(scenario: Scenario, measured_share: float) -> Scenario:
    """The same world in episodes of which at least this share is measured; measured_share: below 1.

    A mean over measured jobs learns nothing from what is played before and after their window. It stays as it is where a planned outage
    ties it to the clock.
    """
    time = scenario.time
    whole_s = math.ceil((time.warmup_s + time.drain_s) / (1.0 - measured_share))
    slots = math.ceil(round(whole_s / time.slot_s, 6))
    episode_s = float(f"{slots * time.slot_s:.9g}")
    if episode_s <= time.episode_s or scenario.faults.outage:
        return scenario
    return load_scenario(scenario, **{"time.episode_s": episode_s})


class Worlds:
    """Those of one scenario, or of several in turn, with settings that vary."""

    def __init__(
        self, scenarios: Sequence[Scenario], seed: int, varied: Sequence[Varied] = (), measured_share: float = 0.0
    ) -> None:
        """seed: of the training; measured_share: of the episodes, see lengthened. SeedError for a seed out of range."""
        world_seed(seed, 0, 0)
        self.scenarios, self._seed, self._varied = tuple(scenarios), seed, tuple(varied)
        self._measured_share = measured_share
        self.layouts = tuple(Layout(lengthened(scenario, measured_share)) for scenario in self.scenarios)

    def lengthened(self, measured_share: float) -> Worlds:
        """The same in longer episodes, see lengthened."""
        return Worlds(self.scenarios, self._seed, self._varied, measured_share)

    def batch(self, stage: int, number: int, count: int) -> list[tuple[Layout, list[int]]]:
        """`count` seeds of a batch of a stage, as even as can be over its environments; scenarios take turns from batch to batch.

        SeedError for a number that is no batch's, see run_of_batch.
        """
        environments = max(len(self.layouts), VARIED_TOGETHER if self._varied else 1)
        run = run_of_batch(stage, number)
        seeds = [world_seed(self._seed, run, n) for n in range(count)]
        return [
            (self._environment(stage, number, number * count + place, place), seeds[place::environments])
            for place in range(min(environments, count))
        ]

    def _environment(self, stage: int, number: int, turn: int, place: int) -> Layout:
        which = turn % len(self.layouts)
        if not self._varied:
            return self.layouts[which]
        drawn = Draws(self.scenarios[which], self._varied)(self._seed, stage, number, place)
        return Layout(lengthened(drawn, self._measured_share))

    def reads(self, observation: Sequence[str], candidates: Sequence[str], per_s: float = 1.0) -> Reads:
        """Entries of all scenarios, those of candidates as weights take them (agents.weights), each over the widest of its ranges.

        Raises LayoutError if a scenario lacks an entry.
        """
        layouts = [Layout(end) for scenario in self.scenarios for end in Draws(scenario, self._varied).ends()]
        return Reads(
            widest(*(Reads.of(layout, observation, ()).observation for layout in layouts)),
            widest(*(weighed(layout, candidates, per_s) for layout in layouts)),
        )
