"""A clipped policy gradient (Schulman et al. 2017, arXiv 1707.06347) of the scorer's network on single decisions with their credits.

Batches are whole episodes, played inside the kernel (train/stages/team.py). While the network learns from one half of the worlds, the
other is played with the weights of exactly one update before: what is learned depends on no clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from agents.learned.scorer import FAR, Scorer
from edge6g_env.features import scales
from eval.pools.pool import Pending, Pool, shares
from eval.statistics import mean_of
from train.algorithm import Tensors
from train.checkpoint import load_optimizer, optimizer_tensors
from train.limits import Limit, priced, prices_tensor, prices_told
from train.stages.team import Batch, Decided, TeamPart, Terms
from train.worlds import Worlds

SETTINGS: dict[str, Any] = {
    "seeds": 4,  # of a half
    "draws": 3,  # of each of them
    "learning_rate": 3e-4,
    "minibatch": 1024,
    "epochs": 2,
    "clip": 0.2,
    "credit_clip": 3.0,  # standard deviations
    "max_grad_norm": 0.5,
}
KEPT = 0.9  # of the running mean of the weights, in each update; judgement


class Value(nn.Module):
    """What a situation is worth, whatever is chosen: of its context and the candidate that is predicted to be best."""

    def __init__(self, net: Scorer, own: bool) -> None:
        """own: a decision is credited with its job's worth, of which the prediction is known."""
        super().__init__()
        width, hidden = net.first.in_features, net.config.hidden
        last = nn.Linear(hidden, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), last)
        names = [feature.name for feature in net.reads.candidates]
        self._utility, self._unit = (
            names.index("utility"),
            float(scales(net.reads.candidates)[1, names.index("utility")]),
        )
        self._own = own

    def forward(self, context: torch.Tensor, inputs: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
        """Values (n,); arguments as Decided has them."""
        regret = inputs[..., -1].masked_fill(absent(inputs, count), -FAR)
        best = inputs[torch.arange(len(inputs)), regret.argmax(dim=1)]
        value = self.layers(torch.cat([context, best], dim=1)).squeeze(-1)
        return value + self._unit * best[:, self._utility] if self._own else value


def absent(inputs: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
    """bool (n, R) places behind the last candidate of a decision."""
    return torch.arange(inputs.shape[1]) >= count[:, None]


def drawn(net: Scorer, context: torch.Tensor, inputs: torch.Tensor, but: torch.Tensor) -> torch.Tensor:
    """Log-probabilities (n, R) by which the candidates of decisions are drawn, but those of `but`, bool (n, R)."""
    return torch.log_softmax(net.config.beta * net(context, inputs).masked_fill(but, -FAR), dim=1)


class TeamGradient:
    """The learning of a network, half by half, from a net whose linear part stands."""

    def __init__(
        self,
        worlds: Worlds,
        pool: Pool,
        net: Scorer,
        seed: int,
        terms: Terms,
        *,
        stage: int,
        limits: Sequence[Limit] = (),
        **settings: Any,
    ) -> None:
        """stage: whose worlds it meets."""
        self.settings = {**SETTINGS, **settings}
        self._worlds, self._pool, self._seed, self._stage = worlds, pool, seed, stage
        self.net, self.terms, self.limits = net, terms, tuple(limits)
        self.value = Value(net, terms.own)
        self.optimizer = torch.optim.Adam(
            [*net.parameters(), *self.value.parameters()], lr=self.settings["learning_rate"], fused=True
        )
        self.begin()

    def begin(self) -> None:
        """Learn on from the weights that the net has now."""
        average = get_ema_multi_avg_fn(KEPT)
        self._behind = _copy(self.net)
        self.mean = AveragedModel(self.net, multi_avg_fn=average)
        self.half = 0
        self._pending: Pending | None = None

    @property
    def mean_net(self) -> Scorer:
        """The net with the running mean of its weights."""
        net = self.mean.module
        assert isinstance(net, Scorer)
        return net

    def advance(self) -> tuple[int, dict[str, float]]:
        """Learn from the half under way while the next is played; its decisions and figures."""
        pending = self._pending or self._play(self.half, self._behind)
        batches: list[Batch] = pending.finish()
        rewards, costs = (
            np.concatenate([getattr(batch, name) for batch in batches], axis=-1) for name in ("rewards", "costs")
        )
        self.limits = tuple(limit.after(mean_of(each)) for limit, each in zip(self.limits, costs, strict=True))
        self._behind = _copy(self.net)
        self._pending = self._play(self.half + 1, self._behind)  # at these prices: a resume plays it again
        figures = self._update(Decided.joined([batch.decided for batch in batches]))
        self.mean.update_parameters(self.net)
        self.half += 1
        figures["reward_drawn"] = mean_of(rewards)
        return sum(batch.decisions for batch in batches), figures | prices_told(self.limits)

    def _play(self, half: int, net: Scorer) -> Pending:
        """Begin to play a half of the worlds by these weights."""
        seeds, draws = self.settings["seeds"], self.settings["draws"]
        parts: list[TeamPart] = []
        for layout, of_scenario in self._worlds.batch(self._stage, half, seeds):
            policy, drawn = net.compiled(layout, records=True), range(draws * half, draws * half + draws)
            parts += [
                TeamPart(layout.scenario, policy, share, drawn, self.terms, self.limits)
                for share in shares(of_scenario, self._pool.workers)
            ]
        return self._pool.begin(parts)

    def _update(self, decided: Decided) -> dict[str, float]:
        if len(decided.credit) < 2:
            return {}  # nothing that could be compared
        tensors = [torch.from_numpy(array) for array in decided]
        context, inputs, count, _, _, credit = tensors
        with torch.inference_mode():
            value = self.value(context, inputs, count)
        advantage = credit - value
        unexplained = advantage.var() / (credit.var() + 1e-8)
        clip = self.settings["credit_clip"]
        advantage = ((advantage - advantage.mean()) / (advantage.std() + 1e-8)).clamp(-clip, clip)
        generator = torch.Generator().manual_seed(_seed_of(self._seed, self.half))
        losses: dict[str, list[float]] = {}
        for _ in range(self.settings["epochs"]):
            for part in torch.randperm(len(credit), generator=generator).split(self.settings["minibatch"]):
                for name, loss in self._minibatch([one.index_select(0, part) for one in (*tensors, advantage)]).items():
                    losses.setdefault(name, []).append(loss)
        told = {name: float(np.mean(values)) for name, values in losses.items()}
        spread = {"credit_mean": float(credit.mean()), "credit_std": float(credit.std())}
        return {**told, **spread, "explained_variance": 1.0 - float(unexplained)}

    def _minibatch(self, tensors: Sequence[torch.Tensor]) -> dict[str, float]:
        """One gradient step."""
        context, inputs, count, choice, before, credit, advantage = tensors
        log_probs = drawn(self.net, context, inputs, absent(inputs, count))
        ratio = torch.exp(log_probs.gather(1, choice[:, None])[:, 0] - before)
        clip = self.settings["clip"]
        gain = torch.min(ratio * advantage, ratio.clamp(1.0 - clip, 1.0 + clip) * advantage)
        policy_loss = -gain.mean()
        value_loss = functional.smooth_l1_loss(self.value(context, inputs, count), credit)
        self.optimizer.zero_grad()
        (policy_loss + value_loss).backward()
        for part in (self.net, self.value):  # they share no weight: neither's gradient may cut the other's short
            torch.nn.utils.clip_grad_norm_(part.parameters(), self.settings["max_grad_norm"])
        self.optimizer.step()
        log_probs, ratio = log_probs.detach(), ratio.detach()
        return {
            "policy_loss": policy_loss.item(),
            "value_loss": value_loss.item(),
            "entropy": -(log_probs.exp() * log_probs).sum(dim=1).mean().item(),
            "clipped_share": ((ratio - 1.0).abs() > clip).float().mean().item(),
        }

    def _parts(self) -> dict[str, nn.Module]:
        return {"net": self.net, "value": self.value, "behind": self._behind, "mean": self.mean}

    def tensors(self) -> Tensors:
        """Weights, optimiser, prices and how far it is, by name: copies."""
        rest = {"half": torch.tensor(self.half), "prices": prices_tensor(self.limits)}
        optimizer = {name: one.clone() for name, one in optimizer_tensors(self.optimizer).items()}
        return {**module_tensors(self._parts()), **optimizer, **rest}

    def load(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Go on from there; RuntimeError, ValueError or KeyError if they do not fit."""
        load_modules(self._parts(), tensors)
        load_optimizer(self.optimizer, tensors)
        self.limits = priced(self.limits, tensors["prices"].tolist())
        self.half, self._pending = int(tensors["half"]), None


def module_tensors(parts: Mapping[str, nn.Module]) -> Tensors:
    """Weights of several modules by name: copies."""
    return {
        f"{part}.{name}": tensor.clone()
        for part, module in parts.items()
        for name, tensor in module.state_dict().items()
    }


def load_modules(parts: Mapping[str, nn.Module], tensors: Mapping[str, torch.Tensor]) -> None:
    """Put them back to module_tensors; RuntimeError if they do not fit."""
    for part, module in parts.items():
        start = f"{part}."
        module.load_state_dict({name[len(start) :]: one for name, one in tensors.items() if name.startswith(start)})


def _copy(net: Scorer) -> Scorer:
    copy = Scorer(net.reads, net.config)
    copy.load_state_dict(net.state_dict())
    return copy


def _seed_of(seed: int, half: int) -> int:
    return int(np.random.SeedSequence([seed, half]).generate_state(1, np.uint64)[0] >> np.uint64(1))
