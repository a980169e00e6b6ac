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
        self._outcome_words = rows.view(np.float64).reshape(*rows.shape, -1)  # numpy copies records field by field

    def outcomes(self, world: int | None = None) -> np.ndarray:
        """Jobs that ended in the step, of one world or of all, a fresh array: rows of kernel.world_fields.OUTCOME_FIELDS."""
        counts, words = self._n_outcomes, self._outcome_words
        worlds = counts.nonzero()[0].tolist() if world is None else [world]
        rows = np.concatenate([words[b, : counts[b]] for b in worlds] or [words[0, :0]])
        return rows.view(fields.OUTCOME_DTYPE)[:, 0]
