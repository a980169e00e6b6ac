"""Scenarios: TOML files with units in their key names, checked key by key, with errors that a person can act on."""

from __future__ import annotations

import difflib
import hashlib
import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edge6g_env import costs, radio
from edge6g_env.kernel.world import FAULT_KINDS
from edge6g_env.radio.environments import NAMES as ENVIRONMENT_NAMES

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0.0, le=1e6)]
NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Period = Annotated[float, Field(ge=1e-3, le=1e9)]
Decibel = Annotated[float, Field(ge=0.0, le=1000.0)]
Speed = Annotated[float, Field(gt=0.0, le=1000.0)]


_SHORTEST_FAULT_S = 0.05  # the longest slot: parts that change faster would split every substep
_RMA_MAX_GHZ = 30.0  # TR 38.901 7.4.1


class ScenarioError(ValueError):
    """A scenario that cannot be found, read or accepted; the message names file, key and what would be right."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Time(_Table):
    """Slots, episodes and reports."""

    slot_s: Annotated[float, Field(ge=0.005, le=0.05)]
    n_substeps: Annotated[int, Field(ge=1, le=64)]
    episode_s: Positive
    warmup_s: NotNegative
    drain_s: NotNegative
    report_period_s: Period

    @model_validator(mode="after")
    def _measures_something(self) -> Time:
        slots = self.episode_s / self.slot_s
        if slots < 1.0 or abs(slots - round(slots)) > 1e-6:
            raise ValueError("episode_s must be a whole number of slot_s")
        if self.warmup_s + self.drain_s >= self.episode_s:
            raise ValueError("warmup_s + drain_s must be less than episode_s")
        return self


class Nodes(_Table):
    """Edge nodes on a grid: devices are given out in turn."""

    count: Annotated[int, Field(ge=1, le=1024)]
    columns: Annotated[int, Field(ge=1)]
    spacing_m: Annotated[float, Field(ge=1.0, le=1e5)]
    devices: Annotated[list[str], Field(min_length=1)]
    neighbours: Annotated[int, Field(ge=0, le=8)]


class Radio(_Table):
    """Cells: environment and bands (edge6g_env.radio), weather, people, other traffic, channel knowledge, handover."""

    environment: str
    presets: Annotated[list[str], Field(min_length=1)]
    """Bands, given out to the nodes in turn along each row, each row one later."""
    cell_offset_db: list[Annotated[float, Field(ge=-40.0, le=40.0)]] | None = None
    """Added to the power of each preset where cells are compared (TS 38.331, Ofn); 0 if absent."""
    margin_db: Decibel
    link_step_m: Annotated[float, Field(ge=0.1, le=5.0)] = 1.0
    """Links are renewed each time that their UE has walked this far."""
    fading_period_s: Period
    beam_tracking_s: Period = radio.BEAM_TRACKING_PERIOD_S
    rain_mm_per_h: Annotated[float, Field(ge=0.0, le=200.0)] = 0.0
    blockers_per_m2: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    background_load: Annotated[float, Field(ge=0.0, le=0.95)] = 0.0
    csi_error_db: Decibel
    csi_period_s: Period
    configured_grant: bool
    candidate_cells: Annotated[int, Field(ge=1, le=16)]
    measurement_period_s: Period
    filter_coefficient: Annotated[int, Field(ge=0, le=19)]
    time_to_trigger_s: NotNegative
    handover_hysteresis_db: Decibel
    handover_interruption_s: NotNegative

    @model_validator(mode="after")
    def _bands_exist(self) -> Radio:
        _known("presets", self.presets, radio.presets())
        _known("environment", [self.environment], list(ENVIRONMENT_NAMES))
        if self.cell_offset_db is not None and len(self.cell_offset_db) != len(self.presets):
            raise ValueError(f"cell_offset_db must have one value a preset, {len(self.presets)}")
        for name in self.presets:
            carrier_ghz = radio.preset(name).carrier_ghz
            radio.environment(self.environment, carrier_ghz)
            if self.environment == "RMa" and carrier_ghz > _RMA_MAX_GHZ:
                raise ValueError(f"presets: {name} has {carrier_ghz:g} GHz, RMa is valid up to {_RMA_MAX_GHZ:g} GHz")
        return self


class Ues(_Table):
    """UEs and their device; each model of mobility adds the keys that it needs (edge6g_env.kernel.mobility)."""

    per_node: Annotated[int, Field(ge=1, le=256)]
    device: str
    tx_power_w: Annotated[float, Field(ge=0.0, le=100.0)]
    indoor_share: Share = 0.0
    building: Literal["low", "high"] = "low"
    """Outer walls: low or high penetration loss (TR 38.901 7.4.3)."""

    @property
    def mean_speed_m_s(self) -> float:
        """Mean speed while moving."""
        return 0.0


class _WalkingUes(Ues):
    speed_min_m_s: Speed
    speed_max_m_s: Speed

    @model_validator(mode="after")
    def _speeds_in_order(self) -> _WalkingUes:
        if self.speed_max_m_s < self.speed_min_m_s:
            raise ValueError("speed_max_m_s must be at least speed_min_m_s")
        return self

    @property
    def mean_speed_m_s(self) -> float:
        """Mean speed while moving."""
        return 0.5 * (self.speed_min_m_s + self.speed_max_m_s)

    @property
    def _speeds(self) -> str:
        return f"{self.speed_min_m_s:g} to {self.speed_max_m_s:g} m/s"


class _PlacedUes(Ues):
    hotspots: Annotated[int, Field(ge=0, le=64)]
    hotspot_share: Share
    hotspot_radius_m: NotNegative

    @property
    def _hotspots(self) -> str:
        return f"{self.hotspots} hotspots take {self.hotspot_share:.0%}"


class WaypointUes(_WalkingUes, _PlacedUes):
    """Random waypoints, a speed for each leg, a pause of exponential length at each waypoint."""

    mobility: Literal["waypoint"]
    pause_s: NotNegative

    @model_validator(mode="after")
    def _has_somewhere_to_go(self) -> WaypointUes:
        one_point = self.hotspots > 0 and self.hotspot_share > 0.99 and self.hotspot_radius_m < 1.0
        if one_point and self.pause_s < 1e-3:
            raise ValueError(
                "hotspot_radius_m must be at least 1 when nearly all waypoints lie in hotspots and pause_s is 0"
            )
        return self

    @property
    def movement(self) -> str:
        """How they move, in words."""
        return f"walking {self._speeds}, {self._hotspots} of the waypoints"


class GaussMarkovUes(_WalkingUes):
    """Mean speed and mean direction are a UE's own; its velocity strays from that mean and remembers."""

    mobility: Literal["gauss-markov"]
    velocity_memory: Share
    velocity_period_s: Annotated[float, Field(ge=0.01, le=1e6)]
    velocity_std_m_s: Annotated[float, Field(ge=0.0, le=1000.0)]

    @property
    def movement(self) -> str:
        """How they move, in words."""
        memory = f"correlated by {self.velocity_memory:g} over {self.velocity_period_s:g} s"
        return f"Gauss-Markov, mean {self._speeds}, velocity +- {self.velocity_std_m_s:g} m/s {memory}"


