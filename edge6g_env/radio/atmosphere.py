"""Specific attenuation by atmospheric gases (ITU-R P.676-12, line by line) and by rain (ITU-R P.838-3)."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt

from edge6g_env._arrays import FloatLike, FloatOrArray, require_within
from edge6g_env.radio._data import rows

Array = npt.NDArray[np.float64]

_LEAST_CARRIER_GHZ = 0.5
_GAS_FROM_GHZ = 1.0  # P.676 starts here; below, the loss is taken as none (< 0.006 dB/km)


@cache
def _gas_spline() -> Callable[[Array], Array]:
    from scipy.interpolate import CubicSpline  # takes longer to import than all of this package

    table = np.array([(r.number("frequency_ghz"), r.number("gamma_db_per_km")) for r in rows("gas_attenuation.csv")])
    return CubicSpline(np.log10(table[:, 0]), np.log10(table[:, 1]))


def gas_attenuation_db_per_km(frequency_ghz: FloatLike) -> FloatOrArray:
    """Oxygen and water vapour, dB/km, float64, shape of frequency_ghz (a float for a number).

    frequency_ghz: 0.5 to 300, else ValueError; none below 1 GHz, where the recommendation starts. Atmosphere: 15 degC,
    7.5 g/m3 of vapour, dry-air pressure 1013.25 hPa. Not-a-knot cubic spline of log dB/km over log f through P.676-12
    values: within 0.6 percent of it, lines included.
    """
    f_ghz = require_within("frequency_ghz", frequency_ghz, _LEAST_CARRIER_GHZ, 300.0, "GHz")
    loss = 10.0 ** _gas_spline()(np.log10(np.maximum(f_ghz, _GAS_FROM_GHZ)))
    loss = np.where(f_ghz < _GAS_FROM_GHZ, 0.0, loss)
    return float(loss) if loss.ndim == 0 else loss


@cache
def _rain_terms(quantity: str) -> tuple[Array, Array]:
    """(gauss rows as (n, 3), line row as (2,)) of one regression of P.838-3."""
    mine = [r for r in rows("rain_coefficients.csv") if r["quantity"] == quantity]
    gauss = np.array([[r.number(c) for c in "abc"] for r in mine if r["term"] == "gauss"])
    line = np.array([[r.number("a"), r.number("b")] for r in mine if r["term"] == "line"])[0]
    return gauss, line


def _rain_regression(quantity: str, log_f: Array) -> Array:
    gauss, line = _rain_terms(quantity)
    total = line[0] * log_f + line[1]
    for a, b, c in gauss:
        total = total + a * np.exp(-(((log_f - b) / c) ** 2))
    return np.asarray(total)


def rain_attenuation_db_per_km(frequency_ghz: FloatLike, rain_mm_per_h: FloatLike, polarisation: str) -> FloatOrArray:
    """Rain, gamma = k R^alpha in dB/km, float64, shape of the broadcast inputs (a float for numbers).

    frequency_ghz: 1 to 1000; rain_mm_per_h: 0 or more; polarisation: "h" or "v". Raises ValueError naming the argument
    and its range. Source: ITU-R P.838-3, its own regression constants.
    """
    if polarisation not in ("h", "v"):
        raise ValueError(f"polarisation = {polarisation!r} is outside its range: 'h' or 'v'")
    f_ghz = require_within("frequency_ghz", frequency_ghz, 1.0, 1000.0, "GHz")
    rate = require_within("rain_mm_per_h", rain_mm_per_h, 0.0, math.inf, "mm/h")
    log_f = np.log10(f_ghz)
    k = 10.0 ** _rain_regression(f"log10_k_{polarisation}", log_f)
    loss = np.asarray(k * rate ** _rain_regression(f"alpha_{polarisation}", log_f))
    return float(loss) if loss.ndim == 0 else loss
