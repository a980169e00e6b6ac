"""`edge6g tune`: the values of a rule in a scenario, written beside it.

Those of `static` and `restricted` are found by `train.tuning.by_descent`, the numbers of any other rule by `train.tuning.by_search`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from rich.console import Console

from agents.policy import check_rule, parameters_of
from agents.values import RULES, TUNED, is_of, own_file, read_beside, read_file, rules_with_values
from edge6g_env._bars import Bars, Notes
from edge6g_env.errors import UserError
from edge6g_env.scenario import Scenario
from eval.files import held_alone, write_text_atomic
from eval.kept import UNFINISHED, code_digest
from eval.pools.flights import Flights
from eval.provenance import Provenance, provenance
from eval.stopping import interrupts_end_in_order
from train.search import SETTINGS
from train.seeds import TUNING_SEED
from train.tuning import by_descent
from train.tuning.by_search import CPU_MINUTES, Searches
from train.tuning.starts import starts
from train.validation import LEAST_AND_MOST, episodes_of
from train.worlds import lengthened

SEEDS = 32  # of a descent
LONGEST_LINE = 160  # of the file
SHOWN_WEIGHTS = 10


class TuneError(UserError):
    """A search that cannot begin as asked; the message says what would be right."""


def tune(
    scenario: Scenario,
    rule: str,
    out: Path | None = None,
    *,
    seeds: int | None = None,
    cpu_minutes: float | None = None,
    seed: int = 0,
    threads: int = 1,
    overwrite: bool = False,
    command: str = "",
    console: Console | None = None,
) -> dict[str, Any]:
    """Find the values of a rule on training seeds, from TUNING_SEED + seed on, write them to the file `out`, return what it says.

    out: None of a scenario of one's own means the file beside it, where the rule finds them (agents.values.own_file). seeds: of `static`
    and `restricted`, SEEDS if None; cpu_minutes: of any other rule, CPU_MINUTES if None. What `out` says of other rules stays. Raises
    TuneError for a rule without values, an option that its search does not have, or a file that holds values of this rule already,
    ValuesError for one that is no file of values, NothingMeasuredError if no job is measured, KeyboardInterrupt after Ctrl-C or SIGTERM,
    with what was played kept.
    """
    console = console or Console(stderr=True)
    place = _place(rule, scenario, out)
    _check_options(rule, seeds, cpu_minutes)
    _check_free(rule, scenario, place, overwrite, own=out is None)
    place.parent.mkdir(parents=True, exist_ok=True)
    with held_alone(
        place.with_name(f".{place.name}.{rule}.lock"), f"another process finds values of {rule} for {place}"
    ):
        _check_free(rule, scenario, place, overwrite, own=out is None)  # that of a process which has ended since
        asked = Asked(scenario, rule, place, seeds or SEEDS, 60.0 * (cpu_minutes or CPU_MINUTES), seed, threads)
        return _tune(asked, provenance(command, scenario), console)


@dataclass(frozen=True)
class Asked:
    """A search, checked."""

    scenario: Scenario
    rule: str
    out: Path
    seeds: int
    """Of a descent."""
    cpu_s: float
    """Of any other search."""
    seed: int
    threads: int

    @property
    def unfinished(self) -> Path:
        """Where what was played is kept until the end."""
        return self.out.with_name(f"{self.out.name}.{self.rule}{UNFINISHED}")


def _tune(asked: Asked, made_by: Provenance, console: Console) -> dict[str, Any]:
    """Find, and write beside what the file says of other rules."""
    out, rule = asked.out, asked.rule
    of = {"rule": rule, "fingerprint": made_by["fingerprint"], "code": code_digest(values=False), "seed": asked.seed}
    with interrupts_end_in_order() as interrupts, Bars(console) as bars:
        task = bars.add_task(f"{rule}, {asked.scenario.name}", total=None, rate="", note="")
        find = _by_descent if rule in RULES else _by_search
        try:
            found = find(asked, of, interrupts.check, partial(bars.update, task), Notes(console, bars, task))
        except KeyboardInterrupt:
            if asked.unfinished.exists():
                console.print("what was played is kept: the same command goes on with the rest", highlight=False)
            raise
    found = {key: part if key == "values" else _rounded(part) for key, part in found.items()}
    entry = {**found, "scenario": asked.scenario.label, **_origin(made_by)}
    with FileLock(out.with_name(f".{out.name}.lock")) as lock:  # another search may have written its rule meanwhile
        content = {**(read_file(out) if out.exists() else {}), rule: entry}
        write_text_atomic(out, _compact({name: content[name] for name in rules_with_values() if name in content}))
        Path(lock.lock_file).unlink(missing_ok=True)
    asked.unfinished.unlink(missing_ok=True)
    return entry


def _by_descent(
    asked: Asked, of: dict[str, Any], check: Callable[[], None], shown: Callable[..., None], note: Notes
) -> dict[str, Any]:
    """Of `static` and `restricted`. of: what the kept rewards must be of; check: raises after Ctrl-C; shown: moves the bar."""
    flights = Flights(asked.scenario, asked.threads)
    flights.tick = check
    numbers = [TUNING_SEED + asked.seed + n for n in range(asked.seeds)]
    kept = {**of, "seeds": numbers}
    return by_descent.find(asked.rule, flights, numbers, asked.unfinished, kept, lambda rate: shown(rate=rate), note)


def _by_search(
    asked: Asked, of: dict[str, Any], check: Callable[[], None], shown: Callable[..., None], note: Notes
) -> dict[str, Any]:
    """Of all others; see `_by_descent`."""
    scenario, cpu_s = asked.scenario, asked.cpu_s
    begins = starts(asked.rule, scenario, asked.out, asked.seed, cpu_s)
    whole = Flights(scenario, asked.threads)
    longer = Flights(lengthened(scenario, SETTINGS["measured_share"]), asked.threads)
    episodes = episodes_of([scenario], *LEAST_AND_MOST)
    of = {**of, "reads": read_beside(asked.rule, scenario)}
    searches = Searches(longer, whole, episodes, begins, asked.seed, cpu_s, asked.unfinished, of)
    shown(total=cpu_s)

    def tick() -> None:
        check()
        shown(completed=searches.spent_s, rate=f"{searches.decisions:,} decisions")

    whole.tick = longer.tick = tick
    return searches.run(note)


def _place(rule: str, scenario: Scenario, out: Path | None) -> Path:
    """The file for the values; raises if there is nothing to find of the rule, or none is meant."""
    names = rules_with_values()
    if rule not in names:
        check_rule(rule)
        raise TuneError(f"{rule} has no parameters that could be found: --rule takes {', '.join(names)}")
    if rule not in RULES and rule != TUNED and not parameters_of(rule, scenario):
        raise TuneError(f"{rule} has no parameters in {scenario.name}")
    place = own_file(scenario) if out is None else out
    if place is None:
        raise TuneError(f"--out: {scenario.name} has values that ship: name a file for others, one that ends in .json")
    if place.is_dir() or place.suffix != ".json":
        raise TuneError(f"--out {place}: must name a file that ends in .json")
    return place


def _check_free(rule: str, scenario: Scenario, place: Path, overwrite: bool, own: bool) -> None:
    """Raise if the file holds values of the rule that are to stay; own: of a scenario's own file only those that still fit."""
    there = read_file(place) if place.exists() else {}
    is_outdated = own and rule in there and not is_of(there[rule], scenario)
    if rule in there and not overwrite and not is_outdated:
        raise TuneError(f"{place} holds values of {rule}: choose another --out, or replace them with --overwrite")


