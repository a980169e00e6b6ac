"""What the last step left in the arrays of a World."""

from __future__ import annotations

import numpy as np

from edge6g_env.kernel import codes
from edge6g_env.kernel.fields import OUTCOME_DTYPE
from edge6g_env.kernel.world import World

Observation = dict[str, np.ndarray]


class LastStep:
    """Views into a World's arrays, made once: a field of a record array takes longer to find than to read.

    They always show the present; who hands one out copies it.
    """

    def __init__(self, world: World, candidates: bool) -> None:
        """candidates: whether the agents observe them."""
        self.step = world.step.view(np.ndarray)
        self.rewards = world.result[:, :, codes.OWN_REWARD]  # float64 (B, N)
        self.terms = world.result[:, :, codes.ANSWER : codes.SLO_MISS]  # float64 (B, N, terms)
        self.costs = world.result[:, :, codes.SLO_MISS :]  # float64 (B, N, costs)
        decision, node, job = (getattr(world, name).view(np.ndarray) for name in ("decision", "node", "job"))
        self.job, self.effect = decision["job"], decision["effect"]  # int64 (B, N)
        self.truncated, self.slots = self.step["truncated"], self.step["slots"]  # int64 (B,)
        self.end_s, self.error = self.step["end_s"], self.step["error"]  # float64 (B,), int64 (B,)
        self._head, self._number = node["head"], job["number"]
        names = ("observation", "action_mask", *(("candidates",) if candidates else ()))
        self.observations, self.final_observations = (
            {name: getattr(world, name)[kind] for name in names} for kind in (codes.NOW, codes.FINAL)
        )
        self._n_outcomes, rows = self.step["n_outcomes"], world.outcome.view(np.ndarray)
        self._outcomes_a_world = rows.shape[1]
        self._outcomes = rows.view(np.dtype((np.void, rows.itemsize))).ravel()  # numpy copies records field by field

    def deciding(self) -> np.ndarray:
        """int64 (B, N): running number of the job that each node decides in the next step, -1 for none; a fresh array."""
        numbers = np.take_along_axis(self._number, np.maximum(self._head, 0), axis=1)
        return np.where(self._head >= 0, numbers, -1)

    def ended(self) -> np.ndarray:
        """bool (B,): worlds whose episode ended in the step, a fresh array."""
        return self.truncated.astype(bool)

    def info(self) -> dict[str, np.ndarray]:
        """What a step tells about each agent and world, fresh arrays: see BatchEnv.step, which adds outcomes and last observations."""
        return {
            "decision": (self.job >= 0).astype(np.int8),
            "job": self.job.copy(),
            "action_effect": self.effect.copy(),
            "reward_terms": self.terms.astype(np.float32),
            "costs": self.costs.astype(np.float32),
            "slots": self.slots.copy(),
            "time_s": self.end_s.copy(),
        }

    def outcomes(self, world: int | None = None) -> np.ndarray:
        """Jobs that ended in the step, of one world or of all, a fresh array: rows of OUTCOME (docs/state.md)."""
        counts = self._n_outcomes.tolist()
        worlds = range(len(counts)) if world is None else (world,)
        rows = [b * self._outcomes_a_world + row for b in worlds if counts[b] for row in range(counts[b])]
        return self._outcomes.take(rows).view(OUTCOME_DTYPE) if rows else np.zeros(0, OUTCOME_DTYPE)
