"""Limits on the mean cost of a job, kept by Lagrange multipliers: what a cost is priced at rises while its limit is broken.

A learner takes price x cost off the worth of each job. Between two batches the price moves by dual ascent on the share by which the mean
cost lies above the limit, and never below 0 (Altman 1999, "Constrained Markov Decision Processes"; Tessler et al. 2019, arXiv 1805.11074).
A search takes the same price off the score of each candidate, times the cost that is foreseen of it, so that a price acts at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from agents.learned.reading import Reads
from edge6g_env.errors import UserError, did_you_mean
from edge6g_env.features import unscaled
from edge6g_env.kernel.codes import COST_NAMES
from edge6g_env.spaces import Layout
from eval.limits import METRICS, cost_of, excess

LEAST = 1e-6  # a limit that no job keeps, whose price would be beyond all numbers; judgement
# Of a job, as the environment's `costs` have it (docs/interface.md).
_COSTS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "slo_miss": lambda outcomes: 1.0 - outcomes["slo_met"],
    "exposure": lambda outcomes: outcomes["exposure_device"],
    "energy_j": lambda outcomes: outcomes["energy_j"],
}
# Entry of a candidate in which each is foreseen, and whether it is higher the more, or the less, it costs. No entry has the chance of a
# miss: timeliness is 1 where none is foreseen.
_FORESEEN: Mapping[str, tuple[str, float]] = {
    "slo_miss": ("timeliness", -1.0),
    "exposure": ("exposure_device", 1.0),
    "energy_j": ("energy_j", 1.0),
}
assert (*_COSTS,) == (*_FORESEEN,) == COST_NAMES
_SHARES = ("slo_miss", "exposure")  # of which the limit is at most 1
RATE = 0.3  # worth of a cost as high as its limit that a batch adds when the mean is twice the limit; judgement, docs/training.md
# Worth that is taken off for a cost of 1 at most, of one that is no share for a cost as high as its limit: ten times what an answer is
# worth. A limit that cannot be met would raise its price for ever, until rewards are noise beside it; judgement.
MOST_PRICE = 10.0


class LimitError(UserError):
    """A limit that cannot be kept or read."""


@dataclass(frozen=True)
class Limit:
    """The mean cost of a measured job is to be at most `most`."""

    cost: str
    most: float
    price: float = 0.0
    """Worth that a unit of the cost is priced at now: the multiplier."""

    def after(self, mean: float) -> Limit:
        """With the price after a batch whose jobs had this mean cost; NaN leaves it."""
        if math.isnan(mean):
            return self
        above = min(max(mean / self.most - 1.0, -1.0), 1.0)
        price = self.price + RATE * above / self.most
        return replace(self, price=min(max(0.0, price), MOST_PRICE / _per(self)))


def costs_of(cost: str, outcomes: np.ndarray) -> np.ndarray:
    """Cost of each job, float64 (n,); outcomes: rows of OUTCOME."""
    return _COSTS[cost](outcomes).astype(float)


def above(limits: Sequence[Limit], metrics: Mapping[str, float]) -> float:
    """Share by which the mean cost lies above the limit that is broken most, 0 where all are met; NaN metrics break none."""
    costs = {cost: float(cost_of(cost, metrics[metric])) for cost, metric in METRICS.items()}
    known = (limit for limit in limits if not math.isnan(costs[limit.cost]))
    return max((excess(limit.most, costs[limit.cost]) for limit in known), default=0.0)


def limits_of(words: Sequence[str]) -> tuple[Limit, ...]:
    """Limits of NAME=NUMBER; LimitError for a cost that is not there, stands twice, or has a number out of its range."""
    found: dict[str, Limit] = {}
    for word in words:
        name, equals, number = word.partition("=")
        if name not in _COSTS:
            raise LimitError(
                f"--limit {word}: there is no cost {name!r}: the costs of a job are {', '.join(_COSTS)}"
                f"{did_you_mean(name, [*_COSTS], before='; ')}"
            )
        highest = 1.0 if name in _SHARES else math.inf
        try:
            most = float(number)
        except ValueError:
            most = math.nan
        if not equals or not LEAST <= most <= highest or math.isinf(most):
            whole = f"a number from {LEAST:g} on" + (", 1 at most" if name in _SHARES else "")
            raise LimitError(f"--limit {word}: it must be {name}={whole}, the most that a job may cost in the mean")
        if name in found:
            raise LimitError(f"--limit {name} stands twice: one cost has one limit")
        found[name] = Limit(name, most)
    return tuple(found.values())


def priced(limits: Sequence[Limit], prices: Sequence[float]) -> tuple[Limit, ...]:
    """The same limits at other prices; ValueError if there are more or fewer of these."""
    return tuple(replace(limit, price=price) for limit, price in zip(limits, prices, strict=True))


def reads_costs(reads: Reads, limits: Sequence[Limit], layout: Layout) -> Reads:
    """The same entries of a candidate, those in which limited costs are foreseen linear: shares as they are, others over their limit. One
    that was not read comes behind all that were, so that weights of these stay in their places."""
    features = {one.name: one for one in reads.candidates}
    for limit in limits:
        name, _ = _FORESEEN[limit.cost]
        features[name] = unscaled(layout.candidates[layout.candidate_index(name)], _per(limit))
    return replace(reads, candidates=(*features.values(),))


def price_weights(limits: Sequence[Limit], reads: Reads) -> np.ndarray:
    """What the prices weigh of the entries of `reads_costs`, float64 (entries,): minus price x foreseen cost."""
    names, weights = [one.name for one in reads.candidates], np.zeros(len(reads.candidates))
    for limit in limits:
        name, sign = _FORESEEN[limit.cost]
        weights[names.index(name)] = -sign * limit.price * _per(limit)
    return weights


def _per(limit: Limit) -> float:
    """Of the cost's unit: what makes 1 of its entry."""
    return 1.0 if limit.cost in _SHARES else limit.most


def prices_tensor(limits: Sequence[Limit]) -> torch.Tensor:
    """What `priced` takes, for a checkpoint."""
    return torch.tensor([limit.price for limit in limits], dtype=torch.float64)


def prices_told(limits: Sequence[Limit]) -> dict[str, float]:
    """Figures of the multipliers."""
    return {f"price_{limit.cost}": limit.price for limit in limits}
