"""The example of a site of one's own: short, and of its own data alone."""

from __future__ import annotations

import runpy
import shutil
from pathlib import Path

import edge6g_env
from edge6g_env.scenario import load_scenario

FOLDER = Path(__file__).parents[2] / "examples" / "hospital"


def test_it_is_a_file_of_fifty_lines():
    assert len((FOLDER / "hospital.toml").read_text(encoding="utf-8").splitlines()) <= 50


def test_it_has_places_devices_model_log_and_prices_of_its_own():
    scenario, campus = load_scenario(FOLDER / "hospital.toml"), load_scenario("campus")
    assert len(scenario.nodes.positions_m) == 5
    assert {"ward-card", "laptop"} == {row.name for row in scenario.device}
    assert not {"ward-card", "laptop"} & set(edge6g_env.costs.devices())
    assert [row.name for row in scenario.model] == ["clinic-3b"]
    services, theirs = ({one.name: one for one in given.service} for given in (scenario, campus))
    assert (services["chat"].trace, services["assistant"].model) != (theirs["chat"].trace, theirs["assistant"].model)
    assert services["code"] == theirs["code"]
    assert scenario.reward.price_per_usd != campus.reward.price_per_usd


def test_its_log_is_what_its_script_makes(tmp_path: Path):
    shutil.copy(FOLDER / "make_requests.py", tmp_path)
    runpy.run_path(str(tmp_path / "make_requests.py"), run_name="__main__")
    assert (tmp_path / "requests.csv").read_bytes() == (FOLDER / "requests.csv").read_bytes()


def test_it_plays():
    env = edge6g_env.batch_env(str(FOLDER / "hospital.toml"), num_worlds=1)
    env.reset(seed=0)
    assert env.num_agents == 5
