"""Commands that play policies: `compare`, `sweep`, `usage`, `record`, `verify`."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from edge6g.apps import app
from edge6g.errors import CommandError, cautions, user_errors
from edge6g.options import (
    LARGEST_SEED,
    MOST_SEEDS,
    MOST_WORKERS,
    TAKES_MORE,
    OutOption,
    OverwriteOption,
    ScenarioOption,
    SeedOption,
    SeedsOption,
    SetOption,
    check_commas,
    command_line,
    load,
    load_checkpoint,
    scenarios_of,
    words_of,
)

DISAGREES = 1  # what is played again with what was kept


@app.command(context_settings=TAKES_MORE)
def compare(
    context: typer.Context,
    policies: Annotated[
        str,
        typer.Option(
            help="Rules, folders of checkpoints and code of your own (FILE.py:make), with commas between; NAME=FOLDER names one, "
            "'NAME=runs/x-*' makes one of several."
        ),
    ],
    out: OutOption,
    scenario: Annotated[
        str, typer.Option("--scenario", help="Name or TOML file; several with commas between, or all, for a matrix.")
    ] = "campus",
    seeds: SeedsOption = 20,
    seed: SeedOption = 0,
    overwrite: OverwriteOption = False,
    keep: Annotated[
        Path | None, typer.Option("--keep", help="Folder of results: put the rows into its SCENARIO.json, see verify.")
    ] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Record the episode on which the policy and the best rule differ most.")
    ] = False,
    settings: SetOption = None,
) -> None:
    """Play policies on the same unseen seeds: table, CSV, JSON, chart, report, TensorBoard. An interrupted one goes on."""
    with user_errors():
        check_commas("--policies", policies, context.args)
        loaded = [load(name, settings) for name in scenarios_of(scenario)]
        options: dict[str, Any] = {"out": out, "seed": seed, "overwrite": overwrite, "keep": keep, "record": record}
        if len(loaded) == 1:
            from eval.compare import compare as run
            from eval.compare import show

            _play(run, show, loaded[0], words_of(policies), seeds, **options)
        else:
            from eval.compare_all import compare_all, show_matrix

            _play(compare_all, show_matrix, loaded, words_of(policies), seeds, **options)


@app.command(context_settings=TAKES_MORE)
def sweep(
    context: typer.Context,
    policies: Annotated[str, typer.Option(help="As of `compare`: rules, folders of checkpoints, with commas between.")],
    vary: Annotated[
        list[str],
        typer.Option(
            "--vary",
            metavar="KEY=V1,V2,...",
            help="Values of a key that --set takes, cut at semicolons if there are any; may be repeated, for a grid.",
        ),
    ],
    out: OutOption,
    scenario: ScenarioOption = "campus",
    seeds: SeedsOption = 20,
    seed: SeedOption = 0,
    workers: Annotated[
        int, typer.Option(min=1, max=MOST_WORKERS, help="Processes that play; they change no number.")
    ] = 1,
    overwrite: OverwriteOption = False,
    settings: SetOption = None,
) -> None:
    """Play policies over values of keys of a scenario, on the same unseen seeds everywhere: charts, knees, report, CSV, JSON.

    An interrupted one goes on by the same command; values, policies and seeds may be added.
    """
    with user_errors():
        check_commas("--policies", policies, context.args)
        from eval.pools.server import start_server

        if workers > 1:
            start_server(["eval.sweep.plays"])  # it imports beside this process: seconds
        from eval.sweep.grid import read_vary
        from eval.sweep.run import show
        from eval.sweep.run import sweep as run

        loaded, values = load(scenario, settings), read_vary(vary)
        options: dict[str, Any] = {"seed": seed, "workers": workers, "overwrite": overwrite}
        _play(run, show, loaded, words_of(policies), values, seeds, out=out, **options)


@app.command(context_settings=TAKES_MORE)
def usage(
    context: typer.Context,
    out: OutOption,
    scenario: ScenarioOption = "campus",
    policy: Annotated[
        str, typer.Option(help="A rule, the folder of a checkpoint, or code of your own (FILE.py:make).")
    ] = "greedy",
    seeds: SeedsOption = 20,
    seed: SeedOption = 0,
    overwrite: OverwriteOption = False,
    settings: SetOption = None,
) -> None:
    """Which decisions a policy takes, the reward lost when a column of them is frozen to its best constant, predicted beside came."""
    with user_errors():
        if context.args:
            raise CommandError(f"--policy takes one policy, and {shlex.join(context.args)} stands behind it")
        loaded = load(scenario, settings)
        from eval.usage import show
        from eval.usage import usage as run

        _play(run, show, loaded, policy, seeds, out=out, seed=seed, overwrite=overwrite)


@app.command(context_settings=TAKES_MORE)
def record(
    context: typer.Context,
    policies: Annotated[
        str, typer.Option(help="As of `compare`: rules, folders of checkpoints, code of your own, with commas between.")
    ],
    out: OutOption,
    scenario: ScenarioOption = "campus",
    seed: Annotated[
        int, typer.Option("--seed", min=0, max=LARGEST_SEED, help="Episode to play, as `compare` numbers them.")
    ] = 0,
    gif: Annotated[bool, typer.Option("--gif", help="A GIF a policy, too.")] = False,
    overwrite: OverwriteOption = False,
    settings: SetOption = None,
) -> None:
    """Play the same episode under each policy and keep all that happens: time by leg of every job, trace, time lines, replay."""
    with user_errors():
        check_commas("--policies", policies, context.args)
        from eval.record.run import record as run
        from eval.record.run import show

        options: dict[str, Any] = {"seed": seed, "gif": gif, "overwrite": overwrite}
        _play(run, show, load(scenario, settings), words_of(policies), out=out, **options)


@app.command()
def verify(
    scenario: Annotated[
        str, typer.Option("--scenario", help="Scenarios, with commas between; all: those with results.")
    ] = "all",
    row: Annotated[str, typer.Option("--row", help="Policies, with commas between; all if left out.")] = "",
    seeds: Annotated[
        int | None, typer.Option("--seeds", min=1, max=MOST_SEEDS, help="The first ones of each row; all if left out.")
    ] = None,
    results: Annotated[
        Path | None, typer.Option("--results", help="Folder of `compare --keep`; the results that ship if left out.")
    ] = None,
    settings: SetOption = None,
) -> None:
    """Play rows of results again, and say whether they agree to the last digit; exit status 1 if one does not."""
    with user_errors():
        from rich.console import Console

        from eval.verify import Verdict, show, with_results
        from eval.verify import verify as run

        names = with_results(results) if scenario == "all" else scenarios_of(scenario)
        loaded = [load(name, settings) for name in names]
        verdicts: list[Verdict] = []
        try:
            for one in run(loaded, words_of(row), seeds, results, load_checkpoint=load_checkpoint):
                verdicts.append(one)
        finally:  # what was found before Ctrl-C, too
            if verdicts:
                show(verdicts, Console())
        if any(one.disagrees for one in verdicts):
            raise typer.Exit(DISAGREES)


def _play(run: Callable[..., Any], show: Callable[..., None], *arguments: Any, out: Path, **options: Any) -> None:
    """Play policies by a command of `eval`, and show what came out."""
    from rich.console import Console

    with cautions():
        result = run(*arguments, out, **options, load_checkpoint=load_checkpoint, command=command_line())
    show(result, out, Console())
