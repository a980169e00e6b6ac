"""jobs.csv.gz: every measured job once, in words, and enough to compute every other figure again."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from agents.policy import make_rule
from edge6g_env.scenario import Scenario, load_scenario
from edge6g_env.spaces import Layout
from eval import EVALUATION_SEED
from eval.episodes import Episodes, run_episodes
from eval.jobs import COLUMN_NAMES, jobs_frame, markdown_table, write_jobs
from eval.metrics import METRIC_NAMES

SEEDS = [EVALUATION_SEED + i for i in range(3)]
POLICIES = ("random", "greedy")
NAMED = [
    "policy", "seed", "job", "service", "phase", "route", "device_split", "edge_split", "precision", "model",
    "arrival_s", "ttft_s", "tpot_s",
    "end_s", "slo_met", "deadline_s", "worth", "quality", "energy_j", "price_usd", "air_bytes", "backhaul_bytes",
    "exposure_device", "exposure_site", "prompt_tokens", "output_tokens", "progress", "done_steps", "retries", "decider",
]  # fmt: skip


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    """Crowded, with faults and short patience: jobs are put back, fail, expire before and after their first token. One service has a
    deadline."""
    service = load_scenario("tiny", **{"service.chat.deadline_s": 2.0}).model_dump(mode="json")["service"]
    for one in service:
        one["expire_s"] = 5.0
    faults = {"node_mtbf_s": 8.0, "node_mttr_s": 2.0, "retries": 1}
    return load_scenario("tiny", **{"service": service, "faults": faults, "arrivals.rate_jobs_s": 9.0})


@pytest.fixture(scope="module")
def played(scenario: Scenario) -> dict[str, Episodes]:
    return {name: run_episodes(name, partial(make_rule, name), scenario, SEEDS) for name in POLICIES}


@pytest.fixture(scope="module")
def jobs(played: dict[str, Episodes], scenario: Scenario, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """As anybody reads it."""
    folder = tmp_path_factory.mktemp("jobs")
    write_jobs(folder, (jobs_frame(name, SEEDS, one.jobs, scenario) for name, one in played.items()))
    return pd.read_csv(folder / "jobs.csv.gz")


def test_the_columns_are_those_promised(jobs: pd.DataFrame):
    assert list(jobs.columns) == NAMED == list(COLUMN_NAMES)


def test_the_episodes_can_be_computed_from_the_jobs(
    jobs: pd.DataFrame, played: dict[str, Episodes], scenario: Scenario
):
    """Every column of episodes.csv but the decision time, by pandas alone."""
    episodes = pd.DataFrame([row for one in played.values() for row in one.rows]).set_index(["policy", "seed"])
    time = scenario.time
    measured_s = time.episode_s - time.warmup_s - time.drain_s
    mine = pd.DataFrame(
        {key: _figures(group, measured_s) for key, group in jobs.groupby(["policy", "seed"], sort=False)}
    ).T
    assert set(mine.columns) == set(METRIC_NAMES) - {"decision_us_mean"}
    assert set(jobs["phase"]) == {"finished", "expired", "failed", "rejected"}
    assert (jobs["retries"] > 0).any()
    for name in mine.columns:
        np.testing.assert_allclose(mine[name], episodes.loc[mine.index, name].astype(float), rtol=1e-12, err_msg=name)


def _figures(jobs: pd.DataFrame, measured_s: float) -> dict[str, float]:
    finished = jobs[jobs["phase"] == "finished"]
    ended = jobs["phase"].value_counts(normalize=True)
    return {
        "reward_per_job": jobs["worth"].mean(),
        "slo_attainment": jobs["slo_met"].mean(),
        "goodput_jobs_per_s": jobs["slo_met"].sum() / measured_s,
        "ttft_mean_s": finished["ttft_s"].mean(),
        "ttft_p50_s": finished["ttft_s"].median(),
        "ttft_p95_s": finished["ttft_s"].quantile(0.95),
        "ttft_p99_s": finished["ttft_s"].quantile(0.99),
        "tpot_mean_s": finished["tpot_s"].mean(),
        "tpot_p95_s": finished["tpot_s"].quantile(0.95),
        "energy_j_per_job": jobs["energy_j"].mean(),
        "price_per_job": jobs["price_usd"].mean(),
        "air_bytes_per_job": jobs["air_bytes"].mean(),
        "backhaul_bytes_per_job": jobs["backhaul_bytes"].mean(),
        "exposure_mean": jobs["exposure_device"].mean(),
        "exposure_site_mean": jobs["exposure_site"].mean(),
        "quality_mean": finished["quality"].mean(),
        "rejected_share": ended.get("rejected", 0.0),
        "expired_share": ended.get("expired", 0.0),
        "failed_share": ended.get("failed", 0.0),
        "missed_share": 1.0 - jobs.loc[jobs["deadline_s"].notna(), "slo_met"].mean(),
        "requeued_share": (jobs["retries"] > 0).mean(),
        "progress_mean": jobs["progress"].mean(),
        "steps_per_s": jobs["done_steps"].sum(min_count=1) / measured_s,
        "finished_jobs": len(finished),
        "jobs": len(jobs),
    }


def test_a_job_is_in_it_once_and_the_same_for_every_policy(jobs: pd.DataFrame):
    assert not jobs.duplicated(["policy", "seed", "job"]).any()
    given = ["seed", "job", "service", "arrival_s", "prompt_tokens", "output_tokens"]
    one, other = (jobs.loc[jobs["policy"] == name, given].reset_index(drop=True) for name in POLICIES)
    pd.testing.assert_frame_equal(one, other)


def test_words_are_those_of_the_scenario_and_of_its_action_names(
    jobs: pd.DataFrame, played: dict[str, Episodes], scenario: Scenario
):
    """A decision is written again as `Layout.action_names` has it."""
    outcomes = np.sort(played["random"].jobs, order=["world", "job"])
    rows = jobs[jobs["policy"] == "random"].reset_index(drop=True)
    names = [Layout(scenario).action_names[action] if action >= 0 else "" for action in outcomes["action"]]
    assert [_action_name(row) for row in rows.to_dict("records")] == names
    assert len(set(names)) > 20
    assert rows["service"].tolist() == [scenario.service[s].name for s in outcomes["service"]]
    assert rows["decider"].tolist() == [f"node_{agent}" for agent in outcomes["agent"]]


def _action_name(row: dict[str, object]) -> str:
    if pd.isna(row["route"]) or row["route"] == "reject":
        assert pd.isna(row["device_split"]), row
        assert pd.isna(row["edge_split"]), row
        assert pd.isna(row["precision"]), row
        return "" if pd.isna(row["route"]) else "reject"
    assert pd.isna(row["edge_split"]) == (row["route"] == "local")
    device = f", {row['device_split']:g} on the device" if row["device_split"] > 0.0 else ""
    edge = f", {row['edge_split']:g} of the rest at the ingress" if row["edge_split"] > 0.0 else ""
    return f"{row['route']}{device}{edge}, {row['precision']}"


def test_what_has_no_value_is_empty_and_a_first_token_counts_however_the_job_ended(jobs: pd.DataFrame):
    finished = jobs["phase"] == "finished"
    assert jobs.loc[finished, ["ttft_s", "quality", "route", "precision"]].notna().all().all()
    assert jobs.loc[~finished, ["tpot_s", "quality"]].isna().all().all()
    assert jobs.loc[(jobs["phase"] == "rejected") & (jobs["retries"] == 0), "ttft_s"].isna().all()
    heard = jobs[~finished & jobs["ttft_s"].notna()]
    assert 0 < len(heard) < (~finished).sum()
    assert (heard["arrival_s"] + heard["ttft_s"] <= heard["end_s"] + 1e-9).all()
    assert (jobs["ttft_s"].dropna() > 0.0).all()
    total = finished & (jobs["output_tokens"] > 1)
    rest_s = (jobs["output_tokens"] - 1) * jobs["tpot_s"]
    np.testing.assert_allclose((jobs["arrival_s"] + jobs["ttft_s"] + rest_s)[total], jobs["end_s"][total], rtol=1e-9)


def test_the_same_jobs_give_the_same_bytes(played: dict[str, Episodes], scenario: Scenario, tmp_path: Path):
    for name in ("a", "b"):
        write_jobs(tmp_path / name, [jobs_frame("greedy", SEEDS, played["greedy"].jobs, scenario)])
    first, second = ((tmp_path / name / "jobs.csv.gz").read_bytes() for name in ("a", "b"))
    assert first == second
    assert first[4:8] == bytes(4)  # no time in the head
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["jobs.csv.gz"]


def test_a_policy_without_jobs_leaves_the_head(played: dict[str, Episodes], scenario: Scenario, tmp_path: Path):
    write_jobs(tmp_path, [jobs_frame("greedy", SEEDS, played["greedy"].jobs[:0], scenario)])
    read = pd.read_csv(io.BytesIO((tmp_path / "jobs.csv.gz").read_bytes()), compression="gzip")
    assert list(read.columns) == NAMED
    assert len(read) == 0


def test_the_page_holds_the_generated_table():
    page = Path(__file__).parents[2] / "docs" / "metrics.md"
    assert markdown_table() in page.read_text(encoding="utf-8"), "run: python -m eval.jobs, and put it in the page"
