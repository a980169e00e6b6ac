"""Scenarios: TOML files with units in their key names, checked key by key, with errors that a person can act on."""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edge6g_env import costs, radio
from edge6g_env.kernel.world import FAULT_KINDS
from edge6g_env.radio.environments import NAMES as ENVIRONMENT_NAMES

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0.0, le=1e6)]
NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


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
    report_period_s: Positive

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
    spacing_m: Positive
    devices: Annotated[list[str], Field(min_length=1)]
    neighbours: Annotated[int, Field(ge=0, le=8)]


class Radio(_Table):
    """Cells: environment and band (edge6g_env.radio), link adaptation, channel knowledge, handover."""

    environment: str
    preset: str
    margin_db: NotNegative
    fading_period_s: Positive
    csi_error_db: NotNegative
    configured_grant: bool
    candidate_cells: Annotated[int, Field(ge=1, le=16)]
    handover_hysteresis_db: NotNegative
    handover_interruption_s: NotNegative


class Ues(_Table):
    """UEs, their device and how they move."""

    per_node: Annotated[int, Field(ge=1, le=256)]
    device: str
    tx_power_w: NotNegative
    speed_min_m_s: Positive
    speed_max_m_s: Positive
    pause_s: NotNegative
    hotspots: Annotated[int, Field(ge=0, le=64)]
    hotspot_share: Share
    hotspot_radius_m: NotNegative

    @model_validator(mode="after")
    def _speeds_in_order(self) -> Ues:
        if self.speed_max_m_s < self.speed_min_m_s:
            raise ValueError("speed_max_m_s must be at least speed_min_m_s")
        return self


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
        return self


class Service(_Table):
    """A service: model, privacy class, objectives, and the trace that its lengths come from."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    model: str
    privacy: Literal["open", "site", "device"]
    share: Annotated[float, Field(gt=0.0, le=1.0)]
    trace: str
    ttft_slo_s: Annotated[float, Field(gt=0.0, le=600.0)]
    tpot_slo_s: Annotated[float, Field(gt=0.0, le=60.0)]
    expire_s: Positive
    exposure_cost: NotNegative


class Arrivals(_Table):
    """How jobs arrive: a Poisson process, or the traces replayed at a wanted rate."""

    kind: Literal["poisson", "trace"]
    rate_jobs_s: Positive


class Actions(_Table):
    """The grids of the action table."""

    device_split: Annotated[list[Share], Field(min_length=1)]
    edge_split: Annotated[list[Annotated[float, Field(ge=0.0, lt=1.0)]], Field(min_length=1)]
    precision: Annotated[list[Literal["fp16", "fp8", "int8", "int8-wo", "int4"]], Field(min_length=1)]
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
    ues: Ues
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
    def models(self) -> list[str]:
        """Models of the services, each once, in order."""
        return list(dict.fromkeys(service.model for service in self.service))

    @property
    def fingerprint(self) -> str:
        """Hash of everything in the scenario: a checkpoint says by it which scenario it was trained on."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @model_validator(mode="after")
    def _names_exist(self) -> Scenario:
        _known("nodes.devices", self.nodes.devices, costs.devices())
        _known("ues.device", [self.ues.device], costs.devices())
        _known("cloud.device", [self.cloud.device], costs.devices())
        _known("service.model", self.models, costs.models())
        _known("service.trace", [service.trace for service in self.service], traces())
        _known("radio.preset", [self.radio.preset], radio.presets())
        _known("radio.environment", [self.radio.environment], list(ENVIRONMENT_NAMES))
        for device in self.nodes.devices:
            costs.accelerator_price_usd_per_s(device)
        for model in self.models:
            costs.token_price_usd(model)
        radio.environment(self.radio.environment, radio.preset(self.radio.preset).carrier_ghz)
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


def _known(key: str, values: Sequence[str], names: Sequence[str]) -> None:
    for value in values:
        if value not in names:
            close = difflib.get_close_matches(value, names, n=1)
            hint = f"; did you mean {close[0]}?" if close else f"; there are {', '.join(names)}"
            raise ValueError(f"{key}: no {value!r}{hint}")


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
    (`**{"time.slot_s": 0.01}`). Raises ScenarioError that names the file, the key and what would be right.
    """
    if isinstance(scenario, Scenario):
        data, where = scenario.model_dump(mode="json"), scenario.name
    else:
        data, where = _read(scenario)
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
        else:
            text = problem["msg"].removeprefix("Value error, ")
            value = problem["input"]
            shown = f" = {value!r}" if isinstance(value, str | int | float | bool) else ""
            lines.append(f"{prefix}{shown}: {text}")
    return lines


def _key(loc: tuple[Any, ...]) -> str:
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _close_key(loc: tuple[Any, ...]) -> str:
    """A hint for a misspelt key, from the table that it stands in."""
    table: Any = Scenario
    for part in loc[:-1]:
        if isinstance(part, str):
            annotation = table.model_fields[part].annotation
            table = annotation if isinstance(annotation, type) else annotation.__args__[0]
    names = list(table.model_fields)
    close = difflib.get_close_matches(str(loc[-1]), names, n=1)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(names)}"
