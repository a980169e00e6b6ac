"""Where edge6g keeps what can be made again: a folder of the user's, else a temporary one, and what is said about it."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path

_INHERITED = "_EDGE6G_TEMPORARY_CACHE"  # the temporary folder of the process that started this one, which has said so
PATIENCE_S = 600.0  # judgement: a compile takes a minute of CPU, several on a busy machine
_NOWHERE = Path(os.devnull) / "edge6g"  # nothing can be read or written there
_said: set[str] = {"place"} if _INHERITED in os.environ else set()


def say_once(topic: str, sentence: str) -> None:
    """One line on stderr, unless something was said on that topic; a stderr that is closed or full stops nothing."""
    if topic in _said:
        return
    _said.add(topic)
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"edge6g: {sentence}\n")
        sys.stderr.flush()


def say_temporary(reason: str) -> None:
    """Say, once in all processes that share it, that the temporary folder is used."""
    say_once("place", f"{reason}: what is compiled is kept in a temporary folder, until this process ends")


def cache_root() -> Path:
    """Folder of everything that edge6g caches: `EDGE6G_CACHE_DIR`, else `edge6g` in the user's cache folder.

    A user without a home has the temporary folder. It need not exist, and it may be one that cannot be read or written.
    """
    import platformdirs  # 5 ms, and most imports of edge6g ask for no folder

    try:
        if chosen := os.environ.get("EDGE6G_CACHE_DIR"):
            return Path(chosen).expanduser().absolute()
        path = platformdirs.user_cache_path("edge6g", appauthor=False)
        if path.is_absolute():  # a release without the error below leaves a ~ where there is no home
            return path
    except RuntimeError:  # no HOME, and nobody of this user id
        pass
    say_temporary("there is no home folder, and EDGE6G_CACHE_DIR names no other")
    return temporary_root()


def temporary_root() -> Path:
    """A folder that lasts as long as this process, shared with those that it starts."""
    try:
        folder = _temporary_folder()
    except OSError:
        return _NOWHERE
    os.environ[_INHERITED] = str(folder)
    return folder


def roots() -> tuple[Path, ...]:
    """Where something may have been kept, the best place first."""
    return (cache_root(), Path(os.environ[_INHERITED])) if _INHERITED in os.environ else (cache_root(),)


@contextmanager
def one_at_a_time(what: str) -> Iterator[None]:
    """Within it no other thread or process does the same with this cache: who comes second finds what the first one has made.

    Where no lock can be had, or the one who has it seems to be stuck, it goes on all the same.
    """
    from filelock import FileLock  # only who makes something needs it

    place = cache_root() / f".{what}.lock"
    with ExitStack() as held:
        with suppress(OSError, NotImplementedError):  # a Timeout is an OSError too
            place.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(FileLock(place, timeout=PATIENCE_S))
        yield


@cache
def _temporary_folder() -> Path:
    inherited = os.environ.get(_INHERITED)
    if inherited and Path(inherited).is_dir():
        return Path(inherited)
    folder = Path(tempfile.mkdtemp(prefix="edge6g-"))
    atexit.register(_remove, folder, os.getpid())
    return folder


def _remove(folder: Path, owner: int) -> None:
    """Remove the folder at the end of the process that made it; a fork of that process leaves it alone."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
