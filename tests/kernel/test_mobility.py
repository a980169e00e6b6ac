"""UEs: where they are, how fast they go, the laws of each model of mobility, and that paths do not know of slots."""

import numpy as np
import pytest
from scipy import stats

from edge6g_env import batch_env
from edge6g_env.kernel.codes import QUEUED
from tests.looking import Look, ues

SPEED = {"ues.speed_min_m_s": 5.0, "ues.speed_max_m_s": 15.0}
WALK = {**SPEED, "ues.pause_s": 2.0}
GAUSS_MARKOV = {
    "ues.mobility": "gauss-markov",
    "ues.velocity_memory": 0.75,
    "ues.velocity_period_s": 0.73,
    "ues.velocity_std_m_s": 3.0,
}
STREETS = {"ues.mobility": "street-grid", "ues.street_spacing_m": 30.0}
MODELS = {
    "waypoint": WALK,
    "gauss-markov": {**SPEED, **GAUSS_MARKOV},
    "street-grid": {**SPEED, **STREETS},
    "stationary": {"ues.mobility": "stationary"},
}
QUIET = {"arrivals.kind": "poisson", "arrivals.rate_jobs_s": 1e-9, "time.n_substeps": 1}
SQUARE = {"nodes.count": 4, "nodes.columns": 2, "nodes.spacing_m": 100.0}
SIDE_M = 200.0


def hold(batch):
    """A slot without a decision; the UEs stand where they are then."""
    result = batch.step(np.zeros((batch.num_worlds, batch.num_agents), np.int64))
    ues(batch)
    return result


def after(batch, seconds):
    """The UEs after so many seconds without a job."""
    for _ in range(round(seconds / batch.scenario.time.slot_s)):
        hold(batch)
    return ues(batch)


def crowd(ues_a_node=256, worlds=1, **more):
    """Many UEs and no jobs in an episode of 100 s and long slots."""
    options = {**QUIET, "ues.per_node": ues_a_node, "time.episode_s": 100.0, "time.slot_s": 0.05, **more}
    return batch_env("tiny", worlds, **options)


def places(ue):
    """complex128 (B, U): a place as one number."""
    return ue["x_m"] + 1j * ue["y_m"]


def is_uniform(counts, expected):
    """Chi-square test at 99.9 %."""
    return ((counts - expected) ** 2 / expected).sum() < stats.chi2.ppf(0.999, np.size(counts) - 1)


@pytest.mark.parametrize("hotspots", [0, 3])
def test_ues_stay_in_the_area_and_do_not_exceed_their_speed(hotspots):
    more = {"ues.hotspots": hotspots, "ues.hotspot_share": 0.9, "ues.hotspot_radius_m": 150.0, "time.slot_s": 0.05}
    batch = batch_env("campus", 4, **WALK, **more)
    batch.reset(2)
    nodes, ue = batch.scenario.nodes, ues(batch)
    width_m, height_m = nodes.columns * nodes.spacing_m, nodes.count / nodes.columns * nodes.spacing_m
    x, y, moved = ue["x_m"].copy(), ue["y_m"].copy(), 0.0
    for _ in range(600):
        hold(batch)
        assert ((ue["x_m"] >= 0.0) & (ue["x_m"] <= width_m) & (ue["y_m"] >= 0.0) & (ue["y_m"] <= height_m)).all()
        step_m = np.hypot(ue["x_m"] - x, ue["y_m"] - y)
        assert step_m.max() <= 15.0 * 0.05 + 1e-9
        moved += step_m.mean()
        x, y = ue["x_m"].copy(), ue["y_m"].copy()
    assert moved > 0.3 * 10.0 * 30.0  # they walk more than they rest: legs of some hundred metres at 10 m/s


