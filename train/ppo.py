"""Maskable PPO (sb3-contrib) with one policy for all agents, on raw observations: the learned baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.policies import MaskableMultiInputActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from agents.learned.reading import Reads
from agents.learned.scaling import Scaler
from agents.policy import Observation
from edge6g_env.errors import UserError
from edge6g_env.kernel.codes import REJECT
from edge6g_env.sb3 import AgentVecEnv
from edge6g_env.spaces import Layout

# Schulman et al. 2017 with the batch of this problem: 128 agents for 64 steps.
SETTINGS: dict[str, Any] = {
    "n_steps": 64,
    "batch_size": 2048,
    "n_epochs": 4,
    "learning_rate": 3e-4,
    "gamma": 0.99,
    "gae_lambda": 0.95,
    "ent_coef": 0.01,
}


class RolloutError(UserError):
    """A rollout that cannot be cut into minibatches as asked."""


class ScaledObservation(BaseFeaturesExtractor):
    """The `observation` of the dict, scaled by the ranges of its entries."""

    def __init__(self, observation_space: spaces.Dict, reads: Reads) -> None:
        super().__init__(observation_space, len(reads.observation))
        self.scale = Scaler(reads.observation)

    def forward(self, observations: dict[str, torch.Tensor]) -> torch.Tensor:
        """(n, D) scaled."""
        return self.scale(observations["observation"])


class CountingPPO(MaskablePPO):
    """MaskablePPO whose `num_timesteps` counts decisions, not agents that had none in a step."""

    learned_timesteps = 0
    """Those of them that an update has seen."""

    def train(self) -> None:
        """Update by the rollout."""
        super().train()
        self.learned_timesteps = self.num_timesteps

    def _update_info_buffer(self, infos: list[dict[str, Any]], dones: np.ndarray | None = None) -> None:
        super()._update_info_buffer(infos, dones)  # called once a step, which has counted every agent
        self.num_timesteps += sum(info["decision"] for info in infos) - len(infos)


def _policy_settings(reads: Reads) -> dict[str, Any]:
    return {
        "features_extractor_class": ScaledObservation,
        "features_extractor_kwargs": {"reads": reads},
        "net_arch": [128, 128],
    }


def make_ppo_policy(layout: Layout, reads: Reads | None = None) -> MaskableMultiInputActorCriticPolicy:
    """An untrained policy network for worlds of this layout; reads: of those that it was trained in, LayoutError if they differ."""
    reads = reads or Reads.whole(layout)
    reads.check_whole(layout)
    return MaskableMultiInputActorCriticPolicy(
        layout.agent_space(candidates=False),
        spaces.Discrete(layout.num_actions),
        lambda _: SETTINGS["learning_rate"],
        **_policy_settings(reads),
    )


def make_ppo(env: AgentVecEnv, seed: int, settings: Mapping[str, Any] = SETTINGS) -> CountingPPO:
    """MaskablePPO on the agents of a batch of worlds; RolloutError if a minibatch of a rollout would be one decision."""
    rows, most = settings["n_steps"] * env.num_envs, settings["batch_size"]
    if rows % most == 1 or most == 1:
        raise RolloutError(
            f"--with batch_size={most}: it leaves a minibatch of one of the {rows} rows of a rollout (n_steps = {settings['n_steps']} of "
            f"{env.num_envs} agents), whose advantage has no spread to be normalised by: choose another"
        )
    return CountingPPO(
        MaskableMultiInputActorCriticPolicy,
        env,
        policy_kwargs=_policy_settings(Reads.whole(env.batch.layout)),
        seed=seed,
        device="cpu",
        **settings,
    )


class PpoPolicy:
    """Acts by a policy network of MaskablePPO: the likeliest legal action."""

    privileged = False
    needs_candidates = False
    algo = "ppo"
    trained_on: str | None = None
    hparams: Mapping[str, Any] = {}
    limits: Mapping[str, float] = {}

    def __init__(self, policy: MaskableMultiInputActorCriticPolicy) -> None:
        self._policy = policy
        policy.set_training_mode(False)

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """Deterministic; see Policy.act."""
        decides = obs["action_mask"][..., REJECT] == 1
        actions = np.zeros(decides.shape, np.int64)
        if decides.any():
            chosen = {name: obs[name][decides] for name in ("observation", "action_mask")}
            actions[decides] = self._policy.predict(
                chosen, deterministic=True, action_masks=chosen["action_mask"].astype(bool)
            )[0]
        return actions
