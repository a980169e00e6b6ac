"""A group: one algorithm trained on several seeds, taken as one policy. What its intervals are over (docs/study.md).

Its values are a table (training seeds, worlds), a row a checkpoint and a column an evaluation seed. A world in which one of them has no
value is left out.
"""

from __future__ import annotations

from typing import Literal, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eval.statistics import AnyEstimate, Estimate, MeanEstimate, estimate, estimate_group, estimate_mean

OVER: tuple[Literal["over_training_seeds", "over_worlds", "over_both"], ...]
OVER = ("over_training_seeds", "over_worlds", "over_both")


class GroupEstimate(TypedDict):
    """A figure of a group by what is taken to be drawn by chance: training seeds, worlds, or both.

    over_training_seeds: mean, each training seed by its mean over the worlds, Student's interval; over_worlds: IQM, each world by the mean
    of the training seeds, bootstrap; over_both: IQM of all, two-way bootstrap.
    """

    over_training_seeds: MeanEstimate
    over_worlds: Estimate
    over_both: Estimate


class GroupSummary(TypedDict):
    """The reward of a group, and against the best rule: the paired gain and the probability of improvement; None without a rule."""

    reward_per_job: GroupEstimate
    gain_over_best_rule: GroupEstimate | None
    probability_of_improvement: MeanEstimate | None


def value_of(table: ArrayLike) -> Estimate:
    """Of a policy's values, (training seeds, worlds), what stands beside those of other policies: over worlds, each by its mean."""
    return estimate(_whole(table).mean(axis=0))


def difference_of(table: ArrayLike) -> AnyEstimate:
    """Of a policy's differences, (training seeds, worlds): over worlds of one alone, over training seeds of a group."""
    values = np.atleast_2d(np.asarray(table, np.float64))
    return estimate(values[0]) if len(values) == 1 else over_training_seeds(values)


def group_estimate(table: ArrayLike) -> GroupEstimate:
    """The three estimates of a table (training seeds, worlds)."""
    values = _whole(table)
    return GroupEstimate(
        over_training_seeds=over_training_seeds(values),
        over_worlds=value_of(values),
        over_both=estimate_group(values),
    )


def over_training_seeds(table: ArrayLike) -> MeanEstimate:
    """Mean of a table (training seeds, worlds), Student's interval over the means of its rows."""
    values = _whole(table)
    return estimate_mean(values.mean(axis=1) if values.size else [])


def probability_of_improvement(gains: ArrayLike) -> MeanEstimate:
    """How often a training seed earns more in a world than the reference; gains over it, paired by world: (training seeds, worlds).

    P(X > Y) with half of the ties, after Agarwal et al. 2021 (arXiv 2108.13264), a world for a task. The interval is
    Student's over the shares of the training seeds, cut at 0 and 1.
    """
    values = _whole(gains)
    found = over_training_seeds((values > 0.0) + 0.5 * (values == 0.0))
    if found["low"] is not None and found["high"] is not None:
        found |= {"low": max(0.0, found["low"]), "high": min(1.0, found["high"])}
    return found


def _whole(table: ArrayLike) -> NDArray[np.float64]:
    values = np.atleast_2d(np.asarray(table, np.float64))
    return values[:, np.isfinite(values).all(axis=0)]
