"""What looking at a world costs: CPU time of a snapshot, of a frame, and of a slot through a door without and with a render_mode, the least
of repetitions each. The worlds are busy ones, under `greedy`.

The two doors are timed in turns, in the same slots of the same episode.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.table import Table

from agents.policy import make_rule
from edge6g_env.batch import BatchEnv
from edge6g_env.parallel import Edge6gParallelEnv, parallel_env
from edge6g_env.render.painter import Painter
from edge6g_env.scene import scene_of

BUSY_S = 30.0  # into an episode
SLOTS = 200  # of a part of an episode that is timed


def main() -> None:
    """Time every scenario that is asked for and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenarios", default="tiny,campus,dense-urban", help="names with commas between")
    parser.add_argument("--repetitions", type=int, default=50, help="of which the fastest counts (50)")
    options = parser.parse_args()
    table = Table(
        "scenario",
        "jobs in flight",
        "snapshot (ms)",
        "frame (ms)",
        "slot (us)",
        "with rgb_array",
        box=None,
        pad_edge=False,
    )
    for name in options.scenarios.split(","):
        env = busy(name)
        painter, shot = Painter(scene_of(env.scenario)), env.snapshot()
        painter.paint(shot)
        look_s = least_s(env.snapshot, options.repetitions)
        frame_s = least_s(lambda paint=painter.paint, of=shot: paint(of), options.repetitions)
        plain_s, drawn_s = slots_s(name, max(3, options.repetitions // 10))
        figures = (f"{1e3 * look_s:.2f}", f"{1e3 * frame_s:.1f}", f"{1e6 * plain_s:.0f}", f"{1e6 * drawn_s:.0f}")
        table.add_row(name, str(len(shot.jobs.number)), *figures)
    Console().print(table)


def busy(name: str) -> BatchEnv:
    """A world of a scenario, BUSY_S into an episode."""
    env, rng = BatchEnv(name, 1, observe="candidates"), np.random.default_rng(0)
    policy, obs = make_rule("greedy", env.layout), env.reset(seed=0)
    for _ in range(round(BUSY_S / env.scenario.time.slot_s)):
        obs = env.step(policy.act(obs, rng))[0]
    return env


def least_s(call: Callable[[], object], repetitions: int) -> float:
    """CPU seconds of a call."""
    spent = []
    for _ in range(repetitions):
        begin_s = time.process_time()
        call()
        spent.append(time.process_time() - begin_s)
    return min(spent)


def slots_s(name: str, repetitions: int) -> tuple[float, float]:
    """CPU seconds of a slot of the parallel door, whose agents hold: without a render_mode, and with one that is not asked for frames."""
    doors = [parallel_env(name), parallel_env(name, render_mode="rgb_array")]
    spent: list[list[float]] = [[], []]
    for _ in range(repetitions):
        for door, seconds in zip(doors, spent, strict=True):
            door.reset(seed=0)
            seconds.append(least_s(lambda of=door: play(of), 1) / SLOTS)
    return min(spent[0]), min(spent[1])


def play(door: Edge6gParallelEnv) -> None:
    """SLOTS slots in which nobody decides."""
    hold = dict.fromkeys(door.agents, 0)
    for _ in range(SLOTS):
        door.step(hold)


if __name__ == "__main__":
    main()
