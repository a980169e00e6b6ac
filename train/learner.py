"""A model between its checkpoints: made, loaded from one, saved to one, and as a policy."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from edge6g_env.sb3 import AgentVecEnv
from edge6g_env.scenario import Scenario
from train import checkpoint
from train.checkpoint import CheckpointError, Policy, Progress
from train.seeds import world_seed
from train.trainers import TRAINERS


class Learner:
    """The model of a run, how far it is, and what its checkpoint says of it."""

    def __init__(self, scenario: Scenario, algo: str, seed: int, num_worlds: int, threads: int) -> None:
        """Raises what the environment raises for num_worlds and threads, SeedError for the seed."""
        self.scenario, self.algo, self.seed = scenario, algo, seed
        self._num_worlds = num_worlds
        world_seed(seed, 0, num_worlds - 1)
        self._trainer = TRAINERS[algo](scenario, seed, num_worlds, threads)
        self._earlier = Progress()
        self.best: float | None = None
        self.begin(Progress())

    @property
    def model(self) -> Any:
        """What the callbacks of Stable-Baselines3 take."""
        return self._trainer.model

    @property
    def envs(self) -> list[AgentVecEnv]:
        """Environments that live as long as the model does."""
        return self._trainer.envs

    def begin(self, earlier: Progress) -> None:
        """Go on from there, in worlds of the run that it names."""
        self._earlier, self.best = earlier, earlier.validation_gain
        self.model.num_timesteps = earlier.decisions
        self._trainer.seed_worlds(world_seed(self.seed, earlier.runs - 1, 0))  # the model has seeded them by its own

    @property
    def progress_at_begin(self) -> Progress:
        """Where this run went on from."""
        return self._earlier

    def policies(self) -> list[Policy]:
        """What a validation plays: the policy as it is now, or several of which the best counts."""
        return self._trainer.policies()

    def progress(self, spent_s: float) -> Progress:
        """How far the run is when so many seconds are spent in all."""
        return Progress(self.model.num_timesteps, spent_s / 60.0, self._earlier.runs, self.best)

    @property
    def facts(self) -> dict[str, Any]:
        """What checkpoint.json says all through a run."""
        return {
            "algo": self.algo,
            **checkpoint.scenario_record(self.scenario),
            "seed": self.seed,
            "settings": dict(self._trainer.settings),
            "config": dict(self._trainer.config),
            "layout": self._trainer.reads.to_dict(),
        }

    def load(self, folder: Path) -> None:
        """Take weights, optimiser and progress from a folder; the worlds are those of the next run."""
        tensors, progress = checkpoint.read_tensors(folder / checkpoint.TRAINER), checkpoint.read_progress(folder)
        try:
            self._trainer.load_state(tensors)
        except (RuntimeError, ValueError, KeyError) as error:
            raise CheckpointError(f"{folder / checkpoint.TRAINER} does not fit: {error}") from None
        self.begin(replace(progress, runs=progress.runs + 1))

    def save(self, folder: Path, spent_s: float, *, policy: bool, index: int = 0) -> None:
        """Write the trainer's state and the record; policy: that of `policies` at `index` too, as the one that does best."""
        progress = self.progress(spent_s)
        if policy:
            about = {"validation_gain": self.best}
            checkpoint.write_tensors(folder / checkpoint.POLICY, self._trainer.policy_tensors(index), about)
        checkpoint.write_tensors(folder / checkpoint.TRAINER, self._trainer.state_tensors(), asdict(progress))
        checkpoint.write_record(folder, self.facts, progress)

    def close(self) -> None:
        """Let the threads of the simulator go."""
        self._trainer.close()
