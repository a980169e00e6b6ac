"""Rule `static`."""

from __future__ import annotations

import numpy as np

from agents.policy import Observation, register
from agents.values import STATIC, Values, distances, tuned
from edge6g_env.compiled import CompiledPolicy
from edge6g_env.spaces import Layout


@register(STATIC)
class Static:
    """What an operator would configure: cuts, precision and model by service, found by `edge6g tune`; the route is free.

    The whole model on the device is a route. Of the legal rows with the service's values and `reject` it takes the one of highest utility;
    where none of them is legal the nearest legal values stand in for them.
    """

    privileged = False
    needs_candidates = True

    def __init__(self, layout: Layout, values: Values | None = None) -> None:
        """values: service -> column -> value; those that ship with the scenario if None. ValuesError if there are none."""
        chosen = tuned(STATIC, layout.scenario).values if values is None else values
        self.compiled = CompiledPolicy(layout, distance=distances(layout, STATIC, chosen))

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """Deterministic; see Policy.act."""
        return self.compiled.act(obs)
