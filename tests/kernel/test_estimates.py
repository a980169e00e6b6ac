"""What agents know of a UE's channel: an estimate with an error and an age, never the channel itself."""

import math

import numpy as np
import pytest

from edge6g_env import radio
from edge6g_env._jit import njit
from tests.kernel.inner import rates

UMI = "UMi-StreetCanyon"


@njit
def expected_bit_s(w, senders, out):
    for b in range(out.shape[0]):
        for u in range(out.shape[1]):
            ue = w.ue[b, u]
            band = w.band[w.site[ue.node].band]
            out[b, u, 0] = rates.expected_bit_s(w, band, ue.seen_uplink_db, senders, band.uplink_efficiency)
            out[b, u, 1] = rates.expected_bit_s(w, band, ue.seen_downlink_db, 1, band.downlink_efficiency)


def slow_expected_bit_s(preset, seen_db, up, bandwidth_hz):
    """The MCS that the estimate asks for less the 2 dB with which an outer loop begins, with its block errors at the estimate."""
    usable_db = -10.0 * np.log10(10.0 ** (-seen_db / 10.0) + 10.0 ** (-preset.evm_db / 10.0)) - 2.0
    wanted_db = usable_db - 2.0
    layers = np.minimum(np.where(wanted_db >= 20.0, 4, np.where(wanted_db >= 10.0, 2, 1)), preset.max_layers)
    each_db = usable_db - 10.0 * np.log10(layers)
    thresholds_db, efficiencies = radio.mcs_arrays()
    mcs = np.searchsorted(thresholds_db, each_db - 2.0, side="right") - 1
    mcs = np.where((mcs < 0) & (usable_db >= thresholds_db[0]), 0, mcs)
    errors = [
        radio.block_error_rate_of(thresholds_db[n], radio.mcs_slopes_per_db()[n], db) if n >= 0 else 1.0
        for n, db in zip(mcs.ravel(), each_db.ravel(), strict=True)
    ]
    efficiency = np.where(mcs >= 0, efficiencies[mcs], 0.0)
    overhead = preset.overhead_uplink if up else preset.overhead_downlink
    share = (preset.uplink_share if up else preset.downlink_share) * (1.0 - overhead)
    return layers * efficiency * bandwidth_hz * share * (1.0 - np.array(errors).reshape(mcs.shape))


def test_the_estimate_is_the_full_band_sinr_with_a_normal_error(make_air):
    """Uplink truth from the filtered power and the loss, without fading; errors of 2 dB, apart for both directions and every UE."""
    air = make_air(6, **{"ues.per_node": 256, "radio.csi_error_db": 2.0}).reset(1)
    preset, ue = radio.preset("fr1_3g5_micro"), air.ues
    loss_db, filtered_dbm = (air.serving(air.links[name]) for name in ("coupling_loss_db", "filtered_dbm"))
    wanted_dbm = (
        preset.p0_dbm + 10.0 * math.log10(preset.bandwidth_hz / 180e3) + 0.8 * (preset.ptx_bs_dbm - filtered_dbm)
    )
    noise_dbm = -174.0 + 10.0 * math.log10(preset.bandwidth_hz)
    up_db = np.minimum(wanted_dbm, preset.ptx_ue_dbm) - loss_db - noise_dbm - preset.noise_figure_bs_db
    down_db = preset.ptx_bs_dbm - loss_db - noise_dbm - preset.noise_figure_ue_db
    assert ue["sinr_db"] == pytest.approx(up_db, abs=1e-6)
    errors_db = [ue["seen_uplink_db"] - up_db, ue["seen_downlink_db"] - down_db]
    for error_db in errors_db:
        assert error_db.std() == pytest.approx(2.0, rel=0.05)
        assert abs(error_db.mean()) < 0.12
    margin = 4.0 / math.sqrt(ue.size)
    assert abs(np.corrcoef(errors_db[0].ravel(), errors_db[1].ravel())[0, 1]) < margin
    assert abs(np.corrcoef(errors_db[0][:, 1:].ravel(), errors_db[0][:, :-1].ravel())[0, 1]) < margin
    air.step(4)  # a new estimate of UEs at rest is the same truth with a new error
    again_db = ue["seen_uplink_db"] - up_db
    assert abs(np.corrcoef(errors_db[0].ravel(), again_db.ravel())[0, 1]) < margin


