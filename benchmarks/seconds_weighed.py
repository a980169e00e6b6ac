"""What a search for linear weights finds when it takes times by their logarithms, as networks do, or in seconds.

`python benchmarks/seconds_weighed.py --scenario shard --over restricted --cpu-minutes 2.5`: one search of each kind over the rows of a
rule, on fresh training seeds; the best of its points on 32 validation seeds, then on 32 others that no search has met.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np

from agents.values import distances, tuned
from agents.weights import SCORED_ROWS, weighed, weighted_entries
from edge6g_env import CompiledPolicy
from edge6g_env.features import Feature
from edge6g_env.scenario import load_scenario
from edge6g_env.spaces import Layout
from eval.pools.flights import Flights
from train import search
from train.evolution import Evolution, SearchState
from train.seeds import TUNING_SEED, VALIDATION_SEED
from train.spreads import spreads, step_variances

PRICES = ("accelerator_s", "cloud_place_s")
FIRST_SEED, CHOSEN_ON, SEEN_ON, SEEDS = TUNING_SEED + 1_000_000, VALIDATION_SEED, VALIDATION_SEED + 100_000, 32


def main() -> None:
    """Search, and print a line a kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", default="shard")
    parser.add_argument("--over", default="restricted", help="rule whose rows are searched: restricted or static")
    parser.add_argument("--cpu-minutes", type=float, default=2.5, help="of each search")
    options = parser.parse_args()
    layout = Layout(load_scenario(options.scenario))
    names = weighted_entries(layout)
    logarithms = [layout.candidates[layout.candidate_index(name)] for name in names]
    seconds = weighed(layout, names)
    prices = [linear if linear.name in PRICES else one for one, linear in zip(logarithms, seconds, strict=True)]
    flights, far = (
        Flights(layout.scenario),
        distances(layout, options.over, tuned(options.over, layout.scenario).values),
    )
    for kind, features in (("logarithms", logarithms), ("prices in seconds", prices), ("all in seconds", seconds)):
        weights = _searched(flights, features, far, 60.0 * options.cpu_minutes)
        policies = [_policy(layout, features, far, point) for point in (weights, np.zeros(len(names)))]
        found, begun = flights(policies, range(SEEN_ON, SEEN_ON + SEEDS)).means
        print(f"{kind}: {found:.4f} on {SEEDS} seeds that no search has met, {options.over} {begun:.4f}", flush=True)


def _policy(layout: Layout, features: Sequence[Feature], far: np.ndarray, point: np.ndarray) -> CompiledPolicy:
    weights = dict(zip((one.name for one in features), point.tolist(), strict=True))
    return CompiledPolicy(layout, distance=far, linear=weights, scaled_as=((), features), top=SCORED_ROWS)


def _searched(flights: Flights, features: Sequence[Feature], far: np.ndarray, cpu_s: float) -> np.ndarray:
    """Weights, of the points validated every fifth generation those that do best."""
    layout, settings = flights.layout, search.SETTINGS
    evolution = Evolution(settings["population"], settings["sigma_cap"], 0)
    variances = step_variances(spreads(layout.scenario, features, range(10, 10 + search.EPISODES), far))
    state = SearchState.at(np.zeros(len(features)), settings["sigma"], variances)
    best, best_reward, begin_s = state.mean, -np.inf, time.process_time()
    while time.process_time() - begin_s < cpu_s:
        first, points = FIRST_SEED + search.EPISODES * int(state.generation), evolution.ask(state)
        policies = [_policy(layout, features, far, point) for point in points]
        state = evolution.tell(state, points, flights(policies, range(first, first + search.EPISODES)).means)
        if int(state.generation) % 5 == 0:
            found = [state.mean, state.running_mean]
            policies = [_policy(layout, features, far, point) for point in found]
            rewards = flights(policies, range(CHOSEN_ON, CHOSEN_ON + SEEDS)).means
            if rewards.max() > best_reward:
                best, best_reward = found[int(rewards.argmax())], float(rewards.max())
    return best


if __name__ == "__main__":
    main()
