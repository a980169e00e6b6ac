"""Decisions that wait for the outcome of their job, and those that have it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from edge6g_env.kernel.world import CUT

FIRST_PLACES = 1024


class DecisionBatch(NamedTuple):
    """n decisions with their outcomes."""

    context: torch.Tensor  # (n, D) float32
    candidates: torch.Tensor  # (n, top, F) float32
    legal: torch.Tensor  # (n, top) bool
    choice: torch.Tensor  # (n,) int64 place in the shortlist
    log_prob: torch.Tensor  # (n,) when it was taken
    value: torch.Tensor  # (n,) when it was taken
    worth: torch.Tensor  # (n,) what the job was worth


class Decisions:
    """A decision takes a place when it is taken and gives it back after the update that used it; there are as many as are needed.

    A job's worth is credited to every decision that was taken about it, by (world, job), however much later it ends: one, and one more
    each time that a fault put it back.
    """

    def __init__(self, entries: int, top: int, features: int, places: int = FIRST_PLACES) -> None:
        """entries, features: of an observation and a candidate; places: at first, doubled whenever they are full."""
        self._arrays = (
            np.zeros((places, entries), np.float32),
            np.zeros((places, top, features), np.float32),
            np.zeros((places, top), bool),
            np.zeros(places, np.int64),
            *(np.zeros(places, np.float32) for _ in range(3)),
        )  # in the order of DecisionBatch
        self._free = list(range(places))
        self._open: dict[tuple[int, int], list[int]] = {}
        self._done: list[int] = []

    def __len__(self) -> int:
        """Decisions with an outcome."""
        return len(self._done)

    def add(
        self,
        keys: np.ndarray,
        context: np.ndarray,
        candidates: np.ndarray,
        legal: np.ndarray,
        choice: np.ndarray,
        log_prob: np.ndarray,
        value: np.ndarray,
    ) -> None:
        """Keep n decisions; keys int (n, 2): world, running number of the job."""
        while len(keys) > len(self._free):
            self._grow()
        rows = [self._free.pop() for _ in range(len(keys))]
        for array, values in zip(self._arrays, (context, candidates, legal, choice, log_prob, value), strict=False):
            array[rows] = values
        for (world, job), row in zip(keys.tolist(), rows, strict=True):
            self._open.setdefault((world, job), []).append(row)

    def _grow(self) -> None:
        """Twice the places."""
        places = len(self._arrays[0])
        self._arrays = tuple(np.concatenate([array, np.zeros_like(array)]) for array in self._arrays)
        self._free += range(places, 2 * places)

    def credit(self, outcomes: np.ndarray) -> None:
        """Give decisions the worth of their jobs. A job that was cut at the end of an episode has none: it is dropped."""
        worths = self._arrays[-1]
        keys = zip(outcomes["world"].tolist(), outcomes["job"].tolist(), strict=True)
        for key, phase, worth in zip(keys, outcomes["phase"].tolist(), outcomes["worth"].tolist(), strict=True):
            rows = self._open.pop(key, [])
            if phase == CUT:
                self._free += rows
            else:
                worths[rows] = worth
                self._done += rows

    def take(self) -> DecisionBatch:
        """All decisions with an outcome; their places are free again."""
        rows, self._done = self._done, []
        self._free.extend(rows)
        return DecisionBatch(*(torch.from_numpy(array[rows]) for array in self._arrays))
