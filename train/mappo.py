"""MAPPO (Yu et al. 2022, arXiv 2103.01955): maskable PPO with shared parameters, one reward for all agents, a critic of the whole world.

The critic reads `state()`, which holds the observations of all agents and what none of them sees. Since the reward is the team's, the value
is the world's, whoever asks: an agent's own observation beside it (the paper's agent-specific state) would be there twice, which its
feature pruning takes out again (section 5.2). The actor never sees the state.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.policies import MaskableMultiInputActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, create_mlp
from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.common.vec_env import VecNormalize
from torch import nn

from agents.learned.reading import Reads
from agents.learned.scaling import Scaler
from agents.learned.scorer import Scorer, ScorerConfig
from agents.policy import Observation
from edge6g_env.features import Feature
from edge6g_env.must_decide import without_hold
from edge6g_env.sb3 import AgentVecEnv
from edge6g_env.spaces import Layout
from train.decided import DecisionBuffer
from train.ppo import CountingPPO, PpoPolicy

# n_epochs (of hard tasks), learning_rate, ent_coef: Yu et al. 2022, appendix. An answer takes seconds, tens of steps: with the usual
# gamma and gae_lambda, 0.99 and 0.95, its worth would hardly reach the decision. The paper advises one minibatch a rollout, which in
# minutes moves nothing (a trial on tiny: KL 0.0002 an update). The rest is judgement.
TOP = 16  # candidates that its actor scores; judgement: they are entries of every observation
SETTINGS: dict[str, Any] = {
    "candidates": True,  # the actor scores them; no: it has the observation alone, as ppo
    "n_steps": 128,
    "batch_size": 512,
    "n_epochs": 5,
    "learning_rate": 5e-4,
    "gamma": 0.995,
    "gae_lambda": 0.98,
    "ent_coef": 0.01,
}
HIDDEN = [128, 128]
TEAM_REWARD = {
    "reward.reward_mix": 1.0
}  # the mean over the agents: what a decision does to the jobs of others counts as much as to its own
_RETURNS = ("mean", "var", "count")


class PromptVecEnv(AgentVecEnv):
    """As AgentVecEnv, with masks in which who has a job cannot `hold`."""

    def action_masks(self) -> np.ndarray:
        """bool (B * N, C): legal actions but `hold`; `hold` alone for who has no job."""
        return without_hold(self.batch.action_masks().view(np.int8)).reshape(self.num_envs, -1).astype(bool)

    def _flat(self, obs: Observation) -> Observation:
        flat = super()._flat(obs)
        return {**flat, "action_mask": without_hold(flat["action_mask"])}


class PromptPolicy(PpoPolicy):
    """Acts by the likeliest legal action, `hold` only where no job waits."""

    algo = "mappo"

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """Deterministic; see Policy.act."""
        return super().act({**obs, "action_mask": without_hold(obs["action_mask"])}, rng)


class Whole(BaseFeaturesExtractor):
    """The dict as it is: actor and critic each take from it what is theirs."""

    def __init__(self, observation_space: spaces.Dict) -> None:
        super().__init__(observation_space, 1)

    def forward(self, observations: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Unchanged."""
        return observations


def _mlp(entries: tuple[Feature, ...], outputs: int, gain: float) -> nn.Sequential:
    """A network of scaled entries, with the orthogonal start of PPO (Engstrom et al. 2020)."""
    net = nn.Sequential(Scaler(entries), *create_mlp(len(entries), outputs, HIDDEN, nn.Tanh))
    net.apply(partial(MaskableMultiInputActorCriticPolicy.init_weights, gain=math.sqrt(2.0)))
    net[-1].apply(partial(MaskableMultiInputActorCriticPolicy.init_weights, gain=gain))
    return net


