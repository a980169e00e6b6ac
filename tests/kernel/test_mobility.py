"""UEs: where they are, how fast they go, and that paths do not know of slots."""

import numpy as np
import pytest

from edge6g_env import batch_env
from edge6g_env.kernel.world import QUEUED

WALK = {"ues.speed_min_m_s": 5.0, "ues.speed_max_m_s": 15.0, "ues.pause_s": 2.0}


def hold(batch):
    return batch.step(np.zeros((batch.num_worlds, batch.num_agents), np.int64))


@pytest.mark.parametrize("hotspots", [0, 3])
def test_ues_stay_in_the_area_and_do_not_exceed_their_speed(hotspots):
    more = {"ues.hotspots": hotspots, "ues.hotspot_share": 0.9, "ues.hotspot_radius_m": 150.0, "time.slot_s": 0.05}
    batch = batch_env("campus", 4, **WALK, **more)
    batch.reset(2)
    nodes, ue = batch.scenario.nodes, batch.world.ue
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


def test_without_hotspots_waypoints_are_uniform():
    """First places are waypoints: a quarter of them in each quarter of the area, chi-square of 16 cells."""
    batch = batch_env("tiny", 32, **{"ues.hotspots": 0, "ues.per_node": 32})
    batch.reset(3)
    ue, nodes = batch.world.ue, batch.scenario.nodes
    size_m = [[0.0, nodes.columns * nodes.spacing_m], [0.0, nodes.spacing_m]]
    counts = np.histogram2d(ue["x_m"].ravel(), ue["y_m"].ravel(), bins=4, range=size_m)[0].ravel()
    expected = ue.size / 16
    assert ((counts - expected) ** 2 / expected).sum() < 37.7  # 99.9 % of chi-square with 15 degrees of freedom


def test_hotspots_gather_people_within_their_radius():
    """All waypoints in one hotspot of 20 m: UEs of a world lie within 40 m of each other, those of two worlds do not."""
    place = {"ues.hotspots": 1, "ues.hotspot_share": 1.0, "ues.hotspot_radius_m": 20.0, "ues.per_node": 16}
    batch = batch_env("tiny", 8, **place)
    batch.reset(4)
    x, y = batch.world.ue["x_m"], batch.world.ue["y_m"]
    assert np.hypot(np.ptp(x, axis=1), np.ptp(y, axis=1)).max() <= 40.0 * np.sqrt(2.0)
    assert np.hypot(np.ptp(x, axis=1), np.ptp(y, axis=1)).min() > 10.0
    assert np.ptp(x.mean(axis=1)) > 100.0


def test_a_leg_is_straight_at_its_speed_and_the_metre_counter_is_the_way():
    batch = batch_env("tiny", 2, **{**WALK, "ues.hotspots": 0, "ues.pause_s": 0.0})
    batch.reset(5)
    ue = batch.world.ue
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
        assert (ue["metre"] >= np.floor(way_m - 1e-6)).all()
        assert (ue["metre"] <= way_m + 0.3 * ue["legs"] + 1e-6).all()
        checked += turned.sum()
        legs, x, y = ue["legs"].copy(), ue["x_m"].copy(), ue["y_m"].copy()
    assert checked > 0


def test_paths_arrivals_and_lengths_do_not_depend_on_the_slot():
    load = {"arrivals.rate_jobs_s": 20.0, "ues.hotspots": 2}
    coarse, fine = (batch_env("campus", 2, **WALK, **load, **{"time.slot_s": s}) for s in (0.02, 0.01))
    coarse.reset(6), fine.reset(6)
    for slot in range(200):
        hold(coarse), hold(fine), hold(fine)
        for name in ("x_m", "y_m", "metre", "legs", "speed_m_s"):
            assert np.array_equal(coarse.world.ue[name], fine.world.ue[name]), (slot, name)
    # every job still waits: nobody decided
    for b in range(2):
        jobs = [waiting_jobs(batch, b) for batch in (coarse, fine)]
        assert len(jobs[0]) > 40
        assert jobs[0] == jobs[1]


def waiting_jobs(batch, b):
    """Arrival, UE, service and lengths of the jobs that wait for a decision, in order of arrival."""
    queued = batch.world.job[b][batch.world.job["stage"][b] == QUEUED]
    return sorted(queued[["arrival_s", "ue", "service", "prompt_tokens", "output_tokens"]].tolist())
