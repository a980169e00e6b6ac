"""The radio in the world: stationary laws of the links, and rates against the formulas of CHANNEL 10 and 11."""

import math

import numpy as np
import pytest

from edge6g_env import batch_env, radio
from edge6g_env._jit import njit
from edge6g_env.kernel import channel

ENVIRONMENT = "UMi-StreetCanyon"
SPEED_OF_LIGHT_M_S = 299_792_458.0
# A metre a slot, without a pause: every slot renews every link.
STRIDE = {
    "time.slot_s": 0.05,
    "time.episode_s": 1000.0,
    "ues.speed_min_m_s": 20.0,
    "ues.speed_max_m_s": 20.0,
    "ues.pause_s": 0.0,
    "ues.hotspots": 0,
    "ues.per_node": 256,
    "arrivals.rate_jobs_s": 1e-9,
}


@njit
def upload_rates(w, senders, now_s, out):
    """out[b, u]: rate of UE u's upload at now_s."""
    for b in range(out.shape[0]):
        for u in range(out.shape[1]):
            out[b, u] = channel.uplink_rate_bit_s(w, b, u, senders, now_s)


@njit
def faded_sinrs_db(w, snr_db, out):
    """out[b, u]: effective SINR of UE u over its present taps at a mean SNR."""
    for b in range(out.shape[0]):
        for u in range(out.shape[1]):
            out[b, u] = channel._faded_sinr_db(w, b, u, snr_db)


def rates_of(batch, handle, senders=1, now_s=0.0):
    out = np.zeros(batch.world.ue.shape)
    upload_rates(handle(batch.world), senders, now_s, out)
    return out


def hold(batch):
    batch.step(np.zeros((batch.num_worlds, batch.num_agents), np.int64))


def distances_m(world):
    """(B, U, M) ground distance of UE and candidate cell."""
    ue, node, cell = world.ue, world.node, world.cell["node"][:, :-1]
    x, y = node["x_m"][0][cell], node["y_m"][0][cell]
    return np.hypot(ue["x_m"][..., None] - x, ue["y_m"][..., None] - y)


@pytest.fixture(scope="module")
def walk():
    """12 worlds of 768 UEs whose links have been walked for 60 m, then recorded each slot for 60 more."""
    batch = batch_env("tiny", 12, **STRIDE)
    batch.reset(1)
    for _ in range(60):
        hold(batch)
    records = []
    for _ in range(61):
        cell = batch.world.cell[:, :-1]
        records.append(
            {
                "metre": batch.world.ue["metre"].copy(),
                "distance_m": distances_m(batch.world),
                **{name: cell[name].copy() for name in ("z_shadow", "z_los", "z_k", "los", "coupling_loss_db", "node")},
            }
        )
        hold(batch)
    return batch, records


def lagged(records, name, lag_m):
    """Pairs of a link's number at the first record and lag_m metres on."""
    first = records[0]
    start, end = [], []
    for record in records[1:]:
        there = record["metre"] == first["metre"] + lag_m
        start.append(first[name][there].ravel())
        end.append(record[name][there].ravel())
    return np.concatenate(start), np.concatenate(end)


@pytest.mark.parametrize(
    ("name", "corr_m", "row"),
    [("z_shadow", 10, "shadow"), ("z_los", 50, "los"), ("z_k", 15, "k")],
)
def test_links_are_stationary_and_decorrelate_over_their_distance(walk, name, corr_m, row):
    """TR 38.901 Tables 7.5-6 and 7.6.3.1-2 (UMi): 10 m for shadowing in sight, 50 m for the LOS state, 15 m for K."""
    batch, records = walk
    assert batch.world.setup[f"{row}_corr_m"][0] == corr_m
    now = records[-1][name].ravel()
    assert now.size > 25_000
    assert now.std() == pytest.approx(1.0, rel=0.03)
    assert abs(now.mean()) < 0.03
    start, end = lagged(records, name, corr_m)
    assert len(start) > 10_000
    assert np.corrcoef(start, end)[0, 1] == pytest.approx(math.exp(-1.0), abs=0.03)
    start, end = lagged(records, name, 5)
    assert np.corrcoef(start, end)[0, 1] == pytest.approx(math.exp(-5.0 / corr_m), abs=0.03)


def test_links_of_a_ue_are_independent(walk):
    _, records = walk
    z = {name: records[-1][name].reshape(-1, 3) for name in ("z_shadow", "z_los", "z_k")}
    n = len(z["z_shadow"])
    for a, b in (("z_shadow", "z_shadow"), ("z_los", "z_los")):
        assert abs(np.corrcoef(z[a][:, 0], z[b][:, 1])[0, 1]) < 4.0 / math.sqrt(n)
    for a, b in (("z_shadow", "z_los"), ("z_los", "z_k"), ("z_shadow", "z_k")):
        assert abs(np.corrcoef(z[a][:, 0], z[b][:, 0])[0, 1]) < 4.0 / math.sqrt(n)


