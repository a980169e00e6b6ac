"""Trains the candidate scorer: PPO's clipped objective on single decisions, each credited with the worth of its own job.

What a throw-away experiment taught (and this keeps): give the policy the cost model's predictions; credit a job's outcome to the slot
that decided it; learn from slots with a real decision only. A decision is then a bandit's: there is no bootstrapping over time, the
advantage is the job's worth less the value of the situation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import MaybeCallback
from torch.nn import functional

from agents.learned.scorer import Scorer, ScorerConfig, ScorerPolicy, Shortlist
from edge6g_env.kernel.world import DISPATCH
from edge6g_env.sb3 import AgentVecEnv
from edge6g_env.spaces import Layout
from train.decisions import DecisionBatch, Decisions

SETTINGS: dict[str, Any] = {
    "learning_rate": 3e-4,
    "batch_decisions": 4096,
    "minibatch": 512,
    "epochs": 2,
    "clip": 0.2,
    "value_weight": 1.0,
    "max_grad_norm": 0.5,
}


class ScorerActor(BasePolicy):
    """A Scorer as Stable-Baselines3's policy: `predict` takes the dict of one agent, or of many."""

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        lr_schedule: Any,
        layout: Layout,
        config: ScorerConfig,
        **settings: Any,
    ) -> None:
        super().__init__(observation_space, action_space, **settings)
        self.net = Scorer(layout, config)
        self._act = ScorerPolicy(layout, self.net).act
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=lr_schedule(1.0))

    def forward(self, observation: dict[str, torch.Tensor], deterministic: bool = True) -> torch.Tensor:
        """Actions int64 (n,)."""
        return self._predict(observation, deterministic)

    def _predict(self, observation: Any, deterministic: bool = True) -> torch.Tensor:
        arrays = {name: tensor.cpu().numpy()[None] for name, tensor in observation.items()}
        return torch.from_numpy(self._act(arrays, np.random.default_rng())[0])


class ScorerAlgorithm(BaseAlgorithm):
    """Stable-Baselines3's interface over the training of a Scorer; `env` observes candidates and skips idle slots."""

    policy: ScorerActor

    def __init__(self, env: AgentVecEnv, seed: int, config: ScorerConfig | None = None, **settings: Any) -> None:
        self.config = config or ScorerConfig()
        self.settings = {**SETTINGS, **settings}
        super().__init__(
            ScorerActor,
            env,
            learning_rate=self.settings["learning_rate"],
            policy_kwargs={"layout": env.batch.layout, "config": self.config},
            device="cpu",
            support_multi_env=True,
            seed=seed,
        )
        self.batch = env.batch
        self._setup_model()

    def _setup_model(self) -> None:
        self._setup_lr_schedule()
        self.set_random_seed(self.seed)
        self.policy = ScorerActor(self.observation_space, self.action_space, self.lr_schedule, **self.policy_kwargs)
        layout = self.batch.layout
        self._shortlist = Shortlist(layout, self.config.top)
        self._decisions = Decisions(len(layout.observation), self._shortlist.top, len(layout.candidates))
        self._generator = torch.Generator().manual_seed(self.seed or 0)

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 1,
        tb_log_name: str = "scorer",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> ScorerAlgorithm:
        """Train for total_timesteps decisions, or until the callback says no; num_timesteps counts decisions."""
        total_timesteps, callback = self._setup_learn(
            total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar
        )
        callback.on_training_start(locals(), globals())
        while self.num_timesteps < total_timesteps and self._collect(callback):
            self._update(self._decisions.take())
            self._n_updates += 1
            if self._n_updates % log_interval == 0:
                self.logger.dump(self.num_timesteps)
        callback.on_training_end()
        return self

    def _collect(self, callback: Any) -> bool:
        """Act by the policy's probabilities until a batch of decisions has its outcomes; False to stop."""
        callback.on_rollout_start()
        obs = self.batch.observations()
        while len(self._decisions) < self.settings["batch_decisions"]:
            obs = self._step(obs)
            if not callback.on_step():
                return False
        callback.on_rollout_end()
        return True

    def _step(self, obs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        decides, context, candidates, legal, rows = self._shortlist(obs)
        actions = np.zeros(decides.shape, np.int64)
        if len(rows):
            with torch.no_grad():
                logits, value = self.policy.net(*map(torch.from_numpy, (context, candidates, legal)))
                log_probs = torch.log_softmax(logits, dim=1)
                choice = torch.multinomial(log_probs.exp(), 1, generator=self._generator)
                log_prob = log_probs.gather(1, choice)
            actions[decides] = np.take_along_axis(rows, choice.numpy(), axis=1)[:, 0]
            world, agent = np.nonzero(decides)
            heads = self.batch.world.places[world, agent, DISPATCH, 0]
            keys = np.stack([world, np.asarray(self.batch.world.job["number"])[world, heads]], axis=1)
            taken = (choice[:, 0].numpy(), log_prob[:, 0].numpy(), value.numpy())
            self._decisions.add(keys, context, candidates, legal, *taken)
            self.num_timesteps += len(rows)
        obs, _, _, _, info = self.batch.step(actions)
        self._decisions.credit(info["outcomes"])
        return obs

    def _update(self, batch: DecisionBatch) -> None:
        advantage = batch.worth - batch.value
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        with torch.no_grad():
            inputs = (*self.policy.net.inputs(batch.context, batch.candidates, batch.legal), batch.legal)
        losses: dict[str, list[float]] = {}
        for _ in range(self.settings["epochs"]):
            for part in torch.randperm(len(advantage), generator=self._generator).split(self.settings["minibatch"]):
                for name, loss in self._minibatch(inputs, batch, advantage, part).items():
                    losses.setdefault(name, []).append(loss)
        unexplained = torch.var(batch.worth - batch.value) / (torch.var(batch.worth) + 1e-8)
        self.logger.record("train/worth_per_decision", float(batch.worth.mean()))
        self.logger.record("train/explained_variance", 1.0 - float(unexplained))
        for name, values in losses.items():
            self.logger.record(f"train/{name}", float(np.mean(values)))

    def _minibatch(
        self, inputs: tuple[torch.Tensor, ...], batch: DecisionBatch, advantage: torch.Tensor, part: torch.Tensor
    ) -> dict[str, float]:
        """One gradient step on the decisions `part`."""
        logits, value = self.policy.net.score(*(tensor[part] for tensor in inputs))
        log_probs = torch.log_softmax(logits, dim=1)
        log_prob = log_probs.gather(1, batch.choice[part, None])[:, 0]
        ratio = torch.exp(log_prob - batch.log_prob[part])
        clip = self.settings["clip"]
        gain = torch.min(ratio * advantage[part], ratio.clamp(1.0 - clip, 1.0 + clip) * advantage[part])
        policy_loss, value_loss = -gain.mean(), functional.smooth_l1_loss(value, batch.worth[part])
        self.policy.optimizer.zero_grad()
        (policy_loss + self.settings["value_weight"] * value_loss).backward()
        torch.nn.utils.clip_grad_norm_(self.policy.net.parameters(), self.settings["max_grad_norm"])
        self.policy.optimizer.step()
        return {
            "policy_loss": policy_loss.item(),
            "value_loss": value_loss.item(),
            "entropy": -(log_probs.exp() * log_probs).sum(dim=1).mean().item(),
            "clipped_share": ((ratio - 1.0).abs() > clip).float().mean().item(),
        }
