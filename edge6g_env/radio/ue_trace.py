"""The radio of one UE over time: the functions of this package, chained as the kernel chains them.

Random numbers come from one stream a purpose, so a longer trace begins with the shorter one.
"""

from __future__ import annotations

import math
import operator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge6g_env._arrays import require_number, require_positive
from edge6g_env._jit import njit, njit_inner
from edge6g_env.radio._numeric import normal_cdf
from edge6g_env.radio.antennas.beams import BEAM_TRACKING_PERIOD_S, beamwidth_deg, pointing_loss_db
from edge6g_env.radio.antennas.presets import RadioPreset, preset, presets
from edge6g_env.radio.atmosphere import gas_attenuation_db_per_km
from edge6g_env.radio.blockage import (
    BLOCKED_UE_HEIGHT_M,
    BLOCKERS_PER_M2,
    blockage_loss_db,
    blockage_ramp_step,
    blockage_rates_of,
    blockage_step,
)
from edge6g_env.radio.environments import INF_HH, INH_MIXED, RMA, UMA, Environment, environment_id
from edge6g_env.radio.environments import environment as environment_named
from edge6g_env.radio.fading import (
    MAX_TAPS,
    coherence_bandwidth_hz,
    doppler_hz,
    effective_sinr_db,
    fading_step,
    ray_amplitude,
    tap_correlation,
    tap_count,
    tap_power,
)
from edge6g_env.radio.large_scale import gauss_markov_step, shadow_std_db_of
from edge6g_env.radio.link import noise_dbm, with_evm_floor_db
from edge6g_env.radio.los import los_probability_of
from edge6g_env.radio.path_loss import SPEED_OF_LIGHT_M_S, basic_path_loss_db, breakpoint_m
from edge6g_env.radio.waypoints import Way

Array = npt.NDArray[np.float64]

_CHUNK_ROWS = 16_384  # drawn at a time: 2.5 MB of normals
_LARGEST_SPEED_M_S = 1_000.0
_MOST_ROWS = 100_000_000  # 8 GB of columns; judgement
_NEAREST_M = 1.0  # least distance of the angle that a UE moves by


class _Link(NamedTuple):
    """What stays the same along a trace; pairs are (NLOS, LOS)."""

    env: Environment
    carrier_ghz: float
    speed_m_s: float
    breakpoint_m: float
    budget_db: float
    """SINR at a loss of 0: power, gains and misalignment over the noise of the full band."""
    evm_db: float
    gas_db_per_m: float
    blocked_h_ut_m: float
    blockage_db: tuple[float, float]
    n_taps: tuple[int, int]
    beamwidths_deg: tuple[float, float]
    """Of the base station and the UE."""


class _Rows(NamedTuple):
    """The trace: position (n, 2), the others (n,)."""

    position_m: Array
    los: npt.NDArray[np.int64]
    blocked: npt.NDArray[np.int64]
    shadow_db: Array
    fading_db: Array
    tap_re: Array
    tap_im: Array
    sinr_db: Array


class _Draws(NamedTuple):
    """Random numbers of a chunk of rows."""

    large_scale: Array
    """(n, 3) normals: line of sight, shadowing, K factor."""
    blockage: Array
    """(n,) uniform numbers."""
    taps: Array
    """(n, MAX_TAPS, 2) normals."""


class _State(NamedTuple):
    """What a chunk of rows hands to the next."""

    z: Array
    """(3,) unit normals: line of sight, shadowing, K factor."""
    blocked: npt.NDArray[np.bool_]
    """(1,)"""
    blockage_level: Array
    """(1,) share of the blockage loss."""
    taps: Array
    """(MAX_TAPS, 2)"""
    powers: Array
    """(MAX_TAPS,) scratch: power of each tap."""


@njit_inner
def _step_large_scale(link, state, rows, i, moved_m, normals):  # type: ignore[no-untyped-def]
    env, d2_m = link.env, math.hypot(rows.position_m[i, 0], rows.position_m[i, 1])
    state.z[0] = gauss_markov_step(state.z[0], moved_m, env.los_corr_m, normals[0])
    los = normal_cdf(state.z[0]) < los_probability_of(env.id, d2_m, env.h_ut_m, env.h_bs_m)
    shadow_corr_m = env.shadow_corr_los_m if los else env.shadow_corr_nlos_m
    state.z[1] = gauss_markov_step(state.z[1], moved_m, shadow_corr_m, normals[1])
    state.z[2] = gauss_markov_step(state.z[2], moved_m, env.k_corr_m, normals[2])
    sigma_db = shadow_std_db_of(los, d2_m, link.breakpoint_m, env.sigma_los_db, env.sigma_los_far_db, env.sigma_nlos_db)
    rows.los[i] = 1 if los else 0
    rows.shadow_db[i] = sigma_db * state.z[1]


