"""Request traces: those that ship (edge6g_env/traces), and files of a user's own.

An own trace belongs to the scenarios that name it: they hold its bytes, so that nothing that is done to the file later changes them, and it
goes with them into workers and into the folders of runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, lru_cache
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from edge6g_env._csv import Row, parse_csv, read_csv
from edge6g_env._files import TextError, decode
from edge6g_env.errors import UserError

COLUMNS = ("t_s", "context_tokens", "generated_tokens")
AZURE_COLUMNS = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
"""Of the LLM inference traces of 2023 and 2024 in the Azure Public Dataset."""
MOST_BYTES = 16_000_000
"""Of an own trace, some 700,000 requests. Judgement: an episode plays a few hundred of them, and each takes a kB while they are read."""
MOST_TOKENS = 131_072
_DIGITS = 8  # of the hash in the name of a copy
_COPY = re.compile(rf".*-[0-9a-f]{{{_DIGITS}}}\.csv")
_FOLDER = resources.files("edge6g_env") / "traces"


def traces() -> list[str]:
    """Names of the request traces that ship."""
    return sorted(path.name.removesuffix(".csv") for path in _FOLDER.iterdir() if path.name.endswith(".csv"))


@cache
def read_trace(name: str) -> np.ndarray:
    """float64 (rows, 3) of a shipped trace: arrival in s, prompt tokens, output tokens.

    Raises TextError for a row that is none: arrivals rise from 0 or later, and each request has a token in and one out.
    """
    return _lengths(read_csv(_FOLDER / f"{name}.csv"), f"{name}.csv")


def is_path(trace: object) -> bool:
    """Whether a trace is named by the path of its file, not by the name of one that ships."""
    return isinstance(trace, str) and ("/" in trace or trace.lower().endswith(".csv"))


@dataclass(frozen=True)
class OwnTrace:
    """A user's own trace as it was read. rows: as of `read_trace`, of Azure's files since the first request; they cannot be changed."""

    name: str
    """Of its file, without the folder."""
    sha256: str
    """Of its content, in hexadecimal digits."""
    content: bytes = field(compare=False, repr=False)
    rows: np.ndarray = field(compare=False, repr=False)

    def __reduce__(self) -> tuple[Callable[..., OwnTrace], tuple[str, bytes]]:
        return _own_trace, (self.name, self.content)  # a worker reads the rows of a content once

    @property
    def copy_name(self) -> str:
        """Of its copy in a folder: it carries the hash, so that no other file there is called so."""
        stem, digits = Path(self.name).stem, self.sha256[:_DIGITS]
        return f"{stem if stem.endswith(f'-{digits}') else f'{stem}-{digits}'}.csv"


def copies(folder: Path) -> list[Path]:
    """The copies of own traces in a folder, by their names and what is in them."""
    found = (path for path in folder.glob("*.csv") if _COPY.fullmatch(path.name) and path.is_file())
    return [path for path in found if sha256(path.read_bytes()).hexdigest().startswith(path.stem[-_DIGITS:])]


def read_own(path: Path) -> OwnTrace:
    """The trace in a file: a CSV with COLUMNS, or with AZURE_COLUMNS as published; further columns do not matter.

    Raises TextError with the line of what is wrong, UserError for no file, one that cannot be read, or one of more than MOST_BYTES.
    """
    try:
        if not path.is_file():
            raise UserError("there is no such file")
        if (size := path.stat().st_size) > MOST_BYTES:
            raise UserError(
                f"the file has {size / 1e6:.0f} MB, a trace may have {MOST_BYTES / 1e6:.0f}: name one with a part of its rows"
            )
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"the file cannot be read: {error.strerror}") from None
    return _own_trace(path.name, content)


@lru_cache(maxsize=4)
def _own_trace(name: str, content: bytes) -> OwnTrace:
    rows = parse_csv(decode(content, name), name)
    azure = bool(rows) and AZURE_COLUMNS[0] in rows[0] and not {*COLUMNS} <= {*rows[0]}
    columns = AZURE_COLUMNS if azure else COLUMNS
    if rows and (missing := [column for column in columns if column not in rows[0]]):
        raise TextError(
            f"{name}: there is no column {missing[0]}: the header has {', '.join(rows[0])}, that of a trace {', '.join(COLUMNS)}, "
            f"or as Azure publishes them {', '.join(AZURE_COLUMNS)}"
        )
    lengths = _lengths(rows, name, columns, _since_first_s(rows) if azure else None)
    lengths.flags.writeable = False
    return OwnTrace(name, sha256(content).hexdigest(), content, lengths)


def _lengths(
    rows: Sequence[Row], name: str, columns: Sequence[str] = COLUMNS, instants_s: Sequence[float] | None = None
) -> np.ndarray:
    """float64 (rows, 3) of rows; instants_s: in place of their first column. TextError for what cannot be."""
    if not rows:
        raise TextError(f"{name}: there are no rows of {', '.join(columns)}")
    time, *lengths = columns
    arrival_s = [row.number(time) for row in rows] if instants_s is None else instants_s
    tokens = np.array([[row.number(column) for column in lengths] for row in rows])
    falls = np.diff(arrival_s, prepend=0.0) < 0.0
    _check(rows, falls, f"{time} falls: rows stand in the order of their arrival, from 0 s on")
    cannot_be = (tokens < 1.0) | (tokens > MOST_TOKENS) | (tokens != np.round(tokens))
    between = f"must be at least 1 and at most {MOST_TOKENS}, and whole numbers"
    _check(rows, cannot_be.any(axis=1), f"{' and '.join(lengths)} {between}")
    return np.column_stack([arrival_s, tokens])


def _since_first_s(rows: Sequence[Row]) -> list[float]:
    """Seconds since the first row of instants such as 2023-11-16 18:15:46.6805900 or 2024-05-10 00:00:00.009930+00:00."""
    instants = [_instant(row) for row in rows]
    return [(instant - instants[0]).total_seconds() for instant in instants]


def _instant(row: Row) -> datetime:
    column = AZURE_COLUMNS[0]
    try:
        instant = datetime.fromisoformat(row[column])
    except ValueError:
        raise TextError(
            f"{row.place}: {column} = {row[column]!r}: must be an instant such as 2023-11-16 18:15:46.6805900"
        ) from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _check(rows: Sequence[Row], wrong: Any, sentence: str) -> None:
    if wrong.any():
        raise TextError(f"{rows[int(wrong.argmax())].place}: {sentence}")
