"""The part of a scenario's page on the values of rules: what was found, from which starts, what others would bring."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agents.values import RESTRICTED, STATIC, TUNED, read_file, values_file
from edge6g_env.scenario import Scenario


def values_found(scenario: Scenario) -> Iterator[str]:
    """Lines in Markdown; none for a scenario without values."""
    file = values_file(scenario)
    found = read_file(file) if file.is_file() else {}
    if not found:
        return
    yield f"## Values found\n\n`edge6g_env/scenarios/{file.name}`, what the rules {_listed(found)} take here.\n"
    for rule, table in ((STATIC, _static), (RESTRICTED, _restricted)):
        if rule in found:
            yield from table(found[rule]["values"])
            yield from _descent(rule, found[rule])
    if TUNED in found:
        yield from _tuned(found[TUNED]["values"])
        yield from _search(TUNED, found[TUNED])
    numbers = {rule: of for rule, of in found.items() if rule not in (STATIC, RESTRICTED, TUNED)}
    if numbers:
        yield "| rule | parameters | reward per job | on validation seeds |\n|---|---|---|---|"
        for rule, of in numbers.items():
            values = ", ".join(f"`{name}` {_words(value)}" for name, value in of["values"].items())
            yield f"| `{rule}` | {values} | {of['reward_per_job']:.4f} | {_seeds(of)} |"
        yield ""


def _listed(found: Mapping[str, Any]) -> str:
    names = [f"`{name}`" for name in found]
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _tuned(values: Mapping[str, Any]) -> Iterator[str]:
    rows = values["rows"]
    yield f"`tuned` takes {'all rows' if isinstance(rows, str) else f'the rows of `{next(iter(rows))}`'}, with the weights:\n"
    yield "| entry | weight |\n|---|---|"
    for entry, weight in sorted(values["weights"].items(), key=lambda one: -abs(one[1])):
        yield f"| `{entry}` | {_signed(weight)} |"


def _search(rule: str, found: Mapping[str, Any]) -> Iterator[str]:
    """The table of a search from several starts, folded away."""
    yield f"\n{found['reward_per_job']:.4f} reward per job on the validation seeds {_seeds(found)}, from {found['from']},"
    yield f"`{found['command']}`.\n"
    yield f"<details><summary>Search of {rule}</summary>\n"
    validation = found["starts"][0]["validation_seeds"]
    yield f"| start | reward there, {validation} seeds | best | there, {found['seeds']} seeds | best | generations | decisions | CPU s |"
    yield f"|{'---|' * 8}"
    for start in found["starts"]:
        rewards = [start[name] for name in ("reward_start", "reward_best", "final_start", "final_best")]
        words = " | ".join("" if reward is None else f"{reward:.4f}" for reward in rewards)
        yield f"| {start['start']} | {words} | {start['generations']} | {start['decisions']:,} | {start['cpu_s']:.0f} |"
    yield "\n</details>\n"


def _seeds(found: Mapping[str, Any]) -> str:
    return f"{found['first_seed']} to {found['first_seed'] + found['seeds'] - 1}"


def _static(values: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    columns = list(next(iter(values.values())))
    yield f"| `static` | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}"
    for service, of in values.items():
        yield f"| {service} | {' | '.join(_words(of[column]) for column in columns)} |"


def _restricted(values: Mapping[str, Any]) -> Iterator[str]:
    yield "| `restricted` | values |\n|---|---|"
    for column, of in values.items():
        yield f"| {column} | {_words(of)} |"


def _descent(rule: str, found: Mapping[str, Any]) -> Iterator[str]:
    """The table of a descent, folded away."""
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
