"""`edge6g scenarios show FILE --map --coverage`: pictures of any scenario, and what they show."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from matplotlib.patches import Circle
from PIL import Image

from edge6g_env import batch_env, load_scenario
from edge6g_env.build.places import node_positions_m
from edge6g_env.pictures import coverage
from edge6g_env.pictures.outages import SEED
from edge6g_env.pictures.site_map import Picture
from edge6g_env.scenario import Scenario

PLACES = [[0.0, 0.0], [140.0, 35.0], [310.0, 10.0], [95.0, 190.0]]
SITE = {
    "nodes.positions_m": PLACES, "ues.per_node": [6, 0, 3, 5], "ues.devices": ["phone-a17pro", "rtx-4090"],
    "faults.node_mtbf_s": 20.0, "faults.node_mttr_s": 5.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> tuple[Path, Scenario]:
    """A site of four places with phones and laptops, whose servers fail; as a file too."""
    scenario = load_scenario("tiny", **SITE)
    file = tmp_path_factory.mktemp("site") / "site.toml"
    file.write_text(scenario.to_toml())
    return file, scenario


@pytest.fixture
def few_worlds(monkeypatch) -> None:
    monkeypatch.setattr(coverage, "WORLDS", 2)


@pytest.mark.usefixtures("few_worlds")
def test_both_pictures_are_written_beside_the_page(run, site, tmp_path):
    image, drawing = tmp_path / "new" / "map.png", tmp_path / "coverage.svg"
    ended = run("scenarios", "show", site[0], "--map", image, "--coverage", drawing)
    assert ended.status == 0, ended.err
    assert "area         " in ended.out
    assert ended.out.splitlines()[-2:] == [str(image), str(drawing)]
    assert Image.open(image).size[0] > 600
    assert ElementTree.parse(drawing).getroot().tag.endswith("svg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["coverage.svg", "new"]


@pytest.mark.parametrize(
    ("option", "name", "said"),
    [
        ("--map", "map.jpg", "map.jpg: its name must end in .png, .svg, .pdf"),
        ("--coverage", "coverage", "coverage: its name must end in .png, .svg, .pdf"),
        ("--map", "folder.png", "folder.png: there is a folder of that name"),
        ("--map", "file/map.png", "map.png: there is no folder of that name"),
    ],
)
def test_a_file_that_cannot_be_is_refused_before_anything_is_drawn(run, tmp_path, option, name, said):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_text("")
    ended = run("scenarios", "show", "tiny", option, tmp_path / name)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(f"edge6g: {option} {tmp_path}")
    assert ended.err.rstrip().endswith(said)


def test_the_map_has_every_node_ue_and_device_where_it_is(site):
    _, scenario = site
    picture = Picture(scenario)
    figure = picture.draw()
    above, below = figure.axes
    drawn = {text.get_text(): text.xy for text in above.texts if text.get_text().startswith("node_")}
    assert drawn.keys() == {f"node_{i}" for i in range(4)}
    for i, at_m in enumerate(node_positions_m(scenario)):
        assert drawn[f"node_{i}"] == pytest.approx(at_m)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    devices = [label for label in labels if label.startswith("UE with ")]
    assert devices == [f"UE with {device}, and its node" for device in scenario.ues.in_turn]
    points = np.concatenate([scatter.get_offsets() for scatter in above.collections])
    for place in picture.ue_m:
        assert np.abs(points - place).sum(axis=1).min() < 1e-6
    assert not [patch for patch in above.patches if isinstance(patch, Circle)] or scenario.ues.hotspots
    assert {label.get_text() for label in below.get_yticklabels()} == {f"node_{i}" for i in range(4)}
    assert any(part.by_chance for part in picture.parts)


def test_the_timeline_is_that_of_a_world_of_its_seed(site):
    """Second by second beside one that is played, by the compiler's code; tests/docs/test_scenario_maps.py does without it."""
    parts = Picture(site[1]).parts
    batch = batch_env(site[1], 1, **{"arrivals.rate_jobs_s": 1e-9})
    batch.reset(SEED)
    slots, hold, seen = round(1.0 / batch.scenario.time.slot_s), np.zeros((1, 4), np.int64), 0
    for _ in range(60):
        for _ in range(slots):
            batch.step(hold)
        now_s = float(batch.times_s()[0])
        for part, broken in zip(parts, batch.snapshot().parts.broken, strict=True):
            assert broken == any(start_s <= now_s < end_s for start_s, end_s in part.by_chance)
            seen += bool(broken)
    assert seen > 5


def test_a_map_of_coverage_asks_all_of_the_area_and_each_ue_is_served_by_its_own_links(site):
    _, scenario = site
    points = coverage.points_of(scenario, 2)
    assert points["x_m"].shape == (2, 4 * (coverage.UES // 4))
    quarters = np.histogram2d(
        points["x_m"].ravel(), points["y_m"].ravel(), bins=2, range=[[0, side] for side in scenario.area_m]
    )[0]
    assert (np.abs(quarters / quarters.sum() - 0.25) < 0.06).all()  # whatever ues.per_node says: 4 sigma
    nodes = node_positions_m(scenario)
    d_m = np.hypot(points["x_m"][..., None] - nodes[:, 0], points["y_m"][..., None] - nodes[:, 1])
    served_m = np.take_along_axis(d_m, points["node"][..., None].astype(int), axis=-1)[..., 0]
    assert np.median(served_m) < np.median(d_m)
    near = served_m < 30.0
    assert np.median(points["downlink_sinr_db"][near]) > np.median(points["downlink_sinr_db"][~near]) + 5.0


@pytest.mark.parametrize("name", ["finetune", "robotics", "shard", "tiny"])
def test_coverage_needs_no_more_of_a_scenario_than_its_radio(name):
    """Loops, tasks of several UEs, drafts and preloads stay out of the way of many UEs."""
    scenario = load_scenario(name)
    points = coverage.points_of(scenario, 1)
    assert np.isfinite(points["downlink_sinr_db"]).all()
    side_m = coverage.square_m(scenario, 1)
    width_m, height_m = scenario.area_m
    assert 5 <= points["x_m"].size * side_m**2 / (width_m * height_m) <= 80  # UEs a square
