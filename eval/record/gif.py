"""A recording as a GIF: the drawing of `render_mode`, some frames a simulated second."""

from __future__ import annotations

import io

from PIL import Image

from edge6g_env.noting import NotedEnv
from edge6g_env.render.painter import Painter
from edge6g_env.render.style import palette
from edge6g_env.scene import scene_of
from edge6g_env.snapshot import look

GIF_FRAMES_PER_S = 2  # of simulated time
SPEED = 5  # simulated seconds a second


class Film:
    """Draws a world while it is recorded, at the first frame after each time that the GIF shows."""

    def __init__(self, title: str) -> None:
        """title: stands above the map."""
        self._title, self._next_s = title, 0.0
        self._painter: Painter | None = None
        self._frames: list[Image.Image] = []

    def keep(self, env: NotedEnv) -> None:
        """Draw the world, if this is one of the frames that the GIF has."""
        if float(env.times_s()[0]) < self._next_s - 1e-9:
            return
        self._next_s += 1.0 / GIF_FRAMES_PER_S
        if self._painter is None:
            self._painter = Painter(scene_of(env.scenario))
        drawn = Image.fromarray(self._painter.paint(look(env), self._title))
        self._frames.append(drawn.quantize(palette=palette(), dither=Image.Dither.NONE))

    def data(self) -> bytes:
        """The GIF."""
        buffer = io.BytesIO()
        first, *others = self._frames
        hundredths = round(100 / (GIF_FRAMES_PER_S * SPEED))
        first.save(buffer, "GIF", save_all=True, append_images=others, duration=10 * hundredths, loop=0)
        return buffer.getvalue()