@pytest.mark.parametrize("model", MODELS)
def test_ues_stay_in_the_area_within_the_speeds_of_their_model(model):
    batch = batch_env("campus", 4, **MODELS[model], **{"time.slot_s": 0.05})
    batch.reset(2)
    (width_m, height_m), ue = batch.scenario.area_m, ues(batch)
    fastest_m_s = {"stationary": 0.0, "gauss-markov": 15.0 + 4.0 * 3.0}.get(model, 15.0)
    slowest_m_s = 0.0 if model == "gauss-markov" else 5.0
    x, y, rested = ue["x_m"].copy(), ue["y_m"].copy(), 0
    for _ in range(600):
        hold(batch)
        assert ((ue["x_m"] >= 0.0) & (ue["x_m"] <= width_m) & (ue["y_m"] >= 0.0) & (ue["y_m"] <= height_m)).all()
        assert np.hypot(ue["x_m"] - x, ue["y_m"] - y).max() <= fastest_m_s * 0.05 + 1e-9
        rests = ue["speed_m_s"] == 0.0
        assert (ue["speed_m_s"][~rests] >= slowest_m_s - 1e-9).all()
        assert (ue["speed_m_s"] <= fastest_m_s + 1e-9).all()
        rested += int(rests.sum())
        x, y = ue["x_m"].copy(), ue["y_m"].copy()
    slots = 600 * ue.size
    assert {"waypoint": 0 < rested < 0.5 * slots, "stationary": rested == slots}.get(model, rested == 0)


@pytest.mark.parametrize("model", MODELS)
def test_paths_depend_on_seed_world_and_ue_alone(model):
    """Alike at the same instants whatever the slot and with the same seed; apart for any other seed, world or UE."""
    times = {0.02: 5, 0.01: 10, 0.05: 2}
    batches = [batch_env("tiny", 2, **MODELS[model], **QUIET, **{"time.slot_s": slot_s}) for slot_s in times]
    for batch in batches:
        batch.reset(6)
    for _ in range(100):
        for batch, slots in zip(batches, times.values(), strict=True):
            for _ in range(slots):
                hold(batch)
        coarse, fine, long = (ues(batch) for batch in batches)
        for name in ("x_m", "y_m", "link_steps", "legs", "speed_m_s"):
            assert np.array_equal(coarse[name], fine[name]), name
        for name in ("x_m", "y_m"):  # 2 x 0.05 s and 5 x 0.02 s may differ in the last bit
            assert long[name] == pytest.approx(coarse[name], abs=1e-9)
    path = places(coarse)
    assert len(np.unique(path)) == path.size
    batches[0].reset(6)
    assert np.array_equal(places(after(batches[0], 10.0)), path)
    batches[0].reset(8)
    assert not np.isin(places(after(batches[0], 10.0)), path).any()


def test_without_hotspots_waypoints_are_uniform():
    """First places are waypoints: a quarter of them in each quarter of the area, chi-square of 16 cells."""
    batch = batch_env("tiny", 32, **{"ues.hotspots": 0, "ues.per_node": 32})
    batch.reset(3)
    ue, nodes = ues(batch), batch.scenario.nodes
    size_m = [[0.0, nodes.columns * nodes.spacing_m], [0.0, nodes.spacing_m]]
    counts = np.histogram2d(ue["x_m"].ravel(), ue["y_m"].ravel(), bins=4, range=size_m)[0].ravel()
    expected = ue.size / 16
    assert ((counts - expected) ** 2 / expected).sum() < 37.7  # 99.9 % of chi-square with 15 degrees of freedom


@pytest.mark.parametrize("model", ["waypoint", "stationary"])
def test_hotspots_gather_people_within_their_radius(model):
    """All places in one hotspot of 20 m: UEs of a world lie within 40 m of each other, those of two worlds do not."""
    place = {"ues.hotspots": 1, "ues.hotspot_share": 1.0, "ues.hotspot_radius_m": 20.0, "ues.per_node": 16}
    place["ues.mobility"] = model
    batch = batch_env("tiny", 8, **place)
    batch.reset(4)
    x, y = ues(batch)["x_m"], ues(batch)["y_m"]
    assert np.hypot(np.ptp(x, axis=1), np.ptp(y, axis=1)).max() <= 40.0 * np.sqrt(2.0)
    assert np.hypot(np.ptp(x, axis=1), np.ptp(y, axis=1)).min() > 10.0
    assert np.ptp(x.mean(axis=1)) > 100.0


