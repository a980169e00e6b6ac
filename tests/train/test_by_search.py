"""The searches of `edge6g tune` on rewards that are known: shares of the time, what is kept, what is chosen."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import train.tuning.by_search
from agents import values
from agents.policy import make_rule, parameters_of, rule_class, rule_names
from agents.values import TUNED
from edge6g_env.scenario import load_scenario
from edge6g_env.spaces import Layout
from eval.files import RunFolderError
from train.evolution import Evolution, SearchState
from train.search import EPISODES
from train.seeds import CHOICE_SEED
from train.tuning.by_search import FINAL_SEED, Searches
from train.tuning.starts import APART, Effort, Start, starts
from train.tuning.tune import tune

VALIDATION_EPISODES = 20
TOP = np.array([0.3, -0.2, 0.5])


class Quadratic:
    """In place of episodes: the reward of a point is its distance from TOP, and what the seeds add to all points alike."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.asked: list[tuple[int, ...]] = []
        self._stop_at = stop_at

    def __call__(self, policies: list[np.ndarray], seeds: range) -> Any:
        if len(self.asked) == self._stop_at:
            raise KeyboardInterrupt
        self.asked.append(tuple(seeds))
        noise = sum(np.sin(seed) for seed in seeds)
        means = np.array([noise - ((point - TOP) ** 2).sum() for point in policies])
        return SimpleNamespace(means=means, decisions=10 * len(policies) * len(seeds))


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """One second passes whenever the clock is read."""
    ticks = count()
    monkeypatch.setattr(train.tuning.by_search, "time", SimpleNamespace(process_time=lambda: float(next(ticks))))


def begins(*firsts: list[float], plays: bool = True) -> list[Start]:
    made = []
    for index, first in enumerate(firsts):
        point, evolution = np.array(first), Evolution(8, 0.3, seed=index)
        state, values = SearchState.at(point, 0.2), lambda point: {"point": point.tolist()}
        made.append(
            Start(
                f"start {index}", lambda p: p, values, evolution, state, point, plays, Effort(5, 4, 32), APART * index
            )
        )
    return made


def searched(file: Path, of: list[Start], play: Quadratic, cpu_s: float = 400.0) -> dict[str, Any]:
    searches = Searches(play, play, VALIDATION_EPISODES, of, 7, cpu_s, file, {"rule": "any"})  # type: ignore[arg-type]
    return searches.run(lambda _: None)


def test_it_finds_the_top_and_says_where_from(tmp_path: Path):
    found = searched(tmp_path / "kept", begins([0.0, 0.0, 0.0], [9.0, 9.0, 9.0]), Quadratic())
    assert np.abs(np.array(found["values"]["point"]) - TOP).max() < 0.05
    assert found["from"] == "start 0"
    assert [one["start"] for one in found["starts"]] == ["start 0", "start 1"]
    assert all(one["reward_best"] > one["reward_start"] for one in found["starts"])
    first, second = (one["cpu_s"] for one in found["starts"])
    assert abs(second - 100.0) < 5.0  # of 400: half of the first round
    assert abs(first - 300.0) < 5.0


def test_training_validation_and_the_choice_are_of_different_seeds(tmp_path: Path):
    play = Quadratic()
    searched(tmp_path / "kept", begins([0.0, 0.0, 0.0], [1.0, 1.0, 1.0]), play)
    training = [seeds for seeds in play.asked if seeds[0] < CHOICE_SEED]
    assert all(len(seeds) == EPISODES for seeds in training)
    every = [seed for seeds in training for seed in seeds]
    assert len(every) == len({*every})  # fresh in each generation and start
    assert max(every) < 1_000_000
    validation = CHOICE_SEED + VALIDATION_EPISODES
    assert validation <= FINAL_SEED
    assert {seeds for seeds in play.asked if seeds not in training} == {
        tuple(range(CHOICE_SEED, validation)),
        tuple(range(FINAL_SEED, FINAL_SEED + 32)),
    }


def test_one_that_was_interrupted_ends_as_one_that_was_not(tmp_path: Path):
    unbroken, play = Quadratic(), Quadratic()
    whole = searched(tmp_path / "whole", begins([0.0, 0.0, 0.0], [1.0, 1.0, 1.0]), unbroken)
    for stop in (40, 90):  # in the first start, in the second
        with pytest.raises(KeyboardInterrupt):
            searched(tmp_path / "kept", begins([0.0, 0.0, 0.0], [1.0, 1.0, 1.0]), Quadratic(stop))
    again = searched(tmp_path / "kept", begins([0.0, 0.0, 0.0], [1.0, 1.0, 1.0]), play)
    assert again == whole
    assert len(play.asked) < len(unbroken.asked) - 100


def test_what_was_kept_of_something_else_is_not_taken(tmp_path: Path):
    (tmp_path / "kept").write_text(json.dumps({"of": {"rule": "other"}, "starts": []}))
    assert searched(tmp_path / "kept", begins([0.0, 0.0, 0.0]), Quadratic(), 60.0)["starts"][0]["generations"] > 5


@pytest.mark.parametrize("other", [([1.0, 1.0, 1.0],), ([0.0, 0.0, 0.0], [1.0, 1.0, 1.0])])
def test_what_was_kept_of_other_starts_is_not_taken(tmp_path: Path, other: tuple[list[float], ...]):
    """Another place, or more of them: they depend on files that may have changed meanwhile."""
    with pytest.raises(KeyboardInterrupt):
        searched(tmp_path / "kept", begins([0.0, 0.0, 0.0]), Quadratic(4), 60.0)
    fresh = searched(tmp_path / "fresh", begins(*other), Quadratic(), 60.0)
    assert searched(tmp_path / "kept", begins(*other), Quadratic(), 60.0) == fresh


