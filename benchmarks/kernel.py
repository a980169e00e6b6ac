"""Speed of the simulator: agent-steps a second on one core under the decisions of a rule, and what stands around it.

The rule plays once and its actions are recorded; every measurement replays them, so all of them see the same worlds and the same load.
An agent-step is one slot of one agent. Times are medians over repetitions, taken after a warm-up of simulated time.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from agents.policy import make_rule, start
from edge6g_env.batch import BatchEnv
from edge6g_env.kernel import step as kernel
from edge6g_env.kernel.handle import handle_of
from edge6g_env.kernel.world import STATE_ARRAYS
from edge6g_env.parallel import parallel_env
from edge6g_env.scenario import load_scenario

SEED = 5_000_000
REPETITIONS = 3
# A world whose channels stand still: what it saves is the radio's share of a slot.
FROZEN_RADIO: dict[str, Any] = {
    "radio.csi_period_s": 1e6,
    "radio.measurement_period_s": 1e6,
    "radio.fading_period_s": 1.0,
    "radio.background_load": 0.0,
    "radio.blockers_per_m2": 0.0,
    "ues.speed_min_m_s": 1e-3,
    "ues.speed_max_m_s": 1e-3,
}


class Recording(NamedTuple):
    """What the rule did: actions int64 (slots, B, N), its time a slot, jobs in flight at the end, decisions a slot."""

    actions: np.ndarray
    policy_s: float
    jobs_in_flight: float
    decisions: float


def main() -> None:
    """Measure and print the table."""
    options = _options()
    scenario = load_scenario(options.scenario)
    warm = round(options.warmup / scenario.time.slot_s)
    slots = warm + options.slots
    if slots * scenario.time.slot_s > scenario.time.episode_s:
        raise SystemExit(f"{options.slots} slots and the warm-up do not fit into {scenario.time.episode_s:g} s")
    recording = record(options.scenario, options.rule, options.worlds, slots, warm)
    one = recording.actions[:, :1]
    agents = scenario.nodes.count
    batch = {
        "kernel alone": kernel_s(options.scenario, recording.actions, warm),
        "batch_env": batch_s(options.scenario, recording.actions, warm),
        "batch_env, candidates": batch_s(options.scenario, recording.actions, warm, observe="candidates"),
    }
    with_candidates = batch["batch_env, candidates"]
    threads = batch_s(options.scenario, recording.actions, warm, threads=2)
    table = Table("what", "value", "", box=None, pad_edge=False)
    for name, seconds in batch.items():
        rate = options.worlds * agents / seconds
        table.add_row(name, f"{rate / 1e3:.0f} k agent-steps/s", "one thread")
    table.add_row("two threads", f"{batch['batch_env'] / threads:.2f} x one", "batch_env")
    radio = radio_share(options.scenario, options.rule, options.worlds, warm, options.slots)
    table.add_row("radio", f"{100 * radio:.0f} %", "of the kernel's time: what still channels save")
    share = with_candidates / (with_candidates + recording.policy_s)
    table.add_row("time in the simulator", f"{100 * share:.0f} %", f"{options.rule} on batch_env, candidates")
    single, parallel = kernel_s(options.scenario, one, warm), parallel_s(options.scenario, one, warm)
    table.add_row("kernel, one world", f"{1e6 * single:.0f} us a step", "")
    table.add_row("parallel_env", f"{1e6 * parallel:.0f} us a step", f"{parallel / single:.1f} x kernel, one world")
    for observe in ("plain", "candidates"):
        table.add_row("memory a world", f"{world_bytes(options.scenario, observe) / 1e6:.2f} MB", observe)
    table.add_row("jobs in flight", f"{recording.jobs_in_flight:.1f} a world", "at the end")
    table.add_row("decisions", f"{recording.decisions:.2f} a slot", "a world")
    console = Console()
    console.print(
        f"{scenario.id}, {agents} agents, {options.worlds} worlds, decisions of {options.rule}", highlight=False
    )
    console.print(table)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", default="campus", help="name or path (campus)")
    parser.add_argument("--rule", default="greedy", help="whose decisions make the load (greedy)")
    parser.add_argument("--worlds", type=int, default=32, help="worlds of a batch (32)")
    parser.add_argument("--slots", type=int, default=1000, help="slots that are timed (1000)")
    parser.add_argument("--warmup", type=float, default=20.0, help="simulated seconds before them (20)")
    return parser.parse_args()


def record(scenario: str, rule: str, worlds: int, slots: int, warm: int, **overrides: Any) -> Recording:
    """Let a rule play `slots` slots; its time is that of the slots after the first `warm`."""
    env = BatchEnv(scenario, worlds, observe="candidates", **overrides)
    policy, rng = make_rule(rule, env.layout), np.random.default_rng(0)
    start(policy, worlds)
    actions = np.zeros((slots, worlds, env.num_agents), np.int64)
    spent_s, decisions = 0.0, 0
    obs = env.reset(seed=SEED)
    for slot in range(slots):
        begin_s = time.perf_counter()
        actions[slot] = policy.act(obs, rng)
        if slot >= warm:
            spent_s += time.perf_counter() - begin_s
        obs, _, _, _, info = env.step(actions[slot])
        if slot >= warm:
            decisions += int(info["decision"].sum())
    timed = slots - warm
    return Recording(actions, spent_s / timed, float(env.counters().in_flight.mean()), decisions / (timed * worlds))


def radio_share(scenario: str, rule: str, worlds: int, warm: int, slots: int) -> float:
    """Share of the kernel's CPU time that goes away when channels stand still, under the same rule; both kinds of world run slice by
    slice in turn, and the best of the repetitions of a slice counts."""
    kinds: tuple[dict[str, Any], ...] = ({}, FROZEN_RADIO)
    played = [record(scenario, rule, worlds, warm + slots, warm, **kind).actions for kind in kinds]
    envs = [BatchEnv(scenario, worlds, **kind) for kind in kinds]
    handles = [handle_of(env.world) for env in envs]
    states = [_play(*one) for one in zip(envs, handles, (actions[:warm] for actions in played), strict=True)]
    spent_s = np.zeros((2 * REPETITIONS, 20, 2))
    for repetition in spent_s:
        for env, state in zip(envs, states, strict=True):
            env.load_state(state)
        for part, rows in zip(repetition, np.array_split(np.arange(warm, warm + slots), 20), strict=True):
            for n, (env, handle, actions) in enumerate(zip(envs, handles, played, strict=True)):
                begin_s = time.process_time()
                _run(env, handle, actions[rows])
                part[n] = time.process_time() - begin_s
    moving_s, still_s = spent_s.min(axis=0).sum(axis=0)
    return float(1.0 - still_s / moving_s)


def _play(env: BatchEnv, handle: Any, actions: np.ndarray) -> dict[str, np.ndarray]:
    env.reset(seed=SEED)
    _run(env, handle, actions)
    return env.save_state()


def _run(env: BatchEnv, handle: Any, actions: np.ndarray) -> None:
    """Slots of the kernel; handle: of the world, which takes milliseconds to make."""
    for row in actions:
        env.world.actions[...] = row
        kernel.run(handle, 0, env.num_worlds, False, False)


def kernel_s(scenario: str, actions: np.ndarray, warm: int) -> float:
    """Seconds a slot of the compiled kernel, all worlds together."""
    env = BatchEnv(scenario, actions.shape[1])
    handle = handle_of(env.world)
    return _median_s(lambda: env.reset(seed=SEED), lambda row: _run(env, handle, row[None]), list(actions), warm)


def batch_s(scenario: str, actions: np.ndarray, warm: int, *, observe: str = "plain", threads: int = 1) -> float:
    """Seconds a step of batch_env, all worlds together."""
    env = BatchEnv(scenario, actions.shape[1], observe=observe, threads=threads)
    seconds = _median_s(lambda: env.reset(seed=SEED), env.step, list(actions), warm)
    env.close()
    return seconds


def parallel_s(scenario: str, actions: np.ndarray, warm: int) -> float:
    """Seconds a step of parallel_env; actions int64 (slots, 1, N)."""
    env = parallel_env(scenario)
    rows = [dict(zip(env.possible_agents, row[0].tolist(), strict=True)) for row in actions]
    return _median_s(lambda: env.reset(seed=SEED), env.step, rows, warm)


def _median_s(reset: Callable[[], object], step: Callable, rows: list, warm: int) -> float:
    times = []
    for _ in range(REPETITIONS):
        reset()
        for row in rows[:warm]:
            step(row)
        begin_s = time.perf_counter()
        for row in rows[warm:]:
            step(row)
        times.append((time.perf_counter() - begin_s) / (len(rows) - warm))
    return statistics.median(times)


def world_bytes(scenario: str, observe: str) -> float:
    """Bytes of the arrays that each world has of its own."""
    env = BatchEnv(scenario, 4, observe=observe)
    return sum(getattr(env.world, name).nbytes for name in STATE_ARRAYS) / 4


if __name__ == "__main__":
    main()
