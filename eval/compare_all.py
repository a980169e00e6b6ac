"""`edge6g compare` in several scenarios: a comparison each, in a folder of its own, and one matrix scenario x policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from edge6g_env.errors import UserError
from edge6g_env.scenario import Scenario
from eval import evaluation_seeds
from eval.compare import compare_rows
from eval.contenders import LoadCheckpoint, Row
from eval.episodes import NothingMeasuredError
from eval.files import RUN_FILE, only_owner, remove, write_csv_atomic, write_json_atomic, write_text_atomic
from eval.fitting import Fit, fitting
from eval.interrupted import FINISHED, abandon_run, begin_or_go_on, end_run
from eval.kept import FOLDER as PLAYED
from eval.matrix import Column, Matrix, Missing
from eval.provenance import provenance
from eval.result_files import check_keep

MATRIX_FILES = ("matrix.json", "matrix.csv", "matrix.md", "report.html")


class ScenarioListError(UserError):
    """Scenarios that cannot stand in one matrix."""


def compare_all(
    scenarios: Sequence[Scenario],
    policies: Sequence[str],
    seeds: int,
    out: Path,
    *,
    seed: int = 0,
    overwrite: bool = False,
    keep: Path | None = None,
    record: bool = False,
    load_checkpoint: LoadCheckpoint,
    command: str = "",
    console: Console | None = None,
) -> Matrix:
    """Compare `policies` in each scenario, see compare.compare, with its files in `out`/NAME, and write the matrix to `out`.

    A policy that does not fit a scenario, a rule without values say, leaves its cell empty, and the matrix says why; so does a scenario
    in which no job is measured. Raises ScenarioListError for two scenarios of one name, PolicyListError for a policy that fits none of
    them, NothingMeasuredError where none measures any.
    """
    names = [scenario.name for scenario in scenarios]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ScenarioListError(
            f"two scenarios are called {twice[0]}: name it once, or give one of them another name in its TOML file"
        )
    if PLAYED in names:
        raise ScenarioListError(f"a scenario of several cannot be called {PLAYED}, as a folder of the run is")
    console, numbers = console or Console(stderr=True), evaluation_seeds(seeds, seed)
    fits = fitting({scenario.name: scenario for scenario in scenarios}, policies, load_checkpoint)
    for scenario, fit in zip(scenarios, fits, strict=True):
        if keep is not None:
            check_keep(keep, scenario, numbers, [row.name for row in fit.rows])
    makes = (*MATRIX_FILES, *names, PLAYED)
    run = {
        **provenance(command, scenarios[0]),
        "scenario": ", ".join(scenario.id for scenario in scenarios),
        "fingerprint": ", ".join(scenario.fingerprint for scenario in scenarios),
        "policies": list(policies),
        "seeds": numbers,
    }
    columns: list[Column] = []
    unmeasured: dict[str, NothingMeasuredError] = {}
    with only_owner(out):
        begin_or_go_on(out, "compare", makes, run, same=("fingerprint", "policies", "seeds"), overwrite=overwrite)
        for scenario, fit in zip(scenarios, fits, strict=True):
            console.print(scenario.label, highlight=False, markup=False)
            try:
                columns.append(_column(scenario, fit.rows, numbers, out, keep, command, console, record))
            except NothingMeasuredError as error:  # what was played elsewhere stays
                console.print(f"{scenario.label}: {error}", highlight=False, markup=False, soft_wrap=True)
                remove(out / scenario.name)
                columns.append(_empty(scenario))
                unmeasured[scenario.name] = error
        if unmeasured and not any(column.rewards for column in columns):
            abandon_run(out, makes)
            raise next(iter(unmeasured.values()))
        matrix = Matrix(columns, _missing(scenarios, fits, policies, unmeasured))
        _write(out, matrix, scenarios, command)
        end_run(out, [PLAYED])
    return matrix


def _missing(
    scenarios: Sequence[Scenario],
    fits: Sequence[Fit],
    policies: Sequence[str],
    unmeasured: Mapping[str, NothingMeasuredError],
) -> list[Missing]:
    """Who could not play where, policy by policy."""
    why = {
        (word, scenario.name): fit.missing.get(word, str(unmeasured.get(scenario.name, "")))
        for scenario, fit in zip(scenarios, fits, strict=True)
        for word in policies
    }
    cells = [(word, scenario.name) for word in policies for scenario in scenarios]
    return [Missing(policy=word, scenario=name, why=why[word, name]) for word, name in cells if why[word, name]]


def _empty(scenario: Scenario) -> Column:
    return Column(scenario.name, {}, {}, {}, None, None)


def _column(
    scenario: Scenario,
    rows: Sequence[Row],
    seeds: Sequence[int],
    out: Path,
    keep: Path | None,
    command: str,
    console: Console,
    record: bool,
) -> Column:
    """Compare in one scenario, in its folder; nothing is played where no policy fits."""
    if not rows:
        return _empty(scenario)
    folder, made_by = out / scenario.name, provenance(command, scenario)
    summary = compare_rows(scenario, rows, seeds, folder, out, made_by, keep, console, record)
    members = [member.name for row in rows for member in row.members]
    run = {"kind": "compare", **made_by, "policies": members, "seeds": list(seeds), FINISHED: True}
    write_json_atomic(run, folder / RUN_FILE)
    return Column.of_summary(scenario.name, summary)


def _write(out: Path, matrix: Matrix, scenarios: Sequence[Scenario], command: str) -> None:
    from eval.report.matrix import page

    made_by = {scenario.name: provenance(command, scenario) for scenario in scenarios}
    write_json_atomic({"made_by": made_by, **matrix.record()}, out / "matrix.json")
    write_csv_atomic(matrix.frame(), out / "matrix.csv")
    write_text_atomic(out / "matrix.md", matrix.markdown())
    write_text_atomic(out / "report.html", page(matrix, command))


def show_matrix(matrix: Matrix, out: Path, console: Console) -> None:
    """Print the matrix, and where the rest of it is."""
    from eval.report.matrix import console_tables

    for table in console_tables(matrix, console.width):
        console.print(table)
        console.print()
    for sentence in matrix.sentences():
        console.print(sentence, soft_wrap=True, highlight=False, markup=False, emoji=False)
    for what, place in (
        ("Report", f"{out / 'report.html'}, and one a scenario in its folder"),
        ("Table", f"{out / 'matrix.csv'}, matrix.md, matrix.json"),
    ):
        console.print(f"{what + ':':13}{place}", soft_wrap=True, highlight=False, markup=False, emoji=False)
