"""Coordinate descent over points of a grid whose worth is the mean reward of episodes: one point and seed is played once at most.

A coordinate's values meet the present point on the same seeds, in a race: all on few seeds, the promising ones on twice as many, and what
is left on all. The present point moves only to one that is better on all seeds, so the search ends.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

Point = dict[str, Any]
"""Values as JSON holds them."""

Play = Callable[[Sequence[tuple[Point, int]]], Sequence[float]]
"""Rewards of (point, seed) pairs, one episode each; at most EPISODES_AT_A_TIME."""

Coordinates = Callable[[Point], Iterator[tuple[str, list[Point]]]]
"""(name, the points that differ from this one in that coordinate alone)."""

EPISODES_AT_A_TIME = 64
FEWEST_SEEDS = 2
CLEAR = 2.0  # standard errors below the present point at which a value is given up; judgement
FAR = 0.1  # below four seeds, where an error says little, so much below it; judgement


def key_of(point: Point) -> str:
    """The point as text, equal for equal ones."""
    return json.dumps(point, sort_keys=True)


class Rewards:
    """Rewards of points on the first seeds of a list, played when they are asked for."""

    def __init__(
        self, play: Play, seeds: Sequence[int], known: Mapping[str, Sequence[float]], keep: Callable[[], None]
    ) -> None:
        """known: rewards by `key_of`, of an earlier search on the same seeds; keep: called when there are new ones."""
        self._play, self.seeds, self._keep = play, list(seeds), keep
        self.known = {key: list(rewards) for key, rewards in known.items()}

    def ask(self, points: Sequence[Point], count: int) -> None:
        """Play what is missing of the first `count` seeds, all points together."""
        unique = {key_of(point): point for point in points}
        missing = [(point, seed) for key, point in unique.items() for seed in self.seeds[self.played(key) : count]]
        for first in range(0, len(missing), EPISODES_AT_A_TIME):
            some = missing[first : first + EPISODES_AT_A_TIME]
            for (point, _), reward in zip(some, self._play(some), strict=True):
                self.known.setdefault(key_of(point), []).append(float(reward))
            self._keep()

    def played(self, key: str) -> int:
        """Seeds on which a point was played."""
        return len(self.known.get(key, ()))

    def mean(self, point: Point, count: int) -> float:
        """Mean over the first `count` seeds."""
        self.ask([point], count)
        return float(np.mean(self.known[key_of(point)][:count]))

    def difference(self, point: Point, other: Point, count: int) -> tuple[float, float]:
        """Mean of point less other over the first `count` seeds, which both have played, and its standard error."""
        mine, theirs = (np.array(self.known[key_of(one)][:count]) for one in (point, other))
        error = float((mine - theirs).std(ddof=1) / np.sqrt(count)) if count > 1 else np.inf
        return float((mine - theirs).mean()), error


def descend(
    point: Point, coordinates: Coordinates, rewards: Rewards, count: int, moved: Callable[[str, Point], None]
) -> Point:
    """The point from which no coordinate leads to a better one on the first `count` seeds.

    Ends when every coordinate was tried since the last move; moved: called with the coordinate and the new point.
    """
    tried_in_vain = 0
    names = [name for name, _ in coordinates(point)]
    while names:  # there may be nothing to choose
        for name in names:
            others = dict(coordinates(point)).get(name, [])
            better = race(point, others, rewards, count)
            tried_in_vain = 0 if better else tried_in_vain + 1
            if better:
                point = better
                moved(name, point)
            if tried_in_vain >= len(names):
                return point
    return point


def race(point: Point, others: Sequence[Point], rewards: Rewards, count: int) -> Point | None:
    """The best of the others on the first `count` seeds, if it is better than the point."""
    left = list(others)
    for now in stages(count):
        rewards.ask([point, *left], now)
        gains = [(*rewards.difference(other, point, now), other) for other in left]
        gains = sorted((gain for gain in gains if _may_be_better(*gain[:2], now)), key=lambda gain: -gain[0])
        most = max(2, len(left) // 2)
        left = [other for place, (gain, _, other) in enumerate(gains) if gain > 0.0 or place < most]
        if not left:
            return None
    return left[0] if gains[0][0] > 0.0 else None


def _may_be_better(gain: float, error: float, seeds: int) -> bool:
    return gain + (max(FAR, CLEAR * error) if seeds < 4 else CLEAR * error) > 0.0


def stages(count: int) -> list[int]:
    """Numbers of seeds of a race, each twice the one before, the last `count`."""
    steps = [count]
    while steps[0] > FEWEST_SEEDS:
        steps.insert(0, max(FEWEST_SEEDS, steps[0] // 2))
    return steps
