"""Numeric helpers of compiled code."""

from __future__ import annotations

import math

from edge6g_env._jit import njit


@njit
def normal_cdf(x: float) -> float:
    """Standard normal distribution function; through erfc, so that the lower tail keeps its digits."""
    return 0.5 * math.erfc(-x / math.sqrt(2.0))
