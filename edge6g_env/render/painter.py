"""A frame: a snapshot as a picture of 800 x 600 px."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from edge6g_env.render import style
from edge6g_env.render.layout import HEAD, LEGEND, MARGIN, layout_of
from edge6g_env.render.site import Site, draw_mark
from edge6g_env.render.style import HEIGHT, WIDTH, Colour
from edge6g_env.render.table import FULL_JOBS, Table
from edge6g_env.scene import Scene
from edge6g_env.snapshot import Snapshot

_TIME = 320  # px of the words about time and jobs, at least
_APART = 10  # px before them
_LABEL = 80  # px of the name of the scenario, at least
_BAR = 5  # height of the bar of the episode


class Painter:
    """Draws worlds of one scene; what does not change is drawn once."""

    def __init__(self, scene: Scene) -> None:
        self._scene, layout = scene, layout_of(scene)
        self._site, self._table = Site(scene, layout), Table(scene, layout)
        self._paper = Image.new("RGB", (WIDTH, HEIGHT), style.PAPER)
        draw = ImageDraw.Draw(self._paper)
        self._table.draw_head(draw)
        _Legend(draw, scene).draw()

    def paint(self, shot: Snapshot, title: str = "") -> np.ndarray:
        """uint8 (600, 800, 3), a fresh array. title: what stands behind the name of the scenario."""
        image = self._paper.copy()
        image.paste(self._site.draw(shot), self._site.at)
        draw = ImageDraw.Draw(image)
        self._draw_head(draw, shot, title)
        self._table.draw(draw, shot)
        return np.array(image)

    def _draw_head(self, draw: ImageDraw.ImageDraw, shot: Snapshot, title: str) -> None:
        scene = self._scene
        jobs = len(shot.jobs.number)
        now = f"{jobs} {'job' if jobs == 1 else 'jobs'} in flight    seed {shot.seed}    {shot.now_s:.2f} s of {scene.episode_s:g} s"
        room = WIDTH - 2 * MARGIN - max(_TIME, style.width_of(now, 12) + _APART)
        title = style.fitting(f", {title}", 16, room - _LABEL) if title else ""
        style.text(draw, MARGIN, 17, style.fitting(scene.label, 16, room - style.width_of(title, 16)) + title, 16)
        style.text(draw, WIDTH - MARGIN, 17, now, 12, style.INK, "rm")
        self._draw_time(draw, shot.now_s)

    def _draw_time(self, draw: ImageDraw.ImageDraw, now_s: float) -> None:
        """The episode as a bar; what is not measured is lighter."""
        scene, length, top = self._scene, WIDTH - 2 * MARGIN, HEAD - 14
        draw.rectangle((MARGIN, top, MARGIN + length, top + _BAR), style.AREA, style.RULE)
        at = [length * share / scene.episode_s for share in (scene.warmup_s, scene.episode_s - scene.drain_s)]
        done = length * min(now_s / scene.episode_s, 1.0)
        draw.rectangle((MARGIN, top, MARGIN + done, top + _BAR), style.WAITING)
        if done > at[0]:
            draw.rectangle((MARGIN + at[0], top, MARGIN + min(done, at[1]), top + _BAR), style.UNDECIDED)


class _Legend:
    """Two lines that say what is what; drawn once."""

    def __init__(self, draw: ImageDraw.ImageDraw, scene: Scene) -> None:
        self._draw, self._scene = draw, scene
        self._x, self._y = float(MARGIN), HEIGHT - LEGEND + 14.0

    def draw(self) -> None:
        """Of the map, then of the table; only what the scene can have."""
        scene = self._scene
        self._scale()
        self._line("sends or receives", style.BUSY, 2)
        self._ring()
        if len(scene.bands) > 1:
            for band, name in enumerate(scene.bands):
                draw_mark(self._draw, band, self._x + 5, self._y, 4.5, style.INK)
                self._words(name, 13)
        if scene.hotspots:
            self._patch("hotspot", style.HOTSPOT)
        if scene.street_x_m.size:
            self._patch("street", style.STREET)
        style.dashed(self._draw, (self._x, self._y), (self._x + 20, self._y), style.DOWN, 2, 5)
        self._words("down", 24)
        self._x, self._y = float(MARGIN), HEIGHT - LEGEND + 32.0
        self._patch("waits for a decision", style.UNDECIDED)
        self._patch("for memory or its turn", style.WAITING)
        self._patch("decode batch", style.BATCH)
        self._words(f"(bars end at {FULL_JOBS})", 0)
        self._patch("weights", style.WEIGHTS)
        self._patch("being loaded", style.LOADING)
        self._patch("KV", style.KV)
        if "finetune" in scene.kinds:
            self._patch("training", style.TRAINING)

    def _scale(self) -> None:
        """The colours of the SINR."""
        self._words("UE, uplink SINR", 0, 6)
        self._words(f"{style.SINR_LOW_DB:g}", 0, 4)
        for colour in style.sinr_colours():
            self._draw.rectangle((self._x, self._y - 4, self._x + 2, self._y + 4), colour)
            self._x += 2
        self._words(f"{style.SINR_HIGH_DB:g} dB", 5)

    def _line(self, words: str, colour: Colour, width: int) -> None:
        self._draw.line((self._x, self._y, self._x + 18, self._y), colour, width)
        self._words(words, 22)

    def _ring(self) -> None:
        self._draw.ellipse((self._x, self._y - 6, self._x + 12, self._y + 6), style.PAPER, style.INK)
        self._words("its device computes", 16)

    def _patch(self, words: str, colour: Colour) -> None:
        self._draw.rectangle((self._x, self._y - 4, self._x + 10, self._y + 4), colour, style.RULE)
        self._words(words, 14)

    def _words(self, words: str, before: float, behind: float = 12) -> None:
        style.text(self._draw, self._x + before, self._y, words, 10, style.INK)
        self._x += before + style.width_of(words, 10) + behind
