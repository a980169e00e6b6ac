"""What the size of a batch, of a world and of its queues does, what memory a world takes, and what a second thread gives."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import numpy as np

from bench.doors import batch, kernel
from bench.timing import SEED, Player, Recording, Row, least_s, load, record, resized
from edge6g_env.batch import BatchEnv
from edge6g_env.kernel.world import STATE_ARRAYS
from edge6g_env.scenario import Scenario, ScenarioError

WORLDS = (1, 16, 64, 256)
NODES = (8, 32, 128, 512, 1024)
THREADED_WORLDS = (16, 64, 256)
WORLD_STEPS, NODE_STEPS, BACKLOG_STEPS = 6400, 100, 100  # the first: of one world; a batch takes its share, 50 at least
WARMUP_S = 10.0  # simulated, of large worlds
BACKLOG_S = 8.0  # simulated, in which nobody decides: by then a job waits at nearly every node


def worlds(scenario: Scenario) -> Iterator[Row]:
    """The kernel on batches of several sizes."""
    for count in WORLDS:
        recording = record(scenario, count, max(50, WORLD_STEPS // count // 4), warmup_s=WARMUP_S)
        yield _per_agent("worlds", recording, f"{count} worlds", *least_s([kernel(recording)]))


def nodes(scenario: Scenario) -> Iterator[Row]:
    """The kernel on one world of the sizes that the scenario can have, its load in proportion; and a reset of it."""
    for count in NODES:
        try:
            larger = resized(scenario, count)
        except ScenarioError:  # its nodes are as far apart as the models of its channel hold, say
            continue
        recording = record(larger, 1, NODE_STEPS, warmup_s=WARMUP_S)
        yield _per_agent("nodes", recording, f"{count} nodes", *least_s([kernel(recording)]))
        env = BatchEnv(larger, 1)
        (seconds,) = least_s([Player(lambda: None, env.reset, [SEED])])
        yield Row(
            "nodes", larger.id, f"reset, {count} nodes", 1e6 * seconds / count, "us a node", f"{1e3 * seconds:.1f} ms"
        )


def _per_agent(stage: str, recording: Recording, what: str, seconds: float) -> Row:
    agents = recording.worlds * recording.agents
    return Row(
        stage,
        recording.scenario.id,
        what,
        1e6 * seconds / agents,
        "us an agent-step",
        f"{agents / seconds / 1e3:.0f} k/s",
    )


def backlog(scenario: Scenario) -> Iterator[Row]:
    """The worst case: nobody decides, so a job waits at the head of nearly every queue, each with its mask and its candidates."""
    warm = round(BACKLOG_S / scenario.time.slot_s)
    held = np.zeros((warm + BACKLOG_STEPS, 4, scenario.nodes.count), np.int64)
    env = BatchEnv(scenario, 4)
    env.reset(seed=SEED)
    for actions in held:
        env.step(actions)
    waiting = float((env.deciding() >= 0).mean())
    recording, legal = Recording(scenario, held, warm, 0.0), int(env.action_masks().sum())
    plain_s, shown_s = least_s([kernel(recording), kernel(recording, observe="candidates")])
    row = _per_agent("backlog", recording, "plain", plain_s)
    yield row._replace(note=f"{row.note}, a job waits at {waiting:.0%} of the nodes")
    row = _per_agent("backlog", recording, "candidates", shown_s)
    yield row._replace(
        note=f"{row.note}, {1e9 * (shown_s - plain_s) / legal:.0f} ns a candidate of {legal / (env.num_worlds * env.num_agents):.0f} a node"
    )


def memory(scenario: Scenario) -> Iterator[Row]:
    """Bytes of the arrays that each world has of its own."""
    for observe in ("plain", "candidates"):
        env = BatchEnv(scenario, 4, observe=observe)
        size = sum(getattr(env.world, name).nbytes for name in STATE_ARRAYS) / 4
        yield Row("memory", scenario.id, observe, size / 1e6, "MB a world")


def threads(scenario: Scenario) -> Iterator[Row]:
    """batch_env on one thread and on two: by the wall's clock, so the load of the machine stands beside it; and CPU that two add."""
    for count in THREADED_WORLDS:
        recording = record(scenario, count, max(50, WORLD_STEPS // count // 4), warmup_s=WARMUP_S)
        players = [batch(recording, threads=one_or_two) for one_or_two in (1, 2)]
        wall_s, cpu_s = least_s(players, clock=time.perf_counter), least_s(players)
        note = f"{1e6 * wall_s[0]:.0f} and {1e6 * wall_s[1]:.0f} us a step by the wall, {1e6 * (cpu_s[1] - cpu_s[0]):+.0f} us of CPU"
        note += f"; load {load():.1f} on {os.cpu_count()} cores"
        yield Row("threads", scenario.id, f"two threads, {count} worlds", wall_s[0] / wall_s[1], "x one", note)
