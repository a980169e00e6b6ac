"""Record arrays from tables and columns."""

from __future__ import annotations

from typing import Any

import numpy as np


def from_table(dtype: np.dtype, table: Any, **own: Any) -> np.recarray:
    """A record array (1,): each field has the value of the table's key of this name, or the one that is given. AttributeError if
    there is neither."""
    row = np.zeros(1, dtype)
    for name in dtype.names or ():
        row[name] = own.pop(name) if name in own else getattr(table, name)
    assert not own, f"no fields {', '.join(own)}"
    return row.view(np.recarray)


def or_zero(dtype: np.dtype, table: Any, own: dict[str, Any]) -> dict[str, Any]:
    """Values of all fields: those that are given, else the table's key of this name, else 0, as tables of other kinds have the key."""
    return own | {name: getattr(table, name, 0) for name in dtype.names or () if name not in own}


def from_columns(dtype: np.dtype, **columns: np.ndarray) -> np.recarray:
    """A record array from its columns."""
    out = np.zeros(len(next(iter(columns.values()))), dtype)
    for name, values in columns.items():
        out[name] = values
    return out.view(np.recarray)


def from_rows(dtype: np.dtype, rows: list[dict[str, Any]]) -> np.recarray:
    """A record array from a dictionary a row."""
    out = np.zeros(len(rows), dtype)
    for row, values in zip(out, rows, strict=True):
        for name, value in values.items():
            row[name] = value
    return out.view(np.recarray)
