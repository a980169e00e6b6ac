"""Episodes: every measured job once, the same worlds for every policy, the same figures for the same seeds."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from agents.policy import Observation, make_rule, rule_names
from edge6g_env.batch import BatchEnv
from edge6g_env.kernel.codes import HOLD
from edge6g_env.scenario import Scenario, load_scenario
from edge6g_env.spaces import Layout
from eval import EVALUATION_SEED, episodes
from eval.kept import Kept
from eval.metrics import METRIC_NAMES

SEEDS = [EVALUATION_SEED + i for i in range(3)]
GREEDY, RANDOM = partial(make_rule, "greedy"), partial(make_rule, "random")


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load_scenario("tiny")


def figures(rows: list[dict[str, object]]) -> np.ndarray:
    """All metrics but the time of a decision, (seeds, metrics)."""
    return np.array([[row[name] for name in METRIC_NAMES if name != "decision_us_mean"] for row in rows], float)


def test_the_same_seeds_give_the_same_rows_and_others_do_not(scenario: Scenario):
    first, second = (episodes.run_episodes("random", RANDOM, scenario, SEEDS) for _ in range(2))
    assert [(row["policy"], row["seed"]) for row in first.rows] == [("random", seed) for seed in SEEDS]
    np.testing.assert_array_equal(figures(first.rows), figures(second.rows))
    assert len({row["reward_per_job"] for row in first.rows}) == len(SEEDS)


@pytest.mark.parametrize("rule", rule_names())
def test_a_rule_earns_the_same_in_a_world_alone_and_in_any_company(rule: str, scenario: Scenario):
    make = partial(make_rule, rule)
    together = episodes.run_episodes(rule, make, scenario, SEEDS)
    alone = episodes.run_episodes(rule, make, scenario, SEEDS[-1:])
    np.testing.assert_array_equal(figures(together.rows)[-1:], figures(alone.rows))


def test_a_seed_gives_the_same_row_in_parts(scenario: Scenario, monkeypatch: pytest.MonkeyPatch):
    together = episodes.run_episodes("greedy", GREEDY, scenario, SEEDS)
    monkeypatch.setattr(episodes, "WORLDS_AT_A_TIME", 2)
    in_parts = episodes.run_episodes("greedy", GREEDY, scenario, SEEDS)
    np.testing.assert_array_equal(figures(in_parts.rows), figures(together.rows))
    np.testing.assert_array_equal(in_parts.jobs["world"], together.jobs["world"])


def test_the_order_of_the_policies_does_not_matter(scenario: Scenario):
    makers, quiet = {"greedy": GREEDY, "random": RANDOM}, Console(file=io.StringIO())
    forth = episodes.run_policies(makers, scenario, SEEDS, quiet)
    back = episodes.run_policies(dict(reversed(makers.items())), scenario, SEEDS, quiet)
    for name in makers:
        np.testing.assert_array_equal(figures(forth[name].rows), figures(back[name].rows))


def test_all_policies_meet_the_same_jobs(scenario: Scenario):
    greedy, random = (episodes.run_episodes("x", make, scenario, SEEDS).jobs for make in (GREEDY, RANDOM))
    for name in ("world", "job", "service", "arrival_s", "prompt_tokens", "output_tokens"):
        one, other = (np.sort(jobs, order=["world", "job"])[name] for jobs in (greedy, random))
        np.testing.assert_array_equal(one, other)


def test_only_jobs_of_the_measured_window_count(scenario: Scenario):
    jobs, time = episodes.run_episodes("greedy", GREEDY, scenario, SEEDS).jobs, scenario.time
    assert jobs["arrival_s"].min() >= time.warmup_s
    assert jobs["arrival_s"].max() < time.episode_s - time.drain_s
    assert set(np.unique(jobs["phase"])) <= {0, 1, 2, 3}


def test_every_job_and_all_reward_of_an_episode_are_in_the_rows():
    """Against the counters and rewards of a plain loop, with everything measured."""
    scenario = load_scenario("tiny", time={"warmup_s": 0.0, "drain_s": 0.0, "episode_s": 10.0})
    rows = episodes.run_episodes("greedy", GREEDY, scenario, SEEDS).rows
    env, rng = BatchEnv(scenario, len(SEEDS), observe="candidates", skip_idle=True), np.random.default_rng(0)
    policy, reward, arrived = GREEDY(env.layout), np.zeros(len(SEEDS)), np.zeros(len(SEEDS), int)
    obs, running = env.reset(seed=SEEDS), np.ones(len(SEEDS), bool)
    while running.any():
        obs, rewards, _, truncated, _ = env.step(policy.act(obs, rng))
        reward[running] += rewards.sum(axis=1)[running]
        arrived[running & truncated] = env.counters().arrived[running & truncated]
        running &= ~truncated
    assert [row["jobs"] for row in rows] == arrived.tolist()
    np.testing.assert_allclose([row["reward_per_job"] for row in rows], reward / arrived, rtol=1e-9)


def test_a_policy_that_never_decides_lets_every_job_expire(scenario: Scenario):
    class Idle:
        privileged, needs_candidates = False, False

        def __init__(self, layout: Layout) -> None:
            """Nothing to know."""

        def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
            return np.full(obs["action_mask"].shape[:2], HOLD)

    played = episodes.run_episodes("idle", Idle, scenario, SEEDS[:1])
    assert played.rows[0]["expired_share"] == 1.0
    assert played.rows[0]["reward_per_job"] == pytest.approx(-scenario.reward.expired_cost)
    assert (played.jobs["action"] == -1).all()


def test_progress_rises_to_one(scenario: Scenario):
    seen: list[float] = []
    episodes.run_episodes("greedy", GREEDY, scenario, SEEDS, seen.append)
    assert seen == sorted(seen)
    assert seen[0] < 0.9
    assert seen[-1] == 1.0


@pytest.mark.parametrize("seeds", [[], [3, 3]])
def test_seeds_must_differ(scenario: Scenario, seeds: list[int]):
    with pytest.raises(ValueError, match="seeds must be different numbers"):
        episodes.run_episodes("greedy", GREEDY, scenario, seeds)


class OneAtATime:
    """`local`, one world at a time; stopped in the episode of a seed that is not to be played."""

    privileged, needs_candidates, worlds_at_a_time = True, False, 1
    forbidden: int | None = None

    def __init__(self, layout: Layout) -> None:
        self._rule = make_rule("local", layout)

    def attach(self, env: BatchEnv) -> None:
        assert env.num_worlds == 1
        self._env = env

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        if int(self._env.last_step.step["seed"][0]) == self.forbidden:
            raise KeyboardInterrupt
        return self._rule.act(obs, rng)


def test_what_plays_one_world_at_a_time_is_kept_by_seed(
    scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    store = Kept(tmp_path, scenario, SEEDS, {"one": "one at a time"})
    monkeypatch.setattr(OneAtATime, "forbidden", SEEDS[2])
    with pytest.raises(KeyboardInterrupt):
        episodes.run_episodes("one", OneAtATime, scenario, SEEDS, store=store)
    assert [store.get("one", [seed]) is not None for seed in SEEDS] == [True, True, False]
    monkeypatch.setattr(OneAtATime, "forbidden", SEEDS[0])  # these are not played again
    resumed = episodes.run_episodes("one", OneAtATime, scenario, SEEDS, store=store)
    local = episodes.run_episodes("local", partial(make_rule, "local"), scenario, SEEDS)
    np.testing.assert_array_equal(figures(resumed.rows), figures(local.rows))
    np.testing.assert_array_equal(resumed.jobs, local.jobs)


@pytest.mark.parametrize("rule", ["greedy", "static"])
def test_inside_the_kernel_the_jobs_are_those_of_the_doors(rule: str):
    """Also across the parts in which an episode is flown; only what was promised is not known."""
    tiny = load_scenario("tiny")
    policy = make_rule(rule, Layout(tiny))
    flown, promised, decision_us, busy_share, decisions = episodes.fly_worlds(policy, tiny, SEEDS)
    played = episodes.play_worlds(rule, partial(make_rule, rule), tiny, SEEDS)
    np.testing.assert_array_equal(flown, played.jobs)
    np.testing.assert_array_equal(busy_share, played.busy_share)
    assert decisions == played.decisions >= len(flown)
    assert (busy_share >= 0.0).all()
    assert (busy_share <= 1.0 + 1e-9).all()
    assert busy_share.any()
    assert np.isnan(promised).all()
    assert decision_us > 0.0
