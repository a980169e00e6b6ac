"""From SINR to bit/s/Hz: MCS thresholds, block errors, layers, uplink power control.

Thresholds: 10 percent block error of NR LDPC in AWGN (data/link_thresholds.csv). No margin and no block error inside
`spectral_efficiency`; the caller takes the implementation margin off.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt

from edge6g_env._arrays import FloatLike, FloatOrArray, flat, numbers_of, shaped
from edge6g_env._jit import njit
from edge6g_env.radio._data import rows
from edge6g_env.radio._numeric import db_of, linear_of, normal_cdf

THERMAL_NOISE_DBM_HZ = -174.0

_PROBIT_OF_TARGET = -1.2815515655446004  # Phi^-1(0.1)
_RESOURCE_BLOCK_HZ = 180e3  # 12 subcarriers of 15 kHz; P0 is per resource block times 2^mu
MCS_TABLES = (1, 2)


@cache
def _mcs_steps(mcs_table: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Thresholds, efficiencies and probit slopes of the MCS that carry more than every MCS with a lower threshold."""
    if mcs_table not in MCS_TABLES:
        raise ValueError(f"mcs_table = {mcs_table!r} is outside its range: 1 (64QAM) or 2 (256QAM)")
    columns = ("snr_at_10pct_bler_db", "spectral_efficiency", "probit_slope_per_db")
    mine = [r for r in rows("link_thresholds.csv") if r["table"] == str(int(mcs_table))]
    table = np.array(sorted(tuple(r.number(c) for c in columns) for r in mine))
    best_before = np.maximum.accumulate(np.concatenate(([0.0], table[:-1, 1])))
    threshold_db, efficiency, slope = table[table[:, 1] > best_before].T.copy()
    for array in (threshold_db, efficiency, slope):
        array.setflags(write=False)
    return threshold_db, efficiency, slope


def mcs_arrays(mcs_table: int = 2) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(thresholds in dB, efficiencies in bit/s/Hz of one layer), both (M,) and rising.

    Left out: an MCS that carries less than one of lower threshold. mcs_table: 1 (64QAM) or 2 (256QAM) of TS 38.214
    5.1.3.1, else ValueError.
    """
    threshold_db, efficiency, _ = _mcs_steps(mcs_table)
    return threshold_db.copy(), efficiency.copy()


def mcs_slopes_per_db(mcs_table: int = 2) -> npt.NDArray[np.float64]:
    """Probit slope of the block error over SNR of each entry of `mcs_arrays`, (M,), negative, 1/dB."""
    return _mcs_steps(mcs_table)[2].copy()


@njit
def mcs_index_of(thresholds_db: npt.NDArray[np.float64], sinr_db: float) -> int:
    """Index of the highest threshold <= sinr_db; -1 below the lowest (outage) and for NaN."""
    low, high = 0, len(thresholds_db)
    while low < high:
        middle = (low + high) // 2
        if thresholds_db[middle] <= sinr_db:
            low = middle + 1
        else:
            high = middle
    return low - 1


@njit
def spectral_efficiency_of(
    thresholds_db: npt.NDArray[np.float64], efficiencies: npt.NDArray[np.float64], sinr_db: float
) -> float:
    """Efficiency in bit/s/Hz of the highest threshold <= sinr_db; 0 below the lowest. Arrays as from `mcs_arrays`."""
    index = mcs_index_of(thresholds_db, sinr_db)
    return efficiencies[index] if index >= 0 else 0.0


@njit
def block_error_rate_of(threshold_db: float, slope_per_db: float, sinr_db: float) -> float:
    """Block error rate of an MCS: Phi(slope (sinr - threshold) + Phi^-1(0.1)), argument within +-8."""
    argument = slope_per_db * (sinr_db - threshold_db) + _PROBIT_OF_TARGET
    return normal_cdf(min(max(argument, -8.0), 8.0))


@njit
def layers_of(sinr_db: float, max_layers: int) -> int:
    """Spatial layers at a total SINR: 1 below 10 dB, 2 from 10, 4 from 20, at most max_layers (assumption)."""
    layers = 1
    if sinr_db >= 20.0:
        layers = 4
    elif sinr_db >= 10.0:
        layers = 2
    return min(layers, max_layers)


@njit
def uplink_power_dbm(pcmax: float, p0: float, alpha: float, coupling_loss_db: float, bandwidth_hz: float) -> float:
    """Open-loop UE power in dBm, min(Pcmax, P0 + 10 log(B / 180 kHz) + alpha PLc) (TS 38.213 7.1.1).

    p0: dBm per 180 kHz; coupling_loss_db: path loss less both antenna gains; bandwidth_hz: allocated, > 0.
    """
    return min(pcmax, p0 + db_of(bandwidth_hz / _RESOURCE_BLOCK_HZ) + alpha * coupling_loss_db)


@njit
def noise_dbm(bandwidth_hz: float, noise_figure_db: float) -> float:
    """Thermal noise power in dBm over bandwidth_hz at a receiver with this noise figure."""
    return THERMAL_NOISE_DBM_HZ + 10.0 * math.log10(bandwidth_hz) + noise_figure_db


@njit
def with_evm_floor_db(sinr_db: float, evm_db: float) -> float:
    """SINR in dB with the transmitter's error vector magnitude as a noise floor evm_db below the signal."""
    return -db_of(linear_of(-sinr_db) + linear_of(-evm_db))


@njit
def _efficiencies(
    thresholds_db: npt.NDArray[np.float64], efficiencies: npt.NDArray[np.float64], sinr_db: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    out = np.empty(sinr_db.size)
    for i in range(out.size):
        out[i] = spectral_efficiency_of(thresholds_db, efficiencies, sinr_db[i])
    return out


def spectral_efficiency(sinr_db: FloatLike, mcs_table: int = 2) -> FloatOrArray:
    """Bit/s/Hz of one layer at 10 percent block error in AWGN, float64, shape of sinr_db (a float for a number).

    The highest efficiency whose threshold is <= sinr_db; 0 below the lowest (outage).
    mcs_table: 1 (64QAM, up to 5.55) or 2 (256QAM, up to 7.41). Raises ValueError for NaN and other tables.
    """
    thresholds_db, efficiencies = mcs_arrays(mcs_table)
    allowed = "its range: any number of dB"
    shape, columns = flat(numbers_of("sinr_db", sinr_db, allowed))
    if np.isnan(columns).any():
        raise ValueError(f"sinr_db = nan is outside {allowed}")
    return shaped(_efficiencies(thresholds_db, efficiencies, columns[0]), shape)
