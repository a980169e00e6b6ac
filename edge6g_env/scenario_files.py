"""Files of scenarios: found by name or path, read, and put onto the one that they extend."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Sequence
from copy import deepcopy
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

from edge6g_env import scenario_traces as own_traces
from edge6g_env._files import TextError, is_in_run, read_text
from edge6g_env.errors import UserError, did_you_mean, nearest
from edge6g_env.overrides import dotted, override
from edge6g_env.scenario_kinds import tables_of

EXTENDS = "extends"
ADDED = ("device", "model")  # lists of tables that add to those of what is extended
OWN_KEYS = ("name", "version", "summary")  # what a scenario is called, and so not what another one is


class ScenarioError(UserError):
    """A scenario that cannot be found, read or accepted; the message names file, key and what would be right."""


class Read(NamedTuple):
    """A scenario as read, before it is checked."""

    data: dict[str, Any]
    """Its tables, `extends` resolved."""
    where: str
    """How errors call its file."""
    path: Path | None
    """Its file; None of a scenario that ships."""


def scenarios() -> list[str]:
    """Names of the scenarios that ship."""
    files = (resources.files("edge6g_env") / "scenarios").iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def read(name: str | Path, model: type[BaseModel]) -> Read:
    """The scenario of a name or path, as tables of `model`; ScenarioError if it, or what it extends, cannot be found or read."""
    file, where = _find(os.fspath(name), Path())
    data = _resolved(file, where, model, ())
    data.setdefault("name", _name_of(where))
    return Read(data, where, file if isinstance(file, Path) else None)


def _name_of(where: str) -> str:
    """A scenario's name by that of its file."""
    word = re.sub(r"[^a-z0-9_-]+", "-", where.removesuffix(".toml").lower()).strip("-_")
    return word if word[:1].isalpha() else f"site-{word}".strip("-")


def _find(name: str, folder: Path) -> tuple[Path | Traversable, str]:
    """The file of a scenario, a path being relative to the folder, and how errors call it."""
    if name in scenarios():
        return resources.files("edge6g_env") / "scenarios" / f"{name}.toml", f"{name}.toml"
    if name.endswith(".toml") or "/" in name:
        if not (path := folder / os.path.expanduser(name)).is_file():
            raise ScenarioError(f"no scenario file {path}")
        return path, path.name
    hint = did_you_mean(name, scenarios(), before="; ")
    raise ScenarioError(f"no scenario {name!r}: there are {', '.join(scenarios())}, or a path to a .toml file{hint}")


def _resolved(
    file: Path | Traversable, where: str, model: type[BaseModel], below: Sequence[tuple[Path, str]]
) -> dict[str, Any]:
    """The tables of a file put onto those that it extends; below: (file, name) of those that extend it."""
    here = Path(str(file)).resolve()
    if here in [path for path, _ in below]:
        names = [name for _, name in below]
        raise ScenarioError(f"{names[-1]}: {EXTENDS} goes in a circle: {', '.join([*names, where])}")
    data = _parsed(file, where)
    try:
        own_traces.find_beside(data, here)
        _check_words(data, model)
        _check_lists(data, model)
        if EXTENDS not in data:
            _check_no_changes(data, model)
            return data
        if is_in_run(here):
            raise UserError(f"{EXTENDS}: a scenario in the folder of a run stands for itself, and opens no other file")
        extended = data.pop(EXTENDS)
        if not isinstance(extended, str):
            raise UserError(f"{EXTENDS}: must be the name of a scenario, or the path of a TOML file, in quotes")
        try:
            parent = _find(extended, Path(str(file)).parent)
        except ScenarioError as error:
            raise UserError(f"{EXTENDS} = {extended!r}: {error}") from None
        return _merged(_resolved(*parent, model, (*below, (here, where))), data, model)
    except ScenarioError:
        raise
    except UserError as error:
        raise ScenarioError(f"{where}: {error}") from None


