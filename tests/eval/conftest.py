"""A small comparison by hand: two rules and one learned policy over six seeds, with known order and differences."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edge6g_env.kernel.codes import EXPIRED, FINISHED
from edge6g_env.kernel.fields import OUTCOME_DTYPE
from edge6g_env.scenario import Scenario, load_scenario
from edge6g_env.spaces import Layout
from eval.comparison import Comparison, by_service
from eval.metrics import METRIC_NAMES, episodes_frame
from eval.provenance import Provenance
from eval.report import write_report
from eval.summary import Summary, summarise
from tests.episodes import of_kinds

SEEDS = range(100, 106)
ADVANTAGE = {"local": 0.0, "greedy": 0.30, "scorer:x": 0.35}  # over `local`, the same in every seed
COMMAND = "edge6g compare --policies 'local,<greedy>' --seeds 6"


def episodes_by_hand() -> pd.DataFrame:
    """Reward = how easy the seed is + what the policy adds; no TPOT anywhere, so that column is empty."""
    ease = dict(zip(SEEDS, np.linspace(0.0, 0.5, len(SEEDS)), strict=True))
    rows: list[dict[str, object]] = []
    for policy, advantage in ADVANTAGE.items():
        for seed in SEEDS:
            row = dict.fromkeys(METRIC_NAMES, 1.0) | {"tpot_mean_s": np.nan, "tpot_p95_s": np.nan}
            row |= {"reward_per_job": ease[seed] + advantage, "jobs": 500.0, "finished_jobs": 400.0}
            rows.append({"policy": policy, "seed": seed, **row})
    return episodes_frame(of_kinds(pd.DataFrame(rows), {"scorer:x": "learned"}).to_dict("records"))


@pytest.fixture(scope="session")
def played_on() -> Scenario:
    """`tiny` with one thing changed."""
    return load_scenario("tiny", **{"arrivals.rate_jobs_s": 3.0})


@pytest.fixture(scope="session")
def scenario() -> Scenario:
    """`tiny` with short episodes and many jobs."""
    time = {"episode_s": 8.0, "warmup_s": 1.0, "drain_s": 3.0}
    return load_scenario("tiny", time=time, arrivals={"rate_jobs_s": 8.0})


@pytest.fixture(scope="session")
def whole(played_on: Scenario) -> Comparison:
    """With jobs: every policy serves chat locally at int4, and `local` lets every second one expire without a token. Nobody changes it."""
    return comparison_by_hand(played_on, episodes_by_hand())


def comparison_by_hand(played_on: Scenario, episodes: pd.DataFrame) -> Comparison:
    """Of episodes whose last policy was trained on `campus`."""
    summary = summarise(episodes)
    names = list(dict.fromkeys(episodes["policy"]))
    jobs = {name: jobs_by_hand(played_on, 2 if name == "local" else 1) for name in names}
    for name, policy in summary["policies"].items():
        policy["services"] = by_service(jobs[name], played_on, len(SEEDS))
    summary["policies"][names[-1]]["trained_on"] = "campus_v0"
    return Comparison(played_on, episodes, jobs, summary, made_by(played_on))


@pytest.fixture
def episodes(whole: Comparison) -> pd.DataFrame:
    """A copy of its episodes."""
    return whole.episodes.copy()


@pytest.fixture
def summary(whole: Comparison) -> Summary:
    """A copy of its summary."""
    return copy.deepcopy(whole.summary)


@pytest.fixture
def comparison(whole: Comparison, episodes: pd.DataFrame, summary: Summary) -> Comparison:
    """A copy of the whole."""
    return replace(whole, episodes=episodes, summary=summary)


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory, whole: Comparison) -> Path:
    """Folder with the report of the whole: drawing takes seconds, so it is written once and only read."""
    folder = tmp_path_factory.mktemp("report")
    write_report(folder, whole)
    return folder


def jobs_by_hand(scenario: Scenario, every: int) -> np.ndarray:
    """Ten chat jobs, first tokens at 0.1, 0.2, ... s; of each `every` jobs the first finishes and the others expire."""
    jobs = np.zeros(10, OUTCOME_DTYPE)
    ends = np.arange(10) % every == 0
    jobs["phase"] = np.where(ends, FINISHED, EXPIRED)
    jobs["ttft_s"] = np.where(ends, 0.1 * np.arange(1, 11), -1.0)
    jobs["tpot_s"], jobs["output_tokens"], jobs["slo_met"] = 0.05, 20, ends
    jobs["worth"] = np.where(ends, 0.8, -0.2)
    jobs["action"] = Layout(scenario).action_names.index("local, int4")
    return jobs


def made_by(scenario: Scenario) -> Provenance:
    """Provenance with known words."""
    return Provenance(
        command=COMMAND,
        version="9.8.7",
        commit="abc123",
        date="2026-01-02T03:04:05+00:00",
        machine="a machine",
        cores=3,
        scenario=scenario.id,
        fingerprint=scenario.fingerprint,
        changes=scenario.changes,
    )
