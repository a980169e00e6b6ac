"""One training run: its folder, its learner, its end. Whatever ends it, the folder holds a checkpoint that `resume` goes on from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from stable_baselines3.common.callbacks import CallbackList
from stable_baselines3.common.logger import Logger

from agents.values import ALL_ROWS, checked_rows
from edge6g_env._bars import Bars, Notes
from edge6g_env.errors import UserError
from eval.files import (
    RUN_FILE,
    begin_run,
    kind_of_run,
    numbered,
    only_owner,
    read_object,
    write_json_atomic,
)
from eval.provenance import SCENARIO_FILE, provenance, write_scenario
from eval.stopping import Interrupts, interrupts_end_in_order
from train import checkpoint, learning_curve
from train.callbacks import TimeBudget, Watch
from train.curves import BEST_RULE, TensorBoardCurves
from train.learner import Learner
from train.learning_curve import LearningCurve
from train.seeds import VALIDATION_SEED
from train.setup import Setup
from train.trainers import TRAINERS, Trainer
from train.validation import LEAST_AND_MOST, RULES_FILE, Players, Validations, episodes_of, told
from train.worlds import check_layout_stays

ALGORITHMS = tuple(TRAINERS)
# Algorithms that step a number of worlds together; the others play whole episodes, as many as their settings say.
STEPS = ("ppo", "mappo")
VALIDATION_EPISODES = {algo: (8, 8) if algo in STEPS else LEAST_AND_MOST for algo in TRAINERS}  # least and most
KIND = "train"
MAKES = (
    checkpoint.RECORD,  # first: without it the rest is no checkpoint
    checkpoint.POLICY,
    checkpoint.TRAINER,
    learning_curve.TABLE,
    learning_curve.PICTURE,
    BEST_RULE,
)


class TrainingError(UserError):
    """A training run that cannot start as asked; the message says what would be right."""


def train(
    setup: Setup,
    out: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    command: str = "",
    console: Console | None = None,
) -> None:
    """Train as `setup` says and leave the checkpoint that did best on the validation seeds in `out`.

    resume: go on with the run in `out`, its seed included, until it has had the setup's minutes or decisions in all; command: the line that
    does this again. Raises TrainingError, CheckpointError, RunFolderError, SeedError, StageError, WorkersError, or what the environment
    raises for worlds and threads, and leaves `out` as it was; KeyboardInterrupt for Ctrl-C and its subclass Terminated for SIGTERM, both
    with the checkpoint kept.
    """
    out, console = Path(out), console or Console(stderr=True)
    check(setup)
    if resume and not out.is_dir():
        raise checkpoint.CheckpointError(f"{out} holds no checkpoint: there is no such folder")
    # The networks are too small for a second thread to help; with another busy process two are many times slower than one.
    torch.set_num_threads(1)
    asked = {name: getattr(setup, name) for name in ("algo", "seed", "minutes", "decisions", "num_worlds", "threads")}
    asked |= {"workers": setup.workers, "ray_address": setup.ray_address}
    record: dict[str, Any] = {
        **provenance(command, setup.scenarios[0]),
        **asked,
        "settings": dict(setup.settings),
        "limits": setup.limits_by_cost,
        "varied": {one.key: one.range for one in setup.varied},
    }
    with interrupts_end_in_order() as interrupts, only_owner(out):
        goes_on = resume and _begun(out)
        if goes_on:
            setup = _resumed(out, setup)
        learner = Learner(setup)
        if goes_on:
            learner.load(out)
            _note_resume(out, record)
        else:
            scenarios, rules = (numbered(name, len(setup.scenarios)) for name in (SCENARIO_FILE, RULES_FILE))
            made = [*MAKES, *scenarios, *rules, *_earlier_curves(out)]
            begin_run(out, KIND, made, record, overwrite=overwrite or resume)
            for file, scenario in zip(scenarios, setup.scenarios, strict=True):
                write_scenario(scenario, out, file)
        _remove_leavings(out)
        _learn(learner, out, interrupts, console)


def check_algorithm(name: str) -> type[Trainer]:
    """What is particular to an algorithm; TrainingError if there is none of that name."""
    if name not in TRAINERS:
        raise TrainingError(f"no algorithm {name!r}: there are {', '.join(ALGORITHMS)}")
    return TRAINERS[name]


def check(setup: Setup) -> None:
    """Raise TrainingError for a setup that no run can have, whatever its folder holds."""
    check_algorithm(setup.algo)
    others = ", ".join(algo for algo in ALGORITHMS if algo not in STEPS)
    if (setup.minutes is None) == (setup.decisions is None):
        raise TrainingError("a run has a budget of --minutes or of --decisions: give one of them")
    if setup.minutes is not None and not setup.minutes > 0.0:
        raise TrainingError(f"minutes must be above 0, they are {setup.minutes:g}")
    if setup.decisions is not None and setup.decisions < 1:
        raise TrainingError(f"decisions must be at least 1, they are {setup.decisions}")
    if setup.num_worlds is not None and setup.algo not in STEPS:
        raise TrainingError(
            f"--num-worlds is for {', '.join(STEPS)}: {setup.algo} plays whole episodes, --with says how many"
        )
    if len(setup.scenarios) > 1 and setup.algo in STEPS:
        raise TrainingError(
            f"--scenario with several names: {setup.algo} learns in one scenario, {others} take several"
        )
    if setup.algo in STEPS:
        learns = f"{setup.algo} learns where agents, entries and actions stay the same, {others} wherever they act"
        check_layout_stays(setup.scenarios[0], setup.varied, learns)
    if setup.limits and setup.algo in STEPS:
        raise TrainingError(f"--limit: {setup.algo} keeps no limits, {others} do")
    if (setup.workers > 1 or setup.ray_address is not None) and setup.algo in STEPS:
        which = "--workers" if setup.workers > 1 else "--ray-address"
        raise TrainingError(f"{which}: {setup.algo} steps its worlds in one process, {others} take workers")


def _begun(out: Path) -> bool:
    """Whether a resume finds a checkpoint, or a part of one, which is then refused; a run that was killed before its first begins anew."""
    parts = (checkpoint.RECORD, checkpoint.TRAINER, checkpoint.POLICY)
    return any((out / name).exists() for name in parts) or kind_of_run(out) != KIND


def _resumed(out: Path, setup: Setup) -> Setup:
    """The setup with the seed of the run in `out`, if that can go on; CheckpointError, TrainingError or TextError if not."""
    record = checkpoint.read_record(out)
    checkpoint.check_same_scenarios(out, record, setup.scenarios, setup.varied)
    if record["algo"] != setup.algo:
        raise TrainingError(f"{out} holds a run of {record['algo']}: --algo {setup.algo} cannot go on with it")
    for name, value in setup.settings.items():
        if record["settings"].get(name) != value:
            raise TrainingError(
                f"{out} was trained with {name}={record['settings'].get(name)}: --with {name}={value} cannot go on with it"
            )
    if setup.limits_by_cost != record["limits"]:
        raise TrainingError(
            f"{out} was trained with the limits {record['limits'] or 'none'}: --limit must say the same"
        )
    progress = checkpoint.read_progress(out)
    validated = LearningCurve(out, "", progress.decisions).last_decisions == progress.decisions
    if validated and setup.minutes is not None and progress.minutes >= setup.minutes:
        raise TrainingError(
            f"nothing left to do: {out} has been trained for {progress.minutes:.2f} minutes, --minutes {setup.minutes:g} is the time in all"
        )
    if validated and setup.decisions is not None and progress.decisions >= setup.decisions:
        raise TrainingError(
            f"nothing left to do: {out} has taken {progress.decisions:,} decisions, --decisions {setup.decisions} are those in all"
        )
    return replace(
        setup,
        seed=int(record["seed"]),
        settings=_changed(record["settings"], setup.algo),
        rows=checked_rows(record["layout"].get("rows", ALL_ROWS)),
    )


def _changed(settings: Mapping[str, Any], algo: str) -> dict[str, Any]:
    """Settings of a record that are not the defaults."""
    defaults = TRAINERS[algo].defaults
    return {name: value for name, value in settings.items() if name in defaults and value != defaults[name]}


def _note_resume(out: Path, record: dict[str, Any]) -> None:
    """Add this command to the run's run.json."""
    run = {"kind": KIND, **read_object(out / RUN_FILE)}
    write_json_atomic({**run, "resumed": [*run.get("resumed", []), record]}, out / RUN_FILE)


