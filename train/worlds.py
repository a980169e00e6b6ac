"""The worlds that a run meets: which scenario and seed, batch by batch, by the numbers of run and batch alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from agents.learned.reading import Reads
from edge6g_env.features import Feature
from edge6g_env.scenario import Scenario
from edge6g_env.spaces import Layout
from train.seeds import world_seed

OF_STAGE = 1 << 19  # batches of a stage, before the numbers of the next one begin


class Worlds:
    """Those of one scenario, or of several in turn."""

    def __init__(self, scenarios: Sequence[Scenario], seed: int) -> None:
        """seed: of the training; SeedError for one out of range."""
        world_seed(seed, 0, 0)
        self.scenarios, self._seed = tuple(scenarios), seed
        self.layouts = tuple(map(Layout, scenarios))

    def batch(self, stage: int, number: int, count: int) -> list[tuple[Layout, list[int]]]:
        """`count` seeds of a batch of a stage, by the scenario that plays them, which take turns from batch to batch, too."""
        scenarios = len(self.layouts)
        turns = [
            ((number * count + n) % scenarios, world_seed(self._seed, stage * OF_STAGE + number, n))
            for n in range(count)
        ]
        return [
            (self.layouts[index], [seed for _, seed in group])
            for index, group in groupby(sorted(turns, key=lambda turn: turn[0]), key=lambda turn: turn[0])
        ]

    def reads(self, observation: Sequence[str], candidates: Sequence[str]) -> Reads:
        """Entries of all scenarios, each over the widest of its ranges; LayoutError if one lacks an entry."""
        first, *others = [Reads.of(layout, observation, candidates) for layout in self.layouts]
        for other in others:
            pairs = ((first.observation, other.observation), (first.candidates, other.candidates))
            first = Reads(*(tuple(map(_widest, *pair)) for pair in pairs))
        return first


def _widest(one: Feature, other: Feature) -> Feature:
    return replace(one, low=min(one.low, other.low), high=max(one.high, other.high))
