"""The columns of the action table: names of their values, and how often a policy takes each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edge6g_env.device_split import name_of
from edge6g_env.kernel.codes import LOCAL
from edge6g_env.spaces import Layout, has_meaning


class Column(NamedTuple):
    """A column of the action table: names of its values, its number in each action, and where it has a meaning."""

    name: str
    values: list[str]
    numbers: np.ndarray  # int64 (C,)
    means: np.ndarray  # bool (C,)


def columns_of(layout: Layout) -> list[Column]:
    """The columns of the action table, ACTION_COLUMNS; the model where some service has more than one."""
    grid, table = layout.scenario.actions, layout.action_table
    route, device_split, edge_split, precision, model = table.T
    runs, goes = has_meaning(table, "route"), has_meaning(table, "edge_split")
    models = [f"model {m + 1}" for m in range(layout.scenario.most_models)]
    columns = [
        Column("route", route_names(layout)[LOCAL:], route - LOCAL, runs),
        Column("device_split", [name_of(split) for split in grid.device_split], device_split, runs),
        Column("edge_split", [f"{share:g}" for share in grid.edge_split], edge_split, goes),
        Column("precision", [str(name) for name in grid.precision], precision, runs),
        Column("model", models, model, runs),
    ]
    return columns if len(models) > 1 else columns[:-1]


def route_names(layout: Layout) -> list[str]:
    """Routes in words, by their number in the action table, as `Layout.action_names` has them."""
    names = ["local", *(f"neighbour {n + 1}" for n in range(layout.scenario.neighbours)), "cloud"]
    return ["hold", "reject", *names]


def shares(column: Column, actions: np.ndarray) -> list[float]:
    """Share of each value among the actions, int64 (J,), in which the column means something."""
    meant = actions[column.means[actions]]
    counts = np.bincount(column.numbers[meant], minlength=len(column.values))
    return (counts / max(1, len(meant))).tolist()


def decided(jobs: np.ndarray) -> np.ndarray:
    """Actions of the jobs that were decided, int64; jobs: rows of OUTCOME (docs/state.md)."""
    actions = jobs["action"]
    return actions[actions >= 0]
