"""Rule `jsq`."""

from __future__ import annotations

import numpy as np

from agents.policy import Observation, register
from agents.rules._places import Places
from agents.rules._rows import DefaultRows
from edge6g_env.kernel.codes import LOCAL
from edge6g_env.spaces import Layout


@register("jsq")
class JoinShortestQueue:
    """Go where the fewest jobs are, among the own node and its neighbours; ties stay local, then go to the nearest.

    A node's jobs are its queue, its inbox and its sequences; a neighbour's are those of its last report and what this
    agent has sent there since. The job that is being decided is not counted. Blind to how fast the nodes are, and to
    the cloud. Winston, "Optimality of the shortest line discipline", J. Appl. Probab. 1977.
    """

    privileged = False
    needs_candidates = False

    def __init__(self, layout: Layout) -> None:
        self._rows, self._places = DefaultRows(layout), Places(layout)

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """Deterministic; see Policy.act."""
        return self._rows.choose(obs, LOCAL + self._places.jobs(obs).argmin(axis=0))
