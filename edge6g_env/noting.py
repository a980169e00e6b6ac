"""One world that is recorded: it plays as any other does, and keeps frames of itself and notes of what happens (kernel/notes.py).

`edge6g_env.snapshot` shows a world in full, now. A recording wants little of it, ten times a second, and all that happens between, at no
more than what playing costs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from edge6g_env.batch import BatchEnv
from edge6g_env.kernel.fields import DTYPES
from edge6g_env.kernel.notes import BEGINS
from edge6g_env.kernel.world import World
from edge6g_env.scenario import Scenario
from edge6g_env.snapshot import places_m

FRAMES_PER_S = 10  # of simulated time
_NOTES_AT_ONCE = 64  # of each job row, between two looks: a leg takes more than a tenth of a millisecond
_OF_UES = ("leg_start_s", "leg_end_s", "from_x_m", "from_y_m", "to_x_m", "to_y_m", "node", "sinr_db")
_OF_NODES = ("n_queue", "up")
_OF_SERVERS = ("n_inbox", "n_admitted", "n_training", "kv_bytes", "training_bytes", "weight_bytes", "load_variant")
_OF_EPISODE = ("now_s", "cloud_running", "n_cloud_wait", "cloud_up")


class Film(NamedTuple):
    """F frames: arrays by field of the state (docs/state.md), (F, U), (F, N) or (F,)."""

    ues: dict[str, np.ndarray]
    nodes: dict[str, np.ndarray]
    world: dict[str, np.ndarray]

    @property
    def ue_xy_m(self) -> np.ndarray:
        """float64 (F, U, 2) places of the UEs: on their way, or at its end."""
        return np.stack(places_m(self.ues, self.world["now_s"][:, None]), axis=-1)


class NotedEnv(BatchEnv):
    """A batch of one world with candidates, whose steps go on to the next decision, but stop for each frame on the way."""

    def __init__(self, scenario: Scenario) -> None:
        """As BatchEnv does."""
        super().__init__(scenario, 1, observe="candidates", skip_idle=True)
        self.frame_slots = max(1, round(1.0 / FRAMES_PER_S / scenario.time.slot_s))
        self._frames: dict[str, list[np.ndarray]] = {}
        self._notes: list[np.ndarray] = []
        self.at_frame: Callable[[], None] | None = None  # called when one is kept, to look at the world as well

    def _make_world(self) -> World:
        """One with room for notes."""
        world = super()._make_world()
        rows = world.job.shape[1]
        return world._replace(
            last_note=np.zeros((1, rows), np.int64),
            noted=np.zeros((1, _NOTES_AT_ONCE * rows), DTYPES["noted"]).view(np.recarray),
        )

    def begin(self, seed: int) -> dict[str, np.ndarray]:
        """Start the episode of a seed, with a first frame; the observation."""
        observation = self.reset(seed=[seed])
        world = self.world
        sources = (
            (world.ue, _OF_UES), (world.node, _OF_NODES), (world.server, _OF_SERVERS), (world.episode, _OF_EPISODE)
        )  # fmt: skip
        views = {name: array.view(np.ndarray)[name] for array, names in sources for name in names}
        self._views = {name: view[0] if view.ndim > 1 else view for name, view in views.items()}
        self._frames, self._notes = {name: [] for name in self._views}, []
        self._slot, self._heads = (world.episode.view(np.ndarray)[name] for name in ("slot", "n_heads"))
        self._noted = world.noted.view(np.ndarray)[0].view(np.dtype((np.void, DTYPES["noted"].itemsize)))
        self._keep_notes()
        self._keep_frame()
        return observation

    def go_on(self, actions: np.ndarray) -> bool:
        """A step up to the next decision or frame, whichever is first; whether somebody has to decide, or the episode has ended.

        What it brought is in `last_step`. After the end the world stands at the start of the next episode, which nobody sees: no frame is
        of it, and no note.
        """
        step, slot = self.last_step.step, int(self._slot[0])
        step["most_slots"] = self.frame_slots - slot % self.frame_slots
        self.advance(self.checked(actions))
        step["most_slots"] = 0  # who clones this world goes on as ever
        self._keep_notes()
        ended = bool(step["truncated"][0])
        if not ended and (slot + int(step["slots"][0])) % self.frame_slots == 0:
            self._keep_frame()
        return ended or bool(self._heads[0])

    def _keep_frame(self) -> None:
        for name, view in self._views.items():
            self._frames[name].append(view.copy())
        if self.at_frame is not None:
            self.at_frame()

    def _keep_notes(self) -> None:
        """Take the notes of the last step out of the world. RuntimeError if it had no room for all of them."""
        step = self.last_step.step
        count = int(step["n_noted"][0])
        if count > len(self._noted):
            raise RuntimeError(f"{count} notes in one step, there is room for {len(self._noted)}: a defect")
        if count:
            self._notes.append(self._noted[:count].copy())  # as bytes: numpy copies records field by field
            step["n_noted"] = 0

    @property
    def now_s(self) -> float:
        """Time of the episode."""
        return float(self.world.episode["now_s"][0])

    @property
    def film(self) -> Film:
        """The frames so far."""
        stacked = {name: np.array(kept) for name, kept in self._frames.items()}
        ues, nodes, world = (
            {name: stacked[name] for name in names} for names in (_OF_UES, (*_OF_NODES, *_OF_SERVERS), _OF_EPISODE)
        )
        return Film(ues, nodes, {name: values[:, 0] for name, values in world.items()})

    @property
    def notes(self) -> np.ndarray:
        """The notes of the episode, rows of NOTED (docs/state.md) as they were written."""
        notes = np.concatenate(self._notes).view(DTYPES["noted"])
        begins = np.flatnonzero(notes["what"] == BEGINS)
        return notes[begins[0] : begins[1] if len(begins) > 1 else None]
