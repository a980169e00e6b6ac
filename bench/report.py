"""Runs the stages that are asked for; a table for people, JSON for programs."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numba
import numpy as np
from rich.console import Console
from rich.table import Table

import edge6g_env
from bench import doors, processes, sizes
from bench.timing import Row, load
from edge6g_env.errors import UserError
from edge6g_env.scenario import Scenario
from eval.files import write_json_atomic
from eval.provenance import commit

Stage = Callable[[Scenario], Iterable[Row]]
STAGES: dict[str, Stage] = {
    "doors": doors.doors,
    "reference": lambda scenario: doors.empty_environment(scenario.nodes.count),
    "worlds": sizes.worlds,
    "nodes": sizes.nodes,
    "backlog": sizes.backlog,
    "memory": sizes.memory,
    "threads": sizes.threads,
    "training": processes.training,
    "start": processes.start,
}
DEFAULT = "campus"
HEADS = ("stage", "scenario", "what", "value", "unit", "")


class StageError(UserError):
    """No stage has this name."""


def check_stages(names: list[str]) -> None:
    """Raise StageError if a stage is unknown, or none is named."""
    unknown = [name for name in names if name not in STAGES]
    if unknown or not names:
        raise StageError(f"no stage {', '.join(map(repr, unknown)) or 'named'}: there are {', '.join(STAGES)}")


def bench(scenarios: list[Scenario], stages: list[str], console: Console, file: Path | None = None) -> list[Row]:
    """Measure: `doors` of every scenario, all else of the first. Shows each row as it comes, and keeps those that there are in `file`."""
    rows: list[Row] = []
    if file is not None and file.is_dir():
        raise StageError(f"--json {file} is a folder: name a file for the figures")
    for row in _rows(scenarios, stages):
        console.print(
            f"{row.stage}: {row.scenario}, {row.what}: {row.value:.4g} {row.unit} {row.note}", highlight=False
        )
        rows.append(row)
        if file is not None:
            write_json_atomic({"machine": machine(), "rows": [one._asdict() for one in rows]}, file)
    return rows


def _rows(scenarios: list[Scenario], stages: list[str]) -> Iterator[Row]:
    for stage in stages:
        for scenario in scenarios if stage == "doors" else scenarios[:1]:
            yield from STAGES[stage](scenario)


def machine() -> dict[str, Any]:
    """What was measured and on what, and how busy it was."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": edge6g_env.__version__,
        "commit": commit(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load": load(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
    }


def show(rows: list[Row], console: Console) -> None:
    """The table; times are CPU time unless the row says otherwise."""
    table = Table(*HEADS, box=None, pad_edge=False)
    for row in rows:
        table.add_row(row.stage, row.scenario, row.what, f"{row.value:.4g}", row.unit, row.note)
    console.print(table, highlight=False)
    where = f"load {load():.1f} on {os.cpu_count()} cores, {platform.processor() or platform.machine()}"
    console.print(f"CPU time, least of repetitions; {where}", highlight=False)
