"""Rules as tests make them: those that are set by numbers with some, the starts of their search, whatever ships with a scenario. Not so
`static` and `restricted`, of which every scenario of these tests has values."""

from __future__ import annotations

from agents.parameters import starts
from agents.policy import Policy, parameters_of, rule_class
from agents.values import ALL_ROWS, TUNED
from edge6g_env.spaces import Layout


def made(name: str, layout: Layout, **values: float) -> Policy:
    """The rule `name`; values: of its parameters, in place of their starts."""
    if name == TUNED:
        return rule_class(name)(layout, {"rows": ALL_ROWS, "weights": {"load_s": -0.1}})
    parameters = parameters_of(name, layout.scenario)
    if not parameters:
        return rule_class(name)(layout)
    return rule_class(name)(layout, {**starts(parameters), **values})
