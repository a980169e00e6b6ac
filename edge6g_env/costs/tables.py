"""The rows of models.csv, moe.csv and devices.csv, looked up by name."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterable
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from edge6g_env.costs.specs import DeviceSpec, ModelSpec, device_of_row, model_of_row

DATA: Traversable = resources.files("edge6g_env.costs") / "data"


def read_rows(name: str) -> list[dict[str, str]]:
    """Rows of the shipped CSV file `name`, a path below the package's data folder."""
    return list(csv.DictReader((DATA / name).read_text(encoding="utf-8").splitlines()))


@cache
def _models() -> dict[str, ModelSpec]:
    rounded = {"params_total": "", "params_active": ""}  # as published; the shape gives them to the last one
    rows = [*read_rows("models.csv"), *({**row, **rounded} for row in read_rows("moe.csv"))]
    return {row["name"]: model_of_row(row) for row in rows}


@cache
def _devices() -> dict[str, DeviceSpec]:
    return {row["name"]: device_of_row(row) for row in read_rows("devices.csv")}


def models() -> tuple[str, ...]:
    """Names of the models in models.csv and moe.csv."""
    return tuple(_models())


def devices() -> tuple[str, ...]:
    """Names of the devices in devices.csv."""
    return tuple(_devices())


def unknown(what: str, name: object, known: Iterable[str]) -> ValueError:
    """The error for a name that is not in a table: says which names are close, or all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(str(name), names, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(names)}"
    return ValueError(f"{what} = {name!r} is not in the table; {hint}")


def model(name: str | ModelSpec) -> ModelSpec:
    """The model `name` of models.csv or moe.csv (a ModelSpec passes through); ValueError with close names if there is none."""
    if isinstance(name, ModelSpec):
        return name
    try:
        return _models()[name]
    except (KeyError, TypeError):
        raise unknown("model", name, _models()) from None


def device(name: str | DeviceSpec) -> DeviceSpec:
    """The device `name` of devices.csv (a DeviceSpec passes through); ValueError with close names if there is none."""
    if isinstance(name, DeviceSpec):
        return name
    try:
        return _devices()[name]
    except (KeyError, TypeError):
        raise unknown("device", name, _devices()) from None
