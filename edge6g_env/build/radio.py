"""The radio of a scenario: what all cells share, and the link budget, losses and timing of each band."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edge6g_env import radio
from edge6g_env.build._records import from_rows, from_table
from edge6g_env.kernel.fields import DTYPES
from edge6g_env.scenario import Scenario


def radio_table(scenario: Scenario) -> np.recarray:
    """[radio], and the constants of its environment."""
    options = scenario.radio
    env, fixed = radio.environment(options.environment, radio.preset(options.presets[0]).carrier_ghz), options.fixed
    return from_table(
        DTYPES["radio"],
        options,
        environment=env.id,
        h_bs_m=env.h_bs_m,
        h_ue_m=env.h_ut_m,
        shadow_keep_los=math.exp(-options.link_step_m / env.shadow_corr_los_m),
        shadow_keep_nlos=math.exp(-options.link_step_m / env.shadow_corr_nlos_m),
        los_keep=math.exp(-options.link_step_m / env.los_corr_m),
        k_mean_db=env.k_mean_db,
        k_std_db=env.k_std_db,
        k_keep=math.exp(-options.link_step_m / env.k_corr_m),
        filter_share=0.5 ** (options.filter_coefficient / 4.0),  # TS 38.331 5.5.3.2
        # Jain's people are 1.8 m tall: none reaches a link to a UE above them (InF-HH).
        blockers_per_m2=options.blockers_per_m2 if env.h_ut_m < 1.8 else 0.0,
        fixed=fixed is not None,
        fixed_uplink_bit_s=fixed.uplink_bit_s if fixed else 0.0,
        fixed_downlink_bit_s=fixed.downlink_bit_s if fixed else 0.0,
    )


def mcs() -> np.ndarray:
    """float64 (3, mcs): threshold dB, efficiency bit/s/Hz, probit slope of the block errors 1/dB."""
    return np.stack([*radio.mcs_arrays(), radio.mcs_slopes_per_db()])


def bands(scenario: Scenario) -> np.recarray:
    """BAND (Z,)"""
    offsets = scenario.radio.cell_offset_db or [0.0] * len(scenario.radio.presets)
    presets = [radio.preset(name) for name in scenario.radio.presets]
    return from_rows(DTYPES["band"], [_band(scenario, preset, db) for preset, db in zip(presets, offsets, strict=True)])


def _band(scenario: Scenario, preset: radio.RadioPreset, offset_db: float) -> dict[str, Any]:
    """A band's link budget, losses and timing."""
    options, ues, carrier_ghz = scenario.radio, scenario.ues, preset.carrier_ghz
    env = radio.environment(options.environment, carrier_ghz)
    rain_db_per_km = radio.rain_attenuation_db_per_km(carrier_ghz, options.rain_mm_per_h, "h")
    doppler_hz = radio.doppler_hz(ues.mean_speed_m_s, carrier_ghz)
    coherence_hz = preset.coherence_bandwidth_hz(env.name, False)
    blocked_db = [radio.blockage_loss_db(carrier_ghz, los) for los in (True, False)]
    same = (
        "carrier_ghz",
        "bandwidth_hz",
        "ptx_bs_dbm",
        "ptx_ue_dbm",
        "p0_dbm",
        "path_loss_share",
        "max_layers",
    )
    timing = ("tdd_period_s", "downlink_slots", "uplink_slots", "sr_period_s", "processing_s", "harq_rtt_s")
    access_s = options.access_s(preset)
    return {
        **{name: getattr(preset, name) for name in (*same, *timing)},
        "gain_db": preset.gain_bs_dbi + preset.gain_ue_dbi - preset.misalignment_db,
        "beamwidth_deg": radio.beamwidth_deg(preset.gain_bs_dbi),
        "ue_beamwidth_deg": radio.beamwidth_deg(preset.gain_ue_dbi),
        "alignment": radio.alignment_probability(preset.gain_bs_dbi),
        "stray_db": radio.stray_gain_db(preset.gain_bs_dbi),
        "offset_db": offset_db,
        "noise_bs_mw_hz": 10.0 ** (radio.noise_dbm(1.0, preset.noise_figure_bs_db) / 10.0),
        "noise_ue_mw_hz": 10.0 ** (radio.noise_dbm(1.0, preset.noise_figure_ue_db) / 10.0),
        "evm_floor": 10.0 ** (-preset.evm_db / 10.0),
        "uplink_efficiency": preset.uplink_share * (1.0 - preset.overhead_uplink),
        "downlink_efficiency": preset.downlink_share * (1.0 - preset.overhead_downlink),
        "sigma_los_db": env.sigma_los_db,
        "sigma_los_far_db": env.sigma_los_far_db,
        "breakpoint_m": radio.breakpoint_m(env.id, env.h_bs_m, env.h_ut_m, carrier_ghz),
        "sigma_nlos_db": env.sigma_nlos_db,
        "air_db_per_m": (radio.gas_attenuation_db_per_km(carrier_ghz) + rain_db_per_km) / 1e3,
        "wall_db": radio.wall_loss_db(carrier_ghz, ues.building),
        "wall_std_db": radio.wall_std_db(carrier_ghz, ues.building),
        "blocked_los_db": blocked_db[0],
        "blocked_nlos_db": blocked_db[1],
        "n_taps": radio.tap_count(preset.bandwidth_hz, coherence_hz, doppler_hz, scenario.time.slot_s),
        "radio_slot_s": preset.slot_s,
        "grant_s": preset.k2_slots * preset.slot_s,
        **dict(zip(("uplink_access_s", "uplink_stream_s", "downlink_access_s"), access_s, strict=True)),
    }
