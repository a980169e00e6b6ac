"""The matrix scenario x policy for the terminal, however narrow, and as a page with nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from string import Template

from rich import box
from rich.table import Table
from rich.text import Text

from eval.matrix import Cell, Column, Matrix, reward_and_rank
from eval.report.console import STYLES, table_width
from eval.report.numbers import REWARD, room, value_and_interval
from eval.report.template import POLICY, STYLE

MATRIX_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
$policy<title>edge6g matrix</title>
$style</head><body>
<p class="soft">edge6g comparison</p>
<h1>$title</h1>
<h2>Reward per job</h2>
<p class="soft">Interquartile mean [95 % interval] and rank; planners, which see more than an agent sees, have none. The stronger the
ground, the better the rank. Below it the room: 0 is the best rule of the scenario, 1 the planner that knows the future.</p>
<div class="scroll"><table class="heat"><thead><tr><th></th>$heads<th>mean rank</th></tr></thead><tbody>
$rows</tbody></table></div>
<h2>Scenarios</h2>
$sentences
<h2>Make it again</h2>
<pre>$command</pre>
</body></html>
"""


def console_tables(matrix: Matrix, width: int) -> Iterator[Table]:
    """Tables of as many scenarios each as the terminal has columns for: reward, rank in brackets, and below them the room."""
    left = list(matrix.columns)
    while left:
        count = next(
            (n for n in range(len(left), 1, -1) if table_width(_table(matrix, left[:n], n == len(left))) <= width), 1
        )
        yield _table(matrix, left[:count], count == len(left))
        left = left[count:]


def _table(matrix: Matrix, columns: Sequence[Column], last: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("reward (rank)\nroom" if any(map(_has_room, columns)) else "reward (rank)", overflow="fold")
    for column in columns:
        table.add_column(column.label, justify="right", no_wrap=True)
    if last:
        table.add_column("mean\nrank", justify="right", no_wrap=True)
    for name in matrix.policies:
        cells = ["\n".join(_lines(column.cell(name))) for column in columns]
        mean = [_mean_rank(matrix, name)] if last else []
        table.add_row(Text(name), *cells, *mean, style=STYLES[matrix.kind(name)])
    return table


def _has_room(column: Column) -> bool:
    return any(column.rooms.values())


def _lines(cell: Cell | None) -> list[str]:
    if cell is None:
        return []
    return [reward_and_rank(cell), *([room(cell["room"])[0]] if cell["room"] else [])]


def _mean_rank(matrix: Matrix, name: str) -> str:
    mean = matrix.mean_rank(name)
    return f"{mean:.1f}" if mean == mean else ""


def page(matrix: Matrix, command: str) -> str:
    """The page as text; the head of a scenario leads to the report of its comparison, in its folder."""
    return Template(MATRIX_PAGE).substitute(
        policy=POLICY,
        style=STYLE,
        title=f"{len(matrix.columns)} scenarios, {len(matrix.policies)} policies",
        heads="".join(f"<th>{_link(one)}</th>" for one in matrix.columns),
        rows="".join(f"<tr>{_head(matrix, name)}{''.join(_cells(matrix, name))}</tr>\n" for name in matrix.policies),
        sentences="".join(f"<p>{escape(line.removeprefix('- '))}</p>\n" for line in matrix.sentences()),
        command=escape(command),
    )


def _link(column: Column) -> str:
    """The name of a scenario, with a link to its report if anybody played there."""
    name = escape(column.label)
    return f'<a href="{name}/report.html">{name}</a>' if column.kinds else name


def _head(matrix: Matrix, name: str) -> str:
    return f'<th class="{escape(matrix.kind(name))}">{escape(name)}</th>'


def _cells(matrix: Matrix, name: str) -> Iterator[str]:
    for column in matrix.columns:
        cell = column.cell(name)
        if cell is None:
            yield '<td class="none"></td>'
            continue
        last, rank = len(column.ranked), cell["rank"]
        share = 0.0 if rank is None else 1.0 if last == 1 else (last - rank) / (last - 1)
        interval = value_and_interval(REWARD, cell["reward_per_job"])[1:]
        below = [*interval, *([f"room {' '.join(room(cell['room']))}"] if cell["room"] else [])]
        small = "".join(f"<small>{text}</small>" for text in below)
        yield f'<td style="--s:{share:.2f}">{reward_and_rank(cell)}{small}</td>'
    yield f"<td>{_mean_rank(matrix, name)}</td>"
