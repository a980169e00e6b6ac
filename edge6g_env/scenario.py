"""Scenarios: TOML files with units in their key names, checked key by key, with errors that a person can act on."""

from __future__ import annotations

import difflib
import hashlib
import json
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import tomli_w
from pydantic import Field, PrivateAttr, ValidationError, model_validator

from edge6g_env import costs, radio
from edge6g_env.errors import UserError
from edge6g_env.scenario_tables import (
    UES_OF_MOBILITY,
    Actions,
    AnyUes,
    Arrivals,
    Cloud,
    Faults,
    Link,
    Nodes,
    Radio,
    Reward,
    Service,
    Serving,
    StreetGridUes,
    Table,
    Time,
    check_known,
)


class ScenarioError(UserError):
    """A scenario that cannot be found, read or accepted; the message names file, key and what would be right."""


class Scenario(Table):
    """A whole scenario. `name` and `version` make its id, e.g. campus_v0: from 0.1.0 on behaviour never changes under one."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
    version: Annotated[int, Field(ge=0)]
    summary: str
    job_rows_per_node: Annotated[int, Field(ge=4, le=1024)]
    time: Time
    nodes: Nodes
    radio: Radio
    ues: Annotated[AnyUes, Field(discriminator="mobility")]
    xn: Link
    backhaul: Link
    cloud: Cloud
    serving: Serving
    service: Annotated[list[Service], Field(min_length=1)]
    arrivals: Arrivals
    actions: Actions
    reward: Reward
    faults: Faults = Faults()

    _changes: dict[str, Any] = PrivateAttr(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        """Equal in all tables and keys, however it came to them."""
        return isinstance(other, Scenario) and self.model_dump() == other.model_dump()

    @property
    def id(self) -> str:
        """Versioned id, e.g. campus_v0."""
        return f"{self.name.replace('-', '_')}_v{self.version}"

    @property
    def changes(self) -> dict[str, Any]:
        """What overrides made of the file: dotted key -> value, in the order in which they were given."""
        return dict(self._changes)

    @property
    def label(self) -> str:
        """The id and what was changed: "campus_v0, arrivals.rate_jobs_s = 12"."""
        return ", ".join([self.id, *(f"{key} = {_toml_value(value)}" for key, value in self._changes.items())])

    def to_toml(self) -> str:
        """The whole scenario as the text of a TOML file that loads as an equal one."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))

    @property
    def neighbours(self) -> int:
        """Neighbours that a node can send to: K."""
        return min(self.nodes.neighbours, self.nodes.count - 1)

    @property
    def num_ues(self) -> int:
        """UEs of the world: U."""
        return self.ues.per_node * self.nodes.count

    @property
    def area_m(self) -> tuple[float, float]:
        """Width, west to east, and height of the area, in m."""
        nodes = self.nodes
        return min(nodes.columns, nodes.count) * nodes.spacing_m, -(-nodes.count // nodes.columns) * nodes.spacing_m

    @property
    def models(self) -> list[str]:
        """Models of the services, each once, in order."""
        return list(dict.fromkeys(service.model for service in self.service))

    @property
    def weights(self) -> list[str]:
        """Weights that the services need, each once, in order: a model, or `model@service` for a copy of its own."""
        return list(dict.fromkeys(service.weights for service in self.service))

    @property
    def devices(self) -> list[str]:
        """Devices of nodes, UEs and cloud, each once, in this order."""
        return list(dict.fromkeys([*self.nodes.devices, self.ues.device, self.cloud.device]))

    @property
    def fingerprint(self) -> str:
        """Hash of everything in the scenario, profiles of devices too: a checkpoint says by it which scenario it was trained on."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        if measured := {name: costs.profile_digest(name) for name in self.devices if costs.device(name).is_profiled}:
            text += json.dumps(measured, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @model_validator(mode="after")
    def _names_exist(self) -> Scenario:
        _devices_known("nodes.devices", self.nodes.devices, self.actions.precision)
        _devices_known("ues.device", [self.ues.device], self.actions.precision)
        _devices_known("cloud.device", [self.cloud.device], self.actions.precision)
        check_known("service.model", self.models, costs.models())
        check_known("serving.preload", self.serving.preload, self.weights)
        for n, service in enumerate(self.service):
            _check_adapter(f"service[{n}].lora_targets", service)
        check_known("service.trace", [service.trace for service in self.service if service.trace], traces())
        for device in self.nodes.devices:
            costs.accelerator_price_usd_per_s(device)
        for model in self.models:
            costs.token_price_usd(model)
        if self.ues.indoor_share > 0.0 and self.radio.environment.startswith(("InH", "InF")):
            raise ValueError(
                f"ues.indoor_share must be 0 in {self.radio.environment}: its cells are indoors themselves"
            )
        self._distances_are_valid()
        if self.arrivals.kind == "trace" and not all(service.trace for service in self.service):
            raise ValueError("arrivals.kind = 'trace' needs a trace for every service")
        total = sum(service.share for service in self.service)
        if abs(total - 1.0) > 1e-6:
            raise ValueError(f"the shares of the services must add up to 1, they add up to {total:g}")
        names = [service.name for service in self.service]
        if len(set(names)) < len(names):
            raise ValueError("two services have the same name")
        for n, outage in enumerate(self.faults.outage):
            if max(outage.nodes, default=0) >= self.nodes.count:
                raise ValueError(
                    f"faults.outage[{n}].nodes: there is no node {max(outage.nodes)}, only 0 to {self.nodes.count - 1}"
                )
        return self

    def _distances_are_valid(self) -> None:
        """The longest link to a candidate cell must lie where the environment's formulas hold."""
        across_m = math.hypot(*self.area_m)
        longest_m = min(across_m, (self.radio.candidate_cells + 1) * self.nodes.spacing_m)
        limit_m = radio.max_distance_m(self.radio.environment)
        if longest_m > limit_m:
            raise ValueError(
                f"nodes.spacing_m: links are up to {longest_m:.0f} m long, {self.radio.environment} is valid to {limit_m:g} m"
            )

    @model_validator(mode="after")
    def _has_streets(self) -> Scenario:
        if isinstance(self.ues, StreetGridUes) and self.ues.street_spacing_m > max(self.area_m):
            width_m, height_m = self.area_m
            raise ValueError(f"ues.street_spacing_m must fit into the area, which is {width_m:g} m x {height_m:g} m")
        return self


def _check_adapter(key: str, service: Service) -> None:
    """The model of the service has the matrices that its adapter names."""
    if service.lora_rank is not None:
        try:
            costs.adapter_bytes(service.model, service.lora_rank, service.lora_targets)
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from None


def _devices_known(key: str, names: Sequence[str], precisions: Sequence[str]) -> None:
    """Each device exists, as a row or a profile, and has times at every precision of the scenario."""
    for name in names:
        if costs.is_profile_path(name) and not Path(name).is_file():
            raise ValueError(f"{key}: no file {name!r}")
        if not costs.is_profile_path(name):
            check_known(key, [name], costs.devices())
        has = costs.device(name).precisions
        if missing := [p for p in precisions if p not in has]:
            raise ValueError(
                f"{key}: {name} has no times at {', '.join(missing)}, only at {', '.join(has)}: name some of these in actions.precision"
                + (", or add the others with `edge6g profile`" if costs.device(name).is_profiled else "")
            )


def traces() -> list[str]:
    """Names of the request traces that ship."""
    return sorted(p.name.removesuffix(".csv") for p in _folder("traces").iterdir() if p.name.endswith(".csv"))


def scenarios() -> list[str]:
    """Names of the scenarios that ship."""
    return sorted(p.name.removesuffix(".toml") for p in _folder("scenarios").iterdir() if p.name.endswith(".toml"))


def _folder(name: str) -> Any:
    return resources.files("edge6g_env") / name


def load_scenario(scenario: str | Path | Scenario, **overrides: Any) -> Scenario:
    """Read a scenario by name or path and check it.

    overrides: tables or values that replace the file's, either nested (`time={"slot_s": 0.01}`) or dotted
    (`**{"time.slot_s": 0.01}`). Another `ues.mobility` leaves behind the file's keys that it does not have.
    Raises ScenarioError that names the file, the key and what would be right.
    """
    if isinstance(scenario, Scenario):
        data, where = scenario.model_dump(mode="json"), scenario.name
    else:
        data, where = _read(scenario)
    _change_mobility(data, overrides)
    for key, value in overrides.items():
        _override(data, key.split("."), value, where)
    try:
        loaded = Scenario.model_validate(data)
    except ValidationError as error:
        raise ScenarioError("\n".join(_sentences(error, where))) from None
    earlier = scenario.changes if isinstance(scenario, Scenario) else {}
    loaded._changes.update({**earlier, **dict(_dotted(overrides))})
    return loaded


def _dotted(tables: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of every value in nested tables."""
    for key, value in tables.items():
        if isinstance(value, Mapping):
            yield from _dotted(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _toml_value(value: Any) -> str:
    """A value as TOML writes it, on one line."""
    return " ".join(tomli_w.dumps({"v": value}).removeprefix("v = ").split())


def _read(scenario: str | Path) -> tuple[dict[str, Any], str]:
    name = str(scenario)
    shipped = _folder("scenarios") / f"{name}.toml"
    if name in scenarios():
        source, where = shipped.read_text(encoding="utf-8"), f"{name}.toml"
    elif name.endswith(".toml") or "/" in name:
        path = Path(name)
        if not path.is_file():
            raise ScenarioError(f"no scenario file {name}")
        try:
            source, where = path.read_text(encoding="utf-8"), path.name
        except (OSError, UnicodeDecodeError) as error:
            raise ScenarioError(f"cannot read {name}: {error}") from None
    else:
        close = difflib.get_close_matches(name, scenarios(), n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ScenarioError(
            f"no scenario {name!r}: there are {', '.join(scenarios())}, or a path to a .toml file{hint}"
        )
    try:
        return tomllib.loads(source), where
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{where}: not valid TOML: {error}") from None


def _change_mobility(data: dict[str, Any], overrides: Mapping[str, Any]) -> None:
    """Drop the keys of the file that the overriding model of mobility does not have."""
    ues, nested = data.get("ues"), overrides.get("ues")
    wanted = overrides.get("ues.mobility", nested.get("mobility") if isinstance(nested, Mapping) else None)
    if (
        isinstance(ues, dict)
        and isinstance(wanted, str)
        and wanted in UES_OF_MOBILITY
        and wanted != ues.get("mobility")
    ):
        data["ues"] = {key: value for key, value in ues.items() if key in UES_OF_MOBILITY[wanted].model_fields}


def _override(data: dict[str, Any], keys: list[str], value: Any, where: str) -> None:
    if len(keys) > 1:
        inner = data.setdefault(keys[0], {})
        if not isinstance(inner, dict):
            raise ScenarioError(f"{where}: override {'.'.join(keys)}: {keys[0]} is not a table")
        _override(inner, keys[1:], value, where)
    elif isinstance(value, Mapping) and isinstance(data.get(keys[0]), dict):
        for key, part in value.items():
            _override(data[keys[0]], [key], part, where)
    else:
        data[keys[0]] = value


def _sentences(error: ValidationError, where: str) -> list[str]:
    """One sentence a problem: file, key, what would be right."""
    lines = []
    for problem in error.errors():
        key = _key(problem["loc"])
        prefix = f"{where}: {key}" if key else where
        if problem["type"] == "missing":
            lines.append(f"{prefix}: missing")
        elif problem["type"] == "extra_forbidden":
            lines.append(f"{prefix}: unknown key{_close_key(problem['loc'])}")
        elif problem["type"] == "union_tag_not_found":
            lines.append(f"{prefix}.mobility: missing")
        elif problem["type"] == "union_tag_invalid":
            lines.append(
                f"{prefix}.mobility = {problem['ctx']['tag']!r}: Input should be {', '.join(map(repr, UES_OF_MOBILITY))}"
            )
        else:
            text = problem["msg"].removeprefix("Value error, ")
            value = problem["input"]
            shown = f" = {value!r}" if isinstance(value, str | int | float | bool) else ""
            lines.append(f"{prefix}{shown}: {text}")
    return lines


def _key(loc: tuple[Any, ...]) -> str:
    text = ""
    for part in loc[:1] + loc[1 + _has_model(loc) :]:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _has_model(loc: tuple[Any, ...]) -> bool:
    """Whether the place of a problem goes on with the model of mobility, which is no key."""
    return len(loc) > 1 and loc[0] == "ues" and loc[1] in UES_OF_MOBILITY


def _close_key(loc: tuple[Any, ...]) -> str:
    """A hint for a misspelt key, from the table that it stands in."""
    table: Any = UES_OF_MOBILITY[loc[1]] if _has_model(loc) else Scenario
    for part in () if _has_model(loc) else loc[:-1]:
        if isinstance(part, str):
            annotation = table.model_fields[part].annotation
            table = annotation if isinstance(annotation, type) else annotation.__args__[0]
    names = list(table.model_fields)
    close = difflib.get_close_matches(str(loc[-1]), names, n=1)
    model = f"with mobility = '{loc[1]}' " if _has_model(loc) else ""
    return f"; did you mean {close[0]}?" if close else f"; {model}there are {', '.join(names)}"
