"""The pictures of docs/radio.md, from the numbers of docs/radio_samples.py."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import matplotlib
import numpy as np

matplotlib.use("Agg")
import radio_samples
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from radio_samples import Sample

from edge6g_env import radio
from edge6g_env.scenario import load_scenario

# Okabe, Ito: Color Universal Design, 2008
BLACK, ORANGE, SKY, GREEN = "#000000", "#e69f00", "#56b4e9", "#009e73"
BLUE, VERMILION, PURPLE = "#0072b2", "#d55e00", "#cc79a7"


# --- distributions -------------------------------------------------------------------------------------------------------------------

LINES = ((BLUE, "-"), (VERMILION, "-"), (ORANGE, "--"), (GREEN, "-."), (BLACK, ":"), (PURPLE, "-"), (SKY, "--"))
PANELS = (
    ("uplink_sinr_db", "Uplink SINR (dB)", 1.0, (-10.0, 40.0)),
    ("downlink_sinr_db", "Downlink SINR (dB)", 1.0, (-10.0, 85.0)),
    ("uplink_bit_s", "Uplink rate (Mbit/s)", 1e-6, (10.0, 2e4)),
    ("downlink_bit_s", "Downlink rate (Mbit/s)", 1e-6, (10.0, 2e4)),
)


def draw_distributions(samples: Sequence[Sample]) -> Figure:
    """Share of the time at or below a level, a line for each scenario and band."""
    figure = Figure(figsize=(11.0, 7.4), layout="constrained")
    for axes, (level, title, scale, limits) in zip(figure.subplots(2, 2).flat, PANELS, strict=True):
        for sample, (colour, dash) in zip(samples, LINES, strict=False):
            values = np.sort(sample.levels[level]) * scale
            share = 100.0 * np.arange(1, len(values) + 1) / len(values)
            axes.plot(*_thinned(values, share), dash, color=colour, lw=1.8, label=sample.label)
        axes.set(xlabel=title, xlim=limits, xscale="linear" if scale == 1.0 else "log", ylim=(0, 100))
        axes.set_ylabel("time at or below (%)")
        axes.grid(color="#dddddd", lw=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _thinned(values: np.ndarray, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    keep = np.unique(np.linspace(0, len(values) - 1, 600).astype(int))
    return values[keep], share[keep]


# --- the trace of one UE ---------------------------------------------------------------------------------------------------------------


def draw_trace(name: str, one: dict[str, np.ndarray]) -> Figure:
    """Powers that decide about the cell, SINR, what agents see of it, and rates, of one UE (T,) over time."""
    figure = Figure(figsize=(11.0, 8.6), layout="constrained")
    power, sinr, rate = figure.subplots(3, 1, sharex=True, height_ratios=[1.25, 1.0, 1.0])
    _draw_powers(power, one)
    _draw_sinrs(sinr, one)
    _draw_rates(rate, one)
    for axes in (power, sinr, rate):
        _shade(axes, one)
        axes.grid(axis="y", color="#e5e5e5", lw=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        handles, labels = axes.get_legend_handles_labels()
        axes.legend(handles, labels, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=9)
    _name_cells(power, name, one)
    handles = [
        Patch(color=ORANGE, alpha=0.35, label="serving link blocked"),
        Patch(color="#bbbbbb", alpha=0.35, label="serving link out of sight"),
        Patch(color=VERMILION, alpha=0.8, label="handover: nothing is sent"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    rate.set(xlabel="time (s)", xlim=(one["time_s"][0], one["time_s"][-1]))
    return figure


def _draw_powers(axes: Axes, one: dict[str, np.ndarray]) -> None:
    time_s = one["time_s"]
    now_dbm = one["power_dbm"] + one["offset_db"]
    axes.plot(time_s, now_dbm, color="#9a9a9a", lw=0.9, label="serving cell, now")
    axes.step(time_s, one["serving_dbm"], where="post", color=BLUE, lw=1.8, label="serving cell, filtered")
    axes.step(time_s, one["other_dbm"], where="post", color=GREEN, lw=1.5, ls="--", label="best other, filtered")
    axes.set_ylabel("power with the\nband's offset (dBm)")


def _draw_sinrs(axes: Axes, one: dict[str, np.ndarray]) -> None:
    time_s = one["time_s"]
    for way, colour in (("downlink", BLUE), ("uplink", VERMILION)):
        axes.plot(time_s, one[f"{way}_sinr_db"], color=colour, lw=1.0, label=f"{way}, true")
        axes.step(
            time_s, one[f"seen_{way}_db"], where="post", color=colour, lw=1.1, ls=":", label=f"{way}, agents' estimate"
        )
    axes.set_ylabel("SINR (dB)")


def _draw_rates(axes: Axes, one: dict[str, np.ndarray]) -> None:
    """Zero has no place on the axis: it is a tick at the bottom."""
    time_s = one["time_s"]
    for n, (way, colour) in enumerate((("downlink", BLUE), ("uplink", VERMILION))):
        mbit_s = one[f"{way}_bit_s"] / 1e6
        axes.step(time_s, np.where(mbit_s > 0.0, mbit_s, np.nan), where="post", color=colour, lw=1.1, label=way)
        nothing = time_s[mbit_s == 0.0]
        axes.plot(
            nothing, np.full(len(nothing), 2.2 - 0.7 * n), "|", color=colour, ms=6, label=f"{way}, nothing gets through"
        )
    axes.set(yscale="log", ylim=(1.0, 2e4), ylabel="rate (Mbit/s)")


def _shade(axes: Axes, one: dict[str, np.ndarray]) -> None:
    time_s = one["time_s"]
    for start_s, end_s in _times(time_s, one["los"] == 0):
        axes.axvspan(start_s, end_s, color="#bbbbbb", alpha=0.35, lw=0, zorder=0)
    for start_s, end_s in _times(time_s, one["blocked"] == 1):
        axes.axvspan(start_s, end_s, color=ORANGE, alpha=0.35, lw=0, zorder=0)
    for n in radio_samples.handovers_of(one):
        axes.axvspan(time_s[n], one["silent_until_s"][n], color=VERMILION, alpha=0.8, lw=0, zorder=0)


def _times(time_s: np.ndarray, true: np.ndarray) -> list[tuple[float, float]]:
    """(first, last time) of each run of True."""
    last = len(time_s) - 1
    return [(time_s[first], time_s[min(end, last)]) for first, end in radio_samples.spans_of(true)]


def _name_cells(axes: Axes, name: str, one: dict[str, np.ndarray]) -> None:
    """The serving cell and its band above each stretch."""
    presets = load_scenario(name).radio.presets
    edges = [0, *radio_samples.handovers_of(one), len(one["time_s"]) - 1]
    for first, end in pairwise(edges):
        middle_s = 0.5 * (one["time_s"][first] + one["time_s"][end])
        text = f"node {one['node'][first]}\n{radio.preset(presets[one['band'][first]]).band}"
        axes.annotate(
            text, (middle_s, 1.01), xycoords=("data", "axes fraction"), ha="center", va="bottom", fontsize=8.5
        )
