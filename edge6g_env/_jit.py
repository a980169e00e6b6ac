"""`njit` for the kernel: cached in the user's cache folder under a hash of every kernel source.

Numba's own cache looks only at the file of the cached function: an edit in another module returns the old result, silently.
A folder named by the hash of all sources that are compiled makes that impossible, and a read-only installation works too.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy
from numba.core import config

F = TypeVar("F", bound=Callable[..., Any])

_PACKAGE = Path(__file__).resolve().parent
_COMPILED_FOLDERS = ("kernel", "radio", "costs")
_KEPT_VERSIONS = 3


def cache_root() -> Path:
    """Folder of everything that edge6g caches: `EDGE6G_CACHE_DIR`, else `edge6g` in the user's cache folder."""
    if chosen := os.environ.get("EDGE6G_CACHE_DIR"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "edge6g"


def _source_hash() -> str:
    digest = hashlib.sha256(f"{numba.__version__} {numpy.__version__}".encode())
    digest.update(Path(__file__).read_bytes())
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
        return numba.njit(error_model="numpy", nogil=True, **options)(function)
    finally:
        config.CACHE_DIR = before


def njit(function: F) -> F:
    """`numba.njit` with edge6g's cache; IEEE division, no fast-math, releases the GIL."""
    return _compile(function, cache=True)


def njit_inner(function: F) -> F:
    """The same for what only compiled code calls; it may not allocate.

    Without a Python wrapper and without reference counts, which are half of a compile, and not cached on its own: it is in the
    cached code of its callers (190 MB a version otherwise, for nothing).
    """
    return _compile(function, no_cpython_wrapper=True, no_cfunc_wrapper=True, _nrt=False)


def is_cached(name: str) -> bool:
    """Whether compiled code of the function `name` is in the cache already (for the message before a long compile)."""
    return any(JIT_CACHE_DIR.rglob(f"*.{name}-*.nbi"))
