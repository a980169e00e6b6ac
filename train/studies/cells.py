"""The cells of a study as processes: each is `edge6g train` in a folder of its own, and one that fails takes nothing with it.

A cell goes on from its checkpoint. What its processes took in CPU time is known when they end, and kept in `cells.json`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import TaskID

from edge6g_env._bars import Bars
from edge6g_env._files import TextError
from eval.files import read_object, write_json_atomic
from eval.stopping import Interrupts
from train.learning_curve import TABLE, LearningCurve, Point
from train.studies.arms import Budget, Cell
from train.validation import told

LEDGER = "cells.json"
POLL_S = 0.25
END_S = 60.0  # that a cell may take to write its checkpoint when it is ended; judgement, it takes one

Command = Callable[[Cell], Sequence[str]]
"""The command line that begins a cell, or goes on with it."""


@dataclass(frozen=True)
class Account:
    """What is known of a cell's processes, all together. problem: why the last one failed."""

    cpu_s: float = 0.0
    wall_s: float = 0.0
    processes: int = 0
    finished: bool = False
    problem: str | None = None

    @classmethod
    def of(cls, record: dict[str, Any]) -> Account:
        """From a ledger."""
        known = {key: record[key] for key in cls.__dataclass_fields__ if key in record}
        return cls(**known)

    def after(self, process: _Process, problem: str | None) -> Account:
        """With a process that has ended."""
        return Account(
            self.cpu_s + process.cpu_s,
            self.wall_s + process.wall_s,
            self.processes + 1,
            process.status == 0,
            problem,
        )


class Ledger:
    """The accounts of a study's cells, in its folder."""

    def __init__(self, study: Path) -> None:
        self._path = study / LEDGER
        self._accounts = {name: Account.of(record) for name, record in read_object(self._path).items()}

    def __getitem__(self, cell: Cell) -> Account:
        return self._accounts.get(cell.name, Account())

    def __setitem__(self, cell: Cell, account: Account) -> None:
        self._accounts[cell.name] = account
        write_json_atomic({name: asdict(one) for name, one in self._accounts.items()}, self._path)

    def is_done(self, cell: Cell, budget: Budget) -> bool:
        """Whether nothing is left to do: its process said so, or its checkpoint and last validation do, of one that was killed then."""
        if not cell.begun or self[cell].finished:
            return cell.begun
        progress, points = cell.progress, read_curve(cell)
        spent = budget.share(progress.minutes, progress.decisions) >= 1.0
        return spent and bool(points) and points[-1].decisions == progress.decisions

    def forgive(self, cell: Cell) -> None:
        """A cell that is done has no problem any more: what failed was about one that was not, or ended without its study."""
        if self[cell].problem is not None:
            self[cell] = replace(self[cell], problem=None, finished=True)


@dataclass
class _Process:
    """A cell under way, and its accounts when it has ended. seen: time of its curve's table, when that was read last."""

    cell: Cell
    popen: subprocess.Popen[bytes]
    task: TaskID
    log_begin: int
    begin_s: float = field(default_factory=time.monotonic)
    status: int | None = None
    cpu_s: float = 0.0
    wall_s: float = 0.0
    seen: int = 0

    def end(self, at_once: bool) -> None:
        """SIGTERM, or SIGKILL to it and its workers. Only `poll` waits for the process, so that nobody else has its number yet."""
        if self.status is None and at_once:
            os.killpg(self.popen.pid, signal.SIGKILL)
        elif self.status is None:
            os.kill(self.popen.pid, signal.SIGTERM)

    def poll(self) -> bool:
        """Whether it has ended."""
        if self.status is None:
            number, status, usage = os.wait4(self.popen.pid, os.WNOHANG)
            if number:
                self.status = self.popen.returncode = os.waitstatus_to_exitcode(status)
                self.cpu_s, self.wall_s = usage.ru_utime + usage.ru_stime, time.monotonic() - self.begin_s
        return self.status is not None