def _earlier_curves(out: Path) -> list[str]:
    """TensorBoard folders of an earlier run, whatever its algorithm and seed were."""
    return [path.name for algo in ALGORITHMS for path in out.glob(f"{algo}-s*") if any(path.glob("events.*"))]


def _remove_leavings(out: Path) -> None:
    """Remove the temporary files of writes that were killed."""
    for path in out.glob(".*.tmp"):
        path.unlink(missing_ok=True)


def _learn(learner: Learner, out: Path, interrupts: Interrupts, console: Console) -> None:
    """Learn until the budget is spent in all, and say what came out."""
    setup = learner.setup
    board = TensorBoardCurves(out, setup.algo, setup.seed)
    learner.model.set_logger(Logger(None, [board]))
    seeds = [VALIDATION_SEED + n for n in range(episodes_of(setup.scenarios, *VALIDATION_EPISODES[setup.algo]))]
    validation = Validations(setup.scenarios, seeds, Players(getattr(learner.model, "pool", None), setup.threads))
    try:
        _keep_learning(learner, validation, board, out, interrupts, console)
    finally:
        board.close()
        learner.close()
    best = "" if learner.best is None else f"; best on the validation seeds: {told(learner.best, validation.best_rule)}"
    decisions = f"{learner.model.num_timesteps:,} decisions"
    console.print(f"{decisions}{best}; checkpoint in {out}", soft_wrap=True, highlight=False)
    if unreached := getattr(learner.model, "unreached", []):
        console.print(
            f"stage {' and '.join(unreached)} had no batch: those of the stages before took all {decisions}; give a larger budget, or "
            f"smaller batches (--with episodes, population, seeds) or shares (--with stage_a)",
            soft_wrap=True,
            highlight=False,
        )


