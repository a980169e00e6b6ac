"""Predicted beside came: promises are found by job, groups share out the decisions, and noting them changes nothing."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from agents.policy import make_rule
from edge6g_env.kernel.codes import EXPIRED, HOLD, REJECT
from edge6g_env.kernel.fields import OUTCOME_DTYPE
from edge6g_env.scenario import load_scenario
from edge6g_env.spaces import Layout
from eval import EVALUATION_SEED
from eval.episodes import Episodes, run_episodes
from eval.forecasts import Foreseeing, Promises, forecast_table, forecasts, groups_of

SEEDS = [EVALUATION_SEED + i for i in range(4)]


@pytest.fixture(scope="module")
def layout() -> Layout:
    return Layout(load_scenario("tiny", time={"episode_s": 40.0, "drain_s": 20.0}))


@pytest.fixture(scope="module")
def played(layout: Layout) -> Episodes:
    return run_episodes("greedy", partial(make_rule, "greedy"), layout.scenario, SEEDS)


def test_a_promise_is_that_of_the_jobs_last_decision(layout: Layout):
    """World 1, agent 2: job 7 is decided twice, job 8 held, job 9 refused; nobody knows job 10."""
    promises, obs = Promises(layout), {"candidates": np.zeros((2, 3, layout.num_actions, len(layout.candidates)))}
    steps = [(7, 5, 0.25, 0), (8, HOLD, 0.9, 0), (7, 6, 0.5, 0), (9, 5, 0.7, 3)]
    for job, action, utility, effect in steps:
        actions, jobs, effects = np.zeros((2, 3), np.int64), np.full((2, 3), -1), np.zeros((2, 3), np.int64)
        actions[1, 2], jobs[1, 2], effects[1, 2] = action, job, effect
        obs["candidates"][1, 2, action, layout.candidate_index("utility")] = utility
        promises.keep(promises.look(obs, actions), jobs, effects, np.array([True, True]))
    promises.keep(
        promises.look(obs, actions), np.where(jobs == 9, 7, jobs), 0 * effects, np.array([True, False])
    )  # another episode
    ended = np.zeros(5, OUTCOME_DTYPE)
    ended["world"], ended["job"], ended["action"] = [1, 1, 1, 1, 0], [7, 8, 9, 10, 7], [6, -1, -1, 5, 6]
    np.testing.assert_array_equal(promises.of(ended), [0.5, np.nan, np.nan, np.nan, np.nan])


def test_every_group_shares_out_the_decisions(layout: Layout, played: Episodes):
    rows = forecasts(layout, played.jobs, played.promised)
    known = np.isfinite(played.promised)
    assert (known == (played.jobs["action"] >= 0)).all()
    (everything,) = (row for row in rows if row["group"] == "all")
    assert everything["decisions"] == known.sum()
    assert everything["difference"] == pytest.approx((played.promised - played.jobs["worth"])[known].mean())
    for name in ("kind", "service"):
        mine = [row for row in rows if row["group"] == name]
        assert sum(row["share"] for row in mine) == pytest.approx(1.0)
        for what in ("predicted", "came", "difference"):
            assert sum(row["share"] * row[what] for row in mine) == pytest.approx(everything[what])  # type: ignore[literal-required]
    for row in rows:
        assert row["difference"] == pytest.approx(row["predicted"] - row["came"])
        assert row["low"] is None or row["high"] is None or row["low"] <= row["difference"] <= row["high"]
    assert forecast_table(rows).row_count == len(rows)


def test_jobs_that_the_end_of_the_episode_ends_are_told_apart(layout: Layout, played: Episodes):
    """They expire at one instant, the end; whoever has expire_s until then is none of them."""
    end_s, lives_s = layout.scenario.time.episode_s, np.array([service.expire_s for service in layout.scenario.service])
    known = np.isfinite(played.promised)
    at_end = known & (played.jobs["end_s"] == end_s) & (played.jobs["phase"] == EXPIRED)
    assert at_end.sum() > 0
    rows = forecasts(layout, played.jobs, played.promised)
    assert rows[0]["cut_off"] == pytest.approx(at_end.sum() / known.sum())
    old = played.jobs.copy()
    old["arrival_s"] = old["end_s"] - lives_s[old["service"]]
    assert all(row["cut_off"] == 0.0 for row in forecasts(layout, old, played.promised))


def test_kinds_are_routes_by_what_the_layers_say(layout: Layout):
    """A cut at the device leaves layers there, one at the edge leaves some at the ingress while others go elsewhere."""
    (kind,) = (group for group in groups_of(layout) if group.name == "kind")
    words = np.array(layout.action_names)
    for place, value in enumerate(kind.values):
        for name in words[kind.numbers == place]:
            assert ("on the device" in name) == (
                value.split(", ")[-1] in ("cut at the device", "cut at both", "whole on the device")
            )
            assert ("at the ingress" in name) == (value.split(", ")[-1] in ("cut at the edge", "cut at both"))
            assert name.startswith(value.split(",")[0])
    assert kind.numbers[HOLD] == -1
    assert kind.values[kind.numbers[REJECT]] == "reject"
    assert (kind.numbers[REJECT:] >= 0).all()


def test_to_reject_is_worth_what_it_promises(layout: Layout):
    """And a policy that reads no candidates does the same whether its promises are noted or not."""
    free = run_episodes("random", partial(make_rule, "random"), layout.scenario, SEEDS)
    noted = run_episodes("random", partial(Foreseeing.made_by, partial(make_rule, "random")), layout.scenario, SEEDS)
    np.testing.assert_array_equal(free.jobs, noted.jobs)
    assert np.isnan(free.promised).all()
    rejected = noted.jobs["action"] == REJECT
    assert rejected.sum() > 0
    assert noted.promised[rejected] == pytest.approx(noted.jobs["worth"][rejected], abs=1e-6)
