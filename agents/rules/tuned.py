"""Rule `tuned`."""

from __future__ import annotations

import numpy as np

from agents.policy import Observation, register
from agents.values import TUNED, Values, compiled_rows, tuned
from edge6g_env.spaces import Layout


@register(TUNED)
class TunedWeights:
    """`greedy` plus linear weights on what a candidate costs others and leaves behind, found by direct search (`edge6g tune`).

    Over all rows, or those of `static` or `restricted`; with weights of 0 it is `greedy` or that rule. The search is the separable CMA-ES
    of Ros and Hansen 2008, see docs/search.md.
    """

    privileged = False
    needs_candidates = True

    def __init__(self, layout: Layout, values: Values | None = None) -> None:
        """values: `rows` and `weights`; those that ship with the scenario if None. ValuesError if there are none."""
        chosen = tuned(TUNED, layout.scenario).values if values is None else values
        self.compiled = compiled_rows(layout, chosen["rows"], chosen["weights"])

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """Deterministic; see Policy.act."""
        return self.compiled.act(obs)
