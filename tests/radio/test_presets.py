"""Environments and presets: the tables of shadowing, power budgets and access latency."""

import math

import numpy as np
import pytest

from edge6g_env import radio
from edge6g_env.radio._data import fact, rows


def test_environment_has_the_values_of_the_shadowing_table():
    for row in rows("shadowing.csv"):
        name = row["scenario"] + ("-open" if row["scenario"] == "InH-Office" else "")
        mine = radio.environment(name)
        assert mine.los_corr_m == float(row["los_state_corr_dist_m"])
        if row["los"] == "0":
            assert mine.sigma_nlos_db == float(row["shadow_std_db"])
            assert mine.shadow_corr_nlos_m == float(row["shadow_corr_dist_m"])
        else:
            far = row["range"] == "d2d>dBP"
            assert (mine.sigma_los_far_db if far else mine.sigma_los_db) == float(row["shadow_std_db"])
            assert mine.shadow_corr_los_m == float(row["shadow_corr_dist_m"])
            expected_k = tuple(float(row[c]) for c in ("k_mean_db", "k_std_db", "k_corr_dist_m"))
            assert (mine.k_mean_db, mine.k_std_db, mine.k_corr_m) == expected_k


@pytest.mark.parametrize("file_name", ["pathloss.csv", "subthz_pathloss.csv"])
def test_sigma_of_every_path_loss_row(file_name):
    for row in rows(file_name):
        mine = radio.environment(row["scenario"], carrier_ghz=float(row["carrier_ghz"]))
        sigma_db = mine.sigma_los_db if row["los"] == "1" else mine.sigma_nlos_db
        beyond = row.get("breakpoint_m") and float(row["distance_2d_m"]) > float(row["breakpoint_m"])
        if row["los"] == "1" and beyond:
            sigma_db = mine.sigma_los_far_db
        assert sigma_db == float(row["shadow_std_db"]), row


@pytest.mark.parametrize(
    ("name", "h_bs_m", "h_ut_m"),
    [
        ("UMi-StreetCanyon", 10, 1.5),
        ("UMa", 25, 1.5),
        ("RMa", 35, 1.5),
        ("InH-Office-mixed", 3, 1),
        ("InF-DL", 1.5, 1.5),
        ("InF-SH", 8, 1.5),
    ],
)
def test_default_heights_and_round_trip_of_names(name, h_bs_m, h_ut_m):
    mine = radio.environment(name)
    assert (mine.h_bs_m, mine.h_ut_m) == (h_bs_m, h_ut_m)
    assert mine.name == name
    assert mine.id == radio.environment_id(name)


def test_high_hall_is_always_in_sight_with_the_parameters_of_a_hall():
    mine, hall = radio.environment("InF-HH"), radio.environment("InF-SL")
    assert mine.sigma_los_db == mine.sigma_nlos_db == hall.sigma_los_db
    assert (mine.k_mean_db, mine.k_std_db, mine.k_corr_m) == (hall.k_mean_db, hall.k_std_db, hall.k_corr_m)
    assert radio.los_probability("InF-HH", 100.0, 8.0) == 1.0


def test_unknown_names_list_the_known_ones():
    with pytest.raises(ValueError, match=r"'Uma'; one of UMi-StreetCanyon, UMa, RMa"):
        radio.environment("Uma")
    with pytest.raises(ValueError, match=r"'6g'; one of fr1_3g5_macro"):
        radio.preset("6g")


@pytest.mark.parametrize("name", radio.presets())
def test_access_latency_table(name):
    expected_ms = {"FR1": (1.60, 9.85, 2.50), "FR3": (1.60, 9.85, 2.50)}.get(
        radio.preset(name).band, (0.5125, 2.575, 0.7375)
    )
    mine = radio.preset(name)
    measured_ms = (
        np.array([mine.downlink_latency_s, mine.uplink_grant_latency_s, mine.uplink_configured_latency_s]) * 1e3
    )
    assert measured_ms == pytest.approx(expected_ms, abs=1e-9)


def waits_s(offsets_s, period_s, arrivals_s):
    """Wait of each arrival for the next of the start instants that repeat every period."""
    starts_s = np.sort(np.concatenate([offsets_s, offsets_s + period_s]))
    phase_s = arrivals_s % period_s
    return starts_s[np.searchsorted(starts_s, phase_s)] - phase_s


@pytest.mark.parametrize("name", radio.presets())
def test_mean_latencies_against_simulated_phases(name):
    mine = radio.preset(name)
    arrivals_s = np.random.default_rng(1).uniform(0, mine.tdd_period_s, 200_000)
    down_s = waits_s(np.arange(mine.downlink_slots) * mine.slot_s, mine.tdd_period_s, arrivals_s).mean()
    up_s = waits_s(np.array([mine.downlink_slots * mine.slot_s]), mine.tdd_period_s, arrivals_s).mean()
    fixed_s = mine.slot_s + mine.processing_s
    assert mine.downlink_latency_s == pytest.approx(down_s + fixed_s, rel=0.01)
    assert mine.uplink_configured_latency_s == pytest.approx(up_s + fixed_s, rel=0.01)


@pytest.mark.parametrize("name", radio.presets())
def test_budget_of_each_band(name):
    mine = radio.preset(name)
    assert mine.carrier_ghz == fact(f"preset_{name}_carrier")
    assert mine.bandwidth_hz == 1e6 * fact(f"preset_{name}_bandwidth")
    assert mine.slot_s in (0.5e-3, 0.125e-3)
    assert mine.harq_rtt_s == 8 * mine.slot_s
    assert mine.uplink_share == pytest.approx(0.2)
    assert 0 < mine.downlink_share <= 1 - mine.uplink_share
    assert mine.max_layers == (4 if mine.band in ("FR1", "FR3") else 2)
    assert mine.misalignment_db == {"FR1": 0, "FR3": 1, "FR2": 1, "sub-THz": 3}[mine.band]
    assert mine.coherence_bandwidth_hz("UMa", True) == radio.coherence_bandwidth_hz("UMa", True, mine.carrier_ghz)


@pytest.mark.parametrize("name", radio.presets())
def test_uplink_at_full_power_is_weaker_by_the_power_gap(name):
    mine = radio.preset(name)
    assert 14 <= mine.ptx_bs_dbm - mine.ptx_ue_dbm <= 28
    far_loss_db = 150.0
    power_dbm = radio.uplink_power_dbm(
        mine.ptx_ue_dbm, mine.p0_dbm, mine.path_loss_share, far_loss_db, mine.bandwidth_hz
    )
    uplink_db = power_dbm - far_loss_db - radio.noise_dbm(mine.bandwidth_hz, mine.noise_figure_bs_db)
    downlink_db = mine.ptx_bs_dbm - far_loss_db - radio.noise_dbm(mine.bandwidth_hz, mine.noise_figure_ue_db)
    gap_db = mine.ptx_bs_dbm - mine.ptx_ue_dbm - (mine.noise_figure_ue_db - mine.noise_figure_bs_db)
    assert downlink_db - uplink_db == pytest.approx(gap_db)


def test_presets_rise_in_carrier():
    carriers_ghz = [radio.preset(name).carrier_ghz for name in radio.presets()]
    assert carriers_ghz == sorted(carriers_ghz)
    assert math.isclose(carriers_ghz[-1], 140.0)
