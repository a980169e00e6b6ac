"""`njit` for the kernel: cached in the user's cache folder under a hash of every kernel source.

Numba's own cache looks only at the file of the cached function: an edit in another module returns the old result, silently.
A folder named by the hash of all sources that are compiled makes that impossible, and a read-only installation works too.
"""

from __future__ import annotations

import gc
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy
from numba.core import config

from edge6g_env._inner import EntryCompiler, InnerCompiler, forget_literals

F = TypeVar("F", bound=Callable[..., Any])

_PACKAGE = Path(__file__).resolve().parent
_COMPILED_FOLDERS = ("kernel", "radio", "costs")
_KEPT_VERSIONS = 3
_called: set[str] = set()  # functions that `compiling` has seen in this process


def cache_root() -> Path:
    """Folder of everything that edge6g caches: `EDGE6G_CACHE_DIR`, else `edge6g` in the user's cache folder."""
    if chosen := os.environ.get("EDGE6G_CACHE_DIR"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "edge6g"


def _source_hash() -> str:
    digest = hashlib.sha256(f"{numba.__version__} {numpy.__version__}".encode())
    for name in ("_jit.py", "_inner.py"):
        digest.update((_PACKAGE / name).read_bytes())
    for folder in _COMPILED_FOLDERS:
        for path in sorted((_PACKAGE / folder).rglob("*.py")):
            digest.update(path.relative_to(_PACKAGE).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _drop_old_versions(folder: Path) -> None:
    """Remove compiled code of sources that are gone, except the newest few and whatever was used within a day."""
    try:
        others = sorted((p for p in folder.parent.iterdir() if p != folder), key=lambda p: p.stat().st_mtime)
        for path in others[: max(0, len(others) - _KEPT_VERSIONS + 1)]:
            if time.time() - path.stat().st_mtime > 86_400:
                shutil.rmtree(path, ignore_errors=True)
    except OSError:
        pass  # a cache that cannot be tidied is still a cache


JIT_CACHE_DIR = cache_root() / "numba" / _source_hash()
_drop_old_versions(JIT_CACHE_DIR)


def _compile(function: F, **options: Any) -> F:
    before = config.CACHE_DIR
    config.CACHE_DIR = str(JIT_CACHE_DIR)
    try:
        compiled = numba.njit(error_model="numpy", nogil=True, **options)(function)
    finally:
        config.CACHE_DIR = before
    if not config.DISABLE_JIT:
        forget_literals(compiled)
    return compiled


def _with(compiler: Any) -> dict[str, Any]:
    """Option that has a function compiled by one of ours, if numba allows for them."""
    return {} if compiler is None else {"pipeline_class": compiler}


def njit(function: F) -> F:
    """`numba.njit` with edge6g's cache; IEEE division, no fast-math, releases the GIL."""
    return _compile(function, cache=True, no_cfunc_wrapper=True, **_with(EntryCompiler))


def njit_inner(function: F) -> F:
    """The same for what only compiled code calls; it may not allocate.

    Without a Python wrapper and without reference counts, which are half of a compile, and without machine code of its own (see
    _inner.py); not cached on its own: it is in the cached code of its callers (190 MB a version otherwise, for nothing).
    """
    return _compile(function, no_cpython_wrapper=True, no_cfunc_wrapper=True, _nrt=False, **_with(InnerCompiler))


def is_cached(name: str) -> bool:
    """Whether compiled code of the function `module.function` is in the cache already."""
    return any(JIT_CACHE_DIR.rglob(f"{name}-*.nbi"))


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
    print("edge6g: compiling the simulator, once for this version (about a minute) ...", file=sys.stderr, flush=True)
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
