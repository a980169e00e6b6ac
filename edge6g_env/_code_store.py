"""Compiled code of a function on disk, in place of numba's cache.

Numba's looks at the file of the cached function only, falls back to `__pycache__` beside it, keys on paths, reads what is damaged and
lets two processes that write at once take each other's code. Here a file holds the code of one function for one signature and machine,
with a checksum, in a folder named by the hash of all sources (_jit.py): it is whole and of these sources, or it is compiled anew.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from types import CodeType
from typing import Any

from numba.core.compiler import CompileResult
from numba.core.registry import cpu_target
from numba.core.serialize import dumps

from edge6g_env._cache import cache_root, roots, say_once, say_temporary, temporary_root
from edge6g_env._files import write_bytes_atomic

_PACKAGE = Path(__file__).resolve().parent
_HEAD = struct.Struct("<32sQ")  # SHA-256 of what follows, and its length


def hash_of(content: str | bytes) -> str:
    """16 hexadecimal digits that name a content."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()[:16]


class CodeStore:
    """What a numba dispatcher wants of its cache, for one function.

    version: hash of everything else that decides its machine code, as it is in this process; while version_now gives another one, sources
    were edited under the running process and nothing is read or kept.
    """

    def __init__(
        self, function: Callable[..., Any], version: Callable[[], str], version_now: Callable[[], str]
    ) -> None:
        self.name = f"{Path(function.__code__.co_filename).stem}.{function.__qualname__}".replace("<locals>.", "")
        self._function, self._version, self._version_now = function, version, version_now

    @cached_property
    def _own(self) -> str:
        """What tells the function from others of its name; asked for when all that it calls is defined."""
        outside = " ".join(sorted(_foreign_sources(self._function)))
        return f"{self._function.__module__}.{self._function.__qualname__} {hash_of(outside)}"

    @property
    def cache_path(self) -> str:
        """The folder, for the dispatcher's statistics."""
        return str(self._folder(cache_root()))

    def is_filled(self) -> bool:
        """Whether there is code of the function for this machine, for whatever signature."""
        pattern = f"{self.name}-{_machine(cpu_target.target_context)}-*.code"
        return any(_is_whole(path) for root in roots() for path in self._folder(root).glob(pattern))

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """The compiled function for the signature; None if there is none that is whole."""
        target_context.refresh()
        if not self._is_current():
            return None
        for root in roots():
            path = self._path(root, signature, target_context)
            if (data := _checked(path)) is not None:
                return _rebuilt(path, data, signature, target_context)
        return None

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Keep what was compiled for the signature: in its place, else in a temporary folder, else not at all, and say so."""
        if not self._is_current() or compiled.library.has_dynamic_globals or compiled.lifted:
            return
        data, context = dumps((signature, compiled._reduce())), compiled.target_context
        content = _HEAD.pack(hashlib.sha256(data).digest(), len(data)) + data
        root = cache_root()
        try:
            write_bytes_atomic(self._path(root, signature, context), content)
        except OSError as error:
            reason = f"{root} cannot be written ({error.strerror})"
            try:
                write_bytes_atomic(self._path(temporary_root(), signature, context), content)
                say_temporary(reason)
            except OSError:
                say_once("place", f"{reason}, nor a temporary folder: what is compiled is not kept")

    def flush(self) -> None:
        """Forget the code of the function, for whatever signature."""
        for root in roots():
            for path in self._folder(root).glob(f"{self.name}-*.code"):
                with suppress(OSError):
                    path.unlink()

    def _folder(self, root: Path) -> Path:
        return root / "numba" / self._version()

    def _path(self, root: Path, signature: Any, target_context: Any) -> Path:
        name = f"{self.name}-{_machine(target_context)}-{hash_of(f'{self._own} {signature}')}.code"
        return self._folder(root) / name

    def _is_current(self) -> bool:
        if self._version_now() == self._version():
            return True
        say_once("edited", "sources have changed since this process began: it neither reads nor keeps compiled code")
        return False


def _machine(target_context: Any) -> str:
    """Hash of the processor and its features, for which the code is made."""
    return hash_of(repr(target_context.codegen().magic_tuple()))[:8]


def _is_whole(path: Path) -> bool:
    """Whether a file is as long as its head says: the checksum is for the one that is loaded."""
    try:
        with path.open("rb") as file:
            _, length = _HEAD.unpack(file.read(_HEAD.size))
            return path.stat().st_size == _HEAD.size + length
    except (OSError, struct.error):
        return False


def _checked(path: Path) -> bytes | None:
    """What a file holds behind its checksum; None if it cannot be read, and with a sentence if it is damaged."""
    try:
        content = path.read_bytes()
    except OSError:
        return None  # mostly not there yet; what cannot be written either is said when it is compiled
    data = content[_HEAD.size :]
    if content[: _HEAD.size] == _HEAD.pack(hashlib.sha256(data).digest(), len(data)):
        return data
    say_once("damaged", f"{path} is damaged: it is compiled anew")
    return None


def _rebuilt(path: Path, data: bytes, signature: Any, target_context: Any) -> Any:
    """The compiled function that a file holds; None if it is of another signature, or this numba cannot take it."""
    with suppress(OSError):
        os.utime(path.parent)  # it is in use: see drop_old_versions
    try:
        stored, reduced = pickle.loads(data)
        return CompileResult._rebuild(target_context, *reduced) if stored == signature else None
    except Exception as error:  # whatever unpickling meets: the way out is the same
        say_once("damaged", f"{path} cannot be used ({error!r}): it is compiled anew")
        return None


def _foreign_sources(function: Callable[..., Any]) -> set[str]:
    """Hashes of the files outside the package, of a test say, that hold the function or what it calls, and what it takes from them."""
    found: dict[Callable[..., Any], set[str]] = {}
    waiting = [function]
    while waiting:
        one = waiting.pop()
        path = Path(one.__code__.co_filename).resolve()
        if one in found or path.is_relative_to(_PACKAGE):
            continue
        source = hashlib.sha256(path.read_bytes() if path.is_file() else one.__code__.co_code).hexdigest()
        found[one] = {source, *(repr(value) for value in _frozen(one) if isinstance(value, int | float | str | tuple))}
        waiting += [value.py_func for value in _frozen(one) if hasattr(value, "py_func")]
    return set().union(*found.values())


def _frozen(function: Callable[..., Any]) -> Iterator[Any]:
    """Globals and closure of a function, and what it may take from modules among them."""
    names = _names(function.__code__)
    values = [function.__globals__[name] for name in names if name in function.__globals__]
    values += [cell.cell_contents for cell in function.__closure__ or ()]
    yield from values
    yield from (
        vars(value)[name] for value in values if hasattr(value, "__file__") for name in names if name in vars(value)
    )


def _names(code: CodeType) -> set[str]:
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*(_names(one) for one in inner))
