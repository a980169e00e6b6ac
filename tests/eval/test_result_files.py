"""Files of results hold what was played, are merged row by row, and are of one version of a scenario."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from edge6g_env.scenario import Scenario, load_scenario, scenarios
from eval import EVALUATION_SEED, VALIDATION_SEED
from eval.comparison import Comparison
from eval.result_files import (
    MAIN_METRICS,
    ResultRow,
    ResultsError,
    check_keep,
    for_scenario,
    keep,
    new_row,
    read,
    shipped,
    shipped_file,
)

REWARDS = [0.1234567, 0.5, math.nan, -0.25]


@pytest.fixture
def row(comparison: Comparison) -> ResultRow:
    policy = comparison.summary["policies"]["greedy"]
    return new_row("greedy", "rule greedy", policy, REWARDS, REWARDS[:2], comparison.made_by)


def test_a_row_comes_back_as_it_was_kept(tmp_path: Path, played_on: Scenario, comparison: Comparison, row: ResultRow):
    file = keep(tmp_path, played_on, {"greedy": row})
    found = read(file)
    assert (found.scenario, found.fingerprint, found.rows) == ("tiny_v0", played_on.fingerprint, {"greedy": row})
    np.testing.assert_equal(found.rewards("greedy"), dict(enumerate([0.123457, 0.5, math.nan, -0.25], EVALUATION_SEED)))
    reward = comparison.summary["policies"]["greedy"]["metrics"]["reward_per_job"]
    assert row["metrics"]["reward_per_job"] == pytest.approx([reward[key] for key in ("iqm", "low", "high")])
    assert set(row["metrics"]) == set(MAIN_METRICS)
    assert row["validation"]["reward_per_job"] == pytest.approx((0.1234567 + 0.5) / 2, abs=1e-6)
    assert {"command", "version", "commit", "date", "numpy", "numba"} == set(row["made_by"])
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.json"]


def test_rows_are_put_in_place_of_those_of_their_names_only(tmp_path: Path, played_on: Scenario, row: ResultRow):
    keep(tmp_path, played_on, {"greedy": row, "static": row | {"rewards": [1.0] * 4}})
    file = keep(tmp_path, played_on, {"greedy": row | {"rewards": [0.9] * 4}, "jsq": row})
    assert {name: one["rewards"] for name, one in read(file).rows.items()} == {
        "static": [1.0] * 4, "greedy": [0.9] * 4, "jsq": row["rewards"],
    }  # fmt: skip
    lines = file.read_text().splitlines()
    assert [line.split('"')[1] for line in lines if '"policy"' in line] == ["static", "greedy", "jsq"]  # best first
    json.loads(file.read_text())


def test_the_best_rule_is_that_of_the_validation_seeds(tmp_path: Path, played_on: Scenario, row: ResultRow):
    def validated(reward: float | None, seeds: int = 20, **others: object) -> ResultRow:
        found = None if reward is None else {"first_seed": VALIDATION_SEED, "seeds": seeds, "reward_per_job": reward}
        return {**row, **others, "validation": found}

    rows = {"a": validated(0.3), "b": validated(0.5), "c": validated(None), "d": validated(0.9, kind="planner")}
    rows["e"] = validated(0.7, seeds=row["seeds"] - 1)  # given up on easier seeds
    rows["f"] = validated(0.4, seeds=99)  # kept by another command, on more of them
    rows["g"] = validated(0.8, seeds=1) | {"seeds": 1, "rewards": row["rewards"][:1]}  # kept with one seed alone
    assert read(keep(tmp_path / "x", played_on, rows)).best_rule == "b"
    assert read(keep(tmp_path / "y", played_on, {"c": rows["c"]})).best_rule is None


def test_another_version_of_a_scenario_is_refused_and_the_file_stays(tmp_path: Path, row: ResultRow):
    tiny, busy = load_scenario("tiny"), load_scenario("tiny", **{"arrivals.rate_jobs_s": 5.0})
    file = keep(tmp_path, tiny, {"greedy": row})
    before = file.read_bytes()
    for refused in (
        lambda: for_scenario(file, busy),
        lambda: keep(tmp_path, busy, {"greedy": row}),
        lambda: check_keep(tmp_path, busy, [EVALUATION_SEED], ["greedy"]),
    ):
        with pytest.raises(ResultsError, match=rf"tiny\.json is of another version of tiny_v0, .*{busy.fingerprint}"):
            refused()
    assert file.read_bytes() == before
    assert for_scenario(file, tiny).rows


@pytest.mark.parametrize(
    ("seeds", "names", "says"),
    [
        ([EVALUATION_SEED + 1], ["greedy"], "leave --seed at 0"),
        ([EVALUATION_SEED + n for n in range(3)], ["greedy"], "has greedy on 4 seeds: take at least as many, not 3"),
    ],
)
def test_what_cannot_be_kept_is_said_before_it_is_played(
    tmp_path: Path, row: ResultRow, seeds: list[int], names: list[str], says: str
):
    tiny = load_scenario("tiny")
    keep(tmp_path, tiny, {"greedy": row})
    with pytest.raises(ResultsError, match=says):
        check_keep(tmp_path, tiny, seeds, names)
    check_keep(tmp_path, tiny, [EVALUATION_SEED + n for n in range(3)], ["jsq"])


@pytest.mark.parametrize("text", ["", "[]", '{"rows": {}}', '{"scenario": "a", "fingerprint": "b", "rows": {"x": {}}}'])
def test_a_file_of_something_else_is_said(tmp_path: Path, text: str):
    (tmp_path / "tiny.json").write_text(text)
    with pytest.raises(ResultsError, match=r"tiny\.json holds no results as `edge6g compare --keep` writes them"):
        read(tmp_path / "tiny.json")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("policy", 5),
        ("kind", None),
        ("seeds", 4.0),
        ("rewards", ["a"] * 4),
        ("validation", "x"),
        ("validation", {"seeds": 3}),
        ("training", "x"),
        ("made_by", []),
    ],
)
def test_a_row_whose_entries_are_of_other_types_is_no_row(tmp_path: Path, row: ResultRow, key: str, value: object):
    content = {"scenario": "tiny_v0", "fingerprint": "0", "rows": {"x": {**row, key: value}}}
    (tmp_path / "tiny.json").write_text(json.dumps(content))
    with pytest.raises(ResultsError, match=r"tiny\.json holds no results"):
        read(tmp_path / "tiny.json")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"rows": ' + "9" * 5000 + "}"])
def test_json_that_python_cannot_read_is_said(tmp_path: Path, text: str):
    (tmp_path / "tiny.json").write_text(text)
    with pytest.raises(ResultsError, match=r"tiny\.json holds no results .*: this is no JSON that can be read"):
        read(tmp_path / "tiny.json")


@pytest.mark.parametrize("name", scenarios())
def test_results_that_ship_are_of_the_scenario_that_ships(name: str):
    scenario = load_scenario(name)
    if not shipped_file(name).is_file():
        pytest.skip("none are kept yet")
    assert for_scenario(shipped_file(name), scenario).best_rule in shipped(scenario).of_kind("rule")
    assert shipped(load_scenario(name, **{"arrivals.rate_jobs_s": 1.25})) is None
