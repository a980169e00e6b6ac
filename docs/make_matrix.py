"""Writes docs/matrix.md from results and values that ship: `python docs/make_matrix.py`; --check only says whether the page is that."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import mean

from agents.values import TUNED, read_file, values_file
from edge6g_env.scenario import load_scenario, scenarios
from eval.matrix import NEAR, PROBE, Column, Matrix
from eval.report.numbers import REWARD, fixed, value_and_interval
from eval.result_files import Results, Training, for_scenario, shipped_file

PAGE = Path(__file__).resolve().parent / "matrix.md"

HEAD = """# Results: every policy in every scenario

<!-- Written by docs/make_matrix.py from eval/results/*.json and edge6g_env/scenarios/*.json. -->
Every policy of the results that ship with the scenarios, on evaluation seeds (10,000,000 and up, on which nothing was tuned):
interquartile mean of the reward per job and, in brackets, the rank among the policies that see what an agent sees. Planners have none.
`edge6g compare --keep` made the rows, and `edge6g verify` plays them again ([metrics](metrics.md)).
"""

ROOM = """## Room

Where a policy stands between the best rule of the scenario (0) and `clairvoyant` (1): IQM of its paired difference to the rule over that of
the planner. The best rule is the one with the highest reward on as many validation seeds (5,000,000 and up), so it need not have rank 1
above. `clairvoyant` looks one step ahead over a base policy: a reference that a policy may pass, no upper bound.
"""

PROBES = f"""## Probes

A probe lacks something on purpose ([rules](rules.md)). One that comes within {NEAR:.0%} of the best policy says that the scenario does
not need what it lacks.
"""

LEARNED = """## Learned

How learned rows were trained ([study](study.md)), `-picked` ones being the run that validation picks. Minutes are those of one training by
the clock, CPU minutes those of all its processes; both, and the decisions, are means of the training seeds.
"""


SEARCHES = """## What the searches for `tuned` found

The start that led to the weights that ship ([search](search.md)): reward per job of its rule and of what was found, on the validation
seeds of the search and on those where the best of all searches met, which no search had seen; what all starts took together.

| scenario | from | its reward | found | seeds | its reward there | found | seeds | generations | decisions | CPU s |
|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"""


def main() -> None:
    """Write the page, or check that it is the one that would be written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if the page is out of date")
    options = parser.parse_args()
    text = page()
    if options.check:
        if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
            raise SystemExit(f"{PAGE.name} is out of date: python docs/make_matrix.py")
        return
    PAGE.write_text(text, encoding="utf-8")
    print(PAGE.relative_to(PAGE.parents[1]))


def page() -> str:
    """The whole page; raises ResultsError for results of another version of a scenario."""
    found = {name: for_scenario(shipped_file(name), load_scenario(name)) for name in scenarios() if _has_results(name)}
    matrix = Matrix([Column.of_results(name, results) for name, results in found.items()])
    return "\n".join(_lines(matrix, found)) + "\n"


def _has_results(name: str) -> bool:
    return shipped_file(name).is_file()


def _lines(matrix: Matrix, found: dict[str, Results]) -> Iterator[str]:
    yield HEAD
    if without := [name for name in scenarios() if name not in found]:
        yield f"No results yet: {', '.join(without)}.\n"
    if not found:
        return
    yield "\n".join(matrix.reward_table())
    yield f"\n{ROOM}"
    yield "| scenario | best rule | `clairvoyant` less that rule | seeds | best of all that see what an agent sees |"
    yield "|---|---|---:|---:|---|"
    yield from (_scenario(column) for column in matrix.columns)
    if table := matrix.room_table():
        yield "\n" + "\n".join(table)
    if any(name.startswith(PROBE) for name in matrix.policies):
        yield f"\n{PROBES}"
        yield from _probes(matrix)
    if any("training" in row for one in found.values() for row in one.rows.values()):
        yield f"\n{LEARNED}"
        yield from _learned(found)
    yield f"\n{SEARCHES}"
    yield from filter(None, map(_search, scenarios()))
    yield "\n## Rows\n"
    yield from _origins(found)


def _scenario(column: Column) -> str:
    """Its best rule, the reference above it, and the best of all."""
    ends, best = column.ends, column.ranked[0]
    rule = f"`{column.best_rule}` {_reward(column, str(column.best_rule))}"
    span = " ".join(value_and_interval(REWARD, ends["span"], signed=True)) if ends else "not known"
    known = "" if ends is None or any(column.rooms.values()) else ", no room"
    return f"| {column.label} | {rule} | {span}{known} | {ends['seeds'] if ends else ''} | `{best}` {_reward(column, best)} |"


def _reward(column: Column, name: str) -> str:
    return value_and_interval(REWARD, column.rewards[name])[0]


def _probes(matrix: Matrix) -> Iterator[str]:
    """Reward of each probe less that of the best policy, in % of that."""
    probes = [name for name in matrix.policies if name.startswith(PROBE)]
    yield f"| reward, % above or below the best | {' | '.join(column.label for column in matrix.columns)} |"
    yield f"|---|{'---:|' * len(matrix.columns)}"
    for name in probes:
        yield f"| `{name}` | {' | '.join(_share(column, name) for column in matrix.columns)} |"
    near = [f"{column.label} ({', '.join(column.near_probes)})" for column in matrix.columns if column.near_probes]
    yield f"\nWithin {NEAR:.0%}: {'; '.join(near) or 'none'}."


def _share(column: Column, name: str) -> str:
    """Against the best policy that is no probe."""
    others = [one for one in column.ranked if not one.startswith(PROBE)]
    if name not in column.rewards or not others:
        return ""
    best = column.reward(others[0])
    return fixed(100.0 * (column.reward(name) - best) / abs(best), 0, signed=True)


def _learned(found: dict[str, Results]) -> Iterator[str]:
    """How each learned row was trained."""
    yield "| scenario | row | algorithm | options | training seeds | decisions | minutes | CPU minutes | reward by training seed |"
    yield "|---|---|---|---|---|---:|---:|---:|---|"
    for name, results in found.items():
        for called, row in results.rows.items():
            if "training" in row:
                yield f"| {name} | `{called}` | {' | '.join(_trained(row['training']))} |"


def _trained(training: Training) -> Iterator[str]:
    cpu = [one for one in training["cpu_minutes"] if one is not None]
    yield training["algo"]
    yield f"`{training['options']}`"
    yield ", ".join(map(str, training["seeds"]))
    yield f"{mean(training['decisions']):,.0f}"
    yield f"{mean(training['minutes']):.1f}"
    yield f"{mean(cpu):.1f}" if cpu else ""
    yield ", ".join(fixed(reward, 4) for reward in training["rewards"])


def _search(name: str) -> str:
    """A line about the search for `tuned`; empty if there was none."""
    file = values_file(load_scenario(name))
    found = read_file(file).get(TUNED) if file.is_file() else None
    if found is None:
        return ""
    start = next(one for one in found["starts"] if one["start"] == found["from"])
    rewards = (start["reward_start"], start["reward_best"], start["validation_seeds"])
    there = (start["final_start"], found["reward_per_job"], found["seeds"])
    cells = [_number(one) for one in (*rewards, *there)]
    sums = (sum(one[key] for one in found["starts"]) for key in ("generations", "decisions", "cpu_s"))
    return f"| {name} | `{found['from']}` | {' | '.join(cells)} | {' | '.join(f'{total:,.0f}' for total in sums)} |"


def _number(value: float | int | None) -> str:
    return "" if value is None else str(value) if isinstance(value, int) else fixed(value, 4)


def _origins(found: dict[str, Results]) -> Iterator[str]:
    """What made the rows of each scenario."""
    yield "| scenario | rows | seeds | edge6g | commit | numpy, numba | date |"
    yield "|---|---:|---|---|---|---|---|"
    for name, results in found.items():
        rows = list(results.rows.values())
        made = {key: _all(row["made_by"][key] for row in rows) for key in rows[0]["made_by"]}
        seeds, dates = _all(str(row["seeds"]) for row in rows), _all(str(row["made_by"]["date"])[:10] for row in rows)
        libraries = f"{made['numpy']}, {made['numba']}"
        yield f"| {name} | {len(rows)} | {seeds} | {made['version']} | {made['commit']} | {libraries} | {dates} |"
    yield "\n<details><summary>Commands</summary>\n\n```"
    yield from dict.fromkeys(str(row["made_by"]["command"]) for one in found.values() for row in one.rows.values())
    yield "```\n\n</details>"


def _all(values: Iterable[str | None]) -> str:
    """Each value once."""
    return ", ".join(dict.fromkeys(value or "unknown" for value in values))


if __name__ == "__main__":
    main()
