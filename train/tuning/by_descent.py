"""Coordinate descent for the values of `static` and `restricted`: where each start leads, and what other values would cost.

Each start descends on the first seeds; the distinct ends meet on all seeds, and the best of them descends on all until nothing changes.
Every reward that was played is kept in a file until the search ends: one that was interrupted plays it no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from agents.values import distances
from edge6g_env import CompiledPolicy
from edge6g_env._bars import Notes
from edge6g_env.scenario import Scenario
from eval.episodes import NothingMeasuredError, nothing_measured
from eval.files import read_object, write_json_atomic
from eval.pools.flights import Flights, means_by_world
from train.tuning.descent import Point, Rewards, descend, key_of, stages
from train.tuning.points import coordinates, starts

FIRST_SEEDS = 8  # of each start's descent; judgement


def find(
    rule: str,
    flights: Flights,
    seeds: list[int],
    file: Path,
    of: dict[str, Any],
    shown: Callable[[str], None],
    note: Notes,
) -> dict[str, Any]:
    """What the file of values says of the rule, found on these seeds.

    file: keeps the rewards; of: what those in it must be of to be taken; shown: called with how far the search is.
    NothingMeasuredError if no job is measured.
    """
    earlier = read_object(file)

    def play(pairs: Sequence[tuple[Point, int]]) -> list[float]:
        known = {
            key_of(point): CompiledPolicy(flights.layout, distance=distances(flights.layout, rule, point))
            for point, _ in pairs
        }
        jobs, _ = flights.pairs([known[key_of(point)] for point, _ in pairs], [seed for _, seed in pairs])
        if not len(jobs):
            raise NothingMeasuredError(nothing_measured(flights.scenario, sorted({seed for _, seed in pairs})))
        return np.nan_to_num(means_by_world(jobs, jobs["worth"], len(pairs))).tolist()

    def keep() -> None:
        write_json_atomic({"of": of, "rewards": rewards.known}, file)
        shown(f"{sum(map(len, rewards.known.values()))} episodes")

    rewards = Rewards(play, seeds, earlier["rewards"] if earlier.get("of") == of else {}, keep)
    return {**_search(rule, flights.scenario, rewards, note), "first_seed": seeds[0], "seeds": len(seeds)}


def _search(rule: str, scenario: Scenario, rewards: Rewards, note: Notes) -> dict[str, Any]:
    """`values`, their mean reward, the starts and where they led, and what other values would cost."""
    beside = partial(coordinates, rule, scenario)
    count, few = len(rewards.seeds), min(FIRST_SEEDS, len(rewards.seeds))

    def moved(coordinate: str, point: Point) -> None:
        seeds = rewards.played(key_of(point))
        note(f"{coordinate}: {rewards.mean(point, seeds):.4f} on {seeds} seeds")

    ends, led = {}, []
    for name, start in starts(rule, scenario):
        note(f"from {name}: {rewards.mean(start, few):.4f}")
        end = descend(start, beside, rewards, few, moved)
        ends[key_of(end)] = end
        began, ended = rewards.mean(start, few), rewards.mean(end, few)
        led.append({"start": name, "reward_start": began, "reward_end": ended, "seeds": few})
    best = _best_end(list(ends.values()), rewards, count)
    note(f"on all {count} seeds: {rewards.mean(best, count):.4f}")
    best = descend(best, beside, rewards, count, moved)
    note(f"found: {rewards.mean(best, count):.4f} on {count} seeds")
    return {
        "values": best,
        "reward_per_job": rewards.mean(best, count),
        "starts": led,
        "others": list(_others_of(best, beside(best), rewards)),
    }


def _best_end(ends: list[Point], rewards: Rewards, count: int) -> Point:
    """The best of the starts' ends: all meet on more and more seeds, half of them go on."""
    for now in stages(count):
        rewards.ask(ends, now)
        means = {key_of(end): rewards.mean(end, now) for end in ends}
        ends = sorted(ends, key=lambda end: -means[key_of(end)])[: (len(ends) + 1) // 2]
    return ends[0]


def _others_of(
    best: Point, coordinates: Iterator[tuple[str, list[Point]]], rewards: Rewards
) -> Iterator[dict[str, object]]:
    """What each other value of each coordinate would cost, on as many seeds as it was played: the table of the search."""
    for name, points in coordinates:
        for point in points:
            if played := min(rewards.played(key_of(point)), rewards.played(key_of(best))):
                less, error = rewards.difference(point, best, played)
                changed = _changed(best, point)
                yield {"what": name, "value": changed, "gain": less, "standard_error": error, "seeds": played}


def _changed(best: Point, point: Point) -> object:
    """The value in which a point differs from the best."""
    for key, value in point.items():
        if value != best[key]:
            return _changed(best[key], value) if isinstance(value, dict) else value
    return None
