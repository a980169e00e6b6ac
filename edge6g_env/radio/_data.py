"""The package's reference tables (data/*.csv, described in data/README.md)."""

from __future__ import annotations

from functools import cache
from importlib import resources

from edge6g_env._csv import Row, read_csv
from edge6g_env._files import TextError


@cache
def rows(file_name: str) -> tuple[Row, ...]:
    """Rows of a table of the data folder, keyed by its header; only to be read."""
    path = resources.files("edge6g_env.radio").joinpath("data", file_name)
    return tuple(read_csv(path))


@cache
def _facts() -> dict[str, Row]:
    return {row["name"]: row for row in rows("facts.csv")}


def fact(name: str) -> float:
    """Value of one row of facts.csv, in the unit given there; TextError if there is none."""
    if name not in _facts():
        raise TextError(f"facts.csv: there is no row {name}")
    return _facts()[name].number("value")
