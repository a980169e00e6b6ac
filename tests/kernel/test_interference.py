"""Interference between cells against CHANNEL 9 in plain Python: load, beams, who is heard."""

import math

import numpy as np
import pytest

from edge6g_env import radio
from edge6g_env._jit import njit
from tests.kernel.inner import channel, rates, rng

STEP_S = 0.02  # fading grid of tiny
PRESETS = ["fr1_3g5_micro", "fr2_28g", "subthz_140g"]
ALWAYS = 1e9  # a UE that has been sending until then is a sender at any instant


@njit
def downlink_sinrs_db(w, now_s, out):
    for b in range(out.shape[0]):
        for u in range(out.shape[1]):
            loss_db = channel.link_loss_db(w, b, u, w.ue[b, u].serving, now_s)
            out[b, u] = rates.downlink_sinr_db(w, b, u, loss_db, now_s)


@njit
def beams(w, b, n_beams, step, out):
    for beam in range(n_beams):
        out[beam] = rng.uniform(w.episode[b].key, rng.FOR_BEAM, beam, step)


def stray_db(preset):
    """(probability that a beam for somebody else points here, its gain here otherwise relative to the full one)."""
    width_deg = math.sqrt(32_400.0 / 10.0 ** (preset.gain_bs_dbi / 10.0))
    return min(width_deg / 120.0, 1.0), min(8.0 - 20.0 - preset.gain_bs_dbi, 0.0)


def beam_gains_db(air, preset, now_s):
    """(nodes + nodes^2,) gain of each beam in this step: of node j towards others, and of node i for a UE of j."""
    n = air.batch.num_agents
    draws = np.zeros(n + n * n)
    beams(air.handle, 0, len(draws), int(now_s / STEP_S + 1e-9), draws)
    aligned, aside_db = stray_db(preset)
    return np.where(draws < aligned, 0.0, aside_db)


def downlink_mw_hz(air, preset, now_s):
    """(U,) interference density at each UE, from the SINR that the kernel has of it."""
    out = np.zeros(air.ues.shape)
    downlink_sinrs_db(air.handle, now_s, out)
    received_dbm = preset.ptx_bs_dbm - air.serving(air.losses_db(now_s))
    all_mw = 10.0 ** ((received_dbm - out) / 10.0)[0]
    return all_mw / preset.bandwidth_hz - 10.0 ** ((-174.0 + preset.noise_figure_ue_db) / 10.0)


