"""What recording costs: an episode of one world played, and recorded, by the same policy; and whether worlds are
slower that nobody records.

    python benchmarks/recording.py --scenario campus --policy greedy
    python benchmarks/recording.py --against ../before      # a checkout of the commit before: worlds in flight, in turn

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
    parser.add_argument("--worlds", type=int, default=16, help="with --against: in flight together (16)")
    parser.add_argument("--against", type=Path, help="another checkout")
    parser.add_argument("--fly", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    scenario = load_scenario(options.scenario)
    if options.fly:
        print(flight_s(scenario, options.policy, options.worlds))
    elif options.against:
        here, there = beside(options)
        print(f"{scenario.name}, {options.policy}, {options.worlds} worlds in flight, CPU s of an episode of all:")
        print(f"here {here:.3f}, {options.against} {there:.3f}: {here / there:.3f} times")
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


def flight_s(scenario: Scenario, policy: str, worlds: int) -> float:
    """CPU time in s of an episode of worlds in flight."""
    env, made = BatchEnv(scenario, worlds), make_rule(policy, Layout(scenario))
    least = np.inf
    for _ in range(3):
        env.reset([SEED + n for n in range(worlds)])
        began_s = time.process_time()
        env.fly(made, np.inf)
        least = min(least, time.process_time() - began_s)
    return least


def beside(options: argparse.Namespace) -> tuple[float, float]:
    """The least flight_s here, and in the other checkout, in turn, a process each."""
    least = {Path(__file__).resolve().parents[1]: np.inf, options.against.resolve(): np.inf}
    words = ["--fly", "--scenario", options.scenario, "--policy", options.policy, "--worlds", str(options.worlds)]
    for _ in range(options.repetitions):
        for folder in least:
            command = [sys.executable, __file__, *words]
            environment = {**os.environ, "PYTHONPATH": str(folder)}
            done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=True)
            least[folder] = min(least[folder], float(done.stdout.split()[-1]))
    here, there = least.values()
    return here, there


if __name__ == "__main__":
    main()