class MlpActor(nn.Module):
    """From an agent's scaled observation to a logit for each action."""

    def __init__(self, reads: Reads) -> None:
        super().__init__()
        self.net = _mlp(reads.observation, len(reads.actions or ()), 0.01)

    def forward(self, obs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """(n, C)."""
        return self.net(obs["observation"])


class ScorerActor(nn.Module):
    """From a shortlist of candidates (train/shortlisted.py) to a logit for each, by a Scorer."""

    def __init__(self, reads: Reads, config: ScorerConfig) -> None:
        super().__init__()
        self.net = Scorer(reads, config)

    def forward(self, obs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """(n, R); 0 for who has no choice, and nothing is worked out for them."""
        chooses = obs["action_mask"].sum(dim=1) > 1
        logits = torch.zeros(obs["action_mask"].shape)
        logits[chooses] = self.net.config.beta * self.net(obs["context"][chooses], obs["inputs"][chooses])
        return logits


class ActorAndCritic(nn.Module):
    """What Stable-Baselines3 has two latent layers of: here the logits and the value themselves."""

    def __init__(self, actor: MlpActor | ScorerActor, state: tuple[Feature, ...]) -> None:
        """state: entries that the critic reads; () for a policy that acts and learns no more."""
        super().__init__()
        self.actor = actor
        if state:
            self.critic = _mlp(state, 1, 1.0)

    def forward(self, obs: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits and values (n, 1)."""
        return self.forward_actor(obs), self.forward_critic(obs)

    def forward_actor(self, obs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Logits; of whatever the agent sees, never of the state."""
        return self.actor({name: obs[name] for name in obs if name != "state"})

    def forward_critic(self, obs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """(n, 1), of the state alone."""
        if torch.is_grad_enabled():
            return self.critic(obs["state"])
        state, world = torch.unique_consecutive(obs["state"], dim=0, return_inverse=True)  # agents of a world share it
        return self.critic(state)[world]


class CentralPolicy(MaskableMultiInputActorCriticPolicy):
    """An actor of what an agent sees and, where there are entries of the state, a critic of them."""

    mlp_extractor: ActorAndCritic  # type: ignore[assignment]

    def __init__(
        self,
        observation_space: spaces.Dict,
        action_space: spaces.Space,
        lr_schedule: Schedule,
        make_actor: Callable[[], MlpActor | ScorerActor],
        state: tuple[Feature, ...] = (),
        **options: Any,
    ) -> None:
        """make_actor: called when the weights are to be drawn."""
        self._make_actor, self._state = make_actor, state
        super().__init__(observation_space, action_space, lr_schedule, features_extractor_class=Whole, **options)

    @property
    def actor_net(self) -> nn.Module:
        """What acting needs."""
        return self.mlp_extractor.actor.net

    def _build(self, lr_schedule: Schedule) -> None:
        self.mlp_extractor = ActorAndCritic(self._make_actor(), self._state)
        self.action_net, self.value_net = nn.Identity(), nn.Identity()  # type: ignore[assignment]
        self.optimizer = self.optimizer_class(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)  # type: ignore[call-arg]


class Mappo(CountingPPO):
    """MaskablePPO that learns from decisions alone."""

    rollout_buffer: DecisionBuffer  # type: ignore[assignment]

    def train(self) -> None:
        """Update; not if there was nothing to choose, since advantages are normalised by their spread."""
        if self.rollout_buffer.decisions > 1:
            super().train()


def make_mappo(
    env: AgentVecEnv, seed: int, make_actor: Callable[[], MlpActor | ScorerActor], settings: Mapping[str, Any]
) -> Mappo:
    """MAPPO on the agents of a batch of worlds that show their state; rewards over the spread of their returns (value normalisation)."""
    normal = VecNormalize(env, norm_obs=False, clip_reward=np.inf, gamma=settings["gamma"])
    return Mappo(
        CentralPolicy,
        normal,
        policy_kwargs={"make_actor": make_actor, "state": env.batch.layout.state},
        rollout_buffer_class=DecisionBuffer,
        seed=seed,
        device="cpu",
        **{name: value for name, value in settings.items() if name != "candidates"},
    )


def make_mlp_policy(layout: Layout, reads: Reads) -> CentralPolicy:
    """An actor without candidates that learns no more, for worlds of this layout; LayoutError if it was trained in others."""
    reads.check_whole(layout)
    return CentralPolicy(
        layout.agent_space(candidates=False),
        spaces.Discrete(layout.num_actions),
        lambda _: SETTINGS["learning_rate"],
        make_actor=partial(MlpActor, reads),
    )


def returns_tensors(model: MaskablePPO) -> dict[str, torch.Tensor]:
    """The spread of returns that rewards are divided by, for going on."""
    return {f"returns.{name}": torch.as_tensor(getattr(_normal(model).ret_rms, name)) for name in _RETURNS}


def load_returns(model: MaskablePPO, tensors: Mapping[str, torch.Tensor]) -> None:
    """Put it back; KeyError if it is not there."""
    found = {name: tensors[f"returns.{name}"].numpy() for name in _RETURNS}
    for name, value in found.items():
        setattr(_normal(model).ret_rms, name, value)


def _normal(model: MaskablePPO) -> VecNormalize:
    env = model.get_vec_normalize_env()
    assert env is not None
    return env
