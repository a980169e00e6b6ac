"""Rule `greedy`."""

from __future__ import annotations

from agents.policy import Compiled, register
from edge6g_env.compiled import CompiledPolicy
from edge6g_env.spaces import Layout


@register("greedy")
class Greedy(Compiled):
    """The legal candidate with the highest utility by the cost model, `reject` included; ties to the lowest row."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(CompiledPolicy(layout))
