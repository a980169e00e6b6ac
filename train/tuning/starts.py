"""Where `edge6g tune` begins to search the numbers of a rule: points, and the rules that they are.

`tuned` searches its weights, from `greedy` over all rows, from the rows of the values of `restricted` and `static`, and from the prices of
`greedy-price`; any other rule its parameters, each over its range. A single parameter is searched by a narrowing grid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from agents.policy import Policy, parameters_of, rule_class
from agents.rules.greedy_price import price_weights
from agents.values import ALL_ROWS, RULES, TUNED, Values, ValuesError, compiled_rows
from agents.values import tuned as values_of
from agents.weights import weighed, weighted_entries
from edge6g_env import CompiledPolicy
from edge6g_env.scenario import Scenario
from edge6g_env.spaces import Layout
from train import search
from train.evolution import Evolution, Narrowing, SearchState
from train.seeds import TUNING_SEED
from train.spreads import spreads, step_variances
from train.worlds import lengthened

PRICE_RULE = "greedy-price"
RESTARTS = 3
APART = 200_000  # between the training seeds of two starts
# Of a search over the unit cube of a rule's parameters; judgement.
CUBE: dict[str, Any] = {"population": 8, "sigma": 0.25, "sigma_cap": 0.3}


class Effort(NamedTuple):
    """What goes into the choice of a point."""

    validate_every: int
    """Generations."""
    finalists: int
    """Points that meet in the end."""
    final_episodes: int
    """On how many seeds they do."""


OF_WEIGHTS = Effort(5, 4, 32)
IN_SHORT = Effort(
    2, 2, 16
)  # of parameters, which are few, of many rules that play through the doors; and in less than LONG_S
LONG_S = 120.0


@dataclass
class Start:
    """A place where a search begins, and how it stands."""

    name: str
    policy: Callable[[np.ndarray], Policy | CompiledPolicy]
    values: Callable[[np.ndarray], Values]
    evolution: Evolution | Narrowing
    state: SearchState
    first: np.ndarray
    """The point that it begins with."""
    plays: bool
    """Whether that is a rule in its own right, which what is found must not be worse than."""
    effort: Effort
    first_seed: int
    """Of its training episodes, beside the seed of the command."""
    best: np.ndarray | None = None
    """The best point on the validation seeds."""
    reward_start: float | None = None
    reward_best: float | None = None
    """On the validation seeds, of `first` and `best`."""
    cpu_s: float = 0.0
    decisions: int = 0

    def kept(self) -> dict[str, Any]:
        """How it stands, as JSON holds it."""
        state = {name: array.tolist() for name, array in self.state._asdict().items()}
        best = None if self.best is None else self.best.tolist()
        told = {name: getattr(self, name) for name in ("reward_start", "reward_best", "cpu_s", "decisions")}
        return {"state": state, "best": best, **told}

    def go_on(self, kept: Mapping[str, Any]) -> None:
        """Go on from `kept`."""
        self.state = SearchState.of(kept["state"])
        self.best = None if kept["best"] is None else np.array(kept["best"])
        for name in ("reward_start", "reward_best", "cpu_s", "decisions"):
            setattr(self, name, kept[name])


def starts(rule: str, scenario: Scenario, out: Path, seed: int, cpu_s: float) -> list[Start]:
    """Where the searches of a rule begin; out: a file whose values of `restricted` and `static` go before those that ship."""
    return (
        _of_weights(scenario, out, seed, OF_WEIGHTS if cpu_s >= LONG_S else IN_SHORT)
        if rule == TUNED
        else _of_parameters(rule, scenario, seed)
    )


def _of_weights(scenario: Scenario, out: Path, seed: int, effort: Effort) -> list[Start]:
    """Weights 0 over all rows, and over those of each reference that has values; the prices of `greedy-price` over the first of these."""
    layout, settings = Layout(scenario), search.SETTINGS
    entries, found = weighted_entries(layout), []
    zero, longer = np.zeros(len(entries)), lengthened(scenario, settings["measured_share"])
    references = _reference_rows(scenario, out)
    begins = [("greedy", ALL_ROWS, zero), *((name, rows, zero) for name, rows in references)]
    if prices := _values(PRICE_RULE, scenario, out):
        paid = price_weights(prices)
        begins.append(
            (PRICE_RULE, references[0][1] if references else ALL_ROWS, np.array([paid.get(e, 0.0) for e in entries]))
        )

    def weights(point: np.ndarray) -> dict[str, float]:
        return {entry: round(float(weight), 4) for entry, weight in zip(entries, point, strict=True)}

    def values(rows: Any, point: np.ndarray) -> Values:
        return {"rows": rows, "weights": {entry: weight for entry, weight in weights(point).items() if weight}}

    def policy(rows: Any, point: np.ndarray) -> CompiledPolicy:  # all entries: those that fly together read the same
        return compiled_rows(layout, rows, weights(point))

    for index, (name, rows, first) in enumerate(begins):
        evolution = Evolution(settings["population"], settings["sigma_cap"], seed + APART * index)
        seeds = range(TUNING_SEED + seed, TUNING_SEED + seed + search.EPISODES)
        variances = step_variances(spreads(longer, weighed(layout, entries), seeds, policy(rows, zero).distance))
        made, state = (
            (partial(policy, rows), partial(values, rows)),
            SearchState.at(first, settings["sigma"], variances),
        )
        found.append(Start(name, *made, evolution, state, first, True, effort, APART * index))
    return found


def _reference_rows(scenario: Scenario, out: Path) -> list[tuple[str, dict[str, Values]]]:
    """`restricted` and `static` with their values, where there are some that fit."""
    found = [(rule, _values(rule, scenario, out)) for rule in reversed(RULES)]
    return [(rule, {rule: of}) for rule, of in found if of]


def _values(rule: str, scenario: Scenario, out: Path) -> Values | None:
    """Values of a rule that fit: those of the file `out`, else those that ship; None if there are none."""
    for file in (out, None) if out.is_file() else (None,):
        try:
            return values_of(rule, scenario, file).values
        except ValuesError:
            continue
    return None


def _of_parameters(rule: str, scenario: Scenario, seed: int) -> list[Start]:
    """The parameters' starts, and places drawn at random; of a single parameter its whole range."""
    layout, parameters, made = Layout(scenario), parameters_of(rule, scenario), rule_class(rule)

    def values(point: np.ndarray) -> Values:
        return {one.name: _rounded(one.at(float(place))) for one, place in zip(parameters, point, strict=True)}

    def policy(point: np.ndarray) -> Policy:
        return made(layout, values=values(point))

    first = np.array([one.place(one.start) for one in parameters])
    if len(parameters) == 1:
        whole = SearchState.at([0.5], 0.5)
        return [Start("whole range", policy, values, Narrowing(), whole, first, True, IN_SHORT, 0)]
    drawn = np.random.default_rng([seed, len(parameters)]).random((RESTARTS - 1, len(parameters)))
    found = []
    for index, point in enumerate((first, *drawn)):
        evolution = Evolution(CUBE["population"], CUBE["sigma_cap"], seed + APART * index, unit_cube=True)
        state, name = SearchState.at(point, CUBE["sigma"]), f"drawn {index}" if index else "starts of its parameters"
        found.append(Start(name, policy, values, evolution, state, point, not index, IN_SHORT, APART * index))
    return found


def _rounded(value: float) -> float:
    """To six digits: what is played is what is written."""
    return float(f"{value:.6g}")
