"""docs/make_scenarios.py: its pages are up to date, its pictures show the world as the kernel has it and name what they show."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge6g_env import batch_env, load_scenario, scenarios
from edge6g_env.costs import devices

ROOT = Path(__file__).parents[2]
CODE = """
import json
import sys

sys.path.insert(0, "docs")
import make_scenarios
from matplotlib.patches import Circle

from edge6g_env.scenario import load_scenario, scenarios

shown, stale = {}, ""
pictures = {name: make_scenarios.Picture(load_scenario(name)) for name in scenarios()}
make_scenarios.Picture = lambda scenario: pictures[scenario.name]
sys.argv = ["make_scenarios.py", "--check"]
try:
    make_scenarios.main()
except SystemExit as ended:
    stale = str(ended)
for name, picture in pictures.items():
    figure = picture.draw()
    figure.canvas.draw()
    area = figure.axes[0].patches[0].get_window_extent()
    spots = [spot for spot in figure.axes[0].patches if isinstance(spot, Circle)]
    drawn = [spot.get_clip_box() for spot in spots]
    shown[name] = {
        "labels": [text.get_text() for text in figure.legends[0].get_texts()],
        "spots": len(picture.hotspots_m),
        "inside": [bool(box.x0 > area.x0 - 2 and box.x1 < area.x1 + 2 and box.y1 < area.y1 + 2) for box in drawn],
        "ues": picture.ue_m.tolist(),
        "served_by": picture.served_by.tolist(),
        "parts": [(part.name, part.kind, part.node, part.planned, part.by_chance) for part in picture.parts],
        "shown_s": picture.shown_s,
        "panels": len(figure.axes),
    }
print(json.dumps([shown, stale]))
"""


@pytest.fixture(scope="module")
def drawn():
    """Facts of every picture, and which page or picture is out of date, from another process that does not compile, as `make docs`."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def shown(drawn):
    return drawn[0]


def test_the_pages_of_the_scenarios_are_up_to_date(drawn):
    assert drawn[1] == ""


@pytest.mark.parametrize("name", scenarios())
def test_the_legend_names_what_is_drawn(shown, name):
    scenario, labels = load_scenario(name), shown[name]["labels"]
    on_nodes = {label.removeprefix("node, ") for label in labels if label.startswith("node, ")}
    assert on_nodes == set(scenario.nodes.devices) <= set(devices())
    assert {"Xn link", "backhaul", "UE, and the node that serves it"} <= set(labels)
    assert ("hotspot" in labels) == (shown[name]["spots"] > 0)
    assert ("street" in labels) == (scenario.ues.mobility == "street-grid")
    assert len([label for label in labels if label.startswith("of band")]) == (len(set(scenario.radio.presets)) - 1) * 2
    assert any(label.startswith("down at") for label in labels) == (name == "blackout")


@pytest.mark.parametrize("name", scenarios())
def test_no_hotspot_leaves_the_area(shown, name):
    assert len(shown[name]["inside"]) == shown[name]["spots"]
    assert all(shown[name]["inside"])


@pytest.mark.parametrize("name", ["tiny", "blackout"])
def test_ues_are_where_the_world_has_them(shown, name):
    batch = batch_env(name, 1)
    batch.reset(0)
    ues = batch.snapshot().ues
    assert np.array(shown[name]["ues"]) == pytest.approx(np.stack([ues.x_m, ues.y_m], axis=1), abs=1e-6)
    assert shown[name]["served_by"] == ues.node.tolist()


def test_outages_are_those_of_the_world(shown):
    """Second by second beside a world of the same seed that is played."""
    batch = batch_env("blackout", 1, **{"arrivals.rate_jobs_s": 1e-9})
    batch.reset(0)
    parts, slot_s = shown["blackout"]["parts"], batch.scenario.time.slot_s
    hold = np.zeros((1, batch.num_agents), np.int64)
    while batch.times_s()[0] < 110.0:
        for _ in range(round(1.0 / slot_s)):
            batch.step(hold)
        now_s = float(batch.times_s()[0])
        now = batch.snapshot().parts
        for part, is_planned, broken in zip(parts, now.planned, now.broken, strict=True):
            _, _, _, planned, by_chance = part
            assert is_planned == any(start_s <= now_s < end_s for start_s, end_s in planned), (part, now_s)
            assert broken == any(start_s <= now_s < end_s for start_s, end_s in by_chance), (part, now_s)


def test_planned_outages_are_those_of_the_file(shown):
    (outage,) = load_scenario("blackout").faults.outage
    planned = {name: spans for name, _, _, spans, _ in shown["blackout"]["parts"] if spans}
    assert planned == {f"node_{i}": [[outage.start_s, outage.end_s]] for i in outage.nodes}
    assert outage.start_s < shown["blackout"]["shown_s"] < outage.end_s
    assert {name: one["panels"] for name, one in shown.items() if one["panels"] > 1} == {"blackout": 2}


def test_blackout_is_not_drawn_as_campus():
    pages = ROOT / "docs/scenarios"
    blackout, campus = (Image.open(pages / f"{name}.png") for name in ("blackout", "campus"))
    assert blackout.info["Drawn"] != campus.info["Drawn"]
    assert blackout.height > campus.height
