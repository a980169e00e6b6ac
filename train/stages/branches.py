"""Runs that differ from another by one decision alone: copies of its worlds that play on open loop, by the decisions that it took.

Closed loop, the policy would answer the smallest change with other decisions, and those others with more: what is compared then is two
futures, not two choices (docs/training.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from edge6g_env import BatchEnv, CompiledPolicy

_JOB_BITS, _SLOT_BITS = 24, 24  # of a key that orders decisions by world, job and slot; worlds have the rest


class Script:
    """What was decided in some worlds."""

    def __init__(self, rows: np.ndarray) -> None:
        """rows: RECORDED, all decisions of whole episodes."""
        keys = _keys(rows["world"], rows["job"], rows["slot"])
        order = np.argsort(keys, kind="stable")
        self._keys, self._actions = keys[order], rows["action"][order].astype(np.int64)

    def actions(self, world: np.ndarray, job: np.ndarray, slot: np.ndarray) -> np.ndarray:
        """What was decided last about each job by each slot, or first if nothing was by then; -1 if it never was. int64, all (n,).

        A job is decided at the same slot in every run of its world, but for one that a fault has put back.
        """
        wanted = _keys(world, job, slot)
        last = np.searchsorted(self._keys, wanted, "right") - 1
        at = np.where(self._is_about(last, wanted), last, last + 1)
        return np.where(self._is_about(at, wanted), self._actions.take(at, mode="clip"), -1)

    def _is_about(self, at: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        there = (at >= 0) & (at < len(self._keys))
        return there & (self._keys.take(at, mode="clip") >> _SLOT_BITS == wanted >> _SLOT_BITS)


def _keys(world: np.ndarray, job: np.ndarray, slot: np.ndarray) -> np.ndarray:
    numbers = (np.asarray(of, np.int64) for of in (world, job, slot))
    of_world, of_job, of_slot = numbers
    return (((of_world << _JOB_BITS) + of_job) << _SLOT_BITS) + of_slot


class Branches(NamedTuple):
    """Worlds of a batch that are copies of others at a decision; n of them."""

    worlds: np.ndarray  # int64 (n,) in the batch
    of: np.ndarray  # int64 (n,) the world of the script that each is a copy of
    first: np.ndarray  # int64 (n, N) actions of the first slot, -1: the script's
    counted: np.ndarray  # bool (n, J) jobs that each plays on for: it stops when all have ended


def fly(
    env: BatchEnv, policy: CompiledPolicy, script: Script, branches: Branches, tick: Callable[[], None]
) -> tuple[list[np.ndarray], int]:
    """Outcomes of each branch since its first slot, n times rows of OUTCOME, and the decisions that were taken.

    policy: decides where the script has nothing, or what is not legal in the branch; tick: called now and then.
    """
    left, place = branches.counted.sum(axis=1), np.full(env.num_worlds, -1)
    place[branches.worlds] = np.arange(len(branches.worlds))
    flying, taken = left > 0, 0
    found: list[np.ndarray] = []
    forced = np.full((env.num_worlds, env.num_agents), -1)
    forced[branches.worlds] = branches.first
    while flying.any():
        scripted = _scripted(env, script, branches, flying)
        flight = env.fly(
            policy,
            np.inf,
            worlds=branches.worlds[flying],
            forced=np.where(forced < 0, scripted, forced),
            at_decision=True,
        )
        forced[:] = -1
        taken += int(flight.decisions.sum())
        found.append(flight.outcomes)
        of = place[flight.outcomes["world"]]
        np.subtract.at(left, of, branches.counted[of, flight.outcomes["job"]])
        flying &= (left > 0) & ~flight.ended[branches.worlds]
        tick()
    return _by_branch(found, place, len(left)), taken


def _scripted(env: BatchEnv, script: Script, branches: Branches, flying: np.ndarray) -> np.ndarray:
    """What the script says to the jobs that wait for a decision, int64 (B, N), -1 for what is not legal."""
    forced = np.full((env.num_worlds, env.num_agents), -1)
    worlds, jobs = branches.worlds[flying], env.deciding()
    n, i = np.nonzero(jobs[worlds] >= 0)
    b, of = worlds[n], branches.of[flying][n]
    actions = script.actions(of, jobs[b, i], env.slots()[b])
    legal = (
        env.last_step.observations["action_mask"][b, i, actions] == 1
    )  # of action -1 the last one's, and -1 it stays
    forced[b, i] = np.where(legal, actions, -1)
    return forced


def _by_branch(found: Sequence[np.ndarray], place: np.ndarray, count: int) -> list[np.ndarray]:
    if not found:
        return []
    outcomes = np.concatenate(found)
    of = place[outcomes["world"]]
    return [outcomes[of == n] for n in range(count)]
