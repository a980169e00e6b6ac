"""Rule `greedy-price`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from agents.parameters import Parameter
from agents.policy import Observation, register
from agents.rules._jobs import Entries
from agents.rules._plans import reference_rows
from agents.values import numbers
from edge6g_env.spaces import Layout


@register("greedy-price")
class GreedyPrice:
    """`greedy` that pays for the accelerator: the candidate of highest utility less a price for each second that it takes.

    A job is taken only where it is worth more than its seconds cost, which is the threshold on worth per second of an online knapsack:
    what is worth less is rejected, and what is nearly as good with fewer seconds is preferred. The price is constant and found by
    `edge6g tune`. Bid-price control, Talluri and van Ryzin, "An analysis of bid-price controls for network revenue management",
    Management Science 1998. Rows are those of `restricted` where it has values.
    """

    privileged = False
    needs_candidates = True
    parameters: ClassVar = (
        Parameter("price_per_s", "1/s", 1e-3, 10.0, 0.1, "log", "price of a second of an edge node's accelerator"),
    )

    def __init__(self, layout: Layout, values: Mapping[str, float] | None = None) -> None:
        """values: parameter -> value, None: those that ship. ValuesError if there are none, ParameterError for one out of range."""
        self._price_per_s = numbers("greedy-price", layout.scenario, values)["price_per_s"]
        self._entries, self._rows = Entries(layout), reference_rows(layout)

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """Deterministic; see Policy.act."""
        jobs = self._entries.of(obs)
        worth = jobs.candidate("utility") - self._price_per_s * jobs.candidate("accelerator_s")
        return jobs.actions(jobs.nearest(self._rows), worth)
