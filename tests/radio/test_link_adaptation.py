"""Spectral efficiency, block errors, layers and uplink power against the tables and the spec's worked example."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge6g_env import radio
from edge6g_env.radio._data import rows


@pytest.mark.parametrize("mcs_table", [1, 2])
def test_equals_the_reference_at_every_snr(mcs_table):
    for row in rows("link_adaptation.csv"):
        expected = float(row[f"se_table{mcs_table}_bit_s_hz"])
        assert radio.spectral_efficiency(float(row["snr_db"]), mcs_table) == expected, row["snr_db"]


def best_by_search(sinr_db, mcs_table):
    """Slow version: the best efficiency among all MCS whose threshold is met."""
    met = [
        float(row["spectral_efficiency"])
        for row in rows("link_thresholds.csv")
        if row["table"] == str(mcs_table) and float(row["snr_at_10pct_bler_db"]) <= sinr_db
    ]
    return max(met, default=0.0)


@pytest.mark.parametrize("mcs_table", [1, 2])
def test_steps_exactly_at_the_thresholds(mcs_table):
    for row in rows("link_thresholds.csv"):
        threshold_db = float(row["snr_at_10pct_bler_db"])
        for sinr_db in (threshold_db, math.nextafter(threshold_db, -math.inf)):
            assert radio.spectral_efficiency(sinr_db, mcs_table) == best_by_search(sinr_db, mcs_table)


@given(sinr_db=st.floats(-60, 80), mcs_table=st.sampled_from([1, 2]))
def test_compiled_scalar_is_the_public_function(sinr_db, mcs_table):
    expected = radio.spectral_efficiency(sinr_db, mcs_table)
    assert radio.spectral_efficiency_of(*radio.mcs_arrays(mcs_table), sinr_db) == expected


@given(low=st.floats(-60, 80), high=st.floats(-60, 80), mcs_table=st.sampled_from([1, 2]))
def test_rate_never_falls_with_sinr_and_stays_below_shannon(low, high, mcs_table):
    low_db, high_db = sorted([low, high])
    less, more = radio.spectral_efficiency([low_db, high_db], mcs_table)
    assert less <= more <= math.log2(1 + 10 ** (high_db / 10))


@pytest.mark.parametrize("mcs_table", [1, 2])
def test_kept_mcs_rise_in_threshold_and_efficiency(mcs_table):
    threshold_db, efficiency = radio.mcs_arrays(mcs_table)
    assert (np.diff(threshold_db) > 0).all()
    assert (np.diff(efficiency) > 0).all()
    assert threshold_db.shape == efficiency.shape == radio.mcs_slopes_per_db(mcs_table).shape


def test_outage_and_top():
    assert radio.spectral_efficiency([-math.inf, -6.065]).tolist() == [0.0, 0.0]
    assert radio.spectral_efficiency(math.inf, 1) == 5.5547
    assert radio.spectral_efficiency(math.inf, 2) == 7.4062
    assert radio.mcs_index_of(radio.mcs_arrays()[0], -10.0) == -1


def test_shapes():
    assert radio.spectral_efficiency(np.zeros((2, 3))).shape == (2, 3)
    assert isinstance(radio.spectral_efficiency(10), float)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((math.nan,), r"sinr_db = nan .* any number"),
        (([1.0, math.nan],), r"sinr_db = nan"),
        ((10.0, 3), r"mcs_table = 3 .* 1 \(64QAM\) or 2 \(256QAM\)"),
    ],
)
def test_errors_name_the_argument_and_its_range(arguments, named):
    with pytest.raises(ValueError, match=named):
        radio.spectral_efficiency(*arguments)


@pytest.mark.parametrize("mcs_table", [1, 2])
def test_block_error_is_a_tenth_at_the_threshold(mcs_table):
    for threshold_db, slope in zip(radio.mcs_arrays(mcs_table)[0], radio.mcs_slopes_per_db(mcs_table), strict=True):
        assert radio.block_error_rate_of(threshold_db, slope, threshold_db) == pytest.approx(0.1)


@given(low=st.floats(-100, 100), high=st.floats(-100, 100))
def test_block_error_falls_with_sinr_within_unit_range(low, high):
    bad, good = (radio.block_error_rate_of(5.0, -4.329, x) for x in sorted([low, high]))
    assert 0.0 < good <= bad <= 1.0


def test_block_error_argument_stops_at_8():
    extremes = [radio.block_error_rate_of(5.0, -4.329, sinr_db) for sinr_db in (-1e6, 1e6)]
    assert extremes == [radio.normal_cdf(8.0), radio.normal_cdf(-8.0)]


def test_thresholds_lie_inside_the_brackets_of_the_shipped_tables():
    """Sionna's block-error tables are too coarse to read a threshold, but have one SNR either side of it."""
    brackets = [row for row in rows("link_thresholds.csv") if row["shipped_table_snr_hi_db"]]
    assert brackets
    for row in brackets:
        threshold_db, slope = float(row["snr_at_10pct_bler_db"]), float(row["probit_slope_per_db"])
        low, high = (
            radio.block_error_rate_of(threshold_db, slope, float(row[f"shipped_table_snr_{end}_db"]))
            for end in ("lo", "hi")
        )
        assert high <= 0.1 <= low + 0.01, row


