"""`edge6g compare`: several policies on the same seeds, as CSV, JSON, chart, page and TensorBoard runs."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
from rich.console import Console

from agents.policy import MakePolicy, Policy, UnknownPolicyError, check_rule, make_rule, rule_names
from edge6g_env.errors import UserError
from edge6g_env.scenario import Scenario
from edge6g_env.spaces import Layout
from eval import EVALUATION_SEED
from eval.episodes import run_policies
from eval.files import begin_run, write_csv_atomic, write_json_atomic
from eval.metrics import episodes_frame
from eval.statistics import Summary, summarise

MAKES = ("episodes.csv", "summary.json", "comparison.png", "report.html", "tensorboard")

LoadCheckpoint = Callable[[Path, Scenario], Policy]
"""Loads the policy of a checkpoint folder for a scenario; ValueError if it is of another one or cannot be read."""


class PolicyListError(UserError):
    """A list of policies that cannot be compared."""


@dataclass(frozen=True)
class Contender:
    """A policy by its name in the results: a rule's name, or the folder of a checkpoint as it was given."""

    name: str
    learned: bool
    make: MakePolicy


def compare(
    scenario: Scenario,
    policies: Sequence[str],
    seeds: int,
    out: Path,
    *,
    seed: int = 0,
    overwrite: bool = False,
    load_checkpoint: LoadCheckpoint,
    command: str = "",
    console: Console | None = None,
) -> Summary:
    """Play `policies` on the evaluation seeds EVALUATION_SEED + seed + 0..seeds-1 and write what came out to `out`.

    policies: names of rules, and folders of checkpoints for `load_checkpoint`; command: the line that makes the
    comparison again; console: for the progress bars. Raises UnknownPolicyError, PolicyListError, RunFolderError and
    what `load_checkpoint` raises, all before anything is played.
    """
    contenders = find_policies(policies, scenario, load_checkpoint)
    numbers = evaluation_seeds(seeds, seed)
    record = {
        "command": command,
        "scenario": scenario.id,
        "fingerprint": scenario.fingerprint,
        "policies": [c.name for c in contenders],
        "seeds": numbers,
    }
    begin_run(out, "compare", MAKES, record, overwrite=overwrite)
    played = run_policies({c.name: c.make for c in contenders}, scenario, numbers, console or Console(stderr=True))
    episodes = episodes_frame(row for one in played.values() for row in one.rows)
    summary = summarise(
        episodes, [c.name for c in contenders if not c.learned], [c.name for c in contenders if c.learned]
    )
    _write(out, episodes, summary, scenario, contenders, command)
    return summary


def evaluation_seeds(seeds: int, seed: int = 0) -> list[int]:
    """The seeds of an evaluation; no training sees them."""
    return [EVALUATION_SEED + seed + index for index in range(seeds)]


def find_policies(names: Sequence[str], scenario: Scenario, load_checkpoint: LoadCheckpoint) -> list[Contender]:
    """Each name as a rule or, if it is no rule's, as the folder of a checkpoint, which is loaded at once.

    Raises UnknownPolicyError for what is neither, PolicyListError for an empty list or one with the same policy twice.
    """
    plain = [name.rstrip("/") if len(name) > 1 else name for name in names]
    if not plain:
        raise PolicyListError(f"no policies to compare: the rules are {', '.join(rule_names())}")
    twice = sorted({name for name in plain if plain.count(name) > 1})
    if twice:
        raise PolicyListError(f"policy {twice[0]} is named twice")
    contenders = [_find(name, scenario, load_checkpoint) for name in plain]
    _check_folders(contenders)
    return contenders


def _find(name: str, scenario: Scenario, load_checkpoint: LoadCheckpoint) -> Contender:
    is_path = os.sep in name or Path(name).exists()
    if is_path and name not in rule_names():
        if not Path(name).is_dir():
            raise UnknownPolicyError(f"no policy {name!r}: there is no such folder with a checkpoint")
        policy = load_checkpoint(Path(name), scenario)
        return Contender(name, True, lambda layout: policy)
    check_rule(name)
    return Contender(name, False, partial(make_rule, name))


def _check_folders(contenders: Sequence[Contender]) -> None:
    """Policies of different names may not share a TensorBoard folder; rules never do."""
    if not any(contender.learned for contender in contenders):
        return
    from eval.tensorboard import run_folder  # imports torch

    folders = [run_folder("", contender.name) for contender in contenders]
    for contender, folder in zip(contenders, folders, strict=True):
        if folders.count(folder) > 1:
            raise PolicyListError(f"policy {contender.name} and another would both be {folder.name} in TensorBoard")


def _write(
    out: Path,
    episodes: pd.DataFrame,
    summary: Summary,
    scenario: Scenario,
    contenders: Sequence[Contender],
    command: str,
) -> None:
    from eval.report import write_report  # matplotlib and torch take seconds to import: errors come before
    from eval.tensorboard import write_comparison

    write_csv_atomic(episodes, out / "episodes.csv")
    write_json_atomic(summary, out / "summary.json")
    write_report(out, episodes, summary, scenario.name, command)
    layout = Layout(scenario)
    hparams = {c.name: {"scenario": scenario.id, **_hparams(c, layout)} for c in contenders}
    write_comparison(out, episodes, summary, hparams)


def _hparams(contender: Contender, layout: Layout) -> Mapping[str, bool | str | float | int]:
    """What a learned policy says of itself in its `hparams`, if it has any."""
    return getattr(contender.make(layout), "hparams", {}) if contender.learned else {}


def show(summary: Summary, out: Path, console: Console) -> None:
    """Print the table of a comparison, and where the rest of it is."""
    from eval.report import console_table

    console.print(console_table(summary))
    console.print()
    places = {
        "Report": str(out / "report.html"),
        "Episodes": str(out / "episodes.csv"),
        "Summary": str(out / "summary.json"),
        "TensorBoard": tensorboard_command(out),
    }
    for what, place in places.items():
        console.print(f"{what + ':':13}{place}", soft_wrap=True, highlight=False, markup=False)


def tensorboard_command(out: Path) -> str:
    """The line that opens TensorBoard on a run, with the program that belongs to this Python."""
    program = Path(sys.executable).with_name("tensorboard")
    if shutil.which("tensorboard") == str(program) or not program.exists():
        name = "tensorboard"
    else:
        name = os.path.relpath(program)
    return f"{name} --logdir {out / 'tensorboard'}"
