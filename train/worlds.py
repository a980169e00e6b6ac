"""The worlds that a run meets: which scenario and seed, batch by batch, by the numbers of run and batch alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from agents.learned.reading import Reads
from agents.weights import weighed
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

    def reads(self, observation: Sequence[str], candidates: Sequence[str], per_s: float = 1.0) -> Reads:
        """Entries of all scenarios, those of candidates as weights take them (agents.weights), each over the widest of its ranges.

        Raises LayoutError if a scenario lacks an entry.
        """
        found: Reads | None = None
        for layout in self.layouts:
            of = Reads(Reads.of(layout, observation, ()).observation, weighed(layout, candidates, per_s))
            found = (
                of
                if found is None
                else Reads(_widest(found.observation, of.observation), _widest(found.candidates, of.candidates))
            )
        assert found is not None
        return found


def _widest(one: Sequence[Feature], other: Sequence[Feature]) -> tuple[Feature, ...]:
    pairs = zip(one, other, strict=True)
    return tuple(replace(a, low=min(a.low, b.low), high=max(a.high, b.high)) for a, b in pairs)
