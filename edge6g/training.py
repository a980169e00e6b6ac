"""Commands that learn and search: `train`, `study`, `tune`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from edge6g.apps import app
from edge6g.errors import CommandError, cautions, user_errors
from edge6g.options import (
    LARGEST_SEED,
    MOST_SEEDS,
    MOST_THREADS,
    MOST_WORKERS,
    OutOption,
    OverwriteOption,
    ScenarioOption,
    SeedOption,
    SetOption,
    ThreadsOption,
    command_line,
    load,
    load_checkpoint,
    scenarios_of,
    words_of,
)

FAILED = 1  # a training of a study


@app.command()
def train(
    out: OutOption,
    scenario: Annotated[
        str, typer.Option("--scenario", help="Name or TOML file; several with commas between, for one policy.")
    ] = "campus",
    algo: Annotated[str, typer.Option(help="scorer, search, mappo or ppo.")] = "scorer",
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=100_000.0,
            help="Time to train, after --resume in all; 5 if neither this nor --decisions is given.",
        ),
    ] = None,
    decisions: Annotated[
        int | None, typer.Option(min=1, help="In place of --minutes: decisions to train by, the same on every machine.")
    ] = None,
    seed: SeedOption = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in that folder.")] = False,
    overwrite: OverwriteOption = False,
    num_worlds: Annotated[
        int | None, typer.Option(min=1, max=4096, help="Of ppo and mappo: worlds that run together.")
    ] = None,
    threads: Annotated[
        int, typer.Option(min=1, max=MOST_THREADS, help="Threads that step the worlds; scorer learns in one more.")
    ] = 1,
    workers: Annotated[
        int,
        typer.Option(
            min=1, max=MOST_WORKERS, help="Processes that play episodes, each with so many threads; not ppo and mappo."
        ),
    ] = 1,
    ray_address: Annotated[
        str | None,
        typer.Option(
            "--ray-address", help="Workers of a Ray cluster: HOST:PORT, auto, or local for one of this machine."
        ),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            "--limit",
            metavar="COST=NUMBER",
            help="The most that a job may cost in the mean, e.g. slo_miss=0.1; may be repeated.",
        ),
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            "--vary",
            metavar="KEY=LOW:HIGH",
            help="Setting of the scenario that is drawn anew all along; factors of its own value are 0.5x:1.5x; may be repeated.",
        ),
    ] = None,
    with_: Annotated[
        list[str] | None,
        typer.Option(
            "--with", metavar="KEY=VALUE", help="Setting of the algorithm, e.g. --with credit=own; may be repeated."
        ),
    ] = None,
    settings: SetOption = None,
) -> None:
    """Train a scheduler; learning curves go to TensorBoard, the checkpoint to --out. Ctrl-C keeps the checkpoint."""
    with user_errors():
        if resume and overwrite:
            raise CommandError("--resume goes on with a run, --overwrite replaces it: give one of them")
        loaded = tuple(load(name, settings) for name in scenarios_of(scenario))
        from rich.console import Console

        from train.run import train as run

        setup = _setup(
            loaded,
            algo=algo,
            seed=seed,
            minutes=minutes,
            decisions=decisions,
            with_=with_,
            limit=limit,
            vary=vary,
            num_worlds=num_worlds,
            threads=threads,
            workers=workers,
            ray_address=ray_address,
        )
        with cautions():
            run(
                setup,
                out,
                resume=resume,
                overwrite=overwrite,
                command=command_line(),
                console=Console(stderr=True),
            )


def _setup(
    scenarios: Sequence[Any],
    *,
    algo: str,
    minutes: float | None,
    decisions: int | None,
    with_: list[str] | None,
    limit: list[str] | None,
    vary: list[str] | None,
    **more: Any,
) -> Any:
    """The Setup that options of `edge6g train` mean; more: those that it takes as they are. UserError for words that mean none."""
    from train.limits import limits_of
    from train.run import check_algorithm
    from train.setup import Setup, settings_of
    from train.worlds import varied_of

    return Setup(
        tuple(scenarios),
        algo,
        minutes=5.0 if minutes is None and decisions is None else minutes,
        decisions=decisions,
        settings=settings_of(algo, with_ or [], check_algorithm(algo).defaults),
        limits=limits_of(limit or []),
        varied=varied_of(vary or [], tuple(scenarios)),
        **more,
    )


@app.command()
def study(
    out: OutOption,
    scenario: ScenarioOption = "campus",
    algo: Annotated[str, typer.Option(help="Algorithms of `edge6g train`, with commas between.")] = "scorer",
    variant: Annotated[
        list[str] | None,
        typer.Option(
            "--variant",
            metavar="NAME=OPTIONS",
            help="Further options of `edge6g train` under a name, beside the algorithms, e.g. own='--with credit=own'; may be repeated.",
        ),
    ] = None,
    options: Annotated[str, typer.Option(help="Options of `edge6g train` for every cell, e.g. '--threads 2'.")] = "",
    seeds: Annotated[int, typer.Option("--seeds", min=2, max=MOST_SEEDS, help="Training seeds of each.")] = 5,
    seed: Annotated[int, typer.Option("--seed", min=0, max=LARGEST_SEED, help="The first training seed.")] = 0,
    minutes: Annotated[float | None, typer.Option(min=0.01, max=100_000.0, help="Time to train each; 5.")] = None,
    decisions: Annotated[
        int | None, typer.Option(min=1, help="Decisions to train each, in place of --minutes.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, max=MOST_THREADS, help="Trainings at a time, a process each.")] = 1,
    rules: Annotated[
        str,
        typer.Option(
            help="Rules and code of your own (FILE.py:make) to set beside them, with commas between; the best known rule always is."
        ),
    ] = "",
    episodes: Annotated[
        int, typer.Option("--episodes", min=1, max=MOST_SEEDS, help="Unseen seeds that all are played on.")
    ] = 20,
    overwrite: OverwriteOption = False,
    keep: Annotated[
        Path | None, typer.Option("--keep", help="Folder of results: put the rows into its SCENARIO.json, see verify.")
    ] = None,
    settings: SetOption = None,
) -> None:
    """Train algorithms on several seeds and compare them: intervals over training seeds and worlds, learning curves with bands.

    An interrupted one goes on by the same command; training seeds, algorithms and variants may be added. Status 1 if a training failed.
    """
    with user_errors():
        if minutes is not None and decisions is not None:
            raise CommandError("--minutes and --decisions are two ways to say how long to train: give one of them")
        loaded = load(scenario, settings)
        from rich.console import Console

        from edge6g_env.errors import UserError
        from train.studies.arms import Budget, Cell, find_arms
        from train.studies.study import Design, show
        from train.studies.study import study as run

        common = ["--scenario", scenario, *(word for text in settings or [] for word in ("--set", text))]
        arms = find_arms(words_of(algo), variant or [], options, train_options)
        budget = Budget(5.0 if minutes is None and decisions is None else minutes, decisions)
        design = Design(arms, range(seed, seed + seeds), budget, words_of(rules), episodes, jobs)
        last_seed = ["--seed", str(seed + seeds - 1)]
        for arm in arms:
            try:
                _check_that_it_trains([*common, *arm.options, *budget.options, *last_seed])
            except UserError as error:
                raise CommandError(f"{arm.name}: {error}") from None

        def train_command(cell: Cell) -> list[str]:
            own = [*cell.arm.options, *budget.options, "--seed", str(cell.seed), "--out", str(cell.folder)]
            resume = ["--resume"] if cell.begun else []
            return [sys.executable, "-P", "-m", "edge6g", "train", *common, *own, *resume]

        given: dict[str, Any] = {"overwrite": overwrite, "keep": keep, "console": Console(stderr=True)}
        ways: dict[str, Any] = {"train_command": train_command, "load_checkpoint": load_checkpoint}
        with cautions():
            record = run(loaded, design, out, command=command_line(), **ways, **given)
        show(record, out, Console())
        if record["failed"]:
            raise typer.Exit(FAILED)


@app.command()
def tune(
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="File for the values; what it says of other rules stays. Of an own site.toml, if left out, site.tuned.json beside it.",
        ),
    ] = None,
    rule: Annotated[str, typer.Option(help="tuned, static, restricted, or a rule with parameters.")] = "static",
    scenario: ScenarioOption = "campus",
    seeds: Annotated[
        int | None,
        typer.Option(
            "--seeds", min=1, max=MOST_SEEDS, help="Training episodes that decide, of static and restricted; 32."
        ),
    ] = None,
    cpu_minutes: Annotated[
        float | None, typer.Option("--cpu-minutes", min=0.01, max=100_000.0, help="To search, of any other rule; 10.")
    ] = None,
    seed: SeedOption = 0,
    threads: ThreadsOption = 1,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the rule's values in that file.")] = False,
    settings: SetOption = None,
) -> None:
    """Find the values of a rule in a scenario, on training seeds. An interrupted search goes on by the same command."""
    with user_errors():
        loaded = load(scenario, settings)
        from rich.console import Console

        from train.tuning.tune import show
        from train.tuning.tune import tune as run

        length = {"seeds": seeds, "cpu_minutes": cpu_minutes}
        options: dict[str, Any] = {**length, "seed": seed, "threads": threads, "overwrite": overwrite}
        found = run(loaded, rule, out, **options, command=command_line(), console=Console(stderr=True))
        show(rule, found, out, Console())


def train_options(words: Sequence[str]) -> dict[str, Any]:
    """The parameters of `edge6g train` that words give; CommandError if they are none of its options."""
    context = _context(words)
    outs = any(word == "--out" or word.startswith("--out=") for word in words)  # one stands in every context
    return {
        name: value
        for name, value in context.params.items()
        if (source := context.get_parameter_source(name)) is not None
        and source.name == "COMMANDLINE"
        and (name != "out" or outs)
    }


def _context(words: Sequence[str]) -> Any:
    """What click makes of options of `edge6g train`; CommandError if they are none."""
    train_command = cast("Any", typer.main.get_command(app)).commands["train"]
    if asks := {"--help", "--install-completion", "--show-completion"} & set(words):
        raise CommandError(f"{asks.pop()} is no option to train with")
    try:
        return train_command.make_context("train", ["--out", ".", *words])
    except Exception as error:
        if not hasattr(error, "format_message"):  # as in _status
            raise
        raise CommandError(f"edge6g train {shlex.join(words)}: {error.format_message()}") from None


def _check_that_it_trains(words: Sequence[str]) -> None:
    """Make what options of `edge6g train` would train, and let it go again: UserError for what it would refuse."""
    from train.learner import Learner
    from train.run import check

    given = dict(_context(words).params)
    settings = given.pop("settings")
    scenarios = [load(name, settings) for name in scenarios_of(given.pop("scenario"))]
    for elsewhere in ("out", "resume", "overwrite"):
        del given[elsewhere]
    setup = _setup(scenarios, **given)
    check(setup)
    Learner(replace(setup, threads=1, workers=1, ray_address=None)).close()
