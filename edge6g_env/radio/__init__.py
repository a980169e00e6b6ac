"""The radio channel: path loss, line of sight, atmosphere, fading, link adaptation and band presets.

Compiled functions take one link, trust their arguments and run inside the kernel; the others take numbers or arrays
that broadcast, and check them. Formulas, sources and assumptions: docs/radio.md.
"""

from edge6g_env.radio._numeric import normal_cdf
from edge6g_env.radio.antennas.presets import RadioPreset, preset, presets
from edge6g_env.radio.atmosphere import gas_attenuation_db_per_km, rain_attenuation_db_per_km
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
    fading_step,
    median_delay_spread_s,
    tap_correlation,
    tap_count,
)
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
from edge6g_env.radio.los import los_probability, los_probability_of
from edge6g_env.radio.path_loss import basic_path_loss_db, breakpoint_m, path_loss_db

__all__ = [
    "INF_DH",
    "INF_DL",
    "INF_HH",
    "INF_SH",
    "INF_SL",
    "INH_MIXED",
    "INH_OPEN",
    "RMA",
    "UMA",
    "UMI",
    "Environment",
    "RadioPreset",
    "basic_path_loss_db",
    "block_error_rate_of",
    "breakpoint_m",
    "coherence_bandwidth_hz",
    "doppler_hz",
    "effective_sinr_db",
    "environment",
    "environment_id",
    "fading_step",
    "gas_attenuation_db_per_km",
    "layers_of",
    "los_probability",
    "los_probability_of",
    "mcs_arrays",
    "mcs_index_of",
    "mcs_slopes_per_db",
    "median_delay_spread_s",
    "noise_dbm",
    "normal_cdf",
    "path_loss_db",
    "preset",
    "presets",
    "rain_attenuation_db_per_km",
    "spectral_efficiency",
    "spectral_efficiency_of",
    "tap_correlation",
    "tap_count",
    "uplink_power_dbm",
    "with_evm_floor_db",
]