def send(air, node, ues):
    """Let these UEs of a node have sent in the last slot."""
    air.nodes["n_senders"][0, node] = len(ues)
    air.ues["sending_s"][0, ues] = ALWAYS


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("load", [0.0, 0.1, 0.7])
@pytest.mark.parametrize("busy", [[], [1], [0, 2]])
def test_downlink_interference_is_the_load_of_the_other_cells_by_beam_and_loss(make_air, name, load, busy):
    """A cell with downloads is heard at full load, others by their other traffic."""
    air, preset = make_air(1, **{"radio.presets": [name], "radio.background_load": load}).reset(1), radio.preset(name)
    loads, seen = np.full(3, load), set()
    loads[busy], air.nodes["n_receivers"][0, busy] = 1.0, 1
    for step in range(40):
        now_s = step * STEP_S + 1e-6
        gain_db = beam_gains_db(air, preset, now_s)[air.links["node"][0]]
        heard_mw = 10.0 ** ((preset.ptx_bs_dbm - air.losses_db(now_s)[0] + gain_db) / 10.0)
        other = np.arange(3) != air.ues["serving"][0][:, None]
        heard_mw = loads[air.links["node"][0]] * np.where(other, heard_mw, 0.0)
        expected = heard_mw.sum(axis=1) / preset.bandwidth_hz
        noise = 10.0 ** ((-174.0 + preset.noise_figure_ue_db) / 10.0)
        assert downlink_mw_hz(air, preset, now_s) == pytest.approx(expected, rel=1e-6, abs=1e-6 * noise)
        seen |= set(gain_db.ravel().tolist())
    assert len(seen) == 2


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("load", [0.0, 0.3])
@pytest.mark.parametrize("senders", [0, 1, 3])
def test_uplink_interference_is_that_of_one_ue_of_each_other_cell(make_air, name, load, senders):
    """Its power over its share of the band, by its path to this node and this node's beam; a cell that sends is full."""
    air = make_air(1, **{"radio.presets": [name], "radio.background_load": load}).reset(2)
    preset = radio.preset(name)
    senders = senders if (air.ues["node"][0] == 1).sum() >= senders else 1
    if senders:
        send(air, 1, np.flatnonzero(air.ues["node"][0] == 1)[:senders])
    n, heard = air.batch.num_agents, 0
    for step in range(1, 21):  # at step 0 the estimate has asked already
        now_s = step * STEP_S + 1e-6
        air.uplink(now_s)
        gain_db, losses_db, expected = beam_gains_db(air, preset, now_s), air.losses_db(now_s)[0], np.zeros(n)
        for j in range(n):
            u, sends = int(air.nodes["interferer"][0, j]), senders if j == 1 else 0
            share = 1.0 if sends else load
            assert air.nodes["uplink_load"][0, j] == share
            if not share:
                continue
            assert air.ues["node"][0, u] == j
            assert not sends or air.ues["sending_s"][0, u] == ALWAYS
            hz = preset.bandwidth_hz * (1.0 - load) / sends if sends else preset.bandwidth_hz
            filtered_dbm = air.links["filtered_dbm"][0, u, air.ues["serving"][0, u]]
            wanted_dbm = preset.p0_dbm + 10.0 * math.log10(hz / 180e3) + 0.8 * (preset.ptx_bs_dbm - filtered_dbm)
            sent_mw_hz = share * 10.0 ** (min(wanted_dbm, preset.ptx_ue_dbm) / 10.0) / hz
            for m, i in enumerate(air.links["node"][0, u]):
                if i != j:
                    expected[i] += sent_mw_hz * 10.0 ** ((gain_db[n + i * n + j] - losses_db[u, m]) / 10.0)
        assert air.nodes["interference_mw_hz"][0] == pytest.approx(expected, rel=1e-9)
        noise = 10.0 ** ((-174.0 + preset.noise_figure_bs_db) / 10.0)
        assert air.nodes["noise_dbm_hz"][0] == pytest.approx(10.0 * np.log10(noise + expected), abs=1e-9)
        heard += (expected > 0.0).sum()
    assert (heard > 0) == (load > 0.0 or senders > 0)


def test_interference_is_0_without_load_and_grows_in_proportion_to_it(make_air):
    preset, up, down = radio.preset("fr1_3g5_micro"), {}, {}
    for load in (0.0, 0.1, 0.2, 0.8):
        air = make_air(1, **{"radio.background_load": load}).reset(3)
        air.uplink(0.1)
        up[load], down[load] = air.nodes["interference_mw_hz"][0].copy(), downlink_mw_hz(air, preset, 0.1)
    assert (up[0.0] == 0.0).all()
    assert down[0.0] == pytest.approx(0.0, abs=1e-9 * 10.0 ** ((-174.0 + preset.noise_figure_ue_db) / 10.0))
    for load in (0.2, 0.8):
        assert up[load] == pytest.approx(load / 0.1 * up[0.1], rel=1e-9)
        assert down[load] == pytest.approx(load / 0.1 * down[0.1], rel=1e-6)


def test_cells_of_another_band_are_not_heard(make_air):
    """Three cells of three bands: no interference, whatever the load."""
    more = {"radio.presets": ["fr1_3g5_micro", "fr3_7g", "fr2_28g"], "radio.background_load": 0.9}
    air = make_air(1, **more).reset(4)
    send(air, 0, np.flatnonzero(air.ues["node"][0] == 0)[:1])
    air.uplink(0.1)
    assert (air.nodes["interference_mw_hz"] == 0.0).all()
    for band, name in enumerate(more["radio.presets"]):
        preset, here = radio.preset(name), air.ues["node"][0] == band
        mine = downlink_mw_hz(air, preset, 0.1)[here]
        assert here.any()
        assert mine == pytest.approx(0.0, abs=1e-9 * 10.0 ** ((-174.0 + preset.noise_figure_ue_db) / 10.0))


