"""The curve of answers against fine-tuning over `serving.train_share`."""

from __future__ import annotations

import io
from functools import partial

import numpy as np
import pytest
from rich.console import Console

from agents.policy import make_rule
from benchmarks import train_shares
from edge6g_env.kernel.codes import FINETUNE
from edge6g_env.scenario import load_scenario
from eval import EVALUATION_SEED
from eval.episodes import run_episodes

SEEDS = [EVALUATION_SEED, EVALUATION_SEED + 1, EVALUATION_SEED + 2]
GREEDY = partial(make_rule, "greedy")


def test_each_point_is_the_scenario_with_that_share(monkeypatch: pytest.MonkeyPatch):
    scenario = load_scenario("finetune", **{"time.episode_s": 200.0, "time.warmup_s": 20.0})
    monkeypatch.setattr(train_shares, "TRAIN_SHARES", (0.0, 0.8))
    points = [*train_shares.curve(scenario, GREEDY, SEEDS, Console(file=io.StringIO()))]
    assert len([*train_shares.table(iter(points))]) == 2 + len(points)
    slo, steps_at = 0, len(train_shares.OF_ANSWERS) + train_shares.OF_TUNING.index("steps_per_s")
    assert train_shares.OF_ANSWERS[slo] == "slo_attainment"
    for share, estimates in points:
        jobs = run_episodes("greedy", GREEDY, load_scenario(scenario, **{"serving.train_share": share}), SEEDS).jobs
        tuned = jobs["kind"] == FINETUNE
        worlds = range(len(SEEDS))
        rewards = [np.mean(jobs["worth"][jobs["world"] == n]) for n in worlds]
        steps = [jobs["done_steps"][tuned & (jobs["world"] == n)].sum() / 60.0 for n in worlds]
        in_time = [100.0 * np.mean(jobs["slo_met"][~tuned & (jobs["world"] == n)]) for n in worlds]
        assert estimates[-1]["mean"] == pytest.approx(np.mean(rewards))
        assert estimates[steps_at]["mean"] == pytest.approx(np.mean(steps))
        assert estimates[slo]["mean"] == pytest.approx(np.mean(in_time))
