"""What flights are worth: decisions a second inside the kernel against the doors' loop, and the time of a clone.

    python benchmarks/flights.py --scenario campus --policies greedy,restricted,tuned

CPU time of one thread, least of the repetitions; both ways play the same episodes, in turn, and their jobs are compared. The doors' loop is
that of `eval.episodes.play_worlds`: observations with candidates, `skip_idle`, the policy's `act`.
"""

from __future__ import annotations

import argparse
import time
from functools import partial

import numpy as np
from rich.console import Console
from rich.table import Table

from agents.policy import Policy, make_rule
from edge6g_env import BatchEnv, load_scenario
from edge6g_env.scenario import Scenario
from edge6g_env.spaces import Layout
from eval.episodes import play_worlds

SEED = 700_000  # of training worlds
CLONES = 8  # of a world, as a planner makes them


def main() -> None:
    """Play both ways and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", default="campus")
    parser.add_argument("--policies", default="greedy,restricted,tuned", help="rules with a compiled form")
    parser.add_argument("--worlds", type=int, default=32, help="episodes at a time (32)")
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    scenario, console = load_scenario(options.scenario), Console()
    table = Table(
        "policy", "in the kernel", "doors' loop", "ratio", title=f"{scenario.name}: decisions a second of CPU time"
    )
    for name in options.policies.split(","):
        flown, stepped = rates(name, scenario, options.worlds, options.repetitions)
        table.add_row(name, f"{flown:.0f}", f"{stepped:.0f}", f"{flown / stepped:.2f}")
    console.print(table)
    console.print(f"a clone of a world, {CLONES} at a time: {clone_ms(scenario):.3f} ms")


def rates(name: str, scenario: Scenario, worlds: int, repetitions: int) -> tuple[float, float]:
    """Decisions a second of CPU time in flight and through the doors; ValueError if the two do not play the same jobs."""
    seeds, policy = [SEED + n for n in range(worlds)], make_rule(name, Layout(scenario))
    env = BatchEnv(scenario, worlds)
    env.reset(seeds)
    decisions = int(env.fly(policy, np.inf).decisions.sum())
    least = [np.inf, np.inf]
    for _ in range(repetitions):
        jobs = []
        for way, play in enumerate((partial(_flown, policy), partial(_stepped, policy))):
            began_s = time.process_time()
            jobs.append(play(scenario, seeds))
            least[way] = min(least[way], time.process_time() - began_s)
        if not np.array_equal(jobs[0], jobs[1]):
            raise ValueError(f"{name} does not play the same jobs in the kernel and through the doors")
    return decisions / least[0], decisions / least[1]


def _flown(policy: Policy, scenario: Scenario, seeds: list[int]) -> np.ndarray:
    env = BatchEnv(scenario, len(seeds))
    env.reset(seeds)
    ended = env.fly(policy, np.inf).outcomes
    return ended[(ended["measured"] == 1)]


def _stepped(policy: Policy, scenario: Scenario, seeds: list[int]) -> np.ndarray:
    return play_worlds("benchmark", lambda _: policy, scenario, seeds)[0]


def clone_ms(scenario: Scenario) -> float:
    """CPU time in ms of a clone of a busy world."""
    source, target = BatchEnv(scenario, 1), BatchEnv(scenario, CLONES)
    source.reset(seed=SEED)
    target.reset(seed=SEED)
    source.fly(make_rule("greedy", source.layout), 0.5 * scenario.time.episode_s)
    least = np.inf
    for _ in range(100):
        began_s = time.process_time()
        target.clone(source, [0] * CLONES, range(CLONES))
        least = min(least, time.process_time() - began_s)
    return 1e3 * least / CLONES


if __name__ == "__main__":
    main()
