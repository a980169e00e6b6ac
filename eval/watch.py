"""An episode while it is played: slot by slot, as frames, or in a window in which time passes as fast as one likes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from agents.policy import MakePolicy, attach, learn, start
from edge6g_env.batch import BatchEnv
from edge6g_env.errors import UserError
from edge6g_env.kernel.codes import DONE
from edge6g_env.render.painter import Painter
from edge6g_env.render.renderer import NO_WINDOW, has_window
from edge6g_env.render.window import PAUSE, QUIT, Window
from edge6g_env.scenario import Scenario
from edge6g_env.scene import scene_of
from edge6g_env.snapshot import Snapshot
from edge6g_env.spaces import Layout
from eval import EVALUATION_SEED
from eval.contenders import Contender, LoadCheckpoint, find_one
from eval.episodes import policy_stream

FRAMES_A_S = 25  # of wall time in a window
LONGEST_FRAME_S = 0.2  # of wall time, where the machine is slower than what is asked of it
LEAST_SPEED, MOST_SPEED = 0.01, 1000.0


class Watched(NamedTuple):
    """How far an episode was watched."""

    name: str
    seed: int
    last: Snapshot
    has_ended: bool


def slots(name: str, make_policy: MakePolicy, scenario: Scenario, seed: int) -> Iterator[tuple[BatchEnv, float]]:
    """Play the episode of a seed under a policy: its batch of one world and the time in s, as it begins and behind each slot but the last,
    in which the next episode begins.

    The decisions are those of `eval.episodes` where it plays this seed alone. name: seeds the policy's random stream, with the seed.
    """
    policy = make_policy(Layout(scenario))
    env = BatchEnv(scenario, 1, observe="candidates" if policy.needs_candidates else "plain")
    rng = policy_stream(name, seed)
    start(policy, 1)
    attach(policy, env)
    obs = env.reset(seed=[seed])
    yield env, 0.0
    ended = False
    while not ended:
        actions = policy.act(obs, rng)
        decided, outcomes = None, []
        while decided is None or not (ended or (env.deciding() >= 0).any()):  # on to the next decision
            obs, _, _, truncated, info = env.step(actions)
            decided = np.where(info["action_effect"] == DONE, info["job"], -1) if decided is None else decided
            outcomes.append(np.array(info["outcomes"]))
            actions, ended = np.zeros_like(actions), bool(truncated[0])
            if not ended:
                yield env, float(info["time_s"][0])
        learn(policy, decided, np.concatenate(outcomes))


def frames(
    name: str, make_policy: MakePolicy, scenario: Scenario, seed: int, every_s: float = 0.2
) -> Iterator[np.ndarray]:
    """The same episode as pictures, uint8 (600, 800, 3), one each `every_s` seconds of simulated time: for a GIF or a video.

    The drawing is that of render_mode, with the policy's name; nothing but what is handed out is drawn. See docs/looking.md.
    """
    painter, next_s = Painter(scene_of(scenario)), 0.0
    for env, now_s in slots(name, make_policy, scenario, seed):
        if now_s >= next_s - 1e-9:
            yield painter.paint(env.snapshot(), name)
            next_s += every_s


def watch(
    scenario: Scenario,
    policy: str,
    *,
    seed: int = 0,
    speed: float = 1.0,
    load_checkpoint: LoadCheckpoint,
) -> Watched:
    """Show evaluation seed EVALUATION_SEED + seed, that of `compare`, under a policy in a window: `speed` simulated seconds a second of
    wall time, or as fast as it can be played. Space pauses; q, Escape, or closing the window ends it; the last frame stays until then.

    policy: a word of `compare`'s list, code of one's own among them. Raises what `contenders.find_rows` raises, PolicyListError for a
    group of checkpoints, UserError for a speed outside LEAST_SPEED to MOST_SPEED, without pygame-ce and without a display.
    """
    if not LEAST_SPEED <= speed <= MOST_SPEED:
        raise UserError(f"speed must be {LEAST_SPEED:g} to {MOST_SPEED:g} simulated seconds a second, it is {speed:g}")
    if not has_window():
        raise UserError(NO_WINDOW)
    contender = find_one(policy, scenario, load_checkpoint, "a window shows one")
    seed = EVALUATION_SEED + seed
    window = Window(f"{scenario.label}: {contender.name}, seed {seed}")
    show = _Show(window, Painter(scene_of(scenario)), f"{contender.name}, x{speed:g}", speed)
    try:
        return _watch(contender, scenario, seed, show)
    finally:
        window.close()


def _watch(contender: Contender, scenario: Scenario, seed: int, show: _Show) -> Watched:
    for env, now_s in slots(contender.name, contender.make, scenario, seed):
        if not show.goes_on(env, now_s):
            return Watched(contender.name, seed, show.last, False)
    show.linger()
    return Watched(contender.name, seed, show.last, True)


class _Show:
    """Frames in a window, in step with the clock."""

    def __init__(self, window: Window, painter: Painter, title: str, speed: float) -> None:
        self._window, self._painter, self._title, self._speed = window, painter, title, speed
        self._level_s: tuple[float, float] | None = None  # simulated and wall time that were level
        self._shown_s = -math.inf  # wall time of the last frame
        self.last: Snapshot  # in that frame

    def goes_on(self, env: BatchEnv, now_s: float) -> bool:
        """Show a slot when its time has come, if the last frame is old enough; False when its user wants no more.

        What comes late is caught up by fewer frames, and let go where that is not enough.
        """
        wall_s = time.perf_counter()
        if self._level_s is None:
            self._level_s = now_s, wall_s
        due_s = self._level_s[1] + (now_s - self._level_s[0]) / self._speed
        is_late = due_s < wall_s
        if max(due_s, wall_s) - self._shown_s < (LONGEST_FRAME_S if is_late else 1.0 / FRAMES_A_S):
            return True
        if is_late:
            self._level_s = now_s, wall_s
        self._draw(env)
        self._shown_s = max(due_s, wall_s)
        return self._hears(due_s)

    def _draw(self, env: BatchEnv) -> None:
        self.last = env.snapshot()
        self._window.show(self._painter.paint(self.last, self._title))

    def _hears(self, until_s: float) -> bool:
        """Wait until then, and be told meanwhile to pause or to end."""
        paused = False
        while True:
            for asked in self._window.heard():
                if asked == QUIT:
                    return False
                if asked == PAUSE:
                    paused, self._level_s = not paused, None
            left_s = until_s - time.perf_counter()
            if not paused and left_s <= 0.0:
                return True
            time.sleep(0.02 if paused else min(left_s, 0.02))

    def linger(self) -> None:
        """Keep the last frame until its user ends it."""
        while QUIT not in self._window.heard():
            time.sleep(0.02)


def show(watched: Watched, say: Callable[[str], None]) -> None:
    """Say how far it went."""
    jobs = len(watched.last.jobs.number)
    how = "to its end" if watched.has_ended else f"for {watched.last.now_s:.1f} s"
    say(f"{watched.name}, seed {watched.seed}: watched {how}, {jobs} jobs under way then")
