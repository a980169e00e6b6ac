"""A scenario says what was changed in it, and writes itself as TOML that loads as the same."""

import copy
import pickle
from pathlib import Path

import pytest

import edge6g_env
from edge6g_env import load_scenario


@pytest.mark.parametrize("name", edge6g_env.scenarios())
def test_toml_loads_as_the_same_scenario(name: str, tmp_path: Path) -> None:
    scenario = load_scenario(name)
    path = tmp_path / "again.toml"
    path.write_text(scenario.to_toml(), encoding="utf-8")
    assert load_scenario(path).model_dump() == scenario.model_dump()
    assert load_scenario(path).fingerprint == scenario.fingerprint


def test_label_names_the_changes_in_order() -> None:
    scenario = load_scenario("campus", **{"arrivals.rate_jobs_s": 12, "time": {"warmup_s": 3.0}})
    assert scenario.label == "campus_v0, arrivals.rate_jobs_s = 12, time.warmup_s = 3.0"
    assert load_scenario("campus").label == "campus_v0"


def test_changes_add_up_and_survive_copies() -> None:
    scenario = load_scenario(load_scenario("campus", **{"arrivals.rate_jobs_s": 12}), **{"time.warmup_s": 3.0})
    assert scenario.changes == {"arrivals.rate_jobs_s": 12, "time.warmup_s": 3.0}
    assert copy.deepcopy(scenario).changes == scenario.changes
    assert pickle.loads(pickle.dumps(scenario)).changes == scenario.changes
