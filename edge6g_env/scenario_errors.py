"""What is wrong with a scenario, one sentence a problem: file, key, what was given, what would be right."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from textwrap import shorten
from typing import Any, NamedTuple

import tomli_w
from pydantic import BaseModel, ValidationError

from edge6g_env.errors import MissingKeyError, UserError, nearest
from edge6g_env.scenario_kinds import Tables, tables_of

_WANTED = {
    "float_type": "a number",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "string_type": "a text in quotes",
    "list_type": "a list in [ ]",
    "model_type": "a table",
    "union_tag_not_found": "a table",
    "dict_type": "a table",
}


class _Place(NamedTuple):
    """Where a problem lies."""

    key: str
    """Dotted, as an override names it: "service.chat.share", "faults.outage[0].end_s"."""
    table: type[BaseModel]
    """Model of the table that the key is in."""
    tables: Tables | None
    """The tables that the key stands for."""
    kinds: Tables | None
    """Where the table is of one of several kinds: all of them."""


def sentences(error: ValidationError, scenario: type[BaseModel], data: Any, where: str) -> list[str]:
    """One sentence a problem of `data`. Raises what is no problem of the scenario but of a check."""
    return [_sentence(problem, _place(problem["loc"], scenario, data), scenario, where) for problem in error.errors()]


def _sentence(problem: Any, place: _Place, scenario: type[BaseModel], where: str) -> str:
    kind, value = problem["type"], problem["input"]
    prefix = f"{where}: {place.key}" if place.key else where
    if kind == "missing":
        return f"{prefix}: missing{_needed(place)}"
    if kind == "extra_forbidden":
        if instead := getattr(place.table, "elsewhere", {}).get(problem["loc"][-1]):
            return f"{prefix}{_shown(value)}: {_own_kind(place)}{instead}"
        return f"{prefix}: unknown key; {_hint(problem['loc'], value, place, scenario)}"
    if kind in ("union_tag_not_found", "union_tag_invalid") and place.tables and isinstance(value, Mapping):
        prefix += f".{place.tables.key}"
        if kind == "union_tag_not_found":
            return f"{prefix}: missing"
        return f"{prefix}{_shown(value[place.tables.key])}: Input should be {problem['ctx']['expected_tags']}"
    if kind == "value_error":
        cause = problem["ctx"]["error"]
        if not isinstance(cause, UserError):
            raise cause
        if isinstance(cause, MissingKeyError):
            return f"{prefix}.{cause}: missing"
        return f"{prefix}{_shown(value)}: {cause}"
    return f"{prefix}{_shown(value)}: {_should_be(kind, value) or problem['msg']}"


def _needed(place: _Place) -> str:
    """Of a table that is missing: how it begins, and what every kind of it needs."""
    if not place.tables or not (kinds := place.tables.kinds.values()):
        return ""
    head = f"[[{place.key}]]" if place.tables.is_list else f"[{place.key}]"
    first, *others = ([key for key, field in model.model_fields.items() if field.is_required()] for model in kinds)
    keys = [key for key in first if all(key in other for other in others)]
    if place.tables.key and place.tables.key in keys:
        keys = [place.tables.key, *(key for key in keys if key != place.tables.key)]
    return f": {head} needs {', '.join(keys)}" if keys else f": {head}"


def toml_value(value: Any) -> str:
    """A value as TOML writes it, on one line."""
    if value is None:
        return "none"
    if isinstance(value, list):
        return f"[{', '.join(map(toml_value, value))}]"
    return " ".join(tomli_w.dumps({"v": value}).removeprefix("v = ").split())


def _shown(value: Any) -> str:
    """What was given, where it is short."""
    if isinstance(value, bool):
        return f" = {toml_value(value)}"
    return f" = {shorten(repr(value), 80)}" if isinstance(value, str | int | float) or value is None else ""


def _should_be(kind: str, value: Any) -> str | None:
    """What a value of the wrong kind should be, and how it is written."""
    if kind not in _WANTED:
        return None
    if isinstance(value, str) and kind in ("float_type", "int_type", "bool_type"):
        return f"Input should be {_WANTED[kind]}, not a text: leave the quotes away"
    if isinstance(value, float) and kind == "int_type" and value.is_integer():
        return f"Input should be {_WANTED[kind]}: write {int(value)}"
    given = "a boolean" if isinstance(value, bool) else "a table" if isinstance(value, Mapping) else None
    given = "a list" if isinstance(value, list) else given
    return f"Input should be {_WANTED[kind]}" + (f", not {given}" if given else "")


def _place(loc: tuple[Any, ...], scenario: type[BaseModel], data: Any) -> _Place:
    """The place that pydantic names by keys, numbers and kinds."""
    place = _Place("", scenario, None, None)
    for part in loc:
        if isinstance(part, int):
            if isinstance(data, list):  # else one value was taken for a list of one
                place = place._replace(key=place.key + _member(data, part))
        elif place.tables and place.tables.key:  # the kind, which is no key
            place = place._replace(table=place.tables.kinds[part], tables=None, kinds=place.tables)
            continue
        else:
            tables = tables_of(place.table, part)
            place = place._replace(key=f"{place.key}.{part}".lstrip("."), tables=tables)
            if tables and not tables.key:
                place = place._replace(table=tables.kinds[None], kinds=None)
        data = _inner(data, part)
    return place


def _inner(data: Any, part: Any) -> Any:
    """What stands behind a key or number; None if nothing does."""
    try:
        return data[part]
    except (LookupError, TypeError):
        return None


def _member(members: Any, number: int) -> str:
    """How one of a list is called: by its name if it is a table that alone has it, else by its number."""
    names = [_inner(one, "name") for one in members or ()]
    name = _inner(names, number)
    called = isinstance(name, str) and names.count(name) == 1 and re.fullmatch(r"[\w.-]+", name)
    return f".{name}" if called else f"[{number}]"


def _hint(loc: tuple[Any, ...], value: Any, place: _Place, scenario: type[BaseModel]) -> str:
    """What an unknown key may stand for: a key of its table that is like it, or the same key, or one in it, of another table."""
    word, names = str(loc[-1]), list(place.table.model_fields)
    begun = [name for name in names if len(word) > 1 and name.startswith(word)]
    wanted = list(value) if isinstance(value, Mapping) else [word]
    elsewhere = [key for key in _all_keys(scenario) if key.split(".")[0] != loc[0] and key.rpartition(".")[2] in wanted]
    near = nearest(word, names)
    if isinstance(value, Mapping):  # a table: the one that has these keys rather than the one of the nearest name
        elsewhere = [] if {key.split(".")[0] for key in elsewhere} & {*begun, *near} else elsewhere
    kinds = place.kinds or Tables({})
    theirs = [f"; {kinds.key} = {kind!r} has it" for kind, model in kinds.kinds.items() if word in model.model_fields]
    if close := [*begun, *elsewhere] or near or _alike(word, names):
        return f"did you mean {' or '.join(close[:3])}?{''.join(theirs)}"
    return f"{_own_kind(place)}there are {', '.join(names)}{''.join(theirs)}"


def _own_kind(place: _Place) -> str:
    """Of which kind the table is, where there are several."""
    kinds = place.kinds or Tables({})
    return "".join(f"with {kinds.key} = {kind!r} " for kind, model in kinds.kinds.items() if model is place.table)


def _alike(word: str, names: list[str]) -> list[str]:
    """Names that share a part of more than a unit with a word."""
    parts = {part for part in word.split("_") if len(part) > 2}
    return [name for name in names if parts & set(name.split("_"))]


def _all_keys(table: type[BaseModel], above: str = "") -> Iterator[str]:
    """Dotted keys of all tables below one; tables of a list stand behind NAME."""
    for key in table.model_fields:
        tables = tables_of(table, key)
        if above or not tables:
            yield f"{above}{key}"
        if tables:
            below = f"{above}{key}.NAME." if tables.is_list else f"{above}{key}."
            yield from dict.fromkeys(found for one in tables.kinds.values() for found in _all_keys(one, below))
