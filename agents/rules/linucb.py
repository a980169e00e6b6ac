"""Rule `linucb`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from agents.parameters import Parameter
from agents.policy import Observation, register
from agents.rules._jobs import Entries, Jobs
from agents.rules._plans import reference_rows
from agents.values import numbers
from edge6g_env.features import Feature
from edge6g_env.spaces import Layout

# What the correction may depend on, each over its `Feature` range or its logarithm; judgement: what the others pay for, and what a forecast
# can be wrong about.
ENTRIES = (
    "is_neighbour",
    "is_cloud",
    "device_share",
    "ingress_share",
    "load_s",
    "wait_s",
    "accelerator_s",
    "sequences",
    "cycle_s",
    "weight_bits",
)
RIDGE = 1.0  # Li et al. 2010, algorithm 1: A begins as the identity


@register("linucb")
class LinUCB:
    """Each agent learns while it plays: predicted utility, a linear correction by what its own jobs were worth, a bonus for the unknown.

    score = utility + theta x + alpha sqrt(x A^-1 x) over candidates, theta = A^-1 b, A = I + sum x x', b = sum x (worth - utility), one A
    and b an agent (features x of the arms, one theta for all of them). It begins as `greedy` with a bonus in every world, and is told by
    `learn` what its jobs were worth when they end; where nobody calls that it learns nothing. `reject` is worth what is known. Rows are
    those of `restricted` where it has values; alpha is found by `edge6g tune`. Li et al., "A contextual-bandit approach to personalized
    news article recommendation", WWW 2010, algorithm 1.
    """

    privileged = False
    needs_candidates = True
    parameters: ClassVar = (Parameter("alpha", "1", 1e-3, 2.0, 0.05, "log", "weight of the bonus"),)

    def __init__(self, layout: Layout, values: Mapping[str, float] | None = None) -> None:
        """values: parameter -> value, None: those that ship. ValuesError if there are none, ParameterError for one out of range."""
        self._alpha = numbers("linucb", layout.scenario, values)["alpha"]
        self._entries, self._rows = Entries(layout), reference_rows(layout)
        self._features = [layout.candidates[layout.candidate_index(name)] for name in ENTRIES]
        self._num_agents = layout.scenario.nodes.count
        self.reset(1)

    def reset(self, num_worlds: int) -> None:
        """All agents of `num_worlds` worlds know nothing."""
        shape, size = (num_worlds, self._num_agents), len(ENTRIES)
        self._inverse = np.tile(np.eye(size) / RIDGE, (*shape, 1, 1))
        self._b = np.zeros((*shape, size))
        self._chosen = np.zeros((*shape, size + 1))
        """Features of what each agent chose last, and its utility."""
        self._open: dict[tuple[int, int], tuple[int, np.ndarray]] = {}

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """Deterministic given what was learned; see Policy.act. Raises ValueError for a batch that `reset` was not told of."""
        jobs = self._entries.of(obs)
        if len(obs["action_mask"]) != len(self._b):
            raise ValueError(f"linucb was reset for {len(self._b)} worlds, the batch has {len(obs['action_mask'])}")
        x, utility = self._x(jobs), jobs.candidate("utility").astype(np.float64)
        inverse = self._inverse[jobs.where]
        theta = (inverse @ self._b[jobs.where][..., None])[..., 0]
        variance = ((x @ inverse) * x).sum(axis=-1)
        score = utility + (x @ theta[..., None])[..., 0] + self._alpha * np.sqrt(np.maximum(variance, 0.0))
        chosen = np.where(jobs.nearest(self._rows), score, -np.inf).argmax(axis=1)
        each = np.arange(len(chosen))
        self._chosen[jobs.where] = np.column_stack([x[each, chosen], utility[each, chosen]])
        return jobs.take(chosen)

    def learn(self, decided: np.ndarray, outcomes: np.ndarray) -> None:
        """See agents.policy.learn."""
        for b, i in zip(*np.nonzero(decided >= 0), strict=True):
            self._open[int(b), int(decided[b, i])] = int(i), self._chosen[b, i].copy()
        for b, job, worth in zip(outcomes["world"], outcomes["job"], outcomes["worth"], strict=True):
            known = self._open.pop((int(b), int(job)), None)
            if known is not None:
                i, (*x, utility) = known
                self._update(int(b), i, np.array(x), float(worth) - utility)

    def _update(self, b: int, i: int, x: np.ndarray, more: float) -> None:
        """A += x x' by its inverse (Sherman and Morrison 1950), b += x more."""
        toward = self._inverse[b, i] @ x
        self._inverse[b, i] -= np.outer(toward, toward) / (1.0 + x @ toward)
        self._b[b, i] += more * x

    def _x(self, jobs: Jobs) -> np.ndarray:
        """Features of the candidates, float64 (n, C, len(ENTRIES))."""
        return np.stack([_scaled(feature, jobs.candidate(feature.name)) for feature in self._features], axis=-1)


def _scaled(feature: Feature, value: np.ndarray) -> np.ndarray:
    """An entry over its range, by its logarithm if it spans decades: as `agents.learned.scaling.Scaler`."""
    size = max(abs(feature.low), abs(feature.high))
    if feature.scale != "log":
        return value / size
    unit = 1e-2 * np.sqrt(size)
    return np.log1p(np.maximum(value / unit, 0.0)) / np.log1p(size / unit)
