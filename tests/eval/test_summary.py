"""The summary of a comparison: the best rule, differences to it, groups of checkpoints, limits."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from eval.groups import group_estimate, probability_of_improvement
from eval.limits import beside, in_words
from eval.matrix import Column
from eval.metrics import METRIC_NAMES
from eval.report.charts import line_styles
from eval.report.numbers import groups_in_words, limits_in_words, origins
from eval.statistics import clear_of_zero, estimate, iqm
from eval.summary import EpisodesError, Summary, by_reward, costs_limited, is_looked_at, mean_cost, summarise
from tests.episodes import of_kinds


def test_summary_names_the_best_rule_and_the_differences_to_it(summary: Summary):
    assert summary["best_rule"] == "greedy"
    assert summary["seeds"] == list(range(100, 106))
    assert by_reward(summary) == ["scorer:x", "greedy", "local"]
    assert summary["policies"]["greedy"]["difference_to_best_rule"] is None
    learned, rule = (summary["policies"][name]["difference_to_best_rule"] for name in ("scorer:x", "local"))
    assert learned["reward_per_job"]["iqm"] == pytest.approx(0.05)
    assert rule["reward_per_job"]["iqm"] == pytest.approx(-0.30)
    assert clear_of_zero(learned["reward_per_job"])
    assert set(learned) == set(summary["policies"]["local"]["metrics"]) == set(METRIC_NAMES)


def test_summary_estimates_are_those_of_the_sample(summary: Summary, episodes: pd.DataFrame):
    sample = episodes[episodes["policy"] == "local"]["reward_per_job"]
    shown = summary["policies"]["local"]["metrics"]["reward_per_job"]
    assert shown["iqm"] == pytest.approx(np.mean(np.sort(sample)[1:-1]))
    assert (shown["mean"], shown["n"]) == (pytest.approx(0.25), 6)
    assert shown["low"] < shown["iqm"] < shown["high"]


def test_summary_is_json_without_nan(summary: Summary):
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary["policies"]["greedy"]["metrics"]["tpot_mean_s"]["iqm"] is None


def test_a_learned_policy_is_never_the_best_rule(episodes: pd.DataFrame):
    alone = summarise(episodes[episodes["policy"] == "scorer:x"])
    assert alone["best_rule"] is None
    assert alone["policies"]["scorer:x"]["difference_to_best_rule"] is None


def test_a_planner_is_never_the_best_rule(episodes: pd.DataFrame):
    """Nor drawn as one: it has its own colour in the legend, and a sentence says what it is."""
    summary = summarise(of_kinds(episodes, {"scorer:x": "planner"}))
    planner = summary["policies"]["scorer:x"]
    assert (summary["best_rule"], planner["kind"], planner["checkpoints"]) == ("greedy", "planner", 0)
    assert planner["difference_to_best_rule"]["reward_per_job"]["iqm"] == pytest.approx(0.05)
    assert planner["privileged"]
    assert "that checkpoint only" not in summary["note"]
    assert [line for line in origins(summary, "tiny_v0") if line.startswith("scorer:x: privileged")]
    styles = line_styles(summary)
    assert len({(style["color"], style["linestyle"]) for style in styles.values()}) == len(styles)


@pytest.mark.parametrize("privileged", [False, True])
def test_code_of_ones_own_is_never_the_best_rule_and_is_marked_if_it_is_privileged(
    episodes: pd.DataFrame, privileged: bool
):
    summary = summarise(of_kinds(episodes, {"scorer:x": "own"}, privileged=["scorer:x"] if privileged else []))
    own = summary["policies"]["scorer:x"]
    assert (summary["best_rule"], own["kind"], own["privileged"], own["checkpoints"]) == (
        "greedy",
        "own",
        privileged,
        0,
    )
    assert own["difference_to_best_rule"]["reward_per_job"]["iqm"] == pytest.approx(0.05)
    (line,) = [line for line in origins(summary, "tiny_v0") if line.startswith("scorer:x: code of one's own")]
    assert ("privileged" in line) == privileged
    assert is_looked_at(summary, "scorer:x") == (not privileged)


def without(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns=name)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda frame: without("kind", frame), "no column 'kind'"),
        (lambda frame: without("ttft_p95_s", frame), "no column 'ttft_p95_s'"),
        (lambda frame: frame.head(0), "no rows"),
        (
            lambda frame: of_kinds(frame, {"local": "mine"}),
            "a policy of kind 'mine': it must be rule, learned, planner, own",
        ),
        (lambda frame: pd.concat([frame, frame.head(1)]), "policy local, seed 100 comes twice"),
        (lambda frame: frame.drop(index=4), "policy local lacks seed 104"),
        (
            lambda frame: of_kinds(frame, groups={"mine": ["local", "greedy"]}, kinds={"local": "rule"}),
            "of kind rule and learned",
        ),
        (lambda frame: frame.assign(group="all", kind="rule"), "group all is of kind rule: a group is one algorithm"),
        (lambda frame: frame.assign(group=["a", *["b"] * (len(frame) - 1)], kind="own"), "is in two groups"),
    ],
)
def test_episodes_that_cannot_be_compared_are_refused(episodes: pd.DataFrame, change, says: str):
    with pytest.raises(EpisodesError, match=says):
        summarise(change(episodes))


def test_groups_and_privileges_may_be_left_out(episodes: pd.DataFrame, summary: Summary):
    """As in a table that was put together by hand, or has lost empty cells."""
    for plain in (
        episodes.drop(columns=["group", "privileged"]),
        episodes.assign(group=np.nan),
        episodes.assign(group=""),
    ):
        found = summarise(plain)
        assert {name: one["metrics"] for name, one in found["policies"].items()} == {
            name: one["metrics"] for name, one in summary["policies"].items()
        }


@pytest.fixture
def grouped(episodes: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """Four trainings `mine`, and their gains over `greedy`, the best rule: (training seeds, worlds)."""
    gains = np.random.default_rng(2).normal(0.02, 0.05, (4, 6))
    greedy = episodes[episodes["policy"] == "greedy"]
    trained = [
        greedy.assign(policy=f"mine/{n}", reward_per_job=greedy["reward_per_job"].to_numpy() + row)
        for n, row in enumerate(gains)
    ]
    frame = pd.concat([episodes[episodes["kind"] == "rule"], *trained])
    return of_kinds(frame, groups={"mine": [f"mine/{n}" for n in range(4)]}), gains


def test_a_group_is_one_policy_with_students_interval_over_its_training_seeds(grouped):
    frame, gains = grouped
    summary = summarise(frame)
    mine = summary["policies"]["mine"]
    assert (summary["best_rule"], mine["kind"], mine["checkpoints"]) == ("greedy", "learned", 4)
    interval = stats.ttest_1samp(gains.mean(axis=1), 0.0).confidence_interval(0.95)
    expected = {"mean": gains.mean(), "low": interval.low, "high": interval.high, "n": 4}
    assert mine["difference_to_best_rule"]["reward_per_job"] == pytest.approx(expected)
    found = mine["group"]["gain_over_best_rule"]
    assert found["over_training_seeds"] == pytest.approx(expected)
    assert found["over_worlds"]["iqm"] == pytest.approx(iqm(gains.mean(axis=0)))
    assert found["over_both"]["iqm"] == pytest.approx(iqm(gains.ravel()))
    rewards = frame[frame["group"] == "mine"].pivot(index="policy", columns="seed", values="reward_per_job").to_numpy()
    assert mine["metrics"]["reward_per_job"] == estimate(rewards.mean(axis=0))
    assert "differences to the best rule are means over training seeds" in summary["note"]
    assert "that checkpoint only" not in summary["note"]
    (line,) = groups_in_words(summary)
    assert line.startswith("mine less greedy: ")
    assert line.index("over training seeds") < line.index("over worlds") < line.index("over both")


def test_a_group_that_earns_what_a_rule_earns_stands_where_it_stands(episodes: pd.DataFrame):
    """Rewards with a tail below, whose plain mean is far from the interquartile one by which all are ordered."""
    seeds = sorted(episodes["seed"].unique())
    rewards = dict(zip(seeds, [0.6] * (len(seeds) - 1) + [-3.0], strict=True))
    rules = episodes[episodes["kind"] == "rule"]
    best = rules[rules["policy"] == "greedy"].assign(reward_per_job=lambda of: of["seed"].map(rewards))
    worse = best.assign(policy="jsq", reward_per_job=best["reward_per_job"] - 0.01)
    group = [best.assign(policy=f"mine/{n}") for n in range(3)]
    frame = of_kinds(pd.concat([best, worse, *group]), groups={"mine": [f"mine/{n}" for n in range(3)]})
    summary = summarise(frame)
    shown = {name: one["metrics"]["reward_per_job"]["iqm"] for name, one in summary["policies"].items()}
    assert shown["mine"] == shown["greedy"] > shown["jsq"]
    assert by_reward(summary)[-1] == "jsq"
    column = Column.of_summary("tiny", summary)
    assert [column.rank(name) for name in ("greedy", "mine", "jsq")] == [1, 1, 3]


def test_columns_that_some_runs_lack_make_nobody_privileged(episodes: pd.DataFrame):
    some = episodes.assign(privileged=episodes["policy"].map({"greedy": False}).astype(object))
    assert not any(one["privileged"] for one in summarise(some)["policies"].values())


def test_the_probability_of_improvement_counts_pairs(grouped):
    frame, gains = grouped
    counted = [sum(1.0 if gain > 0 else 0.5 if gain == 0 else 0.0 for gain in row) / len(row) for row in gains]
    found = summarise(frame)["policies"]["mine"]["group"]["probability_of_improvement"]
    assert (found["mean"], found["n"]) == (pytest.approx(np.mean(counted)), 4)
    assert 0.0 <= found["low"] <= found["mean"] <= found["high"] <= 1.0
    tied = probability_of_improvement([[0.0, 1.0], [0.0, -1.0]])
    assert (tied["mean"], tied["low"], tied["high"]) == (0.5, 0.0, 1.0)
    assert probability_of_improvement([[1.0, np.nan], [2.0, 3.0]]) == {"mean": 1.0, "low": None, "high": None, "n": 2}


def test_a_world_without_a_value_is_left_out_of_a_group():
    table = np.array([[1.0, 2.0, np.nan, 4.0], [2.0, 3.0, 9.0, 5.0]])
    assert group_estimate(table) == group_estimate(table[:, [0, 1, 3]])
    nothing = group_estimate(np.full((3, 4), np.nan))
    assert [estimate["n"] for estimate in nothing.values()] == [0, 0, 0]


def test_a_pattern_that_finds_one_is_one_checkpoint(episodes: pd.DataFrame):
    alone = summarise(of_kinds(episodes, groups={"mine": ["scorer:x"]}))
    assert "that checkpoint only" in alone["note"]
    assert (alone["policies"]["mine"]["checkpoints"], alone["policies"]["mine"]["group"]) == (1, None)


def test_limits_stand_beside_what_jobs_cost(grouped):
    """Of misses what is left of attainment; Student's interval over training seeds, of one training over worlds."""
    frame, _ = grouped
    met = np.random.default_rng(3).uniform(0.7, 0.9, len(frame))
    summary = summarise(frame.assign(slo_attainment=met), {"mine": {"slo_miss": 0.1, "energy_j": 2.0}})
    misses = 1.0 - met[frame["group"] == "mine"].reshape(4, 6)
    found = summary["policies"]["mine"]["limits"]["slo_miss"]
    interval = stats.ttest_1samp(misses.mean(axis=1), 0.0).confidence_interval(0.95)
    expected = {"mean": misses.mean(), "low": interval.low, "high": interval.high, "n": 4}
    assert found["over_training_seeds"] == pytest.approx(expected)
    assert found["above_by"] == pytest.approx(misses.mean() / 0.1 - 1.0)
    assert summary["policies"]["mine"]["limits"]["energy_j"]["above_by"] == 0.0
    assert costs_limited(summary) == ["slo_miss", "energy_j"]
    assert mean_cost(summary, "local", "slo_miss") == pytest.approx(1.0 - met[frame["policy"] == "local"].mean())
    said = limits_in_words(summary)
    assert said[0].startswith(
        f"mine: slo_miss {misses.mean():.4g} [{interval.low:.4g}, {interval.high:.4g}] over training seeds"
    )
    assert said[0].endswith(f"limit 0.1, above it by {found['above_by']:.1%}")
    one = beside(0.1, misses[0])
    interval = stats.ttest_1samp(misses[0], 0.0).confidence_interval(0.95)
    assert in_words("x", "slo_miss", one).startswith(f"x: slo_miss {misses[0].mean():.4g} [{interval.low:.4g}, ")
    assert "over worlds" in in_words("x", "slo_miss", one)
    assert "is not known" in in_words("x", "slo_miss", beside(0.1, [np.nan]))


def test_what_was_measured_once_has_no_interval(summary: Summary):
    for policy in summary["policies"].values():
        shown = policy["metrics"]["decision_us_mean"]
        assert (shown["iqm"], shown["low"], shown["high"], shown["n"]) == (1.0, None, None, 1)
