"""The table of a frame: a cell a node with what waits there, its decode batch and its memory."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import ImageDraw

from edge6g_env.render import style
from edge6g_env.render.layout import TABLE_HEAD, Layout
from edge6g_env.render.style import Colour
from edge6g_env.scene import Scene
from edge6g_env.snapshot import Snapshot

FULL_JOBS = 16  # at the end of a bar of jobs
_DOES = 40  # px of the word for what it does, where there is room
_NUMBER = 22  # px of the number behind a bar
_WIDE = 240  # px of a cell from which on there is room for the word


class _Columns(NamedTuple):
    """Where the bars of a cell begin and how long they are, in px from its left end."""

    waiting: float
    batch: float
    jobs: float  # length of these two
    memory: float
    bytes: float  # length of that
    does: float | None


class Table:
    """The nodes of a scene, or the busiest of them where they are many."""

    def __init__(self, scene: Scene, layout: Layout) -> None:
        self._scene, self._layout = scene, layout
        left, _, right, _ = layout.table
        self._cell = (right - left) / layout.columns
        self._columns = _columns_of(self._cell - (10 if layout.columns > 1 else 0))
        self._shown = layout.columns * layout.rows

    def draw_head(self, draw: ImageDraw.ImageDraw) -> None:
        """What stays: names of the columns, behind the numbers of the nodes."""
        left, top, _, _ = self._layout.table
        for column in range(self._layout.columns):
            x, y, at = left + column * self._cell, top + 0.5 * TABLE_HEAD, self._columns
            for offset, name in ((at.waiting, "waiting"), (at.batch, "batch"), (at.memory, "memory")):
                style.text(draw, x + offset, y, name, 10, style.FAINT)

    def draw(self, draw: ImageDraw.ImageDraw, shot: Snapshot) -> None:
        """The cells; of more nodes than have room those with most jobs, in their order."""
        left, top, _, _ = self._layout.table
        for place, i in enumerate(self._busiest(shot)):
            column, row = divmod(place, self._layout.rows)
            x = left + column * self._cell
            y = top + TABLE_HEAD + (row + 0.5) * self._layout.row
            self._draw_cell(draw, shot, i, x, y)

    def _busiest(self, shot: Snapshot) -> list[int]:
        nodes = shot.nodes
        count = len(nodes.up)
        if count <= self._shown:
            return list(range(count))
        jobs = nodes.queue + nodes.inbox + nodes.sequences + nodes.trainees
        busiest: list[int] = sorted(np.argsort(-jobs, kind="stable")[: self._shown].tolist())
        return busiest

    def _draw_cell(self, draw: ImageDraw.ImageDraw, shot: Snapshot, i: int, x: float, y: float) -> None:
        nodes, at = shot.nodes, self._columns
        half = min(5.0, 0.5 * self._layout.row - 2.5)
        style.text(draw, x, y, str(i), 11, style.INK if nodes.up[i] else style.DOWN)
        queue, inbox = int(nodes.queue[i]), int(nodes.inbox[i])
        batch = int(nodes.batch[i])
        jobs = [(queue / FULL_JOBS, style.UNDECIDED), (inbox / FULL_JOBS, style.WAITING)]
        self._draw_bar(draw, x + at.waiting, y, at.jobs, half, jobs)
        self._draw_number(draw, x + at.waiting + at.jobs, y, queue + inbox)
        self._draw_bar(draw, x + at.batch, y, at.jobs, half, [(batch / FULL_JOBS, style.BATCH)])
        self._draw_number(draw, x + at.batch + at.jobs, y, batch)
        if nodes.up[i]:
            self._draw_bar(draw, x + at.memory, y, at.bytes, half, self._memory(shot, i))
        else:
            style.text(draw, x + at.memory, y, "down", 11, style.DOWN)
        if at.does is not None:
            style.text(draw, x + at.does, y, self._doing(shot, i), 10, style.FAINT)

    def _memory(self, shot: Snapshot, i: int) -> list[tuple[float, Colour]]:
        """Shares of the memory: weights that are there, those on their way, KV, training state."""
        nodes, usable = shot.nodes, self._scene.usable_bytes[i]
        coming = nodes.load_left_bytes[i] if nodes.load_variant[i] >= 0 else 0.0
        parts = (nodes.weight_bytes[i] - coming, coming, nodes.kv_bytes[i], nodes.training_bytes[i])
        colours = style.WEIGHTS, style.LOADING, style.KV, style.TRAINING
        return [(float(part / usable), colour) for part, colour in zip(parts, colours, strict=True)]

    def _doing(self, shot: Snapshot, i: int) -> str:
        nodes = shot.nodes
        if not nodes.up[i]:
            return ""
        if nodes.chunk_job[i] >= 0:
            return "train" if nodes.chunk_trains[i] else "prefill"
        if nodes.batch[i]:
            return "decode"
        return "load" if nodes.load_variant[i] >= 0 else ""

    def _draw_number(self, draw: ImageDraw.ImageDraw, x: float, y: float, number: int) -> None:
        if number:
            style.text(draw, x + 4, y, str(number), 10, style.INK)

    def _draw_bar(
        self,
        draw: ImageDraw.ImageDraw,
        x: float,
        y: float,
        length: float,
        half: float,
        parts: list[tuple[float, Colour]],
    ) -> None:
        """Shares one behind the other, as far as there is room."""
        top, bottom, share = round(y - half), round(y + half), 0.0
        draw.rectangle((x, top, x + length, bottom), style.AREA, style.RULE)
        for part, colour in parts:
            before, share = share, min(1.0, share + max(part, 0.0))
            if (share - before) * length >= 0.5:
                draw.rectangle((x + before * length, top, x + share * length, bottom), colour)


def _columns_of(cell: float) -> _Columns:
    number, does = 22.0, _DOES if cell >= _WIDE else 0
    room = cell - number - 2 * (_NUMBER + 4) - does - (8 if does else 0)
    jobs, size = 0.28 * room, 0.44 * room
    batch = number + jobs + _NUMBER + 4
    memory = batch + jobs + _NUMBER + 4
    return _Columns(number, batch, jobs, memory, size, memory + size + 8 if does else None)
