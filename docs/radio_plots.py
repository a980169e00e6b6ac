"""The pictures of docs/radio.md, from the numbers of docs/radio_samples.py."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
import radio_samples
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from radio_samples import Sample

from edge6g_env import radio
from edge6g_env.build.places import bands_of, node_positions_m
from edge6g_env.scenario import Scenario, load_scenario

# Okabe, Ito: Color Universal Design, 2008
BLACK, ORANGE, SKY, GREEN = "#000000", "#e69f00", "#56b4e9", "#009e73"
BLUE, VERMILION, PURPLE, YELLOW, GREY = "#0072b2", "#d55e00", "#cc79a7", "#f0e442", "#999999"
SERVERS = (SKY, ORANGE, GREEN, PURPLE, VERMILION, GREY, YELLOW, BLUE)
MARKERS = ("s", "D", "^", "o")


# --- coverage ----------------------------------------------------------------------------------------------------------------------


def draw_coverage(scenario: Scenario, points: dict[str, np.ndarray], pixel_m: float, shown_worlds: int = 2) -> Figure:
    """One draw a place, the median downlink SINR, who serves, the median uplink rate, over the area of a scenario."""
    width_m, height_m = scenario.area_m
    figure = Figure(figsize=(11.0, 1.0 + 9.6 * height_m / width_m), layout="compressed")
    (one, median), (server, rate) = figure.subplots(2, 2, sharex=True, sharey=True)
    _draw_sinrs_of_places(figure, (one, median), scenario, points, pixel_m, shown_worlds)
    _draw_servers(figure, server, scenario, points, pixel_m)
    rate_mbit_s = radio_samples.by_pixel(points, "uplink_bit_s", scenario.area_m, pixel_m) / 1e6
    norm = Normalize(0.0, float(np.nanpercentile(rate_mbit_s, 99.0)))
    image = _image(rate, rate_mbit_s, scenario.area_m, norm=norm, cmap="cividis")
    rate.set_title("Uplink rate of a UE alone in its cell, median")
    figure.colorbar(image, ax=rate, label="Mbit/s", extend="max", pad=0.02)
    for axes in (one, median, server, rate):
        _draw_nodes(axes, scenario)
        axes.set(xlim=(0, width_m), ylim=(0, height_m), aspect="equal")
    one.yaxis.set_major_locator(MaxNLocator(4))
    one.set_ylabel("m")
    server.set(xlabel="m", ylabel="m")
    rate.set_xlabel("m")
    figure.legend(*one.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    return figure


def _draw_sinrs_of_places(
    figure: Figure,
    two: tuple[Axes, Axes],
    scenario: Scenario,
    points: dict[str, np.ndarray],
    pixel_m: float,
    shown_worlds: int,
) -> None:
    one, median = two
    norm = Normalize(-5.0, 65.0)
    x_m, y_m, sinr_db = (points[name][:shown_worlds].ravel() for name in ("x_m", "y_m", "downlink_sinr_db"))
    one.scatter(x_m, y_m, s=5, c=sinr_db, norm=norm, lw=0)
    one.set_title(f"Downlink SINR, {len(x_m):,} UEs with one draw each")
    image = _image(
        median, radio_samples.by_pixel(points, "downlink_sinr_db", scenario.area_m, pixel_m), scenario.area_m, norm=norm
    )
    median.set_title(f"Downlink SINR, median in squares of {pixel_m:g} m")
    figure.colorbar(image, ax=median, label="dB", extend="both", pad=0.02)


def _image(axes: Axes, values: np.ndarray, area_m: tuple[float, float], **options: Any) -> AxesImage:
    return axes.imshow(values, origin="lower", extent=(0, area_m[0], 0, area_m[1]), interpolation="nearest", **options)


def _draw_servers(
    figure: Figure, axes: Axes, scenario: Scenario, points: dict[str, np.ndarray], pixel_m: float
) -> None:
    """With one band the node that serves most UEs of a square, with two the share that the second one serves."""
    presets, area = scenario.radio.presets, scenario.area_m
    if len(presets) == 1:
        colours = ListedColormap([SERVERS[i % len(SERVERS)] for i in range(scenario.nodes.count)])
        most = radio_samples.most_frequent(points, area, pixel_m)
        _image(axes, most, area, cmap=colours, norm=Normalize(-0.5, scenario.nodes.count - 0.5), alpha=0.8)
        axes.set_title("Cell that serves most UEs of a square")
        for i, (x_m, y_m) in enumerate(node_positions_m(scenario)):
            axes.annotate(
                f"node {i}", (x_m, y_m), (0, -8), textcoords="offset points", ha="center", va="top", fontsize=9
            )
        return
    share = 100.0 * radio_samples.share_of_band(points, 1, area, pixel_m)
    image = _image(axes, share, area, norm=Normalize(0.0, 100.0), cmap="magma")
    axes.set_title(f"UEs of a square that a {radio.preset(presets[1]).band} cell serves")
    figure.colorbar(image, ax=axes, label="%", pad=0.02)


def _draw_nodes(axes: Axes, scenario: Scenario) -> None:
    nodes, bands = node_positions_m(scenario), bands_of(scenario)
    for z, name in enumerate(scenario.radio.presets):
        label = f"{radio.preset(name).band} cell, {radio.preset(name).carrier_ghz:g} GHz"
        axes.plot(*nodes[bands == z].T, MARKERS[z], color="white", mec="black", ms=6.5, label=label, zorder=3)


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