class StreetGridUes(_WalkingUes):
    """Streets in two directions, a speed for each block, a turn at random at each crossing."""

    mobility: Literal["street-grid"]
    street_spacing_m: Annotated[float, Field(ge=1.0, allow_inf_nan=False)]

    @property
    def movement(self) -> str:
        """How they move, in words."""
        return f"{self._speeds} along streets {self.street_spacing_m:g} m apart"


class StationaryUes(_PlacedUes):
    """One place for the whole episode."""

    mobility: Literal["stationary"]

    @property
    def movement(self) -> str:
        """How they move, in words."""
        return f"standing still, {self._hotspots} of the places"


AnyUes = WaypointUes | GaussMarkovUes | StreetGridUes | StationaryUes
_UES = {get_args(table.model_fields["mobility"].annotation)[0]: table for table in get_args(AnyUes)}


class Link(_Table):
    """A wired link: rate, median one-way delay, and the sigma of the log of a message's delay."""

    rate_bit_s: Positive
    delay_s: NotNegative
    delay_jitter: Annotated[float, Field(ge=0.0, le=2.0)]


class Cloud(_Table):
    """The cloud: its accelerator, and how many requests it serves at a time."""

    device: str
    concurrency: Annotated[int, Field(ge=1, le=100_000)]
    batch: Annotated[float, Field(ge=1.0, le=1024.0)]


