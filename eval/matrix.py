"""Scenario x policy: reward, rank and room of every policy in every scenario, from comparisons or from results that ship."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import pandas as pd

from eval import EVALUATION_SEED
from eval.report.numbers import REWARD, room, value_and_interval
from eval.result_files import DIGITS, Results
from eval.room import Played, rooms
from eval.statistics import AnyEstimate, Estimate, bounds, estimate
from eval.summary import Room, Summary

PROBE = "probe-"  # begins the name of a rule that lacks something on purpose: one that wins says that a scenario does not need it
NEAR = 0.1  # of the best reward: a probe as near as that is named; DESIGN 4


class Cell(TypedDict):
    """A policy in a scenario. rank: 1 is the best of those that see what an agent sees; None for those that see more."""

    reward_per_job: AnyEstimate
    rank: int | None
    room: Estimate | None


class Missing(TypedDict):
    """A policy that could not play in a scenario, and why."""

    policy: str
    scenario: str
    why: str


@dataclass(frozen=True)
class Column:
    """A scenario: what it is called, the kinds of the policies that played in it, their rewards and rooms, what room is measured by, and
    which policies see more than an agent sees, beside the planners."""

    label: str
    kinds: Mapping[str, str]
    rewards: Mapping[str, AnyEstimate]
    rooms: Mapping[str, Estimate | None]
    ends: Room | None
    best_rule: str | None
    privileged: Collection[str] = ()

    @classmethod
    def of_summary(cls, label: str, summary: Summary) -> Column:
        """From a comparison; the best rule is that of room, where there is one, else the best on the seeds that were played."""
        policies = summary["policies"]
        return cls(
            label,
            {name: one["kind"] for name, one in policies.items()},
            {name: one["metrics"][REWARD.name] for name, one in policies.items()},
            {name: one["room"] for name, one in policies.items()},
            summary["room"],
            summary["room"]["best_rule"] if summary["room"] else summary["best_rule"],
            {name for name, one in policies.items() if one["privileged"]},
        )

    @classmethod
    def of_results(cls, label: str, results: Results) -> Column:
        """From a file of results."""
        rewards = {name: results.rewards(name) for name in results.rows}
        played = {name: Played(row["kind"], "", row["identity"], rewards[name]) for name, row in results.rows.items()}
        seeds = [EVALUATION_SEED + n for n in range(max((row["seeds"] for row in results.rows.values()), default=0))]
        ends, _, found = rooms(played, results, seeds)
        return cls(
            label,
            {name: row["kind"] for name, row in results.rows.items()},
            {name: estimate(list(of.values())) for name, of in rewards.items()},
            {name: found.get(name) for name in results.rows},
            ends,
            results.best_rule,
            {name for name, row in results.rows.items() if row.get("privileged")},
        )

    def reward(self, name: str) -> float:
        """Middle of the reward of a policy, NaN where it has none."""
        value = bounds(self.rewards[name])[0] if name in self.rewards else None
        return np.nan if value is None else value

    @property
    def ranked(self) -> list[str]:
        """Policies that see what an agent sees, best first."""
        free = [name for name, kind in self.kinds.items() if kind != "planner" and name not in self.privileged]
        free = [name for name in free if not np.isnan(self.reward(name))]
        return sorted(free, key=lambda name: -self.reward(name))

    def rank(self, name: str) -> int | None:
        """1 for the best of those that see what an agent sees, the same for equal rewards; None for a policy that is none of them."""
        if name not in (ranked := self.ranked):
            return None
        mine = round(self.reward(name), DIGITS)
        return 1 + sum(round(self.reward(other), DIGITS) > mine for other in ranked)

    def cell(self, name: str) -> Cell | None:
        """A policy's figures; None if it did not play here."""
        if name not in self.rewards:
            return None
        return Cell(reward_per_job=self.rewards[name], rank=self.rank(name), room=self.rooms.get(name))

    @property
    def near_probes(self) -> list[str]:
        """Probes within NEAR of the best policy that sees what an agent sees, best first; the best is one of them if it is a probe."""
        if not self.ranked:
            return []
        best = self.reward(self.ranked[0])
        return [name for name in self.ranked if name.startswith(PROBE) and self.reward(name) >= best - NEAR * abs(best)]


