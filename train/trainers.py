"""What is particular to each algorithm of `edge6g train`: how its model is made, seeded, saved, and made a policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar, Protocol

import torch
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.policies import MaskableMultiInputActorCriticPolicy

from agents.learned.reading import Reads
from agents.learned.scorer import CANDIDATE, CONTEXT, Scorer, ScorerConfig, ScorerPolicy
from edge6g_env.batch import BatchEnv
from edge6g_env.sb3 import AgentVecEnv
from edge6g_env.scenario import Scenario, load_scenario
from edge6g_env.spaces import Layout
from edge6g_env.varied import VariedBatch
from eval.pools.pool import Pool
from eval.pools.workers import make_pool
from train import mappo, ppo, scorer, search
from train.algorithm import Algorithm
from train.checkpoint import Policy, load_optimizer, optimizer_tensors
from train.mappo import (
    TEAM_REWARD,
    CentralPolicy,
    MlpActor,
    PromptPolicy,
    PromptVecEnv,
    ScorerActor,
    load_returns,
    make_mappo,
    returns_tensors,
)
from train.ppo import PpoPolicy, make_ppo
from train.scorer import ScorerAlgorithm
from train.search import SearchAlgorithm
from train.seeds import world_seed
from train.setup import SettingError, Setup
from train.shortlisted import ShortlistVecEnv
from train.worlds import Draws, VaryError, Worlds

Tensors = dict[str, torch.Tensor]


class Trainer(Protocol):
    """An algorithm's model, and what a run needs of it. Made of a Setup; raises what the environment raises for its threads and worlds."""

    defaults: ClassVar[Mapping[str, Any]]
    """Of its settings."""

    decisions_s: ClassVar[float]
    """That two cores take on campus, validations included, about: what a budget of time is in decisions. It shapes stages and validations
    and ends nothing."""

    def __init__(self, setup: Setup) -> None: ...

    @property
    def model(self) -> Any:
        """What the callbacks of Stable-Baselines3 take."""

    @property
    def reads(self) -> Reads:
        """What its policy reads of an observation."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What it learns by."""

    @property
    def config(self) -> Mapping[str, Any]:
        """Shape of its network."""

    def begin(self, run: int) -> None:
        """The first run, 0, or a resume begins: in other worlds, if what is met does not depend on the state alone."""

    def policies(self, layout: Layout) -> list[Policy]:
        """What a validation plays there: the policy as it is now, or several of which the best counts."""

    def keep(self, index: int) -> None:
        """That of this place in `policies` is the best until now."""

    def policy_tensors(self, index: int) -> Tensors:
        """What a checkpoint holds of the policy of this place."""

    def state_tensors(self) -> Tensors:
        """All that going on needs."""

    def load_state(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Go on from state_tensors; RuntimeError, ValueError or KeyError if they do not fit."""

    def close(self) -> None:
        """Let the threads of the simulator go."""


class PpoTrainer:
    """See train.ppo."""

    defaults: ClassVar[Mapping[str, Any]] = ppo.SETTINGS
    decisions_s: ClassVar[float] = 1_000.0
    num_worlds = 16
    config: Mapping[str, Any] = {}
    _env: AgentVecEnv
    model: MaskablePPO
    reads: Reads

    def __init__(self, setup: Setup) -> None:
        worlds = setup.num_worlds or self.num_worlds
        world_seed(setup.seed, 0, worlds - 1)
        self._seed = setup.seed
        self.settings = {**self.defaults, **setup.settings}
        for name in ("gamma", "gae_lambda"):
            if self.settings[name] > 1.0:
                raise SettingError(f"{name} = {self.settings[name]:g}: it must be from 0 to 1")
        self._make(setup, worlds)
        self._network = self.model.policy

    def _make(self, setup: Setup, worlds: int) -> None:
        """Environment, model, and what it reads."""
        self._env = AgentVecEnv(_batch(setup, setup.scenarios[0], worlds))
        self.model, self.reads = make_ppo(self._env, setup.seed, self.settings), Reads.whole(self._env.layout)

    def begin(self, run: int) -> None:
        """See Trainer."""
        self._env.seed(world_seed(self._seed, run, 0))  # the model has seeded them by its own

    def policies(self, layout: Layout) -> list[Policy]:
        """See Trainer."""
        assert isinstance(self.model.policy, MaskableMultiInputActorCriticPolicy)
        return [PpoPolicy(self.model.policy)]

    def keep(self, index: int) -> None:
        """See Trainer."""

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
        self._env.close()


class MappoTrainer(PpoTrainer):
    """See train.mappo."""

    defaults: ClassVar[Mapping[str, Any]] = mappo.SETTINGS

    def _make(self, setup: Setup, worlds: int) -> None:
        if fixed := [one.key for one in setup.varied if one.key in TEAM_REWARD]:
            raise VaryError(
                f"--vary {fixed[0]}: mappo pays all agents by the mean over them, whatever the scenario says"
            )
        scenario = load_scenario(setup.scenarios[0], **TEAM_REWARD)
        actor: Callable[[], MlpActor | ScorerActor]
        if self.settings["candidates"]:
            config = ScorerConfig(top=mappo.TOP)
            self.reads = Worlds(setup.scenarios, setup.seed, setup.varied).reads(CONTEXT, CANDIDATE, scorer.PER_S)
            batch = _batch(setup, scenario, worlds, observe="candidates")
            self._env = ShortlistVecEnv(batch, self.reads, config.top, state=True)
            actor, self.config = partial(ScorerActor, self.reads, config), config.to_dict()
        else:
            self._env = PromptVecEnv(_batch(setup, scenario, worlds), state=True)
            self.reads = Reads.whole(self._env.layout)
            actor = partial(MlpActor, self.reads)
        self.model = make_mappo(self._env, setup.seed, actor, self.settings)

    def policies(self, layout: Layout) -> list[Policy]:
        """See Trainer."""
        net = self._policy.actor_net
        return [ScorerPolicy(layout, net) if isinstance(net, Scorer) else PromptPolicy(self._policy)]

    @property
    def _policy(self) -> CentralPolicy:
        assert isinstance(self.model.policy, CentralPolicy)
        return self.model.policy

    def policy_tensors(self, index: int) -> Tensors:
        """The actor's."""
        return self._policy.actor_net.state_dict()

    def state_tensors(self) -> Tensors:
        """See Trainer."""
        return {**super().state_tensors(), **returns_tensors(self.model)}

    def load_state(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """See Trainer."""
        load_returns(self.model, tensors)
        super().load_state(tensors)


class _InPool:
    """An algorithm that plays in a pool: all that it meets depends on its state."""

    model: Algorithm

    def begin(self, run: int) -> None:
        """See Trainer."""

    def state_tensors(self) -> Tensors:
        """See Trainer."""
        return self.model.state_tensors()

    def load_state(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """See Trainer."""
        self.model.load_state(tensors)

    def close(self) -> None:
        """See Trainer."""
        self.model.close()


class ScorerTrainer(_InPool):
    """See train.scorer."""

    defaults: ClassVar[Mapping[str, Any]] = scorer.SETTINGS
    decisions_s: ClassVar[float] = 3_500.0

    def __init__(self, setup: Setup) -> None:
        worlds, budget = Worlds(setup.scenarios, setup.seed, setup.varied), setup.budget(self.decisions_s)
        self.model: ScorerAlgorithm = ScorerAlgorithm(
            worlds, pool_of(setup), setup.seed, budget, setup.limits, ScorerConfig(), setup.rows, **setup.settings
        )
        self.reads, self.config, self.settings = self.model.net.reads, self.model.config.to_dict(), self.model.settings

    def policies(self, layout: Layout) -> list[Policy]:
        """See Trainer."""
        return [ScorerPolicy(layout, net) for net in self.model.nets()]

    def keep(self, index: int) -> None:
        """See Trainer."""
        self.model.keep(index)

    def policy_tensors(self, index: int) -> Tensors:
        """See Trainer."""
        return self.model.nets()[index].state_dict()


class SearchTrainer(_InPool):
    """See train.search."""

    defaults: ClassVar[Mapping[str, Any]] = search.DEFAULTS
    decisions_s: ClassVar[float] = 4_000.0
    config: Mapping[str, Any] = {}

    def __init__(self, setup: Setup) -> None:
        worlds = Worlds(setup.scenarios, setup.seed, setup.varied)
        self.model: SearchAlgorithm = SearchAlgorithm(
            worlds, pool_of(setup), setup.seed, limits=setup.limits, rows=setup.rows, **setup.settings
        )
        self.reads, self.settings = self.model.search.reads, {**search.DEFAULTS, **setup.settings}

    def policies(self, layout: Layout) -> list[Policy]:
        """The search point and its running mean."""
        return [self.model.search.policy(layout, point) for point in self.model.search.points()]

    def keep(self, index: int) -> None:
        """See Trainer."""

    def policy_tensors(self, index: int) -> Tensors:
        """See Trainer."""
        return {"weights": torch.from_numpy(self.model.search.points()[index])}


def _batch(setup: Setup, scenario: Scenario, worlds: int, observe: str = "plain") -> BatchEnv:
    """The worlds that are stepped, of this form of the run's scenario."""
    options: dict[str, Any] = {"threads": setup.threads, "observe": observe, "skip_idle": True}
    if not setup.varied:
        return BatchEnv(scenario, worlds, **options)
    draws = Draws(scenario, setup.varied)
    return VariedBatch(draws.ends(), draws, worlds, **options)


def pool_of(setup: Setup) -> Pool:
    """Whoever plays the parts of a run. Raises WorkersError, see make_pool."""
    return make_pool(setup.workers, setup.threads, setup.ray_address)


TRAINERS: Mapping[str, type[Trainer]] = {
    "scorer": ScorerTrainer,
    "ppo": PpoTrainer,
    "mappo": MappoTrainer,
    "search": SearchTrainer,
}