def test_a_start_that_nothing_is_better_than_is_what_is_found(tmp_path: Path):
    found = searched(tmp_path / "kept", begins([5.0, 5.0, 5.0], TOP.tolist()), Quadratic(), 60.0)
    assert (found["values"]["point"], found["from"]) == (TOP.tolist(), "start 1")


def test_in_a_short_time_only_the_best_start_goes_on(tmp_path: Path):
    found = searched(tmp_path / "kept", begins([5.0, 5.0, 5.0], [0.0, 0.0, 0.0]), Quadratic(), 90.0)
    assert [one["generations"] > 0 for one in found["starts"]] == [False, True]
    assert found["from"] == "start 1"


def test_the_starts_of_weights_are_the_rules_whose_rows_they_have():
    scenario = load_scenario("tiny")
    of = starts(TUNED, scenario, Path("none.json"), 0, 600.0)
    assert [start.name for start in of] == ["greedy", "restricted", "static", "greedy-price"]
    for start in of[:3]:
        assert start.values(start.first)["weights"] == {}
    assert [start.first_seed for start in of] == [0, APART, 2 * APART, 3 * APART]
    priced, rule = of[3].policy(of[3].first), make_rule("greedy-price", Layout(scenario)).compiled
    assert np.array_equal(priced.distance, rule.distance)
    paid = {entry.name: weight for entry, weight in zip(priced.candidates, priced.linear, strict=False) if weight}
    assert paid == pytest.approx(dict(zip(("accelerator_s", "cloud_place_s"), rule.linear, strict=False)), abs=1e-4)


def test_a_files_own_references_go_before_those_that_ship(tmp_path: Path):
    scenario, file = load_scenario("tiny"), tmp_path / "mine.json"
    values = {
        "device_split": [0.0],
        "edge_split": [0.0],
        "precision": ["int4"],
        "model": ["llama-3.1-8b", "llama-3.2-3b"],
    }
    file.write_text(json.dumps({"restricted": {"values": values, "scenario": "tiny_v0"}}))
    rows = {start.name: start.values(start.first)["rows"] for start in starts(TUNED, scenario, file, 0, 600.0)}
    assert rows["restricted"] == {"restricted": values}
    assert set(rows["static"]) == {"static"}  # of those that ship


def test_points_of_parameters_are_values_that_the_rules_take():
    scenario, tried = load_scenario("tiny"), 0
    for rule in rule_names():
        if not (parameters := parameters_of(rule, scenario)):
            continue
        of = starts(rule, scenario, Path("none.json"), 0, 600.0)
        assert len(of) == (1 if len(parameters) == 1 else 3)
        for start in of:
            for point in (start.first, *start.evolution.ask(start.state)):
                rule_class(rule)(Layout(scenario), values=start.values(point))
                tried += 1
        first = of[0].values(of[0].first)
        np.testing.assert_allclose(
            [first[one.name] for one in parameters], [one.start for one in parameters], rtol=1e-5
        )
    assert tried


def test_what_another_search_has_written_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out = tmp_path / "tiny.json"
    scenario = load_scenario("tiny")
    of_static = values.read_file(values.values_file(scenario))["static"]

    def run(searches: Searches, note: Any) -> dict[str, Any]:
        out.write_text(json.dumps({"static": of_static}), encoding="utf-8")
        return {"values": {"price_per_s": 0.5, "cloud_price_per_s": 0.01}, "reward_per_job": 0.5}

    monkeypatch.setattr(Searches, "run", run)
    tune(scenario, "greedy-price", out)
    found = values.read_file(out)
    assert found["static"] == of_static
    assert found["greedy-price"]["values"]["price_per_s"] == 0.5
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.json"]


def test_a_place_is_held_while_a_rule_is_searched_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Another process would write over what this one keeps, and over the values it ends with; another rule may be searched."""
    out, scenario = tmp_path / "tiny.json", load_scenario("tiny")
    found = {"values": {"price_per_s": 0.5, "cloud_price_per_s": 0.01}, "reward_per_job": 0.5}

    def run(searches: Searches, note: Any) -> dict[str, Any]:
        with pytest.raises(RunFolderError, match=r"another process finds values of greedy-price for .*tiny\.json"):
            tune(scenario, "greedy-price", out, overwrite=True)
        monkeypatch.setattr(Searches, "run", lambda *_: {**found, "values": {"v_s2": 1.0}})
        tune(scenario, "drift-plus-penalty", out)
        return found

    monkeypatch.setattr(Searches, "run", run)
    tune(scenario, "greedy-price", out)
    assert [*values.read_file(out)] == ["drift-plus-penalty", "greedy-price"]
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.json"]


def test_what_was_kept_over_other_values_that_the_rule_reads_is_not_taken(tmp_path: Path, monkeypatch):
    """Rewards of `greedy-price` over other rows of `restricted` say nothing."""
    asked = []
    monkeypatch.setattr(Searches, "__init__", lambda self, *arguments: asked.append(arguments[-1]))
    monkeypatch.setattr(
        Searches,
        "run",
        lambda *_: {"values": {"price_per_s": 0.5, "cloud_price_per_s": 0.01}, "reward_per_job": 0.5},
    )
    scenario = load_scenario("tiny")
    tune(scenario, "greedy-price", tmp_path / "tiny.json")
    assert asked[0]["reads"] == {"restricted": values.tuned("restricted", scenario).values}
