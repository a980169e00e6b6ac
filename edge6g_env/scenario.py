"""Scenarios: TOML files with units in their key names, checked key by key, with errors that a person can act on."""

from __future__ import annotations

import hashlib
import json
from copy import deepcopy
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import tomli_w
from pydantic import Field, PrivateAttr, ValidationError, model_validator

from edge6g_env import costs, radio
from edge6g_env import scenario_loops as loops
from edge6g_env import scenario_rows as rows
from edge6g_env import scenario_traces as own_traces
from edge6g_env import scenario_tuning as tuning
from edge6g_env.errors import UserError
from edge6g_env.overrides import dotted, override, plain
from edge6g_env.scenario_arrivals import AnyArrivals
from edge6g_env.scenario_errors import sentences, toml_value
from edge6g_env.scenario_faults import Faults
from edge6g_env.scenario_files import ScenarioError, read, scenarios
from edge6g_env.scenario_nodes import Nodes
from edge6g_env.scenario_own import OwnDevice, OwnModel, catalog_of
from edge6g_env.scenario_radio import Radio
from edge6g_env.scenario_services import AnyService, FinetuneService, InferenceService
from edge6g_env.scenario_tables import (
    Actions,
    Backhaul,
    Cloud,
    Prediction,
    Prices,
    Privacy,
    Reward,
    Serving,
    Table,
    Time,
    Xn,
    check_known,
)
from edge6g_env.scenario_ues import AnyUes, StreetGridUes
from edge6g_env.trace_files import OwnTrace

__all__ = ["Scenario", "ScenarioError", "load_scenario", "scenarios"]


def _is_empty(rows: object) -> bool:
    """Own rows that there are none of stand nowhere, in no fingerprint either."""
    return not rows


class Origin(NamedTuple):
    """The file of a scenario that does not ship, and the fingerprint of what it says, whatever overrides made of it."""

    file: Path
    fingerprint: str


