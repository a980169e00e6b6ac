"""Rule `jsq`."""

from __future__ import annotations

import numpy as np

from agents.policy import Observation, register
from agents.rules._rows import DefaultRows
from edge6g_env.kernel.codes import LOCAL
from edge6g_env.spaces import Layout


@register("jsq")
class JoinShortestQueue:
    """Go where the fewest jobs are, among the own node and its neighbours; ties stay local, then go to the nearest.

    A node's jobs are its queue, its inbox and its sequences; a neighbour's are those of its last report and what this
    agent has sent there since. The job that is being decided is not counted. Blind to how fast the nodes are, and to
    the cloud.
    """

    privileged = False
    needs_candidates = False

    def __init__(self, layout: Layout) -> None:
        self._rows = DefaultRows(layout)
        peers = [f"neighbour_{n}" for n in range(1, layout.scenario.neighbours + 1)]
        parts = ("queue_jobs", "inbox_jobs", "sequences")
        self._own = [layout.observation_index(f"node/{part}") for part in parts]
        self._peers = [
            [layout.observation_index(f"{peer}/{part}") for part in (*parts, "sent_since")] for peer in peers
        ]
        self._exists = [layout.observation_index(f"{peer}/exists") for peer in peers]

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """Deterministic; see Policy.act."""
        seen = obs["observation"]
        loads = [seen[..., self._own].sum(axis=-1) - 1.0]
        for entries, exists in zip(self._peers, self._exists, strict=True):
            loads.append(np.where(seen[..., exists] == 1.0, seen[..., entries].sum(axis=-1), np.inf))
        return self._rows.choose(obs, LOCAL + np.stack(loads).argmin(axis=0))
