"""Large-scale state of the links in the world: its stationary laws, and losses against the formulas of CHANNEL 2 to 6."""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from edge6g_env import radio
from edge6g_env.build.places import node_positions_m

ENVIRONMENT = "UMi-StreetCanyon"
UMI_SIGMA_DB = (7.82, 4.0)  # without sight, in sight: TR 38.901 Table 7.4.1-1
NAMES = ("z_shadow", "z_los", "z_k", "los", "coupling_loss_db", "node")


@pytest.fixture(scope="module")
def walk(make_air):
    """12 worlds of 768 UEs whose links have been walked for 60 m, then recorded each slot for 60 more."""
    air = make_air(12, **{**make_air.STRIDE, "ues.per_node": 256}).reset(1)
    air.step(60)
    records = []
    for _ in range(61):
        now = {name: air.links[name].copy() for name in NAMES}
        records.append({"link_steps": air.ues["link_steps"].copy(), "distance_m": air.distances_m(), **now})
        air.step()
    return air, records


def lagged(records, name, lag_m):
    """Pairs of a link's number at the first record and lag_m metres on."""
    first, start, end = records[0], [], []
    for record in records[1:]:
        there = record["link_steps"] == first["link_steps"] + lag_m
        start.append(first[name][there].ravel())
        end.append(record[name][there].ravel())
    return np.concatenate(start), np.concatenate(end)


@pytest.mark.parametrize(("name", "corr_m"), [("z_los", 50.0), ("z_k", 15.0)])
def test_links_decorrelate_over_their_distance(walk, name, corr_m):
    """TR 38.901 Tables 7.5-6 and 7.6.3.1-2 (UMi): 50 m for the LOS state, 15 m for K."""
    _, records = walk
    for lag_m in (5, round(corr_m)):
        start, end = lagged(records, name, lag_m)
        assert len(start) > 10_000
        assert np.corrcoef(start, end)[0, 1] == pytest.approx(math.exp(-lag_m / corr_m), abs=0.03)


@pytest.mark.parametrize(("los", "corr_m"), [(1, 10.0), (0, 13.0)])
def test_shadowing_decorrelates_over_the_distance_of_its_los_state(walk, los, corr_m):
    """TR 38.901 Table 7.5-6 (UMi): 10 m in sight, 13 m without. Metre by metre, since the state changes on the way."""
    _, records = walk
    start, end = [], []
    for before, after in pairwise(records):
        here = (after["link_steps"] == before["link_steps"] + 1)[..., None] & (before["los"] == los)
        start.append(before["z_shadow"][here])
        end.append(after["z_shadow"][here])
    start, end = np.concatenate(start), np.concatenate(end)
    assert len(start) > 200_000
    assert np.corrcoef(start, end)[0, 1] == pytest.approx(math.exp(-1.0 / corr_m), abs=0.003)  # they are 0.021 apart


@pytest.mark.parametrize("step_m", [0.5, 2.0, 5.0])
def test_the_law_of_the_way_does_not_depend_on_the_step(make_air, step_m):
    """20 m on, links correlate as after 20 steps of a metre, whether they were renewed 40, 10 or 4 times meanwhile."""
    air = make_air(6, **{**make_air.STRIDE, "radio.link_step_m": step_m, "ues.per_node": 256}).reset(8)
    air.step(20)
    steps, before = air.ues["link_steps"].copy(), air.links[["z_los", "z_k"]].copy()
    air.step(20)
    whole = air.ues["link_steps"] == steps + round(20.0 / step_m)
    assert whole.mean() > 0.8
    for name, corr_m in (("z_los", 50.0), ("z_k", 15.0)):
        start, end = before[name][whole].ravel(), air.links[name][whole].ravel()
        assert len(start) > 10_000
        assert np.corrcoef(start, end)[0, 1] == pytest.approx(math.exp(-20.0 / corr_m), abs=0.03)


