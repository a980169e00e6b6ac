"""A way without pauses along straight legs to random points of a square."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


class Way:
    """Positions along straight legs from a random point of |x|, |y| <= half_m to the next (random waypoint, no pauses)."""

    def __init__(self, half_m: float, rng: np.random.Generator) -> None:
        self._half_m, self._rng = half_m, rng
        self._corners_m = self._points(1)
        self._reached_m = np.zeros(1)  # way to each corner

    def _points(self, count: int) -> Array:
        return self._rng.uniform(-self._half_m, self._half_m, (count, 2))

    def _extend(self, way_m: float) -> None:
        while self._reached_m[-1] < way_m:
            missing_m = way_m - self._reached_m[-1]
            corners_m = np.concatenate((self._corners_m[-1:], self._points(8 + int(missing_m / self._half_m))))
            legs_m = np.hypot(*np.diff(corners_m, axis=0).T)
            reached_m = np.cumsum(np.concatenate((self._reached_m[-1:], legs_m)))
            self._corners_m = np.concatenate((self._corners_m, corners_m[1:]))
            self._reached_m = np.concatenate((self._reached_m, reached_m[1:]))

    def at(self, way_m: Array) -> Array:
        """(n, 2) positions after way_m, (n,) metres, rising from call to call."""
        self._extend(float(way_m[-1]))
        positions_m = np.stack(
            [np.interp(way_m, self._reached_m, self._corners_m[:, axis]) for axis in (0, 1)], axis=-1
        )
        behind = max(int(np.searchsorted(self._reached_m, way_m[-1], side="right")) - 1, 0)
        self._corners_m, self._reached_m = self._corners_m[behind:], self._reached_m[behind:]
        return positions_m
