"""The tables of a scenario: keys, units, ranges and defaults of each, and what it can check on its own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from edge6g_env import costs, radio
from edge6g_env.device_split import AnyDeviceSplit, check_shares
from edge6g_env.errors import MissingKeyError, UserError, did_you_mean
from edge6g_env.kernel.codes import FAULT_KINDS
from edge6g_env.radio.environments import NAMES as ENVIRONMENT_NAMES
from edge6g_env.scenario_kinds import OneOf

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0.0, le=1e6)]
NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Period = Annotated[float, Field(ge=1e-3, le=1e9)]
Decibel = Annotated[float, Field(ge=0.0, le=1000.0)]
Speed = Annotated[float, Field(gt=0.0, le=1000.0)]
UesOfNode = Annotated[int, Field(ge=0, le=256)]
TxPower = Annotated[float, Field(ge=0.0, le=100.0)]
Precision = Literal["fp32", "bf16", "fp16", "fp8", "int8", "int8-wo", "int4"]

_SHORTEST_FAULT_S = 0.05  # the longest slot: parts that change faster would split every substep
_RMA_MAX_GHZ = 30.0  # TR 38.901 7.4.1


def check_known(key: str, values: Sequence[str], names: Sequence[str]) -> None:
    """Raise UserError that names `key` and the nearest name, unless every value is one of `names`."""
    for value in values:
        if value not in names:
            hint = did_you_mean(value, names) or f"there are {', '.join(names)}"
            raise UserError(f"{key}: no {value!r}; {hint}")


def in_a_list(one: Any) -> Any:
    """Annotation of a list in whose place one of its members may stand, which means the same for all; one: what it may be."""
    return BeforeValidator(_in_a_list, json_schema_input_type=one | list[one])


def _in_a_list(value: object) -> object:
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else value


ALONE = PlainSerializer(lambda values: values[0] if len(values) == 1 else values)
"""Writes a list of one as its member."""


def left_out() -> Any:
    """Default of a key that stands nowhere where it has no value, in no fingerprint either: None."""
    return Field(default=None, exclude_if=lambda value: value is None)


class Table(BaseModel):
    """A table of a scenario: unknown keys and values of another kind are refused, nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    elsewhere: ClassVar[dict[str, str]] = {}
    """Of a kind of table: what to write in place of a key that another kind has."""

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        """Without keys that stand nowhere."""
        fields = type(self).model_fields
        return [
            (key, value)
            for key, value in super().__repr_args__()
            if value is not None or not fields[str(key)].exclude_if
        ]


class Time(Table):
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
            raise UserError("episode_s must be a whole number of slot_s")
        if self.warmup_s + self.drain_s >= self.episode_s:
            raise UserError("warmup_s + drain_s must be less than episode_s")
        return self


class FixedRadio(Table):
    """Rates and latencies in place of those of the radio: no fading, no block errors, no phases that are drawn."""

    uplink_bit_s: Positive
    """Rate of a cell's uploads together."""
    downlink_bit_s: Positive
    """Rate of its downloads together."""
    uplink_access_s: NotNegative
    downlink_access_s: NotNegative
    """Latency of every message, of the first one and of each of a stream."""


class Radio(Table):
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
    fixed: FixedRadio | None = None
    """What messages get in place of what the cells would give; the channel goes on for handovers and for what agents see of it."""

    def access_s(self, band: radio.RadioPreset) -> tuple[float, float, float]:
        """Mean access latencies in a band: of a first uplink message, of a following one of a stream, of a downlink message."""
        if self.fixed:
            return self.fixed.uplink_access_s, self.fixed.uplink_access_s, self.fixed.downlink_access_s
        grant_s = band.uplink_grant_latency_s
        stream_s = band.uplink_configured_latency_s if self.configured_grant else grant_s
        return grant_s, stream_s, band.downlink_latency_s

    @model_validator(mode="after")
    def _bands_exist(self) -> Radio:
        check_known("presets", self.presets, radio.presets())
        check_known("environment", [self.environment], list(ENVIRONMENT_NAMES))
        if self.cell_offset_db is not None and len(self.cell_offset_db) != len(self.presets):
            raise UserError(f"cell_offset_db must have one value a preset, {len(self.presets)}")
        for name in self.presets:
            carrier_ghz = radio.preset(name).carrier_ghz
            radio.environment(self.environment, carrier_ghz)
            if self.environment == "RMa" and carrier_ghz > _RMA_MAX_GHZ:
                raise UserError(f"presets: {name} has {carrier_ghz:g} GHz, RMa is valid up to {_RMA_MAX_GHZ:g} GHz")
        return self


