"""Rule `static`."""

from __future__ import annotations

from agents.policy import Compiled, register
from agents.values import STATIC, Values, distances, tuned
from edge6g_env.compiled import CompiledPolicy
from edge6g_env.spaces import Layout


@register(STATIC)
class Static(Compiled):
    """What an operator would configure: cuts, precision and model by service, found by `edge6g tune`; the route is free.

    The whole model on the device is a route. Of the legal rows with the service's values and `reject` it takes the one of highest utility;
    where none of them is legal the nearest legal values stand in for them.
    """

    def __init__(self, layout: Layout, values: Values | None = None) -> None:
        """values: service -> column -> value; those that ship with the scenario if None. ValuesError if there are none."""
        chosen = tuned(STATIC, layout.scenario).values if values is None else values
        super().__init__(CompiledPolicy(layout, distance=distances(layout, STATIC, chosen)))
