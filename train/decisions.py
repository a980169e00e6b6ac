"""Decisions that wait for the outcome of their job, and those that have it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from agents.learned.scorer import Situations
from edge6g_env.kernel.codes import CUT

FIRST_PLACES = 1024


class DecisionBatch(NamedTuple):
    """n decisions with their outcomes."""

    situations: Situations
    choice: torch.Tensor  # (n,) int64 place in the shortlist
    log_prob: torch.Tensor  # (n,) when it was taken
    value: torch.Tensor  # (n,) when it was taken
    worth: torch.Tensor  # (n,) what the job was worth


class Decisions:
    """A decision takes a place when it is taken and gives it back after the update that used it; there are as many as are needed.

    A job's worth is credited to every decision that was taken about it, by (world, job), however much later it ends: one, and one more
    each time that a fault put it back.
    """

    def __init__(self, entries: int, top: int, candidate_entries: int, places: int = FIRST_PLACES) -> None:
        """entries, candidate_entries: of a situation's context and candidates; places: at first, doubled whenever they are full."""
        shapes = (entries,), (top, candidate_entries), (top,), ()
        self._arrays = (
            *(np.zeros((places, *shape), np.float32) for shape in shapes),
            np.zeros(places, np.int64),
            *(np.zeros(places, np.float32) for _ in range(3)),
        )  # in the order of DecisionBatch, a situation's first
        self._free = list(range(places))
        self._open: dict[tuple[int, int], list[int]] = {}
        self._done: list[int] = []

    def __len__(self) -> int:
        """Decisions with an outcome."""
        return len(self._done)

    def add(
        self,
        worlds: np.ndarray,
        jobs: np.ndarray,
        situations: Situations,
        choice: torch.Tensor,
        log_prob: torch.Tensor,
        value: torch.Tensor,
    ) -> None:
        """Keep n decisions; worlds, jobs: int (n,), the running numbers of the jobs in their worlds."""
        while len(jobs) > len(self._free):
            self._grow()
        kept = len(self._free) - len(jobs)
        rows, self._free = self._free[kept:], self._free[:kept]
        places = np.array(rows)
        for array, values in zip(self._arrays, (*situations, choice, log_prob, value), strict=False):
            array[places] = values.numpy()
        for world, job, row in zip(worlds.tolist(), jobs.tolist(), rows, strict=True):
            self._open.setdefault((world, job), []).append(row)

    def _grow(self) -> None:
        """Twice the places."""
        places = len(self._arrays[0])
        self._arrays = tuple(np.concatenate([array, np.zeros_like(array)]) for array in self._arrays)
        self._free += range(places, 2 * places)

    def credit(self, outcomes: np.ndarray, first_world: int = 0) -> None:
        """Give decisions the worth of their jobs. A job that was cut at the end of an episode has none: it is dropped.

        outcomes: rows of a batch whose worlds are counted from first_world on.
        """
        columns = ((outcomes["world"] + first_world), *(outcomes[name] for name in ("job", "phase", "worth")))
        rows: list[int] = []
        worths: list[float] = []
        for world, job, phase, worth in zip(*(column.tolist() for column in columns), strict=True):
            about = self._open.pop((world, job), [])
            if phase == CUT:
                self._free += about
            else:
                rows += about
                worths += [worth] * len(about)
        self._arrays[-1][rows] = worths
        self._done += rows

    def take(self) -> DecisionBatch:
        """All decisions with an outcome; their places are free again."""
        rows, self._done = self._done, []
        self._free += rows
        places = torch.tensor(rows, dtype=torch.int64)
        tensors = [torch.from_numpy(array).index_select(0, places) for array in self._arrays]
        *situations, choice, log_prob, value, worth = tensors
        return DecisionBatch(Situations(*situations), choice, log_prob, value, worth)
