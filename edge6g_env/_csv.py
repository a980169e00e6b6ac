"""The one reader of CSV tables: commas, semicolons or tabs, quoted or not, as spreadsheets save them."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable
from importlib.resources.abc import Traversable
from pathlib import Path

from edge6g_env._files import TextError, read_text

_DELIMITERS = ",;\t"
_COMMA_NUMBER = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_POINT_NUMBER = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?")


class Row(dict[str, str]):
    """Cells of a line by the names of the header, without spaces around them; knows its file and line."""

    def __init__(self, cells: Iterable[tuple[str, str]], place: str) -> None:
        super().__init__(cells)
        self.place = place

    def __missing__(self, column: str) -> str:
        raise TextError(f"{self.place}: there is no column {column}: the header has {', '.join(self)}")

    def number(self, column: str) -> float:
        """A cell as a finite number; TextError that names file, line and column for anything else."""
        try:
            if math.isfinite(value := float(self[column])):
                return value
        except ValueError as error:
            if isinstance(error, TextError):
                raise
        raise TextError(f"{self.place}: {column} = {self[column]!r}: must be a number such as 0.5")


def read_csv(path: Path | Traversable) -> list[Row]:
    """Rows of a table whose first line that is not empty names the columns; empty lines and columns without name are left out.

    A line may end early: the cells that it lacks are empty. Where cells are divided by semicolons or tabs, 0,5 is a number.
    Raises TextError that names file and line, OSError if the file cannot be read.
    """
    return parse_csv(read_text(path), path.name)


def parse_csv(text: str, name: str) -> list[Row]:
    """The same of a text that was read already; name: of its file."""
    lines = _split(text, name)
    if not lines:
        raise TextError(f"{name}: the table is empty: its first line must name the columns")
    (_, header), *rows = lines
    _check_header(header, name)
    if _delimiter(text) != ",":
        rows = _with_points(rows, name)
    return [_row(header, cells, f"{name}, line {line}") for line, cells in rows]


def _delimiter(text: str) -> str:
    """What divides the cells of the header."""
    header = next((line for line in text.split("\n") if line.strip()), "")
    return max(_DELIMITERS, key=header.count)


def _split(text: str, name: str) -> list[tuple[int, list[str]]]:
    """(number, stripped cells) of every line that is not empty."""
    reader = csv.reader(io.StringIO(text), delimiter=_delimiter(text), skipinitialspace=True, strict=True)
    found = []
    try:
        for cells in reader:
            if stripped := _without_tail([cell.strip() for cell in cells]):
                found.append((reader.line_num, stripped))
    except csv.Error as error:
        raise TextError(f"{name}, line {reader.line_num}: {error}: a quote in a cell is written twice") from None
    return found


def _without_tail(cells: list[str]) -> list[str]:
    """Without the empty cells at the end."""
    while cells and not cells[-1]:
        cells = cells[:-1]
    return cells


def _check_header(header: list[str], name: str) -> None:
    if "" in header:
        raise TextError(f"{name}: column {header.index('') + 1} of the header has no name")
    if twice := [column for column in header if header.count(column) > 1]:
        raise TextError(f"{name}: the header names {twice[0]} twice")


def _row(header: list[str], cells: list[str], place: str) -> Row:
    if len(cells) > len(header):
        raise TextError(
            f"{place}: {len(cells)} cells, the header names {len(header)}: a cell that has a comma in it stands in quotes"
        )
    return Row(zip(header, cells + [""] * (len(header) - len(cells)), strict=True), place)


def _with_points(rows: list[tuple[int, list[str]]], name: str) -> list[tuple[int, list[str]]]:
    """Decimal commas as points; TextError if some numbers of the file have points already."""
    cells = [(line, cell) for line, row in rows for cell in row]
    comma = next((line for line, cell in cells if _COMMA_NUMBER.fullmatch(cell)), None)
    point = next((line for line, cell in cells if _POINT_NUMBER.fullmatch(cell)), None)
    if comma is None:
        return rows
    if point is not None:
        raise TextError(
            f"{name}: numbers have a decimal comma in line {comma}, a point in line {point}: write points in all"
        )
    return [(line, [_point(cell) for cell in row]) for line, row in rows]


def _point(cell: str) -> str:
    return cell.replace(",", ".") if _COMMA_NUMBER.fullmatch(cell) else cell
