"""The command line: `edge6g train`, `study`, `compare`, `sweep`, `record`, `watch`, `verify`, `usage`, `tune`, `job`, `profile`, `bench`,
`list`, `scenarios`.

Only this file and `bench` import all packages.

Imports stand inside the commands: torch, numba and matplotlib take seconds, and `edge6g --help` should not.
"""

from __future__ import annotations

import errno
import os
import shlex
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, cast

import typer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from agents.policy import Policy
    from edge6g_env.scenario import Scenario

PACKAGES = ("edge6g_env", "agents", "eval", "train", "bench")
USER_ERROR, INTERRUPTED, TERMINATED = 2, 130, 143
DISAGREES = FAILED = 1  # what is played again with what was kept; a training of a study
UNWRITTEN, LEFT = 1, 141  # the output: could not be written, was closed by its reader (as a shell says of SIGPIPE)
MOST_SEEDS, LARGEST_SEED, MOST_THREADS, MOST_WORKERS = 1_000, 1_000_000, 1_024, 1_024

app = typer.Typer(
    help="LLM serving at the 6G edge: train schedulers, compare them, look at scenarios.",
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
scenarios_app = typer.Typer(
    help="List the scenarios, show one, or print their schema.",
    invoke_without_command=True,
    rich_markup_mode=None,
)
app.add_typer(scenarios_app, name="scenarios")

ScenarioOption = Annotated[str, typer.Option("--scenario", help="Name of a scenario, or path to a TOML file.")]
OutOption = Annotated[Path, typer.Option("--out", help="Folder for the results.")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier run in that folder.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, max=LARGEST_SEED, help="Decides everything that is drawn.")]
SeedsOption = Annotated[int, typer.Option("--seeds", min=1, max=MOST_SEEDS, help="Episodes of each policy, paired.")]
ThreadsOption = Annotated[int, typer.Option("--threads", min=1, max=MOST_THREADS, help="Threads that step the worlds.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override, e.g. --set time.slot_s=0.01; may be repeated."),
]
TAKES_MORE = {"allow_extra_args": True}  # words that stand without an option: said what they mean, not guessed


class CommandError(Exception):
    """A command line that cannot be carried out."""


