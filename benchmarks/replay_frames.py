"""CPU time of a frame of a replay that plays in a headless Chromium, which must be installed.

    python -m benchmarks.replay_frames --scenario dense-urban --policies greedy,tuned

The episode is recorded under each policy, side by side, and played for ten seconds at the speed with which the page opens. CPU time is that
of all processes of the browser, those that fill pixels without a graphics card included; frames are those that the page was asked for.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

from agents.policy import make_rule
from edge6g_env import load_scenario
from eval.record.play import record_episode
from eval.replay import write_replay
from tests.browser import Browser, find_browser

SEED = 700_000  # of training worlds
FROM_S = 30.0  # into the episode, when it is busy
WINDOWS, WINDOW_S = 20, 0.5
COUNT = "window.frames_shown = 0; (function next() { frames_shown += 1; requestAnimationFrame(next); })()"
PLAY = f"(at => {{ at.value = {FROM_S}; at.dispatchEvent(new Event('input')); replay.clock.play(); }})(document.getElementById('slider'))"


def main() -> None:
    """Record, play, and print the median over half seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", default="campus")
    parser.add_argument("--policies", default="greedy", help="rules, at most two, with commas between")
    parser.add_argument("--width", type=int, default=1400, help="of the page in pixels (1400)")
    options = parser.parse_args()
    program = find_browser()
    if program is None:
        parser.error("no Chromium is installed")
    scenario = load_scenario(options.scenario)
    names = options.policies.split(",")
    recordings = [record_episode(name, partial(make_rule, name), scenario, SEED) for name in names]
    with tempfile.TemporaryDirectory() as folder, Browser(program) as browser:
        path = Path(folder) / "replay.html"
        write_replay(recordings, path)
        browser.size(options.width, 900)
        browser.open(path)
        browser.until("window.replay")
        browser.run(COUNT)
        browser.run(PLAY)
        browser.until(f"replay.clock.t > {FROM_S}")
        of_frame_ms, frames = costs_ms(browser)
        played_s = browser.run("replay.clock.t") - FROM_S
    print(f"{scenario.name}, {' and '.join(names)}, {options.width} pixels, load {os.getloadavg()[0]:.1f}")
    told = f"median {np.median(of_frame_ms):.1f}, mean {np.mean(of_frame_ms):.1f}, most {np.max(of_frame_ms):.1f}"
    print(
        f"CPU ms a frame over {WINDOWS} windows of {WINDOW_S:g} s: {told}; {frames} frames, {played_s:.0f} simulated s"
    )


def costs_ms(browser: Browser) -> tuple[np.ndarray, int]:
    """CPU time of a frame in each window, ms, and the frames of all."""
    marks = [(browser.processes_cpu_s(), int(browser.run("frames_shown")))]
    for _ in range(WINDOWS):
        time.sleep(WINDOW_S)
        marks.append((browser.processes_cpu_s(), int(browser.run("frames_shown"))))
    cpu_s, shown = np.diff(np.array(marks), axis=0).T
    return 1e3 * cpu_s / np.maximum(shown, 1.0), int(shown.sum())


if __name__ == "__main__":
    main()
