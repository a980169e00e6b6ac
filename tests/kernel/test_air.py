"""SINR, MCS and rate of both directions against CHANNEL 9 to 11 in plain Python, from presets and what was seen of the links before."""

import math

import numpy as np
import pytest
from scipy import stats

from edge6g_env import radio
from edge6g_env._jit import njit
from tests.kernel.inner import channel, rates

STEP_S = 0.02  # fading grid of tiny
UP, DOWN = True, False


@njit
def mean_sinrs_db(w, now_s, out):
    """out[b, u]: (uplink over the full band, downlink) mean SINR."""
    for b in range(out.shape[0]):
        for u in range(out.shape[1]):
            loss_db = channel.link_loss_db(w, b, u, w.ue[b, u].serving, now_s)
            hz = w.band[w.site[w.ue[b, u].node].band].bandwidth_hz
            out[b, u, 0] = rates.uplink_sinr_db(w, b, u, loss_db, hz)
            out[b, u, 1] = rates.downlink_sinr_db(w, b, u, loss_db, now_s)


@njit
def link_rates(w, chosen_by, backoff_db, sinr, bandwidth_hz, out):
    for n in range(out.shape[0]):
        out[n, 0], out[n, 1] = rates._link_rate(w, w.band[0], chosen_by[n], backoff_db, sinr[n], bandwidth_hz)


def sinrs_db(air, now_s):
    """(B, U) mean uplink and downlink SINR, interference of that instant included."""
    air.uplink(now_s)
    out = np.zeros((*air.ues.shape, 2))
    mean_sinrs_db(air.handle, now_s, out)
    return out[..., 0], out[..., 1]


def power_dbm(preset, filtered_dbm, bandwidth_hz):
    """TS 38.213 7.1.1: the path loss that is made up for is reference power less filtered power."""
    wanted_dbm = preset.p0_dbm + 10.0 * math.log10(bandwidth_hz / 180e3)
    return np.minimum(preset.ptx_ue_dbm, wanted_dbm + preset.path_loss_share * (preset.ptx_bs_dbm - filtered_dbm))


# --- mean SINR without interference ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", radio.presets())
def test_sinr_has_the_noise_figure_of_its_side(make_air, name):
    """Uplink: the UE's power at the node's noise figure; downlink: the node's at the UE's (CHANNEL 9, 11)."""
    air, preset = make_air(2, **{"radio.presets": [name]}).reset(1), radio.preset(name)
    up_db, down_db = sinrs_db(air, 0.1)
    loss_db = air.serving(air.losses_db(0.1))
    power = power_dbm(preset, air.serving(air.links["filtered_dbm"]), preset.bandwidth_hz)
    noise_dbm = -174.0 + 10.0 * math.log10(preset.bandwidth_hz)
    assert up_db == pytest.approx(power - loss_db - noise_dbm - preset.noise_figure_bs_db, abs=1e-6)
    assert down_db == pytest.approx(preset.ptx_bs_dbm - loss_db - noise_dbm - preset.noise_figure_ue_db, abs=1e-6)


@pytest.mark.parametrize("name", radio.presets())
def test_the_uplink_is_weaker_by_the_gap_of_powers_and_noise_figures(make_air, name):
    """At Pcmax exactly by that gap, 14 to 28 dB of power less noise figures; below Pcmax by more (CHANNEL 11)."""
    air, preset = make_air(2, **{"radio.presets": [name]}).reset(2), radio.preset(name)
    up_db, down_db = sinrs_db(air, 0.1)
    gap_db = preset.ptx_bs_dbm - preset.ptx_ue_dbm + preset.noise_figure_bs_db - preset.noise_figure_ue_db
    at_most = power_dbm(preset, air.serving(air.links["filtered_dbm"]), preset.bandwidth_hz) == preset.ptx_ue_dbm
    assert 5.0 < gap_db < 28.0
    assert (down_db - up_db)[at_most] == pytest.approx(gap_db, abs=1e-6)
    assert (down_db - up_db >= gap_db - 1e-6).all()
    assert at_most.any()


