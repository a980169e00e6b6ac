"""Rule `power-of-two`."""

from __future__ import annotations

import numpy as np

from agents.policy import Observation, register
from agents.rules._places import Places
from agents.rules._rows import DefaultRows
from edge6g_env.kernel.codes import LOCAL
from edge6g_env.spaces import Layout


@register("power-of-two")
class PowerOfTwoChoices:
    """Of two nodes drawn among the own one and its neighbours, the one with fewer jobs; a tie goes to the one drawn first.

    The two differ where there are two. Jobs are counted as `jsq` counts them. Mitzenmacher, "The power of two choices in randomized load
    balancing", IEEE Trans. Parallel Distrib. Syst. 2001.
    """

    privileged = False
    needs_candidates = False
    worlds_at_a_time = 1  # its draws are by the world's seed alone

    def __init__(self, layout: Layout) -> None:
        self._rows, self._places = DefaultRows(layout), Places(layout)

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """One draw of every place's turn an agent, whether it has a job or not; see Policy.act."""
        jobs, exists = self._places.jobs(obs), self._places.exist(obs)
        turns = np.where(exists, rng.random(jobs.shape), np.inf).argsort(axis=0)[:2]
        fewest = np.take_along_axis(jobs, turns, axis=0).argmin(axis=0)
        return self._rows.choose(obs, LOCAL + np.take_along_axis(turns, fewest[None], axis=0)[0])
