"""A model between its checkpoints: made, loaded from one, saved to one, and as a policy."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.policies import MaskableMultiInputActorCriticPolicy

from agents.learned.reading import Reads
from agents.learned.scorer import ScorerPolicy
from edge6g_env.sb3 import sb3_vec_env
from edge6g_env.scenario import Scenario
from edge6g_env.spaces import Layout
from train import checkpoint
from train.checkpoint import CheckpointError, Policy, Progress
from train.ppo import SETTINGS as PPO_SETTINGS
from train.ppo import PpoPolicy, make_ppo
from train.scorer import SETTINGS as SCORER_SETTINGS
from train.scorer import ScorerAlgorithm
from train.seeds import world_seed


class Learner:
    """The model of a run, how far it is, and what its checkpoint says of it."""

    def __init__(self, scenario: Scenario, algo: str, seed: int, num_worlds: int, threads: int) -> None:
        """Raises what the environment raises for num_worlds and threads, SeedError for the seed."""
        self.scenario, self.algo, self.seed = scenario, algo, seed
        self._num_worlds = num_worlds
        world_seed(seed, 0, num_worlds - 1)
        self.model: ScorerAlgorithm | MaskablePPO
        if algo == "scorer":  # one half of the worlds is stepped while it works on the other
            sizes = [n for n in (num_worlds - num_worlds // 2, num_worlds // 2) if n]
            self.envs = [sb3_vec_env(scenario, n, threads=threads, observe="candidates", skip_idle=True) for n in sizes]
            self.model = ScorerAlgorithm(self.envs, seed)
        else:
            self.envs = [sb3_vec_env(scenario, num_worlds, threads=threads, skip_idle=True)]
            self.model = make_ppo(self.envs[0], seed)
        self._earlier = Progress()
        self.best: float | None = None
        self.begin(Progress())

    def begin(self, earlier: Progress) -> None:
        """Go on from there, in worlds of the run that it names."""
        self._earlier, self.best = earlier, earlier.validation_gain
        self.model.num_timesteps = earlier.decisions
        first = world_seed(self.seed, earlier.runs - 1, 0)  # the model has seeded them by its own seed
        if isinstance(self.model, ScorerAlgorithm):
            self.model.seed_worlds(first)
        else:
            self.envs[0].seed(first)

    @property
    def progress_at_begin(self) -> Progress:
        """Where this run went on from."""
        return self._earlier

    @property
    def _network(self) -> torch.nn.Module:
        return self.model.policy.net if isinstance(self.model, ScorerAlgorithm) else self.model.policy

    @property
    def reads(self) -> Reads:
        """What the network reads of an observation."""
        if isinstance(self.model, ScorerAlgorithm):
            return self.model.policy.net.reads
        return Reads.whole(Layout(self.scenario))

    def policy(self) -> Policy:
        """The policy as it is now, for evaluation."""
        if isinstance(self.model, ScorerAlgorithm):
            return ScorerPolicy(Layout(self.scenario), self.model.policy.net)
        assert isinstance(self.model.policy, MaskableMultiInputActorCriticPolicy)
        return PpoPolicy(self.model.policy)

    def progress(self, spent_s: float) -> Progress:
        """How far the run is when so many seconds are spent in all."""
        return Progress(self.model.num_timesteps, spent_s / 60.0, self._earlier.runs, self.best)

    @property
    def facts(self) -> dict[str, Any]:
        """What checkpoint.json says all through a run."""
        scorer = isinstance(self.model, ScorerAlgorithm)
        return {
            "algo": self.algo,
            **checkpoint.scenario_record(self.scenario),
            "seed": self.seed,
            "settings": SCORER_SETTINGS if scorer else PPO_SETTINGS,
            "config": self.model.config.to_dict() if isinstance(self.model, ScorerAlgorithm) else {},
            "layout": self.reads.to_dict(),
        }

    def load(self, folder: Path) -> None:
        """Take weights, optimiser and progress from a folder; the worlds are those of the next run."""
        tensors, progress = checkpoint.read_tensors(folder / checkpoint.TRAINER), checkpoint.read_progress(folder)
        network = {name[8:]: tensor for name, tensor in tensors.items() if name.startswith("network.")}
        try:
            self._network.load_state_dict(network)
            checkpoint.load_optimizer(self.model.policy.optimizer, tensors)
        except (RuntimeError, ValueError, KeyError) as error:
            raise CheckpointError(f"{folder / checkpoint.TRAINER} does not fit: {error}") from None
        self.begin(replace(progress, runs=progress.runs + 1))

    def save(self, folder: Path, spent_s: float, *, policy: bool) -> None:
        """Write the trainer's state and the record; policy: the network too, as the one that does best."""
        progress = self.progress(spent_s)
        if policy:
            about = {"validation_gain": self.best}
            checkpoint.write_tensors(folder / checkpoint.POLICY, self._network.state_dict(), about)
        network = {f"network.{name}": tensor for name, tensor in self._network.state_dict().items()}
        state = {**network, **checkpoint.optimizer_tensors(self.model.policy.optimizer)}
        checkpoint.write_tensors(folder / checkpoint.TRAINER, state, asdict(progress))
        checkpoint.write_record(folder, self.facts, progress)

    def close(self) -> None:
        """Let the threads of the simulator go."""
        for env in self.envs:
            env.close()
