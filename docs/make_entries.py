"""Writes docs/observations.md and docs/actions.md from the scenarios that ship: `python docs/make_entries.py`; --check writes nothing."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from entry_meanings import CANDIDATE, COLUMNS, EFFECTS, JOB, NEIGHBOUR, NODE, ROUTES, STATE

from edge6g_env.device_split import name_of
from edge6g_env.features import Feature
from edge6g_env.kernel.codes import ACTION_EFFECTS
from edge6g_env.scenario import Scenario, load_scenario, scenarios
from edge6g_env.spaces import ACTION_COLUMNS, Layout

FOLDER = Path(__file__).resolve().parent
UNLIKE_DEVICES = {
    "ues.device": None,
    "ues.devices": ["phone-snapdragon-8gen3", "phone-a17pro"],
}  # none that ships has them
NOTE = "<!-- Written by docs/make_entries.py from the tables of edge6g_env/spaces.py and the scenarios that ship. -->"

OBSERVATIONS = f"""# Observation entries

{NOTE}
What an agent sees, entry by entry, in the order in which the arrays have them. `observation_names`, `candidate_names` and `state_names`
of every door list `(name, unit, low, high)` for the scenario at hand, and the scenario's page has its list. Values are clipped to their
range; where the scenarios that ship differ in it, both ends are given. Nothing is NaN. An agent knows its own node now, its neighbours by
reports, the cloud by its own last exchange, channels by estimates ([interface](interface.md#observations),
[problem](problem.md#what-an-agent-observes)).

`NAME` stands for a service, `PRECISION` for one of the scenario's, `n` for a neighbour, counted from 1.
"""

CANDIDATES = """
## Candidates

`observe="candidates"`: F entries for each of the C actions, zero in the rows of illegal ones. They are what the cost model predicts of this
job if the action is taken, from what the agent can know ([world](world.md#what-candidates-expect)); from `slowdown` to `node_memory_gb`
it is what the action costs other jobs ([flights](flights.md#what-a-candidate-costs-the-others)), which is no part of `utility`.
"""

STATES = """
## State

`state()`, for a centralised critic: the observations of all nodes (`node_i/` before their names), then what no agent sees.
"""

ACTIONS = f"""# Actions and their effects

{NOTE}
An action is a row of `action_table`, int64 (C, 5), the same for every agent of a scenario; `action_names[c]` says it in words. It concerns
the job at the head of the node's queue. [interface](interface.md#actions) has masks and errors.

## Routes
"""

SPLITS = """
## Columns beside the route

They mean nothing for `hold` and `reject`, where they are 0.
"""

SIZES = """
## In the scenarios

Rows that would do the same as another one are left out: a whole model on the device goes with `local` only, a draft with no edge split.
`edge6g scenarios show NAME` prints the same of any file.
"""

REASONS = """
## What became of it

`action_effect` is an index into `action_effects`. The mask leaves out what would be refused; a refused action acts as `hold`. Of several
reasons the first on the way counts: privacy and what is down before what is too small.
"""


def main() -> None:
    """Write the pages, or check that they are those that would be written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if a page is out of date")
    options, shipped = parser.parse_args(), [load_scenario(name) for name in scenarios()]
    for name, lines in (("observations.md", _observations(shipped)), ("actions.md", _actions(shipped))):
        text, page = "\n".join(lines) + "\n", FOLDER / name
        if not options.check:
            page.write_text(text, encoding="utf-8")
        elif not page.is_file() or page.read_text(encoding="utf-8") != text:
            raise SystemExit(f"{name} is out of date: python docs/make_entries.py")


def _observations(shipped: Sequence[Scenario]) -> Iterator[str]:
    shipped = [*shipped, load_scenario(shipped[0], **UNLIKE_DEVICES)]
    layouts = [Layout(scenario) for scenario in shipped]
    seen = _by_name((_general(f.name, s), f) for s, one in zip(shipped, layouts, strict=True) for f in one.observation)
    state = _by_name((_general(f.name, s), f) for s, one in zip(shipped, layouts, strict=True) for f in one.state)
    yield OBSERVATIONS
    for head, words in (("The job", JOB), ("The node", NODE), ("A neighbour", NEIGHBOUR)):
        first = next(iter(words)).split("/")[0]
        yield f"## {head}\n"
        yield from _table({name: fs for name, fs in seen.items() if name.split("/")[0] == first}, words)
        yield ""
    yield CANDIDATES.lstrip("\n")
    yield from _table(_by_name((f.name, f) for one in layouts for f in one.candidates), CANDIDATE)
    yield STATES
    yield from _table({name: fs for name, fs in state.items() if name.removeprefix("node_i/") not in seen}, STATE)


def _general(name: str, scenario: Scenario) -> str:
    """The name of an entry without what is a scenario's own: services, precisions, numbers of neighbours, nodes, UEs."""
    name = re.sub(rf"job/service_({'|'.join(service.name for service in scenario.service)})$", "job/service_NAME", name)
    name = re.sub(rf"resident_({'|'.join(scenario.actions.precision)})$", "resident_PRECISION", name)
    name = re.sub(r"neighbour_\d+/", "neighbour_n/", name)
    return re.sub(r"^ue_\d+/", "ue_u/", re.sub(r"^node_\d+/", "node_i/", name))


def _by_name(features: Iterable[tuple[str, Feature]]) -> dict[str, list[Feature]]:
    """Those of one name together, in the order in which names come first."""
    out: dict[str, list[Feature]] = {}
    for name, feature in features:
        out.setdefault(name, []).append(feature)
    return out


def _table(entries: Mapping[str, Sequence[Feature]], words: Mapping[str, str]) -> Iterator[str]:
    """KeyError for an entry that has no words, ValueError for words that have no entry."""
    if gone := set(words) - set(entries):
        raise ValueError(f"no scenario that ships has the entries {sorted(gone)}")
    yield "| entry | unit | range | meaning |\n|---|---|---|---|"
    for name, features in entries.items():
        low, high = (_ends([getattr(feature, end) for feature in features]) for end in ("low", "high"))
        yield f"| `{name}` | {features[0].unit} | {low} to {high} | {words[name]} |"


def _ends(values: Sequence[float]) -> str:
    low, high = _number(min(values)), _number(max(values))
    return low if low == high else f"{low} / {high}"


def _number(value: float) -> str:
    text = f"{value:,.0f}" if abs(value) >= 1e3 else f"{value:.3g}"
    return text.replace("-", "\N{MINUS SIGN}")


def _actions(shipped: Sequence[Scenario]) -> Iterator[str]:
    yield ACTIONS + "\n| route | what happens |\n|---|---|"
    yield from (f"| `{name}` | {what} |" for name, what in ROUTES.items())
    yield SPLITS + "\n| column | meaning |\n|---|---|"
    yield from (f"| `{name}` | {COLUMNS[name]} |" for name in ACTION_COLUMNS[1:])
    yield (
        SIZES
        + "\n| scenario | C | neighbours | device split | edge split | precision | models of a service |\n|---|---:|---:|---|---|---|---:|"
    )
    yield from map(_size, shipped)
    yield REASONS + "\n| `action_effects` | name | when |\n|---:|---|---|"
    yield from (f"| {number} | {name} | {EFFECTS[name]} |" for number, name in enumerate(ACTION_EFFECTS))


def _size(scenario: Scenario) -> str:
    grid = scenario.actions
    cells = (
        f"[{scenario.name}](scenarios/{scenario.name}.md)",
        f"{Layout(scenario).num_actions}",
        f"{scenario.neighbours}",
        ", ".join(map(name_of, grid.device_split)),
        ", ".join(f"{share:g}" for share in grid.edge_split),
        ", ".join(grid.precision),
        f"{scenario.most_models}",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
