"""The table of a sweep: a row a setting, policy and seed. All else that is said of a sweep is worked out of it, sweep.csv read again too.

Columns: one a varied key, then those of episodes.csv, then `reason`: why a policy does not fit a setting, where all figures are empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from eval.contenders import Row
from eval.fitting import Fit
from eval.metrics import EPISODE_COLUMNS, METRIC_NAMES
from eval.summary import Kind
from eval.sweep.grid import Cell, SweepError, shown

REASON = "reason"
COLUMNS = (*EPISODE_COLUMNS, REASON)
WHOLE = ("seed", "jobs", "finished_jobs")

Setting = tuple[Any, ...]
"""Values of the varied keys, in their order, as they stand in the table."""


def table_of(
    cells: Sequence[Cell],
    policies: Iterable[str],
    fits: Sequence[Fit],
    played: Sequence[Mapping[str, Sequence[Mapping[str, object]]]],
) -> pd.DataFrame:
    """The table of cells and, by their words, policies in their order. played: of each cell the episodes by name of a member."""
    known = {word: rows for fit in reversed(fits) for word, rows in fit.found.items()}
    rows: list[dict[str, Any]] = []
    for cell, fit, episodes in zip(cells, fits, played, strict=True):
        setting = {key: shown(value) for key, value in cell.setting.items()}
        for word in policies:
            for row in fit.found.get(word, ()):
                about = {**setting, "group": row.name, REASON: None}
                for member in row.members:
                    of = {**about, "kind": member.kind, "privileged": member.privileged}
                    rows += [{**of, **one} for one in episodes[member.name]]
            if word in fit.missing:
                rows += [{**setting, **_nobody(row), REASON: fit.missing[word]} for row in known[word]]
    frame = pd.DataFrame(rows, columns=[*cells[0].setting, *COLUMNS])
    return frame.astype(dict.fromkeys(WHOLE, "Int64") | {"privileged": bool})


def _nobody(row: Row) -> dict[str, Any]:
    return {"policy": row.name, "group": row.name, "kind": row.kind, "privileged": row.privileged}


def varied_keys(frame: pd.DataFrame) -> list[str]:
    """Keys that vary: the columns before that of the policy. SweepError for a table that is none of a sweep."""
    columns = [str(name) for name in frame.columns]
    missing = [name for name in ("policy", "seed", "group", "kind", *METRIC_NAMES) if name not in columns]
    if missing or columns.index("policy") == 0:
        what = f"no column {missing[0]}" if missing else "no varied key before the column policy"
        raise SweepError(f"the table of a sweep is that of sweep.csv, and this one has {what}")
    return columns[: columns.index("policy")]


def settings_of(frame: pd.DataFrame) -> list[Setting]:
    """Settings, each once, in the order of the table."""
    return list(dict.fromkeys(frame[varied_keys(frame)].itertuples(index=False, name=None)))


def values_of(frame: pd.DataFrame, metric: str) -> dict[tuple[Setting, str], pd.DataFrame]:
    """Of each setting and policy that plays there the values of a metric, a row a member (checkpoint) and a column a seed."""
    found: dict[tuple[Setting, str], pd.DataFrame] = {}
    for key, rows in _played(frame).groupby([*varied_keys(frame), "group"], sort=False, dropna=False):
        *setting, policy = key
        found[tuple(setting), str(policy)] = rows.pivot(index="policy", columns="seed", values=metric)
    return found


@dataclass(frozen=True)
class Known:
    """What a table says of a policy. checkpoints: how many it is made of, 0 for what is none."""

    kind: Kind
    privileged: bool
    checkpoints: int

    @property
    def is_looked_at(self) -> bool:
        """Whether it is what one looks for: learned, or code of one's own, and it sees what an agent sees."""
        return self.kind in ("learned", "own") and not self.privileged


def policies_of(frame: pd.DataFrame) -> dict[str, Known]:
    """Policies, groups of checkpoints as one, in the order of the table."""
    found: dict[str, Known] = {}
    for name, rows in frame.groupby("group", sort=False):
        members, kind = rows.loc[rows["seed"].notna(), "policy"].nunique(), rows["kind"].iloc[0]
        privileged = kind == "planner" or bool(rows["privileged"].eq(True).any())
        found[str(name)] = Known(kind, privileged, members if kind == "learned" or members > 1 else 0)
    return found


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows by column, what is empty as None."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def _played(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of episodes; the others say why there are none."""
    return frame[frame["seed"].notna()]
