"""What can be written in a scenario's file: each key with its unit, range, default, meaning and where it acts, by the models that check it.

A key is documented in its model, behind its field: what it means, then lines that begin with `Default:` (the source of its default, or the
word judgement) and `Acts:` (where it does); a table says in its docstring where those of its keys act that do not say so themselves.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

from pydantic import BaseModel

from edge6g_env.scenario_errors import toml_value
from edge6g_env.scenario_kinds import Tables, tables_of

_PARTS = ("Default:", "Acts:")
_UNITS = {  # by the end of a key's name, longer ones first
    "_usd_per_gb": "USD/GB",
    "usd_per_hour": "USD/h",
    "_input_tokens": "USD/1e6",
    "_output_tokens": "USD/1e6",
    "_bytes_per_token_fp16": "byte",
    "_mm_per_h": "mm/h",
    "_per_m2": "1/m2",
    "_per_usd": "1/USD",
    "_per_j": "1/J",
    "_jobs_s": "job/s",
    "_bit_s": "bit/s",
    "_m_s": "m/s",
    "_tflops": "TFLOP/s",
    "_tops": "TOP/s",
    "_bytes": "byte",
    "_tokens": "token",
    "_gbs": "GB/s",
    "_gb": "GB",
    "_db": "dB",
    "_jobs": "job",
    "_per_node": "",
    "_w": "W",
    "_m": "m",
    "_s": "s",
}
_NO_UNITS = ("prompt_tokens", "output_tokens")


class Doc(NamedTuple):
    """What is written behind a field."""

    meaning: str
    default: str
    """Source of its default; empty if none is given."""
    acts: str
    """File where it does; empty if none is given."""


class Key(NamedTuple):
    """One key of a table."""

    name: str
    unit: str
    """Empty for a number of things, a share, a word."""
    is_required: bool
    default: Any
    """As TOML has it; None where there is none."""
    doc: Doc


class KeyTable(NamedTuple):
    """A table, or what one kind of it has beyond the others."""

    head: str
    """As it is written: [nodes], [[service]]; empty at the top."""
    kind: str
    """`mobility = "waypoint"`, where these are the keys of one kind only; else empty."""
    meaning: str
    keys: list[Key]
    kinds: list[type[BaseModel]]
    """Its model, or those of all kinds that have these keys."""


def key_tables(model: type[BaseModel], head: str = "", is_list: bool = False) -> Iterator[KeyTable]:
    """The table of a model, then those in it; of one with several kinds first the keys that all have."""
    shown = f"[[{head}]]" if is_list else f"[{head}]" if head else ""
    yield KeyTable(shown, "", _of_class(model).meaning, _keys(model, list(model.model_fields)), [model])
    yield from _inner_tables(model, head)


def _inner_tables(model: type[BaseModel], head: str) -> Iterator[KeyTable]:
    for name in model.model_fields:
        if (tables := tables_of(model, name)) is None:
            continue
        inner = f"{head}.{name}" if head else name
        if tables.key is None:
            (one,) = tables.kinds.values()
            yield from key_tables(one, inner, tables.is_list)
        else:
            yield from _kinds(tables, inner)


def _kinds(tables: Tables, head: str) -> Iterator[KeyTable]:
    shown, kinds = f"[[{head}]]" if tables.is_list else f"[{head}]", list(tables.kinds.values())
    lines = (cls for cls in kinds[0].__mro__ if issubclass(cls, BaseModel))
    base = next(cls for cls in lines if all(issubclass(kind, cls) for kind in kinds))
    common = list(dict.fromkeys([*base.model_fields, str(tables.key)]))
    yield KeyTable(shown, "", _of_class(base).meaning, _keys(kinds[0], common, base), kinds)
    for kind, model in tables.kinds.items():
        own = [name for name in model.model_fields if name not in common]
        said = f"{tables.key} = {toml_value(kind)}"
        yield KeyTable(shown, said, _of_class(model).meaning, _keys(model, own), [model])
        yield from _inner_tables(model, head)


def _keys(model: type[BaseModel], names: list[str], base: type[BaseModel] | None = None) -> list[Key]:
    """Those of the names that stand for values, and tables that are values."""
    docs = docs_of(model) | (docs_of(base) if base else {})
    return [_key(model, name, docs[name]) for name in names if tables_of(model, name) is None]


def _key(model: type[BaseModel], name: str, doc: Doc) -> Key:
    field = model.model_fields[name]
    required = field.is_required()
    default = None if required else field.get_default(call_default_factory=True, validated_data={})
    return Key(name, unit_of(name), required, default, doc)


def unit_of(name: str) -> str:
    """The unit in a key's name; empty if there is none."""
    if name in _NO_UNITS or name.endswith("_per_input"):
        return "token"
    return next((unit for end, unit in _UNITS.items() if name.endswith(end)), "")


def docs_of(model: type[BaseModel]) -> dict[str, Doc]:
    """What is written behind each field of a model, or of what it is derived from, the nearest first."""
    found: dict[str, Doc] = {}
    for name, field in model.model_fields.items():
        texts = (_field_texts(cls).get(name, "") for cls in model.__mro__ if issubclass(cls, BaseModel))
        doc = _parsed(next(filter(None, texts), field.description or ""))
        found[name] = doc if doc.acts else doc._replace(acts=_acts_of(model))
    return found


def _acts_of(model: type[BaseModel]) -> str:
    """Where the keys of a class act, or of the one that it is derived from."""
    classes = (cls for cls in model.__mro__ if issubclass(cls, BaseModel))
    return next((acts for cls in classes if (acts := _of_class(cls).acts)), "")


def _of_class(model: type[BaseModel]) -> Doc:
    return _parsed(model.__doc__ or "")


def _field_texts(cls: type[BaseModel]) -> Mapping[str, str]:
    """Field -> text behind it, of those that stand in a class itself; empty without source."""
    return _texts_of_module(cls.__module__).get(cls.__name__, {})


@cache
def _texts_of_module(name: str) -> dict[str, dict[str, str]]:
    """Class -> field -> text behind it."""
    try:
        lines = ast.parse(inspect.getsource(sys.modules[name])).body
    except (OSError, TypeError, KeyError):
        return {}
    return {one.name: _texts(one) for one in ast.walk(ast.Module(lines, [])) if isinstance(one, ast.ClassDef)}


def _texts(cls: ast.ClassDef) -> dict[str, str]:
    found = {}
    for one, after in pairwise(cls.body):
        is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and is_text:
            found[one.target.id] = str(after.value.value)  # type: ignore[attr-defined]
    return found


def _parsed(text: str) -> Doc:
    """Meaning, source and place of a docstring; a line that begins with neither word goes on with what is above."""
    parts = {"": "", **dict.fromkeys(_PARTS, "")}
    now = ""
    for line in inspect.cleandoc(text).splitlines():
        now = next((word for word in _PARTS if line.startswith(word)), now)
        parts[now] += " " + line.removeprefix(now)
    return Doc(*(" ".join(part.split()) for part in parts.values()))
