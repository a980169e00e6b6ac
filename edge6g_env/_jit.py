"""`njit` for the kernel: compiled code is kept in the user's cache folder under a hash of every source that is compiled.

Numba's own cache looks only at the file of the cached function: an edit in another module returns the old result, silently.
A folder named by the hash of all sources that are compiled (_sources.py) makes that impossible, and a read-only installation works
too; another clone or virtual environment with the same sources finds the code that is there.
"""

from __future__ import annotations

import gc
import json
import platform
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, TypeVar

import llvmlite
import numba
import numpy
from numba.core import config

from edge6g_env._cache import cache_root, say_once
from edge6g_env._code_store import CodeStore, hash_of
from edge6g_env._files import write_json_atomic
from edge6g_env._inner import EntryCompiler, InnerCompiler, SeldomCompiler, forget_literals
from edge6g_env._sources import deciding_files

F = TypeVar("F", bound=Callable[..., Any])
Stamps = tuple[tuple[Path, int, int], ...]
Contents = tuple[tuple[str, str], ...]

_PACKAGE = Path(__file__).resolve().parent
_KEPT_VERSIONS = 3
_NUMBA_SETTINGS = (
    "OPT",
    "BOUNDSCHECK",
    "DEBUGINFO_DEFAULT",
    "LOOP_VECTORIZE",
    "SLP_VECTORIZE",
    "USING_SVML",
    "LLVM_REFPRUNE_PASS",
)
_called: set[str] = set()  # functions that `compiling` has seen in this process
_stores: dict[str, CodeStore] = {}  # of every function that Python calls, by `module.function`


def _stamps() -> Stamps:
    """(path, time of its last change in ns, size) of each source file of the package."""
    stats = ((path, path.stat()) for path in sorted(_PACKAGE.rglob("*.py")))
    return tuple((path, stat.st_mtime_ns, stat.st_size) for path, stat in stats)


@lru_cache(maxsize=4)
def _contents(stamps: Stamps) -> Contents:
    """(path in the package, hash) of each."""
    return tuple((path.relative_to(_PACKAGE).as_posix(), hash_of(path.read_bytes())) for path, _, _ in stamps)


@lru_cache(maxsize=4)
def _deciding(contents: Contents) -> tuple[str, ...]:
    """The files that decide what is compiled; kept for the newest contents, as finding them takes a third of a second."""
    place, whole = cache_root() / "numba" / "sources.json", hash_of(repr(contents))
    kept = _kept(place)
    if whole not in kept:
        try:
            found = deciding_files({path: (_PACKAGE / path).read_text(encoding="utf-8") for path, _ in contents})
        except (SyntaxError, ValueError):  # of a file that somebody is writing: it may be any
            return tuple(path for path, _ in contents)
        kept = {whole: found, **dict(list(kept.items())[:_KEPT_VERSIONS])}
        with suppress(OSError):
            write_json_atomic(kept, place)
    return tuple(kept[whole])


def _kept(place: Path) -> dict[str, list[str]]:
    try:
        return dict(json.loads(place.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def _source_hash() -> str:
    """Hash of all that decides machine code but the processor: sources, versions, numba's settings from the environment."""
    settings = " ".join(f"{name}={getattr(config, name, None)}" for name in _NUMBA_SETTINGS)
    versions = (platform.python_implementation(), sys.version_info[:2], sys.platform)
    contents = _contents(_stamps())
    deciding = set(_deciding(contents))
    sources = [one for one in contents if one[0] in deciding]
    libraries = f"{numba.__version__} {llvmlite.__version__} {numpy.__version__}"
    return hash_of(f"{versions} {libraries} {settings} {sources}")


_IMPORTED = _stamps()


@cache
def version() -> str:
    """The hash of the sources that this process has imported; none that there is, if they were touched before it was asked for."""
    stamps = _stamps()
    touched = {path.relative_to(_PACKAGE).as_posix() for path, *_ in set(stamps) - set(_IMPORTED)}
    return "edited" if touched & set(_deciding(_contents(stamps))) else _source_hash()


def _drop_old_versions(folder: Path) -> None:
    """Remove compiled code of sources that are gone, except the newest few and whatever was used within a day."""
    try:
        ours = (path for path in folder.parent.iterdir() if re.fullmatch("[0-9a-f]{16}", path.name) and path != folder)
        others = sorted(ours, key=lambda path: path.stat().st_mtime)
        for path in others[: max(0, len(others) - _KEPT_VERSIONS + 1)]:
            if time.time() - path.stat().st_mtime > 86_400:
                shutil.rmtree(path, ignore_errors=True)
    except OSError:
        pass  # a cache that cannot be tidied is still a cache


def _compile(function: F, **options: Any) -> F:
    compiled = numba.njit(error_model="numpy", nogil=True, **options)(function)
    if not config.DISABLE_JIT:
        forget_literals(compiled)
    return compiled


def _with(compiler: Any) -> dict[str, Any]:
    """Option that has a function compiled by one of ours, if numba allows for them."""
    return {} if compiler is None else {"pipeline_class": compiler}


def njit(function: F) -> F:
    """`numba.njit` with edge6g's cache; IEEE division, no fast-math, releases the GIL."""
    compiled = _compile(function, no_cfunc_wrapper=True, **_with(EntryCompiler))
    if hasattr(compiled, "_cache"):  # numba's dispatcher; the function itself with NUMBA_DISABLE_JIT
        if InnerCompiler is not None:  # compiled callers link its code, and need no machine code of it
            inner = _compile(function, no_cpython_wrapper=True, no_cfunc_wrapper=True, **_with(InnerCompiler))
            compiled.get_call_template, compiled.get_overload = inner.get_call_template, inner.get_overload
        store = CodeStore(function, version, _source_hash)
        compiled._cache = _stores[store.name] = store
    return compiled


def njit_inner(function: F) -> F:
    """The same for what only compiled code calls; it may not allocate.

    Without a Python wrapper and without reference counts, which are half of a compile, and without machine code of its own (see
    _inner.py); not cached on its own: it is in the cached code of its callers (190 MB a version otherwise, for nothing).
    """
    return _compile(function, no_cpython_wrapper=True, no_cfunc_wrapper=True, _nrt=False, **_with(InnerCompiler))


def njit_seldom(function: F) -> F:
    """`njit_inner` for what most worlds never run, or few slots do: invariants, faults, fine-tuning. Small code, so that it costs little of
    a compile."""
    return _compile(function, no_cpython_wrapper=True, no_cfunc_wrapper=True, _nrt=False, **_with(SeldomCompiler))


def is_cached(name: str) -> bool:
    """Whether compiled code of the function `module.function` is in the cache already, whole and for this machine."""
    return name in _stores and _stores[name].is_filled()


@contextmanager
def compiling(name: str) -> Iterator[None]:
    """Around a call of `module.function`: when it is the first of a process and compiles, say so, and have no garbage collected.

    A compile makes millions of objects that live until its end; looking through them again and again is a fifth of its time.
    """
    first = name not in _called
    _called.add(name)
    if not first or config.DISABLE_JIT or is_cached(name):
        yield
        return
    _drop_old_versions(cache_root() / "numba" / version())
    say_once(name, "compiling the simulator, once for this version (about a minute) ...")
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
