"""`greedy` plus linear weights on what a candidate does to others and to what comes: what `edge6g train --algo search` finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from agents.learned.reading import Reads
from agents.policy import Compiled
from agents.values import distances_of
from agents.weights import SCORED_ROWS
from edge6g_env import CompiledPolicy
from edge6g_env.spaces import Layout


class LinearPolicy(Compiled):
    """The legal candidate with the highest sum of predicted utility and weighted entries, scaled as they were in the training."""

    algo = "search"
    trained_on: str | None = None
    hparams: Mapping[str, Any] = {}
    limits: Mapping[str, float] = {}

    def __init__(
        self, layout: Layout, reads: Reads, weights: Sequence[float] | np.ndarray, top: int = SCORED_ROWS
    ) -> None:
        """reads: the weighted entries; weights: (entries,), ValueError for another length; top: rows that are scored. LayoutError if the
        layout lacks an entry."""
        reads.columns(layout)
        named = zip((feature.name for feature in reads.candidates), map(float, weights), strict=True)
        scaled = ((), reads.candidates)
        near = distances_of(layout, reads.rows)
        super().__init__(CompiledPolicy(layout, distance=near, linear=dict(named), scaled_as=scaled, top=top))