def test_power_control_follows_the_filtered_power_and_not_the_loss_of_now(make_air):
    air, preset = make_air(1).reset(3), radio.preset("fr1_3g5_micro")
    before_db, _ = sinrs_db(air, 0.1)
    filtered_dbm = air.links["filtered_dbm"].copy()
    air.weaken(7.0)
    faded_db, _ = sinrs_db(air, 0.14)
    assert faded_db == pytest.approx(before_db - 7.0, abs=1e-9)
    air.links["filtered_dbm"] -= 7.0
    measured_db, _ = sinrs_db(air, 0.18)
    rise_db = [power_dbm(preset, air.serving(dbm), preset.bandwidth_hz) for dbm in (filtered_dbm, filtered_dbm - 7.0)]
    assert measured_db == pytest.approx(faded_db + rise_db[1] - rise_db[0], abs=1e-9)
    below = rise_db[1] < preset.ptx_ue_dbm
    assert (rise_db[1] - rise_db[0])[below] == pytest.approx(0.8 * 7.0)
    assert below.any()


# --- MCS and rate -----------------------------------------------------------------------------------------------------------------


def effective(powers, mean_db):
    """CHANNEL 7: taps averaged in bits with a gap of 2 dB; linear."""
    bits = np.log2(1.0 + powers * 10.0 ** (mean_db / 10.0) / 1.6).mean()
    return 1.6 * (2.0**bits - 1.0)


def usable_db(sinr, preset):
    return -10.0 * math.log10(1.0 / sinr + 10.0 ** (-preset.evm_db / 10.0)) - 2.0


def slow_rate(preset, up, chosen_by, backoff_db, sinr, bandwidth_hz):
    """(bit/s, block error rate): MCS and layers of one SINR less a backoff, block errors at another (CHANNEL 10)."""
    wanted_db = usable_db(chosen_by, preset) - backoff_db
    layers = min(4 if wanted_db >= 20.0 else 2 if wanted_db >= 10.0 else 1, preset.max_layers)
    thresholds_db, efficiencies = radio.mcs_arrays()
    fit = np.flatnonzero(thresholds_db <= wanted_db - 10.0 * math.log10(layers))
    if not len(fit) and wanted_db + backoff_db < thresholds_db[0]:
        return 0.0, 0.1  # outage: nothing is sent
    mcs = fit[-1] if len(fit) else 0
    over_db = usable_db(sinr, preset) - 10.0 * math.log10(layers) - thresholds_db[mcs]
    argument = radio.mcs_slopes_per_db()[mcs] * over_db + stats.norm.ppf(0.1)
    errors = stats.norm.cdf(np.clip(argument, -8.0, 8.0))
    if errors > 0.9:
        return 0.0, 1.0  # nine blocks of ten are lost: the link is down
    overhead, share = (
        (preset.overhead_uplink, preset.uplink_share) if up else (preset.overhead_downlink, preset.downlink_share)
    )
    bits = layers * efficiencies[mcs] * bandwidth_hz
    return bits * (1.0 - overhead) * share * (1.0 - errors), errors


