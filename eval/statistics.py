"""Interquartile means, bootstrap intervals, paired differences, and the summary of a comparison.

One point of a sample is one seed. All policies of a comparison meet the same seeds, that is the same arrivals, lengths
and paths, so differences are taken seed by seed: what makes a seed hard for all cancels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from eval.metrics import METRIC_NAMES

TRIMMED_SHARE = 0.25  # cut from each end: the mean of the middle half
CONFIDENCE = 0.95
RESAMPLES = 10_000
FEWEST_FOR_INTERVAL = 3

NOTE = (
    "Intervals are 95 % percentile-bootstrap intervals over the evaluation seeds. A learned policy is one checkpoint: "
    "its interval speaks of that checkpoint only, not of the algorithm, which would take several training seeds. The "
    "best rule is chosen on the same seeds, which favours the rule. Intervals are not corrected for the number of "
    "metrics and policies."
)

Interval = tuple[float, float]


class Estimate(TypedDict):
    """A sample of n seeds: interquartile mean, its interval, plain mean; None where there is none."""

    iqm: float | None
    low: float | None
    high: float | None
    mean: float | None
    n: int


class PolicySummary(TypedDict):
    """One policy: the estimate of each metric, and of its paired difference to the best rule (None for that rule)."""

    kind: Literal["rule", "learned"]
    metrics: dict[str, Estimate]
    difference_to_best_rule: dict[str, Estimate] | None


class Summary(TypedDict):
    """summary.json."""

    note: str
    confidence: float
    resamples: int
    best_rule: str | None
    seeds: list[int]
    policies: dict[str, PolicySummary]


def iqm(x: ArrayLike) -> float:
    """Interquartile mean of x (n,): the mean after a quarter (rounded down) is cut from each end. NaN is skipped."""
    values = _finite(x)
    return float(_trimmed_mean(values)) if len(values) else float("nan")


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
    result = stats.bootstrap(
        (values,),
        _trimmed_mean,
        confidence_level=confidence,
        n_resamples=resamples,
        method="percentile",
        vectorized=True,
        rng=np.random.default_rng(seed),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def estimate(x: ArrayLike) -> Estimate:
    """IQM, its interval, mean and count of x (n,), NaN skipped, None where there is no value."""
    values = _finite(x)
    if not len(values):
        return Estimate(iqm=None, low=None, high=None, mean=None, n=0)
    low, high = bootstrap_interval(values) or (None, None)
    return Estimate(iqm=iqm(values), low=low, high=high, mean=float(values.mean()), n=len(values))


def paired_difference(a_by_seed: Mapping[int, float], b_by_seed: Mapping[int, float]) -> Estimate:
    """Estimate of a - b over the seeds that both have a value for."""
    seeds = sorted(set(a_by_seed) & set(b_by_seed))
    return estimate([a_by_seed[seed] - b_by_seed[seed] for seed in seeds])


def clear_of_zero(difference: Estimate) -> bool:
    """Whether the interval lies on one side of 0."""
    low, high = difference["low"], difference["high"]
    return low is not None and high is not None and (low > 0.0 or high < 0.0)


def summarise(episodes: pd.DataFrame, rules: Sequence[str], learned: Sequence[str]) -> Summary:
    """Estimates per policy and metric, and of the paired differences to the best rule.

    episodes: one row a policy and seed (`metrics.episodes_frame`). The best rule has the highest IQM of reward_per_job
    among `rules`. Raises ValueError if `rules` and `learned` are not the policies of `episodes`, each once.
    """
    _check_policies(episodes, rules, learned)
    samples = {str(name): group.set_index("seed") for name, group in episodes.groupby("policy", sort=False)}
    best = _best_rule(samples, rules)
    return Summary(
        note=NOTE,
        confidence=CONFIDENCE,
        resamples=RESAMPLES,
        best_rule=best,
        seeds=sorted(int(seed) for seed in episodes["seed"].unique()),
        policies={
            name: PolicySummary(
                kind="learned" if name in learned else "rule",
                metrics={metric: estimate(sample[metric]) for metric in METRIC_NAMES},
                difference_to_best_rule=None if best in (None, name) else _differences(sample, samples[str(best)]),
            )
            for name, sample in samples.items()
        },
    )


def by_reward(summary: Summary) -> list[str]:
    """Names of the policies, highest IQM of reward_per_job first; those without one come last."""

    def key(name: str) -> float:
        value = summary["policies"][name]["metrics"]["reward_per_job"]["iqm"]
        return float("inf") if value is None else -value

    return sorted(summary["policies"], key=key)


def _check_policies(episodes: pd.DataFrame, rules: Sequence[str], learned: Sequence[str]) -> None:
    named, present = [*rules, *learned], set(episodes["policy"])
    if len(named) != len(set(named)):
        raise ValueError("a policy is named twice")
    if set(named) != present:
        raise ValueError(f"policies without episodes, or episodes without a policy: {sorted(set(named) ^ present)}")


def _best_rule(samples: Mapping[str, pd.DataFrame], rules: Sequence[str]) -> str | None:
    rewards = {rule: iqm(samples[rule]["reward_per_job"]) for rule in rules}
    known = {rule: value for rule, value in rewards.items() if not np.isnan(value)}
    return max(known, key=known.__getitem__) if known else None


def _differences(sample: pd.DataFrame, reference: pd.DataFrame) -> dict[str, Estimate]:
    return {name: paired_difference(_by_seed(sample[name]), _by_seed(reference[name])) for name in METRIC_NAMES}


def _by_seed(values: pd.Series) -> dict[int, float]:
    return dict(zip(values.index.tolist(), values.tolist(), strict=True))


def _trimmed_mean(x: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    return stats.trim_mean(x, TRIMMED_SHARE, axis=axis)


def _finite(x: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(x, dtype=np.float64)
    return values[np.isfinite(values)]
