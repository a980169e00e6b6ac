"""Values of rules: what `edge6g tune` finds, read from a file and checked; those of `static` and `restricted` as distances of actions.

A file is JSON with the names of rules, and below each `values`, `scenario` (label of the one in which they were found) and how they were
found (train/tuning/tune.py). They lie beside the TOML files of the scenarios, those that ship and a user's own. `static` and `restricted`
have values of columns, any other rule with values has numbers by name (agents/parameters.py).
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import numpy as np

from agents import parameters
from agents.policy import parameters_of, rule_class, rule_names
from agents.weights import SCORED_ROWS, weighed
from edge6g_env import CompiledPolicy
from edge6g_env._files import TextError, read_json
from edge6g_env.device_split import DRAFT
from edge6g_env.errors import UserError, did_you_mean
from edge6g_env.scenario import Scenario, load_scenario, scenarios
from edge6g_env.scenario_services import InferenceService, Service
from edge6g_env.spaces import ACTION_COLUMNS, Layout, drafts, has_meaning

STATIC, RESTRICTED, TUNED = "static", "restricted", "tuned"
RULES = (STATIC, RESTRICTED)
ALL_ROWS = "all"
COLUMNS = ("device_split", "edge_split", "precision", "model")  # that have values; the route is chosen anew
MOST_WEIGHT = 1e30  # of what an entry counts for, so that sums are finite as float32

Value = float | str
"""Of a column: a share of the layers, "draft", or the name of a precision or model."""

Values = dict[str, Any]
"""Of `static` service -> column -> value, of `restricted` column -> list of values; no column is the route. Of `tuned` `weights`, candidate
entry -> number, and `rows`, see Rows. Of others name -> number."""


Rows = str | Mapping[str, Values]
"""Of the action table, among which a policy chooses: "all", or {rule: values}, the legal ones nearest to those of `static` or `restricted`.
They mean something in every scenario, since columns, models and precisions have names there."""


class ValuesError(UserError):
    """Values that are not there, cannot be read or do not fit the scenario."""


@dataclass(frozen=True)
class Tuned:
    """Values of a rule, and the label of the scenario in which they were found."""

    rule: str
    values: Values
    scenario: str
    """Label of the one in which they were found."""


def choices(scenario: Scenario, service: Service) -> dict[str, list[Value]]:
    """Column -> its values for a service, in the order of the action table's numbers; all columns but the route.

    No cut of fine-tuning lies between two nodes.
    """
    grid, answers = scenario.actions, isinstance(service, InferenceService)
    return {
        "device_split": [split for split in grid.device_split if split != DRAFT or getattr(service, "draft", None)],
        "edge_split": [*grid.edge_split] if answers else [0.0],
        "precision": [*grid.precision],
        "model": [*service.family],
    }


def all_choices(scenario: Scenario) -> dict[str, list[Value]]:
    """The same over all services: each value once, in the order in which they come."""
    merged: dict[str, dict[Value, None]] = {}
    for service in scenario.service:
        for column, values in choices(scenario, service).items():
            merged.setdefault(column, {}).update(dict.fromkeys(values))
    return {column: list(values) for column, values in merged.items()}


def distances(layout: Layout, rule: str, values: Values) -> np.ndarray:
    """How far each action is from the values of a rule, int64 (S, C) by service: steps along the grids, added up.

    A service that `static` does not name is free. What a column does not mean in an action is no distance. Of `static` the whole model on
    the device is a route, as near as any cut. A draft lies a step from no layer on the device, on the other side than the cuts. A service
    of which no model is among those of `restricted` has the choice of all of its own.
    """

    def of(service: Service) -> Mapping[str, Sequence[Value]]:
        if rule != STATIC:
            return values
        also, own = {"device_split": [1.0]}, values.get(service.name, {})
        return {column: [value, *also.get(column, [])] for column, value in own.items()}

    return steps_from(layout, [of(service) for service in layout.scenario.service])


def steps_from(layout: Layout, wanted: Sequence[Mapping[str, Sequence[Value]]]) -> np.ndarray:
    """How far each action is from wanted values, int64 (S, C): steps along the grids, added up over the columns that are named.

    wanted: for each service column -> values that are as good as each other; a column that is not named is free.
    """
    out = np.zeros((len(wanted), layout.num_actions), np.int64)
    for index, service in enumerate(layout.scenario.service):
        grids = choices(layout.scenario, service)
        for column, values in wanted[index].items():
            numbers = {value: -1 if value == DRAFT else number for number, value in enumerate(grids[column])}
            out[index] += _steps(layout, column, [number for value, number in numbers.items() if value in values])
    return out


def distances_of(layout: Layout, rows: Rows) -> np.ndarray | None:
    """How far each action is from some rows, as `distances`; None where all are as near."""
    if not isinstance(rows, Mapping):
        return None
    ((rule, values),) = rows.items()
    return distances(layout, rule, values)


def compiled_rows(layout: Layout, rows: Rows, weights: Mapping[str, float]) -> CompiledPolicy:
    """The best by utility and weighted entries of some rows."""
    return CompiledPolicy(
        layout,
        distance=distances_of(layout, rows),
        linear=weights,
        scaled_as=((), weighed(layout, [*weights])),
        top=SCORED_ROWS,
    )


def _steps(layout: Layout, column: str, wanted: Sequence[int]) -> np.ndarray:
    """Steps of each action to the nearest wanted number of a column, int64 (C,); 0 where all are one or the column means nothing."""
    table = layout.action_table
    if column not in ACTION_COLUMNS or not wanted:
        return np.zeros(len(table), np.int64)
    numbers = table[:, ACTION_COLUMNS.index(column)]
    if column == "device_split":
        numbers = np.where(drafts(layout.scenario, table), -1, numbers)
    steps = reduce(np.minimum, (np.abs(numbers - number) for number in wanted))
    return np.where(has_meaning(table, column), steps, 0)


def values_file(scenario: Scenario) -> Path | Traversable:
    """Where the values of a scenario lie: beside its own file, or in the package."""
    return own_file(scenario) or resources.files("edge6g_env") / "scenarios" / f"{scenario.name}.json"


def own_file(scenario: Scenario) -> Path | None:
    """The file beside that of a scenario of one's own, site.tuned.json of site.toml; None for one that ships.

    A file that says what a scenario that ships says, as a run leaves it, is no scenario of one's own.
    """
    origin = scenario.origin
    if origin is None or _is_shipped(scenario, origin.fingerprint):
        return None
    return origin.file.with_name(f"{origin.file.stem}.tuned.json")


def _is_shipped(scenario: Scenario, fingerprint: str) -> bool:
    return scenario.name in scenarios() and load_scenario(scenario.name).fingerprint == fingerprint


def rules_with_values() -> list[str]:
    """Names of the rules that are set by values."""
    named = (name for name in rule_names() if {"parameters", "parameters_in"} & {*dir(rule_class(name))})
    return [*RULES, TUNED, *(name for name in named if name not in RULES)]


def tuned(rule: str, scenario: Scenario, path: Path | None = None) -> Tuned:
    """Values of a rule for a scenario, from a file, or those of `values_file`; ValuesError if there are none that fit.

    Those beside a scenario's own file are found for that file as it is, or for these overrides of it: by the fingerprint.
    """
    file = values_file(scenario) if path is None else path
    found = read_file(file).get(rule) if path is not None or file.is_file() else None
    if found is None:
        where = file.name if path is not None or file.is_file() else scenario.name
        raise ValuesError(f"{where} has no values of {rule}: {how_to_find(rule, scenario)}")
    try:
        if path is None and own_file(scenario) and not is_of(found, scenario):
            raise ValuesError(f"its values of {rule} are those of {scenario.name} as it was before")
        _check(rule, found["values"], scenario)
        return Tuned(rule, found["values"], str(found["scenario"]))
    except (KeyError, TypeError, AttributeError):
        raise ValuesError(f"{file.name}: {rule} is not as `edge6g tune` writes it") from None
    except (ValuesError, parameters.ParameterError) as error:
        raise ValuesError(f"{file.name}: {error}: {how_to_find(rule, scenario)}") from None


def is_of(entry: object, scenario: Scenario) -> bool:
    """Whether an entry of a file of values was found in the scenario, or in what its file says without overrides."""
    known = {scenario.fingerprint, *([scenario.origin.fingerprint] if scenario.origin else [])}
    return isinstance(entry, Mapping) and entry.get("fingerprint") in known


def numbers(rule: str, scenario: Scenario, values: Mapping[str, float] | None) -> dict[str, float]:
    """Parameters of a rule by name: `values` checked (ParameterError), or where they are None those of `tuned` (ValuesError)."""
    if values is None:
        values = tuned(rule, scenario).values
    return parameters.check(parameters_of(rule, scenario), values)


def has_values(rule: str, scenario: Scenario) -> bool:
    """Whether values of a rule ship with a scenario, and fit it as it is."""
    try:
        tuned(rule, scenario)
    except ValuesError:
        return False
    return True


def read_file(file: Path | Traversable) -> Mapping[str, Any]:
    """Rule -> what a file of values says of it; ValuesError if it is none."""
    try:
        content = read_json(file)
    except OSError as error:
        raise ValuesError(f"cannot read {error}") from None
    except TextError as error:
        raise ValuesError(f"{file.name} is no file of values: {error}") from None
    if not isinstance(content, dict) or not content:
        raise ValuesError(f"{file.name} is no file of values: `edge6g tune` writes one, with rules in it")
    if unknown := sorted(content.keys() - {*rules_with_values()}):
        raise ValuesError(f"{file.name} is no file of values: {unknown[0]!r} is no rule that has any")
    return content


def first_values(rules: Sequence[str], scenario: Scenario) -> dict[str, Values]:
    """Values of the first of some rules that has any for a scenario, by its name; empty if none has."""
    for rule in rules:
        if has_values(rule, scenario):
            return {rule: tuned(rule, scenario).values}
    return {}


def read_beside(rule: str, scenario: Scenario) -> dict[str, Values]:
    """`first_values` of the other rules whose values `rule` reads beside its own (`reads_values_of` of its class)."""
    return first_values(getattr(rule_class(rule), "reads_values_of", ()), scenario)


def identity_of(rule: str, scenario: Scenario, values: Values | None = None) -> str:
    """What decides a rule's actions in a scenario: its name, and a hash of its values and of those that it reads beside them."""
    parts = [part for part in (values, read_beside(rule, scenario)) if part]
    if not parts:
        return f"rule {rule}"
    text = json.dumps(parts[0] if len(parts) == 1 else parts, sort_keys=True)
    return f"rule {rule} {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def how_to_find(rule: str, scenario: Scenario) -> str:
    """The command that finds values, and how they are named then."""
    same = ", with the same --set," if scenario.changes else ""
    if scenario.origin is not None and (file := own_file(scenario)):
        where = shlex.quote(str(scenario.origin.file))
        return f"`edge6g tune --rule {rule} --scenario {where}`{same} finds values and leaves them in {file.name} beside it"
    ships = scenario.name in scenarios()
    name = f"{scenario.name}.json"
    command = f"edge6g tune --rule {rule} --scenario {scenario.name}{'' if ships else '.toml'} --out {name}"
    return f"`{command}`{same} finds values, {rule}={name} plays them"


