"""Draft and verify: how many tokens a round yields (draft.csv, COSTS 12)."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from edge6g_env._arrays import require_within
from edge6g_env.costs.checks import Floats
from edge6g_env.costs.specs import ModelSpec
from edge6g_env.costs.tables import read_rows, unknown


@cache
def _acceptance() -> dict[tuple[str, str], float]:
    """(target, draft) -> acceptance; the first row of a pair measured on several tasks."""
    table: dict[tuple[str, str], float] = {}
    for row in read_rows("draft.csv"):
        table.setdefault((row["target"], row["draft"]), row.number("acceptance"))
    return table


def draft_acceptance(target: str | ModelSpec, draft: str | ModelSpec) -> float:
    """Share of the draft's tokens that the target accepts, 0..1; ValueError naming known pairs for one without row.

    Models that are in no table have none, whatever their names.
    """
    names = tuple(one.name if isinstance(one, ModelSpec) else one for one in (target, draft))
    is_own = any(isinstance(one, ModelSpec) and one.own for one in (target, draft))
    try:
        if not is_own:
            return _acceptance()[names]  # type: ignore[index]  # two of them
    except (KeyError, TypeError):
        pass
    raise unknown("target/draft", "/".join(names), ("/".join(pair) for pair in _acceptance()))


def tokens_per_round(acceptance: ArrayLike, drafted: ArrayLike) -> Floats:
    """Mean tokens of a round of `drafted` (>= 0) tokens: (1 - a**(k+1)) / (1 - a), float64, broadcast shape.

    acceptance: 0 to 1; at 1 every token is kept and the round yields k + 1. Source: Leviathan et al. 2023, COSTS 12.
    """
    a = require_within("acceptance", acceptance, 0.0, 1.0)
    k = require_within("drafted", drafted, 0.0)
    certain = a == 1.0
    safe = np.where(certain, 0.5, a)
    return np.where(certain, k + 1.0, (1.0 - safe ** (k + 1.0)) / (1.0 - safe))
