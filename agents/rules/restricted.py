"""Rule `restricted`."""

from __future__ import annotations

import numpy as np

from agents.policy import Observation, register
from agents.values import RESTRICTED, Values, distances, tuned
from edge6g_env.compiled import CompiledPolicy
from edge6g_env.spaces import Layout


@register(RESTRICTED)
class Restricted:
    """`greedy` over the values of each column that serve it best, found by `edge6g tune`; the route is free.

    Where none of the rows with these values is legal the nearest legal values stand in for them.
    """

    privileged = False
    needs_candidates = True

    def __init__(self, layout: Layout, values: Values | None = None) -> None:
        """values: column -> list of values; those that ship with the scenario if None. ValuesError if there are none."""
        chosen = tuned(RESTRICTED, layout.scenario).values if values is None else values
        self.compiled = CompiledPolicy(layout, distance=distances(layout, RESTRICTED, chosen))

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """Deterministic; see Policy.act."""
        return self.compiled.act(obs)
