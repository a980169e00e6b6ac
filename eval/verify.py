"""`edge6g verify`: rows of results are played again, and say whether they agree to the last digit kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path

import numpy as np
from rich.console import Console

from edge6g_env.errors import UserError
from edge6g_env.scenario import Scenario
from edge6g_env.scenario import scenarios as all_scenarios
from eval import evaluation_seeds
from eval.contenders import LoadCheckpoint, Row, checkpoints_of, find_rows, missing_place
from eval.episodes import Share, progress_bars, run_episodes
from eval.result_files import ResultRow, Results, ResultsError, for_scenario, rounded, shipped_file


@dataclass(frozen=True)
class Verdict:
    """What became of one row. problem: a sentence that says how it differs, or why it could not be played; None if it agrees.

    elsewhere: it is of checkpoints that are not at hand, or of code of one's own, which is neither.
    """

    scenario: str
    row: str
    seeds: int
    problem: str | None
    elsewhere: bool = False

    @property
    def disagrees(self) -> bool:
        """Whether it was played and differs, or could not be played and should be."""
        return self.problem is not None and not self.elsewhere


def verify(
    scenarios: Sequence[Scenario],
    rows: Sequence[str] = (),
    seeds: int | None = None,
    folder: Path | None = None,
    *,
    load_checkpoint: LoadCheckpoint,
    console: Console | None = None,
) -> Iterator[Verdict]:
    """Play the rows of these names (all, if none is given) on their first `seeds` seeds (all), and compare their rewards, one by one.

    folder: has the files of results; None: those that ship. Rewards agree if they are the same when rounded as in the file. Raises
    ResultsError before anything is played: no results of a scenario, or none of this version of it, or no row of that name in any.
    """
    known = [results_of(scenario, folder) for scenario in scenarios]
    wanted = [(scenario, one, list(_names(one, rows))) for scenario, one in zip(scenarios, known, strict=True)]
    for name in rows:
        if not any(name in one.rows for one in known):
            known[0].row(name)  # says what there is
    tasks = {f"{scenario.name}: {name}": (scenario, one, name) for scenario, one, names in wanted for name in names}
    if not tasks:
        raise ResultsError(f"{', '.join(one.file for one in known)} has no rows: there is nothing to play")
    with progress_bars(console or Console(stderr=True), tasks) as started:
        for label, (scenario, one, name) in tasks.items():
            if missing := _not_at_hand(one.rows[name]):
                yield Verdict(scenario.name, name, 0, missing, elsewhere=True)
                continue
            problem, count = _problem(scenario, name, one.rows[name], seeds, load_checkpoint, started(label))
            yield Verdict(scenario.name, name, count, problem)


def results_of(scenario: Scenario, folder: Path | None) -> Results:
    """The results of a scenario; ResultsError if there are none of this version of it."""
    file = _file(scenario.name, folder)
    if not file.is_file():
        where = "ship with it" if folder is None else f"are in {folder}"
        raise ResultsError(f"no results of {scenario.name} {where}: `edge6g compare --keep FOLDER` writes them")
    return for_scenario(file, scenario)


def with_results(folder: Path | None) -> list[str]:
    """Names of the scenarios that ship and have results; ResultsError if none has."""
    found = [name for name in all_scenarios() if _file(name, folder).is_file()]
    if not found and folder is not None and (there := sorted(file.name for file in folder.glob("*.json"))):
        raise ResultsError(
            f"{folder} has {', '.join(there)}, of no scenario that ships: say --scenario path/to/FILE.toml"
        )
    if not found:
        raise ResultsError(
            f"no results {'ship' if folder is None else f'are in {folder}'}: `edge6g compare --keep` writes them"
        )
    return found


def _file(name: str, folder: Path | None) -> Path | Traversable:
    return shipped_file(name) if folder is None else folder / f"{name}.json"


def _names(results: Results, rows: Sequence[str]) -> Iterator[str]:
    return (name for name in results.rows if not rows or name in rows)


def _not_at_hand(row: ResultRow) -> str | None:
    """Of a row whose folders or files are not there: which, and what trains it again, as no checkpoint ships; of code of one's own: that a
    file of results runs none. None for all others."""
    if row["kind"] == "own":
        return f"not played, it is code of one's own: `edge6g compare --policies {row['policy']}` runs it"
    training = row.get("training")
    if training is not None and len(checkpoints_of(row["policy"])) < len(training["seeds"]):
        return f"not played, its checkpoints are not at hand; they were trained by: {training['command']}"
    missing = missing_place(row["policy"])
    return f"not played, {missing} is not at hand" if missing else None


def _problem(
    scenario: Scenario,
    name: str,
    row: ResultRow,
    seeds: int | None,
    load_checkpoint: LoadCheckpoint,
    progress: Share,
) -> tuple[str | None, int]:
    """How the row differs from what is played now, None if it does not; and on how many seeds that was looked at."""
    try:
        (found,) = find_rows([row["policy"]], scenario, load_checkpoint)
    except UserError as error:
        return f"cannot be played: {error}", 0
    count = min(seeds or row["seeds"], row["seeds"])
    problem = _difference(scenario, name, found, row, count, progress)
    if problem and found.identity != row["identity"]:
        problem += "; it decides by other values or files than then"
    return problem, count


def _difference(
    scenario: Scenario, name: str, found: Row, row: ResultRow, count: int, progress: Callable[[float], None]
) -> str | None:
    """The first seed that differs, in words."""
    numbers = evaluation_seeds(count)
    of_members = []
    for member in found.members:
        called = name if len(found.members) == 1 else member.name
        played = run_episodes(called, member.make, scenario, numbers, progress, may_fly=True)
        of_members.append([float(str(one["reward_per_job"])) for one in played.rows])
    rewards = rounded(list(np.mean(of_members, axis=0)))
    differ = [n for n, (now, then) in enumerate(zip(rewards, row["rewards"], strict=False)) if now != then]
    if not differ:
        return None
    first = differ[0]
    return f"{len(differ)} of {count} seeds differ, first {numbers[first]}: {rewards[first]} now, {row['rewards'][first]} kept"


def show(verdicts: Sequence[Verdict], console: Console) -> None:
    """A line a row, and how many agree."""
    for one in verdicts:
        said = f"agrees on {one.seeds} seed{'' if one.seeds == 1 else 's'}" if one.problem is None else one.problem
        console.print(f"{one.scenario}: {one.row}: {said}", highlight=False, markup=False, soft_wrap=True)
    agree, elsewhere = sum(one.problem is None for one in verdicts), sum(one.elsewhere for one in verdicts)
    without = f"; {elsewhere} not played" if elsewhere else ""
    console.print(f"{agree} of {len(verdicts)} rows agree{without}", highlight=False)
