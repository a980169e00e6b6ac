"""The rows of models.csv, moe.csv and devices.csv, and the user's profiles, looked up by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import TypeVar

from edge6g_env._csv import Row, read_csv
from edge6g_env._files import TextError
from edge6g_env.costs import profiles
from edge6g_env.costs.specs import DeviceSpec, ModelSpec, device_of_row, model_of_row
from edge6g_env.errors import UserError, did_you_mean

Spec = TypeVar("Spec", ModelSpec, DeviceSpec)

DATA: Traversable = resources.files("edge6g_env.costs") / "data"


class UnknownNameError(UserError):
    """A name that is not in a table; the message says which names are close, or all of them."""


def read_rows(name: str) -> list[Row]:
    """Rows of the shipped CSV file `name`, a path below the package's data folder."""
    return read_csv(DATA / name)


def _specs(rows: Iterable[Row], spec_of: Callable[[Row], Spec]) -> dict[str, Spec]:
    """Name -> what a row describes; TextError that names file and line of one that describes nothing."""
    specs: dict[str, Spec] = {}
    for row in rows:
        try:
            spec = spec_of(row)
        except ValueError as error:
            raise TextError(f"{row.place}: {error}") from None
        if spec.name in specs:
            raise TextError(f"{row.place}: there is a row {spec.name} already")
        specs[spec.name] = spec
    return specs


@cache
def _models() -> dict[str, ModelSpec]:
    rows = read_rows("moe.csv")
    for row in rows:
        row.update(params_total="", params_active="")  # rounded as published; the shape gives them to the last one
    return _specs([*read_rows("models.csv"), *rows], model_of_row)


@cache
def _devices() -> dict[str, DeviceSpec]:
    return _specs(read_rows("devices.csv"), device_of_row)


def models() -> tuple[str, ...]:
    """Names of the models in models.csv and moe.csv."""
    return tuple(_models())


def shipped_devices() -> tuple[str, ...]:
    """Names of the devices in devices.csv."""
    return tuple(_devices())


def devices() -> tuple[str, ...]:
    """Names of the devices in devices.csv, then those of the user's profiles (`edge6g profile`)."""
    return (*_devices(), *(name for name in profiles.names() if name not in _devices()))


def unknown(what: str, name: object, known: Iterable[str]) -> UnknownNameError:
    """The error for a name that is not in a table: says which names are close, or all of them."""
    names = sorted(known)
    hint = did_you_mean(name, names, most=3) or f"known: {', '.join(names)}"
    return UnknownNameError(f"{what} = {name!r} is not in the table; {hint}")


def model(name: str | ModelSpec) -> ModelSpec:
    """The model `name` of models.csv or moe.csv (a ModelSpec passes through); UnknownNameError with close names if there is none."""
    if isinstance(name, ModelSpec):
        return name
    try:
        return _models()[name]
    except (KeyError, TypeError):
        raise unknown("model", name, _models()) from None


def device(name: str | DeviceSpec) -> DeviceSpec:
    """The device `name`: a row of devices.csv, a profile of the user's, the path of a profile (it ends in .json), or a DeviceSpec.

    UnknownNameError with close names if there is none; ProfileError for a file that is missing or no profile.
    """
    if isinstance(name, DeviceSpec):
        return name
    try:
        return _devices()[name]
    except (KeyError, TypeError):
        profile = profiles.find(name)
    if profile is None and profiles.is_path(name):
        raise profiles.ProfileError(f"device = {name!r}: there is no such file")
    if profile is None:
        raise unknown("device", name, devices())
    return profile.device


def profile_digest(name: str) -> str:
    """Hash of a profile's device and fit, so of all that it says of times and costs; empty for a row of devices.csv."""
    profile = None if name in _devices() else profiles.find(name)
    return profile.digest if profile else ""
