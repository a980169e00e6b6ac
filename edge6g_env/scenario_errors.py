"""What is wrong with a scenario, one sentence a problem: file, key, what was given, what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from textwrap import shorten
from typing import Any

import tomli_w
from pydantic import BaseModel, ValidationError

from edge6g_env.errors import UserError
from edge6g_env.scenario_tables import UES_OF_MOBILITY

_WANTED = {
    "float_type": "a number",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "string_type": "a text in quotes",
    "list_type": "a list in [ ]",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "dict_type": "a table",
}


def sentences(error: ValidationError, scenario: type[BaseModel], where: str) -> list[str]:
    """One sentence a problem. Raises what is no problem of the scenario but of a check."""
    return [_sentence(problem, scenario, where) for problem in error.errors()]


def _sentence(problem: Any, scenario: type[BaseModel], where: str) -> str:
    loc, kind, value = problem["loc"], problem["type"], problem["input"]
    prefix = f"{where}: {key}" if (key := _key(loc)) else where
    if kind == "missing":
        return f"{prefix}: missing"
    if kind == "extra_forbidden":
        return f"{prefix}: unknown key; {_hint(loc, value, scenario)}"
    if kind == "union_tag_not_found":
        return f"{prefix}.mobility: missing"
    if kind == "union_tag_invalid":
        return f"{prefix}.mobility = {problem['ctx']['tag']!r}: Input should be {', '.join(map(repr, UES_OF_MOBILITY))}"
    if kind == "value_error":
        cause = problem["ctx"]["error"]
        if not isinstance(cause, UserError):
            raise cause
        return f"{prefix}{_shown(value)}: {cause}"
    return f"{prefix}{_shown(value)}: {_should_be(kind, value) or problem['msg']}"


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


def _key(loc: tuple[Any, ...]) -> str:
    text = ""
    for part in loc[:1] + loc[1 + _has_model(loc) :]:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _has_model(loc: tuple[Any, ...]) -> bool:
    """Whether the place of a problem goes on with the model of mobility, which is no key."""
    return len(loc) > 1 and loc[0] == "ues" and loc[1] in UES_OF_MOBILITY


def _hint(loc: tuple[Any, ...], value: Any, scenario: type[BaseModel]) -> str:
    """What an unknown key may stand for: a key of its table that is like it, or the same key, or one in it, of another table."""
    table: Any = UES_OF_MOBILITY[loc[1]] if _has_model(loc) else scenario
    for part in () if _has_model(loc) else loc[:-1]:
        if isinstance(part, str):
            table = _table_of(table, part)
    word, names = str(loc[-1]), list(table.model_fields)
    begun = [name for name in names if len(word) > 1 and name.startswith(word)]
    wanted = list(value) if isinstance(value, Mapping) else [word]
    elsewhere = [key for key in _all_keys(scenario) if key.split(".")[0] != loc[0] and key.rpartition(".")[2] in wanted]
    near = difflib.get_close_matches(word, names, n=1)
    if isinstance(value, Mapping):  # a table: the one that has these keys rather than the one of the nearest name
        elsewhere = [] if {key.split(".")[0] for key in elsewhere} & {*begun, *near} else elsewhere
    if close := [*begun, *elsewhere] or near or _alike(word, names):
        return f"did you mean {' or '.join(close[:3])}?"
    model = f"with mobility = '{loc[1]}' " if _has_model(loc) else ""
    return f"{model}there are {', '.join(names)}"


def _alike(word: str, names: list[str]) -> list[str]:
    """Names that share a part of more than a unit with a word."""
    parts = {part for part in word.split("_") if len(part) > 2}
    return [name for name in names if parts & set(name.split("_"))]


def _table_of(table: type[BaseModel], key: str) -> Any:
    """The table, or that of a list, behind a key."""
    annotation: Any = table.model_fields[key].annotation
    return annotation if isinstance(annotation, type) else annotation.__args__[0]


def _all_keys(table: type[BaseModel], above: str = "") -> Iterator[str]:
    """Dotted keys of all tables below one; tables of a list stand behind NAME."""
    for key, field in table.model_fields.items():
        inner = [one for one in (field.annotation, *getattr(field.annotation, "__args__", ())) if _is_table(one)]
        if above or not inner:
            yield f"{above}{key}"
        listed = "NAME." if inner and field.annotation not in inner and key != "ues" else ""
        yield from dict.fromkeys(found for one in inner for found in _all_keys(one, f"{above}{key}.{listed}"))


def _is_table(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
