"""Playing a sweep: every policy in every cell on the same seeds, through a pool; what is kept is not played again."""

from __future__ import annotations

import pickle
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from agents.policy import MakePolicy
from edge6g_env.kernel.fields import OUTCOME_DTYPE
from edge6g_env.scenario import Scenario
from eval.contenders import Contender
from eval.episodes import (
    Episodes,
    NothingMeasuredError,
    chunks,
    nothing_measured,
    play_chunk,
    plays_few_worlds,
    progress_bars,
)
from eval.fitting import Fit
from eval.kept import FOLDER, Kept
from eval.pools.pool import Hangar, Pending, Pool
from eval.sweep.grid import Cell, SweepError

EpisodeRows = list[dict[str, object]]


@dataclass(frozen=True)
class Play:
    """Episodes of a policy in a cell that are played together (eval.pools.pool.Part)."""

    name: str
    make: MakePolicy
    scenario: Scenario
    seeds: Sequence[int]

    def __call__(self, hangar: Hangar) -> EpisodeRows:
        """Policy, seed and metrics of each."""
        played = play_chunk(self.name, self.make, self.scenario, self.seeds, lambda _: hangar.tick(), may_fly=True)
        return played.rows


@dataclass(frozen=True)
class Task:
    """A part of a sweep and where its episodes belong. few: whether the policy plays few worlds at a time, as each takes long."""

    cell: int
    part: Play
    few: bool

    @property
    def effort(self) -> tuple[bool, float]:
        """The more, the longer it takes: planners, then whoever meets more jobs."""
        scenario = self.part.scenario
        return self.few, sum(scenario.rates_jobs_s) * scenario.time.episode_s * len(self.part.seeds)


class Shelf:
    """Keeps what is played in the folder of a run: metrics, as nobody asks for the jobs of a sweep."""

    def __init__(self, out: Path, cells: Sequence[Cell], fits: Sequence[Fit], seeds: Sequence[int]) -> None:
        self._folder = out / FOLDER
        self._of_cells = [
            Kept(out, cell.scenario, seeds, {member.name: member.identity for member in _members(fit)})
            for cell, fit in zip(cells, fits, strict=True)
        ]

    def get(self, task: Task) -> EpisodeRows | None:
        """Episodes of a task; None if it has to be played."""
        kept = self._of_cells[task.cell].get(task.part.name, task.part.seeds)
        return kept and kept.rows

    def put(self, task: Task, rows: EpisodeRows) -> None:
        """Keep the episodes of a task."""
        episodes = Episodes(rows, np.zeros(0, OUTCOME_DTYPE), np.zeros(0), np.zeros((0, 0)))
        self._of_cells[task.cell].put(task.part.name, episodes, task.part.seeds)

    def forget_others(self, tasks: Sequence[Task]) -> None:
        """Remove what none of the tasks asks for: other seeds, what other code has played."""
        asked = {self._of_cells[task.cell].path(task.part.name, task.part.seeds) for task in tasks}
        for path in set(self._folder.iterdir()) - asked:
            path.unlink()


def play_cells(
    cells: Sequence[Cell], fits: Sequence[Fit], seeds: Sequence[int], pool: Pool, out: Path | None, console: Console
) -> list[dict[str, EpisodeRows]]:
    """Of each cell the episodes by name of a member, the same whoever plays them, the time of decisions apart.

    out: folder of a run that keeps what is played. The longest parts are begun first, so that none is waited for alone. Raises
    NothingMeasuredError if no job is measured in any cell, SweepError for a policy that no other process can be sent.
    """
    tasks = list(_tasks(cells, fits, seeds))
    shelf = Shelf(out, cells, fits, seeds) if out else None
    found = {place: rows for place, task in enumerate(tasks) if shelf and (rows := shelf.get(task)) is not None}
    if found:
        console.print(f"{len(found)} of {len(tasks)} parts are there", highlight=False)
    left = sorted((n for n in range(len(tasks)) if n not in found), key=lambda n: tasks[n].effort, reverse=True)
    parts = [tasks[n].part for n in left]
    total, done = Counter(task.part.name for task in tasks), Counter(tasks[n].part.name for n in found)
    with progress_bars(console, total) as started:
        bars = {name: started(name) for name in total}
        for name in done:
            bars[name](done[name] / total[name])
        for place, rows in _begin(pool, parts).results():
            name = parts[place].name
            if shelf:
                shelf.put(tasks[left[place]], rows)
            found[left[place]] = rows
            done[name] += 1
            bars[name](done[name] / total[name])
    if not any(row["jobs"] for rows in found.values() for row in rows):
        raise NothingMeasuredError(nothing_measured(cells[0].scenario, seeds))
    if shelf:
        shelf.forget_others(tasks)
    return _by_cell(cells, tasks, found)


def _tasks(cells: Sequence[Cell], fits: Sequence[Fit], seeds: Sequence[int]) -> Iterator[Task]:
    for number, (cell, fit) in enumerate(zip(cells, fits, strict=True)):
        for member in _members(fit):
            few = plays_few_worlds(member.make, cell.scenario)
            for some in chunks(member.make, cell.scenario, seeds):
                yield Task(number, Play(member.name, member.make, cell.scenario, list(some)), few)


def _members(fit: Fit) -> list[Contender]:
    return [member for row in fit.rows for member in row.members]


def _begin(pool: Pool, parts: Sequence[Play]) -> Pending:
    try:
        return pool.begin(parts)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise SweepError(
            f"a policy cannot be sent to other processes ({error}): one worker plays it in this one"
        ) from None


def _by_cell(
    cells: Sequence[Cell], tasks: Sequence[Task], found: dict[int, EpisodeRows]
) -> list[dict[str, EpisodeRows]]:
    """Episodes of each cell and member, in the order of the seeds."""
    episodes: list[dict[str, EpisodeRows]] = [defaultdict(list) for _ in cells]
    for place, task in enumerate(tasks):
        episodes[task.cell][task.part.name] += found[place]
    return episodes
