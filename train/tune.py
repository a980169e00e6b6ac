"""`edge6g tune`: the values of `static` or `restricted` in a scenario, by coordinate descent on training seeds.

Each start descends on the first seeds; the distinct ends meet on all seeds, and the best of them descends on all until nothing changes.
Every reward that was played is kept beside the file until the search ends: one that was interrupted plays it no more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from agents.policy import Observation
from agents.rules._rows import BestOfNearest
from agents.values import RULES, distances, read_file
from edge6g_env._bars import Bars, Notes
from edge6g_env.errors import UserError
from edge6g_env.scenario import Scenario
from edge6g_env.spaces import Layout
from eval.episodes import NothingMeasuredError, nothing_measured, play_worlds
from eval.files import read_object, write_json_atomic, write_text_atomic
from eval.kept import UNFINISHED, code_digest
from eval.provenance import Provenance, provenance
from train.descent import Point, Rewards, descend, key_of, stages
from train.points import coordinates, starts
from train.seeds import TUNING_SEED
from train.stopping import interrupts_end_in_order

FIRST_SEEDS = 8  # of each start's descent; judgement
LONGEST_LINE = 160  # of the file


class TuneError(UserError):
    """A search that cannot begin as asked; the message says what would be right."""


class Planned:
    """In world n of a batch the values of the nth point."""

    privileged = False
    needs_candidates = True

    def __init__(self, rule: str, points: Sequence[Point], layout: Layout) -> None:
        known = {key_of(point): distances(layout, rule, point) for point in points}
        self._rows = BestOfNearest(layout, np.stack([known[key_of(point)] for point in points]))

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """Deterministic; see Policy.act."""
        return self._rows.choose(obs)


def tune(
    scenario: Scenario,
    rule: str,
    out: Path,
    *,
    seeds: int = 32,
    seed: int = 0,
    threads: int = 1,
    overwrite: bool = False,
    command: str = "",
    console: Console | None = None,
) -> dict[str, Any]:
    """Find the values of a rule on the training seeds TUNING_SEED + seed + 0..seeds-1, write them to the file `out`, return what it says.

    What `out` says of the other rule stays. Raises TuneError for an unknown rule or a file that holds values of this rule already,
    ValuesError for one that is no file of values, NothingMeasuredError if no job is measured, KeyboardInterrupt after Ctrl-C or SIGTERM,
    with what was played kept.
    """
    console = console or Console(stderr=True)
    others = _others(rule, out, overwrite)
    numbers = [TUNING_SEED + seed + n for n in range(seeds)]
    made_by = provenance(command, scenario)
    played = _Played(out.with_name(f"{out.name}.{rule}"), rule, scenario, numbers, made_by, threads)
    with interrupts_end_in_order(), Bars(console) as bars:
        task = bars.add_task(f"{rule}, {scenario.name}", total=None, rate="", note="")
        played.shown = lambda: bars.update(task, rate=f"{played.episodes} episodes")
        try:
            found = _search(rule, scenario, played.rewards, Notes(console, bars, task))
        except KeyboardInterrupt:
            if played.file.exists():
                console.print("what was played is kept: the same command goes on with the rest", highlight=False)
            raise
    found = {key: part if key == "values" else _rounded(part) for key, part in found.items()}
    entry = {**found, "scenario": scenario.label, **_origin(made_by, numbers)}
    content = {**others, rule: entry}
    write_text_atomic(out, _compact({name: content[name] for name in RULES if name in content}))
    played.file.unlink(missing_ok=True)
    return entry


def _others(rule: str, out: Path, overwrite: bool) -> Mapping[str, Any]:
    """What the file says of the other rule."""
    if rule not in RULES:
        raise TuneError(f"no values are found for {rule!r}: --rule takes {' or '.join(RULES)}")
    if out.is_dir() or out.suffix != ".json":
        raise TuneError(f"--out {out}: must name a file that ends in .json")
    there = read_file(out) if out.exists() else {}
    if rule in there and not overwrite:
        raise TuneError(f"{out} holds values of {rule}: choose another --out, or replace them with --overwrite")
    return {name: found for name, found in there.items() if name != rule}


def _origin(made_by: Provenance, seeds: Sequence[int]) -> dict[str, Any]:
    told = ("fingerprint", "version", "commit", "date", "command")
    origin = {key: value for key, value in made_by.items() if key in told}
    return {"first_seed": seeds[0], "seeds": len(seeds), **origin}


class _Played:
    """Plays points, and keeps every reward in a file beside the values."""

    def __init__(
        self, file: Path, rule: str, scenario: Scenario, seeds: list[int], made_by: Provenance, threads: int
    ) -> None:
        self.file = file.with_name(f"{file.name}{UNFINISHED}")
        self._rule, self._scenario, self._threads = rule, scenario, threads
        self._of = {
            "rule": rule,
            "fingerprint": made_by["fingerprint"],
            "code": code_digest(values=False),
            "seeds": seeds,
        }
        earlier = read_object(self.file)
        known = earlier["rewards"] if earlier.get("of") == self._of else {}
        self.rewards = Rewards(self._play, seeds, known, self._keep)
        self.shown: Callable[[], None] = lambda: None

    @property
    def episodes(self) -> int:
        """Episodes that were played, before an interrupt too."""
        return sum(map(len, self.rewards.known.values()))

    def _keep(self) -> None:
        write_json_atomic({"of": self._of, "rewards": self.rewards.known}, self.file)
        self.shown()

    def _play(self, pairs: Sequence[tuple[Point, int]]) -> list[float]:
        points, seeds = [point for point, _ in pairs], [seed for _, seed in pairs]
        make = partial(Planned, self._rule, points)
        jobs, *_ = play_worlds(self._rule, make, self._scenario, seeds, threads=self._threads)
        if not len(jobs):
            raise NothingMeasuredError(nothing_measured(self._scenario, sorted(set(seeds))))
        worth = np.bincount(jobs["world"], jobs["worth"], len(seeds))
        return (worth / np.maximum(1, np.bincount(jobs["world"], minlength=len(seeds)))).tolist()


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


def _compact(content: Mapping[str, Any]) -> str:
    """JSON with lists and tables of one level on one line each, where they fit."""
    text = json.dumps(content, indent=2, allow_nan=False)
    for inner in (r"\[[^\[\]{}]*\]", r"\{[^{}]*\}"):
        text = re.sub(inner, _on_one_line, text)
    return text + "\n"


def _on_one_line(found: re.Match[str]) -> str:
    line = re.sub(r"\s*\n\s*", " ", found[0])
    return line if len(line) <= LONGEST_LINE else found[0]


def _rounded(value: Any) -> Any:
    """Numbers to six digits."""
    if isinstance(value, float):
        return round(value, 6) if np.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    return [_rounded(part) for part in value] if isinstance(value, list) else value


def show(rule: str, entry: Mapping[str, Any], out: Path, console: Console) -> None:
    """Print the values, what they earn, and how they are played."""
    for name, value in entry["values"].items():
        words = [f"{column} {one}" for column, one in value.items()] if isinstance(value, dict) else map(str, value)
        console.print(f"{name}: {', '.join(words)}", highlight=False, markup=False, emoji=False, soft_wrap=True)
    reward = f"{entry['reward_per_job']:.4f} reward per job on {entry['seeds']} training seeds"
    console.print(f"{reward}; --policies {rule}={out} plays them", highlight=False, markup=False, soft_wrap=True)
