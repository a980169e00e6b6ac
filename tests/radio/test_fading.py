"""Fast fading: tap correlation, stationarity, delay spread, averaging over taps."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge6g_env import radio
from edge6g_env._jit import njit
from edge6g_env.radio._data import rows


def test_doppler_and_tap_correlation_of_every_reference_row():
    table = rows("fading_correlation.csv")
    assert len(table) == 60
    for row in table:
        fd_hz = radio.doppler_hz(float(row["speed_kmh"]) / 3.6, float(row["carrier_ghz"]))
        assert fd_hz == pytest.approx(float(row["doppler_hz"]), rel=1e-4)
        correlation = radio.tap_correlation(fd_hz, float(row["dt_ms"]) / 1e3)
        assert correlation == pytest.approx(float(row["ou_coefficient_exp_1931_fd_dt"]), abs=2e-6)


@given(fd_hz=st.floats(0, 5000), dt_s=st.floats(0, 0.1), k=st.integers(1, 50))
def test_catching_up_in_one_step_is_exact(fd_hz, dt_s, k):
    assert radio.tap_correlation(fd_hz, k * dt_s) == pytest.approx(
        radio.tap_correlation(fd_hz, dt_s) ** k, rel=1e-9, abs=1e-300
    )


@njit
def chain(r, normals):
    """(n, 2) taps of a chain driven by (n, 2) unit normals, started from CN(0, 1)."""
    out = np.empty_like(normals)
    re, im = radio.fading_step(0.0, 0.0, 0.0, normals[0, 0], normals[0, 1])
    for i in range(len(normals)):
        out[i, 0], out[i, 1] = re, im
        re, im = radio.fading_step(re, im, r, normals[i, 0], normals[i, 1])
    return out


@pytest.mark.parametrize("r", [0.0, 0.5, 0.95])
def test_chain_is_stationary_with_the_given_correlation(r):
    taps = chain(r, np.random.default_rng(7).standard_normal((400_000, 2)))
    g = taps[1:, 0] + 1j * taps[1:, 1]
    assert np.mean(np.abs(g) ** 2) == pytest.approx(1.0, abs=0.03)
    assert np.mean(g.real**2) == pytest.approx(np.mean(g.imag**2), abs=0.03)
    for lag in (1, 3):
        measured = np.mean(g[lag:] * np.conj(g[:-lag]))
        assert measured.real == pytest.approx(r**lag, abs=0.02)
        assert measured.imag == pytest.approx(0.0, abs=0.02)


@given(re=st.floats(-3, 3), im=st.floats(-3, 3), n1=st.floats(-4, 4), n2=st.floats(-4, 4))
def test_still_tap_keeps_its_value_and_a_lost_one_is_redrawn(re, im, n1, n2):
    assert radio.fading_step(re, im, 1.0, n1, n2) == (re, im)
    assert radio.fading_step(re, im, 0.0, n1, n2) == pytest.approx((n1 * math.sqrt(0.5), n2 * math.sqrt(0.5)))


@given(sinr_db=st.floats(-30, 50), n=st.integers(1, 8))
def test_equal_taps_leave_the_sinr_as_it_is(sinr_db, n):
    assert radio.effective_sinr_db(np.ones(n), 10 ** (sinr_db / 10)) == pytest.approx(sinr_db, abs=1e-6)


@given(powers=st.lists(st.floats(0, 10), min_size=1, max_size=8), low=st.floats(-30, 40), high=st.floats(-30, 40))
def test_effective_sinr_lies_between_the_taps_and_rises_with_the_mean(powers, low, high):
    powers = np.array(powers)
    low_db, high_db = sorted([low, high])
    less, more = (radio.effective_sinr_db(powers, 10 ** (x / 10)) for x in (low_db, high_db))
    assert less <= more + 1e-9
    arithmetic_db = high_db + 10 * math.log10(max(powers.mean(), 1e-30))
    assert -300.0 <= more <= max(arithmetic_db, -140.0) + 1e-3


def test_effective_sinr_by_hand():
    """G 1.6: taps at s = 0 and 4.8 carry 0 and 2 bits, mean 1, so G (2 - 1)."""
    assert radio.effective_sinr_db(np.array([0.0, 2.0]), 2.4) == pytest.approx(10 * math.log10(1.6))


@pytest.mark.parametrize(
    ("bandwidth_hz", "fd_hz", "taps"), [(0.0, 0.0, 1), (2e6, 0.0, 2), (1e6, 0.0, 2), (1e6, 200.0, 6), (1e9, 0.0, 8)]
)
def test_tap_count(bandwidth_hz, fd_hz, taps):
    assert radio.tap_count(bandwidth_hz, 2e6, fd_hz, 0.015) == taps


def test_delay_spread_at_every_reference_row():
    for row in rows("delay_spread.csv"):
        arguments = (row["scenario"], row["los"] == "1", float(row["carrier_ghz"]))
        assert radio.median_delay_spread_s(*arguments) == pytest.approx(float(row["median_delay_spread_ns"]) * 1e-9)
        expected_hz = float(row["coherence_bw_mhz_1_over_5ds"]) * 1e6
        assert radio.coherence_bandwidth_hz(*arguments) == pytest.approx(expected_hz, rel=1e-4)


def test_delay_spread_between_and_beyond_the_rows():
    at_7, at_15, between = (radio.median_delay_spread_s("UMa", False, f) for f in (7.0, 15.0, math.sqrt(7.0 * 15.0)))
    assert between == pytest.approx(math.sqrt(at_7 * at_15))
    assert radio.median_delay_spread_s("UMa", True, 140.0) == radio.median_delay_spread_s("UMa", True, 100.0)
    assert radio.median_delay_spread_s("InF-DL", True, 3.5) == radio.median_delay_spread_s("InF-SL", True, 3.5)
    with pytest.raises(ValueError, match="carrier_ghz = nan"):
        radio.median_delay_spread_s("UMa", True, math.nan)
