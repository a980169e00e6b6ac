"""Why what was predicted did not come: errors of a rule's forecasts told apart by playing decisions again in copies of their worlds.

python benchmarks/forecast_causes.py --scenario shard --policy greedy --seeds 10 --snapshots 40

At some decisions the world is copied, and in the copy no job arrives any more; those in queues and under way go on under the same rule.
One copy carries the decision out, another a legal one of the same kind that is drawn at random, which nobody chose for its forecast.
bias: what was predicted of the drawn ones less what they had in their copies; choice: the same of the chosen ones, less the bias (the
winner's curse); after: what the chosen ones had in their copies less what they had in the world, where later jobs came. The three add up
to predicted less had. Intervals: 95 %, over the seeds. The rule may keep no state from step to step.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from agents.policy import Policy, make_rule
from edge6g_env.batch import BatchEnv
from edge6g_env.kernel.codes import HOLD
from edge6g_env.scenario import Scenario, load_scenario
from edge6g_env.spaces import Layout
from eval import evaluation_seeds
from eval.episodes import measured_s
from eval.forecasts import groups_of
from eval.statistics import ratio_interval

COPIES = 32  # worlds that are played together
Worth = dict[tuple[int, int], float]  # of world and job
COLUMNS = ("predicted", "had", "had in the copy", "error", "bias", "choice", "after")


class Copied(NamedTuple):
    """A decision: seed and number of its job, agent, its action and the drawn one with their utilities, all agents' actions, the world."""

    world: int
    job: int
    agent: int
    actions: tuple[int, int]
    promised: tuple[float, float]
    everybody: np.ndarray
    state: dict[str, np.ndarray]


def kinds_of(layout: Layout) -> tuple[list[str], np.ndarray]:
    """Names of the kinds of decisions, and each action's, int64 (C,)."""
    kind = next(group for group in groups_of(layout) if group.name == "kind")
    return kind.values, kind.numbers


def play(scenario: Scenario, policy: Policy, seeds: list[int], snapshots: float) -> tuple[list[Copied], Worth]:
    """An episode a seed: some `snapshots` decisions of each, and the worth of the measured jobs."""
    env, rng = BatchEnv(scenario, len(seeds), observe="candidates", skip_idle=True), np.random.default_rng(seeds[0])
    share = min(1.0, snapshots / (scenario.arrivals.rate_jobs_s * measured_s(scenario)))
    first_s, end_s = scenario.time.warmup_s, scenario.time.episode_s - scenario.time.drain_s
    kind, utility = kinds_of(env.layout)[1], env.layout.candidate_index("utility")
    running, now_s, obs = np.ones(len(seeds), bool), np.zeros(len(seeds)), env.reset(seed=seeds)
    copied, worth = list[Copied](), Worth()
    while running.any():
        jobs, actions = env.deciding(), policy.act(obs, rng)
        chosen = (jobs >= 0) & (actions != HOLD) & (rng.random(jobs.shape) < share)
        for b, i in np.argwhere(chosen & (running & (now_s >= first_s) & (now_s < end_s))[:, None]):
            mine = int(actions[b, i])
            other = int(rng.choice(np.flatnonzero((kind == kind[mine]) & (obs["action_mask"][b, i] == 1))))
            promised = tuple(obs["candidates"][b, i, [mine, other], utility].tolist())
            copied.append(Copied(b, int(jobs[b, i]), i, (mine, other), promised, actions[b].copy(), env.save_state(b)))
        obs, _, _, truncated, info = env.step(actions)
        ended = [row for row in info["outcomes"] if running[row["world"]] and row["measured"]]
        worth |= {(int(row["world"]), int(row["job"])): float(row["worth"]) for row in ended}
        running, now_s = running & ~truncated, info["time_s"]
    return copied, worth


def play_copies(env: BatchEnv, policy: Policy, copied: list[Copied], which: int) -> np.ndarray:
    """What the jobs have where nobody comes after them, float64 (copies,); which: 0 for the decision that was taken, 1 for the drawn."""
    env.reset(seed=0)
    worth, running = np.full(len(copied), np.nan), np.arange(env.num_worlds) < len(copied)
    actions = np.zeros((env.num_worlds, env.num_agents), np.int64)
    for b, one in enumerate(copied):
        env.load_state(one.state, b)
        actions[b] = one.everybody
        actions[b, one.agent] = one.actions[which]
    env.world.episode["next_arrival_s"] = np.inf  # nobody arrives before that
    while running.any():
        obs, _, _, truncated, info = env.step(actions)
        for row in info["outcomes"]:
            b = row["world"]
            if running[b] and row["job"] == copied[b].job:
                worth[b], running[b] = row["worth"], False
        running &= ~truncated
        actions = policy.act(obs, np.random.default_rng(0))
    return worth


def causes(scenario: Scenario, name: str, seeds: list[int], snapshots: float) -> tuple[list[Copied], np.ndarray]:
    """Decisions that were copied, and COLUMNS of each, float64 (decisions, 7)."""
    policy = make_rule(name, Layout(scenario))
    copied, worth = play(scenario, policy, seeds, snapshots)
    copied = [one for one in copied if (one.world, one.job) in worth]
    env = BatchEnv(scenario, COPIES, observe="candidates", skip_idle=True)
    parts = [copied[first : first + COPIES] for first in range(0, len(copied), COPIES)]
    alone, drawn = (np.concatenate([play_copies(env, policy, part, which) for part in parts]) for which in (0, 1))
    predicted, promised = np.array([one.promised for one in copied]).T
    had, bias = np.array([worth[one.world, one.job] for one in copied]), promised - drawn
    rows = (predicted, had, alone, predicted - had, bias, predicted - alone - bias, alone - had)
    return copied, np.stack(rows, axis=-1)


def table_of(layout: Layout, copied: list[Copied], rows: np.ndarray, seeds: int) -> Table:
    """One row a kind of decision; rows: from `causes`."""
    table = Table("decisions", "number", "%", *COLUMNS, box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    names, numbers = kinds_of(layout)
    kind, world = np.array([(numbers[one.actions[0]], one.world) for one in copied]).T
    for k, name in enumerate(["all", *names], -1):
        mine = (kind == k) | (k < 0)
        if mine.any():
            counts = np.bincount(world[mine], minlength=seeds)
            cells = [_words(world[mine], row, counts) for row in rows[mine].T]
            words = [*(f"{mean:.3f}" for mean, _ in cells[:3]), *(f"{mean:+.3f}{low}" for mean, low in cells[3:])]
            table.add_row(name, str(mine.sum()), f"{100 * mine.mean():.1f}", *words)
    return table


def _words(world: np.ndarray, values: np.ndarray, counts: np.ndarray) -> tuple[float, str]:
    """Mean, and its interval in words."""
    interval = ratio_interval(np.bincount(world, weights=values, minlength=len(counts)), counts)
    return float(values.mean()), "" if interval is None else f" [{interval[0]:+.3f}, {interval[1]:+.3f}]"


def main() -> None:
    """Play, copy, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", default="shard")
    parser.add_argument("--policy", default="greedy", help="a rule")
    parser.add_argument("--seeds", type=int, default=10, help="evaluation episodes")
    parser.add_argument("--snapshots", type=float, default=40, help="decisions of each that are copied, on average")
    options = parser.parse_args()
    scenario, seeds = load_scenario(options.scenario), evaluation_seeds(options.seeds)
    copied, rows = causes(scenario, options.policy, seeds, options.snapshots)
    Console(width=200).print(table_of(Layout(scenario), copied, rows, options.seeds))


if __name__ == "__main__":
    main()
