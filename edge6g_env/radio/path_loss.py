"""Basic path loss: 3GPP TR 38.901 v19.2 Table 7.4.1-1 to 100 GHz, the 1 m close-in model above.

The compiled functions hold the formulas; `path_loss_db` adds the checks and broadcasting.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from edge6g_env._arrays import FloatLike, FloatOrArray, flat, require_los, require_within, shaped
from edge6g_env._jit import njit
from edge6g_env.radio.environments import (
    INF_DL,
    INF_HH,
    INF_SH,
    INF_SL,
    INH_MIXED,
    INH_OPEN,
    RMA,
    UMA,
    UMI,
    environment_id,
)

SPEED_OF_LIGHT_M_S = 299_792_458.0
STANDARD_MAX_GHZ = 100.0

_EFFECTIVE_ENVIRONMENT_HEIGHT_M = 1.0  # hE; the standard draws it for UMa UEs above 13 m, here it is 1 at every height
_OUTDOOR_MIN_M = 10.0  # the standard's least ground distance
_NEAREST_M = 1.0  # least 3D distance indoors and of the close-in model
_RMA_BUILDING_M = 5.0  # average building height h
_RMA_STREET_M = 20.0  # average street width W


@njit
def breakpoint_m(environment_id: int, hb_m: float, hu_m: float, f_ghz: float) -> float:
    """Break point distance in m of UMi, UMa and RMa (TR 38.901 Table 7.4.1-1, notes 1 and 5); inf elsewhere."""
    wavelength_m = SPEED_OF_LIGHT_M_S / (f_ghz * 1e9)
    if environment_id == RMA:
        return 2.0 * math.pi * hb_m * hu_m / wavelength_m
    if environment_id in (UMI, UMA):
        above_m = (hb_m - _EFFECTIVE_ENVIRONMENT_HEIGHT_M) * (hu_m - _EFFECTIVE_ENVIRONMENT_HEIGHT_M)
        return 4.0 * above_m / wavelength_m
    return math.inf


@njit
def _two_slope_db(
    constant_db: float,
    slope: float,
    correction: float,
    d2_m: float,
    d3_m: float,
    hb_m: float,
    hu_m: float,
    f_ghz: float,
    dbp_m: float,
) -> float:
    if d2_m <= dbp_m:
        return constant_db + slope * math.log10(d3_m) + 20.0 * math.log10(f_ghz)
    far_db = constant_db + 40.0 * math.log10(d3_m) + 20.0 * math.log10(f_ghz)
    return far_db - correction * math.log10(dbp_m**2 + (hb_m - hu_m) ** 2)


@njit
def _umi_db(los: bool, d2_m: float, d3_m: float, hb_m: float, hu_m: float, f_ghz: float) -> float:
    dbp_m = breakpoint_m(UMI, hb_m, hu_m, f_ghz)
    los_db = _two_slope_db(32.4, 21.0, 9.5, d2_m, d3_m, hb_m, hu_m, f_ghz, dbp_m)
    if los:
        return los_db
    return max(los_db, 35.3 * math.log10(d3_m) + 22.4 + 21.3 * math.log10(f_ghz) - 0.3 * (hu_m - 1.5))


@njit
def _uma_db(los: bool, d2_m: float, d3_m: float, hb_m: float, hu_m: float, f_ghz: float) -> float:
    dbp_m = breakpoint_m(UMA, hb_m, hu_m, f_ghz)
    los_db = _two_slope_db(28.0, 22.0, 9.0, d2_m, d3_m, hb_m, hu_m, f_ghz, dbp_m)
    if los:
        return los_db
    return max(los_db, 13.54 + 39.08 * math.log10(d3_m) + 20.0 * math.log10(f_ghz) - 0.6 * (hu_m - 1.5))


@njit
def _rma_pl1_db(x_m: float, f_ghz: float) -> float:
    h = _RMA_BUILDING_M
    free_db = 20.0 * math.log10(40.0 * math.pi * x_m * f_ghz / 3.0)
    roughness_db = min(0.03 * h**1.72, 10.0) * math.log10(x_m) - min(0.044 * h**1.72, 14.77)
    return free_db + roughness_db + 0.002 * math.log10(h) * x_m


@njit
def _rma_db(los: bool, d2_m: float, d3_m: float, hb_m: float, hu_m: float, f_ghz: float) -> float:
    dbp_m = breakpoint_m(RMA, hb_m, hu_m, f_ghz)
    los_db = _rma_pl1_db(d3_m, f_ghz)
    if d2_m > dbp_m:
        los_db = _rma_pl1_db(dbp_m, f_ghz) + 40.0 * math.log10(d3_m / dbp_m)
    if los:
        return los_db
    h, log_hb = _RMA_BUILDING_M, math.log10(hb_m)
    nlos_db = 161.04 - 7.1 * math.log10(_RMA_STREET_M) + 7.5 * math.log10(h) + 20.0 * math.log10(f_ghz)
    nlos_db -= (24.37 - 3.7 * (h / hb_m) ** 2) * log_hb
    nlos_db += (43.42 - 3.1 * log_hb) * (math.log10(d3_m) - 3.0)
    nlos_db -= 3.2 * math.log10(11.75 * hu_m) ** 2 - 4.97
    return max(los_db, nlos_db)


@njit
def _inh_db(los: bool, d3_m: float, f_ghz: float) -> float:
    los_db = 32.4 + 17.3 * math.log10(d3_m) + 20.0 * math.log10(f_ghz)
    return los_db if los else max(los_db, 17.3 + 38.3 * math.log10(d3_m) + 24.9 * math.log10(f_ghz))


@njit
def _inf_db(environment_id: int, los: bool, d3_m: float, f_ghz: float) -> float:
    log_d, log_f = math.log10(d3_m), math.log10(f_ghz)
    los_db = 31.84 + 21.5 * log_d + 19.0 * log_f
    if los or environment_id == INF_HH:
        return los_db
    sparse_low_db = 33.0 + 25.5 * log_d + 20.0 * log_f
    if environment_id == INF_SL:
        return max(los_db, sparse_low_db)
    if environment_id == INF_DL:
        return max(los_db, sparse_low_db, 18.6 + 35.7 * log_d + 20.0 * log_f)
    if environment_id == INF_SH:
        return max(los_db, 32.4 + 23.0 * log_d + 20.0 * log_f)
    return max(los_db, 33.63 + 21.9 * log_d + 20.0 * log_f)


@njit
def _close_in_exponent(environment_id: int, los: bool) -> float:
    """Path loss exponents at 140 GHz (NYUSIM, as in the ns-3 module)."""
    if environment_id in (INH_MIXED, INH_OPEN):
        return 1.8 if los else 2.7
    if los:
        return 2.0
    return 3.2 if environment_id == UMI else 2.9


@njit
def _close_in_db(environment_id: int, los: bool, d3_m: float, f_ghz: float) -> float:
    free_space_1m_db = 20.0 * math.log10(4.0 * math.pi * f_ghz * 1e9 / SPEED_OF_LIGHT_M_S)
    return free_space_1m_db + 10.0 * _close_in_exponent(environment_id, los) * math.log10(d3_m)


@njit
def basic_path_loss_db(environment_id: int, los: bool, d2_m: float, hb_m: float, hu_m: float, f_ghz: float) -> float:
    """Basic path loss of one link in dB, without shadowing, gas, rain or fading; arguments are taken as valid.

    Least distances inside: d2 10 m outdoors up to 100 GHz, d3 1 m indoors and above 100 GHz. Above 100 GHz UMi, UMa and
    InH follow the close-in model; InF keeps the formulas of TR 38.901 (an extrapolation).
    """
    outdoor = environment_id in (UMI, UMA, RMA)
    close_in = f_ghz > STANDARD_MAX_GHZ and environment_id in (UMI, UMA, INH_MIXED, INH_OPEN)
    if outdoor and not close_in:
        d2_m = max(d2_m, _OUTDOOR_MIN_M)
    d3_m = max(math.sqrt(d2_m * d2_m + (hb_m - hu_m) ** 2), _NEAREST_M)
    if close_in:
        return _close_in_db(environment_id, los, d3_m, f_ghz)
    if environment_id == UMI:
        return _umi_db(los, d2_m, d3_m, hb_m, hu_m, f_ghz)
    if environment_id == UMA:
        return _uma_db(los, d2_m, d3_m, hb_m, hu_m, f_ghz)
    if environment_id == RMA:
        return _rma_db(los, d2_m, d3_m, hb_m, hu_m, f_ghz)
    if environment_id in (INH_MIXED, INH_OPEN):
        return _inh_db(los, d3_m, f_ghz)
    return _inf_db(environment_id, los, d3_m, f_ghz)


@njit
def _losses_db(environment_id: int, links: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Loss of each column of links, (5, n): los, d2_m, hb_m, hu_m, f_ghz."""
    out_db = np.empty(links.shape[1])
    for i in range(out_db.size):
        los = links[0, i] == 1.0
        out_db[i] = basic_path_loss_db(environment_id, los, links[1, i], links[2, i], links[3, i], links[4, i])
    return out_db


