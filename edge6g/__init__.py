"""The command line: `edge6g train`, `study`, `tune`, `compare`, `sweep`, `usage`, `verify`, `record`, `watch`, `job`, `list`, `scenarios`,
`profile`, `bench`.

Only this package and `bench` import all packages.

Imports stand inside the commands: torch, numba and matplotlib take seconds, and `edge6g --help` should not.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from edge6g import training, playing, looking, measuring  # noqa: F401  # isort: skip  # each adds its commands, in this order
from edge6g.apps import app
from edge6g.errors import INTERRUPTED, USER_ERROR, CommandError, check_packages

UNWRITTEN, LEFT = 1, 141  # the output: could not be written, was closed by its reader (as a shell says of SIGPIPE)


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


def main() -> None:
    """Run the command line; ends the process with status 2 for an error of the user, 130 after Ctrl-C, 1 if the output is not all there."""
    os.environ["MPLBACKEND"] = "agg"  # no command opens a window, and a notebook's backend may not be installed here
    try:
        check_packages()
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
