"""`edge6g study`: an algorithm trained on several seeds, and what that says of it, with intervals and learning curves."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from edge6g_env.errors import Caution
from edge6g_env.scenario import Scenario
from eval import evaluation_seeds
from eval.compare import tensorboard_command
from eval.contenders import LoadCheckpoint, Row, find_rows
from eval.files import RUN_FILE, begin_run, only_owner, read_object, write_json_atomic, write_text_atomic
from eval.interrupted import FINISHED, end_run
from eval.kept import FOLDER as PLAYED
from eval.provenance import SCENARIO_FILE, Provenance, provenance, write_scenario
from eval.report.numbers import room_in_words
from eval.result_files import check_keep, shipped
from eval.result_files import keep as keep_rows
from eval.stopping import interrupts_end_in_order
from train.studies import curves
from train.studies.arms import Arm, Budget, Cell, StudyError
from train.studies.cells import LEDGER, Command, read_curve, train_cells
from train.studies.evaluation import Evaluation, evaluate, result_rows
from train.studies.report import console_table, page, sentences
from train.studies.results import NOTE, difference
from train.validation import shown_rules

KIND, RECORD, PAGE, COMPARED = "study", "study.json", "report.md", "compare"
FEWEST_SEEDS = 2
MAKES = (
    SCENARIO_FILE, LEDGER, RECORD, PAGE, COMPARED, PLAYED, curves.TABLE, curves.PICTURE, curves.BOARD,
)  # fmt: skip
COMPANY = ("tuned", "static", "greedy")  # rules that stand beside the best one where nothing else is asked for


@dataclass(frozen=True)
class Design:
    """What a study is of.

    seeds: training seeds; rules: words of `--policies` that name rules, none: the best one that is known, and COMPANY; episodes: evaluation
    seeds, and validation seeds by which rule and run are chosen; jobs: cells at a time.
    """

    arms: Sequence[Arm]
    seeds: Sequence[int]
    budget: Budget
    rules: Sequence[str] = ()
    episodes: int = 20
    jobs: int = 1

    def cells(self, out: Path) -> list[Cell]:
        """Seed by seed, so that a study that ends early has as many of each arm."""
        return [Cell(arm, seed, out) for seed in self.seeds for arm in self.arms]


def study(
    scenario: Scenario,
    design: Design,
    out: Path,
    *,
    command: str,
    train_command: Command,
    load_checkpoint: LoadCheckpoint,
    overwrite: bool = False,
    keep: Path | None = None,
    console: Console | None = None,
) -> dict[str, Any]:
    """Train every cell in `out`, play the policies and the rules on the same unseen seeds, and write what came out; returns study.json.

    A study in `out` goes on: cells that are trained stay, and arms, training seeds, rules and evaluation seeds may be added.
    train_command: see `study_cells`; keep: as of `eval.compare.compare`, of the arms only, if no cell failed. Raises StudyError,
    RunFolderError, ResultsError and what `find_rows` raises before anything is trained; StudyError if no cell of any arm was trained;
    KeyboardInterrupt for Ctrl-C and its subclass Terminated for SIGTERM, with all cells ended and their checkpoints kept.
    """
    out, console = Path(out), console or Console(stderr=True)
    rules = _rules(design, scenario, load_checkpoint)
    _check(design, rules)
    if keep is not None:
        names = [name for arm in design.arms for name in (arm.name, arm.picked)]
        check_keep(keep, scenario, evaluation_seeds(design.episodes), names)
    made_by = provenance(command, scenario)
    with interrupts_end_in_order() as interrupts, only_owner(out):
        _begin(out, design, made_by, overwrite)
        write_scenario(scenario, out)
        try:
            cells = design.cells(out)
            failed = train_cells(cells, design.budget, design.jobs, train_command, interrupts, console)
            arms = _trained(design, cells, failed)
            _curves(arms, f"{scenario.label}, {design.budget} a training seed", out)
            found = evaluate(scenario, rules, arms, design.episodes, out, COMPARED, load_checkpoint, command, console)
            record = _write(out, design, found, made_by, failed)
        except KeyboardInterrupt:
            console.print("stopped: the same command goes on with the rest", highlight=False)
            raise
        if not failed:
            end_run(out, [PLAYED])
            if keep is not None:
                keep_rows(keep, scenario, result_rows(found, made_by))
    return record


def _trained(design: Design, cells: Sequence[Cell], failed: Mapping[str, str]) -> dict[Arm, list[Cell]]:
    """The cells of each arm that were trained; StudyError if there are none."""
    found = {arm: [cell for cell in cells if cell.arm == arm and cell.name not in failed] for arm in design.arms}
    found = {arm: of for arm, of in found.items() if of}
    if not found:
        name, why = next(iter(failed.items()))
        raise StudyError(f"no cell was trained; {name}: {why}")
    return found


def _rules(design: Design, scenario: Scenario, load_checkpoint: LoadCheckpoint) -> list[Row]:
    """Rows of what is asked for, rules or code of one's own, and of the rule that is known to be the best; COMPANY without any rule."""
    known = shipped(scenario)
    best = [known.best_rule] if known and known.best_rule else []
    company = [rule for rule in shown_rules(scenario) if rule in COMPANY or not best]
    rows = find_rows(design.rules, scenario, load_checkpoint, own_code=True) if design.rules else []
    if others := [row.name for row in rows if row.kind not in ("rule", "own")]:
        raise StudyError(
            f"--rules takes rules and code of one's own, {others[0]} is neither: `edge6g compare` sets anything against checkpoints"
        )
    wanted = best if any(row.kind == "rule" for row in rows) else [*company, *best]
    more = [rule for rule in dict.fromkeys(wanted) if rule not in design.rules]
    return [*rows, *find_rows(more, scenario, load_checkpoint)] if more else rows


