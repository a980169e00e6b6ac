"""Rule `llm-d`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from agents.parameters import Parameter
from agents.policy import Observation, register
from agents.rules._places import Places
from agents.rules._rows import DefaultRows
from agents.values import numbers
from edge6g_env.kernel.codes import LOCAL
from edge6g_env.spaces import Layout


@register("llm-d")
class LlmD:
    """The production form: a weighted sum of scores of queue, KV use and resident weights, among the own node and its neighbours.

    As in llm-d's request scheduler (https://llm-d.ai/docs/0.8/architecture/core/router/epp/scheduling): each scorer gives a place 0 to
    1, the highest weighted sum is taken, ties stay local. Queue: (most - jobs) / (most - fewest) over the places, 1 for all where they
    are equal; KV use: the free share of memory, of the own node what neither KV nor weights take, of a neighbour what it reports as
    free, idle weights among it; residency: the resident share of the model at the default precision, in place of its LoRA affinity. Its
    prefix scorer has no counterpart: no prompt shares a prefix here. Blind to the cloud; cuts, precision and model as `jsq`.
    """

    privileged = False
    needs_candidates = False
    parameters: ClassVar = tuple(
        Parameter(f"{what}_weight", "1", 0.0, 3.0, 1.0, "linear", f"weight of {meaning}")
        for what, meaning in (
            ("queue", "a short queue"),
            ("kv", "free memory"),
            ("residency", "weights that are there"),
        )
    )

    def __init__(self, layout: Layout, values: Mapping[str, float] | None = None) -> None:
        """values: parameter -> value, None: those that ship. ValuesError if there are none, ParameterError for one out of range."""
        found = numbers("llm-d", layout.scenario, values)
        self._weights = [found[one.name] for one in self.parameters]
        self._rows, self._places = DefaultRows(layout), Places(layout)
        column, names = layout.observation_index, self._places.names
        self._own = [column("node/kv_share"), column("node/weight_share")]
        self._free = [column(f"{name}/free_share") for name in names[1:]]
        default = layout.scenario.actions.default_precision
        self._resident = [column(f"{name}/resident_{default}") for name in names]

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """Deterministic; see Policy.act."""
        seen, exists = obs["observation"], self._places.exist(obs)
        free = np.stack([1.0 - seen[..., self._own].sum(axis=-1), *(seen[..., column] for column in self._free)])
        resident = np.stack([seen[..., column] for column in self._resident])
        scores = (_by_queue(self._places.jobs(obs), exists), np.clip(free, 0.0, 1.0), resident)
        total = sum(weight * score for weight, score in zip(self._weights, scores, strict=True))
        return self._rows.choose(obs, LOCAL + np.where(exists, total, -np.inf).argmax(axis=0))


def _by_queue(jobs: np.ndarray, exists: np.ndarray) -> np.ndarray:
    """1 for the place (first axis) with the fewest jobs to 0 for that with the most; 1 for all where they are equal."""
    fewest, most = jobs.min(axis=0), np.where(exists, jobs, -np.inf).max(axis=0)
    span = most - fewest
    return np.where(span > 0.0, (most - np.where(exists, jobs, most)) / np.where(span > 0.0, span, 1.0), 1.0)
