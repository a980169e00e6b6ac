"""Separable CMA-ES as a function from state to state: all that a search is lies in named arrays, which a checkpoint takes as they are.

Ros and Hansen 2008, "A Simple Modification in CMA-ES Achieving Linear Time and Space Complexity": the covariance matrix is a diagonal. The
update is that of the package `cmaes`. What is drawn in a generation depends on the search's seed and the generation's number alone, so a
search that goes on from a state goes on as if it had never stopped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from cmaes import SepCMA

KEPT = 0.8  # of the running mean of the search point in each generation
SETTLED = 5  # generations before which the running mean is the search point itself
NARROWER = 0.5  # each grid of `Narrowing` beside the one before; judgement: four of nine points stand again, and noise may have led astray
_INNER = {"sigma": "_sigma", "variances": "_C", "path_sigma": "_p_sigma", "path_c": "_pc", "generation": "_g"}


class SearchState(NamedTuple):
    """Where a search over n numbers stands."""

    mean: np.ndarray  # float64 (n,) the search point
    running_mean: np.ndarray  # float64 (n,) its mean over the last generations
    variances: np.ndarray  # float64 (n,) diagonal of the covariance matrix
    path_sigma: np.ndarray  # float64 (n,) evolution path of the step size
    path_c: np.ndarray  # float64 (n,) evolution path of the covariance matrix
    sigma: np.ndarray  # float64 () step size
    generation: np.ndarray  # int64 () generations told

    @classmethod
    def at(cls, mean: Sequence[float] | np.ndarray, sigma: float, variances: np.ndarray | None = None) -> SearchState:
        """A search that begins at `mean`, float (n,), n above 1; variances: (n,) of the first steps, over sigma squared; 1 if None."""
        point, zero = np.array(mean, np.float64), np.zeros(len(mean))
        spread = np.ones(len(mean)) if variances is None else np.array(variances, np.float64)
        return cls(point, point.copy(), spread, zero, zero.copy(), np.array(sigma), np.array(0))

    @classmethod
    def of(cls, arrays: Mapping[str, object]) -> SearchState:
        """A state from its arrays by name; KeyError for one that is missing, ValueError for one of another shape."""
        state = cls(**{name: np.array(arrays[name]) for name in cls._fields})
        vectors = [array.shape for array in state[:5]]
        if len({*vectors}) != 1 or len(vectors[0]) != 1 or state.sigma.shape or state.generation.shape:
            raise ValueError(f"the arrays of a search have shapes {', '.join(str(array.shape) for array in state)}")
        return state


class Evolution:
    """What stays the same all through a search."""

    def __init__(self, population: int, cap: float, seed: int, unit_cube: bool = False) -> None:
        """population: points of a generation; cap: the step size is at most this; unit_cube: points lie in [0, 1]."""
        self.population, self._cap, self._seed, self._unit_cube = population, cap, seed, unit_cube

    def ask(self, state: SearchState) -> np.ndarray:
        """The points of the next generation, float64 (population, n)."""
        cma = self._cma(state)
        return np.stack([cma.ask() for _ in range(self.population)])

    def tell(self, state: SearchState, points: np.ndarray, rewards: np.ndarray) -> SearchState:
        """The state after a generation; rewards: (population,), the higher the better. `state` stays as it was."""
        cma = self._cma(state)
        cma.tell([(point, -float(reward)) for point, reward in zip(points, rewards, strict=True)])
        inner = {name: np.array(getattr(cma, attribute)) for name, attribute in _INNER.items()}
        inner["sigma"] = np.minimum(inner["sigma"], self._cap)
        mean = np.clip(cma.mean, 0.0, 1.0) if self._unit_cube else np.array(cma.mean)
        settled = inner["generation"] >= SETTLED
        running = KEPT * state.running_mean + (1.0 - KEPT) * mean if settled else mean.copy()
        return SearchState(mean=mean, running_mean=running, **inner)

    def _cma(self, state: SearchState) -> SepCMA:
        """The package's search in this state, at the beginning of the next generation's draws."""
        bounds = np.tile([0.0, 1.0], (len(state.mean), 1)) if self._unit_cube else None
        cma = SepCMA(state.mean.copy(), float(state.sigma), bounds=bounds, population_size=self.population)
        for name, attribute in _INNER.items():
            value = getattr(state, name)
            setattr(cma, attribute, value.copy() if value.ndim else value.item())
        cma.reseed_rng(int(np.random.SeedSequence([self._seed, int(state.generation)]).generate_state(1)[0]))
        return cma


class Narrowing:
    """The same for a single number in [0, 1]: a grid around the best of the one before, each narrower; `sigma` is half its width."""

    population = 9

    def ask(self, state: SearchState) -> np.ndarray:
        """The points of the next generation, float64 (population, 1)."""
        grid = state.mean[0] + state.sigma * np.linspace(-1.0, 1.0, self.population)
        return np.clip(grid, 0.0, 1.0)[:, None]

    def tell(self, state: SearchState, points: np.ndarray, rewards: np.ndarray) -> SearchState:
        """The state after a generation; rewards: (population,), the higher the better."""
        mean = points[int(np.argmax(rewards))].copy()
        told = {"sigma": NARROWER * state.sigma, "generation": state.generation + 1}
        return state._replace(mean=mean, running_mean=mean.copy(), **told)
