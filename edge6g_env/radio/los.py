"""Line-of-sight probability, 3GPP TR 38.901 v19.2 Table 7.4.2-1."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from edge6g_env._arrays import FloatLike, FloatOrArray, flat, require_within, shaped
from edge6g_env._jit import njit
from edge6g_env.radio.environments import (
    INF_DH,
    INF_DL,
    INF_HH,
    INF_SH,
    INH_MIXED,
    INH_OPEN,
    RMA,
    UMA,
    UMI,
    default_heights_m,
    environment_id,
)
from edge6g_env.radio.path_loss import require_heights

_ALWAYS_LOS_M = 18.0  # UMi, UMa
# Clutter of TR 38.901 Table 7.8-7
_SPARSE_DENSITY, _SPARSE_SIZE_M, SPARSE_HEIGHT_M = 0.2, 10.0, 2.0
_DENSE_DENSITY, _DENSE_SIZE_M, DENSE_HEIGHT_M = 0.6, 2.0, 6.0
_MAX_DISTANCE_M = {UMI: 5_000.0, UMA: 5_000.0, RMA: 10_000.0, INH_MIXED: 150.0, INH_OPEN: 150.0}
_INF_MAX_DISTANCE_M = 600.0


def max_distance_m(environment: str) -> float:
    """Longest ground distance in m for which the environment is valid; ValueError for an unknown name."""
    return _MAX_DISTANCE_M.get(environment_id(environment), _INF_MAX_DISTANCE_M)


@njit
def _street(d2_m: float, decay_m: float) -> float:
    near = _ALWAYS_LOS_M / d2_m
    return near + math.exp(-d2_m / decay_m) * (1.0 - near)


@njit
def _uma(d2_m: float, hu_m: float) -> float:
    if d2_m <= _ALWAYS_LOS_M:
        return 1.0
    tall = ((hu_m - 13.0) / 10.0) ** 1.5 if hu_m > 13.0 else 0.0
    g = 1.25 * (d2_m / 100.0) ** 3 * math.exp(-d2_m / 150.0)
    return _street(d2_m, 63.0) * (1.0 + tall * g)


@njit
def _inh_mixed(d2_m: float) -> float:
    if d2_m <= 1.2:
        return 1.0
    return math.exp(-(d2_m - 1.2) / 4.7) if d2_m < 6.5 else 0.32 * math.exp(-(d2_m - 6.5) / 32.6)


@njit
def _inh_open(d2_m: float) -> float:
    if d2_m <= 5.0:
        return 1.0
    return math.exp(-(d2_m - 5.0) / 70.8) if d2_m <= 49.0 else 0.54 * math.exp(-(d2_m - 49.0) / 211.7)


@njit
def _inf(environment_id: int, d2_m: float, hu_m: float, hb_m: float) -> float:
    dense = environment_id in (INF_DL, INF_DH)
    density = _DENSE_DENSITY if dense else _SPARSE_DENSITY
    size_m = _DENSE_SIZE_M if dense else _SPARSE_SIZE_M
    clutter_m = DENSE_HEIGHT_M if dense else SPARSE_HEIGHT_M
    decay_m = -size_m / math.log(1.0 - density)
    if environment_id in (INF_SH, INF_DH):
        if hu_m >= clutter_m:
            return 1.0
        decay_m *= (hb_m - hu_m) / (clutter_m - hu_m)
    return math.exp(-d2_m / max(decay_m, 1e-9))


@njit
def los_probability_of(environment_id: int, d2_m: float, hu_m: float, hb_m: float) -> float:
    """LOS probability of one link, in [0, 1]; arguments are taken as valid.

    hb_m matters in InF-SH and -DH only; there a UE above the clutter is in sight.
    """
    if environment_id == UMI:
        p = 1.0 if d2_m <= _ALWAYS_LOS_M else _street(d2_m, 36.0)
    elif environment_id == UMA:
        p = _uma(d2_m, hu_m)
    elif environment_id == RMA:
        p = 1.0 if d2_m <= 10.0 else math.exp(-(d2_m - 10.0) / 1000.0)
    elif environment_id == INH_MIXED:
        p = _inh_mixed(d2_m)
    elif environment_id == INH_OPEN:
        p = _inh_open(d2_m)
    elif environment_id == INF_HH:
        p = 1.0
    else:
        p = _inf(environment_id, d2_m, hu_m, hb_m)
    return min(max(p, 0.0), 1.0)


@njit
def _probabilities(environment_id: int, links: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Probability of each column of links, (3, n): d2_m, hu_m, hb_m."""
    out = np.empty(links.shape[1])
    for i in range(out.size):
        out[i] = los_probability_of(environment_id, links[0, i], links[1, i], links[2, i])
    return out


def los_probability(
    environment: str, distance_2d_m: FloatLike, h_ut_m: FloatLike, h_bs_m: FloatLike | None = None
) -> FloatOrArray:
    """LOS probability in [0, 1], float64, shape of the broadcast inputs (a float if all are numbers).

    environment: UMi-StreetCanyon, UMa, RMa, InH-Office-mixed, InH-Office-open, InF-SL, -DL, -SH, -DH, -HH.
    distance_2d_m: ground distance, for an indoor UE its outdoor part; up to 5 km (RMa 10 km, InH 150 m, InF 600 m).
    h_bs_m: default height if None; only InF-SH and -DH use it, with the UE below the clutter (2 m, 6 m) and the base
    station above the UE.
    Raises ValueError naming the argument and its range. Source: TR 38.901 v19.2 Tables 7.4.2-1, 7.8-7.
    """
    if environment == "InH-Office":
        raise ValueError("environment 'InH-Office': the LOS probability needs InH-Office-mixed or InH-Office-open")
    key = environment_id(environment)
    hb_m, hu_m = require_heights(key, default_heights_m(key)[0] if h_bs_m is None else h_bs_m, h_ut_m, environment)
    if key in (INF_SH, INF_DH):
        _require_inside_clutter(key, hb_m, hu_m, environment)
    limit_m = max_distance_m(environment)
    d2_m = require_within("distance_2d_m", distance_2d_m, 0.0, limit_m, "m", environment)
    shape, links = flat(d2_m, hu_m, hb_m)
    return shaped(_probabilities(key, links), shape)


def _require_inside_clutter(
    environment: int, hb_m: npt.NDArray[np.float64], hu_m: npt.NDArray[np.float64], name: str
) -> None:
    clutter_m = DENSE_HEIGHT_M if environment == INF_DH else SPARSE_HEIGHT_M
    if (hu_m >= clutter_m).any():
        raise ValueError(f"h_ut_m = {hu_m.max():g} is outside 0 to below {clutter_m:g} m, the clutter height of {name}")
    if (hb_m <= hu_m).any():
        raise ValueError(f"h_bs_m = {hb_m.min():g} is outside its range: above h_ut_m, to 100 m ({name})")
