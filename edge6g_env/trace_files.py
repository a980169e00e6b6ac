"""The request traces that ship (edge6g_env/traces)."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from edge6g_env._csv import Row, read_csv
from edge6g_env._files import TextError

COLUMNS = ("t_s", "context_tokens", "generated_tokens")
_FOLDER = resources.files("edge6g_env") / "traces"


def traces() -> list[str]:
    """Names of the request traces that ship."""
    return sorted(path.name.removesuffix(".csv") for path in _FOLDER.iterdir() if path.name.endswith(".csv"))


@cache
def read_trace(name: str) -> np.ndarray:
    """float64 (rows, 3) of a shipped trace: arrival in s, prompt tokens, output tokens.

    Raises TextError for a row that is none: arrivals rise from 0 or later, and each request has a token in and one out.
    """
    rows = read_csv(_FOLDER / f"{name}.csv")
    if not rows:
        raise TextError(f"{name}.csv: there are no rows of {', '.join(COLUMNS)}")
    trace = np.array([[row.number(column) for column in COLUMNS] for row in rows])
    _check(
        rows,
        np.diff(trace[:, 0], prepend=0.0) < 0.0,
        "t_s falls: rows stand in the order of their arrival, from 0 s on",
    )
    _check(rows, (trace[:, 1:] < 1.0).any(axis=1), "context_tokens and generated_tokens must be at least 1")
    return trace


def _check(rows: list[Row], wrong: Any, sentence: str) -> None:
    if wrong.any():
        raise TextError(f"{rows[int(wrong.argmax())].place}: {sentence}")
