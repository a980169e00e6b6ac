"""The summary of a comparison: of every policy each metric, and its paired difference to the best rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict, get_args

import numpy as np
import pandas as pd

from edge6g_env.errors import UserError
from eval.groups import GroupSummary, difference_of, group_estimate, probability_of_improvement, value_of
from eval.limits import METRICS, Beside, beside, cost_of
from eval.metrics import BY_NAME, METRIC_NAMES
from eval.statistics import CONFIDENCE, RESAMPLES, AnyEstimate, Estimate, bounds, iqm

NOTE = (
    "Intervals are 95 % percentile-bootstrap intervals over the evaluation seeds. The best rule is chosen on the same seeds, which favours "
    "the rule. Intervals are not corrected for the number of metrics and policies. The time of a decision is one measurement on one "
    "machine, without an interval."
)
OF_ONE = (
    " A learned policy that is one checkpoint has an interval that speaks of that checkpoint only, not of the algorithm, which would take "
    "several training seeds."
)
OF_GROUPS = (
    " The figures of {groups} are those of a policy that earns in each seed what its training seeds earn there in the mean; differences to "
    "the best rule are means over training seeds, and their intervals are Student's over training seeds: what another training would be "
    "expected to bring on these seeds."
)

Kind = Literal["rule", "learned", "planner", "own"]
REWARD = "reward_per_job"


class EpisodesError(UserError):
    """A table of episodes that no comparison can be made of."""


class PolicySummary(TypedDict):
    """One policy: the estimate of each metric, and of its paired difference to the best rule (None for that rule).

    kind: `own` is code of one's own; privileged: whether it sees more than an agent sees; checkpoints: how many it is made of, 0 for what
    is none; trained_on: label of the scenario that they were trained in, or a rule's values found in, if it is known;
    room: where it stands between the best rule and the planner that knows the future (`eval.room`), None where that is not known;
    metrics: of a group of checkpoints each seed by its mean over them; difference_to_best_rule: of a group over training seeds; group: what
    else is said of one, None for all others; limits: by cost, those that it was trained with, beside what its jobs cost;
    services: by name of the service, each metric over all measured jobs of it (`eval.comparison`).
    """

    kind: Kind
    privileged: bool
    checkpoints: int
    trained_on: str | None
    room: Estimate | None
    metrics: dict[str, Estimate]
    difference_to_best_rule: dict[str, AnyEstimate] | None
    group: GroupSummary | None
    limits: dict[str, Beside]
    services: dict[str, dict[str, float | None]]


class Room(TypedDict):
    """What room is measured by: the rule that is 0, the planner that is 1, where their rewards are from, and how far apart they are."""

    best_rule: str
    best_rule_from: str
    chosen_on: str
    clairvoyant: str
    clairvoyant_from: str
    seeds: int
    span: Estimate


class Summary(TypedDict):
    """What summary.json has, besides the provenance of the run."""

    note: str
    confidence: float
    resamples: int
    best_rule: str | None
    room: Room | None
    room_note: str | None
    seeds: list[int]
    policies: dict[str, PolicySummary]


Tables = Mapping[str, pd.DataFrame]
"""Metric -> its values, a row a member of a policy and a column a seed."""


def summarise(episodes: pd.DataFrame, limits: Mapping[str, Mapping[str, float]] | None = None) -> Summary:
    """Estimates per policy and metric, and of the paired differences to the best rule: the rule with the highest IQM of reward_per_job.

    episodes: a row a policy and seed, all on the same seeds, with all metrics and `kind`; with `group`, policies of one group are taken as
    one policy of that name (a policy alone has its own name or nothing there); with `privileged`, those that see more than an agent sees.
    limits: by policy of the summary, cost -> the most that a job may cost in the mean. Raises EpisodesError for episodes that lack a
    column or a seed, or a group of different kinds or of rules.
    """
    members = _members(episodes)
    tables = {name: _tables(episodes, of) for name, of in members.items()}
    about = {name: _about(episodes, name, of) for name, of in members.items()}
    best = _best_rule(tables, [name for name, (kind, _) in about.items() if kind == "rule"])
    groups = [name for name, of in members.items() if len(of) > 1]
    alone = any(kind == "learned" and name not in groups for name, (kind, _) in about.items())
    return Summary(
        note=NOTE + (OF_ONE if alone else "") + (OF_GROUPS.format(groups=", ".join(groups)) if groups else ""),
        confidence=CONFIDENCE,
        resamples=RESAMPLES,
        best_rule=best,
        room=None,
        room_note=None,
        seeds=sorted(int(seed) for seed in episodes["seed"].unique()),
        policies={
            name: _policy(
                table, *about[name], tables[best] if best else None, name == best, (limits or {}).get(name, {})
            )
            for name, table in tables.items()
        },
    )


def by_reward(summary: Summary) -> list[str]:
    """Names of the policies, highest reward_per_job first; those without one come last."""

    def key(name: str) -> float:
        value, _, _ = bounds(summary["policies"][name]["metrics"][REWARD])
        return float("inf") if value is None else -value

    return sorted(summary["policies"], key=key)


def is_looked_at(summary: Summary, name: str) -> bool:
    """Whether a policy is what a comparison is made for: learned, or code of one's own, and it sees what an agent sees."""
    policy = summary["policies"][name]
    return policy["kind"] in ("learned", "own") and not policy["privileged"]


