"""The table [ues] of a scenario: how many, with which devices, and how they move."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from edge6g_env.errors import MissingKeyError, UserError
from edge6g_env.scenario_kinds import OneOf
from edge6g_env.scenario_tables import ALONE, NotNegative, Share, Table, in_a_list, left_out

Speed = Annotated[float, Field(gt=0.0, le=1000.0)]
UesOfNode = Annotated[int, Field(ge=0, le=256)]
TxPower = Annotated[float, Field(ge=0.0, le=100.0)]


class Ues(Table):
    """UEs and their devices; each model of mobility adds the keys that it needs.
    Acts: kernel/mobility.py
    """

    replaces: ClassVar[dict[str, tuple[str, ...]]] = {"device": ("devices",), "devices": ("device",)}
    """What an override of a key leaves behind."""

    per_node: Annotated[list[UesOfNode], Field(min_length=1), in_a_list(UesOfNode), ALONE]
    """A number, of UEs that are anywhere in the area; or one a node, of UEs that stay where that node is the nearest.
    Acts: kernel/mobility.py"""
    device: str | None = None
    """Device of each UE (`edge6g list devices`, or an own one).
    Default: none: UEs have a device, or devices
    Acts: kernel/places/device.py"""
    devices: Annotated[list[str], Field(min_length=1)] | None = left_out()
    """In place of one device: UE u has the device u modulo their number, UEs of a node counting on from those of the one before.
    Default: none
    Acts: kernel/places/device.py"""
    tx_power_w: Annotated[list[TxPower], Field(min_length=1), in_a_list(TxPower), ALONE] = Field(default=[1.0])
    """What a UE draws while it sends: a number, or one a device.
    Default: 23 dBm at 25 % efficiency and 0.2 W of circuits; judgement
    Acts: kernel/places/air.py"""
    indoor_share: Share = 0.0
    """Share of the UEs that are inside buildings.
    Default: none is
    Acts: kernel/channel.py"""
    building: Literal["low", "high"] = "low"
    """Their outer walls: low or high penetration loss (TR 38.901 7.4.3).
    Default: standard glass and concrete; judgement
    Acts: build/radio.py"""
    mobility: str
    """How they move."""

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
    """Slowest walk; of Gauss-Markov the slowest mean."""
    speed_max_m_s: Speed
    """Fastest walk; of Gauss-Markov the fastest mean."""

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
    hotspots: Annotated[int, Field(ge=0, le=64)] = 0
    """Places where people gather, drawn anew for each episode.
    Default: none"""
    hotspot_share: Share = 0.0
    """Share of the waypoints, or of the places of those that stand still, that lie in a hotspot.
    Default: none: hotspots need it"""
    hotspot_radius_m: NotNegative = 0.0
    """Radius of a hotspot.
    Default: none: hotspots need it"""

    @model_validator(mode="after")
    def _has_what_hotspots_need(self) -> _PlacedUes:
        missing = [key for key in ("hotspot_share", "hotspot_radius_m") if key not in self.model_fields_set]
        if self.hotspots > 0 and missing:
            raise MissingKeyError(missing[0])
        return self

    def _hotspots(self, of: str) -> str:
        return f"{self.hotspots} hotspots take {self.hotspot_share:.0%} of the {of}" if self.hotspots else "no hotspots"


class WaypointUes(_WalkingUes, _PlacedUes):
    """Random waypoints, a speed for each leg, a pause of exponential length at each waypoint."""

    mobility: Literal["waypoint"]
    pause_s: NotNegative
    """Mean pause at a waypoint."""

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
        return f"walking {self._speeds}, {self._hotspots('waypoints')}"


class GaussMarkovUes(_WalkingUes):
    """Mean speed and mean direction are a UE's own; its velocity strays from that mean and remembers."""

    mobility: Literal["gauss-markov"]
    velocity_memory: Share
    """Correlation of a velocity with the one a period before."""
    velocity_period_s: Annotated[float, Field(ge=0.01, le=1e6)]
    """How long a velocity is kept."""
    velocity_std_m_s: Annotated[float, Field(ge=0.0, le=1000.0)]
    """Standard deviation of each component of the velocity."""

    @property
    def movement(self) -> str:
        """How they move, in words."""
        memory = f"correlated by {self.velocity_memory:g} over {self.velocity_period_s:g} s"
        return f"Gauss-Markov, mean {self._speeds}, velocity +- {self.velocity_std_m_s:g} m/s {memory}"


class StreetGridUes(_WalkingUes):
    """Streets in two directions, a speed for each block, a turn at random at each crossing."""

    mobility: Literal["street-grid"]
    street_spacing_m: Annotated[float, Field(ge=1.0, allow_inf_nan=False)]
    """From street to street."""

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
        return f"standing still, {self._hotspots('places')}"


AnyUes = Annotated[WaypointUes | GaussMarkovUes | StreetGridUes | StationaryUes, OneOf("mobility")]
