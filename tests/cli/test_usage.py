"""`edge6g usage`: what it counts, and that a frozen column is frozen."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from agents.policy import Observation, make_rule
from edge6g_env.kernel.codes import HOLD, LOCAL, REJECT
from edge6g_env.kernel.fields import OUTCOME_DTYPE
from edge6g_env.scenario import load_scenario
from edge6g_env.spaces import Layout
from eval import by_service, usage
from eval.decisions import columns_of, shares
from eval.episodes import run_episodes
from eval.statistics import Estimate

SEEDS = [10_000_000, 10_000_001]


@pytest.fixture(scope="module")
def layout() -> Layout:
    return Layout(load_scenario("tiny"))


class Recorder:
    """Keeps the mask that it is shown."""

    privileged, needs_candidates = False, False

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        self.mask = obs["action_mask"].copy()
        return np.zeros(self.mask.shape[:2], np.int64)


def test_the_mask_is_narrowed_to_the_nearest_legal_value(layout: Layout):
    precision = layout.action_table[:, 3]
    distance = np.abs(precision - 2)
    serves = layout.action_table[:, 0] >= LOCAL
    mask = np.ones((1, 3, layout.num_actions), np.int8)
    mask[0, 1, serves & (precision == 2)] = 0  # the wanted value is illegal
    mask[0, 2, REJECT:] = 0  # no job
    recorder = Recorder()
    by_service.Frozen(recorder, distance[None]).act({"action_mask": mask}, np.random.default_rng(0))
    assert np.flatnonzero(recorder.mask[0, 0]).tolist() == [HOLD, REJECT, *np.flatnonzero(serves & (precision == 2))]
    assert np.flatnonzero(recorder.mask[0, 1]).tolist() == [HOLD, REJECT, *np.flatnonzero(serves & (precision == 1))]
    assert np.flatnonzero(recorder.mask[0, 2]).tolist() == [HOLD]


def test_columns_mean_something_where_the_action_table_says(layout: Layout):
    route, device_split, edge_split, precision = columns_of(layout)
    assert (route.means == (layout.action_table[:, 0] >= LOCAL)).all()
    assert (edge_split.means == (layout.action_table[:, 0] > LOCAL)).all()
    assert route.values == ["local", "neighbour 1", "neighbour 2", "cloud"]
    for column in (route, device_split, edge_split, precision):
        assert set(column.numbers[column.means]) == set(range(len(column.values)))


@pytest.mark.parametrize(("name", "value"), [("route", "cloud"), ("precision", "fp16"), ("edge_split", "0.5")])
def test_a_frozen_column_has_its_value_where_it_can(layout: Layout, name: str, value: str):
    column = next(column for column in columns_of(layout) if column.name == name)
    make = usage._frozen(lambda layout: make_rule("greedy", layout), [column])[f"{name} = {value}"]
    jobs = run_episodes("frozen", make, layout.scenario, SEEDS).jobs
    free = run_episodes("greedy", lambda layout: make_rule("greedy", layout), layout.scenario, SEEDS).jobs
    taken, before = (shares(column, rows["action"][rows["action"] >= 0]) for rows in (jobs, free))
    number = column.values.index(value)
    assert taken[number] > max(before[number], 0.4)
    assert sum(taken) == pytest.approx(1.0)


def test_usage_writes_its_figures_and_says_what_is_never_used(run, tmp_path: Path):
    out = tmp_path / "usage"
    ended = run("usage", "--scenario", "tiny", "--policy", "local", "--seeds", 2, "--out", out)
    assert ended.status == 0
    found = json.loads((out / "usage.json").read_text())
    shares = {name: {v["value"]: v["share"] for v in column["values"]} for name, column in found["columns"].items()}
    assert list(shares) == ["route", "device_split", "edge_split", "precision"]
    assert shares["route"]["local"] > 0.9
    assert shares["precision"] == {"fp16": 0.0, "int8": 0.0, "int4": 1.0}
    for name in ("route", "device_split", "precision"):
        assert sum(shares[name].values()) == pytest.approx(1.0)
    assert all(v["share_frozen"] > v["share"] for v in found["columns"]["precision"]["values"][:2])
    assert found["columns"]["precision"]["reward_lost"]["n"] == 2
    local = [row for row in found["forecasts"] if row["value"] == "local"]
    assert [row["decisions"] for row in local] == [round(shares["route"]["local"] * found["decisions"])]
    assert "predicted" in ended.out
    assert "precision: never fp16, int8." in ended.out
    best = {name: column["best_constant"] for name, column in found["columns"].items()}
    rewards = {v["value"]: v["reward_frozen"]["iqm"] for v in found["columns"]["precision"]["values"]}
    assert rewards[best["precision"]] == max(rewards.values())
    for name, column in found["columns"].items():
        together = column["by_service"]
        assert together["reward"]["iqm"] >= max(v["reward_frozen"]["iqm"] for v in column["values"])
        if len(set(together["values"].values())) == 1:
            assert together["reward_lost"] == column["reward_lost"]
        else:
            assert f"{name} by service (" in ended.out
    assert found["static"]["values_found_in"] == "tiny_v0"
    less = found["reward"]["mean"] - found["static"]["reward"]["mean"]
    assert found["static"]["reward_lost"]["mean"] == pytest.approx(less)
    assert "static: " in ended.out
    assert run("usage", "--scenario", "tiny", "--out", out).status == 2
    record = json.loads((out / "run.json").read_text())
    assert {"command", "version", "commit", "date", "machine", "cores", "changes", "fingerprint"} <= set(record)
    assert load_scenario(out / "scenario.toml").fingerprint == record["fingerprint"]
    assert (record["policy"], record["finished"], found["played_on"]) == ("local", True, "tiny_v0")


@pytest.mark.parametrize("width", [40, 60, 80])
def test_the_table_fits_the_terminal(width: int):
    lost = Estimate(iqm=-0.1234, low=-0.2345, high=0.1234, mean=-0.1, n=9)
    value = usage.Value(value="neighbour 1", share=0.5, share_frozen=1.0, reward_frozen=lost)
    own = by_service.ByService(values={"chat": "neighbour 1"}, reward=lost, reward_lost=lost)
    column = usage.ColumnUsage(values=[value], best_constant="neighbour 1", reward_lost=lost, by_service=own)
    result = usage.Usage(
        note="", scenario="tiny_v0", played_on="tiny_v0", policy="jsq", trained_on=None, seeds=[1], decisions=9, rejected_share=0.0,
        reward=lost, columns={"device_split": column}, static="", forecasts=[],
    )  # fmt: skip
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(usage.usage_table(result, width))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= width
    assert "\N{HORIZONTAL ELLIPSIS}" not in text
    for word in ("device_split", "neighbour 1", "50.0", "\N{MINUS SIGN}0.1234"):
        assert word in text
    assert ("[\N{MINUS SIGN}0.2345, 0.1234]" in text) == (width >= 60)


def test_without_an_interval_nothing_is_said_about_what_is_seen():
    lost = Estimate(iqm=0.0911, low=None, high=None, mean=0.0911, n=2)
    value = usage.Value(value="local", share=1.0, share_frozen=1.0, reward_frozen=lost)
    own = by_service.ByService(values={"chat": "local"}, reward=lost, reward_lost=lost)
    column = usage.ColumnUsage(values=[value], best_constant="local", reward_lost=lost, by_service=own)
    (sentence,) = usage._finding("route", column)
    assert sentence == "route: 0.0911 is lost when it is always local, on too few seeds for an interval."


def test_each_service_takes_the_value_with_which_it_earned_most():
    scenario = load_scenario("tiny")
    worth = {0: ([0.5, 0.7], [0.1]), 1: ([0.2], [0.3, 0.5]), 2: ([0.9, 0.1], [])}
    jobs = {number: jobs_of(*by_service) for number, by_service in worth.items()}
    assert by_service.best_numbers(jobs, scenario) == [0, 1]
    assert by_service.best_numbers({1: jobs_of([0.5], [0.2]), 0: jobs_of([0.5], [0.2])}, scenario) == [0, 0]


def jobs_of(*worth: list[float]) -> np.ndarray:
    """Jobs of each service in turn, by what they brought."""
    jobs = np.zeros(sum(map(len, worth)), OUTCOME_DTYPE)
    jobs["worth"] = np.concatenate(worth)
    jobs["service"] = np.repeat(range(len(worth)), [len(mine) for mine in worth])
    return jobs


def test_a_column_frozen_by_service_is_frozen_to_each_services_value(layout: Layout):
    column = next(column for column in columns_of(layout) if column.name == "precision")
    make = by_service.frozen(lambda layout: make_rule("greedy", layout), column, [0, 2])
    jobs = run_episodes("frozen", make, layout.scenario, SEEDS).jobs
    jobs = jobs[jobs["action"] > REJECT]
    for service, number in enumerate((0, 2)):
        mine = jobs["action"][jobs["service"] == service]
        assert len(mine) > 10
        assert np.mean(column.numbers[mine] == number) > 0.9


def test_a_policy_that_is_static_is_not_compared_with_itself(run, tmp_path: Path):
    short = ("--set", "time.episode_s=8", "--set", "time.warmup_s=1", "--set", "time.drain_s=3")
    ended = run("usage", "--scenario", "tiny", "--policy", "static", "--seeds", 1, *short, "--out", tmp_path / "usage")
    assert ended.status == 0
    assert "static is the policy itself." in ended.out
