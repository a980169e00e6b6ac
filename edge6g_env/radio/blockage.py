"""Blockage by people who walk through a link: a two-state Markov chain, and the loss while a body is in the way.

Rates: Jain, Kumar, Panwar, The Impact of Mobile Blockers on Millimeter Wave Cellular Systems, IEEE JSAC 2019
(arXiv 1807.04388). Loss: knife-edge screen of 3GPP TR 38.901 clause 7.6.4.2 without the height terms.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt

from edge6g_env._arrays import FloatLike, FloatOrArray, flat, require_number, require_within, shaped
from edge6g_env._jit import njit
from edge6g_env.radio._data import rows

BLOCKERS_PER_M2 = 0.01  # Jain et al.: 0.01 (few) or 0.1 (many)
# Jain et al.: a phone in the hand. Taken for every UE below 1.8 m: the rate falls to 0 there, and 0.1 m moves it by a quarter.
BLOCKED_UE_HEIGHT_M = 1.4
BLOCKAGE_RAMP_S = 0.05  # judgement: a body does not enter a Fresnel zone at once
BLOCKAGE_FROM_GHZ = 7.0  # below, waves bend around a body: judgement
_BLOCKER_SPEED_M_S = 1.0
_BLOCKER_HEIGHT_M = 1.8
_TO_CLEAR_PER_S = 2.0  # mean blockage 0.5 s
_LEAST_BS_HEIGHT_M = 2.0
_SCREEN_WIDTH, _SCREEN_FROM_UE = "0.3", "1.0"  # m, rows of blockage_loss.csv
_NLOS_SHARE = 1.0 / 3.0  # of the loss, out of sight: several paths arrive from other sides; assumption


@njit
def blockage_rates_of(
    distance_2d_m: float, h_bs_m: float, h_ut_m: float, blockers_per_m2: float
) -> tuple[float, float]:
    """(clear to blocked, blocked to clear) in 1/s of one link; arguments are taken as valid.

    a = (2/pi) density V r (hB - hR)/(hT - hR) with hT at least 2 m, 0 for a UE above the heads; b = 2/s (Jain et al. 2019).
    """
    if h_ut_m >= _BLOCKER_HEIGHT_M:
        return 0.0, _TO_CLEAR_PER_S
    reach = (_BLOCKER_HEIGHT_M - h_ut_m) / (
        max(h_bs_m, _LEAST_BS_HEIGHT_M) - h_ut_m
    )  # share of the way below the heads
    return 2.0 / math.pi * blockers_per_m2 * _BLOCKER_SPEED_M_S * distance_2d_m * reach, _TO_CLEAR_PER_S


@njit
def blockage_step(blocked: bool, to_blocked_per_s: float, to_clear_per_s: float, dt_s: float, uniform: float) -> bool:
    """State dt_s later (exact at any dt_s), from a uniform number in (0, 1); dt_s = inf draws the stationary state."""
    total_per_s = to_blocked_per_s + to_clear_per_s
    mixed = -math.expm1(-total_per_s * dt_s)
    if blocked:
        return not uniform < to_clear_per_s / total_per_s * mixed
    return uniform < to_blocked_per_s / total_per_s * mixed


@njit
def blockage_ramp_step(level: float, blocked: bool, dt_s: float) -> float:
    """Share of the blockage loss dt_s later: it rises to 1 or falls to 0 in 50 ms."""
    most = dt_s / BLOCKAGE_RAMP_S
    return min(level + most, 1.0) if blocked else max(level - most, 0.0)


@njit
def _shares(links: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Blocked share of each column of links, (4, n): distance, h_bs, h_ut, density."""
    out = np.empty(links.shape[1])
    for i in range(out.size):
        a, b = blockage_rates_of(links[0, i], links[1, i], links[2, i], links[3, i])
        out[i] = a / (a + b)
    return out


def blocked_share(
    distance_2d_m: FloatLike,
    h_bs_m: FloatLike,
    h_ut_m: FloatLike = BLOCKED_UE_HEIGHT_M,
    blockers_per_m2: FloatLike = BLOCKERS_PER_M2,
) -> FloatOrArray:
    """Stationary probability that a link is blocked, a/(a + b), float64, shape of the broadcast inputs (a float for numbers).

    distance_2d_m: 0 to 10 km; h_bs_m: 0 to 1000, below 2 m taken as 2 m; h_ut_m: 0 to 1000, from 1.8 m up never
    blocked; blockers_per_m2: 0 to 10. Raises ValueError naming the argument and its range. Source: Jain et al. 2019.
    """
    d2_m = require_within("distance_2d_m", distance_2d_m, 0.0, 10_000.0, "m")
    hb_m = require_within("h_bs_m", h_bs_m, 0.0, 1000.0, "m")
    hu_m = require_within("h_ut_m", h_ut_m, 0.0, 1000.0, "m")
    density = require_within("blockers_per_m2", blockers_per_m2, 0.0, 10.0, "1/m2")
    shape, links = flat(d2_m, hb_m, hu_m, density)
    return shaped(_shares(links), shape)


@cache
def _screen_loss_table() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(log carrier in GHz, loss in dB) of the screen."""
    mine = [
        (r.number("carrier_ghz"), r.number("loss_db"))
        for r in rows("blockage_loss.csv")
        if (r["screen_width_m"], r["distance_from_ue_m"]) == (_SCREEN_WIDTH, _SCREEN_FROM_UE)
    ]
    carrier_ghz, loss_db = np.array(sorted(mine)).T
    return np.log10(carrier_ghz), loss_db


def blockage_loss_db(carrier_ghz: float, los: bool) -> float:
    """Loss in dB while a person, a screen of 0.3 m, stands 1 m from the UE; out of sight a third, below 7 GHz none.

    carrier_ghz: 0.5 to 300, else ValueError. Linear over log f between the rows of blockage_loss.csv, beyond 140 GHz along
    the last two, whose slope is the 10 dB a decade of a knife edge deep in shadow.
    """
    f_ghz = require_number("carrier_ghz", carrier_ghz, 0.5, 300.0, "GHz")
    if f_ghz < BLOCKAGE_FROM_GHZ:
        return 0.0
    log_f, loss_db = _screen_loss_table()
    i = int(np.clip(np.searchsorted(log_f, math.log10(f_ghz), side="right") - 1, 0, log_f.size - 2))
    slope = (loss_db[i + 1] - loss_db[i]) / (log_f[i + 1] - log_f[i])
    full_db = float(loss_db[i] + slope * (math.log10(f_ghz) - log_f[i]))
    return full_db if los else full_db * _NLOS_SHARE
