"""Comparisons as tables of pandas: policies in, episodes out; episodes in, figures of each policy out. `edge6g compare` uses these.

```python
episodes = play("tiny", {"greedy": "greedy", "mine": make}, seeds=20)
table, trained_twice = compare(episodes), groups(episodes)
```
A table of episodes is that of episodes.csv, read again or put together from several runs on the same seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from agents.own import guarded
from agents.policy import Policy
from edge6g_env.scenario import Scenario, load_scenario
from edge6g_env.spaces import Layout
from eval import evaluation_seeds
from eval.contenders import Contender, LoadCheckpoint, PolicyListError, Row, find_rows
from eval.episodes import Episodes, run_policies
from eval.groups import OVER
from eval.limits import shown_cost
from eval.metrics import METRIC_NAMES, episodes_frame
from eval.statistics import AnyEstimate, bounds
from eval.summary import PolicySummary, Summary, by_reward, costs_limited, mean_cost, summarise

Playable = str | Callable[[Layout], Any]
"""A word of `--policies` that names one policy, or what makes a policy for a layout."""


Policies = Sequence[str] | Mapping[str, Playable | Sequence[Playable]]
"""Words of `--policies`, or by name a word, what makes a policy, or several of either, which are a group."""


def play(
    scenario: str | Path | Scenario,
    policies: Policies,
    seeds: int = 20,
    *,
    seed: int = 0,
    load_checkpoint: LoadCheckpoint | None = None,
    console: Console | None = None,
) -> pd.DataFrame:
    """Episodes of policies on the evaluation seeds EVALUATION_SEED + seed + 0..seeds-1: the table of episodes.csv.

    policies: words as of `--policies` (contenders.find_rows, code of one's own among them), or by name a word, what makes a policy, or
    several of either, which are a group. load_checkpoint: `train.checkpoint.load_policy`, where words name checkpoints; console: for
    progress bars, without one nothing is shown. Raises what `find_rows` and `run_policies` raise, and IllegalActionError for an action
    outside its mask of what makes a policy.
    """
    loaded = load_scenario(scenario)
    rows = find_playable(policies, loaded, load_checkpoint or cannot_load)
    makers = {one.name: one.make for row in rows for one in row.members}
    played = run_policies(makers, loaded, evaluation_seeds(seeds, seed), console or Console(quiet=True))
    return episodes_of(rows, played)


def compare(episodes: pd.DataFrame, limits: Mapping[str, Mapping[str, float]] | None = None) -> pd.DataFrame:
    """A row a policy or group, best first: each metric, its interval and its difference to the best rule, see `table_frame`.

    Raises EpisodesError, as `summary.summarise`, which has the arguments too.
    """
    return table_frame(summarise(episodes, limits))


def groups(episodes: pd.DataFrame) -> pd.DataFrame:
    """A row a group of checkpoints, see `groups_frame`. Raises EpisodesError, as `summary.summarise`."""
    return groups_frame(summarise(episodes))


def find_playable(policies: Policies, scenario: Scenario, load_checkpoint: LoadCheckpoint) -> list[Row]:
    """Rows of what `play` takes."""
    if not isinstance(policies, Mapping):
        return find_rows(policies, scenario, load_checkpoint, own_code=True)
    if not policies:
        return find_rows([], scenario, load_checkpoint)
    return [_row(name, asked, scenario, load_checkpoint) for name, asked in policies.items()]


def _row(name: str, asked: Playable | Sequence[Playable], scenario: Scenario, load_checkpoint: LoadCheckpoint) -> Row:
    if isinstance(asked, str):
        (row,) = find_rows([f"{name}={asked}"], scenario, load_checkpoint, own_code=True)
        return row
    several = [asked] if callable(asked) else list(asked)
    names = [name] if len(several) == 1 else [f"{name}/{n}" for n in range(len(several))]
    members = [_member(*one, scenario, load_checkpoint) for one in zip(names, several, strict=True)]
    if len({one.kind for one in members}) != 1:
        raise PolicyListError(f"{name} must be policies of one kind, here are {len(members)}")
    return Row(name, tuple(members))


def _member(name: str, asked: Playable, scenario: Scenario, load_checkpoint: LoadCheckpoint) -> Contender:
    if isinstance(asked, str):
        members = _row(name, asked, scenario, load_checkpoint).members
        if len(members) > 1:
            raise PolicyListError(f"{asked} names several policies: within a group each is given alone")
        return members[0]
    make = partial(_guarded, asked, name)
    return Contender(name, make, name, "own", privileged=bool(make(Layout(scenario)).privileged))


def _guarded(make: Callable[[Layout], Any], name: str, layout: Layout) -> Policy:
    return guarded(make, layout, name)


def cannot_load(folder: Path, scenario: Scenario) -> Policy:
    """Stands where nothing was given that loads checkpoints: PolicyListError."""
    raise PolicyListError(f"{folder} is the folder of a checkpoint: give load_checkpoint=train.checkpoint.load_policy")


def episodes_of(rows: Sequence[Row], played: Mapping[str, Episodes]) -> pd.DataFrame:
    """The table of episodes.csv. played: by name of each member of the rows."""
    return episodes_frame(
        {**episode, "kind": one.kind, "group": row.name, "privileged": one.privileged}
        for row in rows
        for one in row.members
        for episode in played[one.name].rows
    )


def limits_of(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """What `summarise` takes: limits by policy."""
    return {row.name: row.limits for row in rows if row.limits}


def table_frame(summary: Summary, played_on: str | None = None) -> pd.DataFrame:
    """table.csv: a row a policy, best first; each metric in the units of episodes.csv, and its difference to the best rule.

    Columns: policy, kind, privileged, checkpoints, trained_on, played_on, best_rule, room, room_low, room_high; then for each metric NAME,
    NAME_low, NAME_high, NAME_difference, NAME_difference_low, NAME_difference_high; then, if a policy has a limit of COST, COST (the mean
    of every policy) and, of those with the limit, COST_most (the limit), COST_above_by, COST_low, COST_high. What has no value is empty.
    """
    rows: list[dict[str, object]] = []
    limited = costs_limited(summary)
    for name in by_reward(summary):
        policy = summary["policies"][name]
        row: dict[str, object] = {"policy": name}
        row |= {"kind": policy["kind"], "privileged": policy["privileged"], "checkpoints": policy["checkpoints"]}
        row |= {"trained_on": policy["trained_on"], "played_on": played_on, "best_rule": summary["best_rule"]}
        row |= _columns("room", policy["room"])
        differences = policy["difference_to_best_rule"] or {}
        for metric in METRIC_NAMES:
            row |= _columns(metric, policy["metrics"][metric])
            row |= _columns(f"{metric}_difference", differences.get(metric))
        for cost in limited:
            row |= _limit_columns(summary, name, cost)
        rows.append(row)
    return pd.DataFrame(rows)


def _limit_columns(summary: Summary, name: str, cost: str) -> dict[str, float]:
    one = summary["policies"][name]["limits"].get(cost)
    most, above_by = (one["most"], one["above_by"]) if one else (math.nan, math.nan)
    _, low, high = bounds(shown_cost(one)) if one else (None, None, None)
    found = {"": mean_cost(summary, name, cost), "_most": most, "_above_by": above_by, "_low": low, "_high": high}
    return {f"{cost}{end}": _number(value) for end, value in found.items()}


def _columns(name: str, estimate: AnyEstimate | None) -> dict[str, float]:
    middle, low, high = map(_number, bounds(estimate) if estimate else (None, None, None))
    return {name: middle, f"{name}_low": low, f"{name}_high": high}


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def groups_frame(summary: Summary) -> pd.DataFrame:
    """groups.csv: a row a group of checkpoints, best first; what the intervals are over: docs/study.md.

    Columns: group, kind, checkpoints, best_rule; then for FIGURE in reward_per_job, gain_over_best_rule and for OVER in
    over_training_seeds, over_worlds, over_both FIGURE_OVER, FIGURE_OVER_low, FIGURE_OVER_high; then probability_of_improvement and its
    ends. What has no value is empty.
    """
    found = [name for name in by_reward(summary) if summary["policies"][name]["group"]]
    return pd.DataFrame([_group_row(name, summary["policies"][name], summary["best_rule"]) for name in found])


def _group_row(name: str, policy: PolicySummary, best_rule: str | None) -> dict[str, object]:
    group = policy["group"]
    assert group is not None
    row: dict[str, object] = {"group": name, "kind": policy["kind"], "checkpoints": policy["checkpoints"]}
    row["best_rule"] = best_rule
    figures = {"reward_per_job": group["reward_per_job"], "gain_over_best_rule": group["gain_over_best_rule"]}
    for figure, estimates in figures.items():
        for over in OVER:
            row |= _columns(f"{figure}_{over}", estimates and estimates[over])
    return row | _columns("probability_of_improvement", group["probability_of_improvement"])
