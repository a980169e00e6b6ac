"""Beams: widths against published antennas, the mean pointing loss against a numeric average."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge6g_env import radio
from edge6g_env.radio._data import fact


def test_gain_and_width_of_known_antennas():
    """The element of TR 38.901 Table 7.3-1 (8 dBi, 65 degrees); NYU's 27 dBi sounder horn at 142 GHz (8 degrees)."""
    assert radio.beamwidth_deg(fact("bs_element_gain")) == pytest.approx(65.0, rel=0.12)
    assert radio.beamwidth_deg(fact("subthz_sounder_horn_gain")) == pytest.approx(8.0, rel=0.02)


@given(gain_dbi=st.floats(-6, 60))
def test_four_times_the_gain_is_half_the_width(gain_dbi):
    width_deg = radio.beamwidth_deg(gain_dbi)
    assert radio.beamwidth_deg(gain_dbi + 20 * math.log10(2)) == pytest.approx(width_deg / 2)
    assert 0 < width_deg <= 360


def averaged_loss_db(speed_m_s, distance_m, period_s, width_deg):
    """Slow version: the pattern over ages in the middle of 20,000 equal parts of the period."""
    end_deg = math.degrees(math.atan2(speed_m_s * period_s, distance_m))
    angle_deg = end_deg * (np.arange(20_000) + 0.5) / 20_000
    return np.minimum(12 * (angle_deg / width_deg) ** 2, 30).mean()


@given(
    speed_m_s=st.floats(0, 300),
    distance_m=st.floats(1, 1000),
    period_s=st.floats(0, 0.5),
    width_deg=st.floats(0.5, 90),
)
def test_pointing_loss_is_the_mean_over_the_age_of_the_beam(speed_m_s, distance_m, period_s, width_deg):
    expected_db = averaged_loss_db(speed_m_s, distance_m, period_s, width_deg)
    measured_db = radio.pointing_loss_db(speed_m_s, distance_m, period_s, width_deg)
    assert measured_db == pytest.approx(expected_db, abs=0.01)
    assert 0 <= measured_db < 30


def test_a_beam_that_ends_at_its_half_power_point_has_lost_a_third_of_3_db():
    width_deg = 2 * math.degrees(math.atan(0.1 / 10.0))
    assert radio.pointing_loss_db(5.0, 10.0, 0.02, width_deg) == pytest.approx(1.0)


@given(gain_dbi=st.floats(-20, 60))
def test_stray_beam_has_the_element_less_20_db(gain_dbi):
    expected_dbi = min(fact("bs_element_gain") - 20, gain_dbi)
    assert gain_dbi + radio.stray_gain_db(gain_dbi) == pytest.approx(expected_dbi)
    probability = radio.alignment_probability(gain_dbi)
    assert probability == pytest.approx(min(radio.beamwidth_deg(gain_dbi) / 120, 1))


def test_narrower_beams_meet_others_less_often():
    gains_dbi = [radio.preset(name).gain_bs_dbi for name in radio.presets()]
    probabilities = [radio.alignment_probability(g) for g in sorted(gains_dbi)]
    assert probabilities == sorted(probabilities, reverse=True)
    assert all(0.02 < p < 0.2 for p in probabilities)
