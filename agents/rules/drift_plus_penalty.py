"""Rule `drift-plus-penalty`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from agents.parameters import Parameter
from agents.policy import Observation, register
from agents.rules._jobs import Entries
from agents.rules._plans import REFERENCES, reference_rows
from agents.values import numbers
from edge6g_env.spaces import Layout


@register("drift-plus-penalty")
class DriftPlusPenalty:
    """Least V x penalty + backlog x added work, the Lyapunov drift-plus-penalty rule, with the lost utility as the penalty.

    score = V utility - Q a. a: seconds that the job takes of an edge node's accelerator, or of its place in the cloud. Q: seconds of work
    that are there, the wait that is forecast and the sequences, each taken to be like this job; in the cloud the wait. A large V is
    `greedy`, a small one goes where nothing waits; utility is within O(1/V) of the best and backlogs grow as O(V). Neely, "Stochastic
    network optimization with application to communication and queueing systems", 2010, section 4.5. Rows are those of `restricted`
    where it has values; V is found by `edge6g tune`, its curve is `benchmarks/v_curve.py`.
    """

    privileged = False
    needs_candidates = True
    reads_values_of = REFERENCES
    parameters: ClassVar = (Parameter("v_s2", "s^2", 1.0, 1e4, 100.0, "log", "weight of a unit of utility"),)

    def __init__(self, layout: Layout, values: Mapping[str, float] | None = None) -> None:
        """values: parameter -> value, None: those that ship. ValuesError if there are none, ParameterError for one out of range."""
        self._v_s2 = numbers("drift-plus-penalty", layout.scenario, values)["v_s2"]
        self._entries, self._rows = Entries(layout), reference_rows(layout)

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """Deterministic; see Policy.act."""
        jobs = self._entries.of(obs)
        at_node_s = jobs.candidate("accelerator_s")
        backlog_s = jobs.candidate("wait_s") + jobs.candidate("sequences") * at_node_s
        drift = backlog_s * (at_node_s + jobs.candidate("cloud_place_s"))
        return jobs.actions(jobs.nearest(self._rows), self._v_s2 * jobs.candidate("utility") - drift)
