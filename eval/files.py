"""Writers that leave either the old file or the whole new one, never a part of it; and the folder of a run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

from edge6g_env._files import RUN_FILE, read_json, write_bytes_atomic, write_json_atomic, write_text_atomic
from edge6g_env.errors import UserError
from edge6g_env.trace_files import copies

__all__ = [
    "RUN_FILE",
    "RunFolderError",
    "begin_run",
    "kind_of_run",
    "numbered",
    "only_owner",
    "read_object",
    "remove",
    "write_bytes_atomic",
    "write_csv_atomic",
    "write_json_atomic",
    "write_text_atomic",
]


def write_csv_atomic(frame: pd.DataFrame, path: Path | str) -> None:
    """Write `frame` without its index; NaN becomes an empty cell."""
    write_text_atomic(path, frame.to_csv(index=False, lineterminator="\n"))


def numbered(name: str, count: int) -> list[str]:
    """Names of `count` files of one kind: `rules.json`, `rules-2.json` and so on."""
    return [name, *(name.replace(".", f"-{n}.") for n in range(2, count + 1))]


LOCK_FILE = ".lock"
MADE = "makes"  # key of run.json: names of what the run puts into its folder


class RunFolderError(UserError):
    """A folder that may not take the results of a run."""


def begin_run(
    folder: Path | str, kind: str, makes: Sequence[str], record: Mapping[str, object], *, overwrite: bool
) -> None:
    """Make `folder` that of a new run and write `record` to its run.json, by which it is known from then on.

    kind: "compare", say; makes: names of what this run puts into its folder, which run.json keeps. With overwrite these, and those of
    the earlier run, of the same kind, are removed from its folder, and copies of own traces; nothing else is ever removed. Raises
    RunFolderError for a folder that holds anything else (hidden files apart), or, without overwrite, an earlier run.
    """
    path = Path(folder)
    _check_is_folder(path)
    if path.is_dir() and any(not entry.name.startswith(".") for entry in path.iterdir()):
        _check_earlier_run(path, kind, overwrite)
        remove_made(path, [*makes, *_made_by_earlier_run(path)])
    write_json_atomic({"kind": kind, **record, MADE: [*makes]}, path / RUN_FILE)


def _made_by_earlier_run(folder: Path) -> list[str]:
    """What the run in a folder says that it makes: names in that folder, whatever stands there."""
    names = read_object(folder / RUN_FILE).get(MADE)
    words = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    return [name for name in words if name == Path(name).name and name != os.pardir]


def remove_made(folder: Path, makes: Sequence[str]) -> None:
    """Remove what a run has put into its folder: all of these names, and copies of own traces."""
    for path in (*(folder / name for name in makes), *copies(folder)):
        remove(path)


@contextmanager
def only_owner(folder: Path | str) -> Iterator[None]:
    """Hold `folder` for this process alone; RunFolderError if another one has it. A hold ends with its process.

    A folder that is not there is made, and removed again if nothing has come into it.
    """
    path = Path(folder)
    _check_is_folder(path)
    made = not path.exists()
    path.mkdir(parents=True, exist_ok=True)
    try:
        with held_alone(path / LOCK_FILE, f"another process works in {folder}"):
            yield
    finally:
        if made and not any(path.iterdir()):
            path.rmdir()


@contextmanager
def held_alone(file: Path, taken: str) -> Iterator[None]:
    """Hold a lock file, which is gone afterwards; RunFolderError that begins with `taken` if another process has it."""
    lock = FileLock(file)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise RunFolderError(f"{taken}: wait until it ends, or choose another --out") from None
    try:
        yield
    finally:
        file.unlink(missing_ok=True)  # while it is held: who has opened it meanwhile sees that it is gone
        lock.release()


def _check_is_folder(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise RunFolderError(f"{path} is a file: --out needs a folder")


def _check_earlier_run(folder: Path, kind: str, overwrite: bool) -> None:
    found = kind_of_run(folder)
    if found is None:
        raise RunFolderError(f"{folder} holds files that are not of a run: choose another --out")
    if found != kind:
        raise RunFolderError(f"{folder} holds a run of `edge6g {found}`: choose another --out")
    if not overwrite:
        raise RunFolderError(f"{folder} holds another run: choose another --out, or replace it with --overwrite")


def kind_of_run(folder: Path) -> str | None:
    """The command whose run a folder holds, by its run.json; None if it holds none."""
    kind = read_object(folder / RUN_FILE).get("kind")
    return kind if isinstance(kind, str) else None


def read_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty if there is none that can be read."""
    try:
        found = read_json(path)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it; nothing if it is not there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
