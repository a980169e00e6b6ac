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


@njit
def shadow_std_db_of(
    los: bool, d2_m: float, dbp_m: float, sigma_los_db: float, sigma_los_far_db: float, sigma_nlos_db: float
) -> float:
    """Shadowing std in dB of one link; in sight it may change at the break point (RMa), as TR 38.901 Table 7.4.1-1 has it."""
    if not los:
        return sigma_nlos_db
    return sigma_los_db if d2_m <= dbp_m else sigma_los_far_db