class Serving(_Table):
    """The engine of a node."""

    token_budget: Annotated[int, Field(ge=64, le=32_768)]
    max_batch: Annotated[int, Field(ge=1, le=1024)]
    load_overhead_s: NotNegative
    preload: list[str] = []
    """Models that are resident at the default precision when an episode starts, in order, while half of the memory stays."""


class Outage(_Table):
    """A planned outage: the servers or backhauls of `nodes`, the Xn links among `nodes`, or the cloud."""

    kind: Literal["node", "xn", "backhaul", "cloud"]
    nodes: list[Annotated[int, Field(ge=0)]] = []
    start_s: NotNegative
    end_s: Positive

    @model_validator(mode="after")
    def _means_something(self) -> Outage:
        if self.end_s <= self.start_s:
            raise ValueError("end_s must be more than start_s")
        fewest = {"node": 1, "xn": 2, "backhaul": 1, "cloud": 0}[self.kind]
        if len(set(self.nodes)) < max(fewest, len(self.nodes)) or (self.kind == "cloud" and self.nodes):
            wanted = f"at least {fewest} different nodes" if fewest else "no nodes"
            raise ValueError(f"an outage of kind {self.kind} takes {wanted}")
        return self


class Faults(_Table):
    """What fails. The one table that may be left out, as may each of its keys: what is not named never fails.

    For each kind of part the mean time between a repair and the next failure (0: never) and the mean time to repair, both exponential;
    how often a job is put back in its queue before it fails; planned outages.
    """

    retries: Annotated[int, Field(ge=0, le=100)] = 3
    node_mtbf_s: NotNegative = 0.0
    node_mttr_s: NotNegative = 0.0
    xn_mtbf_s: NotNegative = 0.0
    xn_mttr_s: NotNegative = 0.0
    backhaul_mtbf_s: NotNegative = 0.0
    backhaul_mttr_s: NotNegative = 0.0
    cloud_mtbf_s: NotNegative = 0.0
    cloud_mttr_s: NotNegative = 0.0
    outage: list[Outage] = []

    def mean_times_s(self, kind: str) -> tuple[float, float]:
        """(mtbf_s, mttr_s) of a kind of part."""
        return getattr(self, f"{kind}_mtbf_s"), getattr(self, f"{kind}_mttr_s")

    @model_validator(mode="after")
    def _repairs(self) -> Faults:
        for kind in FAULT_KINDS:
            mtbf_s, mttr_s = self.mean_times_s(kind)
            if (mtbf_s > 0.0) != (mttr_s > 0.0):
                raise ValueError(f"{kind}_mtbf_s and {kind}_mttr_s go together: both above 0, or neither")
            if 0.0 < min(mtbf_s, mttr_s) < _SHORTEST_FAULT_S:
                raise ValueError(f"{kind}_mtbf_s and {kind}_mttr_s must be 0 or at least {_SHORTEST_FAULT_S:g} s")
        return self