class Scenario(Table):
    """A whole scenario. `name` and `version` make its id, e.g. campus_v0: from 0.1.0 on behaviour never changes under one.
    Acts: scenario.py
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")] = ""
    """What it is called, in results and checkpoints.
    Default: the name of its file"""
    version: Annotated[int, Field(ge=0)] = 0
    """Of its behaviour: with the name it makes the id, as campus_v0.
    Default: the first"""
    summary: str = ""
    """A sentence for those who read of it; no part of what it is.
    Default: none"""
    nodes: Nodes
    """Edge nodes."""
    ues: AnyUes
    """What sends jobs."""
    service: Annotated[list[AnyService], Field(min_length=1)]
    """What jobs are."""
    arrivals: AnyArrivals
    """How many jobs come, and when."""
    device: list[OwnDevice] = Field(default_factory=list, exclude_if=_is_empty)
    """Devices of its own, beside those of the package or in their place."""
    model: list[OwnModel] = Field(default_factory=list, exclude_if=_is_empty)
    """Models of its own, likewise."""
    radio: Radio = Radio()
    cloud: Cloud = Cloud()
    xn: Xn = Xn()
    backhaul: Backhaul = Backhaul()
    serving: Serving = Serving()
    actions: Actions = Actions()
    reward: Reward = Reward()
    prices: Prices = Field(default_factory=Prices)
    privacy: Privacy = Privacy()
    faults: Faults = Faults()
    time: Time = Time()
    job_rows_per_node: Annotated[int, Field(ge=4, le=1024)] = 48
    """Jobs that are in the world at once, a node: one more is rejected.
    Default: more than a node can serve within a chat's objectives; judgement
    Acts: build/arrays.py"""
    prediction: Prediction = Prediction()

    _changes: dict[str, Any] = PrivateAttr(default_factory=dict)
    _catalog: costs.Catalog = PrivateAttr(default_factory=costs.Catalog)
    _origin: Origin | None = PrivateAttr(default=None)

    def __eq__(self, other: object) -> bool:
        """Equal in all tables and keys, however it came to them, and in what its own traces hold."""
        return isinstance(other, Scenario) and self._told() == other._told()

    def _told(self) -> dict[str, Any]:
        """All that it says, in values as JSON has them; own traces by their hashes."""
        told = self.model_dump(mode="json")
        for table in told["service"]:
            if "trace_sha256" in table:
                table["trace"] = None
        return told

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
        return ", ".join([self.id, *(f"{key} = {toml_value(value)}" for key, value in self._changes.items())])

    def to_toml(self) -> str:
        """The whole scenario as the text of a TOML file that loads as an equal one; beside it lie its `own_traces`."""
        tables = self.model_dump(mode="json", exclude_none=True)
        for table, service in zip(tables["service"], self.service, strict=True):
            if service.own_trace:
                table["trace"] = service.own_trace.copy_name
        return tomli_w.dumps(tables)

    @property
    def own_traces(self) -> dict[str, bytes]:
        """File name -> content of each own trace, as the text of `to_toml` names them."""
        return {one.own_trace.copy_name: one.own_trace.content for one in self.service if one.own_trace}

    @property
    def origin(self) -> Origin | None:
        """Where it comes from; None if it ships."""
        return self._origin

    @property
    def catalog(self) -> costs.Catalog:
        """The devices and models that it may name: those of the package, and its own."""
        return self._catalog

    def device_spec(self, name: str) -> costs.DeviceSpec:
        """One of its devices."""
        return self._catalog.device(name)

    def model_spec(self, weights: str) -> costs.ModelSpec:
        """The model of some of its weights, shared or `model@service`."""
        return self._catalog.model(weights.split("@")[0])

    @property
    def neighbours(self) -> int:
        """Neighbours that a node can send to: K."""
        return min(self.nodes.neighbours, self.nodes.count - 1)

    @property
    def num_ues(self) -> int:
        """UEs of the world: U."""
        return len(self.ue_homes) if self.ue_homes else self.ues.per_node[0] * self.nodes.count

    @property
    def ue_homes(self) -> list[int]:
        """Node near which each UE stays, node by node; empty where they are anywhere."""
        counts = self.ues.per_node
        return [i for i, count in enumerate(counts) for _ in range(count)] if len(counts) > 1 else []

    @property
    def loop_ues(self) -> list[range]:
        """UEs that run the loop of each service, by index; none for a service without `period_s`."""
        found, first = [], 0
        for service in self.service:
            n = 0 if service.loop_s is None else min(round(service.share * self.num_ues), self.num_ues - first)
            found.append(range(first, first + n))
            first += n
        return found

    @property
    def drawn_ues(self) -> range:
        """UEs at which the jobs arrive that belong to no loop: those without one, or all where each has one; none without such jobs."""
        if all(service.loop_s is not None for service in self.service):
            return range(0)
        first = sum(map(len, self.loop_ues))
        return range(first if first < self.num_ues else 0, self.num_ues)

    @property
    def rates_jobs_s(self) -> list[float]:
        """Mean arrivals of each service, 1/s."""
        drawn_jobs_s = self.arrivals.rate_jobs_s
        return [
            service.share * drawn_jobs_s if service.loop_s is None else len(ues) / service.loop_s
            for service, ues in zip(self.service, self.loop_ues, strict=True)
        ]

    @property
    def shares(self) -> list[float]:
        """Share of each service in all arrivals."""
        rates_jobs_s = self.rates_jobs_s
        return [rate_jobs_s / sum(rates_jobs_s) for rate_jobs_s in rates_jobs_s]

    @property
    def courses(self) -> list[str]:
        """How jobs arrive, in words: the drawn ones, then each loop."""
        drawn = [f"{self.arrivals.rate_jobs_s:g} jobs/s, {self.arrivals.course}"] if self.drawn_ues else []
        loops = zip(self.service, self.loop_ues, strict=True)
        return drawn + [f"{one.name}: {len(ues)} UEs, each every {one.loop_s:g} s" for one, ues in loops if ues]

    @property
    def area_m(self) -> tuple[float, float]:
        """Width, west to east, and height of the area, in m."""
        return self.nodes.sides_m

    @property
    def inference(self) -> list[InferenceService]:
        """The services of prompts and answers, in order."""
        return [service for service in self.service if isinstance(service, InferenceService)]

    @property
    def finetune(self) -> list[FinetuneService]:
        """The services of fine-tuning, in order."""
        return [service for service in self.service if isinstance(service, FinetuneService)]

    @property
    def models(self) -> list[str]:
        """Models of the services, each once, in order."""
        return list(dict.fromkeys(model for service in self.service for model in service.family))

    @property
    def most_models(self) -> int:
        """Models of the service that has most of them: M."""
        return max(len(service.family) for service in self.service)

    @property
    def weights(self) -> list[str]:
        """Weights that the services need, each once, in order: a model, or `model@service` for a copy of its own."""
        return list(dict.fromkeys(s.weights_of(model) for s in self.service for model in s.family))

    @property
    def variants(self) -> list[tuple[str, str]]:
        """(weights, precision) of each variant: all precisions of the first weights, of the next, ...; then drafts that are none."""
        own = [(weights, precision) for weights in self.weights for precision in self.actions.precision]
        drafts = [(s.draft, s.draft_precision) for s in self.inference if s.draft and s.draft_precision]
        return list(dict.fromkeys([*own, *drafts]))

    @property
    def devices(self) -> list[str]:
        """Devices of nodes, UEs and cloud, each once, in this order."""
        return list(dict.fromkeys([*self.nodes.devices, *self.ues.in_turn, self.cloud.device]))

    @property
    def fingerprint(self) -> str:
        """Hash of everything in the scenario but its summary, and of what profiles and own traces hold: by it a checkpoint knows where it
        was trained."""
        text = json.dumps({key: value for key, value in self._told().items() if key != "summary"}, sort_keys=True)
        if measured := {
            name: costs.profile_digest(name) for name in self.devices if self.device_spec(name).is_profiled
        }:
            text += json.dumps(measured, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @model_validator(mode="after")
    def _has_own_rows(self) -> Scenario:
        self._catalog = catalog_of(self.device, self.model)
        return self

    @model_validator(mode="after")
    def _names_exist(self) -> Scenario:
        catalog = self._catalog
        ue_key = "ues.devices" if self.ues.devices else "ues.device"
        rows.check_devices("nodes.devices", self.nodes.devices, self.actions.precision, catalog)
        rows.check_devices(ue_key, self.ues.in_turn, self.actions.precision, catalog)
        rows.check_devices("cloud.device", [self.cloud.device], self.actions.precision, catalog)
        rows.check_accelerator_prices("nodes.devices", self.nodes.devices, catalog)
        if len(self.ues.per_node) not in (1, self.nodes.count):
            raise UserError(
                f"ues.per_node has {len(self.ues.per_node)} numbers, and there are {self.nodes.count} nodes: one a node, or one for all"
            )
        for service in self.service:
            key = f"service.{service.name}.models" if len(service.family) > 1 else "service.model"
            rows.check_models(key, service.family, self.actions.precision, catalog)
        rows.check_services(self.inference, catalog)
        rows.check_drafts(self.inference, self.actions.device_split, self.devices, catalog)
        check_known("serving.preload", self.serving.preload, self.weights)
        if self.ues.indoor_share > 0.0 and self.radio.environment.startswith(("InH", "InF")):
            raise UserError(f"ues.indoor_share must be 0 in {self.radio.environment}: its cells are indoors themselves")
        self._distances_are_valid()
        rows.check_replay(self.arrivals.kind, self.service)
        loops.check(self)
        tuning.check(self)
        names = [service.name for service in self.service]
        if len(set(names)) < len(names):
            raise UserError("two services have the same name")
        for n, outage in enumerate(self.faults.outage):
            if max(outage.nodes, default=0) >= self.nodes.count:
                raise UserError(
                    f"faults.outage[{n}].nodes: there is no node {max(outage.nodes)}, only 0 to {self.nodes.count - 1}"
                )
        return self

    def _distances_are_valid(self) -> None:
        """The longest link to a candidate cell must lie where the environment's formulas hold."""
        longest_m, limit_m = (
            self.nodes.longest_link_m(self.radio.candidate_cells),
            radio.max_distance_m(self.radio.environment),
        )
        if longest_m > limit_m:
            key, what = (
                ("spacing_m", "") if self.nodes.positions_m is None else ("positions_m", ", from anywhere in the area")
            )
            raise UserError(
                f"nodes.{key}: links are up to {longest_m:.0f} m long{what}, {self.radio.environment} is valid to {limit_m:g} m"
            )

    @model_validator(mode="after")
    def _has_streets(self) -> Scenario:
        if isinstance(self.ues, StreetGridUes) and self.ues.street_spacing_m > max(self.area_m):
            width_m, height_m = self.area_m
            raise UserError(f"ues.street_spacing_m must fit into the area, which is {width_m:g} m x {height_m:g} m")
        return self


