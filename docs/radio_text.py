"""What docs/radio.md says about its pictures, worked out from the numbers that they are drawn from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from radio_samples import Sample, handovers_of, spans_of

from edge6g_env import radio
from edge6g_env.build.places import bands_of, node_positions_m
from edge6g_env.pictures.coverage import by_pixel
from edge6g_env.pictures.quiet import SEED
from edge6g_env.scenario import Scenario, load_scenario

Levels = dict[str, np.ndarray]
NEAR_M = 20.0


def table(samples: Sequence[Sample]) -> str:
    """The figures of the distributions."""
    return "\n".join(_rows(samples))


def _rows(samples: Sequence[Sample]) -> Iterator[str]:
    yield (
        "| | time | in sight | blocked | uplink SINR (dB) | downlink SINR (dB) | uplink rate (Mbit/s) | downlink rate (Mbit/s) | "
        "handovers a UE and minute | of them ping-pongs |"
    )
    yield "|---" * 10 + "|"
    for sample in samples:
        level = sample.levels
        shares = f"{sample.share:.0%} | {level['los'].mean():.0%} | {level['blocked'].mean():.1%}"
        sinrs = f"{_spread(level['uplink_sinr_db'], 1.0)} | {_spread(level['downlink_sinr_db'], 1.0)}"
        rates = f"{_spread(level['uplink_bit_s'], 1e6)} | {_spread(level['downlink_bit_s'], 1e6)}"
        handovers = f"{sample.handovers_per_ue_min:.1f} | {sample.ping_pong_share:.0%}"
        yield f"| {sample.label} | {shares} | {sinrs} | {rates} | {handovers} |"


def _spread(values: np.ndarray, unit: float) -> str:
    """5 %, 50 % and 95 % of the values; for rates, whose unit is not 1, the share of zeros too."""
    text = " / ".join(f"{value:.0f}" for value in np.percentile(values, (5, 50, 95)) / unit)
    return text if unit == 1.0 else f"{text}; none {np.mean(values == 0.0):.0%}"


# --- the trace of one UE ---------------------------------------------------------------------------------------------------------------


def trace_text(name: str, u: int, one: Levels) -> str:
    """What happens to UE u in the rows `one` (T,) of its window: each stretch between handovers and what takes its link away."""
    return "\n".join(_trace_lines(name, u, one))


def _trace_lines(name: str, u: int, one: Levels) -> Iterator[str]:
    time_s = one["time_s"]
    yield f"UE {u} of `{name}`, seed {SEED}, {time_s[0]:.1f} to {time_s[-1]:.1f} s:\n"
    heads = ("from (s)", "to (s)", "what", "serving power with offset (dBm)", "downlink SINR (dB)", "uplink SINR (dB)")
    yield f"| {' | '.join(heads)} | uplink rate (Mbit/s) |"
    yield "|---" * 7 + "|"
    events = [
        *_served(name, one),
        *_lost(one, "out of sight", one["los"] == 0),
        *_lost(one, "blocked", one["blocked"] == 1),
    ]
    for first, end, what in sorted(events):
        yield f"| {time_s[first]:.1f} | {time_s[min(end, len(time_s) - 1)]:.1f} | {what} | {_medians(one, slice(first, end))} |"
    nothing = [f"{np.mean(one[f'{way}_bit_s'] == 0.0):.0%} of the {way}'s" for way in ("downlink", "uplink")]
    yield f"\nValues are medians. Nothing gets through in {' and '.join(nothing)} grid steps."


def _served(name: str, one: Levels) -> Iterator[tuple[int, int, str]]:
    """Each stretch with one serving cell; the first has no handover before it."""
    presets = load_scenario(name).radio.presets
    changes = handovers_of(one).tolist()
    for first, end in pairwise([0, *changes, len(one["time_s"])]):
        cell = f"node {one['node'][first]} ({radio.preset(presets[one['band'][first]]).band})"
        yield first, end, f"served by {cell}{_handover(one, first) if first in changes else ''}"


def _handover(one: Levels, n: int) -> str:
    ahead_db = one["other_dbm"][n - 1] - one["serving_dbm"][n - 1]
    silent_s = one["silent_until_s"][n] - one["time_s"][n]
    return f", {ahead_db:.0f} dB ahead when it takes over; nothing is sent for {1e3 * silent_s:.0f} ms"


def _lost(one: Levels, what: str, true: np.ndarray) -> Iterator[tuple[int, int, str]]:
    return ((first, end, what) for first, end in spans_of(true))


def _medians(one: Levels, rows: slice) -> str:
    power_dbm = np.median((one["power_dbm"] + one["offset_db"])[rows])
    sinrs = (f"{np.median(one[f'{way}_sinr_db'][rows]):.0f}" for way in ("downlink", "uplink"))
    return f"{power_dbm:.0f} | {' | '.join(sinrs)} | {np.median(one['uplink_bit_s'][rows]) / 1e6:.0f}"


# --- coverage ----------------------------------------------------------------------------------------------------------------------


def coverage_text(scenario: Scenario, points: Levels, pixel_m: float) -> str:
    """Medians near a node and far from all, and, with two bands, how far the second one reaches."""
    levels = {
        level: by_pixel(points, level, scenario.area_m, pixel_m) for level in ("downlink_sinr_db", "uplink_bit_s")
    }
    distance_m = _to_nearest_m(scenario, node_positions_m(scenario), pixel_m)
    far_m = float(np.percentile(distance_m, 90.0))
    near, far = ({name: np.nanmedian(values[here]) for name, values in levels.items()}
                 for here in (distance_m < NEAR_M, distance_m >= far_m))  # fmt: skip
    draws = points["x_m"].size / distance_m.size
    text = (
        f"Medians of some {draws:.0f} draws a square: within {NEAR_M:g} m of a node a downlink SINR of {near['downlink_sinr_db']:.0f} dB "
        f"and an uplink rate of {near['uplink_bit_s'] / 1e6:.0f} Mbit/s, {far_m:.0f} m and more from all of them "
        f"{far['downlink_sinr_db']:.0f} dB and {far['uplink_bit_s'] / 1e6:.0f} Mbit/s."
    )
    return text if len(scenario.radio.presets) == 1 else f"{text} {_second_band(scenario, points)}"


def _to_nearest_m(scenario: Scenario, nodes: np.ndarray, pixel_m: float) -> np.ndarray:
    """Ground distance from the middle of each square to the nearest node, float64 (rows, columns)."""
    columns, rows = (max(1, round(side_m / pixel_m)) for side_m in scenario.area_m)
    x_m = (np.arange(columns) + 0.5) * scenario.area_m[0] / columns
    y_m = (np.arange(rows) + 0.5) * scenario.area_m[1] / rows
    return np.hypot(x_m[None, :, None] - nodes[:, 0], y_m[:, None, None] - nodes[:, 1]).min(axis=2)


def _second_band(scenario: Scenario, points: Levels, step_m: float = 10.0) -> str:
    """The circle around its nodes in which the second band serves most UEs, and what both bands carry there."""
    hot = node_positions_m(scenario)[bands_of(scenario) == 1]
    x_m, y_m, served = (points[name].ravel() for name in ("x_m", "y_m", "band"))
    distance_m = np.hypot(x_m[:, None] - hot[:, 0], y_m[:, None] - hot[:, 1]).min(axis=1)
    reach_m = 0.0
    while np.mean(served[(distance_m >= reach_m) & (distance_m < reach_m + step_m)] == 1) > 0.5:
        reach_m += step_m
    here, rate = distance_m < reach_m, points["uplink_bit_s"].ravel()
    first, second = (np.median(rate[here & (served == band)]) / 1e6 for band in (0, 1))
    names = [radio.preset(name).band for name in scenario.radio.presets[:2]]
    return (
        f"A {names[1]} cell serves most UEs up to {reach_m:.0f} m from it; there its uplink carries {second:.0f} Mbit/s "
        f"and that of an {names[0]} cell {first:.0f} Mbit/s."
    )
