"""CPU time of recorded actions: what an undisturbed core needs, on a machine that is not.

A rule plays once and its actions are recorded. A measurement plays them again from one saved state, slice by slice, several times over, and
adds up the least time of each slice: what disturbs a core (another process on its sibling, a colder cache) only ever adds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from agents.policy import make_rule, start
from edge6g_env.batch import BatchEnv
from edge6g_env.scenario import Scenario, load_scenario

SEED = 5_000_000
RULE = "greedy"
WARMUP_S = 20.0  # simulated, until the load of a scenario has settled
SLICES = 20
REPETITIONS = 5


class Row(NamedTuple):
    """A figure: stage, scenario, what was measured, its value and unit, and what else is worth knowing of it."""

    stage: str
    scenario: str
    what: str
    value: float
    unit: str
    note: str = ""


class Recording(NamedTuple):
    """What the rule did in a scenario: actions int64 (steps, B, N), the first `warm` of them before the clock runs."""

    scenario: Scenario
    actions: np.ndarray
    warm: int
    decisions: float  # in a step that counts, all worlds together

    @property
    def worlds(self) -> int:
        """B."""
        return int(self.actions.shape[1])

    @property
    def agents(self) -> int:
        """N."""
        return int(self.actions.shape[2])

    @property
    def steps(self) -> int:
        """Steps that count."""
        return len(self.actions) - self.warm


def load() -> float:
    """Processes that want a core, mean of the last minute; NaN where the system does not say."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")


def record(
    scenario: Scenario, worlds: int, steps: int, *, skip_idle: bool = False, warmup_s: float = WARMUP_S
) -> Recording:
    """Let the rule play a warm-up and `steps` steps after it."""
    env = BatchEnv(scenario, worlds, observe="candidates", skip_idle=skip_idle)
    policy, rng = make_rule(RULE, env.layout), np.random.default_rng(0)
    start(policy, worlds)
    actions: list[np.ndarray] = []
    obs, warm, decisions = env.reset(seed=SEED), 0, 0
    while len(actions) < warm + steps or not warm:
        if not warm and env.world.episode["now_s"].min() >= warmup_s:
            warm = max(1, len(actions))
        actions.append(np.array(policy.act(obs, rng)))
        obs, _, _, _, info = env.step(actions[-1])
        decisions += int(info["decision"].sum()) if warm else 0
    return Recording(env.scenario, np.array(actions), warm, decisions / steps)


def resized(scenario: Scenario, nodes: int) -> Scenario:
    """The scenario on another number of nodes, with arrivals and cloud in proportion."""
    growth = nodes / scenario.nodes.count
    overrides: dict[str, Any] = {
        "nodes.count": nodes,
        "nodes.columns": 2 ** int(np.ceil(np.log2(nodes) / 2)),
        "arrivals.rate_jobs_s": scenario.arrivals.rate_jobs_s * growth,
        "cloud.concurrency": max(1, round(scenario.cloud.concurrency * growth)),
    }
    return load_scenario(scenario, **overrides)


def least_s(
    restore: Callable[[], object], slices: Sequence[Callable[[], object]], repetitions: int = REPETITIONS
) -> float:
    """CPU seconds of all slices together: the least of each over the repetitions, each of which begins with `restore`."""
    spent_s = np.zeros((repetitions, len(slices)))
    for row in spent_s:
        restore()
        for n, play in enumerate(slices):
            begin_s = time.process_time()
            play()
            row[n] = time.process_time() - begin_s
    return float(spent_s.min(axis=0).sum())


def step_s(door: Any, batch: BatchEnv, step: Callable[[Any], object], rows: Sequence[Any], warm: np.ndarray) -> float:
    """CPU seconds a step of a door over `batch`, for its own form of the actions; warm: what all worlds play before."""
    door.reset(seed=SEED)
    for actions in warm:
        batch.step(actions)
    state = door.save_state()

    def play(part: Sequence[int]) -> Callable[[], None]:
        def slots() -> None:
            for n in part:
                step(rows[n])

        return slots

    slices = [play(part.tolist()) for part in np.array_split(np.arange(len(rows)), SLICES)]
    return least_s(lambda: door.load_state(state), slices) / len(rows)
