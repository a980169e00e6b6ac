"""The nodes between which an agent may send a job, itself and its neighbours, and how many jobs it sees at each."""

from __future__ import annotations

import numpy as np

from agents.policy import Observation
from edge6g_env.spaces import Layout

PARTS = ("queue_jobs", "inbox_jobs", "sequences")


class Places:
    """The own node and its K neighbours: place k has the route LOCAL + k."""

    def __init__(self, layout: Layout) -> None:
        self.names = ["node", *(f"neighbour_{n}" for n in range(1, layout.scenario.neighbours + 1))]
        self._jobs = [
            [layout.observation_index(f"{name}/{part}") for part in (*PARTS, *(["sent_since"] if k else []))]
            for k, name in enumerate(self.names)
        ]
        self._exists = [layout.observation_index(f"{name}/exists") for name in self.names[1:]]

    def exist(self, obs: Observation) -> np.ndarray:
        """Which there are, bool (K + 1, B, N)."""
        seen = obs["observation"]
        return np.stack([np.ones(seen.shape[:-1], bool), *(seen[..., one] == 1.0 for one in self._exists)])

    def jobs(self, obs: Observation) -> np.ndarray:
        """Jobs at each place, float32 (K + 1, B, N), infinite where there is none.

        A node's jobs are its queue, its inbox and its sequences, but not the one that is being decided; a prompt under way is of both
        its inbox and its sequences. A neighbour's are those of its last report and what this agent has sent there since.
        """
        counts = np.stack([obs["observation"][..., entries].sum(axis=-1) for entries in self._jobs])
        counts[0] -= 1.0
        return np.where(self.exist(obs), counts, np.inf)