def path_loss_db(
    environment: str,
    los: npt.ArrayLike,
    distance_2d_m: FloatLike,
    h_bs_m: FloatLike,
    h_ut_m: FloatLike,
    carrier_ghz: FloatLike,
) -> FloatOrArray:
    """Mean basic path loss in dB, float64, shape of the broadcast inputs (a float if all are numbers).

    environment: UMi-StreetCanyon, UMa, RMa, InH-Office (-mixed, -open: as this), InF-SL, -DL, -SH, -DH, -HH (LOS).
    los: bool, 0 or 1. distance_2d_m: ground distance, 0 to 5 km (RMa LOS 10 km; d3 to 150 m in InH, 600 m in InF);
    outdoors below 10 m it is taken as 10 m, indoors and above 100 GHz d3 below 1 m as 1 m. h_bs_m, h_ut_m: antenna
    heights. carrier_ghz: 0.5 to 300 (RMa 30). Adds no shadowing, gas, rain, wall or blockage.
    Raises ValueError naming the argument and its range. Source: TR 38.901 v19.2 Table 7.4.1-1 to 100 GHz; above,
    close-in model with NYUSIM exponents (InF: TR 38.901 extrapolated).
    """
    key = environment_id(environment)
    in_sight = require_los(los)
    if key == INF_HH and not in_sight.all():
        raise ValueError("los = 0 is outside the range of InF-HH: 1 (it is always in sight)")
    f_ghz = require_within("carrier_ghz", carrier_ghz, 0.5, 30.0 if key == RMA else 300.0, "GHz", environment)
    hb_m, hu_m = require_heights(key, h_bs_m, h_ut_m, environment)
    d2_m = _require_distance(key, in_sight, distance_2d_m, hb_m, hu_m, environment)
    shape, links = flat(in_sight, d2_m, hb_m, hu_m, f_ghz)
    return shaped(_losses_db(key, links), shape)