def test_los_share_is_the_los_probability(walk):
    _, records = walk
    d_m = np.concatenate([r["distance_m"].ravel() for r in records[::20]])
    los = np.concatenate([r["los"].ravel() for r in records[::20]])
    expected = radio.los_probability(ENVIRONMENT, d_m, 1.5)
    assert los.mean() == pytest.approx(expected.mean(), abs=0.02)
    for low, high in ((0, 18), (18, 40), (40, 80), (80, 160), (160, 320)):
        here = (d_m >= low) & (d_m < high)
        assert here.sum() > 500
        assert los[here].mean() == pytest.approx(expected[here].mean(), abs=0.04)


def test_coupling_loss_is_path_loss_and_shadowing_less_gains(walk):
    batch, records = walk
    record, preset = records[-1], radio.preset(batch.scenario.radio.preset)
    sigma_db = np.where(record["los"] == 1, 4.0, 7.82)  # TR 38.901 Table 7.4.1-1, UMi
    loss_db = radio.path_loss_db(ENVIRONMENT, record["los"], record["distance_m"], 10.0, 1.5, preset.carrier_ghz)
    gains_db = preset.gain_bs_dbi + preset.gain_ue_dbi - preset.misalignment_db
    expected = loss_db + sigma_db * record["z_shadow"] - gains_db
    renewed = record["metre"] > records[-2]["metre"]  # a link is renewed when its UE enters another metre
    assert renewed.mean() > 0.5
    assert record["coupling_loss_db"][renewed] == pytest.approx(expected[renewed], abs=1e-9)


def test_shadowing_in_db_has_the_standard_deviation_of_its_los_state(walk):
    """The residual of the loss over the mean path loss, link by link: 4 dB in sight, 7.82 dB without, within 3 %."""
    batch, records = walk
    record, preset = records[-1], radio.preset(batch.scenario.radio.preset)
    mean_db = radio.path_loss_db(ENVIRONMENT, record["los"], record["distance_m"], 10.0, 1.5, preset.carrier_ghz)
    residual = record["coupling_loss_db"] - mean_db
    assert residual[record["los"] == 1].std() == pytest.approx(4.0, rel=0.04)
    assert residual[record["los"] == 0].std() == pytest.approx(7.82, rel=0.03)


def test_handover_exactly_when_another_cell_is_stronger_by_the_hysteresis():
    batch = batch_env("tiny", 2, **{**STRIDE, "ues.per_node": 32})
    batch.reset(2)
    world, handed, kept = batch.world, 0, 0
    hysteresis_db = batch.scenario.radio.handover_hysteresis_db
    served = world.ue["node"].copy()
    for slot in range(100):
        metre = world.ue["metre"].copy()
        hold(batch)
        cell = world.cell[:, :-1]
        loss_db = np.full((*served.shape, batch.num_agents), np.inf)
        np.put_along_axis(loss_db, cell["node"], cell["coupling_loss_db"], axis=2)
        there_db = np.take_along_axis(loss_db, served[..., None], axis=2)[..., 0]
        stronger = loss_db.min(axis=2) < there_db - hysteresis_db
        moved = world.ue["metre"] > metre
        expected = np.where(stronger & moved, loss_db.argmin(axis=2), served)
        assert np.array_equal(world.ue["node"], expected), slot
        changed = world.ue["node"] != served
        silent_s = np.where(
            changed, batch.scenario.radio.handover_interruption_s + world.episode["now_s"][:, None], 0.0
        )
        assert world.ue["silent_until_s"][changed] == pytest.approx(silent_s[changed])
        handed, kept = handed + changed.sum(), kept + (~changed).sum()
        served = world.ue["node"].copy()
    assert handed == world.episode["handovers"].sum() > 50
    assert kept > handed


def test_nothing_is_sent_during_a_handover(handle):
    batch = batch_env("tiny", 1, **{**STRIDE, "ues.per_node": 32})
    batch.reset(3)
    batch.world.ue["silent_until_s"][0, ::2] = 1.0
    assert (rates_of(batch, handle, now_s=0.5)[0, ::2] == 0.0).all()
    assert (rates_of(batch, handle, now_s=0.5)[0, 1::2] > 0.0).any()
    assert (rates_of(batch, handle, now_s=1.0)[0, ::2] > 0.0).any()


