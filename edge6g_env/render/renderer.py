"""What a door draws by: nothing is imported, drawn or opened before its first `render()`."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from edge6g_env.batch import BatchEnv
from edge6g_env.errors import ArgumentError
from edge6g_env.scenario import Scenario
from edge6g_env.snapshot import Snapshot

if TYPE_CHECKING:
    from edge6g_env.render.painter import Painter
    from edge6g_env.render.window import Window

MODES = ("rgb_array", "human")
NO_WINDOW = "a window needs pygame-ce: pip install 'edge6g[watch]'"
_MADE_LATE = ("_painters", "_window", "_slot")


def metadata(slot_s: float) -> dict[str, Any]:
    """What all doors say of their frames: one a slot in their own time."""
    return {"render_modes": list(MODES), "render_fps": max(1, round(1.0 / slot_s))}


def has_window() -> bool:
    """Whether pygame-ce is there, which is not imported for this."""
    return find_spec("pygame") is not None


def check_mode(render_mode: Any) -> str | None:
    """The mode; ArgumentError for any but those of MODES and None, and for "human" without pygame-ce."""
    if render_mode is not None and render_mode not in MODES:
        words = ", ".join(f'"{mode}"' for mode in MODES)
        raise ArgumentError(f"render_mode must be {words} or None, it is {render_mode!r}")
    if render_mode == "human" and not has_window():
        raise ArgumentError(f'render_mode="human": {NO_WINDOW}')
    mode: str | None = render_mode
    return mode


class Renderer:
    """Frames of the worlds of a batch, as arrays or in a window."""

    def __init__(self, batch: BatchEnv, render_mode: Any) -> None:
        """render_mode: "rgb_array", "human" or None; ArgumentError for another."""
        self.mode, self._batch = check_mode(render_mode), batch
        self.metadata = metadata(batch.scenario.time.slot_s)
        self._kept: dict[int, tuple[Scenario, Snapshot]] = {}
        self._was_asked = False
        self._make_late()

    def _make_late(self) -> None:
        self._painters: dict[int, tuple[Scenario, Painter]] = {}
        self._window: Window | None = None
        self._slot: np.ndarray | None = None  # int64 (B,), the world's own

    def __getstate__(self) -> dict[str, Any]:
        """All but pictures and the window: a copy draws its own."""
        return {name: value for name, value in self.__dict__.items() if name not in _MADE_LATE}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._make_late()

    def keep(self, worlds: Any = (0,)) -> None:
        """Before a step: look at the worlds whose episode it may end, since the kernel goes on to the next one in the same step. With
        skip_idle every step may, and it is looked only once somebody has asked for a frame: many makers set a mode unasked."""
        if self.mode is None or (self._batch.skip_idle and not self._was_asked):
            return
        if self._slot is None:
            self._slot = self._batch.world.episode.view(np.ndarray)["slot"]
        for b in worlds:
            if self._batch.skip_idle or self._slot.item(b) + 1 >= self._batch.episode_slots(b):
                self._kept[b] = self._batch.scenario_of(b), self._batch.snapshot(b)

    def forget(self) -> None:
        """What was kept, where a world is put to another state."""
        self._kept.clear()

    def frame(self, world: int = 0, *, ended: bool = False) -> np.ndarray:
        """uint8 (600, 800, 3): the world as it stands; of one whose episode has ended, and which shows its last observation, as it stood a
        step before. RuntimeError before the first reset."""
        if not self._batch.started:
            raise RuntimeError("call reset before render")
        now = self._batch.scenario_of(world), None
        scenario, shot = self._kept.get(world, now) if ended else now
        return self._painter(scenario).paint(shot or self._batch.snapshot(world))

    def show(self, frames: list[np.ndarray]) -> None:
        """Show frames in the window, side by side if there are several, one of the window's a slot."""
        from edge6g_env.render.window import Window, tiled

        if self._window is None:
            self._window = Window(self._batch.scenario.label)
        self._window.show(tiled(frames))
        self._window.wait(1.0 / self.metadata["render_fps"])

    def render(self, worlds: dict[int, bool]) -> list[np.ndarray] | None:
        """A frame of each world (and whether its episode has ended), or, in "human", None and the window shows them. None without a mode,
        with Gymnasium's warning."""
        if self.mode is None:
            from gymnasium import logger

            logger.warn('render() draws nothing: make the environment with render_mode="rgb_array" or "human"')
            return None
        self._was_asked = True
        frames = [self.frame(world, ended=ended) for world, ended in worlds.items()]
        if self.mode == "rgb_array":
            return frames
        self.show(frames)
        return None

    def close(self) -> None:
        """Close the window; the next frame opens it again."""
        if self._window is not None:
            self._window.close()
            self._window = None

    def _painter(self, scenario: Scenario) -> Painter:
        """One a scenario: worlds that vary have each its own, which changes from episode to episode."""
        from edge6g_env.render.painter import Painter
        from edge6g_env.scene import scene_of

        if id(scenario) not in self._painters:
            if len(self._painters) >= self._batch.num_worlds:
                self._painters.clear()
            self._painters[id(scenario)] = scenario, Painter(scene_of(scenario))
        return self._painters[id(scenario)][1]