@njit_inner
def _step_blockage(link, state, rows, i, dt_s, uniform):  # type: ignore[no-untyped-def]
    d2_m = math.hypot(rows.position_m[i, 0], rows.position_m[i, 1])
    to_blocked, to_clear = blockage_rates_of(d2_m, link.env.h_bs_m, link.blocked_h_ut_m, BLOCKERS_PER_M2)
    blocked = blockage_step(state.blocked[0], to_blocked, to_clear, dt_s, uniform)
    state.blocked[0] = blocked
    state.blockage_level[0] = blockage_ramp_step(state.blockage_level[0], blocked, dt_s)
    rows.blocked[i] = 1 if blocked else 0


@njit_inner
def _step_taps(link, state, rows, i, r, d3_m, ray_phase, normals):  # type: ignore[no-untyped-def]
    """Taps and their powers; the phase of the ray follows the distance, which is 2 pi fd cos(angle) dt a step, exactly."""
    ray = ray_amplitude(link.env.k_mean_db + link.env.k_std_db * state.z[2]) if rows.los[i] == 1 else 0.0
    wavelengths = d3_m * link.carrier_ghz * 1e9 / SPEED_OF_LIGHT_M_S
    phase = ray_phase - 2.0 * math.pi * (wavelengths - math.floor(wavelengths))
    for tap in range(len(state.powers)):
        re, im = fading_step(state.taps[tap, 0], state.taps[tap, 1], r, normals[tap, 0], normals[tap, 1])
        state.taps[tap, 0], state.taps[tap, 1] = re, im
        state.powers[tap] = tap_power(re, im, ray, phase)
    rows.tap_re[i], rows.tap_im[i] = state.taps[0, 0], state.taps[0, 1]
    rows.fading_db[i] = 10.0 * math.log10(max(state.powers[0], 1e-30))


@njit_inner
def _mean_sinr_db(link, state, rows, i, d2_m, d3_m):  # type: ignore[no-untyped-def]
    env, los = link.env, rows.los[i]
    loss_db = basic_path_loss_db(env.id, los == 1, d2_m, env.h_bs_m, env.h_ut_m, link.carrier_ghz)
    loss_db += rows.shadow_db[i] + link.gas_db_per_m * d3_m + state.blockage_level[0] * link.blockage_db[los]
    for width_deg in link.beamwidths_deg:
        loss_db += pointing_loss_db(link.speed_m_s, max(d3_m, _NEAREST_M), BEAM_TRACKING_PERIOD_S, width_deg)
    return link.budget_db - loss_db


@njit
def _fill(link, state, rows, draws, moved_m, dt_s, r, ray_phase):  # type: ignore[no-untyped-def]
    """Rows after steps of moved_m and dt_s each; infinite ones and r = 0 draw the stationary state."""
    for i in range(len(rows.los)):
        d2_m = math.hypot(rows.position_m[i, 0], rows.position_m[i, 1])
        d3_m = math.hypot(d2_m, link.env.h_bs_m - link.env.h_ut_m)
        _step_large_scale(link, state, rows, i, moved_m, draws.large_scale[i])
        _step_blockage(link, state, rows, i, dt_s, draws.blockage[i])
        _step_taps(link, state, rows, i, r, d3_m, ray_phase, draws.taps[i])
        powers = state.powers[: link.n_taps[rows.los[i]]]
        mean_sinr = 10.0 ** (_mean_sinr_db(link, state, rows, i, d2_m, d3_m) / 10.0)
        rows.sinr_db[i] = with_evm_floor_db(effective_sinr_db(powers, mean_sinr), link.evm_db)


def _nearest_preset(environment_id: int, carrier_ghz: float) -> RadioPreset:
    """Preset of the nearest carrier in log f; of the two at 3.5 GHz the macro cell in UMa and RMa, the micro cell elsewhere."""
    other = "_micro" if environment_id in (UMA, RMA) else "_macro"
    choices = [preset(name) for name in presets() if not name.endswith(other)]
    return min(choices, key=lambda cell: abs(math.log(carrier_ghz / cell.carrier_ghz)))


def _link(environment: str, carrier_ghz: float, speed_m_s: float, dt_s: float) -> _Link:
    env = environment_named(environment, carrier_ghz)
    cell = _nearest_preset(env.id, carrier_ghz)
    fd_hz = doppler_hz(speed_m_s, carrier_ghz)

    def taps(los: bool) -> int:
        return tap_count(cell.bandwidth_hz, coherence_bandwidth_hz(env.name, los, carrier_ghz), fd_hz, dt_s)

    noise = noise_dbm(cell.bandwidth_hz, cell.noise_figure_ue_db)
    return _Link(
        env=env,
        carrier_ghz=carrier_ghz,
        speed_m_s=speed_m_s,
        breakpoint_m=breakpoint_m(env.id, env.h_bs_m, env.h_ut_m, carrier_ghz),
        budget_db=cell.ptx_bs_dbm + cell.gain_bs_dbi + cell.gain_ue_dbi - cell.misalignment_db - noise,
        evm_db=cell.evm_db,
        gas_db_per_m=float(gas_attenuation_db_per_km(carrier_ghz)) / 1e3,
        blocked_h_ut_m=env.h_ut_m if env.id == INF_HH else BLOCKED_UE_HEIGHT_M,
        blockage_db=(blockage_loss_db(carrier_ghz, False), blockage_loss_db(carrier_ghz, True)),
        n_taps=(taps(False), taps(True)),
        beamwidths_deg=(beamwidth_deg(cell.gain_bs_dbi), beamwidth_deg(cell.gain_ue_dbi)),
    )


