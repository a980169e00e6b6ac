"""`greedy` plus linear weights on what a candidate does to others and to what comes: what `edge6g train --algo search` finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from agents.learned.reading import Reads
from agents.policy import Compiled
from agents.values import SCORED_ROWS
from edge6g_env import CompiledPolicy
from edge6g_env.spaces import Layout

# Entries without a weight: of candidates that no weight is for, the utility itself, and what is the sum or the complement of others.
_UNWEIGHTED = {
    "is_hold",
    "is_reject",
    "utility",
    "exposure",
    "price_musd",
    "energy_j",
    "ingress_share",
    "target_share",
    "air_mb",
    "backhaul_mb",
}


def weighted_entries(layout: Layout) -> list[str]:
    """Candidate entries that a search weighs, in a candidate's order."""
    return [feature.name for feature in layout.candidates if feature.name not in _UNWEIGHTED]


class LinearPolicy(Compiled):
    """The legal candidate with the highest sum of predicted utility and weighted entries, each over its range of the training."""

    algo = "search"
    trained_on: str | None = None
    hparams: Mapping[str, Any] = {}

    def __init__(
        self, layout: Layout, reads: Reads, weights: Sequence[float] | np.ndarray, top: int = SCORED_ROWS
    ) -> None:
        """reads: the weighted entries; weights: (entries,); top: rows that are scored. LayoutError if the layout lacks an entry, ValueError for another length."""
        reads.columns(layout)
        named = zip((feature.name for feature in reads.candidates), map(float, weights), strict=True)
        scaled = ((), reads.candidates)
        super().__init__(CompiledPolicy(layout, linear=dict(named), scaled_as=scaled, top=top))
