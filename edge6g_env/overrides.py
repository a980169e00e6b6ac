"""Values that replace those of a scenario's file: nested tables or dotted keys, tables of a list by name or number."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from pydantic import BaseModel

from edge6g_env.errors import UserError, did_you_mean
from edge6g_env.scenario_kinds import Tables, tables_of


def plain(value: Any) -> Any:
    """The value as TOML has it: numbers of numpy, tuples, paths and tables become int, float, list, str and dict."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def dotted(tables: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of every value in nested tables; of an empty table {}."""
    for key, value in tables.items():
        if isinstance(value, Mapping) and value:
            yield from dotted(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def read_setting(text: str, option: str = "--set") -> tuple[str, Any]:
    """Key and value of `KEY=VALUE`, the value as in TOML; a bare word may stand for a string.

    UserError for what is no such text, which it calls that of `option`.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UserError(f"{option} {text}: must be KEY=VALUE, e.g. time.slot_s=0.01")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):  # beside TOMLDecodeError what no reader takes
        if re.fullmatch(r"[A-Za-z~./][\w.@/+~-]*", value.strip()):
            return key.strip(), value.strip()
        raise UserError(f"{option} {text}: {value!r} is not a TOML value, such as 0.5, true, word, [1, 2]") from None


def override(data: dict[str, Any], changes: Mapping[str, Any], model: type[BaseModel]) -> None:
    """Set dotted keys in nested tables; the tables of a list are addressed by name or number: service.chat.share, service.0.share.

    An empty table is made where there is none, and changes nothing of one that there is, as all tables are changed key by key.
    A table that becomes another kind loses the keys which that kind does not have, but for those among the changes. Raises UserError
    for a key that leads through something that is no table, or to a table that its list does not have. Tables and keys that nobody
    knows are set: whoever checks the scenario says so.
    """
    names = {key: member for key in changes if (member := _named(data, key)) is not None}
    for _ in range(2):  # what is lost with the old kind, but was given before the new one, is given again
        for key, value in changes.items():
            if key not in names:
                _override(data, key, value, model, changes)
    for key, member in names.items():  # last: until then a table is found by the name that it had
        member["name"] = changes[key]


def _named(data: dict[str, Any], key: str) -> dict[str, Any] | None:
    """The table of a list whose name a key is; None if it is anything else."""
    *above, last = _parts(key)
    if last != "name" or len(above) < 2:
        return None
    tables = data.get(above[0])
    if not isinstance(tables, list) or _name_of(tables, above[1:]) != ".".join(above[1:]):
        return None
    found: dict[str, Any] = _member(tables, ".".join(above[1:]), above[0], key)
    return found


def value_of(data: dict[str, Any], key: str) -> Any:
    """What stands at a dotted key of nested tables, None if nothing does; UserError as of `override`."""
    parts, table, depth = _parts(key), data, 0
    while depth < len(parts) - 1:
        part = _name_of(table, parts[depth:-1]) if isinstance(table, list) else parts[depth]
        table = _inner(table, part, ".".join(parts[:depth]), key)
        depth += 1 + part.count(".")
    return table.get(parts[-1]) if isinstance(table, dict) else None


def _override(data: dict[str, Any], key: str, value: Any, model: type[BaseModel], changes: Mapping[str, Any]) -> None:
    parts, table = _parts(key), data
    tables: Tables | None = Tables({None: model})
    depth = 0
    while depth < len(parts) - 1:
        part = _name_of(table, parts[depth:-1]) if isinstance(table, list) else parts[depth]
        if not isinstance(table, list):
            tables = tables_of(tables and tables.model_of(table), part)
        table = _inner(table, part, ".".join(parts[:depth]), key)
        depth += 1 + part.count(".")
    if isinstance(table, list):
        member = _member(table, parts[-1], ".".join(parts[:-1]), key)
        example = ".".join([*parts, next((one for one in member if one != "name"), "name")])
        raise UserError(f"{key} is a table with {', '.join(member)}: name one of its keys, as {example}")
    if value == {}:
        _inner(table, parts[-1], ".".join(parts[:-1]), key)
        return
    before = tables and tables.model_of(table)
    table[parts[-1]] = value
    # But for one that is given as well: that is an error.
    for name in getattr(before, "replaces", {}).get(parts[-1], ()):
        if ".".join([*parts[:-1], name]) not in changes:
            table.pop(name, None)
    if tables and (now := tables.model_of(table)) not in (None, before):
        for name in table.keys() - now.model_fields:
            del table[name]


def _parts(key: str) -> list[str]:
    return re.sub(r"\[(\d+)\]", r".\1", key).split(".")


def _name_of(tables: list[Any], parts: list[str]) -> str:
    """The first of the parts, or as many as are the name of a table: names of models have points."""
    names = [table.get("name") for table in tables]
    joined = (".".join(parts[: n + 1]) for n in reversed(range(len(parts))))
    return next((name for name in joined if name in names), parts[0])


def _inner(table: dict[str, Any] | list[Any], part: str, above: str, key: str) -> Any:
    """The table or list of tables that a part of a key leads to; a table that is missing is made."""
    if isinstance(table, list):
        return _member(table, part, above, key)
    inner = table.setdefault(part, {})
    if isinstance(inner, dict) or (isinstance(inner, list) and all(isinstance(one, dict) for one in inner)):
        return inner
    raise UserError(f"override {key}: {'.'.join(filter(None, [above, part]))} is not a table")


def _member(tables: list[Any], part: str, above: str, key: str) -> Any:
    """The table of that name or number."""
    names = [str(table["name"]) for table in tables if "name" in table]
    if part in names:
        return next(table for table in tables if str(table.get("name")) == part)
    if part.isdecimal() and int(part) < len(tables):
        return tables[int(part)]
    known = ", ".join(names) if names else f"numbers 0 to {len(tables) - 1}" if tables else "none"
    if names and any(part in table for table in tables):
        raise UserError(f"{key}: {above} is a list of tables, {known}: say which, as {above}.{names[0]}.{part}")
    raise UserError(f"{key}: {above} has no {part}; {did_you_mean(part, names) or f'there are {known}'}")
