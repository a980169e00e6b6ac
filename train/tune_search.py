"""Searches of one rule's numbers, start by start, each with its share of the CPU time; what is found is chosen on validation seeds."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agents.policy import Policy
from edge6g_env import CompiledPolicy
from eval.files import read_object, write_json_atomic
from train.flights import Flights
from train.search import EPISODES
from train.seeds import TUNING_SEED, VALIDATION_SEED
from train.tune_starts import Start

CPU_MINUTES = 10.0
VALIDATION_EPISODES = 16  # on which the points that a search passes through meet
FINAL_EPISODES = 32  # other seeds, on which the starts and what they led to meet

Note = Callable[[str], None]


class Searches:
    """Keeps every generation in a file until it ends: one that was interrupted goes on as if it had not been."""

    def __init__(
        self, flights: Flights, begins: Sequence[Start], seed: int, cpu_s: float, file: Path, of: dict[str, Any]
    ) -> None:
        """cpu_s: for all starts together; of: what the searches in `file` must be of to go on."""
        self._flights, self._starts, self._seed, self._share_s = flights, begins, seed, cpu_s / len(begins)
        self._file, self._of = file, of
        earlier = read_object(file)
        if earlier.get("of") == of:
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
            self._search(start, note)
        first = VALIDATION_SEED + VALIDATION_EPISODES
        finalists = [(start, point) for start in self._starts for point in _finalists(start)]
        policies = [start.policy(point) for start, point in finalists]
        rewards = self._play(policies, range(first, first + FINAL_EPISODES))
        best = int(np.argmax(rewards))  # of equal ones the first: where a start is as good as what it led to, the start
        start, point = finalists[best]
        note(f"from {start.name}: {rewards[best]:.4f} on {FINAL_EPISODES} other validation seeds")
        return {
            "values": start.values(point),
            "reward_per_job": float(rewards[best]),
            "from": start.name,
            "starts": [_told(one, finalists, rewards) for one in self._starts],
            "seed": self._seed,
            "first_seed": first,
            "seeds": FINAL_EPISODES,
        }

    def _search(self, start: Start, note: Note) -> None:
        """Search from one start until its share of the time is spent."""
        if start.reward_start is None:
            self._validate(start, [start.first])
            start.reward_start = start.reward_best
        note(f"{start.name}: {start.reward_start:.4f} on {VALIDATION_EPISODES} validation seeds")
        self._since_s = time.process_time()  # what was played until now has compiled the kernel, too
        while start.cpu_s < self._share_s:
            if self._generation(start):
                note(f"{start.name}: {start.reward_best:.4f} after {int(start.state.generation)} generations")

    def _generation(self, start: Start) -> bool:
        """Play and tell one; whether its point was validated."""
        generation = int(start.state.generation)
        first = TUNING_SEED + self._seed + start.first_seed + EPISODES * generation
        points = start.evolution.ask(start.state)
        flown = self._flights([start.policy(point) for point in points], range(first, first + EPISODES))
        start.state = start.evolution.tell(start.state, points, flown.means)
        start.decisions += flown.decisions
        is_last = start.cpu_s + time.process_time() - self._since_s >= self._share_s
        if validated := is_last or (generation + 1) % start.validate_every == 0:
            self._validate(start, [start.state.mean, start.state.running_mean])
        now_s = time.process_time()
        start.cpu_s, self._since_s = start.cpu_s + now_s - self._since_s, now_s
        write_json_atomic({"of": self._of, "starts": [one.kept() for one in self._starts]}, self._file)
        return validated

    def _validate(self, start: Start, points: Sequence[np.ndarray]) -> None:
        """Keep the best of some points and the best until now."""
        different = {point.tobytes(): point for point in points}.values()
        seeds = range(VALIDATION_SEED, VALIDATION_SEED + VALIDATION_EPISODES)
        rewards = self._play([start.policy(point) for point in different], seeds)
        for point, reward in zip(different, rewards.tolist(), strict=True):
            if start.reward_best is None or reward > start.reward_best:
                start.best, start.reward_best = point.copy(), reward

    def _play(self, policies: Sequence[Policy | CompiledPolicy], seeds: range) -> np.ndarray:
        """Mean reward of each, float64 (policies,)."""
        return self._flights(policies, seeds).means


def _finalists(start: Start) -> list[np.ndarray]:
    """The best point of a start, and where it began if that is a rule."""
    assert start.best is not None
    moved = not np.array_equal(start.first, start.best)
    return [*([start.first] if start.plays and moved else []), start.best]


def _told(start: Start, finalists: Sequence[tuple[Start, np.ndarray]], rewards: np.ndarray) -> dict[str, Any]:
    """What the file says of a start."""
    final = [float(reward) for (one, _), reward in zip(finalists, rewards, strict=True) if one is start]
    return {
        "start": start.name,
        "reward_start": start.reward_start,
        "reward_best": start.reward_best,
        "validation_seeds": VALIDATION_EPISODES,
        "reward_final": final[-1],
        "generations": int(start.state.generation),
        "decisions": start.decisions,
        "cpu_s": round(start.cpu_s, 1),
    }
