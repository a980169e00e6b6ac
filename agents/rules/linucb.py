"""Rule `linucb`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from agents.parameters import Parameter
from agents.policy import Observation, register
from agents.rules._jobs import Entries, Jobs
from agents.rules._plans import REFERENCES, reference_rows
from agents.values import numbers
from edge6g_env.features import scales
from edge6g_env.kernel.codes import REJECT
from edge6g_env.spaces import Layout

# What the correction may depend on, scaled as for networks; judgement: what the others pay for, and what a forecast
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
    worlds_at_a_time = 1  # sums over more columns, where others have other jobs, are rounded otherwise
    reads_values_of = REFERENCES
    parameters: ClassVar = (Parameter("alpha", "1", 1e-3, 2.0, 0.05, "log", "weight of the bonus"),)

    def __init__(self, layout: Layout, values: Mapping[str, float] | None = None) -> None:
        """values: parameter -> value, None: those that ship. ValuesError if there are none, ParameterError for one out of range."""
        self._alpha = numbers("linucb", layout.scenario, values)["alpha"]
        self._entries, self._rows = Entries(layout), reference_rows(layout)
        log, self._unit, self._top = scales([layout.candidates[layout.candidate_index(name)] for name in ENTRIES])
        self._log = log == 1.0
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
        allowed = jobs.nearest(self._rows)
        columns = np.union1d(np.flatnonzero(allowed.any(axis=0)), [REJECT])  # where no job waits, too
        x, utility = self._x(jobs, columns), jobs.candidate("utility")[:, columns].astype(np.float64)
        inverse = self._inverse[jobs.where]
        theta = inverse @ self._b[jobs.where][..., None]
        variance = ((x @ inverse) * x).sum(axis=-1)
        score = utility + (x @ theta)[..., 0] + self._alpha * np.sqrt(np.maximum(variance, 0.0))
        best, each = np.where(allowed[:, columns], score, -np.inf).argmax(axis=1), np.arange(len(jobs))
        self._chosen[jobs.where] = np.column_stack([x[each, best], utility[each, best]])
        return jobs.take(columns[best])

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

    def _x(self, jobs: Jobs, columns: np.ndarray) -> np.ndarray:
        """Features of some candidates, float64 (n, len(columns), len(ENTRIES))."""
        ratio = np.stack([jobs.candidate(name)[:, columns] for name in ENTRIES], axis=-1) / self._unit
        return np.where(self._log, np.log1p(np.maximum(ratio, 0.0)), ratio) / self._top
