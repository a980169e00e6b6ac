"""The knee of a policy: up to which load it keeps the objectives of its jobs."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eval.statistics import FEWEST_FOR_INTERVAL, resampled
from eval.sweep.grid import SweepError
from eval.sweep.table import Setting, values_of, varied_keys

LOAD = "arrivals.rate_jobs_s"
ATTAINED = 0.9  # share of all measured jobs that meet their objective
BELOW, ABOVE = "below lowest", "above highest"
_ROUNDING = 1e-9  # a mean of shares that is 0.9 on paper is kept, too


def knees(frame: pd.DataFrame) -> pd.DataFrame:
    """A row a policy and setting of the other keys: the largest load up to which it keeps its objectives, where LOAD varies.

    frame: the table of a sweep. That is the load up to which the mean over the seeds of `slo_attainment` is at least ATTAINED at every
    smaller load, on the straight line between two loads of the sweep; infinite where they do not bracket it: -inf below the lowest one, inf
    above the highest. The 95 % percentile interval draws the seeds again, the same at every load, and has such ends too; of a group of
    checkpoints each seed counts by their mean. Columns: the other keys, policy, knee_jobs_s, low_jobs_s, high_jobs_s. All are empty for a
    policy that has no value at one of the loads, the interval with less than three seeds. SweepError where LOAD does not vary.
    """
    keys = varied_keys(frame)
    if LOAD not in keys:
        raise SweepError(f"a knee takes several loads, and {LOAD} does not vary: only {', '.join(keys)} does")
    place = keys.index(LOAD)
    loads = np.sort(frame[LOAD].unique().astype(float))
    curves: dict[tuple[Setting, str], dict[float, NDArray[np.float64]]] = {}
    for (setting, policy), table in values_of(frame, "slo_attainment").items():
        others = (*setting[:place], *setting[place + 1 :])
        curves.setdefault((others, policy), {})[float(setting[place])] = table.mean(axis=0).to_numpy(float)
    rows = []
    for (others, policy), curve in curves.items():
        whole = len(curve) == len(loads)
        found = _knee(loads, np.array([curve[load] for load in loads])) if whole else (np.nan,) * 3
        rows.append((*others, policy, *found))
    return pd.DataFrame(
        rows, columns=[*(key for key in keys if key != LOAD), "policy", "knee_jobs_s", "low_jobs_s", "high_jobs_s"]
    )


def knee_in_words(knee_jobs_s: float | None) -> float | str | None:
    """A knee, or an end of its interval, as summary.json has it: a number, BELOW, ABOVE, or None."""
    if knee_jobs_s is None or np.isfinite(knee_jobs_s):
        return knee_jobs_s
    return ABOVE if knee_jobs_s > 0.0 else BELOW


def _knee(loads: NDArray[np.float64], shares: NDArray[np.float64]) -> tuple[float, float, float]:
    """Knee and its interval. loads: (L,), rising; shares: (L, seeds), NaN where no job is measured."""
    shares = shares[:, np.isfinite(shares).all(axis=0)]
    if not shares.shape[1]:
        return np.nan, np.nan, np.nan
    (knee,) = crossings(loads, shares.mean(axis=1, keepdims=True))
    if shares.shape[1] < FEWEST_FOR_INTERVAL:
        return float(knee), np.nan, np.nan
    drawn = crossings(loads, shares[:, resampled(shares.shape[1])].mean(axis=2))
    low, high = np.quantile(drawn, [0.025, 0.975], method="inverted_cdf")  # no mean of two: one may be infinite
    return float(knee), float(low), float(high)


def crossings(loads: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where each curve first falls below ATTAINED, (curves,); -inf if its first value is below, inf if none is.

    loads: (L,), rising; shares: (L, curves).
    """
    below = shares < ATTAINED - _ROUNDING
    first = np.where(below.any(axis=0), below.argmax(axis=0), len(loads))
    after = np.clip(first, 1, len(loads) - 1) if len(loads) > 1 else np.zeros_like(first)
    columns = np.arange(shares.shape[1])
    x0, x1, y0, y1 = loads[after - 1], loads[after], shares[after - 1, columns], shares[after, columns]
    with np.errstate(divide="ignore", invalid="ignore"):
        between = x0 + (x1 - x0) * (y0 - ATTAINED) / (y0 - y1)
    return np.where(first == 0, -np.inf, np.where(first == len(loads), np.inf, np.maximum(between, x0)))
