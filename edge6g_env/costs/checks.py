"""Argument checks shared by the public functions; every error names the argument and its valid range."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge6g_env.costs.efficiency import ALL_PRECISIONS
from edge6g_env.costs.tables import unknown

Floats = NDArray[np.float64]


def check_precision(precision: str) -> str:
    """The precision itself; ValueError if the cost model has no such one."""
    if precision not in ALL_PRECISIONS:
        raise unknown("precision", precision, ALL_PRECISIONS)
    return precision


def check_at_least(name: str, value: ArrayLike, low: float) -> Floats:
    """The value as float64 array; ValueError unless every element is finite and at least `low`."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} = {value!r} is not a number or an array of numbers") from None
    if not np.all(np.isfinite(array) & (array >= low)):
        wrong = array[~(np.isfinite(array) & (array >= low))].flat[0]
        raise ValueError(f"{name} = {wrong:g} is out of range: finite and at least {low:g}")
    return array
