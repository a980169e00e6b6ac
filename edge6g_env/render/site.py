"""The map of a frame: streets, hotspots, nodes with their links, UEs in the colour of their SINR, the cloud. It is drawn at twice its size
and made smaller, which smooths it."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from edge6g_env.render import style
from edge6g_env.render.layout import CLOUD, Layout
from edge6g_env.render.style import Colour
from edge6g_env.scene import Scene
from edge6g_env.snapshot import Snapshot

FINE = 2  # px of the drawing a px of the frame
_UE = 7.0  # px: diameter; smaller where UEs are many
_NODE = 15.0  # px: side
_CLOUD_WIDTH = 230.0
Point = tuple[float, float]


class Site:
    """The map of a scene, for any of its worlds."""

    def __init__(self, scene: Scene, layout: Layout) -> None:
        self._scene, self._layout = scene, layout
        left, top, right, bottom = layout.strip
        self._size = round(FINE * (right - left)), round(FINE * (bottom - top))
        self.at = round(left), round(top)
        self._nodes = [self._xy(x_m, y_m) for x_m, y_m in scene.node_m.tolist()]
        self._cloud = FINE * 0.5 * (right - left), FINE * (0.5 * CLOUD - 2.0)
        self._ue = FINE * (_UE if len(scene.ue_devices) <= 200 else 5.0)
        self._half = FINE * 0.5 * (_NODE if len(self._nodes) <= 64 else 0.5 * _NODE)
        self._pairs = _pairs(scene)
        self._paper: tuple[bytes, Image.Image] = b"", Image.new("RGB", (1, 1))

    def _xy(self, x_m: float, y_m: float) -> Point:
        x, y = self._layout.xy(x_m, y_m)
        return FINE * (x - self._layout.strip[0]), FINE * (y - self._layout.strip[1])

    def draw(self, shot: Snapshot) -> Image.Image:
        """The map with the cloud above it, as large as the layout's strip."""
        image = self._background(shot.hotspots_m).copy()
        draw = ImageDraw.Draw(image)
        self._draw_links(draw, shot)
        self._draw_ues(draw, shot)
        for i, up in enumerate(shot.nodes.up.tolist()):
            self._draw_node(draw, i, up)
        self._draw_cloud(draw, shot)
        return image.reduce(FINE)

    # --- what stays for an episode ---

    def _background(self, hotspots_m: np.ndarray) -> Image.Image:
        """The area, drawn once an episode: hotspots are drawn anew with it."""
        key = hotspots_m.tobytes()
        if self._paper[0] != key or self._paper[1].size != self._size:
            self._paper = key, self._draw_background(hotspots_m)
        return self._paper[1]

    def _draw_background(self, hotspots_m: np.ndarray) -> Image.Image:
        image, scene = Image.new("RGB", self._size, style.PAPER), self._scene
        width_m, height_m = scene.area_m
        (left, bottom), (right, top) = self._xy(0.0, 0.0), self._xy(width_m, height_m)
        area = Image.new("RGB", self._size, style.AREA)
        draw = ImageDraw.Draw(area)
        radius = FINE * self._layout.scale * scene.hotspot_radius_m
        for x, y in (self._xy(x_m, y_m) for x_m, y_m in hotspots_m.tolist()):
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), style.HOTSPOT)
        for x_m in scene.street_x_m.tolist():
            draw.line([*self._xy(x_m, 0.0), *self._xy(x_m, height_m)], style.STREET, 8 * FINE)
        for y_m in scene.street_y_m.tolist():
            draw.line([*self._xy(0.0, y_m), *self._xy(width_m, y_m)], style.STREET, 8 * FINE)
        for i, j in self._pairs:
            draw.line([*self._nodes[i], *self._nodes[j]], style.LINK, FINE)
        inside = round(left), round(top), round(right), round(bottom)
        image.paste(area.crop(inside), inside[:2])
        ImageDraw.Draw(image).rectangle(inside, outline=style.RULE, width=FINE)
        return image

    # --- what is of an instant ---

    def _draw_links(self, draw: ImageDraw.ImageDraw, shot: Snapshot) -> None:
        """Links that carry something are dark, those that are down dashed; the backhaul is drawn only then."""
        links, nodes = shot.links, shot.nodes
        for (i, j), places in self._pairs.items():
            ends = self._nodes[i], self._nodes[j]
            if not all(links.up[place] for place in places):
                style.dashed(draw, *ends, style.DOWN, 2 * FINE, 5 * FINE)
            elif any(links.transfers[place] > 0 or links.load[place] for place in places):
                draw.line([*ends[0], *ends[1]], style.BUSY, round(1.5 * FINE))
        loads = (nodes.load_variant >= 0) & (nodes.load_source == self._scene.neighbour.shape[1])
        for i in np.flatnonzero(~nodes.backhaul_up).tolist():
            style.dashed(draw, self._nodes[i], self._cloud, style.DOWN, 2 * FINE, 5 * FINE)
        for i in np.flatnonzero(nodes.backhaul_up & ((nodes.to_cloud > 0) | loads)).tolist():
            style.dashed(draw, self._nodes[i], self._cloud, style.BUSY, FINE, 2 * FINE)

    def _draw_ues(self, draw: ImageDraw.ImageDraw, shot: Snapshot) -> None:
        """Each in the colour of its uplink SINR, with a line to its node; dark while it sends or receives, ringed while it computes."""
        ues = shot.ues
        x, y = (values.tolist() for values in self._places(ues.x_m, ues.y_m))
        served, colours = ues.node.tolist(), style.sinr_colours()
        active = ((ues.uploads + ues.downloads) > 0).tolist()
        for u, node in enumerate(served):
            colour, width = (style.BUSY, round(1.5 * FINE)) if active[u] else (style.SERVES, FINE)
            draw.line([x[u], y[u], *self._nodes[node]], colour, width)
        half = 0.5 * self._ue
        computes = (ues.device_busy > 0).tolist()
        for u, shade in enumerate(style.shades_of(ues.sinr_db)):
            if computes[u]:
                ring = half + 2.5 * FINE
                draw.ellipse((x[u] - ring, y[u] - ring, x[u] + ring, y[u] + ring), style.PAPER, style.INK, FINE)
            draw.ellipse((x[u] - half, y[u] - half, x[u] + half, y[u] + half), colours[shade], style.FAINT, FINE // 2)

    def _places(self, x_m: np.ndarray, y_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x0, y0 = self._xy(0.0, 0.0)
        return x0 + FINE * self._layout.scale * x_m, y0 - FINE * self._layout.scale * y_m

    def _draw_node(self, draw: ImageDraw.ImageDraw, i: int, up: bool) -> None:
        (x, y), half = self._nodes[i], self._half
        colour: Colour = style.INK if up else style.DOWN
        draw_mark(draw, int(self._scene.node_band[i]), x, y, half, colour)
        if len(self._nodes) <= 64:
            style.text(draw, x, y, str(i), 9 * FINE, style.PAPER, "mm")
        if not up:
            far = half + 5 * FINE
            for sign in (-1, 1):
                draw.line([x - far, y - sign * far, x + far, y + sign * far], style.DOWN, 2 * FINE)

    def _draw_cloud(self, draw: ImageDraw.ImageDraw, shot: Snapshot) -> None:
        cloud, (x, y) = shot.cloud, self._cloud
        box = x - 0.5 * FINE * _CLOUD_WIDTH, y - 10 * FINE, x + 0.5 * FINE * _CLOUD_WIDTH, y + 10 * FINE
        colour: Colour = style.FAINT if cloud.up else style.DOWN
        draw.rounded_rectangle(box, 9 * FINE, style.PAPER, colour, FINE)
        waiting = f", {cloud.waiting} wait" if cloud.waiting else ""
        words = f"cloud: {cloud.busy} of {self._scene.cloud_places} places{waiting}" if cloud.up else "cloud: down"
        style.text(draw, x, y, words, 11 * FINE, style.INK if cloud.up else style.DOWN, "mm")


def draw_mark(draw: ImageDraw.ImageDraw, band: int, x: float, y: float, half: float, colour: Colour) -> None:
    """The mark of a node: a square, a diamond, a circle or a triangle, by its band."""
    wide = 1.3 * half
    if band % 4 == 0:
        draw.rectangle((x - half, y - half, x + half, y + half), colour)
    elif band % 4 == 1:
        draw.polygon([(x - wide, y), (x, y - wide), (x + wide, y), (x, y + wide)], colour)
    elif band % 4 == 2:
        draw.ellipse((x - half, y - half, x + half, y + half), colour)
    else:
        draw.polygon([(x - wide, y + half), (x, y - wide), (x + wide, y + half)], colour)


def _pairs(scene: Scene) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """Pairs of nodes that are neighbours, with the places (i, k) of their link in Links."""
    pairs: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for i, peers in enumerate(scene.neighbour.tolist()):
        for k, j in enumerate(peers):
            pairs.setdefault((min(i, j), max(i, j)), []).append((i, k))
    return pairs
