"""The package's reference tables (data/*.csv, described in data/README.md)."""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources


def rows(file_name: str) -> list[dict[str, str]]:
    """Rows of a table of the data folder, keyed by its header."""
    path = resources.files("edge6g_env.radio").joinpath("data", file_name)
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


@cache
def _facts() -> dict[str, str]:
    return {row["name"]: row["value"] for row in rows("facts.csv")}


def fact(name: str) -> float:
    """Value of one row of facts.csv, in the unit given there."""
    return float(_facts()[name])
