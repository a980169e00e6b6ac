"""Rule `restricted`."""

from __future__ import annotations

from agents.policy import Compiled, register
from agents.values import RESTRICTED, Values, distances, tuned
from edge6g_env.compiled import CompiledPolicy
from edge6g_env.spaces import Layout


@register(RESTRICTED)
class Restricted(Compiled):
    """`greedy` over the values of each column that serve it best, found by `edge6g tune`; the route is free.

    Where none of the rows with these values is legal the nearest legal values stand in for them.
    """

    def __init__(self, layout: Layout, values: Values | None = None) -> None:
        """values: column -> list of values; those that ship with the scenario if None. ValuesError if there are none."""
        chosen = tuned(RESTRICTED, layout.scenario).values if values is None else values
        super().__init__(CompiledPolicy(layout, distance=distances(layout, RESTRICTED, chosen)))
