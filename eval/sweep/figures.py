"""What a sweep says, worked out of its table: figures of each setting, differences between settings, all paired by seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from eval.groups import difference_of, probability_of_improvement, value_of
from eval.statistics import AnyEstimate, bounds, iqm
from eval.sweep.table import Setting, policies_of, settings_of, values_of, varied_keys

SHOWN = ("reward_per_job", "slo_attainment", "ttft_p95_s", "price_per_job", "energy_j_per_job")
REWARD = SHOWN[0]
OF_ESTIMATES = (
    "policy", "kind", "checkpoints", "best_rule", "metric", "middle", "low", "high", "mean", "n", "difference", "difference_low",
    "difference_high", "improvement", "improvement_low", "improvement_high",
)  # fmt: skip
OF_DIFFERENCES = ("key", "reference", "policy", "metric", "difference", "low", "high", "mean", "n")

Values = Mapping[tuple[Setting, str], pd.DataFrame]


def estimates(frame: pd.DataFrame, metrics: Sequence[str] = SHOWN) -> pd.DataFrame:
    """A row a setting, policy and metric: its value over the seeds with interval, and the paired difference to the best rule there.

    frame: the table of a sweep (`eval.sweep.table`). Columns: the varied keys, policy, kind, checkpoints (as `eval.summary` counts them),
    best_rule (of the setting, by its reward), metric, middle, low, high, mean, n, difference, difference_low, difference_high, which are
    empty for the best rule, and of the reward of a group improvement, improvement_low, improvement_high: the probability of improvement
    over the best rule. middle is the interquartile mean with a bootstrap interval, of a group of checkpoints over the means of each seed;
    its differences are means over training seeds with Student's intervals (`eval.groups`). Units are those of sweep.csv. Raises SweepError
    for a table that is none of a sweep.
    """
    keys, policies, best = varied_keys(frame), policies_of(frame), best_rules(frame)
    rows: list[dict[str, Any]] = []
    for metric in metrics:
        values = values_of(frame, metric)
        for (setting, policy), table in values.items():
            rule, known = best[setting], policies[policy]
            gains = None if rule in (None, policy) else table - values[setting, str(rule)].iloc[0]
            likely = (
                probability_of_improvement(gains) if gains is not None and _is_rewarded_group(table, metric) else None
            )
            row = {
                "policy": policy,
                "kind": known.kind,
                "checkpoints": known.checkpoints,
                "best_rule": rule,
                "metric": metric,
            }
            row |= _columns(value_of(table), "middle", "", ("mean", "n"))
            row |= _columns(None if gains is None else difference_of(gains), "difference", "difference_")
            row |= _columns(likely, "improvement", "improvement_")
            rows.append({**dict(zip(keys, setting, strict=True)), **row})
    return pd.DataFrame(rows, columns=[*keys, *OF_ESTIMATES])


def differences(frame: pd.DataFrame, metrics: Sequence[str] = SHOWN) -> pd.DataFrame:
    """A row a setting, varied key, policy and metric: how much more it is than with the key's first value, all other keys being the same.

    All settings meet the same seeds, so it is paired by seed, of a group by checkpoint and seed. frame: the table of a sweep. Columns: the
    varied keys, key, reference (its first value), policy, metric, difference, low, high, mean, n; what they are over is as in `estimates`.
    Raises SweepError for a table that is none of a sweep.
    """
    keys, settings = varied_keys(frame), settings_of(frame)
    rows: list[dict[str, Any]] = []
    for metric in metrics:
        values = values_of(frame, metric)
        for place, key in enumerate(keys):
            reference = settings[0][place]
            for setting, policy, table, other in _pairs(values, place, reference):
                row = {"key": key, "reference": reference, "policy": policy, "metric": metric}
                row |= _columns(difference_of(table - other), "difference", "", ("mean", "n"))
                rows.append({**dict(zip(keys, setting, strict=True)), **row})
    return pd.DataFrame(rows, columns=[*keys, *OF_DIFFERENCES])


def _pairs(values: Values, place: int, reference: Any) -> Iterator[tuple[Setting, str, pd.DataFrame, pd.DataFrame]]:
    """Settings, policies and their values, each with those at the key's reference; where either is missing there is none."""
    for (setting, policy), table in values.items():
        other = (*setting[:place], reference, *setting[place + 1 :])
        if other != setting and (other, policy) in values:
            yield setting, policy, table, values[other, policy]


def best_rules(frame: pd.DataFrame) -> dict[Setting, str | None]:
    """Of each setting the rule with the highest interquartile mean of the reward; None without one."""
    policies = policies_of(frame)
    best: dict[Setting, tuple[float, str]] = {}
    for (setting, policy), table in values_of(frame, REWARD).items():
        reward = iqm(table.to_numpy(float).ravel())
        if policies[policy].kind == "rule" and reward == reward and reward > best.get(setting, (float("-inf"), ""))[0]:
            best[setting] = reward, policy
    return {setting: best[setting][1] if setting in best else None for setting in settings_of(frame)}


def _is_rewarded_group(table: pd.DataFrame, metric: str) -> bool:
    return metric == REWARD and len(table) > 1


def _columns(found: AnyEstimate | None, middle: str, before: str, more: Sequence[str] = ()) -> dict[str, Any]:
    ends = bounds(found) if found else (None, None, None)
    others = {name: found[name] for name in more} if found else {}  # type: ignore[literal-required]
    return {**dict(zip((middle, f"{before}low", f"{before}high"), ends, strict=True)), **others}