def test_a_leg_is_straight_at_its_speed_and_the_metre_counter_is_the_way():
    batch = batch_env("tiny", 2, **{**WALK, "ues.hotspots": 0, "ues.pause_s": 0.0})
    batch.reset(5)
    ue = ues(batch)
    legs, x, y, way_m, checked = ue["legs"].copy(), ue["x_m"].copy(), ue["y_m"].copy(), 0.0 * ue["x_m"], 0
    for _ in range(400):
        hold(batch)
        step_m = np.hypot(ue["x_m"] - x, ue["y_m"] - y)
        same = ue["legs"] == legs
        assert step_m[same] == pytest.approx(ue["speed_m_s"][same] * 0.02, abs=1e-9)
        cross = (ue["x_m"] - x) * (ue["to_y_m"] - ue["from_y_m"]) - (ue["y_m"] - y) * (ue["to_x_m"] - ue["from_x_m"])
        length = np.hypot(ue["to_x_m"] - ue["from_x_m"], ue["to_y_m"] - ue["from_y_m"])
        assert np.abs(cross / length)[same].max() < 1e-9
        # a corner is cut by a chord, so the way over corners is only bounded from below
        way_m += step_m
        turned = ue["legs"] > legs
        assert (ue["link_steps"] >= np.floor(way_m - 1e-6)).all()
        assert (ue["link_steps"] <= way_m + 0.3 * ue["legs"] + 1e-6).all()
        checked += turned.sum()
        legs, x, y = ue["legs"].copy(), ue["x_m"].copy(), ue["y_m"].copy()
    assert checked > 0


@pytest.mark.parametrize("model", ["waypoint", "street-grid"])
def test_each_leg_has_a_uniform_speed_of_its_own(model):
    batch = crowd(256, 1, **MODELS[model])
    batch.reset(13)
    ue = ues(batch)
    first, legs = ue["speed_m_s"].copy(), ue["legs"].copy()
    assert stats.kstest(first.ravel(), stats.uniform(5.0, 10.0).cdf).pvalue > 0.001
    after(batch, 30.0)
    walk = (ue["legs"] > legs) & (ue["speed_m_s"] > 0.0)
    assert walk.sum() > 300
    assert abs(stats.spearmanr(first[walk], ue["speed_m_s"][walk]).statistic) < 4.0 / np.sqrt(walk.sum())


def test_metres_are_counted_when_a_slot_has_many():
    """A mean velocity without noise: straight lines, mirrored at the borders, at 100 to 300 m/s in slots of 50 ms."""
    fast = {"ues.speed_min_m_s": 100.0, "ues.speed_max_m_s": 300.0, "ues.velocity_std_m_s": 0.0}
    batch = crowd(16, 2, **{**GAUSS_MARKOV, **fast})
    batch.reset(1)
    ue, sides_m = ues(batch), batch.scenario.area_m
    start, velocity = [ue["x_m"].copy(), ue["y_m"].copy()], [ue["velocity_x_m_s"].copy(), ue["velocity_y_m_s"].copy()]
    assert 100.0 <= np.hypot(*velocity).min() < 150.0 < 250.0 < np.hypot(*velocity).max() <= 300.0
    for slot in range(1, 201):
        hold(batch)
        for name, side_m, place_m, v_m_s in zip(("x_m", "y_m"), sides_m, start, velocity, strict=True):
            unfolded = np.mod(place_m + v_m_s * slot * 0.05, 2.0 * side_m)
            assert ue[name] == pytest.approx(side_m - np.abs(side_m - unfolded), abs=1e-6)
        way_m = np.hypot(*velocity) * slot * 0.05
        assert (ue["link_steps"] >= np.floor(way_m - 1e-6)).all()
        assert (ue["link_steps"] <= np.floor(way_m + 1e-6)).all()


def test_legs_of_random_waypoints_have_the_mean_distance_of_two_points_in_a_square():
    """0.5214 of the side (Bettstetter et al. 2004). Over all legs begun by an instant the mean is unbiased: Wald's identity."""
    speed = {"ues.speed_min_m_s": 60.0, "ues.speed_max_m_s": 60.0, "ues.pause_s": 0.0, "ues.hotspots": 0}
    batch = crowd(128, 2, **SQUARE, **speed)
    batch.reset(3)
    ue = after(batch, 20.0)
    assert ue["legs"].sum() > 10_000
    assert (ue["walked_m"] + ue["leg_m"]).sum() / ue["legs"].sum() == pytest.approx(0.5214 * SIDE_M, rel=0.02)