def _check_options(rule: str, seeds: int | None, cpu_minutes: float | None) -> None:
    if rule in RULES and cpu_minutes is not None:
        raise TuneError(f"--cpu-minutes: the search for {rule} ends by itself, --seeds says on how many episodes")
    if rule not in RULES and seeds is not None:
        raise TuneError(f"--seeds: the search for {rule} plays fresh seeds until its --cpu-minutes are spent")
    if cpu_minutes is not None and not cpu_minutes > 0.0:
        raise TuneError(f"--cpu-minutes must be above 0, they are {cpu_minutes:g}")


def _origin(made_by: Provenance) -> dict[str, Any]:
    told = ("fingerprint", "version", "commit", "date", "command")
    return {key: value for key, value in made_by.items() if key in told}


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


def show(rule: str, entry: Mapping[str, Any], out: Path | None, console: Console) -> None:
    """Print the values, what they earn, and how they are played; out: None where the rule finds them by itself."""
    for line in (
        _weights_told(entry["values"]) if rule == TUNED else map(_told, *zip(*entry["values"].items(), strict=True))
    ):
        console.print(line, highlight=False, markup=False, emoji=False, soft_wrap=True)
    kind = "training" if rule in RULES else "validation"
    reward = f"{entry['reward_per_job']:.4f} reward per job on {entry['seeds']} {kind} seeds"
    played = rule if out is None else f"{rule}={out}"
    console.print(
        f"{reward}; --policies {played} plays them",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _told(name: str, value: Any) -> str:
    """One of the values in a line."""
    if isinstance(value, dict):
        words = [f"{column} {one}" for column, one in value.items()]
    else:
        words = [str(one) for one in (value if isinstance(value, list) else [value])]
    return f"{name}: {', '.join(words)}"


def _weights_told(values: Mapping[str, Any]) -> list[str]:
    """Rows, and the weights that are largest."""
    rows, weights = values["rows"], sorted(values["weights"].items(), key=lambda one: -abs(one[1]))
    largest = ", ".join(f"{entry} {weight:+.3f}" for entry, weight in weights[:SHOWN_WEIGHTS]) or "none"
    more = f", and {len(weights) - SHOWN_WEIGHTS} smaller ones" if len(weights) > SHOWN_WEIGHTS else ""
    return [f"rows: {rows if isinstance(rows, str) else next(iter(rows))}", f"weights: {largest}{more}"]
