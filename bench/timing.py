"""CPU time of recorded actions: what an undisturbed core needs, on a machine that is not.

A rule plays once and its actions are recorded. A measurement plays them again from one saved state, slice by slice, several times over, and
adds up the least time of each slice: what disturbs a core (another process on its sibling, a colder cache) only ever adds. What is to be
compared plays in turns, slice by slice, so that the machine is equally busy for all.
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

WARM_SHARE = 0.5  # of an episode at most
SEED = 5_000_000
RULE = "greedy"
WARMUP_S = 20.0  # simulated, until the load of a scenario has settled
SLICES = 40
REPETITIONS = 10


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
    def warmed(self) -> np.ndarray:
        """int64 (steps, B, N): what is played before the clock runs."""
        return self.actions[: self.warm]

    @property
    def timed(self) -> list[np.ndarray]:
        """int64 (B, N) of each step that counts."""
        return list(self.actions[self.warm :])


def load() -> float:
    """Processes that want a core, mean of the last minute; NaN where the system does not say."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")


def record(
    scenario: Scenario, worlds: int, steps: int, *, skip_idle: bool = False, warmup_s: float = WARMUP_S
) -> Recording:
    """Let the rule play a warm-up and `steps` steps after it."""
    env = BatchEnv(scenario, worlds, observe="candidates", skip_idle=skip_idle)
    warmup_s = min(warmup_s, WARM_SHARE * scenario.time.episode_s)  # clocks begin again with each episode
    policy, rng = make_rule(RULE, env.layout), np.random.default_rng(0)
    start(policy, worlds)
    actions: list[np.ndarray] = []
    obs, warm, decisions = env.reset(seed=SEED), 0, 0
    while len(actions) < warm + steps or not warm:
        if not warm and env.times_s().min() >= warmup_s:
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


class Player(NamedTuple):
    """What plays recorded actions: `restore` puts it at their start, `step` takes one of the rows; batch: what it steps, if anything."""

    restore: Callable[[], object]
    step: Callable[[Any], object]
    rows: Sequence[Any]
    batch: BatchEnv | None = None


def player(door: Any, batch: BatchEnv, step: Callable[[Any], object], rows: Sequence[Any], warm: np.ndarray) -> Player:
    """A door over `batch` that takes rows in its own form; warm: what all worlds play before."""
    door.reset(seed=SEED)
    for actions in warm:
        batch.step(actions)
    state = door.save_state()
    return Player(lambda: door.load_state(state), step, rows, batch)


def least_s(
    players: Sequence[Player],
    repetitions: int = REPETITIONS,
    slices: int = SLICES,
    clock: Callable[[], float] = time.process_time,
) -> list[float]:
    """Seconds a row of each player, by default of CPU: the least of each slice over the repetitions. The players take turns."""
    parts = [np.array_split(np.arange(len(one.rows)), min(slices, len(one.rows))) for one in players]
    least = [np.full(len(of_one), np.inf) for of_one in parts]
    for _ in range(repetitions):
        for one in players:
            one.restore()
        for n in range(max(map(len, parts))):
            for one, of_one, so_far in zip(players, parts, least, strict=True):
                if n < len(of_one):
                    rows = [one.rows[row] for row in of_one[n]]
                    begin_s = clock()
                    for row in rows:
                        one.step(row)
                    so_far[n] = min(so_far[n], clock() - begin_s)
    return [float(so_far.sum()) / len(one.rows) for one, so_far in zip(players, least, strict=True)]


def over_kernel_s(one: Player, **options: Any) -> float:
    """CPU seconds a row that a door takes beside the kernel: by a clock that stands still while the kernel runs.

    The difference of two times would be as uncertain as the kernel's, which is many times longer than what is asked for.
    """
    assert one.batch is not None
    run, in_kernel_s, clock = one.batch._run, [0.0], time.process_time

    def timed_run(*arguments: Any) -> None:
        begin_s = clock()
        run(*arguments)
        in_kernel_s[0] += clock() - begin_s

    vars(one.batch)["_run"] = timed_run
    try:
        (seconds,) = least_s([one], clock=lambda: clock() - in_kernel_s[0], **options)
    finally:
        vars(one.batch)["_run"] = run
    return seconds - _clock_s()


def _clock_s() -> float:
    """CPU seconds that a look at the clock takes; a door beside the kernel pays for one."""
    looks = [time.process_time() for _ in range(1000)]
    return float(np.diff(looks).min())
