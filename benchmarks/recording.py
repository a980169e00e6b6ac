"""What recording costs: an episode of one world played, and recorded, by the same policy; and whether worlds are
slower that nobody records.

    python benchmarks/recording.py --scenario campus --policy greedy
    python benchmarks/recording.py --against ../before      # a checkout of the commit before: worlds in flight, by turns

CPU time of one thread, least of the repetitions, in turn. Recording is `eval.record.play.record_episode`, 10 frames a simulated second, up
to the arrays that files are written from; playing is that of `eval.episodes.play_worlds`. The jobs of both are compared.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np

from agents.policy import make_rule
from edge6g_env import BatchEnv, load_scenario
from edge6g_env.scenario import Scenario
from edge6g_env.spaces import Layout

SEED = 700_000  # of training worlds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", default="campus")
    parser.add_argument("--policy", default="greedy", help="a rule; with --against one with a compiled form")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--worlds", type=int, default=2, help="with --against: in flight together (2)")
    parser.add_argument("--against", type=Path, help="another checkout")
    parser.add_argument("--fly", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    scenario = load_scenario(options.scenario)
    if options.fly:
        fly(scenario, options.policy, options.worlds)
    elif options.against:
        here, there = beside(options)
        print(
            f"{scenario.name}, {options.policy}, {options.worlds} worlds in flight, least CPU s of an episode of all:"
        )
        print(
            f"here {here.min():.3f}, {options.against} {there.min():.3f}; median of the ratios {np.median(here / there):.3f}"
        )
    else:
        played, recorded = costs(scenario, options.policy, options.repetitions)
        print(
            f"{scenario.name}, {options.policy}, one world, CPU s of an episode: played {played:.3f}, recorded {recorded:.3f}"
        )
        print(f"recording costs {recorded / played - 1.0:.2f} of what playing does")


def costs(scenario: Scenario, policy: str, repetitions: int) -> tuple[float, float]:
    """CPU time in s of playing an episode, and of recording it; ValueError if the jobs differ."""
    from eval.episodes import play_worlds
    from eval.record.play import record_episode

    make, least = partial(make_rule, policy), [np.inf, np.inf]
    for _ in range(repetitions + 1):  # the first compiles, or loads
        began_s = time.process_time()
        played = play_worlds(policy, make, scenario, [SEED])
        between_s = time.process_time()
        recorded = record_episode(policy, make, scenario, SEED)
        spent = between_s - began_s, time.process_time() - between_s
        least = [min(a, b) for a, b in zip(least, spent, strict=True)]
    measured = recorded.outcomes[recorded.outcomes["measured"] == 1]
    if not np.array_equal(measured, played.jobs[np.argsort(played.jobs["job"])]):
        raise ValueError("what was recorded is not what was played")
    return least[0], least[1]


def fly(scenario: Scenario, policy: str, worlds: int) -> None:
    """Fly an episode of worlds for each line that is read, and print its CPU time in s."""
    env, made = BatchEnv(scenario, worlds), make_rule(policy, Layout(scenario))
    for line in chain(("the first, which compiles, or loads\n",), sys.stdin):
        env.reset([SEED + n for n in range(worlds)])
        began_s = time.process_time()
        env.fly(made, np.inf)
        if line == "\n":
            print(time.process_time() - began_s, flush=True)


def beside(options: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    """CPU times in s of flights here and in the other checkout, a process each, by turns."""
    words = ["--fly", "--scenario", options.scenario, "--policy", options.policy, "--worlds", str(options.worlds)]
    processes = []
    for folder in (Path(__file__).resolve().parents[1], options.against.resolve()):
        environment = {**os.environ, "PYTHONPATH": str(folder)}
        command = [sys.executable, __file__, *words]
        pipe = subprocess.PIPE
        processes.append(subprocess.Popen(command, env=environment, cwd=folder, stdin=pipe, stdout=pipe, text=True))
    spent_s: tuple[list[float], list[float]] = ([], [])
    for n in range(options.repetitions):
        for which in (0, 1) if n % 2 else (1, 0):
            told, said = processes[which].stdin, processes[which].stdout
            assert told is not None
            assert said is not None
            told.write("\n")
            told.flush()
            spent_s[which].append(float(said.readline()))
    for process in processes:
        process.communicate()
    return np.array(spent_s[0]), np.array(spent_s[1])


if __name__ == "__main__":
    main()
