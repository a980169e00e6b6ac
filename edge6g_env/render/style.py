"""Sizes, colours and letters of a frame."""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 800, 600  # px of a frame
Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]  # left, top, right, bottom in px


def _rgb(code: str) -> Colour:
    return int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)


PAPER, INK, FAINT, RULE = _rgb("#ffffff"), _rgb("#222222"), _rgb("#6b6b6b"), _rgb("#d9d9d9")
AREA, STREET, HOTSPOT = _rgb("#f7f7f7"), _rgb("#e4e4e4"), _rgb("#fbf3b8")
LINK, BUSY, SERVES = _rgb("#c4c4c4"), _rgb("#222222"), _rgb("#a8a8a8")
# Okabe, Ito: Color Universal Design, 2008
DOWN, WEIGHTS, KV, TRAINING, LOADING = (_rgb(code) for code in ("#d55e00", "#0072b2", "#e69f00", "#cc79a7", "#9ccbe8"))
UNDECIDED, WAITING, BATCH = (_rgb(code) for code in ("#444444", "#999999", "#009e73"))
# viridis of matplotlib, by tenths: dark where the SINR is low
_SCALE = ("#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725")
SINR_LOW_DB, SINR_HIGH_DB = -10.0, 40.0
SHADES = 32


@cache
def sinr_colours() -> tuple[Colour, ...]:
    """SHADES colours from the lowest SINR to the highest."""
    known = np.array([_rgb(code) for code in _SCALE], np.float64)
    at = np.linspace(0.0, len(known) - 1.0, SHADES)
    mixed = np.stack([np.interp(at, np.arange(len(known)), known[:, channel]) for channel in range(3)], axis=1)
    return tuple((int(r), int(g), int(b)) for r, g, b in mixed.round())


def shades_of(sinr_db: np.ndarray) -> list[int]:
    """Index into sinr_colours() of each SINR."""
    share = (sinr_db - SINR_LOW_DB) / (SINR_HIGH_DB - SINR_LOW_DB)
    shades: list[int] = np.clip(share * SHADES, 0, SHADES - 1).astype(int).tolist()
    return shades


@cache
def palette() -> Image.Image:
    """What a picture of few colours is quantized by: those that mean something, and how they fade into paper and ink."""
    meant = [
        PAPER,
        INK,
        FAINT,
        RULE,
        AREA,
        STREET,
        HOTSPOT,
        LINK,
        SERVES,
        DOWN,
        WEIGHTS,
        KV,
        TRAINING,
        LOADING,
        UNDECIDED,
        WAITING,
        BATCH,
    ]
    colours = [*meant, *sinr_colours()]
    mixed = [
        tuple(round(share * a + (1.0 - share) * b) for a, b in zip(colour, ground, strict=True))
        for colour in (INK, FAINT, DOWN, SERVES, BATCH, WEIGHTS)
        for ground in (PAPER, HOTSPOT)
        for share in (0.25, 0.5, 0.75)
    ]
    image = Image.new("P", (1, 1))
    image.putpalette([channel for colour in dict.fromkeys([*colours, *mixed]) for channel in colour])
    return image


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own letters, in px: no font of the system is looked for."""
    return ImageFont.load_default(size)


def text(
    draw: ImageDraw.ImageDraw, x: float, y: float, words: str, size: int, colour: Colour = INK, anchor: str = "lm"
) -> None:
    """Words at a point; anchor as in Pillow: left, middle, right and top, middle, baseline."""
    draw.text((x, y), words, colour, font(size), anchor=anchor)


def width_of(words: str, size: int) -> float:
    """px."""
    return float(font(size).getlength(words))


def fitting(words: str, size: int, room: float) -> str:
    """The words, cut with dots if there is no room for all."""
    if width_of(words, size) <= room:
        return words
    while words and width_of(f"{words}...", size) > room:
        words = words[:-1]
    return f"{words}..."


def dashed(
    draw: ImageDraw.ImageDraw,
    start: tuple[float, float],
    end: tuple[float, float],
    colour: Colour,
    width: int,
    dash: float,
) -> None:
    """A line of dashes, `dash` px each."""
    way = np.hypot(end[0] - start[0], end[1] - start[1])
    at = np.arange(0.0, max(way, 1e-9), 2.0 * dash)
    for first in at.tolist():
        ends = [min(share / max(way, 1e-9), 1.0) for share in (first, first + dash)]
        points = [(start[0] + s * (end[0] - start[0]), start[1] + s * (end[1] - start[1])) for s in ends]
        draw.line([*points[0], *points[1]], colour, width)
