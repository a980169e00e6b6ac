"""The commands, which each module of this package adds to."""

from __future__ import annotations

import typer

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
