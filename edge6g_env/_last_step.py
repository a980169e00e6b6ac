"""What the last step left in the arrays of a World."""

from __future__ import annotations

import numpy as np

from edge6g_env.kernel import fields
from edge6g_env.kernel import world as k

Observation = dict[str, np.ndarray]


class LastStep:
    """Views into a World's arrays, made once: a field of a record array takes longer to find than to read.

    They always show the present; who hands one out copies it.
    """

    def __init__(self, world: k.World, candidates: bool) -> None:
        """candidates: whether the agents observe them."""
        self.episode, self.node = world.episode.view(np.ndarray), world.node.view(np.ndarray)
        self.rewards = world.result[:, :, k.OWN_REWARD]  # float64 (B, N)
        self.terms = world.result[:, :, k.ANSWER : k.SLO_MISS]  # float64 (B, N, terms)
        self.costs = world.result[:, :, k.SLO_MISS :]  # float64 (B, N, costs)
        self.decision, self.effect = self.node["step_decided"], self.node["step_effect"]  # int64 (B, N)
        self.truncated, self.slots = self.episode["truncated"], self.episode["slots"]  # int64 (B,)
        self.end_s = self.episode["step_end_s"]  # float64 (B,)
        self.error = self.episode["error"]  # int64 (B,)
        names = ("observation", "action_mask", *(("candidates",) if candidates else ()))
        self.observations, self.final_observations = (
            {name: getattr(world, name)[kind] for name in names} for kind in (0, 1)
        )
        self._n_outcomes, rows = self.episode["n_outcomes"], world.outcome.view(np.ndarray)
        self._outcomes_a_world = rows.shape[1]
        self._outcomes = rows.view(np.dtype((np.void, rows.itemsize))).ravel()  # numpy copies records field by field

    def ended(self) -> np.ndarray:
        """bool (B,): worlds whose episode ended in the step, a fresh array."""
        return self.truncated.astype(bool)

    def info(self) -> dict[str, np.ndarray]:
        """What a step tells about each agent and world, fresh arrays: see BatchEnv.step, which adds outcomes and last observations."""
        return {
            "decision": self.decision.astype(np.int8),
            "action_effect": self.effect.copy(),
            "reward_terms": self.terms.astype(np.float32),
            "costs": self.costs.astype(np.float32),
            "slots": self.slots.copy(),
            "time_s": self.end_s.copy(),
        }

    def outcomes(self, world: int | None = None) -> np.ndarray:
        """Jobs that ended in the step, of one world or of all, a fresh array: rows of kernel.world_fields.OUTCOME_FIELDS."""
        counts = self._n_outcomes.tolist()
        worlds = range(len(counts)) if world is None else (world,)
        rows = [b * self._outcomes_a_world + row for b in worlds if counts[b] for row in range(counts[b])]
        return self._outcomes.take(rows).view(fields.OUTCOME_DTYPE) if rows else np.zeros(0, fields.OUTCOME_DTYPE)
