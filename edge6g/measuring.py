"""Commands that measure this machine: `profile`, `bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge6g.apps import app
from edge6g.errors import user_errors
from edge6g.options import MOST_THREADS, words_of


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
    with user_errors():
        from rich.console import Console

        from edge6g_env.profiler.report import show
        from edge6g_env.profiler.run import profile as run
        from edge6g_env.profiler.session import Costs

        given = {"usd_per_hour": usd_per_hour, "idle_w": idle_watts, "full_w": full_watts}
        fixed = Costs(**{name: value for name, value in given.items() if value is not None})
        console = Console(stderr=True)
        show(
            run(words_of(model), words_of(precision), out, fresh=fresh, threads=threads, fixed=fixed, console=console),
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
    with user_errors():
        from rich.console import Console

        from bench import report
        from edge6g_env.scenario import load_scenario, scenarios

        wanted = words_of(stages) if stages else list(report.STAGES)
        report.check_stages(wanted)
        names = scenario or sorted(scenarios(), key=lambda name: (name != report.DEFAULT, name))
        rows = report.bench([load_scenario(name) for name in names], wanted, Console(stderr=True), json_file)
        report.show(rows, Console())