def _check(design: Design, rules: Sequence[Row]) -> None:
    if len(set(design.seeds)) < FEWEST_SEEDS:
        raise StudyError(
            f"a study takes {FEWEST_SEEDS} training seeds or more, here are {len(set(design.seeds))}: `edge6g train` trains one"
        )
    taken = {name for arm in design.arms for name in (arm.name, arm.picked)}
    for row in rules:
        if row.name in taken:
            raise StudyError(f"{row.name} names an arm and a rule, or two rules")
        taken.add(row.name)
    cores = os.cpu_count() or 1
    if design.jobs > cores:
        warnings.warn(
            Caution(
                f"--jobs {design.jobs} are more than the {cores} cores here: cells wait for each other, and learn less in their minutes"
            ),
            stacklevel=2,
        )


def _begin(out: Path, design: Design, made_by: Provenance, overwrite: bool) -> None:
    """Make `out` the folder of this study, or go on with that which is there; StudyError if it is another one."""
    arms = {arm.name: list(arm.options) for arm in design.arms}
    record = {
        **made_by,
        "arms": arms,
        "budget": str(design.budget),
        "training_seeds": list(design.seeds),
        "rules": list(design.rules),
        "episodes": design.episodes,
    }
    earlier = read_object(out / RUN_FILE)
    if earlier.get("kind") != KIND or overwrite:
        folders = [*earlier.get("arms", ()), *arms] if earlier.get("kind") == KIND else []
        begin_run(out, KIND, [*MAKES, *folders], {**record, FINISHED: False}, overwrite=overwrite)
        return
    if problem := _differs(earlier, record):
        raise StudyError(f"{out} holds another study, {problem}: choose another --out, or replace it with --overwrite")
    record["arms"] = {**earlier["arms"], **arms}
    write_json_atomic({"kind": KIND, **record, FINISHED: False}, out / RUN_FILE)


def _differs(earlier: Mapping[str, Any], record: Mapping[str, Any]) -> str | None:
    """How a study differs from that of a folder, None if it can go on with it."""
    if missing := [key for key in record if key not in earlier]:
        return f"of another version of edge6g, whose {RUN_FILE} has no {missing[0]}"
    if earlier["fingerprint"] != record["fingerprint"]:
        same = earlier["scenario"] == record["scenario"]
        return f"on {earlier['scenario']}{' with other values' if same else ''}"
    if earlier["budget"] != record["budget"]:
        return f"of {earlier['budget']} a cell, not {record['budget']}"
    for name, options in record["arms"].items():
        if options != earlier["arms"].get(name, options):
            return f"whose {name} is {' '.join(earlier['arms'][name])}"
    if left := set(earlier["training_seeds"]) - set(record["training_seeds"]):
        return f"with training seed {min(left)}, too (--seeds may be more, not fewer)"
    return None


def _curves(arms: Mapping[Arm, Sequence[Cell]], title: str, out: Path) -> None:
    drawn = {arm.name: curves.curve_of([read_curve(cell) for cell in cells]) for arm, cells in arms.items()}
    curves.write_curves(out, title, {name: curve for name, curve in drawn.items() if curve is not None})


def _write(
    out: Path, design: Design, found: Evaluation, made_by: Provenance, failed: Mapping[str, str]
) -> dict[str, Any]:
    """study.json, which is returned, and report.md."""
    first, *others = found.arms
    record: dict[str, Any] = {
        **made_by,
        "note": NOTE,
        "budget": str(design.budget),
        "training_seeds": list(design.seeds),
        "episodes": design.episodes,
        "best_rule": {
            "name": found.best_rule,
            "validation_seeds": design.episodes,
            "reward_per_job": found.summary["policies"][found.best_rule]["metrics"]["reward_per_job"],
        },
        "room": room_in_words(found.summary),
        "arms": {one.arm.name: one.record(found.summary) for one in found.arms},
        "differences": {one.arm.name: {"to": first.arm.name, **difference(one, first)} for one in others},
        "failed": dict(failed),
    }
    write_json_atomic(record, out / RECORD)
    write_text_atomic(out / PAGE, page(record))
    return record


def show(record: Mapping[str, Any], out: Path, console: Console) -> None:
    """Print the table of a study, and where the rest of it is."""
    console.print(console_table(record))
    console.print()
    for sentence in sentences(record):
        console.print(sentence, highlight=False, markup=False, emoji=False, soft_wrap=True)
    for what, place in (
        ("Report", f"{out / PAGE}, {out / COMPARED / 'report.html'}"),
        ("Curves", f"{out / curves.PICTURE}, {curves.TABLE}"),
        ("Summary", str(out / RECORD)),
        ("TensorBoard", tensorboard_command(out)),
    ):
        console.print(f"{what + ':':13}{place}", soft_wrap=True, highlight=False, markup=False, emoji=False)
