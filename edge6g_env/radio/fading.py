"""Fast fading: AR(1) taps, delay spread, and averaging over taps."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt

from edge6g_env._arrays import require_positive
from edge6g_env._jit import njit
from edge6g_env.radio._data import rows
from edge6g_env.radio._numeric import db_of, linear_of
from edge6g_env.radio.environments import INF_SL, INH_MIXED, INH_OPEN, environment_id
from edge6g_env.radio.path_loss import SPEED_OF_LIGHT_M_S

_TAP_DECAY = 1.931  # exp(-1.931 fd t) meets Clarke's J0(2 pi fd t) where that is 0.7, at t = 0.179 / fd
_GAP = 1.6  # G, 2 dB: gap to Shannon inside the averaging over taps
MAX_TAPS = 8  # of a cell's band; judgement


@njit
def doppler_hz(speed_m_s: float, f_ghz: float) -> float:
    """Largest Doppler shift in Hz."""
    return speed_m_s * f_ghz * 1e9 / SPEED_OF_LIGHT_M_S


@njit
def tap_correlation(fd_hz: float, dt_s: float) -> float:
    """Correlation of a complex tap with itself dt_s later; over k steps it is the k-th power, exactly."""
    return math.exp(-_TAP_DECAY * fd_hz * dt_s)


@njit
def fading_step(re: float, im: float, r: float, n1: float, n2: float) -> tuple[float, float]:
    """(re, im) of a complex tap after one AR(1) step: g = r g + sqrt(1 - r^2) CN(0, 1), from two unit normals.

    CN(0, 1) has variance 1/2 in each part, so E|g|^2 = 1 is stationary; a new link starts from r = 0.
    """
    spread = math.sqrt(0.5 * max(0.0, 1.0 - r * r))
    return r * re + spread * n1, r * im + spread * n2


@njit
def ray_amplitude(k_db: float) -> float:
    """Amplitude sqrt(K / (K + 1)) of the direct ray of a unit-power channel; the scattered part takes the rest. 0 for -inf."""
    k = linear_of(k_db)
    return math.sqrt(k / (k + 1.0))


@njit
def tap_power(re: float, im: float, ray: float, phase: float) -> float:
    """|h|^2 of a scattered tap g, E|g|^2 = 1, with a direct ray: h = ray exp(j phase) + sqrt(1 - ray^2) g; E|h|^2 = 1."""
    scatter = math.sqrt(1.0 - ray * ray)
    return (ray * math.cos(phase) + scatter * re) ** 2 + (ray * math.sin(phase) + scatter * im) ** 2


@njit
def tap_count(bandwidth_hz: float, coherence_bandwidth_hz: float, fd_hz: float, slot_s: float) -> int:
    """Number of taps that stand for averaging over the band and a simulation slot: 1 to 8."""
    diversity = (1.0 + bandwidth_hz / coherence_bandwidth_hz) * (1.0 + fd_hz * slot_s)
    return int(min(max(math.floor(diversity + 0.5), 1.0), float(MAX_TAPS)))


@njit
def effective_sinr_of(powers: npt.NDArray[np.float64], mean_sinr_linear: float) -> float:
    """SINR, linear, of a block that sees every tap: G (2^mean(log2(1 + s_l / G)) - 1), s_l = powers[l] * mean_sinr_linear.

    powers: (L,) |h_l|^2, mean 1 over time; G = 1.6 (2 dB). Without power: 1e-30.
    """
    excess, scale = 0.0, mean_sinr_linear / _GAP  # product of all 1 + s / G, less 1: weak signals keep their digits
    for power in powers:  # one logarithm for all taps; 8 of 1e7 each stay far below overflow
        excess += power * scale * (1.0 + excess)
    return max(_GAP * math.expm1(math.log1p(excess) / len(powers)), 1e-30)


@njit
def effective_sinr_db(powers: npt.NDArray[np.float64], mean_sinr_linear: float) -> float:
    """`effective_sinr_of` in dB."""
    return db_of(effective_sinr_of(powers, mean_sinr_linear))


@cache
def _delay_spread_table(scenario: str, los: bool) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(log carrier in GHz, log median delay spread in s)."""
    mine = [r for r in rows("delay_spread.csv") if r["scenario"] == scenario and r["los"] == str(int(los))]
    carrier_ghz = np.array([r.number("carrier_ghz") for r in mine])
    spread_s = np.array([r.number("median_delay_spread_ns") for r in mine]) * 1e-9
    return np.log10(carrier_ghz), np.log10(spread_s)


def median_delay_spread_s(environment_name: str, los: bool, carrier_ghz: float) -> float:
    """Median rms delay spread in s, linear in log over log carrier; beyond the table's carriers its nearest value.

    One table serves all InF and all InH environments, as in TR 38.901 Table 7.5-6 (v19.2).
    """
    f_ghz = require_positive("carrier_ghz", carrier_ghz, "GHz")
    key = environment_id(environment_name)
    scenario = {INH_MIXED: "InH-Office", INH_OPEN: "InH-Office"}.get(
        key, "InF-SL" if key >= INF_SL else environment_name
    )
    log_carrier, log_spread = _delay_spread_table(scenario, bool(los))
    return float(10.0 ** np.interp(math.log10(f_ghz), log_carrier, log_spread))


def coherence_bandwidth_hz(environment_name: str, los: bool, carrier_ghz: float) -> float:
    """Bandwidth in Hz over which the channel correlates by 0.5: 1 / (5 tau) of the median delay spread (Rappaport)."""
    return 1.0 / (5.0 * median_delay_spread_s(environment_name, los, carrier_ghz))
