"""Searches of one rule's numbers from several starts: all get some of the CPU time, the better half of them more, and so on to the best.

What is found is chosen on validation seeds that none of the searches has met, from the best points and the rules where they began.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agents.policy import Policy
from edge6g_env import CompiledPolicy
from eval.files import read_object, write_json_atomic
from eval.pools.flights import Flown
from train import validation
from train.search import EPISODES
from train.seeds import CHOICE_SEED, TUNING_SEED
from train.tuning.starts import Start

CPU_MINUTES = 10.0
LEAST_S = 60.0  # CPU time of a search for each start that it goes on from; judgement
FINAL_SEED = (
    CHOICE_SEED + validation.LEAST_AND_MOST[1]
)  # and up: the best of the starts and of what they led to meet there

Note = Callable[[str], None]
Play = Callable[[Sequence[Policy | CompiledPolicy], range], Flown]
"""Policies on seeds: eval.pools.flights.Flights."""


class Searches:
    """Keeps every generation in a file until it ends: one that was interrupted goes on as if it had not been."""

    def __init__(
        self,
        train: Play,
        validate: Play,
        episodes: int,
        begins: Sequence[Start],
        seed: int,
        cpu_s: float,
        file: Path,
        of: dict[str, Any],
    ) -> None:
        """train, validate: what plays generations and what is chosen by; episodes: of a validation; cpu_s: for all starts together; of:
        what the searches in `file` must be of to go on."""
        self._train, self._validated, self._episodes = train, validate, episodes
        self._starts, self._seed, self._cpu_s = begins, seed, cpu_s
        self._file = file
        begun = [[start.name, start.values(start.first)] for start in begins]  # which lie in other files
        self._of = json.loads(json.dumps({**of, "starts": begun}))
        earlier = read_object(file)
        if earlier.get("of") == self._of:
            for start, kept in zip(begins, earlier["starts"], strict=True):
                start.go_on(kept)
        self._since_s = time.process_time()

    @property
    def spent_s(self) -> float:
        """CPU time of all searches, s, that of the generation under way included."""
        return sum(start.cpu_s for start in self._starts) + time.process_time() - self._since_s

    @property
    def decisions(self) -> int:
        """Decisions of all generations."""
        return sum(start.decisions for start in self._starts)

    def run(self, note: Note) -> dict[str, Any]:
        """`values`, their reward per job on seeds that no search has met, the starts and what they led to."""
        for start in self._starts:
            self._begin(start, note)
        left, quota_s, sizes = list(self._starts), 0.0, _rounds(len(self._starts), self._cpu_s)
        for size in sizes:
            left = sorted(left, key=lambda start: -_best(start))[:size]
            quota_s += self._cpu_s / len(sizes) / size
            for start in left:
                self._search(start, quota_s, note)
        finalists = _finalists(self._starts)
        episodes = max(self._episodes, self._starts[0].effort.final_episodes)
        policies = [start.policy(point) for start, point in finalists]
        rewards = self._play(policies, range(FINAL_SEED, FINAL_SEED + episodes))
        best = int(np.argmax(rewards))
        start, point = finalists[best]
        note(f"from {start.name}: {rewards[best]:.4f} on {episodes} other validation seeds")
        return {
            "values": start.values(point),
            "reward_per_job": float(rewards[best]),
            "from": start.name,
            "starts": [_told(one, finalists, rewards) | {"validation_seeds": self._episodes} for one in self._starts],
            "seed": self._seed,
            "first_seed": FINAL_SEED,
            "seeds": episodes,
        }

    def _begin(self, start: Start, note: Note) -> None:
        if start.reward_start is None:
            self._validate(start, [start.first])
            start.reward_start = start.reward_best
        note(f"{start.name}: {start.reward_start:.4f} on {self._episodes} validation seeds")
        self._since_s = time.process_time()  # the kernel is compiled now

    def _search(self, start: Start, quota_s: float, note: Note) -> None:
        """Search on from one start until it has had so much CPU time."""
        while start.cpu_s < quota_s:
            if self._generation(start, quota_s):
                note(f"{start.name}: {start.reward_best:.4f} after {int(start.state.generation)} generations")

    def _generation(self, start: Start, quota_s: float) -> bool:
        """Play and tell one; whether its point was validated."""
        generation = int(start.state.generation)
        first = TUNING_SEED + self._seed + start.first_seed + EPISODES * generation
        points = start.evolution.ask(start.state)
        flown = self._train([start.policy(point) for point in points], range(first, first + EPISODES))
        start.state = start.evolution.tell(start.state, points, flown.means)
        start.decisions += flown.decisions
        is_last = start.cpu_s + time.process_time() - self._since_s >= quota_s
        if validated := is_last or (generation + 1) % start.effort.validate_every == 0:
            self._validate(start, [start.state.mean, start.state.running_mean])
        now_s = time.process_time()
        start.cpu_s, self._since_s = start.cpu_s + now_s - self._since_s, now_s
        write_json_atomic({"of": self._of, "starts": [one.kept() for one in self._starts]}, self._file)
        return validated

    def _validate(self, start: Start, points: Sequence[np.ndarray]) -> None:
        """Keep the best of some points and the best until now."""
        different = {point.tobytes(): point for point in points}.values()
        seeds = range(CHOICE_SEED, CHOICE_SEED + self._episodes)
        rewards = self._play([start.policy(point) for point in different], seeds)
        for point, reward in zip(different, rewards.tolist(), strict=True):
            if start.reward_best is None or reward > start.reward_best:
                start.best, start.reward_best = point.copy(), reward

    def _play(self, policies: Sequence[Policy | CompiledPolicy], seeds: range) -> np.ndarray:
        """Mean reward of each, float64 (policies,)."""
        return self._validated(policies, seeds).means


def _rounds(starts: int, cpu_s: float) -> list[int]:
    """Starts that go on in each round, halved until there is one; every round has as much time. In a short one only the best begin."""
    sizes = [max(1, min(starts, int(cpu_s // LEAST_S)))]
    while sizes[-1] > 1:
        sizes.append((sizes[-1] + 1) // 2)
    return sizes


def _best(start: Start) -> float:
    return -math.inf if start.reward_best is None else start.reward_best


def _finalists(starts: Sequence[Start]) -> list[tuple[Start, np.ndarray]]:
    """The best by the validation seeds of what was found and of the rules that it began with, as many as their effort says."""
    found = [(_best(start), start, start.best) for start in starts if start.best is not None]
    rules = [
        (start.reward_start, start, start.first) for start in starts if start.plays and start.reward_start is not None
    ]
    different = {(start.name, point.tobytes()): (reward, start, point) for reward, start, point in (*rules, *found)}
    ranked = sorted(different.values(), key=lambda one: -one[0])[: starts[0].effort.finalists]
    return [(start, point) for _, start, point in ranked]


def _told(start: Start, finalists: Sequence[tuple[Start, np.ndarray]], rewards: np.ndarray) -> dict[str, Any]:
    """What the file says of a start: rewards of where it began and of its best point, and those on the last seeds if they came so far."""
    final = {
        point.tobytes(): float(reward) for (one, point), reward in zip(finalists, rewards, strict=True) if one is start
    }
    assert start.best is not None
    return {
        "start": start.name,
        "reward_start": start.reward_start,
        "reward_best": start.reward_best,
        "final_start": final.get(start.first.tobytes()),
        "final_best": final.get(start.best.tobytes()),
        "generations": int(start.state.generation),
        "decisions": start.decisions,
        "cpu_s": round(start.cpu_s, 1),
    }
