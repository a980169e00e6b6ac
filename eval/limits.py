"""Limits on the mean cost of a job, as `edge6g train --limit` keeps them, beside what jobs cost where a policy was played."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike

from edge6g_env.kernel.codes import COST_NAMES
from eval.statistics import MeanEstimate, estimate_mean

METRICS: Mapping[str, str] = {"slo_miss": "slo_attainment", "exposure": "exposure_mean", "energy_j": "energy_j_per_job"}
"""Metric of each cost (docs/metrics.md); of misses it is what is left of 1."""
assert (*METRICS,) == COST_NAMES


class Beside(TypedDict):
    """A limit, `most`, and the mean cost of a job: with Student's interval over training seeds, each by its mean over the worlds, and over
    worlds, each by the mean of the training seeds; above_by: share of the limit by which the mean is above it, 0 where it is met."""

    most: float
    over_training_seeds: MeanEstimate
    over_worlds: MeanEstimate
    above_by: float


def cost_of(cost: str, metric: ArrayLike) -> np.ndarray:
    """Mean cost of a job by the value of its metric, of the same shape."""
    values = np.asarray(metric, np.float64)
    return 1.0 - values if cost == "slo_miss" else values


def excess(most: float, mean: float) -> float:
    """Share of a limit by which a mean cost is above it, 0 where it is met."""
    return max(0.0, mean / most - 1.0)


def beside(most: float, costs: ArrayLike) -> Beside:
    """A limit beside mean costs of a job, (training seeds, worlds); a world in which none is measured is NaN and left out."""
    table = np.atleast_2d(np.asarray(costs, np.float64))
    table = table[:, np.isfinite(table).all(axis=0)]
    means = table.mean(axis=1) if table.size else np.zeros(0)
    return Beside(
        most=most,
        over_training_seeds=estimate_mean(means),
        over_worlds=estimate_mean(table.mean(axis=0)),
        above_by=excess(most, float(means.mean())) if len(means) else 0.0,
    )


def shown_cost(one: Beside) -> MeanEstimate:
    """The mean cost with the interval that says most: over training seeds, of one training over worlds."""
    return one["over_training_seeds"] if one["over_training_seeds"]["n"] > 1 else one["over_worlds"]


def in_words(name: str, cost: str, one: Beside) -> str:
    """One sentence: "scorer: slo_miss 0.104 [0.09, 0.118] over training seeds, limit 0.1, above it by 4.0%"."""
    shown = shown_cost(one)
    if shown["mean"] is None:
        return f"{name}: {cost} is not known, no job is measured; limit {one['most']:g}"
    interval = "" if shown["low"] is None else f" [{shown['low']:.4g}, {shown['high']:.4g}]"
    over = "training seeds" if shown is one["over_training_seeds"] else "worlds"
    return f"{name}: {cost} {shown['mean']:.4g}{interval} over {over}, limit {one['most']:g}, above it by {one['above_by']:.1%}"
