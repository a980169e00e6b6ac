"""Rule `probe-no-neighbours`."""

from __future__ import annotations

import numpy as np

from agents.policy import Observation, register
from agents.rules._jobs import Entries
from agents.rules._plans import REFERENCES, reference_rows
from edge6g_env.kernel.codes import NEIGHBOUR
from edge6g_env.spaces import Layout


@register("probe-no-neighbours")
class ProbeNoNeighbours:
    """A probe: `restricted` without neighbours, of which it neither knows nor where it sends anything.

    Own node, device, cloud and `reject`, by utility. Of what neighbours report only the jobs that they have in the cloud are left in
    it, by which the wait there is forecast. Where a scenario is won by it the nodes need not know of each other. All rows where neither
    `restricted` nor `static` has values.
    """

    privileged = False
    needs_candidates = True
    reads_values_of = REFERENCES

    def __init__(self, layout: Layout) -> None:
        route = layout.action_table[:, 0]
        self._entries, self._rows = Entries(layout), reference_rows(layout)
        self._known = (route < NEIGHBOUR) | (route == layout.cloud_route)

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """Deterministic; see Policy.act."""
        jobs = self._entries.of(obs)
        jobs.legal[:, ~self._known] = False
        return jobs.actions(jobs.nearest(self._rows), jobs.candidate("utility"))
