"""The choice of the rules that look at latency alone."""

from __future__ import annotations

import numpy as np

from agents.policy import Observation
from agents.rules._jobs import Entries
from edge6g_env.spaces import Layout


class LeastLatency:
    """Of the legal rows nearest to given ones that of least forecast latency without its waits, but with the load of missing weights.

    It rejects only what nothing can serve.
    """

    privileged = False
    needs_candidates = True

    def __init__(self, layout: Layout, rows: np.ndarray) -> None:
        """rows: distances, int64 (S, C), see `agents.rules._plans`."""
        self._entries, self._rows = Entries(layout), rows

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """Deterministic; see Policy.act."""
        jobs = self._entries.of(obs)
        return jobs.actions(jobs.nearest(self._rows, reject=False), jobs.candidate("wait_s") - jobs.latency_s())
