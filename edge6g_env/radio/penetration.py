"""Outdoor to indoor: loss of the wall and of the way behind it (3GPP TR 38.901 clause 7.4.3.1)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge6g_env._arrays import FloatLike, FloatOrArray, require_within
from edge6g_env.radio._data import fact

INDOOR_LOSS_DB_PER_M = 0.5  # Table 7.4.3-2
MAX_INDOOR_M = 25.0  # from 6 GHz up the smaller of two U(0, 25 m) draws, one per UE; below, one draw per link
_WALL_MODEL_FROM_GHZ = 6.0  # below: Table 7.4.3-3, no random term
_STD_DB = {"low": 4.4, "high": 6.5}  # Table 7.4.3-2
BUILDINGS = tuple(_STD_DB)

Array = npt.NDArray[np.float64]


def _linear(loss_db: Array) -> Array:
    return np.asarray(10.0 ** (-loss_db / 10.0))


def _through_wall_db(f_ghz: Array, building: str) -> Array:
    """Table 7.4.3-2, with the materials of Table 7.4.3-1: glass, coated (IRR) glass and concrete."""
    glass, coated, concrete = 2.0 + 0.2 * f_ghz, 23.0 + 0.3 * f_ghz, 5.0 + 4.0 * f_ghz
    if building == "low":
        passed = 0.3 * _linear(glass) + 0.7 * _linear(concrete)
    else:
        passed = 0.7 * _linear(coated) + 0.3 * _linear(concrete)
    return np.asarray(5.0 - 10.0 * np.log10(passed))


def _checked(carrier_ghz: FloatLike, building: str) -> Array:
    if building not in BUILDINGS:
        raise ValueError(f"building = {building!r} is outside its range: 'low' or 'high' (loss)")
    return require_within("carrier_ghz", carrier_ghz, 0.5, 300.0, "GHz")


def _as_given(values: Array) -> FloatOrArray:
    return float(values) if values.ndim == 0 else values


def wall_loss_db(carrier_ghz: FloatLike, building: str) -> FloatOrArray:
    """Mean loss in dB of the outer wall, float64, shape of carrier_ghz (a float for a number).

    carrier_ghz: 0.5 to 300, else ValueError; above 100 the formulas of the standard are an extrapolation. building: "low" (30
    percent plain glass, the rest concrete) or "high" (70 percent coated glass). Below 6 GHz 20 dB. Add INDOOR_LOSS_DB_PER_M
    times the indoor way, and from 6 GHz up a normal number of `wall_std_db`. Source: TR 38.901 Tables 7.4.3-1 to 7.4.3-3.
    """
    f_ghz = _checked(carrier_ghz, building)
    low_carrier_db = fact("o2i_below_6ghz_wall")
    return _as_given(np.where(f_ghz < _WALL_MODEL_FROM_GHZ, low_carrier_db, _through_wall_db(f_ghz, building)))


def wall_std_db(carrier_ghz: FloatLike, building: str) -> FloatOrArray:
    """Std in dB of the normal part of the penetration loss, shape of carrier_ghz; none below 6 GHz. Arguments: `wall_loss_db`."""
    f_ghz = _checked(carrier_ghz, building)
    return _as_given(np.where(f_ghz < _WALL_MODEL_FROM_GHZ, 0.0, _STD_DB[building]))
