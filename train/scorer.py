"""Trains the candidate scorer: PPO's clipped objective on single decisions, each credited with the worth of its own job.

What a throw-away experiment taught (and this keeps): give the policy the cost model's predictions; credit a job's outcome to the slot
that decided it; learn from slots with a real decision only. A decision is then a bandit's: there is no bootstrapping over time, the
advantage is the job's worth less the value of the situation.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from itertools import accumulate, cycle
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import MaybeCallback
from torch.nn import functional

from agents.learned.scorer import Scorer, ScorerConfig, ScorerPolicy, Shortlist, Situations
from edge6g_env.kernel.codes import HOLD
from edge6g_env.sb3 import AgentVecEnv
from edge6g_env.spaces import Layout
from train.decisions import DecisionBatch, Decisions
from train.halves import Half

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
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=lr_schedule(1.0), fused=True)

    def forward(self, observation: dict[str, torch.Tensor], deterministic: bool = True) -> torch.Tensor:
        """Actions int64 (n,)."""
        return self._predict(observation, deterministic)

    def _predict(self, observation: Any, deterministic: bool = True) -> torch.Tensor:
        arrays = {name: tensor.cpu().numpy()[None] for name, tensor in observation.items()}
        return torch.from_numpy(self._act(arrays, np.random.default_rng())[0])


class ScorerAlgorithm(BaseAlgorithm):
    """Stable-Baselines3's interface over the training of a Scorer.

    Its worlds are stepped in a thread, batch by batch in turn: with two batches one is stepped while the network works on the other.
    Which batch is next is fixed, and none is read before its step is done, so weights depend on the seed alone.
    """

    policy: ScorerActor

    def __init__(
        self, envs: Sequence[AgentVecEnv], seed: int, config: ScorerConfig | None = None, **settings: Any
    ) -> None:
        """envs: one scenario's, that observe candidates and skip idle slots; their worlds are counted through."""
        self.config = config or ScorerConfig()
        self.settings = {**SETTINGS, **settings}
        firsts = accumulate((env.batch.num_worlds for env in envs), initial=0)
        self._halves = [Half(env, first) for env, first in zip(envs, firsts, strict=False)]
        self._layout = envs[0].batch.layout
        super().__init__(
            ScorerActor,
            envs[0],
            learning_rate=self.settings["learning_rate"],
            policy_kwargs={"layout": self._layout, "config": self.config},
            device="cpu",
            support_multi_env=True,
            seed=seed,
        )
        self._setup_model()

    def _setup_model(self) -> None:
        self._setup_lr_schedule()
        self.set_random_seed(self.seed)
        self.policy = ScorerActor(self.observation_space, self.action_space, self.lr_schedule, **self.policy_kwargs)
        self._shortlist = Shortlist(self._layout, self.config.top)
        self._turns, self._decisions = cycle(self._halves), self._no_decisions()
        self._generator = torch.Generator().manual_seed(self.seed or 0)

    def _no_decisions(self) -> Decisions:
        reads = self.policy.net.reads
        return Decisions(len(reads.observation), self._shortlist.top, len(reads.candidates) + 1)

    def set_random_seed(self, seed: int | None = None) -> None:
        """Seed all generators, and the worlds from `seed` on."""
        super().set_random_seed(seed)
        if seed is not None:
            self.seed_worlds(seed)

    def seed_worlds(self, first: int) -> None:
        """Seeds for the next reset: the run's world b has first + b."""
        for half in self._halves:
            half.env.seed(first + half.first)

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 1,
        tb_log_name: str = "scorer",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> ScorerAlgorithm:
        """Train for total_timesteps decisions, or until the callback says no; num_timesteps counts decisions.

        However it ends, the thread that steps the worlds has ended, too.
        """
        starts = reset_num_timesteps or self._last_obs is None
        total_timesteps, callback = self._setup_learn(
            total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar
        )
        if starts:
            self._start_anew()
        with ThreadPoolExecutor(1, "edge6g-worlds") as thread:
            callback.on_training_start(locals(), globals())
            while self.num_timesteps < total_timesteps and self._collect(callback, thread):
                self._update(self._decisions.take())
                self._n_updates += 1
                if self._n_updates % log_interval == 0:
                    self.logger.dump(self.num_timesteps)
            callback.on_training_end()
        return self

    def _start_anew(self) -> None:
        """The first batch of worlds has been reset: reset the others; decisions that wait for an outcome never get one."""
        for half in self._halves:
            half.drop()
        for half in self._halves[1:]:
            half.env.reset()
        self._turns, self._decisions = cycle(self._halves), self._no_decisions()

    def _collect(self, callback: Any, thread: Executor) -> bool:
        """Act by the policy's probabilities until a batch of decisions has its outcomes; False to stop.

        All batches of worlds are left with a step under way, whose actions are chosen: the update runs beside it.
        """
        callback.on_rollout_start()
        while len(self._decisions) < self.settings["batch_decisions"]:
            half = next(self._turns)
            obs, outcomes = half.finish()
            self._decisions.credit(outcomes, half.first)
            half.begin(thread, self._act(half, obs))
            if not callback.on_step():
                return False
        callback.on_rollout_end()
        return True

    def _act(self, half: Half, obs: dict[str, np.ndarray]) -> np.ndarray:
        """Actions int64 (B, N), drawn from the policy; the decisions among them are kept."""
        short, shape = self._shortlist(obs), obs["action_mask"].shape[:2]
        if not len(short.places):
            return np.full(shape, HOLD, np.int64)
        with torch.inference_mode():
            situations = self.policy.net.situations(*short.tensors())
            logits, value = self.policy.net.score(situations)
            log_probs = torch.log_softmax(logits, dim=1)
            # The least of exponential times, each by its rate, is a draw by the rates: torch.multinomial without its checks.
            rates = log_probs.exp() / torch.empty_like(log_probs).exponential_(generator=self._generator)
            choice = rates.argmax(dim=1)
            log_prob = log_probs.gather(1, choice[:, None])[:, 0]
        self._decisions.add(*half.jobs(short.places), situations, choice, log_prob, value)
        self.num_timesteps += len(short.places)
        return short.actions(shape, choice.numpy())

    def _update(self, batch: DecisionBatch) -> None:
        advantage = batch.worth - batch.value
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        losses: dict[str, list[float]] = {}
        for _ in range(self.settings["epochs"]):
            for part in torch.randperm(len(advantage), generator=self._generator).split(self.settings["minibatch"]):
                for name, loss in self._minibatch(batch, advantage, part).items():
                    losses.setdefault(name, []).append(loss)
        unexplained = torch.var(batch.worth - batch.value) / (torch.var(batch.worth) + 1e-8)
        self.logger.record("train/worth_per_decision", float(batch.worth.mean()))
        self.logger.record("train/explained_variance", 1.0 - float(unexplained))
        for name, values in losses.items():
            self.logger.record(f"train/{name}", float(np.mean(values)))

    def _minibatch(self, batch: DecisionBatch, advantage: torch.Tensor, part: torch.Tensor) -> dict[str, float]:
        """One gradient step on the decisions `part`."""
        situations = Situations(*(tensor.index_select(0, part) for tensor in batch.situations))
        choice, before, worth, advantage = (
            tensor.index_select(0, part) for tensor in (batch.choice, batch.log_prob, batch.worth, advantage)
        )
        logits, value = self.policy.net.score(situations)
        log_probs = torch.log_softmax(logits, dim=1)
        ratio = torch.exp(log_probs.gather(1, choice[:, None])[:, 0] - before)
        clip = self.settings["clip"]
        gain = torch.min(ratio * advantage, ratio.clamp(1.0 - clip, 1.0 + clip) * advantage)
        policy_loss, value_loss = -gain.mean(), functional.smooth_l1_loss(value, worth)
        self.policy.optimizer.zero_grad()
        (policy_loss + self.settings["value_weight"] * value_loss).backward()
        torch.nn.utils.clip_grad_norm_(self.policy.net.parameters(), self.settings["max_grad_norm"])
        self.policy.optimizer.step()
        log_probs, ratio = log_probs.detach(), ratio.detach()
        return {
            "policy_loss": policy_loss.item(),
            "value_loss": value_loss.item(),
            "entropy": -(log_probs.exp() * log_probs).sum(dim=1).mean().item(),
            "clipped_share": ((ratio - 1.0).abs() > clip).float().mean().item(),
        }
