"""A run that was interrupted goes on in its folder, one that is finished says so in its run.json."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from eval.files import RUN_FILE, begin_run, write_json_atomic

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
    unfinished = {"kind": kind, **record, FINISHED: False}
    keys = ["kind", FINISHED, *same, *(["command"] if overwrite else [])]
    earlier = _record(folder)
    if all(earlier.get(key) == unfinished[key] for key in keys):
        write_json_atomic(unfinished, folder / RUN_FILE)
    else:
        begin_run(folder, kind, makes, {**record, FINISHED: False}, overwrite=overwrite)


def end_run(folder: Path, leftovers: Sequence[str]) -> None:
    """Say in run.json that the run is finished, and remove the folders that only an interrupted one needs."""
    write_json_atomic({**_record(folder), FINISHED: True}, folder / RUN_FILE)
    for name in leftovers:
        shutil.rmtree(folder / name, ignore_errors=True)


def abandon_run(folder: Path, makes: Sequence[str]) -> None:
    """Take back a run that has nothing to show: its files go."""
    for path in (folder / name for name in (*makes, RUN_FILE)):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _record(folder: Path) -> dict[str, object]:
    """run.json of a folder; empty if there is none that can be read."""
    try:
        record = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