def _keep_learning(
    learner: Learner,
    validation: Validations,
    board: TensorBoardCurves,
    out: Path,
    interrupts: Interrupts,
    console: Console,
) -> None:
    """Learn with a bar; an interrupt ends it early, with the checkpoint kept."""
    earlier, setup = learner.progress_at_begin, learner.setup
    curve = LearningCurve(out, f"{setup.algo} on {learner.facts['trained_on']}", earlier.decisions)
    with Bars(console) as bars:
        task = bars.add_task(f"train {setup.algo}", total=1.0, rate="", note="the rules first")
        budget = TimeBudget(setup, 60.0 * earlier.minutes, interrupts, bars, task)
        watch = Watch(learner, validation, out, budget, curve, board, Notes(console, bars, task))
        learner.save(out, budget.spent_s, policy=learner.best is None)  # a kill from here on leaves this
        try:
            more = max(0, setup.most_decisions - earlier.decisions)
            learner.model.learn(more, callback=CallbackList([budget, watch]), reset_num_timesteps=False)
        except KeyboardInterrupt:
            learner.forget_unlearned()
            learner.save(out, budget.spent_s, policy=learner.best is None)
            board.flush()
            console.print(f"stopped: the checkpoint is in {out}, --resume goes on with it", soft_wrap=True)
            raise
        learner.save(out, budget.spent_s, policy=False)
