"""Linear weights on the entries of a candidate: which entries have one, and what of each it is that a weight counts."""

from __future__ import annotations

from collections.abc import Sequence

from edge6g_env.features import Feature, unscaled
from edge6g_env.spaces import Layout

SCORED_ROWS = 32  # of highest utility, whose entries weigh in: no more are worth the time that they take; judgement

# Entries without a weight: of candidates that no weight is for, the utility itself, and what is the sum or the complement of others.
_UNWEIGHTED = {
    "is_hold",
    "is_reject",
    "utility",
    "exposure_device",
    "exposure_site",
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


def weighed(layout: Layout, entries: Sequence[str], per_s: float = 1.0) -> tuple[Feature, ...]:
    """Entries as a weight takes them. Those in seconds it takes in so many seconds: costs in time add up, and a weight is a price of time.

    Others are scaled as for networks (features.scales). A study found the seconds better than their logarithms (docs/search.md).
    """
    features = (layout.candidates[layout.candidate_index(name)] for name in entries)
    return tuple(unscaled(feature, per_s) if feature.unit == "s" else feature for feature in features)
