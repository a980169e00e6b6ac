"""Rule `edge-cloud-threshold`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from agents.parameters import Parameter
from agents.policy import Observation, register
from agents.rules._jobs import Entries
from agents.rules._plans import REFERENCES, reference_rows
from agents.values import numbers
from edge6g_env.kernel.codes import LOCAL, REJECT
from edge6g_env.spaces import Layout


@register("edge-cloud-threshold")
class EdgeCloudThreshold:
    """Stay at the edge while its score is above a threshold, fall back to the cloud below it; the threshold falls as the cloud is far.

    Score: the quality that is expected of the edge's answer times its timeliness, the best of the rows of the own node (the whole model on
    the device among them). Threshold: `threshold` - `per_s` x the time to the cloud's first token; the paper proves that it is unique,
    rises with bandwidth and falls with the round trip. On the chosen side the row of highest utility is taken, `reject` included; where a
    side has no legal row, the other. Rows are those of `restricted` where it has values; neighbours are not used while one of both is
    legal. Chen et al., "Optimizing NetGPT via routing-based synergy and reinforcement learning", arXiv 2511.22217.
    """

    privileged = False
    needs_candidates = True
    reads_values_of = REFERENCES
    parameters: ClassVar = (
        Parameter("threshold", "1", 0.0, 2.0, 0.7, "linear", "score below which a cloud at no distance is asked"),
        Parameter(
            "per_s", "1/s", 0.0, 2.0, 0.1, "linear", "what the threshold falls by a second to the cloud's first token"
        ),
    )

    def __init__(self, layout: Layout, values: Mapping[str, float] | None = None) -> None:
        """values: parameter -> value, None: those that ship. ValuesError if there are none, ParameterError for one out of range."""
        found = numbers("edge-cloud-threshold", layout.scenario, values)
        self._threshold, self._per_s = found["threshold"], found["per_s"]
        self._entries, self._rows = Entries(layout), reference_rows(layout)
        route = layout.action_table[:, 0]
        self._is_edge, self._is_cloud = route == LOCAL, route == layout.cloud_route

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """Deterministic; see Policy.act."""
        jobs = self._entries.of(obs)
        allowed = jobs.nearest(self._rows)
        edge, cloud = allowed & self._is_edge, allowed & self._is_cloud
        score = np.where(edge, jobs.candidate("quality") * jobs.candidate("timeliness"), -np.inf).max(axis=1)
        away_s = np.where(cloud, jobs.candidate("ttft_s"), np.inf).min(axis=1)
        with np.errstate(invalid="ignore"):  # no cloud and no slope: taken to be the edge below
            stays = score >= self._threshold - self._per_s * away_s
        side = np.where((stays & edge.any(axis=1) | ~cloud.any(axis=1))[:, None], edge, cloud)
        side |= ~side.any(axis=1, keepdims=True) & allowed
        side[:, REJECT] = allowed[:, REJECT]
        return jobs.actions(side, jobs.candidate("utility"))
