"""Rule `tuned`."""

from __future__ import annotations

from agents.policy import Compiled, register
from agents.values import TUNED, Values, compiled_rows, tuned
from edge6g_env.spaces import Layout


@register(TUNED)
class TunedWeights(Compiled):
    """`greedy` plus linear weights on what a candidate costs others and leaves behind, found by direct search (`edge6g tune`).

    Over all rows, or those of `static` or `restricted`; with weights of 0 it is `greedy` or that rule. The search is the separable CMA-ES
    of Ros and Hansen 2008, see docs/search.md.
    """

    def __init__(self, layout: Layout, values: Values | None = None) -> None:
        """values: `rows` and `weights`; those that ship with the scenario if None. ValuesError if there are none."""
        chosen = tuned(TUNED, layout.scenario).values if values is None else values
        super().__init__(compiled_rows(layout, chosen["rows"], chosen["weights"]))
