"""TensorBoard files: one run a policy, so that all policies stand in one chart a metric."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams as hparams_summaries

from eval.metrics import METRIC_NAMES
from eval.statistics import Summary

FOLDER = "tensorboard"
HPARAM_METRICS = ("reward_per_job", "slo_attainment", "ttft_p95_s", "price_per_job")

HParam = bool | str | float | int


def run_folder(out_dir: Path | str, policy: str) -> Path:
    """Run folder of a policy: its name, with a dash for what a folder's name cannot have (`runs/x`: `runs-x`)."""
    return Path(out_dir) / FOLDER / (re.sub(r"[^\w.+=-]+", "-", policy).strip("-.") or "policy")


def write_comparison(
    out_dir: Path | str, episodes: pd.DataFrame, summary: Summary, hparams: Mapping[str, Mapping[str, HParam]]
) -> None:
    """Write one run a policy under `out_dir`/tensorboard.

    Tags: `episode/<metric>`, step = index of the seed; `compare/<metric>_iqm`, drawn as a line over the same steps;
    hyperparameters beside the IQM of HPARAM_METRICS. hparams: policy -> name -> value; what a policy leaves out stays
    empty. NaN is skipped. Raises ValueError if two policies would share a folder.
    """
    step_of = {seed: step for step, seed in enumerate(summary["seeds"])}
    folders = {name: run_folder(out_dir, name) for name in summary["policies"]}
    if len(set(folders.values())) < len(folders):
        raise ValueError(f"policies share a run folder: {sorted(folders)}")
    for name, folder in folders.items():
        with SummaryWriter(log_dir=str(folder)) as writer:
            _write_episodes(writer, episodes[episodes["policy"] == name], step_of)
            _write_iqms(writer, summary, name, last_step=len(step_of) - 1)
            _write_hparams(writer, summary, name, hparams.get(name, {}))


def _write_episodes(writer: SummaryWriter, episodes: pd.DataFrame, step_of: Mapping[int, int]) -> None:
    for row in episodes.sort_values("seed").to_dict("records"):
        for metric in METRIC_NAMES:
            if pd.notna(row[metric]):
                writer.add_scalar(f"episode/{metric}", row[metric], step_of[row["seed"]])


def _write_iqms(writer: SummaryWriter, summary: Summary, policy: str, last_step: int) -> None:
    for metric, estimate in summary["policies"][policy]["metrics"].items():
        if estimate["iqm"] is not None:
            for step in sorted({0, last_step}):  # two points make a line, which can be seen; one is a dot
                writer.add_scalar(f"compare/{metric}_iqm", estimate["iqm"], step)


def _write_hparams(writer: SummaryWriter, summary: Summary, policy: str, values: Mapping[str, HParam]) -> None:
    """As SummaryWriter.add_hparams, but into the run itself: that method adds a sub-run named by the time."""
    shown = {"policy": policy, "kind": summary["policies"][policy]["kind"], **values}
    metrics = {f"compare/{name}_iqm": 0.0 for name in HPARAM_METRICS}  # names only: the values are the scalars above
    for record in hparams_summaries(shown, metrics):
        writer._get_file_writer().add_summary(record)