@pytest.mark.parametrize(
    "place",
    [
        {"radio.presets": ["fr1_3g5_micro"]},
        {"radio.presets": ["fr3_15g"], "ues.indoor_share": 0.5},
        {"radio.presets": ["fr2_28g"], "radio.blockers_per_m2": 1.0},
    ],
    ids=["3.5 GHz", "15 GHz, half indoors", "28 GHz, blockage"],
)
@pytest.mark.parametrize(("up", "senders"), [(UP, 1), (UP, 2), (UP, 5), (DOWN, 1)])
def test_rate_is_that_of_the_mcs_chosen_a_step_before_with_the_errors_of_now(make_air, place, up, senders):
    """Five steps of walkers at 2 m/s: loss and taps of a step before and of now as they were seen, all else from the preset. The outer
    loop starts at 2 dB and moves by a decibel times what the block errors are above a tenth, between 0 and 10 dB."""
    speeds = {"ues.speed_min_m_s": 2.0, "ues.speed_max_m_s": 2.0}
    air = make_air(1, **{**make_air.STRIDE, **speeds, **place}).reset(4)
    preset = radio.preset(place["radio.presets"][0])
    bandwidth_hz = preset.bandwidth_hz / senders if up else preset.bandwidth_hz
    filtered_dbm = air.serving(air.links["filtered_dbm"])[0]
    figure_db = preset.noise_figure_bs_db if up else preset.noise_figure_ue_db
    noise_dbm = -174.0 + 10.0 * math.log10(bandwidth_hz) + figure_db
    sent_dbm = power_dbm(preset, filtered_dbm, bandwidth_hz)
    if not up:
        sent_dbm = np.full_like(filtered_dbm, preset.ptx_bs_dbm)
    _, errors = air.uplink(0.0, senders) if up else air.downlink(0.0)
    backoff_db, outages, failures = np.full_like(errors[0], 2.0), 0, []
    for step in range(1, 6):
        old_powers = air.taps()[0, :, 2].copy()
        old_loss_db = air.serving(air.losses_db((step - 1) * STEP_S))[0]
        backoff_db = np.clip(backoff_db + errors[0] - 0.1, 0.0, 10.0)
        rate, errors = air.uplink(step * STEP_S, senders) if up else air.downlink(step * STEP_S)
        loss_db = air.serving(air.losses_db(step * STEP_S))[0]
        for u in range(air.ues.shape[1]):
            chosen_by = effective(old_powers[u], sent_dbm[u] - old_loss_db[u] - noise_dbm)
            sinr = effective(air.taps()[0, u, 2], sent_dbm[u] - loss_db[u] - noise_dbm)
            expected = slow_rate(preset, up, chosen_by, backoff_db[u], sinr, bandwidth_hz)
            assert (rate[0, u], errors[0, u]) == pytest.approx(expected, rel=1e-6), (step, u)
            outages += expected[0] == 0.0
            failures.append(expected[1])
    assert len({round(f, 6) for f in failures}) > 10
    assert outages < len(failures)


def test_looks_within_a_step_see_one_rate_and_a_new_step_another(make_air):
    air = make_air(1, **make_air.STRIDE)
    for ask in (air.uplink, air.downlink):
        air.reset(5)
        first = ask(0.0401)
        assert np.array_equal(first, ask(0.0599))
        assert not np.array_equal(first, ask(0.0601))


def test_rates_rise_with_the_sinr(make_air):
    """The MCS of a better SINR carries no less, and a chosen MCS fails no more at a better one: the throughput never falls."""
    air = make_air(1, **{"ues.per_node": 1}).reset(6)
    sinr, out = 10.0 ** (np.arange(-30.0, 60.0, 0.01) / 10.0), np.zeros((9000, 2))
    link_rates(air.handle, sinr, 0.0, sinr, 1e8, out)
    assert (np.diff(out[:, 0]) >= 0.0).all()
    assert out[0, 0] == 0.0 < out[-1, 0]
    assert len(np.unique(out[:, 0])) > 20
    assert (out[out[:, 0] > 0.0, 1] <= 0.1 + 1e-9).all()  # what the SINR itself asks for fails once in ten at most
    for chosen_db in (0.0, 10.0, 25.0):
        link_rates(air.handle, np.full_like(sinr, 10.0 ** (chosen_db / 10.0)), 0.0, sinr, 1e8, out)
        throughput = out[:, 0] * (1.0 - out[:, 1])
        assert (np.diff(throughput) >= 0.0).all()
        assert (np.diff(out[:, 1]) <= 0.0).all()
        assert (out[out[:, 1] > 0.9, 0] == 0.0).all()  # nine blocks of ten lost: no link


