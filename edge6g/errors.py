"""What the user can mend is one sentence and a status; everything else is a bug and shows its traceback."""

from __future__ import annotations

import errno
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import util
from pathlib import Path
from typing import Any, NoReturn, cast

import typer

PACKAGES = ("edge6g_env", "agents", "eval", "train", "bench")
USER_ERROR, INTERRUPTED, TERMINATED = 2, 130, 143
ROOT = Path(__file__).resolve().parents[1]  # of all packages


class CommandError(Exception):
    """A command line that cannot be carried out."""


@contextmanager
def user_errors() -> Iterator[None]:
    """What the user can mend: one sentence, status 2; SIGTERM: status 143. Everything else is a bug and shows its traceback."""
    try:
        yield
    except KeyboardInterrupt as stopped:
        from eval.stopping import Terminated

        if not isinstance(stopped, Terminated):
            raise
        typer.echo("edge6g: stopped", err=True)
        raise typer.Exit(TERMINATED) from None
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


@contextmanager
def cautions() -> Iterator[None]:
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


def _refuse(message: str) -> NoReturn:
    typer.echo(f"edge6g: {message}", err=True)
    raise typer.Exit(USER_ERROR) from None


def _is_of_users_files(error: OSError) -> bool:
    """Whether the user can mend it: a file that is not of the installation, or a full disk, which names none."""
    if error.filename is None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE)
    installed = [*(ROOT / name for name in PACKAGES), Path(sys.prefix), Path(sys.base_prefix)]
    return not any(Path(os.fsdecode(error.filename)).absolute().is_relative_to(folder) for folder in installed)


def check_packages() -> None:
    """`agents`, `train` and `eval` are common names: what is imported under them must be ours."""
    for name in PACKAGES:
        spec = util.find_spec(name)
        places = [Path(place).resolve().parent for place in (spec and spec.submodule_search_locations) or []]
        if ROOT not in places:
            found = f"that of {places[0]} is found" if places else "none is found"
            raise CommandError(f"edge6g needs its own package {name!r}, but {found}: install edge6g into a fresh venv")
