"""Progress of a long command on a terminal, or as lines where there is none."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.progress import BarColumn, Progress, Task, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Column, Table


class Bars(Progress):
    """A bar with its share, and beside it what there is room for: on a narrow terminal the bar stays and the note goes.

    Tasks have the fields `rate` and `note`.
    """

    def __init__(self, console: Console) -> None:
        self._shown_on, one_line = console, Column(no_wrap=True)
        self._from_width = (
            (30, TextColumn("{task.description}", table_column=one_line)),
            (0, BarColumn(bar_width=None, table_column=Column(ratio=1))),
            (0, TaskProgressColumn()),
            (45, TimeRemainingColumn()),
            (60, TextColumn("{task.fields[rate]}", table_column=one_line)),
            (100, TextColumn("{task.fields[note]}", table_column=Column(no_wrap=True, max_width=50))),
        )
        super().__init__(console=console, expand=True)

    def make_tasks_table(self, tasks: Iterable[Task]) -> Table:
        """The columns that the terminal, as wide as it is now, has room for."""
        self.columns = tuple(column for width, column in self._from_width if self._shown_on.width >= width)
        return super().make_tasks_table(tasks)


class Notes:
    """Shows a note beside the bar, or as a line where there is no terminal to draw a bar on."""

    def __init__(self, console: Console, bars: Progress, task: TaskID) -> None:
        self._console, self._bars, self._task = console, bars, task

    def __call__(self, note: str) -> None:
        """Show it."""
        self._bars.update(self._task, note=note)
        if not self._console.is_terminal:
            self._console.print(note, highlight=False, soft_wrap=True)
