"""Where the parts of a frame stand: head, cloud and map, table of nodes, legend."""

from __future__ import annotations

import math
from typing import NamedTuple

from edge6g_env.render.style import HEIGHT, WIDTH, Box
from edge6g_env.scene import Scene

MARGIN = 10
HEAD = 46  # height of title, time and the bar of the episode
LEGEND = 44
CLOUD = 30  # height of the strip above the map with the cloud
TABLE_HEAD = 18
MOST_SHOWN = 32  # nodes of the table
_SIDE = 216  # width of a table beside the map
EDGE = 7  # around the area: marks that stand on its border
_ROWS = (24, 15)  # height of a row: with few nodes, at least


class Layout(NamedTuple):
    """Boxes in px of a frame."""

    map: Box  # of the area, in which the map has its own aspect
    strip: Box  # of the cloud and the map
    table: Box
    columns: int  # of the table
    rows: int
    row: float  # height of one
    scale: float  # px a metre

    def xy(self, x_m: float, y_m: float) -> tuple[float, float]:
        """A place of the area, north up."""
        return self.map[0] + self.scale * x_m, self.map[3] - self.scale * y_m


def layout_of(scene: Scene) -> Layout:
    """The table under the map or beside it, as the map is larger."""
    shown = min(len(scene.node_m), MOST_SHOWN)
    return max(_below(scene, shown), _beside(scene, shown), key=lambda one: one.scale)


def _below(scene: Scene, shown: int) -> Layout:
    columns = min(shown, 2 if shown <= 8 else 3 if shown <= 15 else 4)
    rows = math.ceil(shown / columns)
    row = max(_ROWS[1], min(_ROWS[0], 120 / rows))
    bottom = HEIGHT - LEGEND
    top = bottom - TABLE_HEAD - rows * row
    strip = MARGIN, HEAD, WIDTH - MARGIN, top - 2
    return _made(scene, strip, (MARGIN, top, WIDTH - MARGIN, bottom), columns, rows, row)


def _beside(scene: Scene, shown: int) -> Layout:
    left, bottom = WIDTH - MARGIN - _SIDE, HEIGHT - LEGEND
    row = max(_ROWS[1], min(_ROWS[0], (bottom - HEAD - TABLE_HEAD) / shown))
    strip = MARGIN, HEAD, left - 12, bottom - 2
    return _made(scene, strip, (left, HEAD, WIDTH - MARGIN, bottom), 1, shown, row)


def _made(scene: Scene, strip: Box, table: Box, columns: int, rows: int, row: float) -> Layout:
    width_m, height_m = scene.area_m
    room = strip[2] - strip[0] - 2 * EDGE, strip[3] - strip[1] - CLOUD - 2 * EDGE
    scale = min(room[0] / width_m, room[1] / height_m)
    left = strip[0] + EDGE + 0.5 * (room[0] - scale * width_m)
    top = strip[1] + CLOUD + EDGE + 0.5 * (room[1] - scale * height_m)
    return Layout((left, top, left + scale * width_m, top + scale * height_m), strip, table, columns, rows, row, scale)
