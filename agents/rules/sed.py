"""Rule `sed`."""

from __future__ import annotations

import numpy as np

from agents.policy import Observation, register
from agents.rules._jobs import Entries
from agents.rules._plans import usual_rows
from edge6g_env.spaces import Layout


@register("sed")
class ShortestExpectedDelay:
    """Go where the last token is expected first; blind to price, energy and quality, and to what the job costs the others.

    Delay is the time in the system, the forecast of the first token and of all that follow it. Only the route is chosen, the whole model on
    the device is one: cuts, precision and model are the smallest and the usual ones, the nearest legal where these are illegal. It rejects
    only what nothing can serve. Banawan and Zahorjan, "Load sharing in heterogeneous queueing systems", IEEE INFOCOM 1989.
    """

    privileged = False
    needs_candidates = True

    def __init__(self, layout: Layout) -> None:
        self._entries, self._rows = Entries(layout), usual_rows(layout, device_split=[0.0, 1.0], edge_split=[0.0])

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """Deterministic; see Policy.act."""
        jobs = self._entries.of(obs)
        return jobs.actions(jobs.nearest(self._rows, reject=False), -jobs.latency_s())
