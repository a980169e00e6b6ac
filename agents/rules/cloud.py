"""Rule `cloud`."""

from __future__ import annotations

import numpy as np

from agents.policy import Observation, register
from agents.rules._rows import DefaultRows
from edge6g_env.spaces import Layout


@register("cloud")
class Cloud:
    """Every job runs in the cloud, as much of it as its privacy class allows."""

    privileged = False
    needs_candidates = False

    def __init__(self, layout: Layout) -> None:
        self._rows = DefaultRows(layout)
        self._route = layout.cloud_route

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """Deterministic; see Policy.act."""
        return self._rows.choose(obs, self._route)