class Ues(Table):
    """UEs and their devices; each model of mobility adds the keys that it needs (edge6g_env.kernel.mobility)."""

    replaces: ClassVar[dict[str, tuple[str, ...]]] = {"device": ("devices",), "devices": ("device",)}
    """What an override of a key leaves behind."""

    per_node: Annotated[list[UesOfNode], Field(min_length=1), in_a_list(UesOfNode), ALONE]
    """A number, of UEs that are anywhere in the area; or one a node, of UEs that stay where that node is the nearest."""
    device: str | None = None
    devices: Annotated[list[str], Field(min_length=1)] | None = left_out()
    """In place of one device: UE u has the device u modulo their number, UEs of a node counting on from those of the one before."""
    tx_power_w: Annotated[list[TxPower], Field(min_length=1), in_a_list(TxPower), ALONE]
    """What a UE draws while it sends: a number, or one a device."""
    indoor_share: Share = 0.0
    building: Literal["low", "high"] = "low"
    """Outer walls: low or high penetration loss (TR 38.901 7.4.3)."""

    @property
    def in_turn(self) -> list[str]:
        """Its devices, as they are given out."""
        return self.devices or [str(self.device)]

    @property
    def devices_in_words(self) -> str:
        """Its devices, in words."""
        return ", ".join(self.in_turn) + (" in turn" if len(self.in_turn) > 1 else "")

    @property
    def differ(self) -> bool:
        """Whether UEs have different devices."""
        return len(set(self.in_turn)) > 1

    def device_of(self, u: int) -> str:
        """Device of UE u."""
        return self.in_turn[u % len(self.in_turn)]

    def tx_power_of_w(self, u: int) -> float:
        """What UE u draws while it sends."""
        return self.tx_power_w[u % len(self.in_turn) % len(self.tx_power_w)]

    @property
    def mean_speed_m_s(self) -> float:
        """Mean speed while moving."""
        return 0.0

    @model_validator(mode="after")
    def _has_devices(self) -> Ues:
        if self.device is None and self.devices is None:
            raise MissingKeyError("device")
        if self.device is not None and self.devices is not None:
            raise UserError("device and devices name the same: leave one of them away")
        if len(self.tx_power_w) not in (1, len(self.in_turn)):
            raise UserError(f"tx_power_w must be one number, or one a device, {len(self.in_turn)}")
        return self

    @model_validator(mode="after")
    def _are_somewhere(self) -> Ues:
        if sum(self.per_node) == 0:
            raise UserError("per_node must be at least 1, or a list with a node that has UEs")
        if len(self.per_node) > 1 and not isinstance(self, _PlacedUes):
            raise UserError(
                "per_node is a list, of UEs that stay near their node, and this model of mobility lets them walk away: give one number, or "
                "let mobility be 'waypoint' or 'stationary'"
            )
        return self


