"""Rule `model-affinity`."""

from __future__ import annotations

import numpy as np

from agents.policy import Observation, register
from agents.rules._jobs import Entries
from agents.rules._places import Places
from agents.values import steps_from
from edge6g_env.kernel.codes import LOCAL
from edge6g_env.spaces import Layout


@register("model-affinity")
class ModelAffinity:
    """Among the own node and its neighbours, one that has the model's weights; of several the one with the fewest jobs.

    Where no node has them, that which has them soonest. Precision and model are whatever is there, the first of the table where several
    are; cuts are the smallest, jobs are counted as `jsq` counts them, and the cloud is a last resort. It rejects only what nothing can
    serve. Fu et al., "ServerlessLLM: low-latency serverless inference for large language models", OSDI 2024, section 5 (locality).
    """

    privileged = False
    needs_candidates = True

    def __init__(self, layout: Layout) -> None:
        cuts = [{"device_split": [0.0], "edge_split": [0.0]} for _ in layout.scenario.service]
        self._entries, self._places = Entries(layout), Places(layout)
        route = layout.action_table[:, 0]
        self._cloud = route == layout.cloud_route
        self._rows = steps_from(layout, cuts) + np.where(self._cloud, layout.num_actions, 0)
        self._place = np.clip(route - LOCAL, 0, layout.scenario.neighbours)
        self._most_jobs = 1e6  # more than there are anywhere: the first key comes before the second

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """Deterministic; see Policy.act."""
        jobs = self._entries.of(obs)
        b, i = jobs.where
        at = self._places.jobs(obs)[:, b, i].T[:, self._place]
        crowded = np.where(np.isfinite(at) & ~self._cloud, at, 0.0).astype(np.float64)
        load_s = jobs.candidate("load_s").astype(np.float64)
        return jobs.actions(jobs.nearest(self._rows, reject=False), -self._most_jobs * load_s - crowded)
