"""One training run: its folder, its learner, its end. Whatever ends it, the folder holds a checkpoint that `resume` goes on from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from stable_baselines3.common.callbacks import CallbackList
from stable_baselines3.common.logger import Logger

from agents.values import has_values, rules_with_values
from edge6g_env._bars import Bars, Notes
from edge6g_env.errors import UserError
from edge6g_env.scenario import Scenario
from eval.files import (
    RUN_FILE,
    begin_run,
    kind_of_run,
    only_owner,
    read_object,
    write_json_atomic,
    write_text_atomic,
)
from eval.provenance import SCENARIO_FILE, provenance
from train import checkpoint, learning_curve, search
from train.callbacks import TimeBudget, Watch, WatchGenerations
from train.curves import BEST_RULE, TensorBoardCurves
from train.learner import Learner
from train.learning_curve import LearningCurve
from train.seeds import VALIDATION_SEED
from train.stopping import Interrupts, interrupts_end_in_order
from train.trainers import TRAINERS
from train.validation import RULES_FILE, Validation, told

ALGORITHMS = tuple(TRAINERS)
DEFAULT_WORLDS = {"scorer": 32, "ppo": 16, "search": search.EPISODES * search.SETTINGS["population"]}
SHOWN_RULES = ("tuned", "static", "restricted", "greedy", "jsq", "local", "cloud", "random")
VALIDATION_EPISODES = 8
SEARCH_VALIDATION_EPISODES = 16  # in the kernel they cost little
KIND = "train"
MAKES = (
    checkpoint.RECORD,  # first: without it the rest is no checkpoint
    checkpoint.POLICY,
    checkpoint.TRAINER,
    SCENARIO_FILE,
    RULES_FILE,
    learning_curve.TABLE,
    learning_curve.PICTURE,
    BEST_RULE,
)


class TrainingError(UserError):
    """A training run that cannot start as asked; the message says what would be right."""


def train(
    scenario: Scenario,
    algo: str,
    minutes: float,
    seed: int,
    out: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    num_worlds: int | None = None,
    threads: int = 1,
    command: str = "",
    console: Console | None = None,
) -> None:
    """Train `algo` for so many minutes and leave the checkpoint that did best on the validation seeds in `out`.

    resume: go on with the run in `out`, its seed included, until it has had `minutes` in all; command: the line that does this again.
    Raises TrainingError, CheckpointError, RunFolderError, SeedError, or what the environment raises for num_worlds and threads, and
    leaves `out` as it was; KeyboardInterrupt for Ctrl-C and its subclass Terminated for SIGTERM, both with the checkpoint kept.
    """
    out, console = Path(out), console or Console(stderr=True)
    _check(algo, minutes, out, resume, num_worlds)
    # The networks are too small for a second thread to help; with another busy process two are many times slower than one.
    torch.set_num_threads(1)
    worlds = num_worlds if num_worlds is not None else DEFAULT_WORLDS[algo]
    asked = {"minutes": minutes, "num_worlds": worlds, "threads": threads}
    record: dict[str, Any] = {**provenance(command, scenario), "algo": algo, "seed": seed, **asked}
    with interrupts_end_in_order() as interrupts, only_owner(out):
        goes_on = resume and _begun(out)
        seed = _resumed_seed(out, scenario, algo, minutes) if goes_on else seed
        learner = Learner(scenario, algo, seed, worlds, threads)
        if goes_on:
            learner.load(out)
            _note_resume(out, record)
        else:
            begin_run(out, KIND, [*MAKES, *_earlier_curves(out)], record, overwrite=overwrite or resume)
            write_text_atomic(out / SCENARIO_FILE, scenario.to_toml())
        _remove_leavings(out)
        _learn(learner, out, 60.0 * minutes, interrupts, console)


def shown_rules(scenario: Scenario) -> list[str]:
    """The rules that a learning curve is compared with; those with values where there are some for the scenario."""
    return [rule for rule in SHOWN_RULES if rule not in rules_with_values() or has_values(rule, scenario)]


def _check(algo: str, minutes: float, out: Path, resume: bool, num_worlds: int | None) -> None:
    if algo not in ALGORITHMS:
        raise TrainingError(f"no algorithm {algo!r}: there are {', '.join(ALGORITHMS)}")
    if not minutes > 0.0:
        raise TrainingError(f"minutes must be above 0, they are {minutes:g}")
    population = search.SETTINGS["population"]
    if algo == "search" and num_worlds is not None and (num_worlds < population or num_worlds % population):
        raise TrainingError(
            f"--num-worlds {num_worlds}: a search plays {population} candidates on the same seeds, it takes a multiple of {population}"
        )
    if resume and not out.is_dir():
        raise checkpoint.CheckpointError(f"{out} holds no checkpoint: there is no such folder")


def _begun(out: Path) -> bool:
    """Whether a resume finds a checkpoint; a run that was killed before its first one begins anew."""
    return (out / checkpoint.RECORD).exists() or kind_of_run(out) != KIND


def _resumed_seed(out: Path, scenario: Scenario, algo: str, minutes: float) -> int:
    """The seed of the run in `out`, if it can go on; CheckpointError or TrainingError if not."""
    record = checkpoint.read_record(out)
    checkpoint.check_same_scenario(out, record, scenario)
    if record["algo"] != algo:
        raise TrainingError(f"{out} holds a run of {record['algo']}: --algo {algo} cannot go on with it")
    spent = checkpoint.read_progress(out).minutes
    if spent >= minutes:
        raise TrainingError(
            f"nothing left to do: {out} has been trained for {spent:.2f} minutes, --minutes {minutes:g} is the time in all"
        )
    return int(record["seed"])


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


def _learn(learner: Learner, out: Path, seconds: float, interrupts: Interrupts, console: Console) -> None:
    """Learn until `seconds` are spent in all, and say what came out."""
    board = TensorBoardCurves(out, learner.algo, learner.seed)
    learner.model.set_logger(Logger(None, [board]))
    episodes = SEARCH_VALIDATION_EPISODES if learner.algo == "search" else VALIDATION_EPISODES
    seeds = [VALIDATION_SEED + n for n in range(episodes)]
    validation = Validation(learner.scenario, seeds, shown_rules(learner.scenario))
    try:
        _keep_learning(learner, validation, board, out, seconds, interrupts, console)
    finally:
        board.close()
        learner.close()
    best = "" if learner.best is None else f"; best on the validation seeds: {told(learner.best, validation.best_rule)}"
    decisions = f"{learner.model.num_timesteps:,} decisions"
    console.print(f"{decisions}{best}; checkpoint in {out}", soft_wrap=True, highlight=False)


def _keep_learning(
    learner: Learner,
    validation: Validation,
    board: TensorBoardCurves,
    out: Path,
    seconds: float,
    interrupts: Interrupts,
    console: Console,
) -> None:
    """Learn with a bar; an interrupt ends it early, with the checkpoint kept."""
    earlier = learner.progress_at_begin
    curve = LearningCurve(out, f"{learner.algo} on {learner.scenario.label}", earlier.decisions)
    with Bars(console) as bars:
        task = bars.add_task(f"train {learner.algo}", total=seconds, rate="", note="the rules first")
        budget = TimeBudget(seconds, 60.0 * earlier.minutes, interrupts, bars, task)
        make = WatchGenerations if learner.algo == "search" else Watch
        watch = make(learner, validation, out, budget, curve, board, Notes(console, bars, task))
        learner.save(out, budget.spent_s, policy=learner.best is None)  # a kill from here on leaves this
        try:
            learner.model.learn(10**12, callback=CallbackList([budget, watch]), reset_num_timesteps=False)
        except KeyboardInterrupt:
            learner.save(out, budget.spent_s, policy=learner.best is None)
            board.flush()
            console.print(f"stopped: the checkpoint is in {out}, --resume goes on with it", soft_wrap=True)
            raise
        learner.save(out, budget.spent_s, policy=False)
