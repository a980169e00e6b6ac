"""Where a policy stands between the best rule and the planner that knows the future, worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from eval import EVALUATION_SEED
from eval.metrics import METRIC_NAMES
from eval.report.numbers import DASH, room, room_in_words
from eval.result_files import ResultRow, Results
from eval.room import Played, add_room
from eval.summary import Summary, summarise
from tests.episodes import of_kinds

SEEDS = [EVALUATION_SEED + n for n in range(8)]
RNG = np.random.default_rng(5)
EASE = RNG.normal(size=8)  # of a seed, for all
REWARDS = {
    "local": EASE - 1.0,
    "greedy": EASE + RNG.normal(scale=0.01, size=8),
    "tuned": EASE + 0.1 + RNG.normal(scale=0.01, size=8),
    "scorer": EASE + 0.15 + RNG.normal(scale=0.01, size=8),
    "clairvoyant": EASE + 0.3 + RNG.normal(scale=0.01, size=8),
}
KINDS = {"scorer": "learned", "clairvoyant": "planner"}


def middle(values: np.ndarray) -> float:
    """Interquartile mean of eight values."""
    return float(np.sort(values)[2:6].mean())


def by_hand(name: str, best: str = "tuned") -> float:
    low, high = REWARDS[best], REWARDS["clairvoyant"]
    return middle(REWARDS[name] - low) / middle(high - low)


def run(*names: str) -> tuple[Summary, dict[str, Played]]:
    rows: list[dict[str, object]] = []
    for name in names:
        for seed, reward in zip(SEEDS, REWARDS[name], strict=True):
            values = dict.fromkeys(METRIC_NAMES, 1.0) | {"reward_per_job": float(reward)}
            rows.append({"policy": name, "seed": seed, **values})
    kinds = {name: KINDS.get(name, "rule") for name in names}
    summary = summarise(of_kinds(pd.DataFrame(rows), kinds))
    played = {
        name: Played(kinds[name], name, f"is {name}", dict(zip(SEEDS, map(float, REWARDS[name]), strict=True)))
        for name in names
    }
    return summary, played


def row(name: str, validated: float | None = None, seeds: int = 8) -> ResultRow:
    return ResultRow(
        policy=name,
        kind=KINDS.get(name, "rule"),
        identity=f"is {name}",
        seeds=seeds,
        rewards=[round(float(reward), 6) for reward in REWARDS[name][:seeds]],
        metrics={},
        validation=None if validated is None else {"first_seed": 0, "seeds": 8, "reward_per_job": validated},
        made_by={},
    )


def results(**rows: ResultRow) -> Results:
    return Results("tiny_v0", "0", rows, "results/tiny.json")


def rooms(summary: Summary) -> dict[str, float | None]:
    return {name: one["room"]["iqm"] if one["room"] else None for name, one in summary["policies"].items()}


def test_of_a_run_that_has_both_ends():
    summary, played = run(*REWARDS)
    add_room(summary, played, None)
    assert rooms(summary) == pytest.approx({name: by_hand(name) for name in REWARDS})
    assert (rooms(summary)["tuned"], rooms(summary)["clairvoyant"]) == (0.0, 1.0)
    ends = summary["room"]
    assert (ends["best_rule"], ends["clairvoyant"], ends["seeds"]) == ("tuned", "clairvoyant", 8)
    assert {ends["best_rule_from"], ends["clairvoyant_from"]} == {"this run"}
    scorer = summary["policies"]["scorer"]["room"]
    assert scorer["low"] < scorer["iqm"] < scorer["high"] < 0.5
    assert summary["best_rule"] == "tuned"  # a planner is no rule
    assert (
        "0 is tuned (this run), the best rule on the same seeds, 1 is clairvoyant (this run)"
        in room_in_words(summary)[0]
    )


def test_missing_ends_are_those_of_the_results():
    summary, played = run("greedy", "scorer")
    add_room(summary, played, results(tuned=row("tuned", 0.5), clairvoyant=row("clairvoyant"), local=row("local", 0.1)))
    assert rooms(summary) == pytest.approx({name: by_hand(name) for name in ("greedy", "scorer")}, abs=1e-4)
    assert summary["room"]["best_rule_from"] == summary["room"]["clairvoyant_from"] == "results/tiny.json"
    assert summary["room"]["chosen_on"] == "validation seeds"


def test_the_best_rule_is_that_of_the_validation_seeds_though_another_is_better_here():
    summary, played = run(*REWARDS)
    add_room(summary, played, results(greedy=row("greedy", 0.9), tuned=row("tuned", 0.8)))
    assert rooms(summary) == pytest.approx({name: by_hand(name, best="greedy") for name in REWARDS})
    assert rooms(summary)["tuned"] > 0.2


def test_a_planner_on_fewer_seeds_is_met_on_these():
    summary, played = run("tuned", "scorer")
    add_room(summary, played, results(clairvoyant=row("clairvoyant", seeds=4)))
    less = {name: values[:4] for name, values in REWARDS.items()}
    gain, span = (np.sort(less[name] - less["tuned"])[1:3].mean() for name in ("scorer", "clairvoyant"))
    assert rooms(summary)["scorer"] == pytest.approx(gain / span, abs=1e-4)
    assert summary["policies"]["scorer"]["room"]["n"] == summary["room"]["seeds"] == 4


@pytest.mark.parametrize("known", [None, results(), results(clairvoyant=row("clairvoyant"))])
def test_nothing_is_said_without_an_end(known: Results | None):
    summary, played = run("scorer") if known and known.rows else run("greedy", "scorer")
    add_room(summary, played, known)
    assert (summary["room"], summary["room_note"], {*rooms(summary).values()}) == (None, None, {None})
    assert room(None) == (DASH,)
    assert room_in_words(summary) == []


def test_results_that_say_otherwise_of_what_was_played_are_not_believed():
    wrong = row("greedy", 0.5)
    wrong["rewards"][3] += 1e-6
    summary, played = run("greedy", "scorer")
    add_room(summary, played, results(greedy=wrong, clairvoyant=row("clairvoyant")))
    assert set(rooms(summary).values()) == {None}
    assert room_in_words(summary) == [
        "No room: results/tiny.json says otherwise of greedy; `edge6g verify` looks at every row"
    ]


def test_a_rule_of_that_name_with_other_values_is_another_rule():
    other = row("local", 0.5) | {"identity": "is greedy, with other values", "policy": "greedy"}
    summary, played = run("greedy", "scorer")
    add_room(summary, played, results(greedy=other, clairvoyant=row("clairvoyant")))
    assert (summary["room"]["best_rule"], summary["room"]["best_rule_from"]) == ("greedy", "results/tiny.json")
    assert rooms(summary)["scorer"] == pytest.approx(by_hand("scorer", best="local"), abs=1e-4)


def test_a_planner_that_is_not_clear_of_the_rule_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(REWARDS, "clairvoyant", REWARDS["tuned"] + np.tile([0.1, -0.1], 4))
    summary, played = run("tuned", "clairvoyant")
    add_room(summary, played, None)
    assert set(rooms(summary).values()) == {None}
    assert room_in_words(summary) == ["No room: clairvoyant is not clear of tuned, the best rule, on 8 seeds"]