def test_links_are_stationary(walk):
    _, records = walk
    for name in ("z_shadow", "z_los", "z_k"):
        now = records[-1][name].ravel()
        assert now.size > 25_000
        assert now.std() == pytest.approx(1.0, rel=0.03)
        assert abs(now.mean()) < 0.03


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


def test_shadowing_in_db_has_the_standard_deviation_of_its_los_state(walk):
    """The residual of the loss over the mean path loss, link by link: 4 dB in sight, 7.82 dB without, within 4 %."""
    _, records = walk
    record = records[-1]
    mean_db = radio.path_loss_db(ENVIRONMENT, record["los"], record["distance_m"], 10.0, 1.5, 3.5)
    residual = record["coupling_loss_db"] - mean_db
    for los, sigma_db in enumerate(UMI_SIGMA_DB):
        assert residual[record["los"] == los].std() == pytest.approx(sigma_db, rel=0.04)


# --- the sum of the loss --------------------------------------------------------------------------------------------------------


def outdoor_loss_db(air, preset, rain_mm_per_h=0.0):
    """(B, U, M) coupling loss of CHANNEL 1 without walls and blockage, from the links' normals, LOS states and places."""
    env = radio.environment(air.scenario.radio.environment, preset.carrier_ghz)
    link, d_m = air.links, air.distances_m()
    sigma_db = np.where(link["los"] == 1, env.sigma_los_db, env.sigma_nlos_db)
    loss_db = radio.path_loss_db(env.name, link["los"], d_m, env.h_bs_m, env.h_ut_m, preset.carrier_ghz)
    air_db_per_km = radio.gas_attenuation_db_per_km(preset.carrier_ghz)
    air_db_per_km += radio.rain_attenuation_db_per_km(preset.carrier_ghz, rain_mm_per_h, "h")
    loss_db += sigma_db * link["z_shadow"] + air_db_per_km * np.hypot(d_m, env.h_bs_m - env.h_ut_m) / 1000.0
    return loss_db - (preset.gain_bs_dbi + preset.gain_ue_dbi - preset.misalignment_db)


@pytest.mark.parametrize(
    ("name", "environment", "rain_mm_per_h"),
    [
        ("fr1_3g5_micro", ENVIRONMENT, 0.0),
        ("fr1_3g5_macro", "UMa", 10.0),
        ("fr2_28g", ENVIRONMENT, 50.0),
        ("subthz_140g", ENVIRONMENT, 0.0),
        ("subthz_140g", ENVIRONMENT, 50.0),
    ],
)
def test_coupling_loss_is_path_loss_shadowing_gas_and_rain_less_gains(make_air, name, environment, rain_mm_per_h):
    more = {"radio.presets": [name], "radio.environment": environment, "radio.rain_mm_per_h": rain_mm_per_h}
    air = make_air(2, **more).reset(2)
    expected = outdoor_loss_db(air, radio.preset(name), rain_mm_per_h)
    assert air.links["coupling_loss_db"] == pytest.approx(expected, abs=1e-9)
    assert np.array_equal(air.losses_db(0.3), air.links["coupling_loss_db"])  # nobody stands in the way


@pytest.mark.parametrize(("name", "db_per_km"), [("fr2_28g", 9.0), ("subthz_140g", 20.0)])
def test_rain_adds_decibels_per_metre_and_nothing_else(make_air, name, db_per_km):
    """50 mm/h: 9 dB/km at 28 GHz and 20 dB/km at 140 GHz, horizontal polarisation (ITU-R P.838-3, CHANNEL 6)."""
    dry, wet = (make_air(1, **{"radio.presets": [name], "radio.rain_mm_per_h": r}).reset(3) for r in (0.0, 50.0))
    rain_db = wet.links["coupling_loss_db"] - dry.links["coupling_loss_db"]
    per_km = 1000.0 * rain_db / np.hypot(dry.distances_m(), 10.0 - 1.5)
    assert per_km == pytest.approx(np.full_like(per_km, per_km.mean()), rel=1e-9)
    assert per_km.mean() == pytest.approx(db_per_km, rel=0.05)
    for name in ("z_shadow", "los", "node"):
        assert np.array_equal(dry.links[name], wet.links[name])


