"""Worlds in which nobody sends a job: what their radio gives is that of the place alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge6g_env.batch import BatchEnv
from edge6g_env.kernel.handle import handle_of
from edge6g_env.kernel.outside import LEVELS, read_levels
from edge6g_env.scenario import Scenario

SEED = 0
QUIET: dict[str, Any] = {"arrivals.rate_jobs_s": 1e-9}


class Worlds:
    """Worlds of a scenario whose agents always hold."""

    def __init__(self, scenario: str | Scenario, num_worlds: int, **overrides: Any) -> None:
        self.batch = BatchEnv(scenario, num_worlds, **{**QUIET, **overrides})
        self.batch.reset(seed=SEED)
        self.world, self.scenario = self.batch.world, self.batch.scenario
        self._handle = handle_of(self.world)
        self._hold = np.zeros((num_worlds, self.batch.num_agents), np.int64)

    def step(self) -> None:
        """One slot."""
        self.batch.step(self._hold)

    @property
    def now_s(self) -> float:
        """Time, the same in all worlds."""
        return float(self.world.episode["now_s"][0])

    @property
    def serving_band(self) -> np.ndarray:
        """int64 (B, U): index of the serving cell's band."""
        return np.asarray(self.world.site["band"])[self.world.ue["node"]]

    def levels(self) -> dict[str, np.ndarray]:
        """LEVELS of every UE now, float64 (B, U) each."""
        out = np.zeros((len(LEVELS), *self.world.ue.shape))
        with np.errstate(over="ignore"):
            read_levels(self._handle, self.now_s, out)
        return dict(zip(LEVELS, out, strict=True))