def test_candidate_cells_are_the_nearest_and_links_that_stay_keep_their_state():
    more = {"radio.candidate_cells": 4, "ues.per_node": 32}
    batch = batch_env("campus", 1, **{**STRIDE, **more})
    batch.reset(4)
    world = batch.world
    x, y = world.node["x_m"][0], world.node["y_m"][0]
    exchanged = 0
    for _ in range(120):
        before, metre = world.cell[0, :-1].copy(), world.ue["metre"][0].copy()
        hold(batch)
        cell = world.cell[0, :-1]
        chosen = (world.ue["metre"][0] % 20 == 0) & (world.ue["metre"][0] == metre + 1)
        d_m = np.hypot(world.ue["x_m"][0][:, None] - x, world.ue["y_m"][0][:, None] - y)
        nearest = np.sort(np.argsort(d_m, axis=1, kind="stable")[:, :4], axis=1)
        assert np.array_equal(np.sort(cell["node"], axis=1)[chosen], nearest[chosen])
        assert [len(set(row)) for row in cell["node"].tolist()] == [4] * len(cell)
        # one Gauss-Markov step of a metre moves z by r - 1 and a normal of sqrt(1 - r^2) = 0.43: 5 sigma
        for u in np.flatnonzero(chosen):
            for m, node in enumerate(cell["node"][u]):
                old = np.flatnonzero(before["node"][u] == node)
                if len(old):
                    change = cell["z_los"][u, m] - math.exp(-1.0 / 50.0) * before["z_los"][u, old[0]]
                    assert abs(change) < 5.0 * math.sqrt(1.0 - math.exp(-2.0 / 50.0))
                else:
                    exchanged += 1
    assert exchanged > 10


# --- fast fading and rates ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 3])
def test_taps_decorrelate_by_the_law_of_the_spec(handle, steps):
    """CHANNEL 7: r = exp(-1.931 fd dt) for the complex tap, whatever the number of grid steps between."""
    speed_m_s, period_s = 0.6, 0.02
    more = {"ues.speed_min_m_s": speed_m_s, "ues.speed_max_m_s": speed_m_s, "ues.per_node": 64}
    batch = batch_env("tiny", 16, **{**STRIDE, **more})
    batch.reset(5)
    n_taps = int(batch.world.setup["n_taps"][0])
    rates_of(batch, handle, now_s=0.0)
    for lead in range(1, 4):  # stationary after some steps, not only at the start
        rates_of(batch, handle, now_s=lead * period_s + 1e-6)
    first = batch.world.tap[:, :, 0, :n_taps] + 1j * batch.world.tap[:, :, 1, :n_taps]
    rates_of(batch, handle, now_s=(3 + steps) * period_s + 1e-6)
    second = batch.world.tap[:, :, 0, :n_taps] + 1j * batch.world.tap[:, :, 1, :n_taps]
    doppler_hz = speed_m_s * 3.5e9 / SPEED_OF_LIGHT_M_S
    expected = math.exp(-1.931 * doppler_hz * steps * period_s)
    correlation = (first.conj() * second).mean() / (np.abs(first) ** 2).mean()
    assert first.size > 20_000
    assert correlation.real == pytest.approx(expected, abs=0.03)
    assert abs(correlation.imag) < 0.03
    assert (np.abs(second) ** 2).mean() == pytest.approx(1.0, abs=0.03)
    assert (second.real**2).mean() == pytest.approx(0.5, abs=0.02)


def test_taps_stand_still_within_a_grid_step(handle):
    batch = batch_env("tiny", 1, **{**STRIDE, "ues.per_node": 8})
    batch.reset(6)
    rates_of(batch, handle, now_s=0.0201)
    before = batch.world.tap.copy()
    rates_of(batch, handle, now_s=0.0399)
    assert np.array_equal(before, batch.world.tap)
    rates_of(batch, handle, now_s=0.0401)
    assert not np.array_equal(before, batch.world.tap)


def slow_rate_bit_s(batch, b, u, senders):
    """CHANNEL 7, 10 and 11 in plain Python, from the UE's taps and coupling loss."""
    preset, world = radio.preset(batch.scenario.radio.preset), batch.world
    cell = world.cell[b, u, world.ue[b, u].serving]
    band_hz = preset.bandwidth_hz / senders
    power_dbm = radio.uplink_power_dbm(
        preset.ptx_ue_dbm, preset.p0_dbm, preset.path_loss_share, cell.coupling_loss_db, band_hz
    )
    snr_db = power_dbm - cell.coupling_loss_db - radio.noise_dbm(band_hz, preset.noise_figure_bs_db)
    usable_db = radio.with_evm_floor_db(slow_sinr_db(world, b, u, snr_db), preset.evm_db) - 2.0
    layers = min(4 if usable_db >= 20.0 else 2 if usable_db >= 10.0 else 1, preset.max_layers)
    efficiency = radio.spectral_efficiency(usable_db - 10.0 * math.log10(layers))
    share = preset.uplink_share * (1.0 - preset.overhead_uplink) * (1.0 - 0.1)
    return layers * efficiency * band_hz * share


