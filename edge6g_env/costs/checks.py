"""The array type of the public functions, and the check of a precision."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge6g_env.costs.efficiency import ALL_PRECISIONS
from edge6g_env.costs.tables import unknown

Floats = NDArray[np.float64]


def check_precision(precision: str) -> str:
    """The precision itself; ValueError if the cost model has no such one."""
    if precision not in ALL_PRECISIONS:
        raise unknown("precision", precision, ALL_PRECISIONS)
    return precision