def train_cells(
    cells: Sequence[Cell], budget: Budget, jobs: int, command: Command, interrupts: Interrupts, console: Console
) -> dict[str, str]:
    """Train what is not done yet, `jobs` at a time, in order; why cells failed, by name. All are of one study.

    Whatever ends it, KeyboardInterrupt too, ends its processes first, each with its checkpoint kept.
    """
    study = cells[0].study
    ledger = Ledger(study)
    waiting = [cell for cell in cells if not ledger.is_done(cell, budget)]
    for cell in cells:
        if cell not in waiting:
            ledger.forgive(cell)
    if known := len(cells) - len(waiting):
        console.print(f"{known} of {len(cells)} cells are trained already", highlight=False)
    with Bars(console) as bars:
        crew = _Crew(ledger, budget, command, bars, console)
        whole = bars.add_task("study", total=len(cells), completed=known, rate="", note="") if waiting else None
        try:
            while waiting or crew.running:
                interrupts.check()
                while waiting and len(crew.running) < jobs:
                    crew.begin(waiting.pop(0))
                ended = crew.look()
                if whole is not None:
                    bars.advance(whole, ended)
                time.sleep(POLL_S)
        finally:
            crew.end()
    return {cell.name: problem for cell in cells if (problem := ledger[cell].problem) is not None}


class _Crew:
    """The processes that run now."""

    def __init__(self, ledger: Ledger, budget: Budget, command: Command, bars: Bars, console: Console) -> None:
        self._ledger, self._budget, self._command = ledger, budget, command
        self._bars, self._console = bars, console
        self.running: list[_Process] = []

    def begin(self, cell: Cell) -> None:
        """Start the process of a cell, in a group of its own: Ctrl-C reaches the study, which ends its cells once each."""
        cell.log.parent.mkdir(parents=True, exist_ok=True)
        words, how = list(self._command(cell)), "goes on" if cell.begun else "begins"
        if not cell.begun:
            self._ledger[cell] = Account()
        share = self._budget.share(cell.progress.minutes, cell.progress.decisions)
        task = self._bars.add_task(cell.name, total=1.0, rate="", note=how)
        self._bars.update(task, completed=share)
        with cell.log.open("ab") as log:
            popen = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, process_group=0
            )
            self.running.append(_Process(cell, popen, task, log.tell()))
        self._say(f"{cell.name}: {how}")

    def look(self) -> int:
        """Show how far the processes are, and take those that have ended from the list; how many these are."""
        ended = [process for process in self.running if process.poll()]
        for process in self.running:
            self._show(process)
        for process in ended:
            self._account(process)
            self.running.remove(process)
            self._bars.remove_task(process.task)
        return len(ended)

    def end(self) -> None:
        """End what runs, by the signal after which `edge6g train` keeps its checkpoint; what does not end in time is killed."""
        for process in self.running:
            process.end(at_once=False)
        until_s = time.monotonic() + END_S
        while [process for process in self.running if not process.poll()]:
            if time.monotonic() > until_s:
                for process in self.running:
                    process.end(at_once=True)
            time.sleep(0.02)
        for process in self.running:
            self._account(process, by_us=True)
        self.running.clear()

    def _account(self, process: _Process, by_us: bool = False) -> None:
        cell, failed = process.cell, process.status != 0 and not by_us
        problem = last_words(cell.log, process.log_begin, process.status) if failed else None
        self._ledger[cell] = self._ledger[cell].after(process, problem)
        progress = cell.progress
        done = f"{progress.minutes:.2f} minutes, {progress.decisions:,} decisions"
        self._say(f"{cell.name}: {'failed: ' + problem if problem else 'stopped' if by_us else 'done'}, {done}")

    def _show(self, process: _Process) -> None:
        """Its last validation beside its bar, as a line where there are no bars."""
        try:
            changed = (process.cell.folder / TABLE).stat().st_mtime_ns
        except FileNotFoundError:
            return
        if changed != process.seen and (points := read_curve(process.cell)):
            process.seen, last = changed, points[-1]
            share = self._budget.share(last.minutes, last.decisions)
            note = f"{last.decisions:,} decisions, {told(last.gain_over_best_rule, last.best_rule)}"
            self._bars.update(process.task, completed=share, note=note)
            self._say(f"{process.cell.name}: {share:.0%}, {note}")

    def _say(self, line: str) -> None:
        if not self._console.is_terminal or ": failed" in line:
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)


def read_curve(cell: Cell) -> list[Point]:
    """The validations of a cell; none while its table is not there, or is none."""
    try:
        return LearningCurve(cell.folder, "", 10**18).points
    except (OSError, TextError):
        return []


def last_words(log: Path, begin: int, status: int | None) -> str:
    """Why a process says that it failed, in its log from a byte on: the sentence of an error, or its last line."""
    text = log.read_bytes()[begin:].decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = [line.removeprefix("edge6g: ") for line in lines if line.startswith("edge6g: ")]
    said = [line for line in said if not line.startswith("warning: ")]
    words = (said or lines or ["it said nothing"])[-1]
    return f"{words} (status {status}, see {log})"
