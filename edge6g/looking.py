"""Commands that look at what there is: `watch`, `job`, `list`, `scenarios`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge6g.apps import app, scenarios_app
from edge6g.errors import CommandError, cautions, user_errors
from edge6g.options import ScenarioOption, SeedOption, SetOption, load, load_checkpoint

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from edge6g_env.scenario import Scenario


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
    with user_errors(), cautions():
        from eval.watch import show
        from eval.watch import watch as run

        loaded = load(scenario, settings)
        show(run(loaded, policy, seed=seed, speed=speed, load_checkpoint=load_checkpoint), typer.echo)


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
    with user_errors():
        loaded = load(scenario, settings)
        from rich.console import Console

        from edge6g_env.lone import lone_job
        from edge6g_env.show_job import show_job

        lengths = {"prompt_tokens": prompt_tokens, "output_tokens": output_tokens}
        found = lone_job(loaded, action, service=service, **lengths, warm=not cold, node=node, seed=seed)
        show_job(found, f"{loaded.label}, {service or loaded.service[0].name}: {action}", Console())


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
    with user_errors():
        _show_list(what)


@scenarios_app.callback()
def _list_scenarios(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        with user_errors():
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
    with user_errors():
        loaded = load(scenario, settings)
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
    with user_errors():
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