def test_the_outer_loop_keeps_block_errors_at_a_tenth(make_air):
    """140 GHz at 10 m/s, where the channel of a step before says little: in the long run a tenth of the blocks of a UE fail, less for a
    UE whose backoff is at its floor now and then, more for none."""
    speeds = {"ues.speed_min_m_s": 10.0, "ues.speed_max_m_s": 10.0}
    air = make_air(1, **{**make_air.STRIDE, **speeds, "radio.presets": ["subthz_140g"]}).reset(12)
    for ask, name in ((air.uplink, "up_backoff_db"), (air.downlink, "down_backoff_db")):
        errors, backoffs_db = [], []
        for step in range(2000):
            errors.append(ask(step * STEP_S)[1])
            backoffs_db.append(air.ues[name].copy())
        errors, backoffs_db = np.array(errors), np.array(backoffs_db)
        assert (backoffs_db >= 0.0).all()
        assert (backoffs_db <= 10.0).all()
        free = (backoffs_db < 10.0).all(axis=0)  # the others are where even the last MCS fails
        assert free.mean() > 0.8
        mean = errors.mean(axis=0)
        assert mean[free].max() < 0.1 + 10.0 / 2000.0
        busy = free & ((backoffs_db == 0.0).mean(axis=0) < 0.02)
        assert busy.sum() > 10
        assert mean[busy] == pytest.approx(np.full(busy.sum(), 0.1), abs=0.01)


def test_the_outer_loop_learns_once_a_step_and_begins_anew_in_another_cell(make_air):
    still = make_air(1, **{"radio.filter_coefficient": 0, "radio.time_to_trigger_s": 0.0}).reset(13)
    first_db = still.ues["up_backoff_db"].copy()
    assert (first_db == 2.0).all()
    still.uplink(0.1, 1)
    once_db = still.ues["up_backoff_db"].copy()
    still.uplink(0.1, 2), still.uplink(0.1, 1)
    assert np.array_equal(once_db, still.ues["up_backoff_db"])
    still.uplink(0.121, 1)
    assert not np.array_equal(once_db, still.ues["up_backoff_db"])
    served = still.ues["node"].copy()
    still.weaken(500.0 * (np.arange(3) == still.ues["serving"][..., None]))
    still.step(2)
    assert (still.ues["node"] != served).all()
    assert (still.ues["up_backoff_db"] == 2.0).all()


def test_a_backoff_does_not_take_away_the_last_mcs(make_air):
    air, out = make_air(1, **{"ues.per_node": 1}).reset(6), np.zeros((1, 2))
    lowest_db = radio.mcs_arrays()[0][0]
    for over_db, sends in ((1.0, True), (-1.0, False)):
        sinr = np.array([10.0 ** ((lowest_db + 2.0 + over_db) / 10.0)])
        link_rates(air.handle, sinr, 10.0, sinr, 1e8, out)
        assert (out[0, 0] > 0.0) == sends


def test_sharers_get_half_the_band_and_at_full_power_more_than_half_the_rate(make_air):
    """Below Pcmax the power follows the band, so the SNR stays and the rate halves; at Pcmax the density rises."""
    alone, shared = (make_air(2).reset(8).uplink(0.1, senders)[0] for senders in (1, 2))
    air, preset = make_air(2).reset(8), radio.preset("fr1_3g5_micro")
    power = power_dbm(preset, air.serving(air.links["filtered_dbm"]), preset.bandwidth_hz)
    controlled = power < preset.ptx_ue_dbm
    assert 0.1 < controlled.mean() < 1.0
    assert shared[controlled] == pytest.approx(0.5 * alone[controlled], rel=1e-9)
    # a UE at rest has the same fading now and before, so its MCS fails once in ten at most, and a better one carries more
    assert (shared[~controlled] >= 0.5 * alone[~controlled] * 0.9).all()
    assert shared[~controlled].sum() > 0.6 * alone[~controlled].sum()


def test_other_traffic_takes_its_share_of_the_band(make_air):
    """Nothing else changes for UEs below Pcmax in a single cell: rates fall by the load in both directions."""
    one = {"nodes.count": 1, "nodes.columns": 1, "nodes.devices": ["l4"], "ues.per_node": 192}
    free, busy = (make_air(1, **one, **{"radio.background_load": load}).reset(9) for load in (0.0, 0.4))
    preset = radio.preset("fr1_3g5_micro")
    power = power_dbm(preset, free.serving(free.links["filtered_dbm"]), preset.bandwidth_hz)
    controlled = power < preset.ptx_ue_dbm
    assert controlled.any()
    assert busy.downlink(0.1)[0] == pytest.approx(0.6 * free.downlink(0.1)[0])
    assert busy.uplink(0.1)[0][controlled] == pytest.approx(0.6 * free.uplink(0.1)[0][controlled])
