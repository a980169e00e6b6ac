"""Comparisons as tables: what Python gets is what the command writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from agents.own import IllegalActionError
from agents.policy import Observation, Policy, make_rule
from edge6g_env.errors import UserError
from edge6g_env.scenario import Scenario, load_scenario
from edge6g_env.spaces import Layout
from eval import EVALUATION_SEED
from eval.compare import compare as compare_into
from eval.frames import compare, groups, play
from tests.short import shortened

TIMED = "decision_us_mean"


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load_scenario("tiny", **shortened("tiny", 12.0, drain_s=6.0), **{"arrivals.rate_jobs_s": 4.0})


class Copy:
    """A rule under another name; it may see more than an agent sees."""

    needs_candidates = True

    def __init__(self, rule: str, layout: Layout, privileged: bool = False) -> None:
        self._rule, self.privileged = make_rule(rule, layout), privileged

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        return self._rule.act(obs, rng)


def copy_of(rule: str, privileged: bool = False):
    return lambda layout: Copy(rule, layout, privileged)


@pytest.fixture(scope="module")
def episodes(scenario: Scenario) -> pd.DataFrame:
    """Two rules, and code that copies a third one, alone and as a group."""
    mine = {"mine": copy_of("greedy"), "sees": copy_of("greedy", True), "twice": [copy_of("jsq"), copy_of("greedy")]}
    return play(scenario, {"local": "local", "calm": "jsq", **mine}, seeds=3)


def test_a_row_a_policy_and_seed(episodes: pd.DataFrame):
    assert episodes["policy"].unique().tolist() == ["local", "calm", "mine", "sees", "twice/0", "twice/1"]
    assert set(episodes["seed"]) == {EVALUATION_SEED + n for n in range(3)}
    about = episodes.groupby("policy")[["kind", "group", "privileged"]].agg(lambda column: column.unique().item())
    assert about.loc["calm"].tolist() == ["rule", "calm", False]
    assert about.loc["sees"].tolist() == ["own", "sees", True]
    assert about.loc["twice/1"].tolist() == ["own", "twice", False]


def test_code_plays_as_the_rule_that_it_copies(episodes: pd.DataFrame):
    rewards = episodes.pivot(index="seed", columns="policy", values="reward_per_job")
    assert rewards["mine"].tolist() == rewards["twice/1"].tolist() == rewards["sees"].tolist()
    assert rewards["calm"].tolist() == rewards["twice/0"].tolist() != rewards["mine"].tolist()


def test_the_table_has_a_row_a_policy_and_never_code_as_the_best_rule(episodes: pd.DataFrame):
    table = compare(episodes).set_index("policy")
    assert set(table.index) == {"local", "calm", "mine", "sees", "twice"}
    assert table["kind"].to_dict() == {"local": "rule", "calm": "rule", "mine": "own", "sees": "own", "twice": "own"}
    assert table[table["privileged"]].index.tolist() == ["sees"]
    rewards = episodes.groupby("policy")["reward_per_job"].mean()
    assert set(table["best_rule"]) == {"calm"}  # `mine` earns more
    assert table.loc["mine", "reward_per_job"] > table.loc["calm", "reward_per_job"]
    assert table.loc["twice", "reward_per_job"] == pytest.approx((rewards["calm"] + rewards["mine"]) / 2)
    assert pd.isna(table.loc["calm", "reward_per_job_difference"])


def test_groups_have_a_row_each(episodes: pd.DataFrame):
    (row,) = groups(episodes).to_dict("records")
    gains = episodes.pivot(index="policy", columns="seed", values="reward_per_job")
    gains = gains.loc[["twice/0", "twice/1"]] - gains.loc["calm"]
    assert (row["group"], row["kind"], row["checkpoints"], row["best_rule"]) == ("twice", "own", 2, "calm")
    assert row["gain_over_best_rule_over_training_seeds"] == pytest.approx(gains.to_numpy().mean())
    ahead = (gains > 0).to_numpy() + 0.5 * (gains == 0).to_numpy()
    assert row["probability_of_improvement"] == pytest.approx(ahead.mean())
    assert groups(episodes[episodes["kind"] == "rule"]).empty


def test_limits_are_columns(episodes: pd.DataFrame):
    table = compare(episodes, {"mine": {"slo_miss": 0.2}}).set_index("policy")
    missed = 1.0 - episodes.groupby("policy")["slo_attainment"].mean()
    assert table.loc["mine", ["slo_miss", "slo_miss_most"]].tolist() == pytest.approx([missed["mine"], 0.2])
    assert table.loc["local", "slo_miss"] == pytest.approx(missed["local"])
    assert pd.isna(table.loc["local", "slo_miss_most"])
    assert "slo_miss" not in compare(episodes)


@pytest.mark.usefixtures("undrawn")
def test_the_command_writes_these_tables(scenario: Scenario, tmp_path: Path):
    """And a table that was written is read again as it was."""
    folders = [tmp_path / f"twice-{rule}" for rule in ("jsq", "greedy")]
    for folder in folders:
        folder.mkdir()

    def load(folder: Path, scenario: Scenario) -> Policy:
        return Copy(folder.name.removeprefix("twice-"), Layout(scenario))

    words = ["local", "jsq", f"twice={tmp_path}/twice-*"]
    compare_into(scenario, words, 3, tmp_path / "out", load_checkpoint=load)
    played = play(scenario, words, seeds=3, load_checkpoint=load)
    written = pd.read_csv(tmp_path / "out" / "episodes.csv")
    pd.testing.assert_frame_equal(written.drop(columns=TIMED), played.drop(columns=TIMED), check_dtype=False)
    pd.testing.assert_frame_equal(groups(written), pd.read_csv(tmp_path / "out" / "groups.csv"), check_dtype=False)
    timed = [f"{TIMED}{end}" for end in ("", "_difference")]
    mine, theirs = compare(written), pd.read_csv(tmp_path / "out" / "table.csv")
    elsewhere = ["trained_on", "played_on", "room", "room_low", "room_high", *timed]
    pd.testing.assert_frame_equal(mine.drop(columns=elsewhere), theirs.drop(columns=elsewhere), check_dtype=False)


@pytest.mark.parametrize(
    ("policies", "says"),
    [
        ({}, "no policies to compare"),
        ({"x": []}, "x must be policies of one kind, here are 0"),
        ({"x": ["local", copy_of("local")]}, "x must be policies of one kind, here are 2"),
        ({"x": "gredy"}, "no policy 'gredy'"),
        ({"x": lambda layout: None}, "x returned None, which has no act"),
        (["runs"], "runs is the folder of a checkpoint: give load_checkpoint"),
    ],
)
def test_what_cannot_be_played_is_said(scenario: Scenario, tmp_path: Path, monkeypatch, policies: object, says: str):
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=says):
        play(scenario, policies, seeds=3)  # type: ignore[arg-type]


def test_an_action_outside_the_mask_ends_it(scenario: Scenario):
    class Rejects(Copy):
        def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
            return np.ones(obs["action_mask"].shape[:2], np.int64)

    with pytest.raises(IllegalActionError, match=r"mine: node_\d chose action 1 \(reject\) at"):
        play(scenario, {"mine": lambda layout: Rejects("local", layout)}, seeds=3)