def test_random_waypoints_crowd_the_centre():
    """Time within the middle quarter of a square, against legs drawn here; near 47 % by Bettstetter's polynomial, not 25 %."""
    ends = np.random.default_rng(1).random((20_000, 2, 2))
    along = (np.arange(50) + 0.5)[:, None, None] / 50
    inside = (np.abs(ends[:, 0] + along * (ends[:, 1] - ends[:, 0]) - 0.5) < 0.25).all(axis=2).mean(axis=0)
    length = np.hypot(*(ends[:, 1] - ends[:, 0]).T)
    expected = (inside * length).sum() / length.sum()
    assert expected == pytest.approx(0.6875**2, abs=0.02)
    speed = {"ues.speed_min_m_s": 60.0, "ues.speed_max_m_s": 60.0, "ues.pause_s": 0.0, "ues.hotspots": 0}
    batch = crowd(128, 2, **SQUARE, **speed)
    batch.reset(4)
    shares = []
    after(batch, 10.0)
    for _ in range(20):
        ue = after(batch, 1.0)
        in_x, in_y = (np.abs(ue[name] / SIDE_M - 0.5) < 0.25 for name in ("x_m", "y_m"))
        shares.append((in_x & in_y).mean())
    assert np.mean(shares) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("memory", [0.0, 0.6, 0.9])
def test_gauss_markov_velocities_have_their_deviation_and_their_memory(memory):
    """Correlation memory^n over n periods, standard deviation as set from the first period on, components apart. No border near."""
    std_m_s = 0.1
    slow = {"ues.speed_min_m_s": 1e-3, "ues.speed_max_m_s": 1e-3, "nodes.spacing_m": 1500.0}
    law = {"ues.velocity_memory": memory, "ues.velocity_period_s": 1.0, "ues.velocity_std_m_s": std_m_s}
    batch = crowd(256, 2, **slow, **{**GAUSS_MARKOV, **law})
    batch.reset(5)
    velocities = []
    for _ in range(60):
        ue = after(batch, 0.5)
        legs = ue["legs"].copy()
        way = np.stack([ue["to_x_m"] - ue["from_x_m"], ue["to_y_m"] - ue["from_y_m"]])
        velocities.append(way / (ue["leg_end_s"] - ue["leg_start_s"]))
        after(batch, 0.5)
    inner = legs == 60  # the others met a border, which ends a leg
    assert inner.mean() > 0.99
    v = np.array(velocities)[:, :, inner]
    assert v.std() == pytest.approx(std_m_s, rel=0.03)
    assert v[0].std() == pytest.approx(std_m_s, rel=0.06)
    assert np.abs(v.mean(axis=(0, 2))).max() < 0.04 * std_m_s
    assert np.hypot(v[:, 0], v[:, 1]).max() <= 4.0 * std_m_s + 2e-3
    for lag in (1, 2, 5):
        assert (v[lag:] * v[:-lag]).mean() / v.var() == pytest.approx(memory**lag, abs=0.03)
    assert abs((v[:, 0] * v[:, 1]).mean() / v.var()) < 0.03


def test_gauss_markov_strays_about_a_mean_velocity_of_its_own():
    """Over many periods a UE's velocity has a mean whose size is within the speeds and whose direction is any."""
    law = {"ues.velocity_memory": 0.0, "ues.velocity_period_s": 0.01, "ues.velocity_std_m_s": 0.3}
    batch = crowd(256, 1, **{**SPEED, **GAUSS_MARKOV, **law}, **{"nodes.spacing_m": 1500.0})
    batch.reset(6)
    x, y = ues(batch)["x_m"].copy(), ues(batch)["y_m"].copy()
    ue = after(batch, 2.0)
    inner = ue["legs"] <= 201  # the others met a border
    mean_x, mean_y = (ue["x_m"] - x)[inner] / 2.0, (ue["y_m"] - y)[inner] / 2.0
    margin_m_s = 4.0 * 0.3 / np.sqrt(200.0)
    speed = np.hypot(mean_x, mean_y)
    assert 5.0 - margin_m_s <= speed.min() < 6.0 < 14.0 < speed.max() <= 15.0 + margin_m_s
    counts = np.histogram(np.arctan2(mean_y, mean_x), bins=8, range=(-np.pi, np.pi))[0]
    assert is_uniform(counts, inner.sum() / 8)