def _check(rule: str, values: Values, scenario: Scenario) -> None:
    """ValuesError for a service or column without a value, and for a value that the scenario does not have."""
    if rule == TUNED:
        _check_weights(values, scenario)
        return
    if rule not in RULES:
        parameters.check(parameters_of(rule, scenario), values)
        return
    if rule == RESTRICTED:
        _check_columns(values)
        for column, grid in all_choices(scenario).items():
            _check_value(column, values, grid, several=True)
        return
    for service in scenario.service:
        if service.name not in values:
            raise ValuesError(f"static has no values for service {service.name!r}")
        _check_columns(values[service.name], of=f"{service.name}.")
        for column, grid in choices(scenario, service).items():
            _check_value(column, values[service.name], grid, several=False, of=f"{service.name}.")


def _check_columns(values: Values, of: str = "") -> None:
    if unknown := sorted(values.keys() - {*COLUMNS}):
        hint = did_you_mean(unknown[0], COLUMNS, before="; ")
        raise ValuesError(f"{of}{unknown[0]} is no column: there are {', '.join(COLUMNS)}{hint}")


def _check_value(column: str, values: Values, grid: Sequence[Value], several: bool, of: str = "") -> None:
    if column not in values:
        raise ValuesError(f"{of}{column} is missing")
    given = values[column] if several else [values[column]]
    if not given:
        raise ValuesError(f"{of}{column} has no value")
    for value in given:
        if value not in grid:
            raise ValuesError(f"{of}{column} = {value} is not among {', '.join(map(str, grid))}")


