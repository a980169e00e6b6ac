"""The table [radio] of a scenario: cells and their bands, weather, people, channel knowledge, handover."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from edge6g_env import radio
from edge6g_env.errors import UserError
from edge6g_env.radio.environments import NAMES as ENVIRONMENT_NAMES
from edge6g_env.scenario_tables import Decibel, NotNegative, Period, Positive, Table, check_known

_RMA_MAX_GHZ = 30.0  # TR 38.901 7.4.1


class FixedRadio(Table):
    """Rates and latencies in place of those of the radio: no fading, no block errors, no phases that are drawn.
    Acts: kernel/rates.py
    """

    uplink_bit_s: Positive
    """Rate of a cell's uploads together."""
    downlink_bit_s: Positive
    """Rate of its downloads together."""
    uplink_access_s: NotNegative
    """Latency of every message up, of the first one and of each of a stream.
    Acts: build/radio.py"""
    downlink_access_s: NotNegative
    """Latency of every message down.
    Acts: build/radio.py"""


class Radio(Table):
    """Cells: environment and bands (docs/radio.md), weather, people, other traffic, channel knowledge, handover."""

    environment: str = "UMi-StreetCanyon"
    """Where the site is: one of those of TR 38.901, which decides path loss, sight and shadowing.
    Default: small cells among streets; judgement
    Acts: build/radio.py"""
    presets: Annotated[list[str], Field(min_length=1)] = Field(default=["fr1_3g5_micro"])
    """Bands (`edge6g list bands`), given out to the nodes in turn along each row, each row one later.
    Default: 3.5 GHz, the commonest band of 5G; judgement
    Acts: build/radio.py"""
    cell_offset_db: list[Annotated[float, Field(ge=-40.0, le=40.0)]] | None = None
    """Added to the power of each preset where cells are compared (Ofn).
    Default: 0 each, as in TS 38.331
    Acts: build/radio.py"""
    margin_db: Decibel = 2.0
    """Taken off every SINR for what an implementation loses.
    Default: link_margin_implementation of radio/data/facts.csv
    Acts: kernel/rates.py"""
    link_step_m: Annotated[float, Field(ge=0.1, le=5.0)] = 1.0
    """Links are renewed each time that their UE has walked this far.
    Default: a tenth of the shortest correlation distance; judgement
    Acts: kernel/channel.py"""
    fading_period_s: Period = 0.02
    """Time grid of fast fading and interference.
    Default: a slot of 20 ms; judgement
    Acts: kernel/fading.py"""
    beam_tracking_s: Period = radio.BEAM_TRACKING_PERIOD_S
    """Period in which beams are pointed anew.
    Default: beam_tracking_period of radio/antennas/beams.py
    Acts: kernel/channel.py"""
    rain_mm_per_h: Annotated[float, Field(ge=0.0, le=200.0)] = 0.0
    """Rain, by ITU-R P.838.
    Default: dry
    Acts: build/radio.py"""
    blockers_per_m2: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    """People that walk through links (docs/radio.md).
    Default: none
    Acts: kernel/channel.py"""
    background_load: Annotated[float, Field(ge=0.0, le=0.95)] = 0.0
    """Share of a cell that other traffic uses.
    Default: none
    Acts: kernel/rates.py"""
    csi_error_db: Decibel = 2.0
    """Standard deviation of what agents are told of a channel.
    Default: judgement
    Acts: kernel/rates.py"""
    csi_period_s: Period = 0.2
    """Period in which they are told, so its greatest age.
    Default: that of the reports between nodes; judgement
    Acts: kernel/rates.py"""
    configured_grant: bool = True
    """Whether the messages of a decode stream have grants in advance, or ask for each.
    Default: as for any periodic traffic of 5G (TS 38.321); judgement
    Acts: scenario_radio.py"""
    candidate_cells: Annotated[int, Field(ge=1, le=16)] = 4
    """Cells that a UE measures.
    Default: its own and the nearest around it; judgement
    Acts: build/arrays.py"""
    measurement_period_s: Period = 0.1
    """Period of a UE's measurements of power.
    Default: TS 38.133 9.2.5, five SSB periods of 20 ms
    Acts: kernel/handover.py"""
    filter_coefficient: Annotated[int, Field(ge=0, le=19)] = 4
    """k of the layer 3 filter over them: a new one weighs 2^(-k / 4).
    Default: TS 38.331
    Acts: build/radio.py"""
    time_to_trigger_s: NotNegative = 0.16
    """How long another cell must be stronger before a handover.
    Default: a common value of TS 38.331; judgement
    Acts: kernel/handover.py"""
    handover_hysteresis_db: Decibel = 3.0
    """By how much it must be.
    Default: a common A3 offset; judgement
    Acts: kernel/handover.py"""
    handover_interruption_s: NotNegative = 0.05
    """No data goes either way for so long after a handover.
    Default: tens of ms for a hard handover; judgement
    Acts: kernel/handover.py"""
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