def slow_sinr_db(world, b, u, snr_db):
    """CHANNEL 7: Rician taps, averaged in bits with a gap of 2 dB."""
    cell = world.cell[b, u, world.ue[b, u].serving]
    k = 10.0 ** ((9.0 + 5.0 * cell.z_k) / 10.0) if cell.los else 0.0  # UMi: 9 dB, 5 dB
    n_taps = int(world.setup["n_taps"][0])
    g = world.tap[b, u, 0, :n_taps] + 1j * world.tap[b, u, 1, :n_taps]
    h = math.sqrt(k / (k + 1.0)) + math.sqrt(1.0 / (k + 1.0)) * g
    bits = np.log2(1.0 + np.abs(h) ** 2 * 10.0 ** (snr_db / 10.0) / 1.6).mean()
    return 10.0 * math.log10(1.6 * (2.0**bits - 1.0))


def test_fading_is_rician_in_sight_and_rayleigh_without(handle):
    batch = batch_env("tiny", 2, **{**STRIDE, "ues.per_node": 32})
    batch.reset(10)
    rates_of(batch, handle, now_s=0.5)
    sinr_db = np.zeros(batch.world.ue.shape)
    faded_sinrs_db(handle(batch.world), 15.0, sinr_db)
    expected = [[slow_sinr_db(batch.world, b, u, 15.0) for u in range(sinr_db.shape[1])] for b in range(2)]
    assert sinr_db == pytest.approx(np.array(expected), abs=1e-9)
    los = np.take_along_axis(batch.world.cell["los"][:, :-1], batch.world.ue["serving"][..., None], 2)[..., 0] == 1
    assert 0.2 < los.mean() < 1.0
    assert sinr_db[los].std() < sinr_db[~los].std()  # a ray steadies


@pytest.mark.parametrize("senders", [1, 2, 5])
def test_rate_is_that_of_the_formulas(handle, senders):
    batch = batch_env("tiny", 2, **{**STRIDE, "ues.per_node": 32})
    batch.reset(7)
    rates = rates_of(batch, handle, senders, 0.5)
    expected = [[slow_rate_bit_s(batch, b, u, senders) for u in range(rates.shape[1])] for b in range(2)]
    assert rates == pytest.approx(np.array(expected), rel=1e-9)
    assert len(np.unique(rates)) > 10


def test_sharers_get_half_the_band_and_at_full_power_more_than_half_the_rate(handle):
    """Below Pcmax the power follows the band, so the SNR stays and the rate halves; at Pcmax the density rises."""
    batch = batch_env("tiny", 2, **{**STRIDE, "ues.per_node": 64})
    batch.reset(8)
    alone, shared = rates_of(batch, handle, 1), rates_of(batch, handle, 2)
    preset, ue = radio.preset(batch.scenario.radio.preset), batch.world.ue
    loss_db = np.take_along_axis(batch.world.cell["coupling_loss_db"][:, :-1], ue["serving"][..., None], 2)[..., 0]
    wanted_dbm = preset.p0_dbm + 10.0 * math.log10(preset.bandwidth_hz / 180e3) + preset.path_loss_share * loss_db
    controlled = wanted_dbm <= preset.ptx_ue_dbm
    assert 0.1 < controlled.mean() < 1.0
    assert shared[controlled] == pytest.approx(0.5 * alone[controlled], rel=1e-9)
    assert (shared[~controlled] >= 0.5 * alone[~controlled] - 1e-6).all()
    assert (shared[~controlled] > 0.5 * alone[~controlled]).any()
    assert (shared <= alone + 1e-6).all()


def test_what_an_agent_sees_is_the_full_band_snr_with_its_error():
    batch = batch_env("tiny", 6, **{**STRIDE, "ues.per_node": 256, "radio.csi_error_db": 2.0})
    batch.reset(9)
    for _ in range(3):
        hold(batch)
    preset, ue = radio.preset(batch.scenario.radio.preset), batch.world.ue
    loss_db = np.take_along_axis(batch.world.cell["coupling_loss_db"][:, :-1], ue["serving"][..., None], 2)[..., 0]
    wanted_dbm = preset.p0_dbm + 10.0 * math.log10(preset.bandwidth_hz / 180e3) + preset.path_loss_share * loss_db
    snr_db = (
        np.minimum(wanted_dbm, preset.ptx_ue_dbm)
        - loss_db
        - radio.noise_dbm(preset.bandwidth_hz, preset.noise_figure_bs_db)
    )
    assert ue["sinr_db"] == pytest.approx(snr_db, abs=1e-9)
    error_db = ue["seen_sinr_db"] - ue["sinr_db"]
    assert error_db.std() == pytest.approx(2.0, rel=0.05)
    assert abs(error_db.mean()) < 0.12
