"""How much is above the rules: a direct search of linear weights over what candidates predict.

    python benchmarks/room.py --scenario shard --generations 10 --threads 2

A candidate's score is its utility and a weighted sum of its other entries, some of them by service: no network, no gradient, no credit.
The weights are found by a separable evolution strategy (sep-CMA-ES, Ros and Hansen 2008; mirrored
samples, the same fresh training seeds for all of a generation) on whole episodes, and judged on evaluation seeds beside `greedy` and
the rules named. What it finds is a lower bound of what free decisions are worth.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial

import numpy as np

from agents.policy import MakePolicy, Observation, make_rule
from agents.rules._rows import service_entries, waiting
from edge6g_env.scenario import Scenario, load_scenario
from edge6g_env.spaces import Layout
from eval import EVALUATION_SEED
from eval.episodes import play_worlds
from eval.statistics import estimate
from train.seeds import TUNING_SEED

FIRST_SEED = TUNING_SEED + 500_000  # `edge6g tune` has those before
PLAIN = (
    "is_reject",
    "is_local",
    "is_neighbour",
    "is_cloud",
    "load_s",
    "wait_s",
    "upload_s",
    "accelerator_s",
    "ttft_s",
    "tpot_s",
)
SHARED = ("sequences", "cycle_s", "model_score", "price_musd", "energy_j")
LOADS_S = 0.3  # what takes longer counts as a load
STEP, LEAST_STEP, MOST_STEP, LEARNING = 0.08, 0.02, 0.12, 0.2  # of the search; judgement


class Linear:
    """The legal candidate with the highest utility plus weighted inputs."""

    privileged = False
    needs_candidates = True

    def __init__(self, layout: Layout, weights: np.ndarray) -> None:
        self._weights = weights
        features = {feature.name: feature for feature in layout.candidates}
        self._index = {name: layout.candidate_index(name) for name in features}
        self._services = service_entries(layout)
        self._precision = np.eye(len(layout.scenario.actions.precision))[layout.action_table[:, 3]]
        # Counts and times of everyday size; those that span decades are taken by their logarithm.
        self._scale = {
            name: (features[name].scale == "log", 0.1 * np.sqrt(features[name].high)) for name in (*PLAIN, *SHARED)
        }

    @staticmethod
    def size(layout: Layout) -> int:
        """Number of weights."""
        return len(PLAIN) + len(SHARED) + 4 + len(layout.scenario.actions.precision) + 5 * len(layout.scenario.service)

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """Deterministic; see Policy.act."""
        decides = waiting(obs)
        actions = np.zeros(decides.shape, np.int64)
        rows = obs["candidates"][decides]
        if len(rows):
            score = rows[..., self._index["utility"]] + self._inputs(rows, obs["observation"][decides]) @ self._weights
            actions[decides] = np.where(obs["action_mask"][decides] == 1, score, -np.inf).argmax(axis=-1)
            actions[decides] = np.maximum(actions[decides], 1)  # never hold
        return actions

    def _inputs(self, rows: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """(decisions, C, weights)."""
        entry = {name: rows[..., index] for name, index in self._index.items()}
        served = 1.0 - entry["is_reject"]
        columns = [np.log1p(entry[name] / unit) if log else entry[name] for name, (log, unit) in self._scale.items()]
        loads = (entry["load_s"] > LOADS_S) * 1.0
        cut = (entry["ingress_share"] > 0.0) * (entry["target_share"] > 0.0) * 1.0
        device = entry["device_share"]
        columns += [loads, cut, ((device > 0.0) & (device < 1.0)) * 1.0, (device == 1.0) * 1.0]
        columns += [served * row for row in self._precision.T]
        for mine in seen[:, self._services].T[..., None]:
            columns += [mine * one for one in (loads, cut, entry["is_reject"], entry["is_cloud"], entry["model_score"])]
        return np.stack(columns, axis=-1)


def rewards(make: MakePolicy, scenario: Scenario, seeds: Sequence[int], threads: int) -> np.ndarray:
    """Mean reward a job of each episode."""
    jobs, *_ = play_worlds("room", make, scenario, seeds, threads=threads)
    return np.array([jobs["worth"][jobs["world"] == world].mean() for world in range(len(seeds))])


def search(scenario: Scenario, layout: Layout, options: argparse.Namespace) -> np.ndarray:
    """Weights, float64 (weights,)."""
    rng, count = np.random.default_rng(options.seed), Linear.size(layout)
    mean, step, half = np.zeros(count), np.full(count, STEP), options.population // 2
    ranks = np.log(half + 0.5) - np.log(np.arange(1, half + 1))
    ranks /= ranks.sum()
    for generation in range(options.generations):
        first = FIRST_SEED + 1000 * generation
        seeds = range(first, first + options.episodes)
        draws = rng.standard_normal((half, count))
        draws = np.concatenate([draws, -draws])
        points = mean + step * draws
        found = [rewards(partial(Linear, weights=one), scenario, seeds, options.threads).mean() for one in points]
        best = np.argsort(found)[::-1][:half]
        mean = mean + ranks @ (points[best] - mean)
        step = np.clip(step * np.exp(LEARNING * (ranks @ draws[best] ** 2 - 1.0) / 2.0), LEAST_STEP, MOST_STEP)
        print(f"generation {generation + 1}: mean {np.mean(found):.4f}, best {max(found):.4f}", flush=True)
    return mean


def main() -> None:
    """Search, then play on evaluation seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", default="shard")
    parser.add_argument("--generations", type=int, default=10)
    parser.add_argument("--population", type=int, default=12, help="even")
    parser.add_argument("--episodes", type=int, default=6, help="training episodes of each sample")
    parser.add_argument("--seeds", type=int, default=20, help="evaluation episodes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rules", default="greedy,static,restricted", help="to compare with")
    options = parser.parse_args()
    scenario = load_scenario(options.scenario)
    layout = Layout(scenario)
    weights = search(scenario, layout, options)
    seeds = range(EVALUATION_SEED, EVALUATION_SEED + options.seeds)
    mine = rewards(partial(Linear, weights=weights), scenario, seeds, options.threads)
    print(f"searched weights: {_words(mine)}")
    for name in options.rules.split(","):
        rule = rewards(partial(make_rule, name), scenario, seeds, options.threads)
        print(f"{name}: {_words(rule)}; searched weights less {name}: {_words(mine - rule)}", flush=True)


def _words(values: np.ndarray) -> str:
    one = estimate(values)
    return f"{one['iqm']:+.4f} [{one['low']:+.4f}, {one['high']:+.4f}]"


if __name__ == "__main__":
    main()
