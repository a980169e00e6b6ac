"""Interquartile means, bootstrap intervals, paired differences, Student's intervals.

One point of a sample is one seed. All policies of a comparison meet the same seeds, that is the same arrivals, lengths
and paths, so differences are taken seed by seed: what makes a seed hard for all cancels. Training seeds are few: of their means there are
Student's intervals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

TRIMMED_SHARE = 0.25  # cut from each end: the mean of the middle half
CONFIDENCE = 0.95
RESAMPLES = 10_000
FEWEST_FOR_INTERVAL = 3
FEWEST_FOR_STUDENT = 2
MOST_AT_A_TIME = 4_000_000  # values of a group's resamples in memory

Interval = tuple[float, float]


class Estimate(TypedDict):
    """A sample of n values: interquartile mean, its interval, plain mean; None where there is none."""

    iqm: float | None
    low: float | None
    high: float | None
    mean: float | None
    n: int


class MeanEstimate(TypedDict):
    """The mean of n values, with Student's interval; None where there is none."""

    mean: float | None
    low: float | None
    high: float | None
    n: int


AnyEstimate = Estimate | MeanEstimate


def bounds(estimate: AnyEstimate) -> tuple[float | None, float | None, float | None]:
    """Middle, low and high; the middle is the IQM, of means the mean."""
    return estimate.get("iqm", estimate["mean"]), estimate["low"], estimate["high"]  # type: ignore[return-value]


def iqm(x: ArrayLike) -> float:
    """Interquartile mean of x (n,): the mean after a quarter (rounded down) is cut from each end. NaN is skipped."""
    values = _finite(x)
    return float(_trimmed_mean(values)) if len(values) else float("nan")


def mean_of(x: ArrayLike | Sequence[float | None]) -> float:
    """Plain mean of the values that there are, of any shape: None and NaN are skipped; NaN if there is none."""
    values = _finite(np.array(x, np.float64))
    return float(values.mean()) if len(values) else float("nan")


def bootstrap_interval(
    x: ArrayLike, confidence: float = CONFIDENCE, resamples: int = RESAMPLES, seed: int = 0
) -> Interval | None:
    """Interval (low, high) for the IQM of x (n,); None below three values; (v, v) if all are v. NaN is skipped.

    Percentile method: on normal and log-normal samples of 10 to 40 it covered the true IQM as often as BCa (94 to 96 %
    of 400 against 92 to 96, nominal 95) in two thirds of the time, and needs no jackknife, which degenerates on ties.
    With five values both cover about 88 %. Deterministic: `seed` draws the resamples.
    """
    values = _finite(x)
    if len(values) < FEWEST_FOR_INTERVAL:
        return None
    if np.ptp(values) == 0.0:
        return float(values[0]), float(values[0])
    return _percentiles(_trimmed_mean(values[_draws(len(values), resamples, seed)]), confidence)


