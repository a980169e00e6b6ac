"""`edge6g watch`: an episode in a window, and the same as slots and frames."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from agents.policy import make_rule
from edge6g_env.render import renderer, window
from edge6g_env.scenario import load_scenario
from eval import EVALUATION_SEED, watch
from eval.episodes import play_worlds

SHORT = {"time.episode_s": 8.0, "time.warmup_s": 0.0, "time.drain_s": 1.0, "arrivals.rate_jobs_s": 6.0}
SETTINGS = [word for key, value in SHORT.items() for word in ("--set", f"{key}={value}")]
OPTIONS = ("watch", "--scenario", "tiny", "--policy", "jsq", *SETTINGS)


@pytest.fixture(autouse=True)
def no_display(monkeypatch):
    """Windows are opened nowhere, and nobody waits for the clock."""
    pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


@pytest.fixture
def asks(monkeypatch):
    """A function: from frame n of the window on its user asks for one of asked[n] after the other; gives the frames that were shown."""

    def set_up(asked):
        frames, heard = [], window.Window.heard

        def show(self, frame):
            frames.append(frame)

        def hears(self):
            waiting = asked.get(len(frames), [])
            wanted = waiting.pop(0) if waiting else None
            if isinstance(wanted, type):
                raise wanted
            if wanted == window.QUIT:
                self.close()
            return [wanted] if wanted else heard(self)

        monkeypatch.setattr(window.Window, "show", show)
        monkeypatch.setattr(window.Window, "heard", hears)
        return frames

    return set_up


@pytest.mark.parametrize("rule", ["random", "linucb", "greedy"])
def test_it_shows_the_episode_that_compare_plays(rule):
    """Job by job, until the last slot, in which the next episode begins."""
    scenario, make = load_scenario("tiny", **SHORT), partial(make_rule, rule)
    ended = []
    for env, now_s in watch.slots(rule, make, scenario, 5):
        ended += [row for row in env.outcomes().tolist() if now_s > 0.0]
    jobs, *_ = play_worlds(rule, make, scenario, [5])
    assert now_s == pytest.approx(8.0 - scenario.time.slot_s)
    measured = jobs.dtype.names.index("measured")
    seen = [row for row in ended if row[measured]]
    assert len(seen) > 3
    assert set(seen) <= set(jobs.tolist())
    assert len(seen) >= (jobs["end_s"] < now_s).sum()


def test_frames_come_at_even_times():
    scenario = load_scenario("tiny", **SHORT)
    frames = list(watch.frames("greedy", partial(make_rule, "greedy"), scenario, 5, every_s=2.0))
    assert len(frames) == 4
    assert all(frame.shape == (600, 800, 3) for frame in frames)
    assert not np.array_equal(frames[0], frames[1])


def test_it_ends_when_its_user_wants(run, asks):
    frames = asks({2: [window.PAUSE, None, window.PAUSE], 3: [window.PAUSE, window.QUIT]})
    status, out, err = run(*OPTIONS, "--seed", 2, "--speed", 20)
    assert (status, err, len(frames)) == (0, "", 3)
    assert out.startswith(f"jsq, seed {EVALUATION_SEED + 2}: watched for ")


def test_the_last_frame_stays_until_then(run, asks, monkeypatch):
    frames, lingered = asks({}), []
    monkeypatch.setattr(watch, "LONGEST_FRAME_S", 0.0)

    def linger(self):
        lingered.append(len(frames))

    monkeypatch.setattr(watch._Show, "linger", linger)
    status, out, _ = run(*OPTIONS, "--speed", 1000)
    assert (status, lingered) == (0, [len(frames)])
    assert "watched to its end" in out


def test_ctrl_c_ends_it_and_closes_the_window(run, asks):
    import pygame

    asks({2: [KeyboardInterrupt]})
    status, out, err = run(*OPTIONS)
    assert (status, out, err) == (130, "", "edge6g: stopped\n")
    assert not pygame.display.get_init()


def test_what_cannot_be_watched_is_told_in_one_sentence(run, monkeypatch, tmp_path):
    status, _, err = run("watch", "--scenario", "tiny", "--policy", "no-such-rule")
    assert status == 2
    assert "no-such-rule" in err
    status, _, err = run("watch", "--scenario", "tiny", "--policy", "greedy", "--speed", 0)
    assert status == 2
    assert "speed" in err
    monkeypatch.setattr(renderer, "find_spec", lambda _: None)
    status, _, err = run(*OPTIONS)
    assert (status, err) == (2, "edge6g: a window needs pygame-ce: pip install 'edge6g[watch]'\n")
