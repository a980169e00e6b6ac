"""A JSON schema of the files of scenarios, by which editors complete and check them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pydantic import BaseModel

from edge6g_env import costs, radio
from edge6g_env.radio.environments import NAMES as ENVIRONMENTS
from edge6g_env.scenario import Scenario
from edge6g_env.scenario_errors import toml_value
from edge6g_env.scenario_files import EXTENDS
from edge6g_env.scenario_keys import docs_of, unit_of
from edge6g_env.scenario_kinds import Tables, tables_of
from edge6g_env.trace_files import traces

Schema = dict[str, Any]

DRAFT = "http://json-schema.org/draft-07/schema#"
EXTENDS_MEANS = (
    "What this file is put onto: the name of a scenario that ships, or a path relative to this file. Tables merge key by key, lists are "
    "replaced, [[device]] and [[model]] add by name, [service.NAME] changes one service."
)

# Key -> names that an editor may offer: others may be right as well, a scenario's own or a profile's. Of _ONLY there are no others.
_OFFERED: dict[str, Callable[[], Iterable[str]]] = {
    **dict.fromkeys(("device", "devices"), costs.tables.shipped_devices),
    **dict.fromkeys(("model", "models", "default_model", "draft"), costs.models),
    "quality_metric": costs.metrics,
    "trace": traces,
}
_ONLY: dict[str, Callable[[], Iterable[str]]] = {"environment": lambda: ENVIRONMENTS, "presets": radio.presets}


def schema() -> Schema:
    """The JSON schema of a scenario's file, draft 7.

    A file with `extends` needs no key: what stands in its tables is checked. One without needs whatever has no default.
    """
    made = Scenario.model_json_schema()
    models = dict(_models(Scenario))
    needed = {key: _needed(tables) for key, tables in _tables(Scenario)}
    return {
        "$schema": DRAFT,
        "title": "A scenario of edge6g",
        "type": "object",
        "properties": {
            EXTENDS: {"type": "string", "description": EXTENDS_MEANS},
            **_properties(Scenario, made["properties"], at_top=True),
        },
        "additionalProperties": False,
        "if": {"required": [EXTENDS]},
        "else": {"required": made["required"], "properties": {key: one for key, one in needed.items() if one}},
        "$defs": {
            name: {
                "type": "object",
                "properties": _properties(models[name], table["properties"]),
                "additionalProperties": False,
            }
            for name, table in made["$defs"].items()
        },
    }


def _tables(model: type[BaseModel]) -> Iterator[tuple[str, Tables]]:
    for key in model.model_fields:
        if (tables := tables_of(model, key)) is not None:
            yield key, tables


def _models(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """(name, model) of all tables below one."""
    for _, tables in _tables(model):
        for one in tables.kinds.values():
            yield one.__name__, one
            yield from _models(one)


def _properties(model: type[BaseModel], made: Schema, at_top: bool = False) -> Schema:
    """Keys of a table: values as pydantic describes them, with what is documented of them; tables as references."""
    docs, found = docs_of(model), {}
    for key, value in made.items():
        if tables := tables_of(model, key):
            found[key] = _reference(tables, at_top)
        else:
            found[key] = _with_names(key, plain(value))
        told = _told(key, value, docs[key].meaning, docs[key].default)
        found[key] |= {"description": told} if told else {}
    return found


def _told(key: str, value: Schema, meaning: str, source: str) -> str:
    """What an editor shows of a key."""
    default = value.get("default")
    is_value = default is not None and not isinstance(default, dict)
    usual = ", ".join(filter(None, [toml_value(default) if is_value else "", source]))
    unit = unit_of(key)
    return " ".join(filter(None, [meaning, f"Unit: {unit}." if unit else "", f"Default: {usual}." if usual else ""]))


def plain(value: Any) -> Any:
    """Without titles and null, which TOML does not have."""
    if isinstance(value, list):
        return [plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    one = {key: plain(part) for key, part in value.items() if key != "title" and (key, part) != ("default", None)}
    some = [option for option in one.pop("anyOf", []) if option != {"type": "null"}]
    if len(some) == 1:
        return {**some[0], **one}
    return {**one, "anyOf": some} if some else one


def _with_names(key: str, value: Schema) -> Schema:
    """With the names that a word, or each of a list of them, may be."""
    if value.get("type") == "array" and (key in _OFFERED or key in _ONLY):
        return {**value, "items": _with_names(key, value["items"])}
    if value.get("type") == "string" and key in _ONLY:
        return {**value, "enum": [*_ONLY[key]()]}
    if value.get("type") == "string" and key in _OFFERED:
        word = {part: of for part, of in value.items() if part != "default"}
        rest = {"default": value["default"]} if "default" in value else {}
        return {"anyOf": [{"enum": [*_OFFERED[key]()]}, word], **rest}
    return value


def _reference(tables: Tables, at_top: bool) -> Schema:
    """A table, of which any key may be missing; a list of whole ones, or at the top changes of some by their names."""
    if not tables.is_list:
        return _any([_ref(model) for model in tables.kinds.values()])
    whole = [{"allOf": [_ref(model), {"required": _required(model)}]} for model in tables.kinds.values()]
    rows = {"type": "array", "items": _any(whole)}
    changes = {"type": "object", "additionalProperties": _any([_ref(model) for model in tables.kinds.values()])}
    return {"anyOf": [rows, changes]} if at_top else rows


def _ref(model: type[BaseModel]) -> Schema:
    return {"$ref": f"#/$defs/{model.__name__}"}


def _any(options: list[Schema]) -> Schema:
    return {"anyOf": options} if len(options) > 1 else {"allOf": options}


def _required(model: type[BaseModel]) -> list[str]:
    worked_out = getattr(model, "worked_out", ())
    return [key for key, field in model.model_fields.items() if field.is_required() and key not in worked_out]


def _needed(tables: Tables) -> Schema:
    """What a table needs that is put onto nothing; empty if it needs no key."""
    if tables.is_list:
        return {"type": "array"}
    kinds = []
    for kind, model in tables.kinds.items():
        inner = {key: need for key, of in _tables(model) if not of.is_list and (need := _needed(of))}
        said = {tables.key: {"const": kind}} if tables.key else {}
        one = {"required": _required(model), "properties": {**said, **inner}}
        kinds.append({part: of for part, of in one.items() if of})
    return {"anyOf": kinds} if len(kinds) > 1 else kinds[0]