@app.callback()
def _before_any_command(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Say which version this is, and end.")] = False,
) -> None:
    if version:
        from edge6g_env import __version__

        typer.echo(f"edge6g {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def train(
    out: OutOption,
    scenario: Annotated[
        str, typer.Option("--scenario", help="Name or TOML file; several with commas between, for one policy.")
    ] = "campus",
    algo: Annotated[str, typer.Option(help="scorer, search, mappo or ppo.")] = "scorer",
    minutes: Annotated[
        float | None, typer.Option(min=0.01, max=100_000.0, help="Time to train; after --resume: in all. 5.")
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
        typer.Option(min=1, max=MOST_WORKERS, help="Processes that play episodes, each with so many threads; not ppo."),
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
            help="Setting of the scenario that is drawn anew all along; may be repeated.",
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
    with _user_errors():
        if resume and overwrite:
            raise CommandError("--resume goes on with a run, --overwrite replaces it: give one of them")
        loaded = tuple(_load(name, settings) for name in _scenarios(scenario))
        from rich.console import Console

        from eval.stopping import Terminated
        from train.limits import limits_of
        from train.run import check_algorithm
        from train.run import train as run
        from train.setup import Setup, settings_of
        from train.worlds import varied_of

        defaults = check_algorithm(algo).defaults
        setup = Setup(
            loaded,
            algo,
            seed,
            5.0 if minutes is None and decisions is None else minutes,
            decisions,
            settings_of(algo, with_ or [], defaults),
            limits_of(limit or []),
            varied_of(vary or [], loaded),
            num_worlds,
            threads,
            workers,
            ray_address,
        )
        try:
            with _cautions():
                run(
                    setup,
                    out,
                    resume=resume,
                    overwrite=overwrite,
                    command=_command(),
                    console=Console(stderr=True),
                )
        except Terminated:
            typer.echo("edge6g: stopped", err=True)
            raise typer.Exit(TERMINATED) from None


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
    with _user_errors():
        if minutes is not None and decisions is not None:
            raise CommandError("--minutes and --decisions are two ways to say how long to train: give one of them")
        loaded = _load(scenario, settings)
        from rich.console import Console

        from eval.stopping import Terminated
        from train.study import Design, show
        from train.study import study as run
        from train.study_arms import Budget, Cell, find_arms

        common = ["--scenario", scenario, *(word for text in settings or [] for word in ("--set", text))]
        arms = find_arms(_words(algo), variant or [], options, _train_options)
        budget = Budget(5.0 if minutes is None and decisions is None else minutes, decisions)
        design = Design(arms, range(seed, seed + seeds), budget, _words(rules), episodes, jobs)
        _train_options(budget.options)

        def train_command(cell: Cell) -> list[str]:
            own = [*cell.arm.options, *budget.options, "--seed", str(cell.seed), "--out", str(cell.folder)]
            resume = ["--resume"] if cell.begun else []
            return [sys.executable, str(Path(__file__).resolve()), "train", *common, *own, *resume]

        given: dict[str, Any] = {"overwrite": overwrite, "keep": keep, "console": Console(stderr=True)}
        ways: dict[str, Any] = {"train_command": train_command, "load_checkpoint": _load_checkpoint}
        try:
            with _cautions():
                record = run(loaded, design, out, command=_command(), **ways, **given)
        except Terminated:
            typer.echo("edge6g: stopped", err=True)
            raise typer.Exit(TERMINATED) from None
        show(record, out, Console())
        if record["failed"]:
            raise typer.Exit(FAILED)


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
    with _user_errors():
        _check_commas("--policies", policies, context.args)
        loaded = [_load(name, settings) for name in _scenarios(scenario)]
        options: dict[str, Any] = {"out": out, "seed": seed, "overwrite": overwrite, "keep": keep, "record": record}
        if len(loaded) == 1:
            from eval.compare import compare as run
            from eval.compare import show

            _play(run, show, loaded[0], _words(policies), seeds, **options)
        else:
            from eval.compare_all import compare_all, show_matrix

            _play(compare_all, show_matrix, loaded, _words(policies), seeds, **options)


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
    with _user_errors():
        _check_commas("--policies", policies, context.args)
        from eval.pools.server import start_server

        if workers > 1:
            start_server(["eval.sweep.plays"])  # it imports beside this process: seconds
        from eval.stopping import Terminated
        from eval.sweep.grid import read_vary
        from eval.sweep.run import show
        from eval.sweep.run import sweep as run

        loaded, values = _load(scenario, settings), read_vary(vary)
        options: dict[str, Any] = {"seed": seed, "workers": workers, "overwrite": overwrite}
        try:
            _play(run, show, loaded, _words(policies), values, seeds, out=out, **options)
        except Terminated:
            typer.echo("edge6g: stopped", err=True)
            raise typer.Exit(TERMINATED) from None


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
    with _user_errors():
        if context.args:
            raise CommandError(f"--policy takes one policy, and {shlex.join(context.args)} stands behind it")
        loaded = _load(scenario, settings)
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
    with _user_errors():
        _check_commas("--policies", policies, context.args)
        from eval.record.run import record as run
        from eval.record.run import show

        options: dict[str, Any] = {"seed": seed, "gif": gif, "overwrite": overwrite}
        _play(run, show, _load(scenario, settings), _words(policies), out=out, **options)


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
    with _user_errors():
        from rich.console import Console

        from eval.verify import show, with_results
        from eval.verify import verify as run

        names = with_results(results) if scenario == "all" else _words(scenario)
        loaded = [_load(name, settings) for name in names]
        verdicts = run(loaded, _words(row), seeds, results, load_checkpoint=_load_checkpoint)
        show(verdicts, Console())
        if any(one.disagrees for one in verdicts):
            raise typer.Exit(DISAGREES)


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
    with _user_errors():
        loaded = _load(scenario, settings)
        from rich.console import Console

        from eval.stopping import Terminated
        from train.tune import show
        from train.tune import tune as run

        length = {"seeds": seeds, "cpu_minutes": cpu_minutes}
        options: dict[str, Any] = {**length, "seed": seed, "threads": threads, "overwrite": overwrite}
        try:
            found = run(loaded, rule, out, **options, command=_command(), console=Console(stderr=True))
        except Terminated:
            typer.echo("edge6g: stopped", err=True)
            raise typer.Exit(TERMINATED) from None
        show(rule, found, out, Console())


@app.command()
def watch(
    policy: Annotated[str, typer.Option(help="As of `compare`: a rule, the folder of a checkpoint, code of your own.")],
    scenario: ScenarioOption = "campus",
    seed: SeedOption = 0,
    speed: Annotated[
        float, typer.Option(min=0.01, max=1000.0, help="Simulated seconds a second, as far as the machine can.")
    ] = 1.0,
    settings: SetOption = None,
) -> None:
    """Show an episode in a window while it is played: the one that `compare` plays of this seed. Space pauses, q ends."""
    with _user_errors(), _cautions():
        from eval.watch import show
        from eval.watch import watch as run

        loaded = _load(scenario, settings)
        show(run(loaded, policy, seed=seed, speed=speed, load_checkpoint=_load_checkpoint), typer.echo)


@app.command()
def job(
    action: Annotated[str, typer.Option(help="Name of an action, as 'local, int4'; a model may be left out.")],
    scenario: ScenarioOption = "campus",
    service: Annotated[str | None, typer.Option(help="Name of the job's service; the first.")] = None,
    prompt_tokens: Annotated[int | None, typer.Option(min=1, help="In place of one of the service's lengths.")] = None,
    output_tokens: Annotated[int | None, typer.Option(min=1, help="Likewise; candidates expect it, too.")] = None,
    cold: Annotated[
        bool, typer.Option("--cold", help="Weights are not there, but for what the nodes preload.")
    ] = False,
    node: Annotated[int, typer.Option(min=0, help="Node that serves the job's UE.")] = 0,
    seed: SeedOption = 0,
    settings: SetOption = None,
) -> None:
    """What a decision costs alone: one job in an empty world, predicted beside got, leg by leg."""
    with _user_errors():
        loaded = _load(scenario, settings)
        from rich.console import Console

        from edge6g_env.lone import lone_job
        from edge6g_env.show_job import show_job

        lengths = {"prompt_tokens": prompt_tokens, "output_tokens": output_tokens}
        found = lone_job(loaded, action, service=service, **lengths, warm=not cold, node=node, seed=seed)
        show_job(found, f"{loaded.label}, {service or loaded.service[0].name}: {action}", Console())


@app.command()
def profile(
    out: Annotated[str, typer.Option("--out", help="Name of the profile, or path to a .json file.")],
    model: Annotated[str, typer.Option(help="Models whose shape is timed, with commas between.")] = "qwen2.5-0.5b",
    precision: Annotated[
        str, typer.Option(help="Of fp32, bf16, fp16, int8, int8-wo, int4, with commas between.")
    ] = "fp32,bf16,int8",
    fresh: Annotated[bool, typer.Option("--fresh", help="Time everything anew.")] = False,
    threads: Annotated[int | None, typer.Option(min=1, max=MOST_THREADS, help="Threads; as torch chooses.")] = None,
    usd_per_hour: Annotated[
        float | None, typer.Option(help="What it costs as a node, at least 0; 0.038 if left out.")
    ] = None,
    idle_watts: Annotated[float | None, typer.Option(help="Power at rest, at least 0; 5 if left out.")] = None,
    full_watts: Annotated[
        float | None, typer.Option(help="Power at full load, at least that at rest; 45 if left out.")
    ] = None,
) -> None:
    """Time a model's layers on this machine and leave a device for scenarios. Ctrl-C keeps what was timed."""
    with _user_errors():
        from rich.console import Console

        from edge6g_env.profiler.report import show
        from edge6g_env.profiler.run import profile as run
        from edge6g_env.profiler.session import Costs

        given = {"usd_per_hour": usd_per_hour, "idle_w": idle_watts, "full_w": full_watts}
        fixed = Costs(**{name: value for name, value in given.items() if value is not None})
        console = Console(stderr=True)
        show(
            run(_words(model), _words(precision), out, fresh=fresh, threads=threads, fixed=fixed, console=console),
            Console(),
        )


@app.command()
def bench(
    scenario: Annotated[
        list[str] | None,
        typer.Option("--scenario", help="Name or path; may be repeated. All; `doors` apart, the first counts."),
    ] = None,
    stages: Annotated[str, typer.Option(help="Of those in docs/kernel.md, with commas between; all if left out.")] = "",
    json_file: Annotated[Path | None, typer.Option("--json", help="File for the figures.")] = None,
) -> None:
    """How fast the simulator and its doors are here, in CPU time: a quarter of an hour for all."""
    with _user_errors():
        from rich.console import Console

        from bench import report
        from edge6g_env.scenario import load_scenario, scenarios

        wanted = _words(stages) if stages else list(report.STAGES)
        report.check_stages(wanted)
        names = scenario or sorted(scenarios(), key=lambda name: (name != report.DEFAULT, name))
        rows = report.bench([load_scenario(name) for name in names], wanted, Console(stderr=True))
        report.show(rows, Console())
        if json_file is not None:
            report.write_json(json_file, rows)


@app.command("list")
def list_choices(
    what: Annotated[
        str,
        typer.Argument(
            metavar="rules|planners|devices|models|traces|bands|scenarios", help="What to list.", show_default=False
        ),
    ],
) -> None:
    """What there is to choose from, with what tells one from another."""
    with _user_errors():
        _show_list(what)


@scenarios_app.callback()
def _list_scenarios(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        with _user_errors():
            _show_list("scenarios")


@scenarios_app.command("show")
def show_scenario(
    scenario: Annotated[str, typer.Argument(help="Name of a scenario, or path to a TOML file.")],
    site_map: Annotated[
        Path | None, typer.Option("--map", help="Picture file for its map: nodes, links, UEs, hotspots, outages.")
    ] = None,
    coverage: Annotated[
        Path | None, typer.Option("--coverage", help="Picture file for what its radio covers: SINR, rates, cells.")
    ] = None,
    settings: SetOption = None,
) -> None:
    """Entities, services, actions and reward of one scenario, what its nodes hold and what they could compute; pictures of it."""
    with _user_errors():
        loaded = _load(scenario, settings)
        from rich.console import Console

        from edge6g_env import pictures
        from edge6g_env.show import show_scenario as show

        wanted = [(option, file) for option, file in (("--map", site_map), ("--coverage", coverage)) if file]
        for option, file in wanted:
            pictures.check_file(option, file)
        show(loaded, Console())
        for option, file in wanted:
            pictures.write(_picture(option, loaded), file)
            typer.echo(file)


def _picture(option: str, scenario: Scenario) -> Figure:
    """What an option of `scenarios show` has drawn; it says on stderr that it takes a while."""
    from rich.console import Console

    with Console(stderr=True).status(f"drawing the {option.removeprefix('--')}"):
        if option == "--map":
            from edge6g_env.pictures.site_map import Picture

            return Picture(scenario).draw()
        from edge6g_env.pictures.coverage import draw_map

        return draw_map(scenario)


@scenarios_app.command("schema")
def show_schema() -> None:
    """JSON schema of the files of scenarios, by which editors complete and check them (docs/site.md)."""
    with _user_errors():
        import json

        from edge6g_env.scenario_schema import schema

        typer.echo(json.dumps(schema(), indent=1))


def _show_list(what: str) -> None:
    from rich.console import Console

    from agents.planners.planner import planners
    from agents.policy import rules
    from edge6g_env.describe import LISTS, Facts
    from edge6g_env.show import show_facts

    lists = {
        "rules": lambda: Facts(("rule", "what it does"), rules()),
        "planners": lambda: Facts(("planner", "what it does"), planners()),
        **LISTS,
    }
    if what not in lists:
        raise CommandError(f"no list {what!r}: there are {', '.join(lists)}")
    show_facts(lists[what](), Console())


def _scenarios(words: str) -> list[str]:
    """The scenarios that an option asks for: a file may have a comma in its name."""
    from edge6g_env.scenario import scenarios

    if words == "all":
        return scenarios()
    return [words] if Path(words).is_file() else _words(words) or [words]


def _load(scenario: str, settings: list[str] | None) -> Scenario:
    from edge6g_env.overrides import read_setting
    from edge6g_env.scenario import load_scenario

    return load_scenario(scenario, **dict(read_setting(text) for text in settings or []))


def _play(run: Callable[..., Any], show: Callable[..., None], *arguments: Any, out: Path, **options: Any) -> None:
    """Play policies by a command of `eval`, and show what came out."""
    from rich.console import Console

    with _cautions():
        result = run(*arguments, out, **options, load_checkpoint=_load_checkpoint, command=_command())
    show(result, out, Console())


@contextmanager
def _cautions() -> Iterator[None]:
    """What is probably not meant: one sentence, as an error has it, and the command goes on."""
    from edge6g_env.errors import Caution

    with warnings.catch_warnings():
        others, said = warnings.showwarning, set[str]()

        def show(message: Warning | str, category: type[Warning], *where: Any) -> None:
            if not issubclass(category, Caution):
                others(message, category, *where)
            elif str(message) not in said:
                said.add(str(message))
                typer.echo(f"edge6g: warning: {message}", err=True)

        warnings.showwarning = cast("Callable[..., None]", show)
        yield


def _check_commas(option: str, given: str, more: list[str]) -> None:
    """Words after an option that takes one list are its values with blanks between, or what a shell made of a pattern."""
    if more:
        words = ",".join([given, *more]).replace(",,", ",")
        raise CommandError(
            f"{option} takes one list with commas between, not blanks: {option} {words} (a pattern goes in quotes)"
        )


def _words(text: str) -> list[str]:
    """What stands between commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def _train_options(words: Sequence[str]) -> dict[str, Any]:
    """The parameters of `edge6g train` that words give; CommandError if they are none of its options, UserError if it would refuse them."""
    train_command = cast("Any", typer.main.get_command(app)).commands["train"]
    if asks := {"--help", "--install-completion", "--show-completion"} & set(words):
        raise CommandError(f"{asks.pop()} is no option to train with")
    try:
        context = train_command.make_context("train", ["--out", ".", *words])
    except Exception as error:
        if not hasattr(error, "format_message"):  # as in _status
            raise
        raise CommandError(f"edge6g train {shlex.join(words)}: {error.format_message()}") from None
    from train.limits import limits_of
    from train.run import check_algorithm
    from train.setup import settings_of

    algo = context.params["algo"]
    settings_of(algo, context.params["with_"] or [], check_algorithm(algo).defaults)
    limits_of(context.params["limit"] or [])
    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = {name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"}
    outs = sum(word == "--out" or word.startswith("--out=") for word in words)
    return {name: context.params[name] for name in given if name != "out" or outs}


def _load_checkpoint(folder: Path, scenario: Scenario) -> Policy:
    import torch

    from train.checkpoint import load_policy

    torch.set_num_threads(1)  # networks this small are slower on two, by far if another process is busy
    return load_policy(folder, scenario)


def _command() -> str:
    """The command line; bytes of a file's name that are no text are shown as such, so that every file can hold it."""
    return os.fsencode(shlex.join(["edge6g", *sys.argv[1:]])).decode("utf-8", "backslashreplace")


@contextmanager
def _user_errors() -> Iterator[None]:
    """What the user can mend: one sentence, status 2. Everything else is a bug and shows its traceback."""
    try:
        yield
    except CommandError as error:
        _refuse(str(error))
    except OSError as error:
        if not _is_of_users_files(error):
            raise
        _refuse(f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror))
    except ValueError as error:
        from edge6g_env.errors import UserError

        if not isinstance(error, UserError):
            raise
        _refuse(str(error))


def _is_of_users_files(error: OSError) -> bool:
    """Whether the user can mend it: a file that is not of the installation, or a full disk, which names none."""
    if error.filename is None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE)
    here = Path(__file__).resolve().parent
    installed = [*(here / name for name in PACKAGES), Path(sys.prefix), Path(sys.base_prefix)]
    return not any(Path(os.fsdecode(error.filename)).absolute().is_relative_to(folder) for folder in installed)


def _refuse(message: str) -> NoReturn:
    typer.echo(f"edge6g: {message}", err=True)
    raise typer.Exit(USER_ERROR) from None


def _check_packages() -> None:
    """`agents`, `train` and `eval` are common names: what is imported under them must be ours."""
    ours = Path(__file__).resolve().parent
    for name in PACKAGES:
        spec = util.find_spec(name)
        places = [Path(place).resolve().parent for place in (spec and spec.submodule_search_locations) or []]
        if ours not in places:
            found = f"that of {places[0]} is found" if places else "none is found"
            raise CommandError(f"edge6g needs its own package {name!r}, but {found}: install edge6g into a fresh venv")


def main() -> None:
    """Run the command line; ends the process with status 2 for an error of the user, 130 after Ctrl-C, 1 if the output is not all there."""
    os.environ["MPLBACKEND"] = "agg"  # no command opens a window, and a notebook's backend may not be installed here
    try:
        _check_packages()
    except CommandError as error:
        typer.echo(f"edge6g: {error}", err=True)
        sys.exit(USER_ERROR)
    from eval.output import Streams

    with Streams() as streams:
        status = _status()
        streams.flush()
        if streams.failed:
            typer.echo(f"edge6g: not all of the output could be written: {streams.failed.strerror}", err=True)
            status = status or (LEFT if streams.was_left else UNWRITTEN)
    sys.exit(status)


def _status() -> int:
    """Exit status of the command."""
    try:
        status = app(standalone_mode=False, prog_name="edge6g")
    except (KeyboardInterrupt, typer.Abort):
        status = INTERRUPTED
    except Exception as error:
        if not hasattr(error, "format_message"):  # what Typer raises for a wrong option or number
            raise
        typer.echo(f"edge6g: {error.format_message()}", err=True)
        return USER_ERROR
    if status == INTERRUPTED:  # some versions of Typer raise at Ctrl-C, some return this
        typer.echo("edge6g: stopped", err=True)
    return status if isinstance(status, int) else 0


if __name__ == "__main__":
    main()