@pytest.mark.parametrize(("slot_s", "period_s"), [(0.02, 0.2), (0.05, 0.12), (0.02, 0.05)])
def test_an_estimate_is_never_older_than_its_period_and_stands_still_meanwhile(make_air, slot_s, period_s):
    air = make_air(1, **{**make_air.STRIDE, "time.slot_s": slot_s, "radio.csi_period_s": period_s}).reset(2)
    ue, renewed, kept = air.ues, 0, 0
    for _ in range(100):
        before, seen_s = ue["seen_uplink_db"].copy(), ue["seen_s"].copy()
        air.step()
        assert (air.now_s - ue["seen_s"] < period_s - 1e-9).all()
        new = math.floor(air.now_s / period_s + 1e-9) > math.floor((air.now_s - slot_s) / period_s + 1e-9)
        assert (ue["seen_s"] == (air.now_s if new else seen_s)).all()
        assert (ue["seen_uplink_db"] != before).all() if new else np.array_equal(ue["seen_uplink_db"], before)
        renewed, kept = renewed + new, kept + (not new)
    assert min(renewed, kept) >= 10


@pytest.mark.parametrize("load", [0.0, 0.3])
@pytest.mark.parametrize("senders", [1, 3])
def test_the_expected_rate_is_that_of_the_estimate(make_air, senders, load):
    air = make_air(2, **{"radio.csi_error_db": 6.0, "radio.background_load": load}).reset(3)
    preset, ue, out = radio.preset("fr1_3g5_micro"), air.ues, np.zeros((*air.ues.shape, 2))
    expected_bit_s(air.handle, senders, out)
    free_hz = preset.bandwidth_hz * (1.0 - load)
    up = slow_expected_bit_s(preset, ue["seen_uplink_db"], True, free_hz / senders)
    down = slow_expected_bit_s(preset, ue["seen_downlink_db"], False, free_hz)
    assert out[..., 0] == pytest.approx(up, rel=1e-9)
    assert out[..., 1] == pytest.approx(down, rel=1e-9)
    assert len(np.unique(up)) > 20


TRUTH = ("coupling_loss_db", "filtered_dbm", "z_shadow", "z_k", "los", "blocked", "distance_m")
OWN = (
    "sinr_db",
    "up_bit_s",
    "down_bit_s",
    "up_error_rate",
    "down_error_rate",
    "fading_loss_db",
    "old_loss_db",
    "x_m",
    "y_m",
)


def test_agents_see_the_estimate_and_never_the_channel(make_bench):
    """With a job to decide: another truth changes neither observation nor candidates, another estimate changes both."""
    bench = make_bench(["l40s", "l4"], 2, **{"radio.csi_error_db": 2.0, "ues.per_node": 2})
    bench.reset(1)
    bench.lengths(400.0, 40.0)
    bench.send(dict.fromkeys(range(4), 0.25))
    while not any(bench.queue(i) for i in (0, 1)):
        bench.step()
    state = bench.batch.save_state()

    def seen_after(change):
        bench.batch.load_state(state)
        change(bench.batch.world)
        obs, *_ = bench.batch.step(np.zeros((1, 2), np.int64))
        return {name: part.copy() for name, part in obs.items()}

    def other_truth(world):
        rng = np.random.default_rng(1)
        for name in TRUTH:
            world.cell[name][...] = rng.permuted(world.cell[name], axis=-1)
        for name in OWN:
            world.ue[name][...] += 5.0
        bench.weaken(0.0)  # the powers of these losses
        world.tap[...] = rng.normal(size=world.tap.shape)
        world.node["interference_mw_hz"] *= 10.0
        world.node["noise_dbm_hz"] += 10.0

    def other_estimate(world):
        world.ue["seen_uplink_db"][...], world.ue["seen_downlink_db"][...] = 3.0, 4.0

    plain = seen_after(lambda world: None)
    truth, estimate = seen_after(other_truth), seen_after(other_estimate)
    assert plain["action_mask"].sum() > 10
    for name, part in plain.items():
        assert np.array_equal(part, truth[name]), name
        assert np.array_equal(part, estimate[name]) == (name == "action_mask"), name


def test_the_observation_holds_estimate_and_age(make_bench):
    bench = make_bench(["l40s"], 1, **{"radio.csi_error_db": 3.0})
    bench.reset(4)
    bench.lengths(400.0, 40.0)
    bench.send({0: 0.013})
    place = {name: n for n, (name, *_) in enumerate(bench.batch.observation_names)}
    ages = []
    for _ in range(30):
        bench.step()
        row, ue = bench.obs["observation"][0, 0], bench.ue(0)
        if row[place["job/waiting"]]:
            assert row[place["job/uplink_sinr_db"]] == pytest.approx(min(ue["seen_uplink_db"], 100.0), rel=1e-6)
            assert row[place["job/downlink_sinr_db"]] == pytest.approx(min(ue["seen_downlink_db"], 100.0), rel=1e-6)
            assert row[place["job/channel_age_s"]] == pytest.approx(bench.now_s - ue["seen_s"], abs=1e-6)
            ages.append(row[place["job/channel_age_s"]])
    assert max(ages) == pytest.approx(0.18, abs=1e-6)  # one slot short of the period
    assert min(ages) == 0.0
