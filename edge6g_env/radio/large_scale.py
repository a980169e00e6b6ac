"""What moves with the metres of a UE: unit normals behind shadowing, line of sight and K factor, and the shadowing std."""

from __future__ import annotations

import math

from edge6g_env._jit import njit


@njit
def gauss_markov_step(z: float, moved_m: float, correlation_m: float, normal: float) -> float:
    """Unit normal z after a move: r z + sqrt(1 - r^2) N(0, 1), r = exp(-moved / correlation distance) (Gudmundson 1991).

    Exact for moves of any length; no move, no change.
    """
    r = math.exp(-moved_m / correlation_m)
    return r * z + math.sqrt(max(0.0, -math.expm1(-2.0 * moved_m / correlation_m))) * normal