@pytest.mark.parametrize(
    ("sinr_db", "max_layers", "layers"),
    [(-5, 4, 1), (9.99, 4, 1), (10, 4, 2), (19.99, 4, 2), (20, 4, 4), (40, 2, 2), (40, 1, 1)],
)
def test_layers(sinr_db, max_layers, layers):
    assert radio.layers_of(float(sinr_db), max_layers) == layers


def test_evm_floor():
    assert radio.with_evm_floor_db(30.0, 30.0) == pytest.approx(30.0 - 10 * math.log10(2))
    assert radio.with_evm_floor_db(200.0, 24.0) == pytest.approx(24.0)


def test_worked_example_of_the_micro_preset():
    """UMi, 3.5 GHz, NLOS, 100 m, 100 MHz (273 PRB): downlink 42.4 dB, uplink 23.1 dB."""
    cell = radio.preset("fr1_3g5_micro")
    loss_db = radio.path_loss_db("UMi-StreetCanyon", False, 100.0, 10.0, 1.5, cell.carrier_ghz)
    coupling_db = loss_db - cell.gain_bs_dbi - cell.gain_ue_dbi
    downlink_db = cell.ptx_bs_dbm - coupling_db - radio.noise_dbm(cell.bandwidth_hz, cell.noise_figure_ue_db)
    granted_hz = 2 * 273 * 180e3  # the 273 resource blocks of 30 kHz subcarriers
    power_dbm = radio.uplink_power_dbm(cell.ptx_ue_dbm, cell.p0_dbm, cell.path_loss_share, coupling_db, granted_hz)
    uplink_db = power_dbm - coupling_db - radio.noise_dbm(granted_hz, cell.noise_figure_bs_db)
    assert loss_db == pytest.approx(104.6, abs=0.05)
    assert power_dbm == pytest.approx(20.7, abs=0.05)
    assert downlink_db == pytest.approx(42.4, abs=0.05)
    assert uplink_db == pytest.approx(23.1, abs=0.05)


def test_more_bandwidth_brings_no_power_at_the_limit():
    near = [radio.uplink_power_dbm(23.0, -76.0, 0.8, 80.0, b_hz) for b_hz in (1e6, 2e6)]
    edge = [radio.uplink_power_dbm(23.0, -76.0, 0.8, 130.0, b_hz) for b_hz in (1e6, 2e6)]
    assert near[1] - near[0] == pytest.approx(10 * math.log10(2))
    assert edge == [23.0, 23.0]
