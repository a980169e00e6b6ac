"""A model between its checkpoints: made, loaded from one, saved to one, and as a policy."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from edge6g_env.spaces import Layout
from train import checkpoint
from train.checkpoint import CheckpointError, Policy, Progress
from train.setup import Setup
from train.trainers import TRAINERS, Trainer

VALIDATIONS = 20  # of a run at most, of as many decisions each; judgement
APART = 4  # times what one policy's validation takes: two policies are validated, so at most a third of what is played; judgement


class Learner:
    """The model of a run, how far it is, and what its checkpoint says of it."""

    def __init__(self, setup: Setup) -> None:
        """Raises what the environment raises for the worlds and threads, SeedError for the seed, StageError for stages."""
        self.setup = setup
        self._trainer: Trainer = TRAINERS[setup.algo](setup)
        self._earlier = Progress()
        self.best: float | None = None
        self.above_limits = 0.0
        self.begin(Progress())

    @property
    def model(self) -> Any:
        """What the callbacks of Stable-Baselines3 take."""
        return self._trainer.model

    def decisions_between(self, a_validation: int) -> float:
        """After how many decisions the policy is validated again, if a policy takes so many there. By no clock."""
        return max(self.setup.budget(self._trainer.decisions_s) / VALIDATIONS, float(APART * a_validation))

    def begin(self, earlier: Progress) -> None:
        """Go on from there, in worlds of the run that it names."""
        self._earlier = earlier
        self.best, self.above_limits = earlier.validation_gain, earlier.above_limits
        self.model.num_timesteps = earlier.decisions
        self._trainer.begin(earlier.runs - 1)

    @property
    def progress_at_begin(self) -> Progress:
        """Where this run went on from."""
        return self._earlier

    def policies(self, layout: Layout) -> list[Policy]:
        """What a validation plays there: the policy as it is now, or several of which the best counts."""
        return self._trainer.policies(layout)

    def takes(self, gain: float, above_limits: float) -> bool:
        """Whether a policy with this gain over the best rule, so far above its limits, is the best until now: it is remembered then."""
        if math.isnan(gain):
            return False
        # The same again counts, too: after a kill between two writes a resume comes here once more.
        better = Progress(validation_gain=gain, above_limits=above_limits).standing >= self.progress(0.0).standing
        if better:
            self.best, self.above_limits = gain, above_limits
        return better

    def progress(self, spent_s: float) -> Progress:
        """How far the run is when so many seconds are spent in all."""
        runs = self._earlier.runs
        return Progress(self.model.num_timesteps, spent_s / 60.0, runs, self.best, self.above_limits)

    @property
    def facts(self) -> dict[str, Any]:
        """What checkpoint.json says all through a run."""
        return {
            "algo": self.setup.algo,
            **checkpoint.scenario_record(self.setup.scenarios, self.setup.varied),
            "seed": self.setup.seed,
            "settings": dict(self._trainer.settings),
            "limits": self.setup.limits_by_cost,
            "config": dict(self._trainer.config),
            "layout": self._trainer.reads.to_dict(),
        }

    def load(self, folder: Path) -> None:
        """Take weights, optimiser and progress from a folder; the worlds are those of the next run. CheckpointError if they do not fit."""
        if checkpoint.read_record(folder)["layout"] != json.loads(json.dumps(self.facts["layout"])):
            raise CheckpointError(f"{folder} does not fit: it reads other entries than this training would")
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
            self._trainer.keep(index)
            about = {"validation_gain": self.best, "above_limits": self.above_limits}
            checkpoint.write_tensors(folder / checkpoint.POLICY, self._trainer.policy_tensors(index), about)
        checkpoint.write_tensors(folder / checkpoint.TRAINER, self._trainer.state_tensors(), asdict(progress))
        checkpoint.write_record(folder, self.facts, progress)

    def forget_unlearned(self) -> None:
        """Decisions of a rollout that no update has seen, of an algorithm that steps its worlds, are none that it has learned by."""
        learned = getattr(self.model, "learned_timesteps", self.model.num_timesteps)
        self.model.num_timesteps = max(learned, self._earlier.decisions)

    def close(self) -> None:
        """Let the threads of the simulator go."""
        self._trainer.close()