def _half_width_m(environment_id: int) -> float:
    if environment_id == RMA:
        return 1000.0
    return 30.0 if environment_id in range(INH_MIXED, INF_HH + 1) else 200.0


def _empty_rows(n: int) -> _Rows:
    los, blocked = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    return _Rows(np.empty((n, 2)), los, blocked, *(np.empty(n) for _ in range(5)))


def _start() -> _State:
    return _State(np.zeros(3), np.zeros(1, dtype=np.bool_), np.zeros(1), np.zeros((MAX_TAPS, 2)), np.zeros(MAX_TAPS))


def _chunks(n: int) -> list[tuple[int, int]]:
    """(first, end) of the first row on its own, which is drawn and not stepped to, and of the chunks of the others."""
    starts = [0, *range(1, n, _CHUNK_ROWS)]
    return list(zip(starts, [*starts[1:], n], strict=True))


def _run(link: _Link, n: int, dt_s: float, seed: int) -> _Rows:
    generators = [np.random.Generator(np.random.PCG64(s)) for s in np.random.SeedSequence(seed).spawn(5)]
    for_way, for_ray, for_large_scale, for_blockage, for_taps = generators
    way, ray_phase = Way(_half_width_m(link.env.id), for_way), for_ray.uniform(0.0, 2.0 * math.pi)
    rows, state, moved_m = _empty_rows(n), _start(), link.speed_m_s * dt_s
    r = tap_correlation(doppler_hz(link.speed_m_s, link.carrier_ghz), dt_s)
    for first, end in _chunks(n):
        k = end - first
        mine = _Rows._make(column[first:end] for column in rows)
        mine.position_m[:] = way.at(moved_m * np.arange(first, end, dtype=np.float64))
        draws = _Draws(
            for_large_scale.standard_normal((k, 3)),
            for_blockage.random(k),
            for_taps.standard_normal((k, MAX_TAPS, 2)),
        )
        step = (math.inf, math.inf, 0.0) if first == 0 else (moved_m, dt_s, r)
        _fill(link, state, mine, draws, *step, ray_phase)
    return rows


def trace(
    environment: str, carrier_ghz: float, speed_m_s: float, seconds: float, dt_s: float, seed: int
) -> dict[str, npt.NDArray[np.float64] | npt.NDArray[np.int64]]:
    """The radio of one UE in the cell of one node at the origin: round(seconds / dt_s) rows, the first at time 0.

    The UE moves without a pause in straight legs to random points of |x|, |y| <= 200 m (RMa 1000, InH and InF 30). No
    interference, full band of the preset of the nearest carrier (in log f; at 3.5 GHz the macro cell in UMa and RMa, else the
    micro cell), default heights, blockers of 0.01 1/m2, beams renewed every 20 ms. "InH-Office" is the mixed office.

    Returns position_m (n, 2); los, blocked (int64, 0 or 1); shadow_db (a loss); tap_re, tap_im (first scattered tap, E|g|^2 =
    1, no direct ray); fading_db (10 log|h_1|^2, with the ray); sinr_db (effective downlink SINR over all taps). One seed, one
    trace, and a longer one begins with the shorter. The chain `blocked` runs at every carrier; below 7 GHz it costs nothing.

    carrier_ghz: 0.5 to 300 (RMa 30); speed_m_s: 0 to 1000; dt_s: above 0; seconds: dt_s to 1e8 dt_s; seed: integer, 0 or more.
    Raises ValueError naming the argument and its range. Source: docs/radio.md, as for the functions chained.
    """
    top_ghz = 30.0 if environment_id(environment) == RMA else 300.0
    f_ghz = require_number("carrier_ghz", carrier_ghz, 0.5, top_ghz, "GHz", environment)
    speed = require_number("speed_m_s", speed_m_s, 0.0, _LARGEST_SPEED_M_S, "m/s")
    step_s = require_positive("dt_s", dt_s, "s")
    n = _checked_rows(require_number("seconds", seconds, step_s, math.inf, "s", "one dt_s"), step_s)
    rows = _run(_link(environment, f_ghz, speed, step_s), n, step_s, _checked_seed(seed))
    return dict(rows._asdict())


def _checked_rows(length_s: float, step_s: float) -> int:
    n = length_s / step_s
    if n > _MOST_ROWS:
        raise ValueError(f"seconds = {length_s:g} is outside 1 to {_MOST_ROWS:,} rows of dt_s = {step_s:g} s")
    return round(n)


def _checked_seed(seed: int) -> int:
    try:
        value = operator.index(seed)
    except TypeError:
        raise ValueError(f"seed = {seed!r} is outside its range: an integer, 0 or more") from None
    if value < 0:
        raise ValueError(f"seed = {value} is outside its range: an integer, 0 or more")
    return value