@pytest.mark.parametrize("name", ["fr2_28g", "subthz_140g"])
def test_a_moving_ue_loses_what_its_beam_lags_behind(make_air, name):
    """The same places and normals at rest and at 30 m/s: pattern 12 (angle / width)^2 over a beam 0 to 20 ms old, at both ends."""
    speed_m_s, preset = 30.0, radio.preset(name)
    moves = {**make_air.STRIDE, "ues.speed_min_m_s": speed_m_s, "ues.speed_max_m_s": speed_m_s, "ues.pause_s": 1e6}
    still, moving = (make_air(1, **{"radio.presets": [name], **more}).reset(4) for more in ({}, moves))
    d_m = moving.distances_m()
    assert np.array_equal(d_m, still.distances_m())
    age_s = (np.arange(2000.0) + 0.5) / 2000.0 * 0.02
    d3_m = np.maximum(np.hypot(d_m, 10.0 - 1.5), 1.0)
    angle_deg = np.degrees(np.arctan2(speed_m_s * 0.02, d3_m))[..., None] * age_s / 0.02
    expected = 0.0
    for gain_dbi in (preset.gain_bs_dbi, preset.gain_ue_dbi):
        width_deg = min(math.sqrt(32_400.0 / 10.0 ** (gain_dbi / 10.0)), 360.0)
        expected = expected + np.minimum(12.0 * (angle_deg / width_deg) ** 2, 30.0).mean(axis=-1)
    lag_db = moving.links["coupling_loss_db"] - still.links["coupling_loss_db"]
    assert lag_db == pytest.approx(expected, abs=0.02)
    assert expected.max() > 0.5
    while (moving.ues["speed_m_s"] > 0.0).any():  # at its waypoint each UE stays, and its beam is right again
        assert moving.now_s < 60.0
        moving.step(10)
    assert moving.links["coupling_loss_db"] == pytest.approx(outdoor_loss_db(moving, preset), abs=0.05)


# --- inside buildings -----------------------------------------------------------------------------------------------------------


def test_indoor_ues_have_a_wall_a_depth_and_the_los_of_the_outdoor_part(make_air):
    """From 6 GHz on (TR 38.901 7.4.3): one wall and one depth a UE, the smaller of two U(0, 25 m), and a normal number of 4.4 dB."""
    preset = radio.preset("fr2_28g")
    more = {"radio.presets": ["fr2_28g"], "ues.indoor_share": 0.6, "ues.building": "low", "ues.per_node": 256}
    air = make_air(4, **more).reset(5)
    ue, link = air.ues, air.links
    indoor = ue["indoor"] == 1
    assert indoor.mean() == pytest.approx(0.6, abs=4.0 * math.sqrt(0.24 / indoor.size))
    depth_m, z_wall = ue["indoor_m"], ue["z_wall"]
    assert (depth_m[~indoor] == 0.0).all()
    assert stats.kstest(depth_m[indoor], lambda x: 1.0 - (1.0 - np.clip(x / 25.0, 0.0, 1.0)) ** 2).pvalue > 1e-3
    assert stats.kstest(z_wall[indoor], "norm").pvalue > 1e-3
    glass, concrete = (10.0 ** (-loss_db / 10.0) for loss_db in (2.0 + 0.2 * 28.0, 5.0 + 4.0 * 28.0))
    wall_db = 5.0 - 10.0 * math.log10(0.3 * glass + 0.7 * concrete) + 0.5 * depth_m + 4.4 * z_wall
    expected = outdoor_loss_db(air, preset) + np.where(indoor, wall_db, 0.0)[..., None]
    assert link["coupling_loss_db"] == pytest.approx(expected, abs=1e-9)
    outside_m = np.maximum(air.distances_m() - depth_m[..., None], 0.0)
    p_los = radio.los_probability(ENVIRONMENT, outside_m, 1.5)
    assert np.array_equal(link["los"], stats.norm.cdf(link["z_los"]) < p_los)
    assert (p_los > radio.los_probability(ENVIRONMENT, air.distances_m(), 1.5)).any()