def _parsed(file: Path | Traversable, where: str) -> dict[str, Any]:
    try:
        text = read_text(file)
        return tomllib.loads(text)
    except OSError as error:
        raise ScenarioError(f"cannot read {file}: {error.strerror}") from None
    except TextError as error:
        raise ScenarioError(f"cannot read {error}") from None
    except tomllib.TOMLDecodeError as error:
        both = _both_forms(text)
        raise ScenarioError(f"{where}: {_either(*both) if both else f'not valid TOML: {error}'}") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, lists thousands deep
        raise ScenarioError(f"{where}: not a TOML file that can be read: {error}") from None


def _merged(parent: dict[str, Any], child: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """Tables key by key, lists replaced, own rows added by name; a key that excludes another takes its place (overrides.override)."""
    data = {key: deepcopy(value) for key, value in parent.items() if key not in OWN_KEYS}
    child = dict(child)
    for key in ADDED:
        if isinstance(rows := child.get(key), list) and isinstance(before := data.get(key), list):
            names = [row.get("name") for row in rows if isinstance(row, dict)]
            child[key] = [*(row for row in before if not (isinstance(row, dict) and row.get("name") in names)), *rows]
    for key, table in child.items():
        if isinstance(table, dict) and _is_list(model, key) and not isinstance(data.get(key), list):
            raise UserError(f"[{key}.{next(iter(table), 'NAME')}]: there is no [[{key}]] in what is extended to change")
    override(data, dict(dotted(child)), model)
    return data


def _is_list(model: type[BaseModel], key: str) -> bool:
    tables = tables_of(model, key)
    return tables is not None and tables.is_list


def _check_words(data: dict[str, Any], model: type[BaseModel]) -> None:
    """No word stands for `extends` that is nearly it; UserError otherwise."""
    for key, value in data.items():
        if isinstance(value, str) and key not in {EXTENDS, *model.model_fields} and nearest(key, [EXTENDS]):
            raise UserError(f"{key}: unknown key; did you mean {EXTENDS}?")


def _check_no_changes(data: dict[str, Any], model: type[BaseModel]) -> None:
    """Nothing changes one table of a list by its name where there is nothing to change; UserError otherwise."""
    for key, value in data.items():
        if _is_list(model, key) and isinstance(value, dict):
            name = next(iter(value), "NAME")
            raise UserError(
                f"[{key}.{name}] changes one of the scenario that {EXTENDS} names, and there is no {EXTENDS}: write [[{key}]] with "
                f"name = {name!r}"
            )


def _check_lists(data: dict[str, Any], model: type[BaseModel]) -> None:
    """No table of a list has one in it that it does not know: TOML takes [service.chat] behind [[service]] for a part of the last one."""
    for key, value in data.items():
        if not _is_list(model, key) or not isinstance(value, list):
            continue
        kinds = tables_of(model, key).kinds.values()  # type: ignore[union-attr]
        known = {name for kind in kinds for name in kind.model_fields}
        for name, inner in ((name, inner) for table in value for name, inner in _items(table)):
            if isinstance(inner, dict) and name not in known:
                raise UserError(_either(key, name))


def _items(table: Any) -> Iterator[tuple[str, Any]]:
    yield from table.items() if isinstance(table, dict) else ()


def _both_forms(text: str) -> tuple[str, str] | None:
    """(key, name) of a table [key.name] in a text that has [[key]] as well; None if there is none."""
    lists = set(re.findall(r"^\s*\[\[\s*([\w-]+)\s*\]\]", text, re.MULTILINE))
    named = re.findall(r"^\s*\[\s*([\w-]+)\s*\.\s*\"?([\w.-]+)\"?\s*\]", text, re.MULTILINE)
    return next(((key, name) for key, name in named if key in lists), None)


def _either(key: str, name: str) -> str:
    return (
        f"[{key}.{name}] and [[{key}]] in one file: the first changes one {key} of the scenario that {EXTENDS} names, the second gives "
        "a list of them; write one of the two"
    )