@pytest.mark.parametrize("name", PRESETS)
def test_a_beam_for_somebody_else_points_here_as_often_as_its_width_says(make_air, name):
    """Half-power width over 120 degrees, and 8 dBi - 20 dB elsewhere; drawn anew each step for each cell."""
    more = {"nodes.count": 2, "nodes.columns": 2, "nodes.devices": ["l4"], "ues.per_node": 1}
    air, preset = make_air(1, **more, **{"radio.presets": [name], "radio.background_load": 0.5}), radio.preset(name)
    full, steps = [], 12_000
    air.reset(5)
    u, m = 0, 1 - air.ues["serving"][0, 0]
    most = 0.5 * 10.0 ** ((preset.ptx_bs_dbm - air.losses_db(0.0)[0, u, m]) / 10.0) / preset.bandwidth_hz
    for step in range(steps):
        out = np.zeros(air.ues.shape)
        downlink_sinrs_db(air.handle, step * STEP_S + 1e-6, out)
        full.append(out[0, u])
    weak_db, strong_db = max(full), min(full)
    noise = 10.0 ** ((-174.0 + preset.noise_figure_ue_db) / 10.0)
    aligned, aside_db = stray_db(preset)
    expected_db = 10.0 * math.log10((noise + most) / (noise + most * 10.0 ** (aside_db / 10.0)))
    assert weak_db - strong_db == pytest.approx(expected_db, abs=1e-6)
    hits = np.array(full) < 0.5 * (weak_db + strong_db)
    assert hits.mean() == pytest.approx(aligned, abs=4.0 * math.sqrt(aligned * (1.0 - aligned) / steps))
    again = (hits[1:] & hits[:-1]).mean()
    assert again == pytest.approx(aligned**2, abs=4.0 * math.sqrt(aligned**2 / steps))


def test_who_is_heard_is_drawn_evenly_among_those_who_send_else_among_those_who_are_served(make_air):
    air = make_air(1, **{"ues.per_node": 4, "radio.background_load": 0.1}).reset(6)
    served = [np.flatnonzero(air.ues["node"][0] == i) for i in range(3)]
    senders = max(served, key=len)[:3]
    node = int(air.ues["node"][0, senders[0]])
    assert len(senders) == 3
    send(air, node, senders)
    steps, heard = 3000, np.zeros(12)
    for step in range(1, steps + 1):
        air.uplink(step * STEP_S + 1e-6)
        heard[air.nodes["interferer"][0]] += [len(ues) > 0 for ues in served]
    for i, ues in enumerate(served):
        group = senders if i == node else ues
        if len(group):
            share = heard[group] / steps
            margin = 4.0 * math.sqrt(1.0 / len(group) / steps)
            assert share == pytest.approx(np.full(len(group), 1.0 / len(group)), abs=margin)
    assert heard[np.setdiff1d(served[node], senders)].sum() == 0.0


def test_real_uploads_fill_their_cell_and_are_heard_by_the_neighbours(make_bench, make_service):
    """A long upload at the first node: its UE is the interferer, its cell is full, and the other node's noise rises meanwhile."""
    bench = make_bench(["l40s", "l40s"], 2, services=[make_service(model="llama-3.2-3b")])
    bench.scale_bands(1.0 / 400.0)
    bench.reset(1)
    bench.lengths(400.0, 2.0)
    ue, node, other = bench.ues_of(0)[0], bench.node(0), bench.node(1)
    quiet_dbm_hz = float(other.noise_dbm_hz)
    bench.send({ue: 0.013})
    during = []
    while not bench.outcomes:
        bench.step("local, 0.25 on the device, int8")
        if node.n_senders and bench.episode.csi_step * 0.2 > bench.now_s - 1e-6:  # estimates are new
            during.append((node.interferer, node.uplink_load, other.noise_dbm_hz))
    assert len(during) > 3
    for interferer, load, dbm_hz in during:
        assert (interferer, load) == (ue, 1.0)
        assert dbm_hz > quiet_dbm_hz + 3.0
    assert other.uplink_load == 0.0
