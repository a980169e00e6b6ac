"""What decides the actions of a policy of one's own: its sources, and the state in which its factory leaves it, weights among it.

Episodes that an interrupted run has played are used again only for the same identity (`eval.kept`). So what cannot be read here, an object
that does not pickle, makes an identity that is never met again: such a policy is played anew.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import edge6g_env
from agents.own import PREFIX, Factory, Guarded
from edge6g_env.spaces import Layout
from eval.kept import PACKAGES

OURS = Path(edge6g_env.__file__).resolve().parents[1]


def own_identity(factory: Factory, policy: Guarded) -> str:
    """Of the policy that a factory has just made."""
    modules = own_modules(factory.module())
    digest = hashlib.sha256(f"{factory.place}:{factory.name}".encode("utf-8", "surrogateescape"))
    for module in modules:
        digest.update(Path(str(module.__file__)).read_bytes())
    digest.update(_state([policy.made, *map(_names, modules)]))
    return f"own {digest.hexdigest()}"


def own_modules(module: ModuleType) -> list[ModuleType]:
    """The module, and what was imported of its package, or from the folder of its file and below; in the order of their files."""
    package = sys.modules[module.__name__.partition(".")[0]]
    paths = getattr(package, "__path__", None)
    folders = [Path(place).resolve() for place in paths or [Path(str(package.__file__)).parent]]
    found = {_file(module): module}
    for one in list(sys.modules.values()):
        path = _file(one)
        if path is None or one.__name__.startswith(PREFIX) or not any(path.is_relative_to(at) for at in folders):
            continue
        if paths or not _is_of_others(path):
            found.setdefault(path, one)
    return [found[path] for path in sorted(path for path in found if path)]


def _file(module: ModuleType) -> Path | None:
    file = getattr(module, "__file__", None)
    # Libraries name some that are no files: torch "_classes.py".
    return _resolved(file) if file and os.path.isabs(file) else None


@cache
def _resolved(file: str) -> Path:
    """Of thousands of modules, asked for each policy."""
    return Path(file).resolve()


@cache
def _is_of_others(path: Path) -> bool:
    """Whether a file is of this package or of a library: an environment may lie in the folder of a file."""
    folders = [*(OURS / name for name in PACKAGES), Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()]
    return any(path.is_relative_to(folder) for folder in folders)


def _names(module: ModuleType) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if not name.startswith("__")}


def _state(roots: list[Any]) -> bytes:
    """Hash of objects and all that they hold; of what cannot be pickled another one each time."""
    told = io.BytesIO()
    try:
        _Teller(told, pickle.HIGHEST_PROTOCOL).dump(roots)
    except Exception:
        return os.urandom(32)
    return hashlib.sha256(told.getvalue()).digest()


class _Teller(pickle.Pickler):
    """Writes what a hash is made of; nothing ever reads it. Tensors by value: their own pickles hold addresses."""

    def persistent_id(self, one: Any) -> Any:
        """What stands for an object, None: its pickle."""
        if isinstance(one, ModuleType):
            return one.__name__
        if isinstance(one, Layout):
            return one.scenario.fingerprint
        if isinstance(one, set | frozenset) and all(isinstance(each, str | bytes | int) for each in one):
            return sorted(map(repr, one))  # their own order is another one in each process
        torch = sys.modules.get("torch")  # without it there are no tensors
        if torch is not None and isinstance(one, torch.Tensor):
            values = one.detach().cpu().contiguous()
            return str(values.dtype), tuple(values.shape), values.reshape(-1).view(torch.uint8).numpy().tobytes()
        return None
