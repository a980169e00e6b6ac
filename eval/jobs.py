"""The record of every measured job: what `compare` writes to jobs.csv.gz, in names and words.

`python -m eval.jobs` prints its table for docs/metrics.md.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge6g_env.device_split import DRAFT, DeviceSplit
from edge6g_env.kernel.codes import FINETUNE, FINISHED, LOCAL, PHASE_NAMES
from edge6g_env.scenario import Scenario
from edge6g_env.spaces import Layout
from eval.decisions import columns_of, route_names
from eval.files import write_bytes_atomic

JOBS_FILE = "jobs.csv.gz"
COMPRESSION = 3


class JobColumn(NamedTuple):
    """A column of jobs.csv.gz."""

    name: str
    unit: str
    meaning: str


JOB_COLUMNS = (
    JobColumn("policy", "name", "policy that decided, as in `episodes.csv`"),
    JobColumn("seed", "1", "seed of the episode"),
    JobColumn("job", "1", "running number of the job in its episode, by arrival: the same job for every policy"),
    JobColumn("service", "name", "service of the scenario"),
    JobColumn("phase", "word", "how it ended: `finished`, `rejected`, `expired`, `failed`"),
    JobColumn(
        "route", "word", "the last decision: `local`, `neighbour 1`, ..., `cloud`, `reject`; empty: never decided"
    ),
    JobColumn("device_split", "share", "of the layers, on the device, or `draft`; empty where nothing runs"),
    JobColumn("edge_split", "share", "of the rest, at the ingress node; empty where nothing goes elsewhere"),
    JobColumn("precision", "name", "of the weights; empty where nothing runs"),
    JobColumn("model", "name", "model that was decided; empty where nothing runs"),
    JobColumn("arrival_s", "s", "arrival, since the start of the episode"),
    JobColumn("ttft_s", "s", "arrival to first token at the UE; empty: there was none"),
    JobColumn("tpot_s", "s", "per output token after the first; empty: not finished, or one token"),
    JobColumn("end_s", "s", "last token at the UE, or when it ended otherwise, since the start of the episode"),
    JobColumn("slo_met", "0/1", "finished within its objectives"),
    JobColumn("deadline_s", "s", "deadline of its service, since the arrival; empty: it has two objectives"),
    JobColumn("worth", "1", "reward that it brought, all terms"),
    JobColumn("quality", "0 to 1", "quality of the model that ran; empty: not finished"),
    JobColumn("energy_j", "J", "device, radio and accelerators"),
    JobColumn("price_usd", "USD", "tokens, accelerator seconds and bytes"),
    JobColumn("air_bytes", "B", "over the radio, both directions"),
    JobColumn("backhaul_bytes", "B", "between the edge and the cloud"),
    JobColumn("exposure_device", "share", "of its prompt that what left the device gives away"),
    JobColumn("exposure_site", "share", "of its prompt that what reached the cloud gives away"),
    JobColumn("prompt_tokens", "token", "prompt"),
    JobColumn("output_tokens", "token", "output asked for, generated or not"),
    JobColumn("progress", "share", "of the steps of a fine-tuning job that are credited; empty: it is another kind"),
    JobColumn("done_steps", "1", "how many these are; likewise"),
    JobColumn("retries", "1", "how often a fault put it back in its queue"),
    JobColumn("decider", "name", "agent that decided, or in whose queue it ended undecided: `node_0`, ..."),
)
COLUMN_NAMES = tuple(column.name for column in JOB_COLUMNS)
PLAIN = (
    "arrival_s",
    "end_s",
    "worth",
    "energy_j",
    "price_usd",
    "air_bytes",
    "backhaul_bytes",
    "exposure_device",
    "exposure_site",
)
WHOLE = ("job", "slo_met", "prompt_tokens", "output_tokens", "retries")


def jobs_frame(policy: str, seeds: Sequence[int], jobs: np.ndarray, scenario: Scenario) -> pd.DataFrame:
    """The measured jobs of a policy as rows of jobs.csv.gz, by seed in the order given, then by number.

    jobs: (J,) rows of OUTCOME (docs/state.md) whose `world` is the index of the seed, as in `Episodes.jobs`.
    """
    jobs, layout = jobs[np.lexsort((jobs["job"], jobs["world"]))], Layout(scenario)
    columns: dict[str, object] = {
        "policy": _words(np.zeros(len(jobs), int), [policy]),
        "seed": np.asarray(seeds, np.int64)[jobs["world"]],
        "service": _words(jobs["service"], [service.name for service in scenario.service]),
        "phase": _words(jobs["phase"], PHASE_NAMES),
        "ttft_s": np.where(jobs["ttft_s"] < 0.0, np.nan, jobs["ttft_s"]),
        "tpot_s": np.where(jobs["tpot_s"] < 0.0, np.nan, jobs["tpot_s"]),
        "deadline_s": np.where(jobs["deadline_s"] > 0.0, jobs["deadline_s"], np.nan),
        "quality": np.where(jobs["phase"] == FINISHED, jobs["quality"], np.nan),
        **{name: np.where(jobs["kind"] == FINETUNE, jobs[name], np.nan) for name in ("progress", "done_steps")},
        "decider": _words(jobs["agent"], [f"node_{n}" for n in range(scenario.nodes.count)]),
        **_decisions(jobs["action"], layout),
        "model": _models(jobs, layout),
        **{name: jobs[name] for name in PLAIN},
        **{name: jobs[name].astype(np.int64) for name in WHOLE},
    }
    return pd.DataFrame({name: columns[name] for name in COLUMN_NAMES})


def write_jobs(folder: Path | str, frames: Iterable[pd.DataFrame], columns: Sequence[str] = COLUMN_NAMES) -> None:
    """Write jobs.csv.gz, atomically: the rows of all frames, of these columns, under one head. The same rows give the same bytes."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=COMPRESSION, fileobj=buffer, mtime=0) as packed:
        packed.write((",".join(columns) + "\n").encode())
        for frame in frames:
            packed.write(frame.to_csv(index=False, header=False, lineterminator="\n").encode("utf-8"))
    write_bytes_atomic(Path(folder) / JOBS_FILE, buffer.getvalue())


