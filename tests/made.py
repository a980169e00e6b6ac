"""Rules as tests make them: those that are set by numbers with the starts of their search, whatever ships with a scenario."""

from __future__ import annotations

from agents.parameters import starts
from agents.policy import Policy, parameters_of, rule_class
from edge6g_env.spaces import Layout


def made(name: str, layout: Layout, **values: float) -> Policy:
    """The rule `name`; values: of its parameters, in place of their starts."""
    parameters = parameters_of(name, layout.scenario)
    if not parameters:
        return rule_class(name)(layout)
    return rule_class(name)(layout, {**starts(parameters), **values})