def require_heights(
    environment: int, h_bs_m: FloatLike, h_ut_m: FloatLike, name: str
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Antenna heights as float64, within the ranges of TR 38.901 Table 7.4.1-1; where it has none, wide ones."""
    if environment == RMA:
        bs_range, ut_range = (10.0, 150.0), (1.0, 10.0)
    elif environment in (UMI, UMA):
        bs_range, ut_range = (1.5, 1000.0), (1.5, 22.5)
    else:
        bs_range, ut_range = (0.0, 100.0), (0.0, 100.0)
    return require_within("h_bs_m", h_bs_m, *bs_range, "m", name), require_within(
        "h_ut_m", h_ut_m, *ut_range, "m", name
    )


def _require_distance(
    environment: int,
    los: npt.NDArray[np.bool_],
    distance_2d_m: FloatLike,
    hb_m: npt.NDArray[np.float64],
    hu_m: npt.NDArray[np.float64],
    name: str,
) -> npt.NDArray[np.float64]:
    if environment == RMA:
        return require_within("distance_2d_m", distance_2d_m, 0.0, np.where(los, 10_000.0, 5_000.0), "m", name)
    if environment in (UMI, UMA):
        return require_within("distance_2d_m", distance_2d_m, 0.0, 5_000.0, "m", name)
    d3_max_m = 150.0 if environment in (INH_MIXED, INH_OPEN) else 600.0
    reach_m = np.sqrt(np.maximum(d3_max_m**2 - (hb_m - hu_m) ** 2, 0.0))
    where = f"{name}, 3D distance 1 to {d3_max_m:g} m"
    return require_within("distance_2d_m", distance_2d_m, 0.0, reach_m, "m", where)
