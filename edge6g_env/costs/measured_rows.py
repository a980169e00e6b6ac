"""Measured rows in whatever form they come: dicts, a pandas DataFrame, a structured array, columns by name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

Row = Mapping[str, Any]


def is_blank(value: Any) -> bool:
    """Whether a cell holds nothing: None, NaN of any width, or a text without characters other than spaces."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, float | np.floating) and math.isnan(value))


def _unpacked(rows: Any) -> Iterable[Any]:
    """One entry a row, of a frame, a structured array or a mapping of columns; anything else as it is."""
    if hasattr(rows, "to_dict") and hasattr(rows, "columns"):
        return list(rows.astype(object).where(rows.notna(), None).to_dict("records"))
    names = getattr(getattr(rows, "dtype", None), "names", None)
    if names is not None:
        return [dict(zip(names, row.tolist(), strict=True)) for row in np.atleast_1d(rows)]
    if isinstance(rows, Mapping):
        columns = [np.atleast_1d(column).tolist() for column in rows.values()]
        return [dict(zip(rows, cells, strict=True)) for cells in zip(*columns, strict=True)]
    return list(rows)


def records_of(rows: Any) -> list[dict[str, Any]]:
    """The rows as dicts without blank cells (None, NaN, empty); names and texts without surrounding spaces.

    rows: an iterable of mappings, a pandas DataFrame, a numpy structured array, or a mapping of column name to values. A
    blank cell is a column that the row does not have, so tables of several kinds may be joined. Raises ValueError for
    anything else.
    """
    try:
        mappings = [dict(row) for row in _unpacked(rows)]
    except (TypeError, ValueError):
        raise ValueError(
            f"rows: expected mappings, a DataFrame, a structured array or columns by name, got {type(rows).__name__}"
        ) from None
    stripped = ({str(k).strip(): v.strip() if isinstance(v, str) else v for k, v in row.items()} for row in mappings)
    return [{name: value for name, value in row.items() if not is_blank(value)} for row in stripped]
