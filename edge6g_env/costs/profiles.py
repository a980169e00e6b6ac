"""Profiles of machines that `edge6g profile` has measured: where they lie, and how one becomes a DeviceSpec.

A profile is a JSON file: device (columns of devices.csv and what was measured instead of a data sheet), fit, errors, host, rows.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from platformdirs import user_data_path

from edge6g_env._files import read_json
from edge6g_env.costs.efficiency import HEADS, DeviceFit
from edge6g_env.costs.specs import DeviceSpec
from edge6g_env.errors import UserError

FORMAT = 1
NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


class ProfileError(UserError):
    """A profile that cannot be read, made or named so; the message says what would be right."""


class Profile(NamedTuple):
    """A profile as read: the fitted device, the whole file, and a hash of what decides its times and costs."""

    device: DeviceSpec
    content: dict[str, Any]
    digest: str


def folder() -> Path:
    """Folder of the user's profiles: `EDGE6G_PROFILE_DIR`, else `edge6g/profiles` in the user's data folder; ProfileError without one."""
    with suppress(RuntimeError):  # no HOME, and nobody of this user id
        if chosen := os.environ.get("EDGE6G_PROFILE_DIR"):
            return Path(chosen).expanduser()
        if (base := user_data_path("edge6g")).is_absolute():  # older versions leave a ~
            return base / "profiles"
    raise ProfileError(
        "there is no home folder for profiles: set EDGE6G_PROFILE_DIR, or name a profile by a path that ends in .json"
    )


def is_path(name: object) -> bool:
    """Whether a device is named by the path of its profile."""
    return isinstance(name, str) and name.endswith(".json")


def checked_name(name: str) -> str:
    """The name of a profile itself; ProfileError if none can be called so."""
    if not NAME.fullmatch(name):
        raise ProfileError(
            f"no profile can be called {name!r}: small letters, digits and - . _ after a first letter or digit, "
            "or a path that ends in .json"
        )
    return name


def path_of(name: str) -> Path:
    """The file of a profile: the path itself, or `name`.json in the user's folder; ProfileError for a name that is no file name."""
    if is_path(name):
        return Path(name)
    return folder() / f"{checked_name(name)}.json"


def name_of(path: Path) -> str:
    """What a scenario calls the profile in a file: its name if it is in the user's folder, else the path."""
    return path.stem if path.stem in names() and path == path_of(path.stem) else str(path)


def names() -> tuple[str, ...]:
    """Names of the profiles in the user's folder."""
    try:
        found = (p.name.removesuffix(".json") for p in folder().iterdir() if p.name.endswith(".json"))
        return tuple(sorted(name for name in found if NAME.fullmatch(name)))
    except (OSError, ProfileError):
        return ()


def find(name: object) -> Profile | None:
    """The profile of a name or path, None if there is no such file; ProfileError for a file that is no profile."""
    if not isinstance(name, str) or not (is_path(name) or NAME.fullmatch(name)):
        return None
    try:
        path = path_of(name)
        stat = path.stat()
    except (OSError, ProfileError):
        return None
    return _read(path.absolute(), stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=64)
def _read(path: Path, _mtime_ns: int, _size: int) -> Profile:
    """The profile in a file; a file that has changed is read anew."""
    try:
        content = read_json(path)
        if content["format"] != FORMAT:
            raise ValueError(f"its format is {content['format']}, this version reads {FORMAT}")
        device = DeviceSpec(**{**content["device"], "name": path.stem}, fit=DeviceFit.from_dict(content["fit"]))
        _check_complete(device)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise ProfileError(f"{path} is not a profile: {reason}; `edge6g profile` makes one anew") from None
    decisive = json.dumps([content["device"], content["fit"]], sort_keys=True)
    return Profile(device, content, hashlib.sha256(decisive.encode()).hexdigest()[:16])


def _check_complete(device: DeviceSpec) -> None:
    """All that the formulas look up for each of its precisions is there; ValueError otherwise."""
    fit, peaks = device.fit or DeviceFit(), device.measured_tflops or {}
    if not device.precisions:
        raise ValueError("it has no precision")
    for precision in fit.layer:
        head = HEADS.get(precision)
        if head not in fit.head or f"head {head}" not in fit.residual or not {precision, head} <= set(peaks):
            raise ValueError(f"it lacks a part of what belongs to {precision}")
