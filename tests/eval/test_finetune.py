"""A scenario with fine-tuning goes through everything that speaks of services: rules and their values, a comparison and its report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from agents.values import RESTRICTED, STATIC, all_choices, choices, distances
from edge6g_env import load_scenario
from edge6g_env.scenario import Scenario
from edge6g_env.spaces import ACTION_COLUMNS, Layout
from eval.compare import compare
from eval.summary import Summary
from tests.tuners import services_with
from train.tuning.points import coordinates, starts

POLICIES = ("greedy", "local", "random")


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    """Short jobs of both kinds in a short episode."""
    services = services_with(steps=4, step_tokens=64, step_sequences=1, expire_s=6.0, share=0.5)
    services[0] |= {"share": 0.5, "expire_s": 6.0}
    time = {"episode_s": 14.0, "warmup_s": 2.0, "drain_s": 6.0}
    return load_scenario("tiny", service=services, time=time, **{"arrivals.rate_jobs_s": 4.0})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compared")


@pytest.fixture(scope="module")
def summary(scenario: Scenario, folder: Path) -> Summary:
    return compare(scenario, POLICIES, 3, folder, overwrite=True, load_checkpoint=lambda *_: None)  # type: ignore[arg-type]


def test_no_cut_between_nodes_is_a_choice_of_a_tuning_service(scenario: Scenario):
    chat, tuner = (choices(scenario, service) for service in scenario.service)
    assert tuner == {**chat, "edge_split": [0.0], "model": ["llama-3.2-3b"]}
    assert all_choices(scenario)["edge_split"] == scenario.actions.edge_split
    assert all_choices(scenario)["model"] == ["llama-3.1-8b", "llama-3.2-3b"]


def test_values_of_rules_are_searched_for_tuning_services_too(scenario: Scenario):
    _, point = next(starts(STATIC, scenario))
    assert set(point) == {"chat", "tuner"}
    moved = {name for name, _ in coordinates(STATIC, scenario, point)}
    assert "tuner device_split" in moved
    assert "chat edge_split" in moved
    assert "tuner edge_split" not in moved
    layout = Layout(scenario)
    of = distances(layout, STATIC, point)
    assert of.shape == (2, layout.num_actions)
    cut = layout.action_table[:, ACTION_COLUMNS.index("edge_split")] > 0
    assert not (of[1, cut] == 0).any()
    assert (distances(layout, RESTRICTED, all_choices(scenario))[0] == 0).all()


def test_progress_is_of_tuning_and_latency_of_inference(scenario: Scenario, summary: Summary, folder: Path):
    jobs = pd.read_csv(folder / "jobs.csv.gz")
    tuning = jobs["service"] == "tuner"
    assert jobs.loc[tuning, ["progress", "done_steps"]].notna().all().all()
    assert jobs.loc[~tuning, ["progress", "done_steps"]].isna().all().all()
    np.testing.assert_allclose(jobs.loc[tuning, "done_steps"], 4.0 * jobs.loc[tuning, "progress"])
    for name in POLICIES:
        services = summary["policies"][name]["services"]
        assert services["tuner"]["ttft_p50_s"] is None
        assert services["tuner"]["progress_mean"] is not None
        assert services["chat"]["progress_mean"] is None
        mine = jobs[jobs["policy"] == name]
        assert summary["policies"][name]["metrics"]["steps_per_s"]["mean"] == pytest.approx(
            mine["done_steps"].sum() / (3 * 6.0)
        )
    assert (jobs.loc[tuning & (jobs["policy"] == "greedy"), "progress"] > 0.0).any()


def test_the_report_has_progress_for_tuning_and_first_tokens_for_inference(summary: Summary, folder: Path):
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("Time to first token of ") == 1
    assert "Time to first token of chat" in page
    assert "deadline 6 s" in page
    assert page.count("Progress of fine-tuning") > 1
