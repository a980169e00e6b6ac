"""Rule `local`."""

from __future__ import annotations

import numpy as np

from agents.policy import Observation, register
from agents.rules._rows import DefaultRows
from edge6g_env.kernel.codes import LOCAL
from edge6g_env.spaces import Layout


@register("local")
class Local:
    """Every job runs at the node that it reached."""

    privileged = False
    needs_candidates = False

    def __init__(self, layout: Layout) -> None:
        self._rows = DefaultRows(layout)

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """Deterministic; see Policy.act."""
        return self._rows.choose(obs, LOCAL)
