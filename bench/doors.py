"""The kernel and every door over it, on the same recorded actions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.timing import Player, Recording, Row, least_s, over_kernel_s, player, record
from edge6g_env._entry import run_of
from edge6g_env.batch import BatchEnv
from edge6g_env.kernel import codes
from edge6g_env.kernel.handle import handle_of
from edge6g_env.scenario import Scenario

WORLDS, STEPS = 16, 400
LARGE = 24  # agents from which on fewer worlds and steps do


def kernel(recording: Recording, **options: Any) -> Player:
    """The compiled kernel alone, all worlds together."""
    env = BatchEnv(recording.scenario, recording.worlds, **options)
    run, present = run_of(handle_of(env.world)), env.world.actions

    def step(actions: np.ndarray) -> None:
        present[...] = actions
        run(0, env.num_worlds, codes.STEP_ON if env.skip_idle else codes.STEP)

    return player(env, env, step, recording.timed, recording.warmed)


def batch(recording: Recording, **options: Any) -> Player:
    """`batch_env`, all worlds together."""
    env = BatchEnv(recording.scenario, recording.worlds, **options)
    return player(env, env, env.step, recording.timed, recording.warmed)


def sb3(recording: Recording) -> Player:
    """The Stable-Baselines3 door, all worlds together."""
    from edge6g_env.sb3 import AgentVecEnv

    env = BatchEnv(recording.scenario, recording.worlds)
    rows = [row.reshape(-1) for row in recording.timed]
    return player(env, env, AgentVecEnv(env).step, rows, recording.warmed)


def one_world(recording: Recording) -> dict[str, Player]:
    """The doors to one world."""
    from edge6g_env.aec import Edge6gAECEnv
    from edge6g_env.gym import Edge6gEnv
    from edge6g_env.parallel import Edge6gParallelEnv

    parallel, gym = Edge6gParallelEnv(recording.scenario), Edge6gEnv(recording.scenario)
    aec = Edge6gAECEnv(Edge6gParallelEnv(recording.scenario))
    by_agent = [dict(zip(parallel.possible_agents, row[0].tolist(), strict=True)) for row in recording.timed]

    def in_turn(actions: dict[str, int]) -> None:
        for action in actions.values():
            aec.step(action)

    return {
        "parallel_env": player(parallel, parallel.batch, parallel.step, by_agent, recording.warmed),
        "AEC": player(aec, aec.env.batch, in_turn, by_agent, recording.warmed),
        "Gymnasium": player(gym, gym.batch, gym.step, [row[0] for row in recording.timed], recording.warmed),
    }


def doors(scenario: Scenario) -> Iterator[Row]:
    """All doors of one scenario: us a step, and what that is in agent-steps a second and over the kernel."""
    large = scenario.nodes.count >= LARGE
    worlds, steps = (WORLDS // 4, STEPS // 2) if large else (WORLDS, STEPS)
    recording = record(scenario, worlds, steps)
    yield from _several_worlds(recording)
    skipping = record(scenario, worlds, steps, skip_idle=True)
    seconds = least_s([batch(skipping, observe="candidates", skip_idle=True)])[0]
    note = f"{worlds} worlds, {skipping.decisions / seconds / 1e3:.1f} k decisions/s"
    yield _row(scenario, "batch_env, candidates, skip_idle", seconds, note)
    yield from _one_world(record(scenario, 1, steps))


def _several_worlds(recording: Recording) -> Iterator[Row]:
    agents = recording.worlds * recording.agents
    players = {
        "kernel": kernel(recording),
        "kernel, candidates": kernel(recording, observe="candidates"),
        "batch_env": batch(recording),
        "batch_env, candidates": batch(recording, observe="candidates"),
        "Stable-Baselines3": sb3(recording),
    }
    seconds = dict(zip(players, least_s(list(players.values())), strict=True))
    over_s = {what: over_kernel_s(players[what]) for what in players if not what.startswith("kernel")}
    an_agent_s = (over_s["Stable-Baselines3"] - over_s["batch_env"]) / agents
    notes = {what: f", {1e6 * of_one:.1f} us over the kernel" for what, of_one in over_s.items()}
    notes["Stable-Baselines3"] += f", {1e6 * an_agent_s:.2f} us an agent over batch_env"
    for what, of_one in seconds.items():
        note = f"{recording.worlds} worlds, {agents / of_one / 1e3:.0f} k agent-steps/s{notes.get(what, '')}"
        yield _row(recording.scenario, what, of_one, note)


def _one_world(recording: Recording) -> Iterator[Row]:
    players = {"kernel, one world": kernel(recording), **one_world(recording)}
    for (what, one), seconds in zip(players.items(), least_s(list(players.values())), strict=True):
        note = "" if what.startswith("kernel") else f"{1e6 * over_kernel_s(one):.1f} us over the kernel"
        yield _row(recording.scenario, what, seconds, note)


def _row(scenario: Scenario, what: str, seconds: float, note: str = "") -> Row:
    return Row("doors", scenario.id, what, 1e6 * seconds, "us a step", note)


def empty_environment(agents: int) -> Iterator[Row]:
    """What a PettingZoo environment that does nothing costs with as many agents, and what PettingZoo's turns add to it: a figure means
    something elsewhere by them."""
    from pettingzoo.utils.conversions import parallel_to_aec

    from bench.empty import Empty

    env, in_turns = Empty(agents), parallel_to_aec(Empty(agents))
    in_turns.reset()
    actions = dict.fromkeys(env.possible_agents, 0)

    def turns(_: int) -> None:
        for action in actions.values():
            in_turns.step(action)

    rows = range(20 * STEPS)
    players = [Player(lambda: None, lambda _: env.step(actions), rows), Player(lambda: None, turns, rows)]
    for what, seconds in zip(("parallel", "AEC"), least_s(players), strict=True):
        yield Row("reference", f"{agents} agents", f"empty PettingZoo environment, {what}", 1e6 * seconds, "us a step")
