"""A study's checkpoints and the rules on the same unseen seeds; which rule and which run are the best is said by validation seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console

from edge6g_env.scenario import Scenario
from eval import VALIDATION_SEED, evaluation_seeds
from eval.compare import compare_found
from eval.contenders import LoadCheckpoint, Row, find_rows
from eval.episodes import run_policies
from eval.kept import Kept
from eval.limits import METRICS, cost_of
from eval.provenance import Provenance
from eval.result_files import ResultRow, new_row
from eval.statistics import iqm
from eval.summary import Summary
from train.limits import Limit, above
from train.studies.arms import Arm, Cell
from train.studies.cells import Ledger
from train.studies.results import ArmResult, Trained

REWARD = "reward_per_job"
READ = (REWARD, *METRICS.values())

Figures = Mapping[str, Sequence[float]]
"""A metric by name of a policy, one a seed; NaN of an episode in which no job is measured."""


@dataclass(frozen=True)
class Evaluation:
    """What was played. rows: of the comparison, by name; rewards: on the evaluation seeds, by member."""

    best_rule: str
    arms: Sequence[ArmResult]
    rows: Mapping[str, Row]
    rewards: Figures
    summary: Summary


def evaluate(
    scenario: Scenario,
    rules: Sequence[Row],
    arms: Mapping[Arm, Sequence[Cell]],
    episodes: int,
    out: Path,
    compared: str,
    load_checkpoint: LoadCheckpoint,
    command: str,
    console: Console,
) -> Evaluation:
    """Play rules and cells on `episodes` validation seeds, then all of them, and the run that these pick, on as many evaluation seeds.

    compared: folder in `out` for the comparison, replaced if there is one. What was played on validation seeds is kept in `out`.
    """
    groups = {arm: _group(arm, cells, scenario, load_checkpoint) for arm, cells in arms.items()}
    validated = _validated(scenario, [*rules, *groups.values()], episodes, out, console)
    best = max((row.name for row in rules if row.kind == "rule"), key=lambda name: iqm(validated[REWARD][name]))
    trained = {arm: _trained(arms[arm], row, validated, Ledger(out)) for arm, row in groups.items()}
    picked = [
        Row(arm.picked, (replace(groups[arm].members[of.picked], name=arm.picked),)) for arm, of in trained.items()
    ]
    rows = [*rules, *groups.values(), *picked]
    numbers, folder = evaluation_seeds(episodes), out / compared
    summary = compare_found(scenario, rows, numbers, folder, overwrite=True, command=command, console=console)
    played = _played(folder)
    found = []
    for arm, row in groups.items():
        names = [best, *(member.name for member in row.members)]
        whole = _whole([played[REWARD][name] for name in names])
        costs = {cost: cost_of(cost, [played[metric][name] for name in names[1:]]) for cost, metric in METRICS.items()}
        found.append(ArmResult(arm, trained[arm], whole[1:], whole[0], costs))
    return Evaluation(best, found, {row.name: row for row in rows}, played[REWARD], summary)


def _group(arm: Arm, cells: Sequence[Cell], scenario: Scenario, load_checkpoint: LoadCheckpoint) -> Row:
    """The checkpoints of an arm as one policy, called as a pattern calls them: "scorer/seed-0"; of one alone as the arm."""
    words = [f"{cell.name if len(cells) > 1 else arm.name}={cell.folder}" for cell in cells]
    return Row(arm.name, tuple(row.members[0] for row in find_rows(words, scenario, load_checkpoint)))


def _trained(cells: Sequence[Cell], group: Row, validated: Mapping[str, Figures], ledger: Ledger) -> Trained:
    """The cells of an arm with what they did on validation seeds; limits are those of their checkpoints."""
    names = [member.name for member in group.members]
    limits = tuple(Limit(cost, most) for cost, most in group.limits.items())
    means = [{metric: float(np.nanmean(of[name])) for metric, of in validated.items()} for name in names]
    broken = [above(limits, one) for one in means]
    rewards = np.array([validated[REWARD][name] for name in names], float)
    return Trained(cells, [ledger[cell] for cell in cells], limits, rewards, broken)


def _validated(
    scenario: Scenario, rows: Sequence[Row], episodes: int, out: Path, console: Console
) -> dict[str, Figures]:
    """READ of all members on validation seeds, by metric."""
    console.print("on validation seeds, by which the best rule and the run of each arm are picked", highlight=False)
    seeds = [VALIDATION_SEED + n for n in range(episodes)]
    members = [member for row in rows for member in row.members]
    kept = Kept(out, scenario, seeds, {one.name: one.identity for one in members})
    played = run_policies({one.name: one.make for one in members}, scenario, seeds, console, kept)
    return {
        metric: {name: [float(str(row[metric])) for row in of.rows] for name, of in played.items()} for metric in READ
    }


def _played(comparison: Path) -> dict[str, Figures]:
    """READ of a comparison, as it has written them, by metric."""
    episodes = pd.read_csv(comparison / "episodes.csv", dtype=dict.fromkeys(READ, str))
    episodes = episodes.sort_values("seed").astype(
        dict.fromkeys(READ, float)
    )  # to the last digit, unlike pandas' quick reader
    return {metric: {str(name): list(of[metric]) for name, of in episodes.groupby("policy")} for metric in READ}


def _whole(rows: Sequence[Sequence[float]]) -> np.ndarray:
    """Rows as a table, without the seeds in which one has no value."""
    table = np.array(rows, float)
    return table[:, np.isfinite(table).all(axis=0)]


def result_rows(found: Evaluation, made_by: Provenance) -> dict[str, ResultRow]:
    """Rows for a file of results, two an arm: the mean of its training seeds, and the picked run."""
    rows: dict[str, ResultRow] = {}
    for one in found.arms:
        every, picked = list(range(len(one.trained.cells))), one.trained.picked
        folder = one.trained.cells[picked].folder
        for name, place, indices in (
            (one.arm.name, folder.parent / "seed-*", every),
            (one.arm.picked, folder, [picked]),
        ):
            row = found.rows[name]
            played = np.mean([found.rewards[member.name] for member in row.members], axis=0)
            rows[name] = new_row(
                f"{name}={place}",
                row.identity,
                found.summary["policies"][name],
                [float(x) for x in played],
                [float(x) for x in one.trained.validation[indices].mean(axis=0)],
                made_by,
                one.training(made_by["command"], indices),
            )
    return rows