def test_below_6_ghz_the_wall_is_20_db_and_each_link_has_its_own_depth(make_air):
    air = make_air(4, **{"ues.indoor_share": 1.0, "ues.per_node": 256}).reset(6)
    inside_db = air.links["coupling_loss_db"] - outdoor_loss_db(air, radio.preset("fr1_3g5_micro")) - 20.0
    assert stats.kstest(inside_db.ravel(), stats.uniform(0.0, 0.5 * 25.0).cdf).pvalue > 1e-3
    outside_m = np.maximum(air.distances_m() - inside_db / 0.5, 0.0)
    p_los = radio.los_probability(ENVIRONMENT, outside_m, 1.5)
    assert np.array_equal(air.links["los"], stats.norm.cdf(air.links["z_los"]) < p_los)
    depths = inside_db.reshape(-1, 3)
    assert abs(np.corrcoef(depths[:, 0], depths[:, 1])[0, 1]) < 4.0 / math.sqrt(len(depths))
    before = inside_db.copy()
    air.step(20)
    after = air.links["coupling_loss_db"] - outdoor_loss_db(air, radio.preset("fr1_3g5_micro")) - 20.0
    assert after == pytest.approx(before, abs=1e-9)  # a link keeps its depth


# --- candidate cells ------------------------------------------------------------------------------------------------------------


SCATTERED = [[10.0 * n * n, 37.0 * (n * n % 7)] for n in range(1, 9)]  # crowded in the west, rare in the east


@pytest.mark.parametrize("places", [{}, {"nodes.positions_m": SCATTERED}], ids=["grid", "places"])
def test_candidate_cells_are_the_nearest_and_links_that_stay_keep_their_state(make_air, places):
    stride = {**make_air.STRIDE, "radio.candidate_cells": 4, "ues.per_node": 32}
    air = make_air(1, "campus", **stride, **places).reset(7)
    (x, y), exchanged, kept = node_positions_m(air.scenario).T, 0, 0
    for _ in range(120):
        before, steps, served = air.links[0].copy(), air.ues["link_steps"][0].copy(), air.ues["node"][0].copy()
        air.step()
        cell, ue = air.links[0], air.ues[0]
        assert np.array_equal(np.take_along_axis(cell["node"], ue["serving"][:, None], 1)[:, 0], ue["node"])
        assert [len(set(row)) for row in cell["node"].tolist()] == [4] * len(cell)
        chosen = (ue["link_steps"] % 20 == 0) & (ue["link_steps"] == steps + 1)
        d_m = np.hypot(ue["x_m"][:, None] - x, ue["y_m"][:, None] - y)
        nearest = np.argsort(d_m, axis=1, kind="stable")[:, :4]
        for u in np.flatnonzero(chosen):
            if served[u] not in nearest[u]:  # the serving cell stays in any case, in the place of the farthest
                nearest[u, -1] = served[u]
            assert set(cell["node"][u]) == set(nearest[u])
            for m, node in enumerate(cell["node"][u]):
                old = np.flatnonzero(before["node"][u] == node)
                if len(old):
                    # a Gauss-Markov step of a metre moves z by r - 1 and a normal of sqrt(1 - r^2) = 0.2: 5 sigma
                    change = cell["z_los"][u, m] - math.exp(-1.0 / 50.0) * before["z_los"][u, old[0]]
                    assert abs(change) < 5.0 * math.sqrt(1.0 - math.exp(-2.0 / 50.0))
                exchanged, kept = exchanged + (not len(old)), kept + len(old)
    assert exchanged > 10
    assert kept > exchanged
