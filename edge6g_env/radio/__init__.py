"""The radio channel: path loss, line of sight, atmosphere, walls, blockage, fading, beams, link adaptation, access, presets.

Compiled functions take one link, trust their arguments and run inside the kernel; the others take numbers or arrays
that broadcast, and check them. Formulas, sources and assumptions: docs/radio.md.
"""

from edge6g_env.radio._numeric import db_of, linear_of, normal_cdf
from edge6g_env.radio.access import access_wait_s
from edge6g_env.radio.antennas.beams import (
    BEAM_TRACKING_PERIOD_S,
    alignment_probability,
    beamwidth_deg,
    pointing_loss_db,
    stray_gain_db,
)
from edge6g_env.radio.antennas.presets import RadioPreset, preset, presets
from edge6g_env.radio.atmosphere import gas_attenuation_db_per_km, rain_attenuation_db_per_km
from edge6g_env.radio.blockage import (
    BLOCKAGE_RAMP_S,
    BLOCKED_UE_HEIGHT_M,
    BLOCKERS_PER_M2,
    blockage_loss_db,
    blockage_ramp_step,
    blockage_rates_of,
    blockage_step,
    blocked_share,
)
from edge6g_env.radio.environments import (
    INF_DH,
    INF_DL,
    INF_HH,
    INF_SH,
    INF_SL,
    INH_MIXED,
    INH_OPEN,
    RMA,
    UMA,
    UMI,
    Environment,
    environment,
    environment_id,
)
from edge6g_env.radio.fading import (
    coherence_bandwidth_hz,
    doppler_hz,
    effective_sinr_db,
    effective_sinr_of,
    fading_step,
    median_delay_spread_s,
    ray_amplitude,
    tap_correlation,
    tap_count,
    tap_power,
)
from edge6g_env.radio.large_scale import gauss_markov_step, shadow_std_db_of
from edge6g_env.radio.link import (
    block_error_rate_of,
    layers_of,
    mcs_arrays,
    mcs_index_of,
    mcs_slopes_per_db,
    noise_dbm,
    spectral_efficiency,
    spectral_efficiency_of,
    uplink_power_dbm,
    with_evm_floor_db,
)
from edge6g_env.radio.los import los_probability, los_probability_of, max_distance_m
from edge6g_env.radio.path_loss import basic_path_loss_db, breakpoint_m, path_loss_db
from edge6g_env.radio.penetration import INDOOR_LOSS_DB_PER_M, MAX_INDOOR_M, wall_loss_db, wall_std_db
from edge6g_env.radio.ue_trace import trace

__all__ = [
    "BEAM_TRACKING_PERIOD_S",
    "BLOCKAGE_RAMP_S",
    "BLOCKED_UE_HEIGHT_M",
    "BLOCKERS_PER_M2",
    "INDOOR_LOSS_DB_PER_M",
    "INF_DH",
    "INF_DL",
    "INF_HH",
    "INF_SH",
    "INF_SL",
    "INH_MIXED",
    "INH_OPEN",
    "MAX_INDOOR_M",
    "RMA",
    "UMA",
    "UMI",
    "Environment",
    "RadioPreset",
    "access_wait_s",
    "alignment_probability",
    "basic_path_loss_db",
    "beamwidth_deg",
    "block_error_rate_of",
    "blockage_loss_db",
    "blockage_ramp_step",
    "blockage_rates_of",
    "blockage_step",
    "blocked_share",
    "breakpoint_m",
    "coherence_bandwidth_hz",
    "db_of",
    "doppler_hz",
    "effective_sinr_db",
    "effective_sinr_of",
    "environment",
    "environment_id",
    "fading_step",
    "gas_attenuation_db_per_km",
    "gauss_markov_step",
    "layers_of",
    "linear_of",
    "los_probability",
    "los_probability_of",
    "max_distance_m",
    "mcs_arrays",
    "mcs_index_of",
    "mcs_slopes_per_db",
    "median_delay_spread_s",
    "noise_dbm",
    "normal_cdf",
    "path_loss_db",
    "pointing_loss_db",
    "preset",
    "presets",
    "rain_attenuation_db_per_km",
    "ray_amplitude",
    "shadow_std_db_of",
    "spectral_efficiency",
    "spectral_efficiency_of",
    "stray_gain_db",
    "tap_correlation",
    "tap_count",
    "tap_power",
    "trace",
    "uplink_power_dbm",
    "wall_loss_db",
    "wall_std_db",
    "with_evm_floor_db",
]