def _decisions(actions: np.ndarray, layout: Layout) -> dict[str, object]:
    """The decision in words and shares, empty where a column means nothing; actions: int64 (J,), -1: none."""
    grid, decided = layout.scenario.actions, np.maximum(actions, 0)
    numbers = {
        column.name: np.where((actions >= 0) & column.means[decided], column.numbers[decided], -1)
        for column in columns_of(layout)
    }
    return {
        "route": _words(np.where(actions >= 0, layout.action_table[decided, 0], -1), route_names(layout)),
        "device_split": _shares(numbers["device_split"], grid.device_split),
        "edge_split": _shares(numbers["edge_split"], grid.edge_split),
        "precision": _words(numbers["precision"], [str(name) for name in grid.precision]),
    }


def _models(jobs: np.ndarray, layout: Layout) -> object:
    """The model that was decided for each job, empty where nothing runs."""
    scenario = layout.scenario
    names, runs = scenario.models, layout.action_table[np.maximum(jobs["action"], 0), 0] >= LOCAL
    numbers = np.full((len(scenario.service), scenario.most_models), -1)
    for s, service in enumerate(scenario.service):
        numbers[s, : len(service.family)] = [names.index(model) for model in service.family]
    return _words(np.where(runs & (jobs["model"] >= 0), numbers[jobs["service"], jobs["model"]], -1), names)


def _words(numbers: NDArray[np.int64], words: Sequence[str]) -> object:
    """The word of each number, a pd.Categorical; -1 is empty."""
    return pd.Categorical.from_codes(numbers, categories=pd.Index(list(words)))


def _shares(numbers: np.ndarray, grid: Sequence[DeviceSplit]) -> np.ndarray:
    """The share, or the word, of each number; NaN, which is empty in the file, for -1."""
    return np.array([*grid, np.nan], object if DRAFT in grid else np.float64)[numbers]


def markdown_table() -> str:
    """The table of docs/metrics.md."""
    rows = (f"| `{column.name}` | {column.unit} | {column.meaning} |\n" for column in JOB_COLUMNS)
    return "| column | unit | what |\n|---|---|---|\n" + "".join(rows)


if __name__ == "__main__":
    print(markdown_table(), end="")