@dataclass(frozen=True)
class Matrix:
    """Columns are scenarios in their order; missing: who could not play where."""

    columns: Sequence[Column]
    missing: Sequence[Missing] = ()

    @property
    def policies(self) -> list[str]:
        """All policies: those with a rank by their mean rank, then the planners by name."""
        names = dict.fromkeys(name for column in self.columns for name in column.kinds)
        return sorted(names, key=lambda name: (np.nan_to_num(self.mean_rank(name), nan=np.inf), name))

    def kind(self, name: str) -> str:
        """Of a policy, see `eval.summary`."""
        return next(column.kinds[name] for column in self.columns if name in column.kinds)

    def mean_rank(self, name: str) -> float:
        """Over the scenarios in which it has a rank; NaN without one."""
        ranks = [rank for column in self.columns if (rank := column.rank(name)) is not None]
        return float(np.mean(ranks)) if ranks else np.nan

    def record(self) -> dict[str, Any]:
        """matrix.json."""
        return {
            "scenarios": {
                column.label: {
                    "best_rule": column.best_rule,
                    "best": column.ranked[0] if column.ranked else None,
                    "room": column.ends,
                    "near_probes": column.near_probes,
                }
                for column in self.columns
            },
            "policies": {
                name: {
                    "kind": self.kind(name),
                    "mean_rank": None if np.isnan(self.mean_rank(name)) else self.mean_rank(name),
                    "scenarios": {column.label: column.cell(name) for column in self.columns},
                }
                for name in self.policies
            },
            "missing": list(self.missing),
        }

    def frame(self) -> pd.DataFrame:
        """matrix.csv: a row a policy and scenario; what has no value is empty."""
        rows: list[dict[str, object]] = []
        for name in self.policies:
            for column in self.columns:
                cell = column.cell(name)
                row: dict[str, object] = {"policy": name, "kind": self.kind(name), "scenario": column.label}
                for figure in ("reward_per_job", "room"):
                    one = cell[figure] if cell else None
                    row |= dict(
                        zip(
                            (figure, f"{figure}_low", f"{figure}_high"),
                            bounds(one) if one else (None,) * 3,
                            strict=True,
                        )
                    )
                row |= {"rank": cell["rank"] if cell else None, "best_rule": column.best_rule}
                rows.append(row)
        return pd.DataFrame(rows).astype({"rank": "Int64"})

    def markdown(self) -> str:
        """A table of rewards with ranks, one of room, and what stands beside them."""
        rooms = self.room_table() or ["Room is not known in any of them."]
        return "\n".join([*self.reward_table(), "", *rooms, "", *self.sentences(), ""])

    def reward_table(self) -> list[str]:
        """Lines of Markdown: a row a policy, a column a scenario."""
        heads = [column.label for column in self.columns]
        lines = [f"| reward per job (rank) | {' | '.join(heads)} | mean rank |", f"|---{'|---:' * (len(heads) + 1)}|"]
        for name in self.policies:
            cells = [reward_and_rank(cell) if (cell := column.cell(name)) else "" for column in self.columns]
            mean = self.mean_rank(name)
            lines.append(f"| `{name}` | {' | '.join(cells)} | {'' if np.isnan(mean) else f'{mean:.1f}'} |")
        return lines

    def room_table(self) -> list[str]:
        """The same of room, only of scenarios and policies that have one; empty if there are none."""
        columns = [column for column in self.columns if any(column.rooms.values())]
        if not columns:
            return []
        lines = [f"| room | {' | '.join(column.label for column in columns)} |", f"|---{'|---:' * len(columns)}|"]
        for name in self.policies:
            cells = [room(column.rooms.get(name))[0] if column.rooms.get(name) else "" for column in columns]
            if any(cells):
                lines.append(f"| `{name}` | {' | '.join(cells)} |")
        return lines

    def sentences(self) -> list[str]:
        """The best rule of each scenario, what room is measured by, probes that are near the best, and who is missing."""
        lines = [f"- {column.label}: {_ends(column)}" for column in self.columns]
        near = [f"{column.label} ({', '.join(column.near_probes)})" for column in self.columns if column.near_probes]
        if any(name.startswith(PROBE) for name in self.policies):
            lines.append(f"- probes within {NEAR:.0%} of the best policy: {', '.join(near) or 'none'}")
        lines += [f"- {one['policy']} does not play in {one['scenario']}: {one['why']}" for one in self.missing]
        return lines


def reward_and_rank(cell: Cell) -> str:
    """Reward and, in brackets, the rank if it has one."""
    rank = "" if cell["rank"] is None else f" ({cell['rank']})"
    return value_and_interval(REWARD, cell["reward_per_job"])[0] + rank


def _ends(column: Column) -> str:
    """Best rule and room in words."""
    best = f"best rule {column.best_rule}" if column.best_rule else "no rule among the policies"
    if column.ends is None:
        return f"{best}; room is not known"
    span = " ".join(value_and_interval(REWARD, column.ends["span"], signed=True))
    found = f"{column.ends['clairvoyant']} {span} to it on {column.ends['seeds']} seeds"
    return f"{best}, {found}" if any(column.rooms.values()) else f"{best}, {found}: no room"
