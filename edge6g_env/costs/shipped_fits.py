"""Fitted parameters of the shipped devices: computed from the measurements once, then read from the user's cache.

The cache entry is named by a hash of everything that goes into a fit (measured tables, data sheets, fitting and formula
sources), so an edited table is fitted anew and an old entry is never read.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from edge6g_env._cache import cache_root
from edge6g_env._files import write_text_atomic
from edge6g_env.costs import tables
from edge6g_env.costs.efficiency import DeviceFit
from edge6g_env.costs.specs import DeviceSpec

# An earlier kernel, 2.2 to 2.8 times slower than a current one from 2048 tokens on (COSTS 3.2).
SUPERSEDED = {"a100__attention.csv"}
_SOURCES = (
    "cells.py",
    "efficiency.py",
    "fit.py",
    "formulas.py",
    "measured_rows.py",
    "parts.py",
    "shapes.py",
    "shipped_fits.py",
    "specs.py",
    "tables.py",
)


def measured_files() -> list[Traversable]:
    """The shipped tables of measurements, in the order of their names."""
    files = (f for f in (tables.DATA / "measured").iterdir() if f.name.endswith(".csv"))
    return sorted(files, key=lambda f: f.name)


def _inputs() -> Iterator[Traversable]:
    yield from measured_files()
    yield tables.DATA / "devices.csv"
    yield tables.DATA / "models.csv"
    package = resources.files("edge6g_env.costs")
    yield from (package / name for name in _SOURCES)


def _cache_file() -> Path:
    digest = hashlib.sha256()
    for file in _inputs():
        content = file.read_bytes()
        digest.update(f"{file.name} {len(content)}\n".encode() + content)
    return cache_root() / "fits" / f"{digest.hexdigest()}.json"


def _read(path: Path) -> dict[str, DeviceFit] | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return {name: DeviceFit.from_dict(fit) for name, fit in data.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _write(path: Path, fits: dict[str, DeviceFit]) -> None:
    """Write atomically; a cache that cannot be written costs time at the next start, nothing else."""
    text = json.dumps({name: fit.to_dict() for name, fit in fits.items()}, indent=1)
    with suppress(OSError):
        write_text_atomic(path, text)


def _fit_all() -> dict[str, DeviceFit]:
    from edge6g_env.costs.fit import device_name, fit_rows
    from edge6g_env.costs.measured_rows import records_of

    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for file in measured_files():
        if file.name in SUPERSEDED:
            continue
        for row in tables.read_rows(f"measured/{file.name}"):
            rows[device_name(row)].append(row)
    return {
        name: fit_rows(tables.device(name), records_of(rows[name])) for name in tables.shipped_devices() if name in rows
    }


@cache
def fits() -> dict[str, DeviceFit]:
    """Device name -> fitted parameters of every device with shipped measurements; 2 to 3 s the first time."""
    path = _cache_file()
    found = _read(path)
    if found is None:
        found = _fit_all()
        _write(path, found)
    return found


def fit_of(spec: DeviceSpec) -> DeviceFit:
    """A device's own fit, else that of the shipped measurements of its name, else nothing fitted: the defaults."""
    if spec.fit is not None:
        return spec.fit
    return fits().get(spec.name, DeviceFit()) if spec.name in tables.shipped_devices() else DeviceFit()
