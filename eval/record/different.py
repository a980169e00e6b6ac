"""The episode on which a comparison's policy and its best rule differ most: what one would look at, and the command that records it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np
import pandas as pd

from agents.values import own_file
from edge6g_env.scenario import Scenario
from edge6g_env.scenario_errors import toml_value
from eval import EVALUATION_SEED
from eval.contenders import Contender, Row
from eval.summary import Summary, by_reward, is_looked_at

REWARD = "reward_per_job"


class MostDifferent(TypedDict):
    """Two policies and the seed on which they differ most, by reward per job; of a group of checkpoints the one that does."""

    policy: str
    rule: str
    seed: int
    reward: float
    rule_reward: float
    command: str


def most_different(
    summary: Summary, episodes: pd.DataFrame, rows: Sequence[Row], scenario: Scenario, out: str
) -> tuple[MostDifferent, tuple[Contender, Contender]] | None:
    """Of the policy that the comparison is made for, or without one of the best other policy, and the best rule; None without both.

    episodes: policy, seed and reward_per_job of each episode; out: folder that the command records to.
    """
    rule, found = summary["best_rule"], {row.name: row for row in rows}
    others = [name for name in by_reward(summary) if name != rule]
    if rule is None or not others:
        return None
    policy = next((name for name in others if is_looked_at(summary, name)), others[0])
    members = {member.name: member for member in found[policy].members}
    table = episodes.pivot(index="policy", columns="seed", values=REWARD)
    rewards, rule_rewards = table.loc[list(members)].to_numpy(np.float64), table.loc[rule].to_numpy(np.float64)
    apart = np.abs(rewards - rule_rewards)
    if np.isnan(apart).all():
        return None
    member, column = np.unravel_index(np.nanargmax(apart), apart.shape)
    name, seed = list(members)[member], int(table.columns[int(column)])
    pair = members[name], found[rule].members[0]
    words = [word_of(members[name], found[policy]), word_of(pair[1], found[rule])]
    what = MostDifferent(
        policy=name,
        rule=rule,
        seed=seed,
        reward=float(rewards[member, column]),
        rule_reward=float(rule_rewards[column]),
        command=command_of(scenario, words, seed, out),
    )
    return what, pair


def word_of(contender: Contender, row: Row) -> str:
    """What asks for one policy of a row alone, under its name there."""
    if contender.folder is None:
        return row.word or contender.name
    return f"{contender.name}={contender.folder}" if len(row.members) == 1 else str(contender.folder)


def command_of(scenario: Scenario, words: Sequence[str], seed: int, out: str) -> str:
    """The line that records an evaluation seed of a scenario under policies."""
    name = scenario.origin.file if scenario.origin and own_file(scenario) else scenario.name
    settings = (word for change in _settings(scenario.changes) for word in ("--set", change))
    parts = ["edge6g", "record", "--scenario", str(name), *settings, "--policies", ",".join(words)]
    return shlex.join([*parts, "--seed", str(seed - EVALUATION_SEED), "--out", out])


def _settings(changes: Mapping[str, object]) -> list[str]:
    return [f"{key}={toml_value(value)}" for key, value in changes.items()]
