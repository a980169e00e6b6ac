"""The part of a scenario's page on the values of `static` and `restricted`: what was found, from which starts, what others would bring."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agents.values import RESTRICTED, STATIC, read_file, shipped_file
from edge6g_env.scenario import Scenario


def values_found(scenario: Scenario) -> Iterator[str]:
    """Lines in Markdown; none for a scenario without values."""
    file = shipped_file(scenario)
    found = read_file(file) if file.is_file() else {}
    if not found:
        return
    yield f"## Values found\n\n`edge6g_env/scenarios/{file.name}`, what the rules `static` and `restricted` take here.\n"
    for rule, table in ((STATIC, _static), (RESTRICTED, _restricted)):
        if rule in found:
            yield from table(found[rule]["values"])
            yield from _search(rule, found[rule])


def _static(values: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    columns = list(next(iter(values.values())))
    yield f"| `static` | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}"
    for service, of in values.items():
        yield f"| {service} | {' | '.join(_words(of[column]) for column in columns)} |"


def _restricted(values: Mapping[str, Any]) -> Iterator[str]:
    yield "| `restricted` | values |\n|---|---|"
    for column, of in values.items():
        yield f"| {column} | {_words(of)} |"


def _search(rule: str, found: Mapping[str, Any]) -> Iterator[str]:
    """The table of the search, folded away."""
    last = found["first_seed"] + found["seeds"] - 1
    yield f"\n{found['reward_per_job']:.4f} reward per job on the {found['seeds']} training seeds {found['first_seed']} to {last},"
    yield f"`{found['command']}`.\n"
    yield f"<details><summary>Search of {rule}</summary>\n"
    yield "| start | reward there | where it led | seeds |\n|---|---|---|---|"
    for start in found["starts"]:
        rewards = f"{start['reward_start']:.4f} | {start['reward_end']:.4f}"
        yield f"| {start['start']} | {rewards} | {start['seeds']} |"
    yield "\nThe best of these went on, on all seeds, until nothing changed. What another value would bring, paired by seed; what is"
    yield "clearly worse was given up on few seeds:\n"
    yield "| what | value | gain | standard error | seeds |\n|---|---|---|---|---|"
    for one in found["others"]:
        error = "" if one["standard_error"] is None else f"{one['standard_error']:.4f}"
        yield f"| {one['what']} | {_words(one['value'])} | {_signed(one['gain'])} | {error} | {one['seeds']} |"
    yield "\n</details>\n"


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "\N{MINUS SIGN}")


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_words, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
