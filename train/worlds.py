"""The worlds that a run meets: which scenario, varied setting and seed, batch by batch, by the numbers of stage and batch alone."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from agents.learned.reading import Reads
from agents.weights import weighed
from edge6g_env.errors import UserError
from edge6g_env.features import Feature
from edge6g_env.scenario import Scenario, load_scenario
from edge6g_env.spaces import Layout
from train.seeds import world_seed

OF_STAGE = 1 << 19  # batches of a stage, before the numbers of the next one begin
VARIED_TOGETHER = 2  # environments of a batch at least, where a setting varies: each has a value of its own; judgement


class VaryError(UserError):
    """A setting that cannot be varied as asked."""


@dataclass(frozen=True)
class Varied:
    """A number of the scenario that each environment draws anew in each batch, uniformly."""

    key: str
    low: float
    high: float
    whole: bool
    """Whether it takes whole numbers alone."""

    def drawn(self, *numbers: int) -> float | int:
        """The value that belongs to some numbers."""
        rng = np.random.default_rng([*numbers, zlib.crc32(self.key.encode())])
        return (
            int(rng.integers(int(self.low), int(self.high) + 1))
            if self.whole
            else float(rng.uniform(self.low, self.high))
        )


def varied_of(words: Sequence[str], scenarios: Sequence[Scenario]) -> tuple[Varied, ...]:
    """Settings of KEY=LOW:HIGH; VaryError for a range that is none or a key that stands twice, ScenarioError if a scenario cannot have an
    end."""
    found: dict[str, Varied] = {}
    for word in words:
        key, _, ends = word.partition("=")
        low, _, high = ends.partition(":")
        try:
            numbers = float(low), float(high)
        except ValueError:
            numbers = math.nan, math.nan
        if not key or not -math.inf < numbers[0] < numbers[1] < math.inf:
            raise VaryError(f"--vary {word}: it must be KEY=LOW:HIGH with two numbers, as arrivals.rate_jobs_s=6:14")
        if key in found:
            raise VaryError(f"--vary {key} stands twice: a setting has one range")
        varied = Varied(key, *numbers, whole=not {".", "e", "E"} & {*low, *high})
        for scenario in scenarios:
            for end in numbers:
                load_scenario(scenario, **{key: int(end) if varied.whole else end})
        found[key] = varied
    return tuple(found.values())


class Worlds:
    """Those of one scenario, or of several in turn, with settings that vary."""

    def __init__(self, scenarios: Sequence[Scenario], seed: int, varied: Sequence[Varied] = ()) -> None:
        """seed: of the training; SeedError for one out of range."""
        world_seed(seed, 0, 0)
        self.scenarios, self._seed, self._varied = tuple(scenarios), seed, tuple(varied)
        self.layouts = tuple(map(Layout, scenarios))

    def batch(self, stage: int, number: int, count: int) -> list[tuple[Layout, list[int]]]:
        """`count` seeds of a batch of a stage, as even as can be over its environments; scenarios take turns from batch to batch."""
        environments = max(len(self.layouts), VARIED_TOGETHER if self._varied else 1)
        seeds = [world_seed(self._seed, stage * OF_STAGE + number, n) for n in range(count)]
        return [
            (self._environment(stage, number, number * count + place, place), seeds[place::environments])
            for place in range(min(environments, count))
        ]

    def _environment(self, stage: int, number: int, turn: int, place: int) -> Layout:
        layout = self.layouts[turn % len(self.layouts)]
        if not self._varied:
            return layout
        values = {one.key: one.drawn(self._seed, stage, number, place) for one in self._varied}
        return Layout(load_scenario(layout.scenario, **values))

    def reads(self, observation: Sequence[str], candidates: Sequence[str], per_s: float = 1.0) -> Reads:
        """Entries of all scenarios, those of candidates as weights take them (agents.weights), each over the widest of its ranges.

        Raises LayoutError if a scenario lacks an entry.
        """
        found: Reads | None = None
        for layout in self.layouts:
            of = Reads(Reads.of(layout, observation, ()).observation, weighed(layout, candidates, per_s))
            so_far = found or of
            found = Reads(_widest(so_far.observation, of.observation), _widest(so_far.candidates, of.candidates))
        assert found is not None
        return found


def _widest(one: Sequence[Feature], other: Sequence[Feature]) -> tuple[Feature, ...]:
    pairs = zip(one, other, strict=True)
    return tuple(replace(a, low=min(a.low, b.low), high=max(a.high, b.high)) for a, b in pairs)
