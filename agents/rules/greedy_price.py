"""Rule `greedy-price`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from agents.parameters import Parameter
from agents.policy import Compiled, register
from agents.rules._plans import REFERENCES, reference_rows
from agents.values import numbers
from agents.weights import weighed
from edge6g_env.compiled import CompiledPolicy
from edge6g_env.spaces import Layout


@register("greedy-price")
class GreedyPrice(Compiled):
    """`greedy` that pays for what it takes: the candidate of highest utility less prices of accelerator and cloud seconds.

    A job is taken only where it is worth more than its seconds cost, which is the threshold on worth per second of an online knapsack:
    what is worth less is rejected, and what is nearly as good with fewer seconds is preferred. The prices are constant and found by
    `edge6g tune`. Bid-price control, Talluri and van Ryzin, "An analysis of bid-price controls for network revenue management",
    Management Science 1998. Rows are those of `restricted` where it has values.
    """

    reads_values_of = REFERENCES
    parameters: ClassVar = (
        Parameter("price_per_s", "1/s", 1e-3, 10.0, 0.1, "log", "price of a second of an edge node's accelerator"),
        Parameter("cloud_price_per_s", "1/s", 1e-4, 1.0, 1e-3, "log", "price of a second of a place in the cloud"),
    )

    def __init__(self, layout: Layout, values: Mapping[str, float] | None = None) -> None:
        """values: parameter -> value, None: those that ship. ValuesError if there are none, ParameterError for one out of range."""
        linear = price_weights(numbers("greedy-price", layout.scenario, values))
        priced = weighed(layout, [*linear])
        super().__init__(CompiledPolicy(layout, distance=reference_rows(layout), linear=linear, scaled_as=((), priced)))


def price_weights(values: Mapping[str, float]) -> dict[str, float]:
    """Values of the rule as weights of candidate entries, per second."""
    return {"accelerator_s": -values["price_per_s"], "cloud_place_s": -values["cloud_price_per_s"]}