def costs_limited(summary: Summary) -> list[str]:
    """The costs of which a policy of a comparison has a limit."""
    return [cost for cost in METRICS if any(cost in policy["limits"] for policy in summary["policies"].values())]


def mean_cost(summary: Summary, name: str, cost: str) -> float | None:
    """Mean cost of a job of a policy, whether it has a limit or not."""
    mean = summary["policies"][name]["metrics"][METRICS[cost]]["mean"]
    return None if mean is None else float(cost_of(cost, mean))


def _members(episodes: pd.DataFrame) -> dict[str, list[str]]:
    """Name of a policy of the summary -> the policies of the episodes that it is made of; EpisodesError if these cannot be compared."""
    missing = [name for name in ("policy", "seed", "kind", *METRIC_NAMES) if name not in episodes]
    if missing or not len(episodes):
        what = f"no column {missing[0]!r}" if missing else "no rows"
        raise EpisodesError(f"the episodes have {what}: episodes.csv of a comparison has all that it takes")
    if unknown := sorted(set(map(str, episodes["kind"])) - set(get_args(Kind))):
        raise EpisodesError(
            f"the episodes have a policy of kind {unknown[0]!r}: it must be {', '.join(get_args(Kind))}"
        )
    twice = episodes[episodes.duplicated(["policy", "seed"])]
    if len(twice):
        raise EpisodesError(
            f"policy {twice['policy'].iloc[0]}, seed {twice['seed'].iloc[0]} comes twice in the episodes"
        )
    seeds = set(episodes["seed"])
    for name, theirs in episodes.groupby("policy")["seed"]:
        if lacking := seeds - set(theirs):
            raise EpisodesError(f"policy {name} lacks seed {min(lacking)}: policies are compared on the same seeds")
    own = episodes["policy"].astype(str)
    group = episodes["group"].astype(object) if "group" in episodes else own
    group = group.where(group.notna() & (group != ""), own)
    pairs = dict.fromkeys(zip(group.astype(str), own, strict=True))
    members: dict[str, list[str]] = {}
    for name, policy in pairs:
        members.setdefault(name, []).append(policy)
    if len(pairs) > len(set(own)):
        raise EpisodesError("a policy of the episodes is in two groups: it must be in one")
    return members


def _about(episodes: pd.DataFrame, name: str, members: Sequence[str]) -> tuple[Kind, bool]:
    """Kind of a policy, and whether it is privileged."""
    mine = episodes[episodes["policy"].isin(members)]
    kinds = list(dict.fromkeys(mine["kind"]))
    if len(kinds) > 1 or (len(members) > 1 and kinds == ["rule"]):
        raise EpisodesError(
            f"group {name} is of kind {' and '.join(kinds)}: a group is one algorithm, trained several times"
        )
    kind: Kind = kinds[0]
    return kind, kind == "planner" or ("privileged" in mine and bool(mine["privileged"].eq(True).any()))


def _tables(episodes: pd.DataFrame, members: Sequence[str]) -> Tables:
    mine = episodes[episodes["policy"].isin(members)]
    return {name: mine.pivot(index="policy", columns="seed", values=name).loc[list(members)] for name in METRIC_NAMES}


def _best_rule(tables: Mapping[str, Tables], rules: Sequence[str]) -> str | None:
    rewards = {rule: iqm(tables[rule][REWARD].to_numpy().ravel()) for rule in rules}
    known = {rule: value for rule, value in rewards.items() if not np.isnan(value)}
    return max(known, key=known.__getitem__) if known else None


def _policy(
    tables: Tables, kind: Kind, privileged: bool, best: Tables | None, is_best: bool, limits: Mapping[str, float]
) -> PolicySummary:
    """best: of the best rule, if there is one."""
    gains = None if best is None or is_best else {name: table - best[name].iloc[0] for name, table in tables.items()}
    count = len(tables[REWARD])
    return PolicySummary(
        kind=kind,
        privileged=privileged,
        checkpoints=count if kind == "learned" or count > 1 else 0,
        trained_on=None,
        room=None,
        metrics={metric: _once(metric, table) or value_of(table) for metric, table in tables.items()},
        difference_to_best_rule=None
        if gains is None
        else {metric: _once(metric, table) or difference_of(table) for metric, table in gains.items()},
        group=_group(tables, gains) if count > 1 else None,
        limits={cost: beside(most, cost_of(cost, tables[METRICS[cost]])) for cost, most in limits.items()},
        services={},
    )


def _group(tables: Tables, gains: Tables | None) -> GroupSummary:
    return GroupSummary(
        reward_per_job=group_estimate(tables[REWARD]),
        gain_over_best_rule=None if gains is None else group_estimate(gains[REWARD]),
        probability_of_improvement=None if gains is None else probability_of_improvement(gains[REWARD]),
    )


def _once(metric: str, table: pd.DataFrame) -> Estimate | None:
    """Of what was measured once, the mean without an interval; None for all other metrics."""
    if not BY_NAME[metric].measured_once:
        return None
    values = table.to_numpy(np.float64)
    known = values[np.isfinite(values)]
    mean = float(known.mean()) if len(known) else None
    return Estimate(iqm=mean, low=None, high=None, mean=mean, n=min(1, len(known)))
