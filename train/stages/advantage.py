"""The scorer's network after labels: the expected advantage of a decision is raised, within a bound on how far the policy moves.

Labels (train/stages/labels.py) say what some choices of a decision would have gained the team. What is raised is the mean gain if one of
them is drawn by the policy: a choice that the policy would hardly take moves little, whatever its label promises, which is the caution
that labels need whose later decisions were made for the base run's choice. A batch brings few labels, so those of earlier ones, by
policies that were nearly the same, are learned from again. After each batch the step is cut so that the mean Kullback-Leibler divergence
from the policy before is at most `kl` over all decisions of the base runs (Schulman et al. 2015, arXiv 1502.05477).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from agents.learned.scorer import Scorer
from eval.pools.pool import Pool, play, shares
from eval.statistics import mean_of
from train.algorithm import Tensors
from train.checkpoint import load_optimizer, optimizer_tensors
from train.limits import Limit, priced, prices_tensor, prices_told
from train.setup import SettingError
from train.stages.gradient import KEPT, absent, drawn, load_modules, module_tensors
from train.stages.labels import Labelled, LabelPart, Labels
from train.stages.team import Terms
from train.worlds import Worlds

SETTINGS: dict[str, Any] = {
    "labels": 16,  # decisions of a seed that get labels
    "choices": 5,  # of each of them that are tried
    "kl": 0.002,  # most that a batch moves the policy, mean over decisions
}
STEPS = 8  # of the gradient in a batch; judgement
LABELS_KEPT = 1024  # of the newest batches: what a study fitted at once; judgement
SPREADS = 3.0  # standard deviations at which a label is clipped
_CUTS = 12  # halvings of the interval in which a step's share lies


class AdvantageGradient:
    """The learning of a network from labels, batch by batch."""

    def __init__(
        self,
        worlds: Worlds,
        pool: Pool,
        net: Scorer,
        terms: Terms,
        *,
        stage: int,
        seeds: int,
        learning_rate: float,
        max_grad_norm: float,
        limits: Sequence[Limit] = (),
        **settings: Any,
    ) -> None:
        """stage: whose worlds it meets; seeds: of a batch. Raises SettingError."""
        self.settings = {**SETTINGS, **settings}
        if self.settings["choices"] < 2:
            raise SettingError("choices = 1: a label compares 2 choices or more")
        if self.settings["kl"] == 0.0:
            raise SettingError("kl = 0: a policy that learns moves, it must be above 0")
        self._worlds, self._pool, self._stage, self._seeds = worlds, pool, stage, seeds
        self.net, self.terms, self.limits = net, terms, tuple(limits)
        self._max_grad_norm = max_grad_norm
        self.optimizer = torch.optim.Adam(net.parameters(), lr=learning_rate, fused=True)
        self.begin()

    def begin(self) -> None:
        """Learn on from the weights that the net has now."""
        self.mean = AveragedModel(self.net, multi_avg_fn=get_ema_multi_avg_fn(KEPT))
        self.batch = 0
        self._kept: tuple[torch.Tensor, ...] = ()  # context, inputs, tried, gain of labelled decisions

    @property
    def mean_net(self) -> Scorer:
        """The net with the running mean of its weights."""
        net = self.mean.module
        assert isinstance(net, Scorer)
        return net

    def advance(self) -> tuple[int, dict[str, float]]:
        """Label a batch and learn from it; its decisions and figures."""
        most, choices = self.settings["labels"], self.settings["choices"]
        parts: list[LabelPart] = []
        for layout, seeds in self._worlds.batch(self._stage, self.batch, self._seeds):
            policy = self.net.compiled(layout, records=True)
            parts += [
                LabelPart(layout.scenario, policy, share, most, choices, self.terms, self.limits)
                for share in shares(seeds, self._pool.workers)
            ]
        played: list[Labels] = play(self._pool, parts)
        rewards, costs = (
            np.concatenate([getattr(one, name) for one in played], axis=-1) for name in ("rewards", "costs")
        )
        prices = tuple(limit.after(mean_of(each)) for limit, each in zip(self.limits, costs, strict=True))
        figures = self._update(Labelled.joined([one.labelled for one in played]))
        if prices != self.limits:
            self.limits, self._kept = prices, ()  # labels at other prices say something else
        self.mean.update_parameters(self.net)
        self.batch += 1
        figures["reward_argmax"] = mean_of(rewards)
        return sum(one.decisions for one in played), figures | prices_told(self.limits)

    def _update(self, labelled: Labelled) -> dict[str, float]:
        context, inputs, count, tried, gain = (torch.from_numpy(array) for array in labelled)
        every, new = (context, inputs, absent(inputs, count)), tried.any(dim=1)
        found = [array[new] for array in (context, inputs, tried, gain)]
        parts = zip(self._kept, found, strict=True) if self._kept else ((one,) for one in found)
        self._kept = tuple(torch.cat(part)[-LABELS_KEPT:] for part in parts)
        context, inputs, tried, gain = self._kept
        others = gain[tried & (gain != 0.0)]
        if len(others) < 2:
            return {}  # nothing that could be compared
        spread = others.square().mean().sqrt()
        advantage = (gain / spread).clamp(-SPREADS, SPREADS)
        with torch.inference_mode():
            before = drawn(self.net, *every)
        start = [weights.detach().clone() for weights in self.net.parameters()]
        for _ in range(STEPS):
            expected = self._expected(context, inputs, tried, advantage)
            self.optimizer.zero_grad()
            (-expected.mean()).backward()
            nn.utils.clip_grad_norm_(self.net.parameters(), self._max_grad_norm)
            self.optimizer.step()
        kl, share = self._bounded(start, every, before)
        with torch.inference_mode():
            expected = self._expected(context, inputs, tried, gain)
        return {
            "labels": float(len(gain)),
            "label_spread": float(spread),
            "expected_gain": float(expected.mean()),
            "kl": kl,
            "step_share": share,
        }

    def _expected(
        self, context: torch.Tensor, inputs: torch.Tensor, tried: torch.Tensor, advantage: torch.Tensor
    ) -> torch.Tensor:
        """Mean advantage of each decision if one of the choices that were tried is drawn by the policy, (n,)."""
        return (drawn(self.net, context, inputs, ~tried).exp() * advantage).sum(dim=1)

    def _bounded(
        self, start: Sequence[torch.Tensor], of: tuple[torch.Tensor, torch.Tensor, torch.Tensor], before: torch.Tensor
    ) -> tuple[float, float]:
        """Cut the step from `start` as far as the bound asks for; the divergence then and the share of the step that was taken."""
        moved = [weights.detach().clone() for weights in self.net.parameters()]
        most, share, too_far = self.settings["kl"], 0.0, 2.0  # the first try is the whole step
        for _ in range(_CUTS):
            tried = (share + too_far) / 2.0
            self._set(start, moved, tried)
            share, too_far = (tried, too_far) if self._moved(*of, before) <= most else (share, tried)
            if share == 1.0:
                break
        self._set(start, moved, share)
        return self._moved(*of, before), share

    def _moved(self, context: torch.Tensor, inputs: torch.Tensor, but: torch.Tensor, before: torch.Tensor) -> float:
        """Mean divergence of the policy before from that of now."""
        with torch.inference_mode():
            after = drawn(self.net, context, inputs, but)
            return max(float((before.exp() * (before - after)).sum(dim=1).mean()), 0.0)

    def _set(self, start: Sequence[torch.Tensor], moved: Sequence[torch.Tensor], share: float) -> None:
        with torch.no_grad():
            for weights, a, b in zip(self.net.parameters(), start, moved, strict=True):
                weights.copy_(a + share * (b - a))

    def _parts(self) -> dict[str, nn.Module]:
        return {"net": self.net, "mean": self.mean}

    def tensors(self) -> Tensors:
        """Weights, optimiser, prices and how far it is, by name: copies."""
        rest = {"batch": torch.tensor(self.batch), "prices": prices_tensor(self.limits)}
        optimizer = {name: one.clone() for name, one in optimizer_tensors(self.optimizer).items()}
        kept = {f"kept.{n}": one.clone() for n, one in enumerate(self._kept)}
        return {**module_tensors(self._parts()), **optimizer, **kept, **rest}

    def load(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Go on from there; RuntimeError, ValueError or KeyError if they do not fit."""
        load_modules(self._parts(), tensors)
        load_optimizer(self.optimizer, tensors)
        self.limits, self.batch = priced(self.limits, tensors["prices"].tolist()), int(tensors["batch"])
        self._kept = tuple(tensors[name].clone() for name in sorted(tensors) if name.startswith("kept."))
