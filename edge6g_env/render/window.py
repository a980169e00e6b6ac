"""A window for frames, by pygame-ce, which is an extra: nothing of it is imported before the first window."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence

import numpy as np
from PIL import Image

from edge6g_env.errors import UserError
from edge6g_env.render.renderer import NO_WINDOW
from edge6g_env.render.style import HEIGHT, WIDTH

QUIT, PAUSE = "quit", "pause"


def tiled(frames: Sequence[np.ndarray]) -> np.ndarray:
    """uint8 (600, 800, 3): the frame, or several, made smaller, in rows."""
    if len(frames) == 1:
        return frames[0]
    columns = math.ceil(math.sqrt(len(frames)))
    width, height = WIDTH // columns, HEIGHT // columns
    whole = Image.new("RGB", (WIDTH, HEIGHT), "white")
    for n, frame in enumerate(frames):
        small = Image.fromarray(frame).resize((width, height), Image.Resampling.BOX)
        whole.paste(small, (n % columns * width, n // columns * height))
    return np.array(whole)


_TO_NOBODY = ("offscreen", "dummy")  # drivers that SDL falls back on where there is no display


class Window:
    """A window of 800 x 600 px. Who closes it, or presses q or Escape, sees no more frames; it takes no other keys than these and space."""

    def __init__(self, title: str) -> None:
        """UserError without pygame-ce, or without a display."""
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        try:
            import pygame
        except ImportError:
            raise UserError(NO_WINDOW) from None
        self._pygame = pygame
        pygame.display.init()
        try:
            self._surface = pygame.display.set_mode((WIDTH, HEIGHT))
        except pygame.error as error:
            pygame.display.quit()
            raise UserError(f"no window can be opened: {error}") from None
        if pygame.display.get_driver() in _TO_NOBODY and "SDL_VIDEODRIVER" not in os.environ:
            pygame.display.quit()
            raise UserError("no window can be opened: there is no display")
        pygame.display.set_caption(title)
        self._shown_s = time.perf_counter()
        self.is_closed = False

    def show(self, frame: np.ndarray) -> None:
        """Show a frame, uint8 (600, 800, 3), unless the window was closed."""
        if self.is_closed:
            return
        self._pygame.surfarray.blit_array(self._surface, frame.swapaxes(0, 1))
        self._pygame.display.flip()
        self.heard()

    def heard(self) -> list[str]:
        """What its user has asked for since: QUIT, PAUSE."""
        if self.is_closed:
            return [QUIT]
        pygame, asked = self._pygame, []
        for event in pygame.event.get():
            if event.type == pygame.QUIT or (
                event.type == pygame.KEYDOWN and event.key in (pygame.K_q, pygame.K_ESCAPE)
            ):
                asked.append(QUIT)
            elif event.type == pygame.KEYDOWN and event.key == pygame.K_SPACE:
                asked.append(PAUSE)
        if QUIT in asked:
            self.close()
        return asked

    def wait(self, frame_s: float) -> None:
        """Wait until `frame_s` seconds of wall time have passed since the frame before."""
        if not self.is_closed:
            time.sleep(max(0.0, self._shown_s + frame_s - time.perf_counter()))
        self._shown_s = time.perf_counter()

    def close(self) -> None:
        """Close it; twice is fine."""
        if not self.is_closed:
            self.is_closed = True
            self._pygame.display.quit()
