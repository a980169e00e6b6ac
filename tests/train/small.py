"""Trainings of a second: learners with few and short episodes, and pools that play where they are called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from eval.pools.pool import Hangar, Part
from train.learner import Learner
from train.setup import Setup

SEARCH = {"population": 4, "episodes": 1}
SCORER = {**SEARCH, "stage_a": 0.35, "seeds": 2, "draws": 2, "minibatch": 128}


def learner(scenario: Any, algo: str = "scorer", seed: int = 3, settings: Any = None, **options: Any) -> Learner:
    """Small batches; options: of Setup."""
    small = {"scorer": SCORER, "search": SEARCH}[algo]
    return Learner(
        Setup((scenario,), algo, seed, **{"decisions": 10_000, "settings": {**small, **(settings or {})}, **options})
    )


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """The same tensors to the bit; NaN is the same as NaN."""
    return one.keys() == other.keys() and all(
        torch.equal(one[name].nan_to_num(-1e30), other[name].nan_to_num(-1e30)) for name in one
    )


class Done:
    """Parts that have been played."""

    def __init__(self, results: list[Any]) -> None:
        self._results = results

    def finish(self) -> list[Any]:
        return self._results


class Inline:
    """A pool that plays at once, in the caller's thread; `workers` is into how many parts work is cut."""

    def __init__(self, workers: int = 1, threads: int = 1) -> None:
        self.workers, self.tick, self.parts = workers, lambda: None, []
        self._hangar = Hangar(threads)

    def begin(self, parts: Sequence[Part]) -> Done:
        self.parts.append(list(parts))
        return Done([part(self._hangar) for part in parts])

    def close(self) -> None:
        self._hangar.close()
