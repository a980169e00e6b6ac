"""Every metric of an episode: its name, unit, direction and meaning, said once, and how it is computed.

Columns of episodes.csv, keys of summary.json, TensorBoard tags and the report take their names from `METRICS`.
`python -m eval.metrics` prints the table of docs/metrics.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

FINISHED, REJECTED, EXPIRED, FAILED = range(4)  # the phase in which a job ended
INFERENCE, FINETUNE = range(2)  # its kind

JOB_FIELDS = (  # what `episode_metrics` reads of each job
    "phase",  # FINISHED, REJECTED, EXPIRED or FAILED
    "worth",  # reward that the job brought, all terms
    "ttft_s",  # arrival to first token, s
    "tpot_s",  # (last - first token) / (output_tokens - 1), s; -1 with one token
    "energy_j",  # device, edge nodes and radio, J
    "price_usd",  # tokens, accelerator seconds and bytes, USD
    "air_bytes",  # bytes over the radio, both directions
    "backhaul_bytes",  # bytes between the edge and the cloud
    "exposure_device",  # share of its prompt that what left the device gives away
    "exposure_site",  # the same of what reached the cloud
    "quality",  # of the answer, 0 to 1
    "slo_met",  # 1 if it finished within its service-level objective
    "deadline_s",  # deadline of its whole answer, s; 0: its service has none
    "output_tokens",  # tokens generated
    "retries",  # how often a fault put the job back in its queue
    "kind",  # INFERENCE or FINETUNE
    "progress",  # share of its steps that are credited, of a fine-tuning job
    "done_steps",  # how many these are
)


@dataclass(frozen=True)
class Metric:
    """One metric of one episode. `unit` is that of the CSV; the report shows value * shown_scale in shown_unit."""

    name: str
    unit: str
    better: Literal["higher", "lower"]
    meaning: str
    formula: str
    label: str
    shown_unit: str = ""
    shown_scale: float = 1.0
    measured_once: bool = False
    """One measurement for all episodes of a policy, not one each: no interval, no verdict."""

    @property
    def display_unit(self) -> str:
        """Unit of the shown value."""
        return self.shown_unit or self.unit


METRICS: tuple[Metric, ...] = (
    # columns of episodes.csv, in this order: the names down to `jobs` are fixed
    Metric("reward_per_job", "1", "higher", "reward a measured job brings, all terms",
           "sum(worth) / jobs", "Reward per job"),
    Metric("slo_attainment", "share", "higher", "jobs that finished within their objective, of all measured jobs",
           "sum(slo_met) / jobs", "SLO attainment", "%", 100.0),
    Metric("goodput_jobs_per_s", "jobs/s", "higher", "jobs that met their objective, per second of measured time",
           "sum(slo_met) / measured_s", "Goodput"),
    Metric("ttft_mean_s", "s", "lower", "time to first token, from arrival, of finished jobs of inference",
           "mean(ttft_s | finished)", "TTFT, mean"),
    Metric("ttft_p95_s", "s", "lower", "its 95th percentile",
           "quantile(ttft_s | finished, 0.95)", "TTFT, p95"),
    Metric("ttft_p99_s", "s", "lower", "its 99th percentile; finished_jobs / 100 jobs stand behind it",
           "quantile(ttft_s | finished, 0.99)", "TTFT, p99"),
    Metric("tpot_mean_s", "s", "lower", "time per output token after the first, of finished jobs of inference with two or more",
           "mean(tpot_s | finished, output_tokens > 1)", "TPOT, mean", "ms", 1e3),
    Metric("energy_j_per_job", "J", "lower", "energy of devices, edge nodes and radio",
           "sum(energy_j) / jobs", "Energy per job"),
    Metric("price_per_job", "USD", "lower", "price of tokens, accelerator seconds and bytes",
           "sum(price_usd) / jobs", "Price per 1000 jobs", "USD", 1e3),
    Metric("air_bytes_per_job", "B", "lower", "bytes over the radio, both directions",
           "sum(air_bytes) / jobs", "Radio traffic per job", "kB", 1e-3),
    Metric("backhaul_bytes_per_job", "B", "lower", "bytes between the edge and the cloud",
           "sum(backhaul_bytes) / jobs", "Backhaul traffic per job", "kB", 1e-3),
    Metric("exposure_mean", "share", "lower", "share of a job's prompt that what left the device gives away",
           "sum(exposure_device) / jobs", "Exposure", "%", 100.0),
    Metric("quality_mean", "0 to 1", "higher", "quality of the answers of finished jobs of inference",
           "mean(quality | finished)", "Quality"),
    Metric("rejected_share", "share", "lower", "jobs that were turned away",
           "count(rejected) / jobs", "Rejected", "%", 100.0),
    Metric("decision_us_mean", "us", "lower", "time the policy takes for one decision, measured on this machine",
           "time in act / decisions", "Decision time", measured_once=True),
    Metric("jobs", "jobs", "higher", "measured jobs that ended",
           "finished + rejected + expired + failed", "Measured jobs"),
    # further columns
    Metric("ttft_p50_s", "s", "lower", "median time to first token",
           "quantile(ttft_s | finished, 0.5)", "TTFT, median"),
    Metric("tpot_p95_s", "s", "lower", "95th percentile of the time per output token",
           "quantile(tpot_s | finished, output_tokens > 1, 0.95)", "TPOT, p95", "ms", 1e3),
    Metric("expired_share", "share", "lower", "jobs that ran out of time, or were unfinished at the end",
           "count(expired) / jobs", "Expired", "%", 100.0),
    Metric("failed_share", "share", "lower", "jobs lost to a fault",
           "count(failed) / jobs", "Failed", "%", 100.0),
    Metric("missed_share", "share", "lower", "jobs with a deadline that finished late or never, of these jobs",
           "count(not slo_met | deadline_s > 0) / count(deadline_s > 0)", "Missed deadlines", "%", 100.0),
    Metric("requeued_share", "share", "lower", "jobs that a fault put back in their queue, once or more",
           "count(retries > 0) / jobs", "Put back by a fault", "%", 100.0),
    Metric("exposure_site_mean", "share", "lower", "share of a job's prompt that what reached the cloud gives away",
           "sum(exposure_site) / jobs", "Exposure at the cloud", "%", 100.0),
    Metric("finished_jobs", "jobs", "higher", "finished jobs of inference: those behind every TTFT, TPOT and quality figure",
           "count(finished)", "Finished jobs"),
    Metric("progress_mean", "share", "higher", "steps of a fine-tuning job that are credited, of those it asks for",
           "mean(progress | finetune)", "Progress of fine-tuning", "%", 100.0),
    Metric("steps_per_s", "1/s", "higher", "credited steps of fine-tuning jobs, per second of measured time",
           "sum(done_steps | finetune) / measured_s", "Fine-tuning steps"),
)  # fmt: skip

METRIC_NAMES = tuple(metric.name for metric in METRICS)
BY_NAME = {metric.name: metric for metric in METRICS}
POLICY_COLUMNS = ("kind", "group", "privileged")  # of the policy, the same in all its rows
EPISODE_COLUMNS = ("policy", "seed", *METRIC_NAMES, *POLICY_COLUMNS)


def episode_metrics(jobs: np.ndarray, measured_s: float, decision_us_mean: float) -> dict[str, float]:
    """All metrics of one episode, keyed and ordered as METRICS.

    jobs: structured array (J,), one row a measured job that ended, with at least JOB_FIELDS. measured_s: length of the
    measured window, s. decision_us_mean: time a decision took, us, NaN if unknown. What has no value is NaN: TTFT if no
    job finished, say. Raises ValueError if a field is missing or measured_s is not positive.
    """
    _check(jobs, measured_s)
    answers, tuning = (jobs[jobs["kind"] == kind] for kind in (INFERENCE, FINETUNE))
    finished = answers[answers["phase"] == FINISHED]
    ttft_s = finished["ttft_s"]
    tpot_s = finished["tpot_s"][finished["output_tokens"] > 1]
    slo_met = float(np.count_nonzero(jobs["slo_met"][jobs["phase"] == FINISHED]))
    values = {
        "reward_per_job": _mean(jobs["worth"]),
        "slo_attainment": slo_met / len(jobs) if len(jobs) else np.nan,
        "goodput_jobs_per_s": slo_met / measured_s,
        "ttft_mean_s": _mean(ttft_s),
        "ttft_p50_s": _quantile(ttft_s, 0.50),
        "ttft_p95_s": _quantile(ttft_s, 0.95),
        "ttft_p99_s": _quantile(ttft_s, 0.99),
        "tpot_mean_s": _mean(tpot_s),
        "tpot_p95_s": _quantile(tpot_s, 0.95),
        "energy_j_per_job": _mean(jobs["energy_j"]),
        "price_per_job": _mean(jobs["price_usd"]),
        "air_bytes_per_job": _mean(jobs["air_bytes"]),
        "backhaul_bytes_per_job": _mean(jobs["backhaul_bytes"]),
        "exposure_mean": _mean(jobs["exposure_device"]),
        "exposure_site_mean": _mean(jobs["exposure_site"]),
        "quality_mean": _mean(finished["quality"]),
        "rejected_share": _mean(jobs["phase"] == REJECTED),
        "expired_share": _mean(jobs["phase"] == EXPIRED),
        "failed_share": _mean(jobs["phase"] == FAILED),
        "missed_share": _mean(jobs["slo_met"][jobs["deadline_s"] > 0.0] == 0),
        "progress_mean": _mean(tuning["progress"]),
        "steps_per_s": float(np.sum(tuning["done_steps"])) / measured_s if len(tuning) else np.nan,
        "requeued_share": _mean(jobs["retries"] > 0),
        "decision_us_mean": float(decision_us_mean),
        "finished_jobs": float(len(finished)),
        "jobs": float(len(jobs)),
    }
    return {name: values[name] for name in METRIC_NAMES}


def episodes_frame(rows: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """The table of episodes.csv: one row a (policy, seed), columns EPISODE_COLUMNS in order, counts as integers.

    rows: mappings with `policy`, `seed`, all metrics and POLICY_COLUMNS: `kind` and `privileged` as in `eval.summary`, `group` the row of a
    comparison that the policy is part of, its own name if it stands alone. Raises ValueError if one is missing.
    """
    frame = pd.DataFrame(list(rows))
    missing = [name for name in EPISODE_COLUMNS if name not in frame]
    if missing:
        raise ValueError(f"episodes have no {', '.join(missing)}")
    return frame[list(EPISODE_COLUMNS)].astype(
        {"seed": "int64", "jobs": "int64", "finished_jobs": "int64", "privileged": "bool"}
    )


def _check(jobs: np.ndarray, measured_s: float) -> None:
    missing = [name for name in JOB_FIELDS if name not in (jobs.dtype.names or ())]
    if missing:
        raise ValueError(f"jobs has no field {', '.join(missing)}")
    if not measured_s > 0:
        raise ValueError(f"measured_s = {measured_s}: must be positive")


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values, dtype=np.float64)) if len(values) else float("nan")


def _quantile(values: np.ndarray, q: float) -> float:
    return float(np.quantile(values.astype(np.float64), q)) if len(values) else float("nan")


def markdown_table() -> str:
    """The table of docs/metrics.md."""
    head = "| column | unit | better | what | formula |\n|---|---|---|---|---|\n"
    rows = (
        f"| `{m.name}` | {m.unit} | {m.better} | {m.meaning} | `{m.formula.replace('|', chr(92) + '|')}` |\n"
        for m in METRICS
    )
    return head + "".join(rows)


if __name__ == "__main__":
    print(markdown_table(), end="")