def group_interval(table: ArrayLike, resamples: int = RESAMPLES) -> Interval | None:
    """Interval for the IQM of all values of a table (checkpoints, seeds); None below three of either. No NaN.

    Two-way percentile bootstrap: each resample draws checkpoints and, independently, seeds, and takes the values where they cross (Owen
    2007, The pigeonhole bootstrap). What a seed does to all checkpoints, and a checkpoint to all seeds, stays together, so both kinds of
    chance are in the interval. docs/metrics.md has its coverage.
    """
    values = np.asarray(table, np.float64)
    if min(values.shape) < FEWEST_FOR_INTERVAL:
        return None
    rows, columns = _draws(values.shape[0], resamples, 0), _draws(values.shape[1], resamples, 1)
    step = max(1, MOST_AT_A_TIME // values.size)
    means = [
        _trimmed_mean(values[rows[n : n + step, :, None], columns[n : n + step, None, :]].reshape(-1, values.size))
        for n in range(0, resamples, step)
    ]
    return _percentiles(np.concatenate(means))


def ratio_interval(totals: ArrayLike, counts: ArrayLike) -> Interval | None:
    """Interval for sum(totals) / sum(counts), both (seeds,): the mean over all that the seeds bring, each of them its own number.

    Percentile bootstrap over the seeds that bring any, None below three of them.
    """
    total, count = np.asarray(totals, np.float64), np.asarray(counts, np.float64)
    total, count = total[count > 0.0], count[count > 0.0]
    if len(count) < FEWEST_FOR_INTERVAL:
        return None
    drawn = resampled(len(count))
    return _percentiles(total[drawn].sum(axis=1) / count[drawn].sum(axis=1))


def student_interval(x: ArrayLike) -> Interval | None:
    """Interval for the expectation of which x (n,) are independent draws; None below two values, or where they do not vary: that says
    nothing of how much they would. NaN is skipped.

    Exact for normal draws, whatever their number (Student 1908, The probable error of a mean): with few training seeds, of which a
    bootstrap makes too narrow an interval, it is as wide as it has to be: around the mean of two it reaches 12.7 times as far as they do.
    """
    values = _finite(x)
    if len(values) < FEWEST_FOR_STUDENT or np.ptp(values) == 0.0:
        return None
    return _student(float(values.mean()), float(stats.sem(values)), len(values) - 1)


def welch_interval(a: ArrayLike, b: ArrayLike) -> Interval | None:
    """Interval for the difference of the expectations of which a (n,) and b (m,) are independent draws, whatever their variances.

    None below two values of either, or where neither varies. NaN is skipped. Source: Welch 1947, The generalization of Student's problem.
    """
    mine, theirs = _finite(a), _finite(b)
    if min(len(mine), len(theirs)) < FEWEST_FOR_STUDENT or np.ptp(mine) == np.ptp(theirs) == 0.0:
        return None
    u, v = stats.sem(mine) ** 2, stats.sem(theirs) ** 2
    freedom = (u + v) ** 2 / (u**2 / (len(mine) - 1) + v**2 / (len(theirs) - 1))
    return _student(float(mine.mean() - theirs.mean()), float(np.sqrt(u + v)), float(freedom))


def _student(middle: float, error: float, freedom: float) -> Interval:
    low, high = stats.t.interval(CONFIDENCE, freedom, middle, error)
    return float(low), float(high)


def resampled(n: int) -> NDArray[np.int64]:
    """Indices of the resamples of n seeds, int64 (RESAMPLES, n), for the interval of what is no mean."""
    return _draws(n, RESAMPLES, 0)


@lru_cache(maxsize=2)
def _draws(n: int, resamples: int, seed: int) -> NDArray[np.int64]:
    """Indices of resamples, int64 (resamples, n), the draws of scipy.stats.bootstrap; many samples of a comparison share them."""
    return np.random.default_rng(seed).integers(0, n, (resamples, n))


def _percentiles(values: NDArray[np.float64], confidence: float = CONFIDENCE) -> Interval:
    tail = 50.0 * (1.0 - confidence)
    low, high = np.percentile(values, [tail, 100.0 - tail])
    return float(low), float(high)


def estimate(x: ArrayLike) -> Estimate:
    """IQM, its interval, mean and count of x (n,), NaN skipped, None where there is no value."""
    values = _finite(x)
    if not len(values):
        return Estimate(iqm=None, low=None, high=None, mean=None, n=0)
    low, high = bootstrap_interval(values) or (None, None)
    return Estimate(iqm=iqm(values), low=low, high=high, mean=float(values.mean()), n=len(values))


def estimate_group(table: ArrayLike) -> Estimate:
    """Estimate over checkpoints and seeds, (checkpoints, seeds); seeds in which one has NaN are left out."""
    values = np.atleast_2d(np.asarray(table, np.float64))
    values = values[:, np.isfinite(values).all(axis=0)]
    if not values.size:
        return Estimate(iqm=None, low=None, high=None, mean=None, n=0)
    low, high = group_interval(values) or (None, None)
    return Estimate(iqm=iqm(values.ravel()), low=low, high=high, mean=float(values.mean()), n=values.size)


def estimate_mean(x: ArrayLike) -> MeanEstimate:
    """Mean of x (n,) with Student's interval, NaN skipped."""
    values = _finite(x)
    low, high = student_interval(values) or (None, None)
    return MeanEstimate(mean=float(values.mean()) if len(values) else None, low=low, high=high, n=len(values))


def paired_difference(a_by_seed: Mapping[int, float], b_by_seed: Mapping[int, float]) -> Estimate:
    """Estimate of a - b over the seeds that both have a value for."""
    seeds = sorted(set(a_by_seed) & set(b_by_seed))
    return estimate([a_by_seed[seed] - b_by_seed[seed] for seed in seeds])


def share_of_span(mine: ArrayLike, low: ArrayLike, high: ArrayLike) -> Estimate:
    """Where `mine` stands between `low` (0) and `high` (1), each (seeds,), paired: IQM(mine - low) / IQM(high - low), with its interval.

    The interval draws seeds again, the same for both differences. Only where high - low is clear of 0 does it mean anything.
    """
    gain, span = (np.asarray(x, np.float64) - np.asarray(low, np.float64) for x in (mine, high))
    ends: tuple[float | None, float | None] = (None, None)
    if len(gain) >= FEWEST_FOR_INTERVAL:
        drawn = _draws(len(gain), RESAMPLES, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            low_end, high_end = _percentiles(_trimmed_mean(gain[drawn]) / _trimmed_mean(span[drawn]))
        ends = (low_end, high_end) if np.isfinite([low_end, high_end]).all() else ends
    whole, mean = float(_trimmed_mean(gain) / _trimmed_mean(span)), float(gain.mean() / span.mean())
    return Estimate(iqm=whole, low=ends[0], high=ends[1], mean=mean, n=len(gain))


def clear_of_zero(difference: AnyEstimate) -> bool:
    """Whether the interval lies on one side of 0."""
    low, high = difference["low"], difference["high"]
    return low is not None and high is not None and (low > 0.0 or high < 0.0)


def _trimmed_mean(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return stats.trim_mean(x, TRIMMED_SHARE, axis=-1)


def _finite(x: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(x, dtype=np.float64)
    return values[np.isfinite(values)]
