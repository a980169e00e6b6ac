"""Beams: width from gain, loss of a beam that lags behind a moving UE, and beams that point at somebody else."""

from __future__ import annotations

import math

from edge6g_env._jit import njit

BEAM_TRACKING_PERIOD_S = (
    0.02  # SSB period that a UE assumes (TS 38.213 clause 4.1); beams are updated as often: judgement
)
_BEAM_AREA_DEG2 = (
    32_400.0  # gain times both half-power widths, planar arrays (Elliott 1964; Balanis, Antenna Theory, 6.10)
)
_SECTOR_DEG = 120.0
_ELEMENT_GAIN_DBI = 8.0  # TR 38.901 Table 7.3-1; facts.csv bs_element_gain
_SIDE_LOBES_DB = 20.0  # below the element: judgement (CHANNEL 9)
_MAX_ATTENUATION_DB = 30.0  # TR 38.901 Table 7.3-1, A_max


@njit
def beamwidth_deg(gain_dbi: float) -> float:
    """Half-power beamwidth in degrees of a square aperture with this gain, at most 360: sqrt(32400 / gain)."""
    return min(math.sqrt(_BEAM_AREA_DEG2 / 10.0 ** (gain_dbi / 10.0)), 360.0)


@njit
def pointing_loss_db(speed_m_s: float, distance_m: float, tracking_period_s: float, beamwidth_deg: float) -> float:
    """Mean loss in dB of a beam renewed every tracking period while the UE crosses it at this speed; distance_m > 0.

    Pattern of TR 38.901 Table 7.3-1, min(12 (theta / width)^2, 30 dB), averaged over a beam age that is uniform in the
    period and an angle that grows evenly with it (a third of the loss at the end, until the pattern ends). Motion straight
    across the beam: the worst case.
    """
    end = math.degrees(math.atan2(speed_m_s * tracking_period_s, distance_m)) / beamwidth_deg
    edge = math.sqrt(_MAX_ATTENUATION_DB / 12.0)  # beyond, the pattern is flat
    if end <= edge:
        return 4.0 * end * end
    return _MAX_ATTENUATION_DB * (1.0 - 2.0 / 3.0 * edge / end)


@njit
def alignment_probability(gain_dbi: float) -> float:
    """Probability that a beam of this gain, aimed at somebody else in the sector of 120 degrees, points here."""
    return min(beamwidth_deg(gain_dbi) / _SECTOR_DEG, 1.0)


@njit
def stray_gain_db(gain_dbi: float) -> float:
    """Gain of a beam that points elsewhere over its full gain, in dB, at most 0: 20 dB below an element of 8 dBi."""
    return min(_ELEMENT_GAIN_DBI - _SIDE_LOBES_DB - gain_dbi, 0.0)
