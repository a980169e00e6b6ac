"""The map of a scenario, with the timeline of its outages under it."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Patch, Rectangle
from matplotlib.patheffects import withStroke

from edge6g_env.batch import BatchEnv
from edge6g_env.build.places import bands_of, neighbours_of, node_positions_m
from edge6g_env.kernel.codes import BACKHAUL_FAULT, CLOUD_FAULT, NODE_FAULT, XN_FAULT
from edge6g_env.pictures.outages import DOWN, SEED, Span, draw_timeline, outages
from edge6g_env.scenario import Scenario
from edge6g_env.scenario_ues import StreetGridUes
from edge6g_env.scene import streets_m

# Okabe, Ito: Color Universal Design, 2008
DEVICES = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#f0e442")
HOTSPOT, STREET = "#f0e442", "#e6e6e6"
SHAPES = ("s", "D", "^", "o")  # of nodes, by band
UE_SHAPES = ("o", "^", "x", "s", "+", "D")  # by device
MOST_NAMED = 64  # nodes with their names below them
LONGEST_IN = 12.0  # of the map, for an area that is higher than wide


class Picture:
    """What is drawn: world 0 of a seed as an episode starts, and everything that fails in it."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario, self.env = scenario, BatchEnv(scenario, num_worlds=1)
        self.env.reset(seed=SEED)
        shot = self.env.snapshot()
        self.ue_m, self.served_by = np.stack([shot.ues.x_m, shot.ues.y_m], axis=1), shot.ues.node
        self.hotspots_m = shot.hotspots_m
        self.parts = outages(self.env)

    @property
    def shown_s(self) -> float:
        """When the map shows what is down: in the middle of the first planned outage, else of the episode."""
        for outage in self.scenario.faults.outage:
            return 0.5 * (outage.start_s + outage.end_s)
        return 0.5 * self.scenario.time.episode_s

    def down(self, kind: int) -> set[tuple[int, int]]:
        """(node, peer) of the parts of a kind that are down then."""
        return {(part.node, part.peer) for part in self.parts if part.kind == kind and part.is_down(self.shown_s)}

    @property
    def digest(self) -> str:
        """Hash of what is drawn, to the centimetre and the millisecond: a picture carries it."""
        places = [np.round(self.ue_m, 2).tolist(), self.served_by.tolist(), np.round(self.hotspots_m, 2).tolist()]
        spans = [
            (part.name, np.round(part.planned, 3).tolist(), np.round(part.by_chance, 3).tolist()) for part in self.parts
        ]
        nodes, tables = self.scenario.nodes, (self.scenario.radio.presets, self.scenario.cloud, self.scenario.time)
        return hashlib.sha256(repr((places, spans, nodes, tables)).encode()).hexdigest()[:16]

    def draw(self) -> Figure:
        """The map, and under it the timeline if anything can fail."""
        if not self.parts:
            figure = Figure(figsize=(9.0, 1.0 + self._height_in), layout="constrained")
            self._draw_map(figure, figure.add_subplot())
            return figure
        heights = self._height_in, 0.9 + 0.15 * len(self.parts)
        figure = Figure(figsize=(9.0, 1.2 + sum(heights)), layout="constrained")
        above, below = figure.subplots(2, 1, height_ratios=heights)
        self._draw_map(figure, above)
        draw_timeline(below, self.scenario, self.parts, self.shown_s)
        return figure

    @property
    def _height_in(self) -> float:
        """Of the map, 9 inches wide, with margins and the cloud."""
        width_m, height_m = self.scenario.area_m
        margin_m = _margin_m(self.scenario)
        return min(9.0 * (height_m + 4.2 * margin_m) / (width_m + 2.0 * margin_m), LONGEST_IN)

    def _draw_map(self, figure: Figure, axes: Axes) -> None:
        width_m, height_m = self.scenario.area_m
        margin_m = _margin_m(self.scenario)
        axes.set(xlim=(-margin_m, width_m + margin_m), ylim=(-margin_m, height_m + 3.2 * margin_m), aspect="equal")
        axes.set(xlabel="m", ylabel="m")
        if (spacing_m := self.scenario.nodes.spacing_m) is not None and height_m <= 20.0 * spacing_m:
            axes.set_yticks(np.arange(0.0, height_m + 1.0, spacing_m))
        axes.spines[["top", "right"]].set_visible(False)
        area = Rectangle((0, 0), width_m, height_m, fill=False, ec="#bbbbbb")
        axes.add_patch(area)
        for centre_m in self.hotspots_m:
            spot = Circle(centre_m, getattr(self.scenario.ues, "hotspot_radius_m", 0.0), color=HOTSPOT, alpha=0.4, lw=0)
            axes.add_patch(spot)
            spot.set_clip_path(area)
        _draw_streets(axes, self.scenario)
        self._draw_links(axes, (width_m / 2, height_m + 2.4 * margin_m))
        self._draw_ues(axes)
        self._draw_nodes(axes)
        figure.legend(handles=self._legend(), loc="outside upper center", ncols=4, frameon=False, fontsize=8.5)

    def _draw_links(self, axes: Axes, cloud_m: Span) -> None:
        nodes_m = node_positions_m(self.scenario)
        lines, backhauls = self.down(XN_FAULT), self.down(BACKHAUL_FAULT)
        for i, peers in enumerate(neighbours_of(self.scenario).tolist()):
            _line(axes, nodes_m[i], cloud_m, (i, -1) in backhauls, color="#999999", ls=":", lw=0.9)
            for peer in peers:
                _line(axes, nodes_m[i], nodes_m[peer], (min(i, peer), max(i, peer)) in lines, color="#777777", lw=1.3)
        cloud, gone = self.scenario.cloud, bool(self.down(CLOUD_FAULT))
        text = f"cloud: {cloud.device}, {cloud.concurrency} places{', down' if gone else ''}"
        box = {"boxstyle": "round", "fc": "white", "ec": DOWN if gone else "#555555"}
        axes.text(*cloud_m, text, ha="center", va="center", fontsize=9, bbox=box)

    def _draw_ues(self, axes: Axes) -> None:
        nodes_m, shapes = node_positions_m(self.scenario), self._ue_shapes()
        for place_m, node in zip(self.ue_m, self.served_by, strict=True):
            axes.plot(*zip(place_m, nodes_m[node], strict=True), color="#555555", lw=0.4, alpha=0.5, zorder=2)
        devices = np.array([self.scenario.ues.device_of(u) for u in range(len(self.ue_m))])
        for device, shape in shapes.items():
            x_m, y_m = self.ue_m[devices == device].T
            axes.scatter(x_m, y_m, s=13, marker=shape, color="#333333", zorder=3, lw=1 if shape in "x+" else 0)

    def _ue_shapes(self) -> dict[str, str]:
        """Shape of each device of the UEs."""
        return {name: UE_SHAPES[n % len(UE_SHAPES)] for n, name in enumerate(dict.fromkeys(self.scenario.ues.in_turn))}

    def _draw_nodes(self, axes: Axes) -> None:
        nodes_m, bands, gone = node_positions_m(self.scenario), bands_of(self.scenario), self.down(NODE_FAULT)
        size, devices = (8.5 if len(nodes_m) <= 16 else 7.0), self._devices()
        for i, at_m in enumerate(nodes_m):
            colour = devices[self.scenario.nodes.device_of(i)]
            axes.scatter(at_m[0], at_m[1], s=110, marker=_shape(bands[i]), color=colour, edgecolors="black", zorder=4)
            if (i, -1) in gone:
                axes.scatter(at_m[0], at_m[1], s=230, marker="x", color=DOWN, linewidths=3.0, zorder=6)
            if i < MOST_NAMED:
                axes.annotate(f"node_{i}", at_m, (0, -9), textcoords="offset points", ha="center", va="top", fontsize=size,
                          path_effects=[withStroke(linewidth=2.2, foreground="white")], zorder=5)  # fmt: skip

    def _devices(self) -> dict[str, str]:
        """Colour of each device of the nodes."""
        names = dict.fromkeys(self.scenario.nodes.device_of(i) for i in range(self.scenario.nodes.count))
        return {name: DEVICES[n % len(DEVICES)] for n, name in enumerate(names)}

    def _legend(self) -> list[Line2D | Patch]:
        presets, hotspots = self.scenario.radio.presets, len(self.hotspots_m)
        handles: list[Line2D | Patch] = [
            _mark("s", colour, f"node, {name}") for name, colour in self._devices().items()
        ]
        if len(presets) > 1:
            handles += [_mark(_shape(z), "#dddddd", f"of band {name}") for z, name in enumerate(presets)]
        handles.append(Line2D([], [], color="#777777", lw=1.3, label="Xn link"))
        handles.append(Line2D([], [], color="#999999", ls=":", lw=0.9, label="backhaul"))
        for name, shape in self._ue_shapes().items():
            what = f"UE with {name}, and its node" if self.scenario.ues.differ else "UE, and the node that serves it"
            handles.append(Line2D([], [], color="#555555", marker=shape, ms=3.6, lw=0.4, label=what))
        if hotspots:
            handles.append(Patch(color=HOTSPOT, alpha=0.4, label="hotspot"))
        if isinstance(self.scenario.ues, StreetGridUes):
            handles.append(Line2D([], [], color=STREET, lw=7.0, label="street"))
        if self.parts:
            handles.append(
                Line2D([], [], color=DOWN, marker="x", ms=8, mew=2.5, ls="--", label=f"down at {self.shown_s:g} s")
            )
        return handles


def _mark(shape: str, colour: str, label: str) -> Line2D:
    return Line2D([], [], ls="", marker=shape, color=colour, mec="black", ms=8, label=label)


def _line(axes: Axes, one_m: Span, other_m: Span, is_down: bool, **style: Any) -> None:
    shown: dict[str, Any] = {"color": DOWN, "ls": "--", "lw": 1.6} if is_down else style
    axes.plot(*zip(one_m, other_m, strict=True), zorder=1.5 if is_down else 1, **shown)


def _shape(band: int) -> str:
    return SHAPES[band % len(SHAPES)]


def _margin_m(scenario: Scenario) -> float:
    width_m, height_m = scenario.area_m
    return 0.06 * max(width_m, 0.75 * height_m)


def _draw_streets(axes: Axes, scenario: Scenario) -> None:
    (width_m, height_m), (across, along) = scenario.area_m, streets_m(scenario)
    axes.vlines(across, 0.0, height_m, STREET, linewidths=7.0, zorder=0)
    axes.hlines(along, 0.0, width_m, STREET, linewidths=7.0, zorder=0)
