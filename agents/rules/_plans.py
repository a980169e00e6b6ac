"""Rows of the action table that rules prefer, as distances int64 (S, C) from what is wanted, by service (`agents.values.steps_from`)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from agents.values import RESTRICTED, STATIC, Value, distances, first_values, steps_from, tuned
from edge6g_env.scenario_services import Service
from edge6g_env.spaces import Layout, drafts


def usual_rows(layout: Layout, **cuts: list[Value]) -> np.ndarray:
    """The usual model and precision, no draft; cuts: `device_split`, `edge_split` -> values, one that is not named is free.

    For rules that know speed and not quality: the fastest variant would always be the smallest.
    """
    precision = layout.scenario.actions.default_precision

    def of(service: Service) -> dict[str, list[Value]]:
        return {**cuts, "precision": [precision], "model": [service.default]}

    far = np.where(drafts(layout.scenario, layout.action_table), layout.num_actions, 0)
    return steps_from(layout, [of(service) for service in layout.scenario.service]) + far


REFERENCES = RESTRICTED, STATIC
"""`reads_values_of` of a rule that chooses from `reference_rows`."""


def reference_rows(layout: Layout) -> np.ndarray | None:
    """The rows of `restricted`, or of `static`, where one of them has values for the scenario; else None, all rows.

    What a rule that weighs utility against something can choose from: the worst values of each column are known (docs/rules.md).
    """
    for reference, values in first_values(REFERENCES, layout.scenario).items():
        return distances(layout, reference, values)
    return None


def static_plan(layout: Layout) -> dict[str, Mapping[str, Value]]:
    """Service -> column -> value: that of `static`, ValuesError if it has none."""
    return dict(tuned(STATIC, layout.scenario).values)
