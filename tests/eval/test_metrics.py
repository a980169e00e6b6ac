"""The metrics of a hand-made episode, and the one place that names them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edge6g_env.kernel import codes
from eval.metrics import (
    EPISODE_COLUMNS,
    EXPIRED,
    FAILED,
    FINETUNE,
    FINISHED,
    INFERENCE,
    JOB_FIELDS,
    METRIC_NAMES,
    REJECTED,
    episode_metrics,
    episodes_frame,
    markdown_table,
)

FIXED_COLUMNS = [
    "policy",
    "seed",
    "reward_per_job",
    "slo_attainment",
    "goodput_jobs_per_s",
    "ttft_mean_s",
    "ttft_p95_s",
    "ttft_p99_s",
    "tpot_mean_s",
    "energy_j_per_job",
    "price_per_job",
    "air_bytes_per_job",
    "backhaul_bytes_per_job",
    "exposure_mean",
    "quality_mean",
    "rejected_share",
    "decision_us_mean",
    "jobs",
]
JOB = np.dtype([(name, "i1" if name == "phase" else "f8") for name in JOB_FIELDS])
NAN = math.nan


def jobs_by_hand() -> np.ndarray:
    """Five jobs: two finished (one of a single token), then one each rejected, expired, failed."""
    rows = [
        # phase, worth, ttft_s, tpot_s, energy_j, price_usd, air, backhaul, exposures, quality, slo_met, deadline_s, output_tokens, retries,
        # kind, progress, done_steps
        (FINISHED, 0.8, 0.2, 0.03, 10.0, 0.001, 100.0, 0.0, 0.0, 0.0, 0.9, 1, 0.0, 50, 0, INFERENCE, 0.0, 0.0),
        (FINISHED, 0.4, 1.0, NAN, 20.0, 0.003, 300.0, 500.0, 1.0, 0.75, 0.7, 0, 0.5, 1, 2, INFERENCE, 0.0, 0.0),
        (REJECTED, -0.1, NAN, NAN, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, NAN, 0, 0.0, 0, 0, INFERENCE, 0.0, 0.0),
        (EXPIRED, -0.2, 7.0, 0.9, 30.0, 0.001, 100.0, 0.0, 0.5, 0.0, 0.9, 0, 0.0, 9, 1, INFERENCE, 0.0, 0.0),
        (FAILED, -0.3, NAN, NAN, 5.0, 0.0, 0.0, 0.0, 0.0, 0.0, NAN, 0, 0.5, 0, 3, INFERENCE, 0.0, 0.0),
    ]
    return np.array(rows, dtype=JOB)


def test_every_metric_of_a_hand_made_episode():
    metrics = episode_metrics(jobs_by_hand(), measured_s=4.0, decision_us_mean=12.5)
    expected = {
        "reward_per_job": 0.6 / 5,
        "slo_attainment": 1 / 5,
        "goodput_jobs_per_s": 1 / 4,
        "ttft_mean_s": 0.6,
        "ttft_p50_s": 0.6,
        "ttft_p95_s": 0.2 + 0.95 * 0.8,
        "ttft_p99_s": 0.2 + 0.99 * 0.8,
        "tpot_mean_s": 0.03,
        "tpot_p95_s": 0.03,
        "energy_j_per_job": 13.0,
        "price_per_job": 0.001,
        "air_bytes_per_job": 100.0,
        "backhaul_bytes_per_job": 100.0,
        "exposure_mean": 1.5 / 5,
        "exposure_site_mean": 0.75 / 5,
        "quality_mean": 0.8,
        "rejected_share": 1 / 5,
        "expired_share": 1 / 5,
        "failed_share": 1 / 5,
        "missed_share": 1.0,
        "requeued_share": 3 / 5,
        "decision_us_mean": 12.5,
        "finished_jobs": 2,
        "progress_mean": NAN,
        "steps_per_s": NAN,
        "jobs": 5,
    }
    assert metrics == pytest.approx(expected, nan_ok=True)
    assert list(metrics) == list(METRIC_NAMES)


def test_fine_tuning_has_progress_and_no_part_in_latency_and_quality():
    """Two jobs of it, one done and one that got halfway, beside those of inference: what is paid and met is of all jobs."""
    before = episode_metrics(jobs_by_hand(), measured_s=4.0, decision_us_mean=1.0)
    tuning = jobs_by_hand()[[0, 3]]
    tuning["kind"], tuning["progress"], tuning["done_steps"] = FINETUNE, [1.0, 0.5], [40, 10]
    tuning["ttft_s"], tuning["tpot_s"], tuning["quality"], tuning["energy_j"] = 90.0, 9.0, 0.1, 500.0
    both = episode_metrics(np.concatenate([jobs_by_hand(), tuning]), measured_s=4.0, decision_us_mean=1.0)
    assert (both["progress_mean"], both["steps_per_s"]) == (0.75, 12.5)
    inference = (
        "ttft_mean_s",
        "ttft_p50_s",
        "ttft_p99_s",
        "tpot_mean_s",
        "tpot_p95_s",
        "quality_mean",
        "finished_jobs",
    )
    assert [both[name] for name in inference] == [before[name] for name in inference]
    assert (both["jobs"], both["slo_attainment"], both["goodput_jobs_per_s"]) == (7, 2 / 7, 2 / 4)
    assert both["energy_j_per_job"] == pytest.approx((65.0 + 1000.0) / 7)
    alone = episode_metrics(tuning, measured_s=4.0, decision_us_mean=1.0)
    assert alone["finished_jobs"] == 0
    assert math.isnan(alone["ttft_mean_s"])


def test_an_episode_without_jobs_has_no_rates_but_counts():
    metrics = episode_metrics(np.empty(0, dtype=JOB), measured_s=4.0, decision_us_mean=NAN)
    assert {name for name, value in metrics.items() if not math.isnan(value)} == {
        "goodput_jobs_per_s",
        "finished_jobs",
        "jobs",
    }
    assert metrics["jobs"] == metrics["goodput_jobs_per_s"] == 0.0


def test_missed_deadlines_are_of_the_jobs_that_have_one():
    """Of four with a deadline one finished in time; without any there is no share."""
    jobs = jobs_by_hand()
    assert episode_metrics(jobs, 4.0, 1.0)["missed_share"] == 1.0
    jobs["deadline_s"][:2] = 0.4
    jobs["deadline_s"][2] = 0.4
    assert episode_metrics(jobs, 4.0, 1.0)["missed_share"] == 3 / 4
    jobs["deadline_s"] = 0.0
    assert math.isnan(episode_metrics(jobs, 4.0, 1.0)["missed_share"])


def test_latency_is_undefined_when_nothing_finished():
    metrics = episode_metrics(jobs_by_hand()[2:], measured_s=4.0, decision_us_mean=1.0)
    assert math.isnan(metrics["ttft_mean_s"])
    assert math.isnan(metrics["ttft_p99_s"])
    assert math.isnan(metrics["quality_mean"])
    assert metrics["reward_per_job"] == pytest.approx(-0.2)


def test_single_precision_jobs_are_summed_in_double():
    jobs = np.zeros(200_000, dtype=[(name, "f4") for name in JOB_FIELDS])
    jobs["air_bytes"] = 16_777_217.0
    assert episode_metrics(jobs, 1.0, 1.0)["air_bytes_per_job"] == np.float32(16_777_217.0)


def test_a_missing_field_or_an_empty_window_is_named():
    jobs = jobs_by_hand()
    with pytest.raises(ValueError, match="worth"):
        episode_metrics(jobs[[name for name in JOB_FIELDS if name != "worth"]], 4.0, 1.0)
    with pytest.raises(ValueError, match="measured_s"):
        episode_metrics(jobs, 0.0, 1.0)


def test_the_kinds_are_numbered_as_the_kernel_has_them():
    assert (INFERENCE, FINETUNE) == (codes.INFERENCE, codes.FINETUNE)


def test_columns_start_with_the_fixed_names():
    assert list(EPISODE_COLUMNS[: len(FIXED_COLUMNS)]) == FIXED_COLUMNS
    assert len(set(EPISODE_COLUMNS)) == len(EPISODE_COLUMNS)


def test_episodes_frame_orders_columns_and_keeps_counts_whole():
    row = {"seed": 7, "policy": "greedy", **dict(reversed(episode_metrics(jobs_by_hand(), 4.0, 1.0).items()))}
    row |= {"group": "greedy", "privileged": False, "kind": "rule"}
    frame = episodes_frame([row])
    assert list(frame.columns) == list(EPISODE_COLUMNS)
    assert frame["jobs"].tolist() == [5]
    assert pd.api.types.is_integer_dtype(frame["jobs"])


def test_episodes_frame_refuses_a_missing_metric():
    row = {"policy": "greedy", "seed": 7, **episode_metrics(jobs_by_hand(), 4.0, 1.0)}
    del row["ttft_p99_s"]
    with pytest.raises(ValueError, match="ttft_p99_s"):
        episodes_frame([row])


def test_the_page_holds_the_generated_table():
    page = Path(__file__).parents[2] / "docs" / "metrics.md"
    assert markdown_table() in page.read_text(encoding="utf-8"), (
        "run: python -m eval.metrics, and put it in docs/metrics.md"
    )
