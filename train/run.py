"""One training run: its folder, its algorithm, its callbacks; Ctrl-C keeps the checkpoint, `resume` goes on from it."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.policies import MaskableMultiInputActorCriticPolicy
from stable_baselines3.common.callbacks import CallbackList
from stable_baselines3.common.logger import Logger, TensorBoardOutputFormat

from agents.learned.scorer import ScorerPolicy
from agents.policy import Policy, make_rule
from edge6g_env.errors import UserError
from edge6g_env.sb3 import sb3_vec_env
from edge6g_env.scenario import Scenario
from edge6g_env.spaces import Layout
from eval.files import begin_run
from eval.tensorboard import run_folder
from train import TRAINING_SEEDS, VALIDATION_SEED, checkpoint
from train.callbacks import TimeBudget, Validation
from train.ppo import SETTINGS as PPO_SETTINGS
from train.ppo import PpoPolicy, make_ppo
from train.scorer import SETTINGS as SCORER_SETTINGS
from train.scorer import ScorerAlgorithm

ALGORITHMS = ("scorer", "ppo")
DEFAULT_WORLDS = {"scorer": 32, "ppo": 16}
SHOWN_RULES = ("greedy", "jsq", "local", "cloud", "random")
VALIDATION_EPISODES = 8
VALIDATION_PERIOD_S = 40.0
MAKES = (checkpoint.RECORD, checkpoint.POLICY, checkpoint.TRAINER, "tensorboard")


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
    console: Console | None = None,
) -> None:
    """Train `algo` for so many minutes and leave the checkpoint that did best on the validation seeds in `out`.

    resume: go on with the run in `out` until it has had `minutes` in all. Raises TrainingError, CheckpointError or RunFolderError.
    """
    _check(algo, minutes, seed, num_worlds)
    out, console = Path(out), console or Console(stderr=True)
    # The networks are too small for a second thread to help; with another busy process two are many times slower than one.
    torch.set_num_threads(1)
    record = _resumed(out, scenario, algo) if resume else None
    if record is None:
        begin_run(out, "train", MAKES, {"scenario": scenario.id, "algo": algo, "seed": seed}, overwrite=overwrite)
    seed = record["seed"] if record else seed
    run = _Run(scenario, algo, seed, out, num_worlds or DEFAULT_WORLDS[algo], threads, record)
    run.learn(60.0 * minutes, console)


def _check(algo: str, minutes: float, seed: int, num_worlds: int | None) -> None:
    if algo not in ALGORITHMS:
        raise TrainingError(f"no algorithm {algo!r}: there are {', '.join(ALGORITHMS)}")
    if not 0.0 < minutes <= 10_000.0:
        raise TrainingError(f"minutes must be above 0 and at most 10000, they are {minutes:g}")
    if not 0 <= seed < VALIDATION_SEED // TRAINING_SEEDS:
        raise TrainingError(f"seed must be in 0..{VALIDATION_SEED // TRAINING_SEEDS - 1}, it is {seed}")
    if num_worlds is not None and not 1 <= num_worlds <= TRAINING_SEEDS:
        raise TrainingError(f"num_worlds must be in 1..{TRAINING_SEEDS}, it is {num_worlds}")


def _resumed(out: Path, scenario: Scenario, algo: str) -> dict[str, Any]:
    record = checkpoint.read_record(out)
    checkpoint.check_scenario(out, record, scenario)
    if record["algo"] != algo:
        raise TrainingError(f"{out} holds a run of {record['algo']}: --algo {algo} cannot go on with it")
    return record


class _Notes:
    """Shows a note beside the bar, or as a line where there is no terminal to draw a bar on."""

    def __init__(self, console: Console, bars: Progress, task: TaskID) -> None:
        self._console, self._bars, self._task = console, bars, task

    def __call__(self, note: str) -> None:
        self._bars.update(self._task, note=note)
        if not self._console.is_terminal:
            self._console.print(note)


class _Run:
    """A model with what it has to remember between its checkpoints."""

    def __init__(
        self,
        scenario: Scenario,
        algo: str,
        seed: int,
        out: Path,
        num_worlds: int,
        threads: int,
        record: dict[str, Any] | None,
    ) -> None:
        self.scenario, self.algo, self.seed, self.out = scenario, algo, seed, out
        observe = "candidates" if algo == "scorer" else "plain"
        env = sb3_vec_env(scenario, num_worlds, threads=threads, observe=observe, skip_idle=True)
        # A resumed run goes on with worlds that it has not seen.
        used = num_worlds * record["runs"] % TRAINING_SEEDS if record else 0
        self.model: ScorerAlgorithm | MaskablePPO = (
            ScorerAlgorithm(env, seed) if algo == "scorer" else make_ppo(env, seed)
        )
        env.seed(seed * TRAINING_SEEDS + used)  # after the model, which seeds its environment by its own seed
        self.best = float("-inf")
        self.spent_s, self.runs = 0.0, 1
        if record:
            self._load(record)
        self.budget: TimeBudget | None = None

    @property
    def _network(self) -> torch.nn.Module:
        return self.model.policy.net if isinstance(self.model, ScorerAlgorithm) else self.model.policy

    def policy(self) -> Policy:
        """The policy as it is now, for evaluation."""
        if isinstance(self.model, ScorerAlgorithm):
            return ScorerPolicy(Layout(self.scenario), self.model.policy.net)
        assert isinstance(self.model.policy, MaskableMultiInputActorCriticPolicy)
        return PpoPolicy(self.model.policy)

    def _load(self, record: dict[str, Any]) -> None:
        tensors = checkpoint.read_tensors(self.out / checkpoint.TRAINER)
        network = {name[8:]: tensor for name, tensor in tensors.items() if name.startswith("network.")}
        try:
            self._network.load_state_dict(network)
            checkpoint.load_optimizer(self.model.policy.optimizer, tensors)
        except (RuntimeError, ValueError, KeyError) as error:
            raise checkpoint.CheckpointError(f"{self.out / checkpoint.TRAINER} does not fit: {error}") from None
        self.model.num_timesteps = record["decisions"]
        gain = record["validation_gain"]
        self.best = float("-inf") if gain is None else gain
        self.spent_s, self.runs = record["minutes"] * 60.0, record["runs"] + 1

    def keep(self, reward: float, gain: float) -> None:
        """Write the trainer's state; and the policy, if it did better on the validation seeds than any before."""
        self.save_trainer()
        if gain > self.best:
            self.best = gain
            self.save_policy()

    def save_policy(self) -> None:
        """Write the policy as it is now, with its record."""
        checkpoint.write_tensors(self.out / checkpoint.POLICY, self._network.state_dict())
        self.save_record()

    def save_trainer(self) -> None:
        """Write what a resume needs."""
        network = {f"network.{name}": tensor for name, tensor in self._network.state_dict().items()}
        state = {**network, **checkpoint.optimizer_tensors(self.model.policy.optimizer)}
        checkpoint.write_tensors(self.out / checkpoint.TRAINER, state)

    def save_record(self) -> None:
        """Write checkpoint.json."""
        scorer = isinstance(self.model, ScorerAlgorithm)
        record = {
            "algo": self.algo,
            "scenario": self.scenario.id,
            "fingerprint": self.scenario.fingerprint,
            "seed": self.seed,
            "decisions": self.model.num_timesteps,
            "minutes": (self.budget.spent_s if self.budget else self.spent_s) / 60.0,
            "runs": self.runs,
            "validation_gain": self.best if math.isfinite(self.best) else None,
            "settings": SCORER_SETTINGS if scorer else PPO_SETTINGS,
            "config": self.model.config.to_dict() if isinstance(self.model, ScorerAlgorithm) else {},
        }
        checkpoint.write_record(self.out, record)

    def learn(self, seconds: float, console: Console) -> None:
        """Learn until `seconds` are spent in all; a keyboard interrupt ends it early, with the checkpoint kept."""
        self.model.set_logger(Logger(None, [TensorBoardOutputFormat(str(run_folder(self.out, self.algo)))]))
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]}"),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console) as bars:
            task = bars.add_task(f"train {self.algo}", total=seconds, rate="", note="the rules first")
            self.budget = TimeBudget(seconds, self.spent_s, bars, task)
            validation = self._validation(str(self.out), _Notes(console, bars, task))
            try:
                self.model.learn(10**12, callback=CallbackList([self.budget, validation]), reset_num_timesteps=False)
            except KeyboardInterrupt:
                self.save_trainer()
                if math.isfinite(self.best):
                    self.save_record()
                else:  # not validated yet
                    self.save_policy()
                console.print(f"stopped: the checkpoint is in {self.out}, --resume goes on with it")
                raise
        self.save_record()
        console.print(
            f"{self.model.num_timesteps:,} decisions; best on the validation seeds: "
            f"{self.best:+.4f} reward per job over the best rule; checkpoint in {self.out}"
        )

    def _validation(self, run_dir: str, say: Callable[[str], None]) -> Validation:
        def keep(reward: float, gain: float) -> None:
            self.keep(reward, gain)
            say(f"reward/job {reward:.3f}, best rule {reward - gain:.3f}")

        seeds = [VALIDATION_SEED + n for n in range(VALIDATION_EPISODES)]
        rules = {name: lambda layout, name=name: make_rule(name, layout) for name in SHOWN_RULES}
        return Validation(self.scenario, seeds, rules, self.policy, keep, run_dir, VALIDATION_PERIOD_S)