def test_gauss_markov_fills_the_area_evenly():
    """Mirrors at the borders keep a uniform density uniform, where waypoints crowd the centre."""
    batch = crowd(256, 2, **SPEED, **GAUSS_MARKOV)
    batch.reset(7)
    ue, (width_m, height_m) = after(batch, 40.0), batch.scenario.area_m
    assert (ue["legs"] > np.ceil(40.0 / 0.73)).mean() > 0.9  # most have been at a border, which ends a leg
    counts = np.histogram2d(ue["x_m"].ravel(), ue["y_m"].ravel(), bins=4, range=[[0.0, width_m], [0.0, height_m]])[0]
    assert is_uniform(counts, ue.size / 16)


def crossings(batch, seconds):
    """int64 (n, 6) of every turn: crossing (column, row), step to it and step away from it, in blocks."""
    spacing_m = batch.scenario.ues.street_spacing_m
    margins_m = np.mod(batch.scenario.area_m, spacing_m) / 2.0
    ue, found = ues(batch), []
    legs, before = ue["legs"].copy(), None
    for _ in range(round(seconds / batch.scenario.time.slot_s)):
        hold(batch)
        place = [(ue[f"from_{axis}_m"] - m) / spacing_m for axis, m in zip("xy", margins_m, strict=True)]
        step = [np.sign(ue[f"to_{axis}_m"] - ue[f"from_{axis}_m"]) for axis in "xy"]
        turned = ue["legs"] > legs
        assert (ue["legs"][turned] == legs[turned] + 1).all()
        if before is not None and turned.any():
            rows = np.stack([*place, *before, *step], axis=-1)[turned]
            assert rows == pytest.approx(np.rint(rows), abs=1e-6)
            found.append(np.rint(rows).astype(np.int64))
        legs, before = ue["legs"].copy(), step
    return np.concatenate(found)


def is_share(hits, share):
    """Within 99.9 % of a binomial law."""
    return abs(hits.mean() - share) < stats.norm.ppf(0.9995) * np.sqrt(share * (1.0 - share) / hits.size)