def _check_memory(scenario: Scenario) -> None:
    """What is to run has room somewhere; UserError otherwise."""
    from edge6g_env.capacity import check_memory  # it builds upon scenarios

    check_memory(scenario)


def _check_outages(scenario: Scenario) -> None:
    """Each planned outage of links means one; UserError otherwise."""
    from edge6g_env.build.faults import fault_parts  # they build upon scenarios
    from edge6g_env.build.places import neighbours_of

    if scenario.faults.outage:
        fault_parts(scenario, neighbours_of(scenario))


def load_scenario(scenario: str | Path | Scenario, **overrides: Any) -> Scenario:
    """Read a scenario by name or path, with what it extends (docs/site.md), and check it.

    overrides: tables or values that replace the file's, either nested (`time={"slot_s": 0.01}`) or dotted (`**{"time.slot_s": 0.01}`),
    a service by its name (`**{"service.chat.ttft_slo_s": 0.5}`). Another `ues.mobility`, or `kind` of arrivals or of a service, leaves
    behind the file's keys that it does not have. Paths in a file are relative to it, those of overrides and of profiles of devices to the
    current folder.
    Raises ScenarioError that names the file, the key and what would be right.
    """
    if isinstance(scenario, Scenario):
        data, where = scenario.model_dump(mode="json", exclude_none=True), scenario.name
        held = {one.own_trace.sha256: one.own_trace for one in scenario.service if one.own_trace}
    else:
        (data, where, path), held = read(scenario, Scenario), {}
    changes = dict(dotted(plain(overrides)))
    changed = deepcopy(data)
    try:
        override(changed, changes, Scenario)
        loaded = _validated(changed, held)
        _check_outages(loaded)
        _check_memory(loaded)
    except ValidationError as error:
        raise ScenarioError("\n".join(sentences(error, Scenario, changed, where))) from None
    except UserError as error:
        raise ScenarioError(f"{where}: {error}") from None
    if isinstance(scenario, Scenario):
        loaded._changes.update(scenario._changes)
        loaded._origin = scenario._origin
    elif path is not None:
        loaded._origin = Origin(path, _fingerprint_of(data) if changes else loaded.fingerprint)
    loaded._changes.update({key: value for key, value in changes.items() if value != {}})
    return loaded


def _fingerprint_of(data: dict[str, Any]) -> str:
    """Fingerprint of the scenario that a file says; empty if it is none without overrides."""
    try:
        return _validated(data, {}).fingerprint
    except ValueError:  # a ValidationError, or a UserError
        return ""


def _validated(data: dict[str, Any], held: dict[str, OwnTrace]) -> Scenario:
    """The scenario of tables, with the own traces that they name; held: those that need not be read."""
    return Scenario.model_validate(data, context={own_traces.CONTEXT: own_traces.read_all(data, held)})
