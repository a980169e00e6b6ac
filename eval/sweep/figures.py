"""What a sweep says, worked out of its table: figures of each setting, differences between settings, all paired by seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from eval.statistics import Estimate, estimate, estimate_group, iqm
from eval.sweep.table import Setting, kinds_of, settings_of, values_of, varied_keys

SHOWN = ("reward_per_job", "slo_attainment", "ttft_p95_s", "price_per_job", "energy_j_per_job")
REWARD = SHOWN[0]

Values = Mapping[tuple[Setting, str], pd.DataFrame]


def estimates(frame: pd.DataFrame, metrics: Sequence[str] = SHOWN) -> pd.DataFrame:
    """A row a setting, policy and metric: its interquartile mean over the seeds with interval, and the paired difference to the best rule.

    frame: the table of a sweep (`eval.sweep.table`). Columns: the varied keys, policy, kind, best_rule (of the setting, by its reward
    there), metric, iqm, low, high, mean, n, difference, difference_low, difference_high; the last are empty for the best rule. Units are
    those of sweep.csv. Raises SweepError for a table that is none of a sweep.
    """
    keys, kinds, best = varied_keys(frame), kinds_of(frame), best_rules(frame)
    rows: list[dict[str, Any]] = []
    for metric in metrics:
        values = values_of(frame, metric)
        for (setting, policy), table in values.items():
            rule = best[setting]
            against = None if rule in (None, policy) else estimate_of(table - values[setting, str(rule)].iloc[0])
            about = {"policy": policy, "kind": kinds[policy], "best_rule": rule, "metric": metric}
            rows.append(
                {**dict(zip(keys, setting, strict=True)), **about, **estimate_of(table), **_difference(against)}
            )
    return pd.DataFrame(rows)


def differences(frame: pd.DataFrame, metrics: Sequence[str] = SHOWN) -> pd.DataFrame:
    """A row a setting, varied key, policy and metric: how much more it is than with the key's first value, all other keys being the same.

    All settings meet the same seeds, so it is paired by seed: interquartile mean of the differences with its interval. frame: the table of
    a sweep. Columns: the varied keys, key, reference (its first value), policy, metric, difference, low, high, mean, n. Raises SweepError
    for a table that is none of a sweep.
    """
    keys, settings = varied_keys(frame), settings_of(frame)
    rows: list[dict[str, Any]] = []
    for metric in metrics:
        values = values_of(frame, metric)
        for place, key in enumerate(keys):
            reference = settings[0][place]
            for setting, policy, table, other in _pairs(values, place, reference):
                found = estimate_of(table - other)
                about = {"key": key, "reference": reference, "policy": policy, "metric": metric}
                ends = {"difference": found["iqm"], **{name: found[name] for name in ("low", "high", "mean", "n")}}
                rows.append({**dict(zip(keys, setting, strict=True)), **about, **ends})
    return pd.DataFrame(rows)


def _pairs(values: Values, place: int, reference: Any) -> Iterator[tuple[Setting, str, pd.DataFrame, pd.DataFrame]]:
    """Settings, policies and their values, each with those at the key's reference; where either is missing there is none."""
    for (setting, policy), table in values.items():
        other = (*setting[:place], reference, *setting[place + 1 :])
        if other != setting and (other, policy) in values:
            yield setting, policy, table, values[other, policy]


def best_rules(frame: pd.DataFrame) -> dict[Setting, str | None]:
    """Of each setting the rule with the highest interquartile mean of the reward; None without one."""
    kinds = kinds_of(frame)
    best: dict[Setting, tuple[float, str]] = {}
    for (setting, policy), table in values_of(frame, REWARD).items():
        reward = iqm(table.to_numpy(float).ravel())
        if kinds[policy] == "rule" and reward == reward and reward > best.get(setting, (float("-inf"), ""))[0]:
            best[setting] = reward, policy
    return {setting: best[setting][1] if setting in best else None for setting in settings_of(frame)}


def estimate_of(table: pd.DataFrame) -> Estimate:
    """Of the values of a policy, a row a member and a column a seed."""
    values = table.to_numpy(float)
    return estimate(values[0]) if len(values) == 1 else estimate_group(values)


def _difference(found: Estimate | None) -> dict[str, float | None]:
    names = {"iqm": "difference", "low": "difference_low", "high": "difference_high"}
    return {shown: found[name] if found else None for name, shown in names.items()}  # type: ignore[literal-required]
