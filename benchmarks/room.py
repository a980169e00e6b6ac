"""How much is above the rules: a direct search of linear weights over what candidates predict.

    python benchmarks/room.py --scenario shard --last review=2,5 --generations 8 --out review.json

A candidate's score is its utility and a weighted sum of its other entries, some of them by service: no network, no gradient, no credit.
`--last SERVICE=NODES` is an agreement that no agent could find alone: these nodes have the last layers of the service's jobs, which reach
others, and do nothing else; it is cut between its ingress and one of them or rejected. `--generations 0` plays it with the weights of
`--start`, or with the utility alone.
The weights are found by a separable evolution strategy (sep-CMA-ES, Ros and Hansen 2008; mirrored
samples, the same fresh training seeds for all of a generation) on whole episodes, and judged on evaluation seeds beside `greedy` and
the rules named. What it finds is a lower bound of what free decisions are worth.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from agents.policy import MakePolicy, Observation, make_rule
from agents.rules._rows import service_entries, waiting
from agents.values import RESTRICTED, distances
from edge6g_env.build.places import neighbours_of
from edge6g_env.kernel.codes import LOCAL, NEIGHBOUR, REJECT
from edge6g_env.scenario import Scenario, load_scenario
from edge6g_env.spaces import Layout, device_shares
from eval import evaluation_seeds
from eval.episodes import play_worlds
from eval.report.numbers import REWARD, value_and_interval
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
BY_SERVICE = ("load_s", "wait_s", "accelerator_s", "is_reject", "is_cloud", "model_score")
MORE, MORE_BY_SERVICE = 7, 3  # inputs of Linear that are worked out of several entries
LOADS_S = 0.3  # what takes longer counts as a load
STEP, LEAST_STEP, MOST_STEP, LEARNING = 0.08, 0.02, 0.12, 0.2  # of the search; judgement


class Linear:
    """The legal candidate with the highest utility plus weighted inputs."""

    privileged = False
    needs_candidates = True

    def __init__(self, layout: Layout, weights: np.ndarray, allowed: np.ndarray | None = None) -> None:
        """weights: float64 (`size(layout)`,); allowed: bool (N, S, C), what an agreement leaves to node and service, None: everything."""
        scenario, features = layout.scenario, {feature.name: feature for feature in layout.candidates}
        self._weights, self._allowed = weights, allowed
        self._index = {name: layout.candidate_index(name) for name in features}
        self._services = service_entries(layout)
        self._precision = np.eye(len(scenario.actions.precision))[layout.action_table[:, 3]]
        # Counts and times of everyday size; those that span decades are taken by their logarithm.
        self._scale = {
            name: (feature.scale == "log", 0.1 * np.sqrt(feature.high)) for name, feature in features.items()
        }
        self._weight_share = layout.observation_index("node/weight_share")
        free = [layout.observation_index(f"neighbour_{n + 1}/free_share") for n in range(scenario.neighbours)]
        route = layout.action_table[:, 0]
        self._neighbour = (route >= NEIGHBOUR) & (route < layout.cloud_route)
        self._free = np.array(free)[np.where(self._neighbour, route - NEIGHBOUR, 0)]

    @staticmethod
    def size(layout: Layout) -> int:
        """Number of weights."""
        scenario = layout.scenario
        plain = len(PLAIN) + len(SHARED) + MORE + len(scenario.actions.precision)
        return plain + (len(BY_SERVICE) + MORE_BY_SERVICE) * len(scenario.service)

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """Deterministic; see Policy.act."""
        decides = waiting(obs)
        actions = np.zeros(decides.shape, np.int64)
        rows, seen = obs["candidates"][decides], obs["observation"][decides]
        if len(rows):
            legal = obs["action_mask"][decides] == 1
            if self._allowed is not None:
                legal &= self._allowed[np.nonzero(decides)[1], seen[:, self._services].argmax(axis=-1)]
            score = rows[..., self._index["utility"]] + self._inputs(rows, seen) @ self._weights
            actions[decides] = np.where(legal, score, -np.inf).argmax(axis=-1)
            actions[decides] = np.maximum(actions[decides], REJECT)  # never hold
        return actions

    def _inputs(self, rows: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """(decisions, C, weights)."""
        entry = {name: rows[..., index] for name, index in self._index.items()}
        scaled = {
            name: np.log1p(entry[name] / unit) if log else entry[name] for name, (log, unit) in self._scale.items()
        }
        served, device = 1.0 - entry["is_reject"], entry["device_share"]
        loads = (entry["load_s"] > LOADS_S) * 1.0
        cut = (entry["ingress_share"] > 0.0) * (entry["target_share"] > 0.0) * 1.0
        part = ((device > 0.0) & (device < 1.0)) * 1.0
        # What makes way for the load: weights at the node itself; at a neighbour only those in use are reported.
        here, there = seen[:, [self._weight_share]], (1.0 - seen[:, self._free]) * self._neighbour
        columns = [scaled[name] for name in (*PLAIN, *SHARED)]
        columns += [
            loads,
            cut,
            part,
            (device == 1.0) * 1.0,
            loads * (entry["ingress_share"] > 0.0) * here,
            loads * there,
            entry["sequences"] * entry["cycle_s"],  # one more sequence makes each of those wait longer
        ]
        columns += [served * row for row in self._precision.T]
        for mine in seen[:, self._services].T[..., None]:
            columns += [mine * one for one in (loads, cut, part, *(scaled[name] for name in BY_SERVICE))]
        return np.stack(columns, axis=-1)


def agreement(layout: Layout, service: str, nodes: Sequence[int]) -> np.ndarray:
    """What is left where `nodes` have the last layers of `service` and nothing else, bool (N, S, C)."""
    scenario, route, edge_split = layout.scenario, layout.action_table[:, 0], layout.action_table[:, 2]
    is_neighbour = (route >= NEIGHBOUR) & (route < layout.cloud_route)
    whole_on_device = device_shares(scenario, layout.action_table) >= 1.0
    here = ((route == LOCAL) & ~whole_on_device) | (edge_split > 0)
    allowed = np.ones((scenario.nodes.count, len(scenario.service), len(route)), bool)
    for node, peers in enumerate(neighbours_of(scenario)):
        there = is_neighbour & np.isin(peers[np.where(is_neighbour, route - NEIGHBOUR, 0)], nodes)
        for s, one in enumerate(scenario.service):
            last = here & there & (node not in nodes) if one.name == service else ~there & ~(here & (node in nodes))
            allowed[node, s] = last | (route == REJECT)
    return allowed


def agreed(layout: Layout, words: str | None) -> np.ndarray | None:
    """What `--last SERVICE=NODES` leaves; None without it."""
    if words is None:
        return None
    service, nodes = words.split("=")
    return agreement(layout, service, [*map(int, nodes.split(","))])


def rewards(make: MakePolicy, scenario: Scenario, seeds: Sequence[int], threads: int) -> np.ndarray:
    """Mean reward a job of each episode."""
    jobs, *_ = play_worlds("room", make, scenario, seeds, threads=threads)
    return np.array([jobs["worth"][jobs["world"] == world].mean() for world in range(len(seeds))])


def search(
    scenario: Scenario, start: np.ndarray, allowed: np.ndarray | None, options: argparse.Namespace
) -> np.ndarray:
    """Weights, float64 (weights,)."""
    rng, count = np.random.default_rng(options.seed), len(start)
    mean, step, half = start, np.full(count, STEP), options.population // 2
    ranks = np.log(half + 0.5) - np.log(np.arange(1, half + 1))
    ranks /= ranks.sum()
    for generation in range(options.generations):
        first = FIRST_SEED + 1000 * generation
        seeds = range(first, first + options.episodes)
        draws = rng.standard_normal((half, count))
        draws = np.concatenate([draws, -draws])
        points = mean + step * draws
        made = [partial(Linear, weights=one, allowed=allowed) for one in points]
        found = [rewards(make, scenario, seeds, options.threads).mean() for make in made]
        best = np.argsort(found)[::-1][:half]
        mean = mean + ranks @ (points[best] - mean)
        step = np.clip(step * np.exp(LEARNING * (ranks @ draws[best] ** 2 - 1.0) / 2.0), LEAST_STEP, MOST_STEP)
        print(f"generation {generation + 1}: mean {np.mean(found):.4f}, best {max(found):.4f}", flush=True)
        if options.out:
            options.out.write_text(json.dumps(mean.tolist()), encoding="utf-8")
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
    parser.add_argument(
        "--last", metavar="SERVICE=NODES", help="who has the last layers of a service, and nothing else"
    )
    parser.add_argument("--rows", type=Path, metavar="FILE", help="values of `restricted`, the only ones that are left")
    parser.add_argument("--start", type=Path, metavar="FILE", help="weights to begin with (zeros)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where the weights go, after every generation")
    options = parser.parse_args()
    scenario = load_scenario(options.scenario)
    layout = Layout(scenario)
    allowed = agreed(layout, options.last)
    if options.rows:
        rows = distances(layout, RESTRICTED, json.loads(options.rows.read_text(encoding="utf-8"))) <= 0
        rows[..., REJECT] = True
        allowed = (True if allowed is None else allowed) & np.broadcast_to(
            rows, (scenario.nodes.count, len(scenario.service), layout.num_actions)
        )
    start = np.array(json.loads(options.start.read_text())) if options.start else np.zeros(Linear.size(layout))
    weights = search(scenario, start, allowed, options)
    seeds = evaluation_seeds(options.seeds)
    mine = rewards(partial(Linear, weights=weights, allowed=allowed), scenario, seeds, options.threads)
    print(f"searched weights: {_words(mine)}")
    for name in options.rules.split(","):
        rule = rewards(partial(make_rule, name), scenario, seeds, options.threads)
        print(f"{name}: {_words(rule)}; searched weights less {name}: {_words(mine - rule)}", flush=True)


def _words(values: np.ndarray) -> str:
    return " ".join(value_and_interval(REWARD, estimate(values)))


if __name__ == "__main__":
    main()