class Service(_Table):
    """A service: model, privacy class, objectives, and its lengths: from a trace, or always the same."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    model: str
    privacy: Literal["open", "site", "device"]
    share: Annotated[float, Field(gt=0.0, le=1.0)]
    trace: str | None = None
    prompt_tokens: Annotated[int, Field(ge=1, le=131_072)] | None = None
    output_tokens: Annotated[int, Field(ge=1, le=131_072)] | None = None
    lora_rank: Annotated[int, Field(ge=1, le=256)] | None = None
    lora_targets: str = "q,v"
    """LoRA adapter of the service over the shared weights of its model: "all-linear", or names of q, k, v, o, gate, up, down."""
    own_weights: bool = False
    """A copy of the model that was tuned as a whole and shares nothing."""
    payload_bytes: NotNegative = 0.0
    """Picture or sound that a raw prompt consists of, beside its token ids."""
    ttft_slo_s: Annotated[float, Field(gt=0.0, le=600.0)]
    tpot_slo_s: Annotated[float, Field(gt=0.0, le=60.0)]
    expire_s: Positive
    exposure_cost: NotNegative

    @model_validator(mode="after")
    def _has_lengths(self) -> Service:
        fixed = (self.prompt_tokens is not None, self.output_tokens is not None)
        if any(fixed) if self.trace is not None else not all(fixed):
            raise ValueError("name either a trace or both prompt_tokens and output_tokens")
        if self.own_weights and self.lora_rank is not None:
            raise ValueError("lora_rank: a service with own_weights shares no base to adapt")
        return self

    @property
    def weights(self) -> str:
        """Name of the weights that it needs: those of its model, or its own copy."""
        return f"{self.model}@{self.name}" if self.own_weights else self.model


class Arrivals(_Table):
    """How jobs arrive: a Poisson process, or the traces replayed at a wanted rate."""

    kind: Literal["poisson", "trace"]
    rate_jobs_s: Annotated[float, Field(gt=0.0, le=1e5)]


class Actions(_Table):
    """The grids of the action table."""

    device_split: Annotated[list[Share], Field(min_length=1)]
    edge_split: Annotated[list[Annotated[float, Field(ge=0.0, lt=1.0)]], Field(min_length=1)]
    precision: Annotated[list[Literal["fp32", "bf16", "fp16", "fp8", "int8", "int8-wo", "int4"]], Field(min_length=1)]
    default_precision: str

    @model_validator(mode="after")
    def _grids_in_order(self) -> Actions:
        for name in ("device_split", "edge_split"):
            grid = getattr(self, name)
            if grid[0] != 0.0 or any(b <= a for a, b in pairwise(grid)):
                raise ValueError(f"{name} must start at 0 and rise")
        if len(set(self.precision)) < len(self.precision):
            raise ValueError("precision names a precision twice")
        if self.default_precision not in self.precision:
            raise ValueError(f"default_precision must be one of {', '.join(self.precision)}")
        return self


class Reward(_Table):
    """Weights of the reward: what a dollar, a joule and a lost job cost beside an answer of quality 1, worth 1."""

    price_per_usd: Weight
    energy_per_j: Weight
    rejected_cost: Weight
    expired_cost: Weight
    failed_cost: Weight
    reward_mix: Share


class Scenario(_Table):
    """A whole scenario. `name` and `version` make its id, e.g. campus_v0: behaviour never changes under a version."""

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

    @property
    def id(self) -> str:
        """Versioned id, e.g. campus_v0."""
        return f"{self.name.replace('-', '_')}_v{self.version}"

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
        _known("service.model", self.models, costs.models())
        _known("serving.preload", self.serving.preload, self.weights)
        for service in self.service:
            if service.lora_rank is not None:
                costs.adapter_bytes(service.model, service.lora_rank, service.lora_targets)
        _known("service.trace", [service.trace for service in self.service if service.trace], traces())
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


def _known(key: str, values: Sequence[str], names: Sequence[str]) -> None:
    for value in values:
        if value not in names:
            close = difflib.get_close_matches(value, names, n=1)
            hint = f"; did you mean {close[0]}?" if close else f"; there are {', '.join(names)}"
            raise ValueError(f"{key}: no {value!r}{hint}")


def _devices_known(key: str, names: Sequence[str], precisions: Sequence[str]) -> None:
    """Each device exists, as a row or a profile, and has times at every precision of the scenario."""
    for name in names:
        if costs.is_profile_path(name) and not Path(name).is_file():
            raise ValueError(f"{key}: no file {name!r}")
        if not costs.is_profile_path(name):
            _known(key, [name], costs.devices())
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
        return Scenario.model_validate(data)
    except ValidationError as error:
        raise ScenarioError("\n".join(_sentences(error, where))) from None


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
    if isinstance(ues, dict) and isinstance(wanted, str) and wanted in _UES and wanted != ues.get("mobility"):
        data["ues"] = {key: value for key, value in ues.items() if key in _UES[wanted].model_fields}


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
            lines.append(f"{prefix}.mobility = {problem['ctx']['tag']!r}: Input should be {', '.join(map(repr, _UES))}")
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
    return len(loc) > 1 and loc[0] == "ues" and loc[1] in _UES


def _close_key(loc: tuple[Any, ...]) -> str:
    """A hint for a misspelt key, from the table that it stands in."""
    table: Any = _UES[loc[1]] if _has_model(loc) else Scenario
    for part in () if _has_model(loc) else loc[:-1]:
        if isinstance(part, str):
            annotation = table.model_fields[part].annotation
            table = annotation if isinstance(annotation, type) else annotation.__args__[0]
    names = list(table.model_fields)
    close = difflib.get_close_matches(str(loc[-1]), names, n=1)
    model = f"with mobility = '{loc[1]}' " if _has_model(loc) else ""
    return f"; did you mean {close[0]}?" if close else f"; {model}there are {', '.join(names)}"
