"""Sweeps: `edge6g sweep`, and the same from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from agents.own import IllegalActionError, OwnPolicyError
from edge6g_env.scenario import Scenario, load_scenario
from eval import evaluation_seeds
from eval.contenders import LoadCheckpoint
from eval.episodes import NothingMeasuredError
from eval.files import (
    RUN_FILE,
    begin_run,
    only_owner,
    read_object,
    write_csv_atomic,
    write_json_atomic,
)
from eval.fitting import Fit, fitting
from eval.frames import Policies, cannot_load
from eval.interrupted import FINISHED, abandoned_after, end_run
from eval.kept import FOLDER as PLAYED
from eval.pools.pool import Pool
from eval.pools.workers import make_pool
from eval.provenance import SCENARIO_FILE, provenance, write_scenario
from eval.stopping import interrupts_end_in_order
from eval.sweep.grid import Cell, SweepError, cells_of, shown
from eval.sweep.plays import play_cells
from eval.sweep.swept import Swept
from eval.sweep.table import table_of

KIND, TABLE, SUMMARY = "sweep", "sweep.csv", "summary.json"
MAKES = (SCENARIO_FILE, PLAYED, TABLE, SUMMARY, "sweep.png", "sweep.svg", "report.html")


def play(
    scenario: str | Path | Scenario,
    policies: Policies,
    vary: Mapping[str, Sequence[Any]],
    seeds: int = 20,
    *,
    seed: int = 0,
    workers: int = 1,
    load_checkpoint: LoadCheckpoint | None = None,
    console: Console | None = None,
) -> pd.DataFrame:
    """Episodes of policies in every combination of values of some keys of a scenario: the table of sweep.csv (`eval.sweep.table`).

    policies: as of `eval.frames.play`; vary: values by dotted key; seeds: EVALUATION_SEED + seed + 0..seeds-1, the same in all settings;
    workers: processes that play, which changes no number but the time of decisions (a script that asks for several guards its own start by
    `__name__`); load_checkpoint: `train.checkpoint.load_policy`, where policies are checkpoints; console: for progress bars, without one
    nothing is shown. Raises SweepError for keys that cannot vary so, ScenarioError for a setting that is no scenario, PolicyListError for a
    policy that fits none, and what `find_playable` and `make_pool` raise, before anything is played; NothingMeasuredError if no job is
    measured anywhere, IllegalActionError for an action outside its mask of code of one's own.
    """
    cells = cells_of(load_scenario(scenario), vary)
    fits = _fits(cells, policies, load_checkpoint or cannot_load)
    return _play(cells, policies, fits, evaluation_seeds(seeds, seed), workers, None, console or Console(quiet=True))


def sweep(
    scenario: Scenario,
    policies: Sequence[str],
    vary: Mapping[str, Sequence[Any]],
    seeds: int,
    out: Path,
    *,
    seed: int = 0,
    workers: int = 1,
    overwrite: bool = False,
    load_checkpoint: LoadCheckpoint,
    command: str = "",
    console: Console | None = None,
) -> Swept:
    """As `play`, with all that `edge6g sweep` writes in `out`.

    A sweep in `out` goes on: what is played stays, and values, policies and seeds may be added. Raises what `play` raises, and SweepError
    or RunFolderError for a folder with something else, all before anything is played; KeyboardInterrupt for Ctrl-C and its subclass
    Terminated for SIGTERM, with what was played kept.
    """
    console, numbers = console or Console(stderr=True), evaluation_seeds(seeds, seed)
    cells = cells_of(scenario, vary)
    fits = _fits(cells, policies, load_checkpoint)
    made_by = provenance(command, scenario)
    asked = {
        "vary": {key: [shown(value) for value in values] for key, values in vary.items()},
        "policies": list(policies),
        "seeds": numbers,
    }
    with only_owner(out):
        _begin(out, {**made_by, **asked}, overwrite)
        write_scenario(scenario, out)
        try:
            with abandoned_after(NothingMeasuredError, out, MAKES):
                frame = _play(cells, policies, fits, numbers, workers, out, console)
        except (KeyboardInterrupt, IllegalActionError, OwnPolicyError):
            console.print("stopped: the same command goes on with the rest", highlight=False)
            raise
        swept = Swept(scenario, frame, _trained_on(fits), made_by)
        _write(swept, out)
        end_run(out, [])
    return swept


def _fits(cells: Sequence[Cell], policies: Policies, load_checkpoint: LoadCheckpoint) -> list[Fit]:
    return fitting({cell.label: cell.scenario for cell in cells}, policies, load_checkpoint)


def _play(
    cells: Sequence[Cell],
    policies: Policies,
    fits: Sequence[Fit],
    seeds: Sequence[int],
    workers: int,
    out: Path | None,
    console: Console,
) -> pd.DataFrame:
    pool: Pool = make_pool(workers)
    with interrupts_end_in_order() as interrupts:
        pool.tick = interrupts.check
        try:
            return table_of(cells, policies, fits, play_cells(cells, fits, seeds, pool, out, console))
        finally:
            pool.close()


def _trained_on(fits: Sequence[Fit]) -> dict[str, str | None]:
    return {row.name: row.trained_on for fit in fits for row in fit.rows}


def _begin(out: Path, record: dict[str, Any], overwrite: bool) -> None:
    """Make `out` the folder of this sweep, or go on with the one that is there; SweepError if that has what this one would leave out."""
    earlier = read_object(out / RUN_FILE)
    mine = earlier.get("kind") == KIND
    stopped = mine and not earlier.get(FINISHED) and earlier.get("command") == record["command"]
    if not mine or (overwrite and not stopped):
        begin_run(out, KIND, MAKES, {**record, FINISHED: False}, overwrite=overwrite)
        return
    if problem := _leaves_out(earlier, record):
        raise SweepError(f"{out} holds a sweep {problem}: choose another --out, or replace it with --overwrite")
    write_json_atomic({"kind": KIND, **record, FINISHED: False}, out / RUN_FILE)


def _leaves_out(earlier: Mapping[str, Any], record: Mapping[str, Any]) -> str | None:
    """What an earlier sweep has that this one would not, None if it has all of it."""
    if missing := [key for key in record if key not in earlier]:
        return f"of another version of edge6g, whose {RUN_FILE} has no {missing[0]}"
    if earlier["fingerprint"] != record["fingerprint"]:
        return f"of {earlier['scenario']}{' with other values' if earlier['scenario'] == record['scenario'] else ''}"
    if list(earlier["vary"]) != list(record["vary"]):
        return f"over {', '.join(earlier['vary'])}"
    for key, values in earlier["vary"].items():
        if left := [value for value in values if value not in record["vary"][key]]:
            return f"with {key} = {left[0]}"
    for what in ("policies", "seeds"):
        if left := [one for one in earlier[what] if one not in record[what]]:
            return f"with {'seed' if what == 'seeds' else 'policy'} {left[0]}"
    return None


def _write(swept: Swept, out: Path) -> None:
    """Figures first, pictures after them."""
    from eval.report.sweep import write_report  # matplotlib takes a second to import: errors come before

    write_csv_atomic(swept.frame, out / TABLE)
    write_json_atomic(swept.record(), out / SUMMARY)
    write_report(swept, out)


def show(swept: Swept, out: Path, console: Console) -> None:
    """Print tables and sentences of a sweep, and where the rest of it is."""
    from eval.report.sweep import console_tables
    from eval.sweep.words import sentences

    for table in console_tables(swept, console.width):
        console.print(table)
        console.print()
    for sentence in sentences(swept):
        console.print(sentence, soft_wrap=True, highlight=False, markup=False, emoji=False)
    for what, place in (
        ("Report", str(out / "report.html")),
        ("Charts", f"{out / 'sweep.png'}, sweep.svg"),
        ("Table", str(out / TABLE)),
        ("Summary", str(out / SUMMARY)),
    ):
        console.print(f"{what + ':':13}{place}", soft_wrap=True, highlight=False, markup=False, emoji=False)
