"""Coordinate descent on rewards that are known: where it ends, what it plays, what it does not play again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from train.tuning.descent import Point, Rewards, descend, key_of, race, stages

SIZES = {"x": 4, "y": 5, "z": 3}
SEEDS = list(range(100, 132))


def coordinates(point: Point) -> Iterator[tuple[str, list[Point]]]:
    for name, size in SIZES.items():
        yield name, [{**point, name: value} for value in range(size) if value != point[name]]


def player(worth: Callable[[Point], float], noise: float = 0.0) -> tuple[Callable, list]:
    """Rewards: worth of the point, what the seed adds to all points, and noise of point and seed; and the pairs that were played."""
    played: list[tuple[str, int]] = []

    def play(pairs: Sequence[tuple[Point, int]]) -> list[float]:
        played.extend((key_of(point), seed) for point, seed in pairs)
        own = [np.random.default_rng([seed, *point.values()]).normal(0.0, noise) for point, seed in pairs]
        return [worth(point) + 10.0 * np.sin(seed) + n for (point, seed), n in zip(pairs, own, strict=True)]

    return play, played


def rewards_of(play: Callable) -> Rewards:
    return Rewards(play, SEEDS, {}, lambda: None)


def hill(point: Point) -> float:
    """Highest at (2, 3, 1), along every coordinate one hill."""
    return -((point["x"] - 2) ** 2) - (point["y"] - 3) ** 2 - (point["z"] - 1) ** 2 + 0.3 * point["x"] * point["z"]


def best_of_all(worth: Callable[[Point], float]) -> Point:
    points = [dict(zip(SIZES, values, strict=True)) for values in np.ndindex(*SIZES.values())]
    return max(points, key=worth)


@pytest.mark.parametrize("start", [(0, 0, 0), (3, 4, 2), (2, 3, 1)])
def test_it_ends_at_the_top_of_a_hill_whatever_the_seeds_add(start: tuple[int, ...]):
    play, played = player(hill)
    end = descend(dict(zip(SIZES, start, strict=True)), coordinates, rewards_of(play), 32, lambda *_: None)
    assert end == best_of_all(hill)
    assert len(set(played)) == len(played)  # no episode twice
    assert len(played) < 60 * len(SEEDS) / 2  # 60 points


def test_no_coordinate_leads_on_from_its_end():
    play, _ = player(lambda point: float(np.cos(7.0 * sum(point.values()) + point["y"])), noise=0.3)
    rewards = rewards_of(play)
    end = descend({"x": 0, "y": 0, "z": 0}, coordinates, rewards, 32, lambda *_: None)
    for _, others in coordinates(end):
        assert race(end, others, rewards, 32) is None


def test_without_anything_to_choose_it_stays_where_it_is():
    play, played = player(hill)
    point = {"x": 0, "y": 0, "z": 0}
    assert descend(point, lambda _: iter(()), rewards_of(play), 32, lambda *_: None) == point
    assert not played


def test_each_move_is_better_on_all_seeds():
    play, _ = player(hill, noise=1.0)
    rewards, seen = rewards_of(play), [{"x": 0, "y": 0, "z": 0}]
    descend(seen[0], coordinates, rewards, 32, lambda _, point: seen.append(point))
    means = [rewards.mean(point, 32) for point in seen]
    assert len(means) > 2
    assert means == sorted(means)


def test_what_is_clearly_worse_is_given_up_on_few_seeds():
    play, _ = player(lambda point: -float(point["x"]), noise=0.1)
    rewards = rewards_of(play)
    here = {"x": 0, "y": 0, "z": 0}
    assert race(here, [{**here, "x": value} for value in (1, 2, 3)], rewards, 32) is None
    assert [rewards.played(key_of({**here, "x": value})) for value in range(4)] == [2, 2, 2, 2]


def test_equals_do_not_replace_each_other():
    play, _ = player(lambda point: 0.0)
    here = {"x": 0, "y": 0, "z": 0}
    assert race(here, [{**here, "x": 1}], rewards_of(play), 8) is None


def test_known_rewards_are_not_played_again():
    play, played = player(hill, noise=1.0)
    first = rewards_of(play)
    end = descend({"x": 0, "y": 0, "z": 0}, coordinates, first, 32, lambda *_: None)
    before, kept = len(played), []
    again = Rewards(play, SEEDS, first.known, lambda: kept.append(1))
    assert descend({"x": 0, "y": 0, "z": 0}, coordinates, again, 32, lambda *_: None) == end
    assert (len(played), kept) == (before, [])


@pytest.mark.parametrize(
    ("count", "expected"), [(1, [1]), (2, [2]), (8, [2, 4, 8]), (32, [2, 4, 8, 16, 32]), (20, [2, 5, 10, 20])]
)
def test_stages_double_up_to_all(count: int, expected: list[int]):
    assert stages(count) == expected
