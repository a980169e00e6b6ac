"""What is particular to each algorithm of `edge6g train`: how its model is made, seeded, saved, and made a policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import torch
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.policies import MaskableMultiInputActorCriticPolicy

from agents.learned.reading import Reads
from agents.learned.scorer import ScorerPolicy
from edge6g_env.sb3 import AgentVecEnv, sb3_vec_env
from edge6g_env.scenario import Scenario
from edge6g_env.spaces import Layout
from train import ppo, scorer, search
from train.checkpoint import Policy, load_optimizer, optimizer_tensors
from train.evolution import SearchState
from train.ppo import PpoPolicy, make_ppo
from train.scorer import ScorerAlgorithm
from train.search import SearchAlgorithm

Tensors = dict[str, torch.Tensor]


class Trainer(Protocol):
    """An algorithm's model, and what a run needs of it."""

    @property
    def model(self) -> Any:
        """What the callbacks of Stable-Baselines3 take."""

    @property
    def envs(self) -> list[AgentVecEnv]:
        """Environments that live as long as the model does."""

    @property
    def reads(self) -> Reads:
        """What its policy reads of an observation."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What it learns by."""

    @property
    def config(self) -> Mapping[str, Any]:
        """Shape of its network."""

    def seed_worlds(self, first: int) -> None:
        """World b of the next reset has seed first + b."""

    def policies(self) -> list[Policy]:
        """What a validation plays: the policy as it is now, or several of which the best counts."""

    def policy_tensors(self, index: int) -> Tensors:
        """What a checkpoint holds of the policy of this place in `policies`."""

    def state_tensors(self) -> Tensors:
        """All that going on needs."""

    def load_state(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Go on from state_tensors; RuntimeError, ValueError or KeyError if they do not fit."""

    def close(self) -> None:
        """Let the threads of the simulator go."""


class _Network:
    """A network with an Adam optimiser."""

    _network: torch.nn.Module
    model: Any
    envs: list[AgentVecEnv]

    def policy_tensors(self, index: int) -> Tensors:
        """See Trainer."""
        return self._network.state_dict()

    def state_tensors(self) -> Tensors:
        """See Trainer."""
        network = {f"network.{name}": tensor for name, tensor in self._network.state_dict().items()}
        return {**network, **optimizer_tensors(self.model.policy.optimizer)}

    def load_state(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """See Trainer."""
        self._network.load_state_dict({name[8:]: one for name, one in tensors.items() if name.startswith("network.")})
        load_optimizer(self.model.policy.optimizer, tensors)

    def close(self) -> None:
        """See Trainer."""
        for env in self.envs:
            env.close()


class ScorerTrainer(_Network):
    """See train.scorer."""

    settings = scorer.SETTINGS

    def __init__(self, scenario: Scenario, seed: int, num_worlds: int, threads: int) -> None:
        # One half of the worlds is stepped while it works on the other.
        sizes = [n for n in (num_worlds - num_worlds // 2, num_worlds // 2) if n]
        self.envs = [sb3_vec_env(scenario, n, threads=threads, observe="candidates", skip_idle=True) for n in sizes]
        self.model: ScorerAlgorithm = ScorerAlgorithm(self.envs, seed)
        self._layout, self._network = Layout(scenario), self.model.policy.net
        self.reads, self.config = self.model.policy.net.reads, self.model.config.to_dict()

    def seed_worlds(self, first: int) -> None:
        """See Trainer."""
        self.model.seed_worlds(first)

    def policies(self) -> list[Policy]:
        """See Trainer."""
        return [ScorerPolicy(self._layout, self.model.policy.net)]


class PpoTrainer(_Network):
    """See train.ppo."""

    settings = ppo.SETTINGS
    config: Mapping[str, Any] = {}

    def __init__(self, scenario: Scenario, seed: int, num_worlds: int, threads: int) -> None:
        self.envs = [sb3_vec_env(scenario, num_worlds, threads=threads, skip_idle=True)]
        self.model: MaskablePPO = make_ppo(self.envs[0], seed)
        self._network, self.reads = self.model.policy, Reads.whole(Layout(scenario))

    def seed_worlds(self, first: int) -> None:
        """See Trainer."""
        self.envs[0].seed(first)

    def policies(self) -> list[Policy]:
        """See Trainer."""
        assert isinstance(self.model.policy, MaskableMultiInputActorCriticPolicy)
        return [PpoPolicy(self.model.policy)]


class SearchTrainer:
    """See train.search; its state is that of train.evolution, by the names of its arrays."""

    config: Mapping[str, Any] = {}

    def __init__(self, scenario: Scenario, seed: int, num_worlds: int, threads: int) -> None:
        self.envs: list[AgentVecEnv] = []
        self.model = SearchAlgorithm(scenario, seed, num_worlds // search.SETTINGS["population"], threads)
        self.reads, self.settings = self.model.reads, self.model.settings

    def seed_worlds(self, first: int) -> None:
        """The worlds of a generation depend on its number, whatever run it is of."""

    def policies(self) -> list[Policy]:
        """The search point and its running mean."""
        return [self.model.policy(point) for point in self.model.points()]

    def policy_tensors(self, index: int) -> Tensors:
        """See Trainer."""
        return {"weights": torch.from_numpy(self.model.points()[index])}

    def state_tensors(self) -> Tensors:
        """See Trainer."""
        return {name: torch.from_numpy(np.array(array)) for name, array in self.model.state._asdict().items()}

    def load_state(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """See Trainer."""
        state = SearchState.of({name: tensor.numpy() for name, tensor in tensors.items()})
        if len(state.mean) != len(self.reads.candidates):
            raise ValueError(f"it has {len(state.mean)} weights, there are {len(self.reads.candidates)} entries")
        self.model.state = state

    def close(self) -> None:
        """See Trainer."""
        self.model.close()


TRAINERS: Mapping[str, Callable[[Scenario, int, int, int], Trainer]] = {
    "scorer": ScorerTrainer,
    "ppo": PpoTrainer,
    "search": SearchTrainer,
}