def test_street_walkers_turn_as_umts_30_03_says():
    """Half go straight on, a quarter each way; at a side street's end left or right; at a corner round it; back never."""
    batch = crowd(256, 2, **SPEED, **{**STREETS, "ues.street_spacing_m": 45.0})
    batch.reset(8)
    columns, rows = (int(side_m // 45.0) for side_m in batch.scenario.area_m)
    x, y, in_x, in_y, out_x, out_y = crossings(batch, 40.0).T
    straight, back = (out_x == in_x) & (out_y == in_y), (out_x == -in_x) & (out_y == -in_y)
    side = in_x * out_y - in_y * out_x  # 1: left, -1: right
    assert not back.any()
    inner = (x > 0) & (x < columns) & (y > 0) & (y < rows)
    assert inner.sum() > 3000
    assert is_share(straight[inner], 0.5)
    assert is_share(side[inner] == 1, 0.25)
    assert is_share(side[inner] == -1, 0.25)
    edge_x, edge_y = (x == 0) | (x == columns), (y == 0) | (y == rows)
    assert (side[edge_x & edge_y] != 0).all()
    along = (edge_x & ~edge_y & (in_x == 0)) | (edge_y & ~edge_x & (in_y == 0))
    ends = (edge_x & ~edge_y & (in_x != 0)) | (edge_y & ~edge_x & (in_y != 0))
    assert min(along.sum(), ends.sum()) > 500
    assert is_share(straight[along], 0.5)
    assert not straight[ends].any()
    assert is_share(side[ends] == 1, 0.5)


def test_street_walkers_are_on_the_streets_and_everywhere_alike():
    batch = crowd(256, 2, **SPEED, **{**STREETS, "ues.street_spacing_m": 45.0})
    batch.reset(9)
    (width_m, height_m), ue = batch.scenario.area_m, ues(batch)
    margins_m = width_m % 45.0 / 2.0, height_m % 45.0 / 2.0
    for _ in range(5):
        column, row = (ue["x_m"] - margins_m[0]) / 45.0, (ue["y_m"] - margins_m[1]) / 45.0
        northward, eastward = (np.abs(place - np.rint(place)) < 1e-9 for place in (column, row))
        assert (northward | eastward).all()
        lanes = [np.bincount(np.rint(lane).astype(int)) for lane in (column[northward], row[eastward])]
        length = [np.full(len(lanes[0]), len(lanes[1]) - 1.0), np.full(len(lanes[1]), len(lanes[0]) - 1.0)]
        expected = np.concatenate(length) / np.sum(np.concatenate(length)) * ue.size
        assert (len(lanes[0]), len(lanes[1])) == (width_m // 45.0 + 1, height_m // 45.0 + 1)
        assert is_uniform(np.concatenate(lanes), expected)
        after(batch, 10.0)


def test_walkers_of_a_single_street_turn_back_at_its_ends_only():
    """An area of 600 m x 200 m, streets 250 m apart: one from west to east, in the middle."""
    batch = crowd(64, 2, **{**STREETS, "ues.street_spacing_m": 250.0, "ues.speed_min_m_s": 50, "ues.speed_max_m_s": 90})
    batch.reset(10)
    ue, seen = ues(batch), []
    legs, step = ue["legs"].copy(), np.sign(ue["to_x_m"] - ue["from_x_m"])
    for _ in range(400):
        hold(batch)
        assert (ue["y_m"] == 100.0).all()
        assert ((ue["x_m"] >= 50.0) & (ue["x_m"] <= 550.0)).all()
        turned, now = ue["legs"] > legs, np.sign(ue["to_x_m"] - ue["from_x_m"])
        seen.append(np.stack([ue["from_x_m"], step * now], axis=-1)[turned])
        legs, step = ue["legs"].copy(), now
    place_m, kept = np.concatenate(seen).T
    assert set(place_m.tolist()) == {50.0, 300.0, 550.0}
    assert (kept[place_m == 300.0] == 1.0).all()
    assert (kept[place_m != 300.0] == -1.0).all()


def test_a_stationary_ue_never_moves_and_nothing_of_it_is_nan():
    batch = batch_env("tiny", 2, **MODELS["stationary"])
    batch.reset(11)
    ue = ues(batch)
    names = ("x_m", "y_m", "speed_m_s", "walked_m", "link_steps", "node", "handover_s", "indoor_m")
    first = {name: ue[name].copy() for name in names}
    for _ in range(500):
        hold(batch)
    assert all(np.array_equal(ue[name], value) for name, value in first.items())
    assert (ue["leave_s"] == np.inf).all()
    assert (ue["look_s"] == np.inf).all()
    assert all(
        np.isfinite(ue[name]).all() for name in ue.dtype.names if name not in ("leave_s", "look_s", "next_loop_s")
    )


def test_paths_arrivals_and_lengths_do_not_depend_on_the_slot():
    load = {"arrivals.rate_jobs_s": 20.0, "ues.hotspots": 2}
    coarse, fine = (batch_env("campus", 2, **WALK, **load, **{"time.slot_s": s}) for s in (0.02, 0.01))
    coarse.reset(6), fine.reset(6)
    for slot in range(200):
        hold(coarse), hold(fine), hold(fine)
        for name in ("x_m", "y_m", "link_steps", "legs", "speed_m_s"):
            assert np.array_equal(ues(coarse)[name], ues(fine)[name]), (slot, name)
    # every job still waits: nobody decided
    for b in range(2):
        jobs = [waiting_jobs(batch, b) for batch in (coarse, fine)]
        assert len(jobs[0]) > 40
        assert jobs[0] == jobs[1]


def waiting_jobs(batch, b):
    """Arrival, UE, service and lengths of the jobs that wait for a decision, in order of arrival."""
    names = ["arrival_s", "ue", "service", "prompt_tokens", "output_tokens"]
    return sorted(job[names].tolist() for job in Look(batch, b).jobs(QUEUED))
