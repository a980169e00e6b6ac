"""What can be set of a planner, and how it is written in a list of policies: `clairvoyant:base=static:k=4`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from agents.policy import rule_names
from agents.values import has_values, read_file, values_file
from edge6g_env import capacity
from edge6g_env.errors import UserError, did_you_mean
from edge6g_env.scenario import Scenario

ROLLOUT, CLAIRVOYANT = "rollout", "clairvoyant"
PLANNERS = (ROLLOUT, CLAIRVOYANT)
BASE, THREADS = "base", "threads"
WHOLE = ("k", "futures", THREADS)
LIFE_SHARE, DRAIN_SHARE = (
    1.0 / 2.0,
    1.0 / 3.0,
)  # of the longest life of a job, and of the horizon: the study in docs/planners.md


class PlannerError(UserError):
    """A planner that cannot be made as it is asked for, or cannot play where it is."""


@dataclass(frozen=True)
class Options:
    """How a planner plans. docs/planners.md has the study behind the numbers."""

    horizon_s: float | None = None
    """Jobs that arrive so long after the decision count; None: half of the longest life of a job of the scenario."""
    drain_s: float | None = None
    """Seconds beyond the horizon in which these jobs may end; those that have not count by their pace. None: a third of the horizon."""
    k: int = 5
    """Choices that are tried at most, that of the base policy among them."""
    gap: float = 0.6
    """Of these, none whose utility is so far below the best's."""
    contested: bool = True
    """Plan only decisions whose best choice loads weights or would be late; the others are the base policy's."""
    futures: int = 4
    """Of `rollout`: fresh futures in which each choice is tried."""
    sure: float = 2.0
    """Of `rollout`: standard errors by which a choice must come to more than that of the base policy, to be taken in its place."""
    threads: int = 0
    """Over which the copies are spread, 0: as many as step the worlds. They change no decision."""

    def __post_init__(self) -> None:
        for name, least in (
            ("horizon_s", 0.0),
            ("drain_s", 0.0),
            ("k", 2),
            ("gap", 0.0),
            ("futures", 1),
            ("sure", 0.0),
            ("threads", 0),
        ):
            value = getattr(self, name)
            if name in WHOLE and (isinstance(value, bool) or not isinstance(value, int | np.integer)):
                raise PlannerError(f"{name} of a planner must be a whole number, it is {value!r}")
            if value is not None and (not value >= least or value == float("inf")):
                raise PlannerError(f"{name} of a planner must be a number of at least {least:g}, it is {value:g}")
        if self.horizon_s == 0.0:
            raise PlannerError("horizon_s of a planner must be above 0: no job would count")

    def times_s(self, scenario: Scenario) -> tuple[float, float]:
        """Horizon and drain in a scenario."""
        longest_s = max(service.expire_s for service in scenario.service)
        horizon_s = LIFE_SHARE * longest_s if self.horizon_s is None else self.horizon_s
        return horizon_s, DRAIN_SHARE * horizon_s if self.drain_s is None else self.drain_s

    def identity(self, kind: str) -> str:
        """All that decides what a planner does, in words."""
        deciding = {name: value for name, value in asdict(self).items() if takes(kind, name) and name != THREADS}
        return " ".join([kind, *(f"{name}={value!r}" for name, value in deciding.items())])


def takes(kind: str, option: str) -> bool:
    """Whether a planner of this kind has the option."""
    return option not in ("futures", "sure") or kind == ROLLOUT


@dataclass(frozen=True)
class Asked:
    """A planner as a word of a list asks for it."""

    kind: str
    base: str | None
    """The word for its base policy; None for the best that there is."""
    options: Options
    name: str
    """As it is called if the list does not say otherwise: the word, without what decides nothing."""


def asked(word: str) -> Asked | None:
    """What a word asks for, None if it names no planner; PlannerError for an option that there is not, or a bad value of one."""
    kind, *settings = word.split(":")
    if kind not in PLANNERS:
        return None
    known = {field.name: field.default for field in fields(Options) if takes(kind, field.name)}
    given: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if name not in known and name != BASE:
            hint = did_you_mean(name, [BASE, *known], before="; ")
            raise PlannerError(f"{kind} has no option {name!r}: it has {', '.join([BASE, *known])}{hint}")
        if not equals or not text:
            raise PlannerError(f"{kind}:{setting}: an option is written NAME=VALUE, such as k={Options.k}")
        if name in given:
            raise PlannerError(f"{kind} has its option {name} twice")
        given[name] = text if name == BASE else _number(kind, name, text, known[name])
    base = given.pop(BASE, None)
    shown = [setting.replace("=", " ") for setting in settings if not setting.startswith(THREADS)]
    return Asked(kind, base, Options(**given), ":".join([kind, *shown]))


def _number(kind: str, name: str, text: str, default: object) -> object:
    """A text as a value of the default's type."""
    try:
        value: object = int(text) if isinstance(default, int) else float(text)
    except ValueError:
        value = None
    if value is None or (isinstance(default, bool) and value not in (0, 1)):
        wanted = "0 or 1" if isinstance(default, bool) else "a whole number" if isinstance(default, int) else "a number"
        raise PlannerError(f"{kind}: {name} must be {wanted}, it is {text!r}")
    return bool(value) if isinstance(default, bool) else value


def best_base(scenario: Scenario, among: Sequence[str] = ("tuned", "restricted", "static")) -> str:
    """The rule that a planner goes on with if none is named: of those with values for the scenario the first, `greedy` without any.

    `tuned` was chosen on validation seeds against the other two; of these the one that earned more on the seeds of its search is the first.
    """
    found = [rule for rule in among if rule in rule_names() and has_values(rule, scenario)]
    if not found or found[0] == "tuned":
        return found[0] if found else "greedy"
    earned = read_file(values_file(scenario))
    return max(found, key=lambda rule: _number_or_least(earned[rule].get("reward_per_job")))


def _number_or_least(reward: object) -> float:
    """What a file says that a rule earned; one that says nothing is not the best."""
    return float(reward) if isinstance(reward, int | float) else -math.inf


def caution(kind: str, options: Options, scenario: Scenario) -> str | None:
    """What to say where a load would seem to be lost, as it pays back only beyond the horizon; None where it does not."""
    longest = capacity.longest_load(scenario)
    horizon_s, _ = options.times_s(scenario)
    if longest is None or longest[0] <= horizon_s:
        return None
    return (
        f"horizon_s = {horizon_s:g} of {kind} is shorter than the longest load of {scenario.name}, {longest[0]:.1f} s "
        f"({longest[1]}): a load pays back later than it looks"
    )
