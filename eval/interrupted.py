"""A run that was interrupted goes on in its folder, one that is finished says so in its run.json."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from eval.files import MADE, RUN_FILE, begin_run, read_object, remove_made, write_json_atomic

FINISHED = "finished"


def begin_or_go_on(
    folder: Path,
    kind: str,
    makes: Sequence[str],
    record: Mapping[str, object],
    *,
    same: Sequence[str],
    overwrite: bool,
) -> None:
    """As `files.begin_run`; but an unfinished run whose record has the same `same` stays, with all that is in its folder.

    With overwrite it has to be of the very same command, too.
    """
    unfinished = {"kind": kind, **record, FINISHED: False, MADE: [*makes]}
    keys = ["kind", FINISHED, *same, *(["command"] if overwrite else [])]
    earlier = read_object(folder / RUN_FILE)
    if all(earlier.get(key) == unfinished[key] for key in keys):
        write_json_atomic(unfinished, folder / RUN_FILE)
    else:
        begin_run(folder, kind, makes, {**record, FINISHED: False}, overwrite=overwrite)


def end_run(folder: Path, leftovers: Sequence[str]) -> None:
    """Say in run.json that the run is finished, and remove the folders that only an interrupted one needs."""
    write_json_atomic({**read_object(folder / RUN_FILE), FINISHED: True}, folder / RUN_FILE)
    for name in leftovers:
        shutil.rmtree(folder / name, ignore_errors=True)


@contextmanager
def abandoned_after(error: type[Exception], folder: Path, makes: Sequence[str]) -> Iterator[None]:
    """Take the run back if `error` comes, which goes on to the caller."""
    try:
        yield
    except error:
        abandon_run(folder, makes)
        raise


def abandon_run(folder: Path, makes: Sequence[str]) -> None:
    """Take back a run that has nothing to show: its files go."""
    remove_made(folder, (*makes, RUN_FILE))
