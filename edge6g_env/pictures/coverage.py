"""What the radio of a scenario covers: SINR, rate and serving cell of UEs that stand everywhere, and their maps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from edge6g_env import radio
from edge6g_env.build.places import bands_of, node_positions_m
from edge6g_env.device_split import DRAFT
from edge6g_env.pictures.quiet import Worlds
from edge6g_env.scenario import Scenario
from edge6g_env.scenario_services import FinetuneService

# Okabe, Ito: Color Universal Design, 2008
SERVERS = ("#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#999999", "#f0e442", "#0072b2")
MARKERS = ("s", "D", "^", "o")
UES = 512  # of a world
WORLDS = 64  # of a map on demand
UES_A_SQUARE = 12  # of a map on demand, on average
MOST_NAMED = 40  # nodes with their numbers beside them
_STILL: dict[str, Any] = {
    "ues.mobility": "stationary",
    "ues.hotspots": 0,
    "ues.hotspot_share": 0.0,
    "ues.hotspot_radius_m": 0.0,
    "ues.indoor_share": 0.0,
}
_LONGEST_IN = 11.0  # of a figure for an area that is higher than wide

Points = dict[str, np.ndarray]


def points_of(scenario: Scenario, num_worlds: int) -> Points:
    """UEs that stand outdoors at uniform places, each with links of its own: x_m, y_m, node, band and LEVELS, (B, U) each."""
    per_node = min(256, max(1, UES // scenario.nodes.count))
    worlds = Worlds(scenario, num_worlds, **_STILL, **_without_jobs(scenario), **{"ues.per_node": per_node})
    worlds.step()  # an MCS is chosen by the grid step before
    ue = worlds.world.ue
    places = {name: np.array(ue[name]) for name in ("x_m", "y_m", "node")}
    return {**places, "band": worlds.serving_band, **worlds.levels()}


def _without_jobs(scenario: Scenario) -> dict[str, Any]:
    """Overrides that leave one service, such that any number of UEs will do."""
    first = scenario.service[0]
    gone = {"period_s", "draft", "draft_precision", "draft_tokens", "aggregate_every", "round_timeout_s"}
    service = {key: value for key, value in first.model_dump(exclude_none=True).items() if key not in gone}
    service |= {"share": 1.0, **({"participants": 1} if isinstance(first, FinetuneService) else {})}
    shares = sorted({0.0 if share == DRAFT else share for share in scenario.actions.device_split})
    return {
        "service": [service],
        "serving.preload": [],
        "actions.device_split": shares,
        "arrivals": {"kind": "poisson", "rate_jobs_s": 1e-9},
    }


def square_m(scenario: Scenario, num_worlds: int) -> float:
    """A round side of squares into each of which UES_A_SQUARE fall, about."""
    width_m, height_m = scenario.area_m
    side_m = math.sqrt(UES_A_SQUARE * width_m * height_m / (num_worlds * UES))
    power = 10.0 ** math.floor(math.log10(side_m))
    return next(power * step for step in (1.0, 2.0, 5.0, 10.0) if power * step >= 0.999 * side_m)


def draw_map(scenario: Scenario) -> Figure:
    """The coverage of a scenario, as large and fine as a look needs."""
    return draw_coverage(scenario, points_of(scenario, WORLDS), square_m(scenario, WORLDS))


# --- by square -----------------------------------------------------------------------------------------------------------------------


def by_pixel(points: Points, name: str, area_m: tuple[float, float], pixel_m: float) -> np.ndarray:
    """Median of a level over the UEs of each square of the area, float64 (rows, columns); NaN where there are none."""
    return np.array(
        [[np.median(v) if len(v) else np.nan for v in row] for row in _pixels(points, name, area_m, pixel_m)]
    )


def most_frequent(points: Points, area_m: tuple[float, float], pixel_m: float) -> np.ndarray:
    """Node that serves most UEs of each square, float64 (rows, columns); NaN where there are none."""
    rows = _pixels(points, "node", area_m, pixel_m)
    return np.array([[np.bincount(v.astype(int)).argmax() if len(v) else np.nan for v in row] for row in rows])


def share_of_band(points: Points, band: int, area_m: tuple[float, float], pixel_m: float) -> np.ndarray:
    """Share of the UEs of each square that a band serves, float64 (rows, columns); NaN where there are none."""
    rows = _pixels(points, "band", area_m, pixel_m)
    return np.array([[np.mean(v == band) if len(v) else np.nan for v in row] for row in rows])


def _pixels(points: Points, name: str, area_m: tuple[float, float], pixel_m: float) -> list[list[np.ndarray]]:
    columns, rows = (max(1, round(side_m / pixel_m)) for side_m in area_m)
    column = np.minimum((points["x_m"].ravel() / area_m[0] * columns).astype(int), columns - 1)
    row = np.minimum((points["y_m"].ravel() / area_m[1] * rows).astype(int), rows - 1)
    order = np.argsort(row * columns + column, kind="stable")
    edges = np.searchsorted((row * columns + column)[order], np.arange(1, rows * columns))
    parts = np.split(points[name].ravel()[order], edges)
    return [parts[r * columns : (r + 1) * columns] for r in range(rows)]


# --- the picture ---------------------------------------------------------------------------------------------------------------------


def draw_coverage(scenario: Scenario, points: Points, pixel_m: float, shown_worlds: int = 2) -> Figure:
    """One draw a place, the median downlink SINR, who serves, the median uplink rate, over the area of a scenario."""
    width_m, height_m = scenario.area_m
    figure = Figure(figsize=(11.0, 1.0 + min(9.6 * height_m / width_m, _LONGEST_IN)), layout="compressed")
    (one, median), (server, rate) = figure.subplots(2, 2, sharex=True, sharey=True)
    _draw_sinrs_of_places(figure, (one, median), scenario, points, pixel_m, shown_worlds)
    _draw_servers(figure, server, scenario, points, pixel_m)
    rate_mbit_s = by_pixel(points, "uplink_bit_s", scenario.area_m, pixel_m) / 1e6
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
    figure: Figure, two: tuple[Axes, Axes], scenario: Scenario, points: Points, pixel_m: float, shown_worlds: int
) -> None:
    one, median = two
    norm = Normalize(-5.0, 65.0)
    x_m, y_m, sinr_db = (points[name][:shown_worlds].ravel() for name in ("x_m", "y_m", "downlink_sinr_db"))
    one.scatter(x_m, y_m, s=5, c=sinr_db, norm=norm, lw=0)
    one.set_title(f"Downlink SINR, {len(x_m):,} UEs with one draw each")
    values = by_pixel(points, "downlink_sinr_db", scenario.area_m, pixel_m)
    image = _image(median, values, scenario.area_m, norm=norm)
    median.set_title(f"Downlink SINR, median in squares of {pixel_m:g} m")
    figure.colorbar(image, ax=median, label="dB", extend="both", pad=0.02)


def _image(axes: Axes, values: np.ndarray, area_m: tuple[float, float], **options: Any) -> AxesImage:
    return axes.imshow(values, origin="lower", extent=(0, area_m[0], 0, area_m[1]), interpolation="nearest", **options)


def _draw_servers(figure: Figure, axes: Axes, scenario: Scenario, points: Points, pixel_m: float) -> None:
    """With two bands the share that the second one serves, else the node that serves most UEs of a square."""
    presets, area = scenario.radio.presets, scenario.area_m
    if len(presets) == 2:
        share = 100.0 * share_of_band(points, 1, area, pixel_m)
        image = _image(axes, share, area, norm=Normalize(0.0, 100.0), cmap="magma")
        axes.set_title(f"UEs of a square that a {radio.preset(presets[1]).band} cell serves")
        figure.colorbar(image, ax=axes, label="%", pad=0.02)
        return
    colours = ListedColormap([SERVERS[i % len(SERVERS)] for i in range(scenario.nodes.count)])
    most = most_frequent(points, area, pixel_m)
    _image(axes, most, area, cmap=colours, norm=Normalize(-0.5, scenario.nodes.count - 0.5), alpha=0.8)
    axes.set_title("Cell that serves most UEs of a square")
    for i, (x_m, y_m) in enumerate(node_positions_m(scenario)[:MOST_NAMED]):
        axes.annotate(f"node {i}", (x_m, y_m), (0, -8), textcoords="offset points", ha="center", va="top", fontsize=9)


def _draw_nodes(axes: Axes, scenario: Scenario) -> None:
    nodes, bands = node_positions_m(scenario), bands_of(scenario)
    for z, name in enumerate(scenario.radio.presets):
        label = f"{radio.preset(name).band} cell, {radio.preset(name).carrier_ghz:g} GHz"
        marker = MARKERS[z % len(MARKERS)]
        axes.plot(*nodes[bands == z].T, marker, color="white", mec="black", ms=6.5, label=label, zorder=3)