def _check_weights(values: Values, scenario: Scenario) -> None:
    rows, weights = values["rows"], values["weights"]
    known = {feature.name for feature in Layout(scenario).candidates}
    if unknown := sorted(weights.keys() - known):
        raise ValuesError(f"weights has {unknown[0]!r}, which no candidate has")
    for name, weight in weights.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not abs(weight) <= MOST_WEIGHT:
            raise ValuesError(f"weights.{name} = {repr(weight)[:20]} is no number up to {MOST_WEIGHT:g}")
    if checked_rows(rows) == ALL_ROWS:
        return
    for rule, of in rows.items():
        _check(rule, of, scenario)


def checked_rows(rows: Any) -> Rows:
    """The same rows, whatever scenario they are of; ValuesError for what is of another form."""
    if rows == ALL_ROWS:
        return ALL_ROWS
    if not isinstance(rows, dict) or len(rows) != 1 or not rows.keys() <= {*RULES}:
        raise ValuesError(f"rows must be {ALL_ROWS!r}, or the values of {' or '.join(RULES)} below its name")
    ((rule, of),) = rows.items()
    columns = of.values() if rule == STATIC and isinstance(of, dict) else [of]
    for values in columns:
        if not isinstance(values, dict) or not all(
            isinstance(one, list) == (rule == RESTRICTED) for one in values.values()
        ):
            raise ValuesError(f"rows: the values of {rule} are of another form")
        _check_columns(values, of="rows: ")
    return dict(rows)
