"""The kernel and every door over it, on the same recorded actions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bench.timing import Recording, Row, record, step_s
from edge6g_env.batch import BatchEnv
from edge6g_env.kernel import step as kernel
from edge6g_env.kernel.handle import handle_of
from edge6g_env.scenario import Scenario

WORLDS, STEPS = 16, 400
LARGE = 24  # agents from which on fewer worlds and steps do


def kernel_s(recording: Recording, **options: Any) -> float:
    """Seconds a step of the compiled kernel alone, all worlds together."""
    env = BatchEnv(recording.scenario, recording.worlds, **options)
    handle, present = handle_of(env.world), env.world.actions

    def step(actions: np.ndarray) -> None:
        present[...] = actions
        kernel.run(handle, 0, env.num_worlds, False, env.skip_idle)

    return step_s(env, env, step, list(recording.actions[recording.warm :]), recording.actions[: recording.warm])


def batch_s(recording: Recording, **options: Any) -> float:
    """Seconds a step of batch_env, all worlds together."""
    env = BatchEnv(recording.scenario, recording.worlds, **options)
    seconds = step_s(env, env, env.step, list(recording.actions[recording.warm :]), recording.actions[: recording.warm])
    env.close()
    return seconds


def sb3_s(recording: Recording) -> float:
    """Seconds a step of the Stable-Baselines3 door, all worlds together."""
    from edge6g_env.sb3 import AgentVecEnv

    env = BatchEnv(recording.scenario, recording.worlds)
    door = AgentVecEnv(env)
    rows = [row.reshape(-1) for row in recording.actions[recording.warm :]]
    return step_s(env, env, door.step, rows, recording.actions[: recording.warm])


def one_world_s(recording: Recording) -> dict[str, float]:
    """Seconds a step of the doors to one world, the kernel on one world before them."""
    from edge6g_env.aec import Edge6gAECEnv
    from edge6g_env.gym import Edge6gEnv
    from edge6g_env.parallel import Edge6gParallelEnv

    warm, timed = recording.actions[: recording.warm], recording.actions[recording.warm :]
    parallel, gym = Edge6gParallelEnv(recording.scenario), Edge6gEnv(recording.scenario)
    aec = Edge6gAECEnv(Edge6gParallelEnv(recording.scenario))
    by_agent = [dict(zip(parallel.possible_agents, row[0].tolist(), strict=True)) for row in timed]

    def in_turn(actions: dict[str, int]) -> None:
        for action in actions.values():
            aec.step(action)

    return {
        "kernel, one world": kernel_s(recording),
        "parallel_env": step_s(parallel, parallel.batch, parallel.step, by_agent, warm),
        "AEC": step_s(aec, aec.env.batch, in_turn, by_agent, warm),
        "Gymnasium": step_s(gym, gym.batch, gym.step, [row[0] for row in timed], warm),
    }


def doors(scenario: Scenario) -> Iterator[Row]:
    """All doors of one scenario: us a step, and what that is in agent-steps a second or a share of the kernel."""
    large = scenario.nodes.count >= LARGE
    worlds, steps = (WORLDS // 4, STEPS // 2) if large else (WORLDS, STEPS)
    recording = record(scenario, worlds, steps)
    agents = worlds * recording.agents
    batch: dict[str, Callable[[], float]] = {
        "kernel": lambda: kernel_s(recording),
        "kernel, candidates": lambda: kernel_s(recording, observe="candidates"),
        "batch_env": lambda: batch_s(recording),
        "batch_env, candidates": lambda: batch_s(recording, observe="candidates"),
        "Stable-Baselines3": lambda: sb3_s(recording),
    }
    for what, measure in batch.items():
        seconds = measure()
        yield Row(
            "doors",
            scenario.id,
            what,
            1e6 * seconds,
            "us a step",
            f"{worlds} worlds, {agents / seconds / 1e3:.0f} k agent-steps/s",
        )
    skipping = record(scenario, worlds, steps, skip_idle=True)
    seconds = batch_s(skipping, observe="candidates", skip_idle=True)
    note = f"{worlds} worlds, {skipping.decisions / seconds / 1e3:.1f} k decisions/s"
    yield Row("doors", scenario.id, "batch_env, candidates, skip_idle", 1e6 * seconds, "us a step", note)
    single = one_world_s(record(scenario, 1, steps))
    for what, seconds in single.items():
        over = 1e6 * (seconds - single["kernel, one world"])
        yield Row(
            "doors", scenario.id, what, 1e6 * seconds, "us a step", f"{over:.1f} us over the kernel" if over else ""
        )


def empty_environment(agents: int) -> Row:
    """What a PettingZoo environment that does nothing costs with as many agents: a figure means something elsewhere by it."""
    from bench.empty import Empty

    env, rows = Empty(agents), range(20 * STEPS)
    actions = dict.fromkeys(env.possible_agents, 0)
    seconds = step_s(env, None, lambda _: env.step(actions), rows, np.zeros((0,)))  # type: ignore[arg-type]
    return Row("reference", f"{agents} agents", "empty PettingZoo environment", 1e6 * seconds, "us a step")