class _WalkingUes(Ues):
    speed_min_m_s: Speed
    speed_max_m_s: Speed

    @model_validator(mode="after")
    def _speeds_in_order(self) -> _WalkingUes:
        if self.speed_max_m_s < self.speed_min_m_s:
            raise UserError("speed_max_m_s must be at least speed_min_m_s")
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
            raise UserError(
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


AnyUes = Annotated[WaypointUes | GaussMarkovUes | StreetGridUes | StationaryUes, OneOf("mobility")]


class Link(Table):
    """A wired link: rate, median one-way delay, and the sigma of the log of a message's delay."""

    rate_bit_s: Positive
    delay_s: NotNegative
    delay_jitter: Annotated[float, Field(ge=0.0, le=2.0)]


class Cloud(Table):
    """The cloud: its accelerator, and how many requests it serves at a time."""

    device: str
    concurrency: Annotated[int, Field(ge=1, le=100_000)]
    batch: Annotated[float, Field(ge=1.0, le=1024.0)]


class Serving(Table):
    """The engine of a node."""

    token_budget: Annotated[int, Field(ge=64, le=32_768)]
    max_batch: Annotated[int, Field(ge=1, le=1024)]
    load_overhead_s: NotNegative
    ran_share: Annotated[float, Field(ge=0.0, le=0.9)] = 0.0
    """Share of a node's accelerator that its radio takes at full load of its cell, in proportion to the load and before all else (AI-RAN):
    0 where the radio has hardware of its own."""
    queue_jobs: Annotated[int, Field(ge=1, le=1024)] = 64
    """Most jobs that wait at a node for a decision, and most that wait there for memory or prefill: one more is rejected, or waits where
    it is. Judgement: more than arrive at a node within the objectives of a chat, so that what is turned away was lost already."""
    train_share: Annotated[float, Field(ge=0.0, le=0.9)] = 0.3
    """Of an accelerator that decodes, for fine-tuning; without decodes it has all of it, whatever prompts leave. Judgement: decodes take
    1.4 times as long."""
    preload: list[str] = []
    """Models that are resident at the default precision when an episode starts, in order, while half of the memory stays."""


class Prediction(Table):
    """Bounds of what candidates predict, all judgement; it may be left out, as may each key."""

    max_wait_s: Positive = 60.0
    """Waits are not told apart beyond this."""
    blocked_wait_s: NotNegative = 5.0
    """Expected where memory is short and no sequence is there to release it."""
    max_prefill_share: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.8
    """The slowdown of decodes by prompts is not told apart beyond this share of the time."""
    min_rate_bit_s: Positive = 1e4
    """A channel in outage is taken to be this slow."""


class Outage(Table):
    """A planned outage: the servers or backhauls of `nodes`, the Xn links among `nodes`, or the cloud."""

    kind: Literal["node", "xn", "backhaul", "cloud"]
    nodes: list[Annotated[int, Field(ge=0)]] = []
    start_s: NotNegative
    end_s: Positive

    @model_validator(mode="after")
    def _means_something(self) -> Outage:
        if self.end_s <= self.start_s:
            raise UserError("end_s must be more than start_s")
        fewest = {"node": 1, "xn": 2, "backhaul": 1, "cloud": 0}[self.kind]
        if len(set(self.nodes)) < max(fewest, len(self.nodes)) or (self.kind == "cloud" and self.nodes):
            wanted = f"at least {fewest} different nodes" if fewest else "no nodes"
            raise UserError(f"an outage of kind {self.kind} takes {wanted}")
        return self


class Faults(Table):
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
                raise UserError(f"{kind}_mtbf_s and {kind}_mttr_s go together: both above 0, or neither")
            if 0.0 < min(mtbf_s, mttr_s) < _SHORTEST_FAULT_S:
                raise UserError(f"{kind}_mtbf_s and {kind}_mttr_s must be 0 or at least {_SHORTEST_FAULT_S:g} s")
        return self


class Privacy(Table):
    """Who tries to rebuild prompts from what is sent (docs/exposure.md); it may be left out."""

    attacker: Literal["strong", "learned"] = "strong"


class Actions(Table):
    """The grids of the action table."""

    device_split: Annotated[list[AnyDeviceSplit], Field(min_length=1)]
    """Shares of the layers on the device, and at the end perhaps "draft": none, but the service's draft model."""
    edge_split: Annotated[list[Annotated[float, Field(ge=0.0, lt=1.0)]], Field(min_length=1)]
    precision: Annotated[list[Precision], Field(min_length=1)]
    default_precision: str

    @model_validator(mode="after")
    def _grids_in_order(self) -> Actions:
        for name in ("device_split", "edge_split"):
            check_shares(name, getattr(self, name))
        if len(set(self.precision)) < len(self.precision):
            raise UserError("precision names a precision twice")
        if self.default_precision not in self.precision:
            raise UserError(f"default_precision must be one of {', '.join(self.precision)}")
        return self


class Reward(Table):
    """Weights of the reward: what a dollar, a joule and a lost job cost beside an answer of quality 1, worth 1."""

    price_per_usd: Weight
    energy_per_j: Weight
    rejected_cost: Weight
    expired_cost: Weight
    failed_cost: Weight
    reward_mix: Share


class Prices(Table):
    """What a GB costs over each network, in USD; it may be left out, as may each key: then it is that of prices.csv, whose air is the whole
    mobile network. What a plant or a hospital has of its own costs it something else."""

    air_usd_per_gb: NotNegative = Field(default_factory=partial(costs.network_price_usd_per_gb, "air"))
    backhaul_usd_per_gb: NotNegative = Field(default_factory=partial(costs.network_price_usd_per_gb, "backhaul"))
    egress_usd_per_gb: NotNegative = Field(default_factory=partial(costs.network_price_usd_per_gb, "cloud_egress"))
    """Of what leaves the cloud, beside the backhaul's price."""
