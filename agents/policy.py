"""What a policy is, and the registry of the rules: a rule is one file in `agents/rules` with one registered class."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

from agents.parameters import Parameter
from edge6g_env.compiled import CompiledPolicy
from edge6g_env.errors import UserError, did_you_mean
from edge6g_env.scenario import Scenario
from edge6g_env.spaces import Layout

if TYPE_CHECKING:
    from edge6g_env.batch import BatchEnv

Observation = dict[str, np.ndarray]
"""What `BatchEnv` returns: `observation` (B, N, D), `action_mask` (B, N, C), if asked for `candidates` (B, N, C, F)."""


class Policy(Protocol):
    """Decides for all agents of a batch of worlds. One that keeps state has `reset(num_worlds)` too, see `start`; one that learns while
    it plays `learn(decided, outcomes)`, see `learn`; one that plays on in copies of the worlds `attach(env)`, see `attach`; one that draws,
    or whose other worlds in a batch move what it does in one, `worlds_at_a_time = 1`: comparisons then play it a world at a time."""

    privileged: bool
    """Whether it sees more than an agent sees."""

    needs_candidates: bool
    """Whether it reads `obs["candidates"]`: the environment is then made with observe="candidates"."""

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """Action of each agent, int64 (B, N), rows of the action table; 0 (hold) where no job waits."""
        ...


class UnknownPolicyError(UserError):
    """No rule has this name; the message has the names that there are."""


MakePolicy = Callable[[Layout], Policy]
Rule = TypeVar("Rule", bound=MakePolicy)

_rules: dict[str, MakePolicy] = {}


def register(name: str) -> Callable[[Rule], Rule]:
    """Make a class known as the rule `name`. Raises ValueError if there is one of that name.

    Its `reads_values_of`, if it has one, names other rules whose values it reads beside its own (`agents.values.read_beside`).
    """

    def add(rule: Rule) -> Rule:
        if name in _rules:
            raise ValueError(f"a rule named {name!r} is registered already")
        _rules[name] = rule
        return rule

    return add


def rule_names() -> list[str]:
    """Names of all rules, sorted."""
    _import_rules()
    return sorted(_rules)


def rules() -> list[tuple[str, ...]]:
    """(name, first sentence of its docstring) of all rules, sorted."""
    return [(name, first_sentence(_rules[name].__doc__ or "")) for name in rule_names()]


def first_sentence(text: str) -> str:
    """As far as a full stop before a space or the end; one line."""
    line = " ".join(text.split("\n\n")[0].split())
    end = line.find(". ")
    return line if end < 0 else line[: end + 1]


def make_rule(name: str, layout: Layout) -> Policy:
    """A new instance of the rule `name` for worlds of this layout; UnknownPolicyError if there is none."""
    return rule_class(name)(layout)


def rule_class(name: str) -> Callable[..., Policy]:
    """The class of the rule `name`: takes a layout and, if the rule has values, `values`; UnknownPolicyError if there is none."""
    check_rule(name)
    return _rules[name]


def parameters_of(name: str, scenario: Scenario) -> tuple[Parameter, ...]:
    """Numbers that the rule `name` is set by in a scenario (agents/parameters.py), () if there are none; UnknownPolicyError."""
    made = rule_class(name)
    depends = getattr(made, "parameters_in", None)
    return depends(scenario) if depends else getattr(made, "parameters", ())


def check_rule(name: str) -> None:
    """Raise UnknownPolicyError if there is no rule `name`."""
    names = rule_names()
    if name not in names:
        hint = did_you_mean(name, names, before="; ")
        raise UnknownPolicyError(f"no policy {name!r}: the rules are {', '.join(names)}{hint}")


def start(policy: Policy, num_worlds: int) -> None:
    """Tell a policy that keeps state that `num_worlds` new worlds begin; the others have no `reset`."""
    reset = getattr(policy, "reset", None)
    if reset is not None:
        reset(num_worlds)


def learn(policy: Policy, decided: np.ndarray, outcomes: np.ndarray) -> None:
    """Tell a policy that learns while it plays what came of its decisions, after each step; the others have no `learn`.

    decided: int64 (B, N), number of the job that each agent decided in the step, -1 for none; outcomes: rows of OUTCOME (docs/state.md)
    of the jobs that ended in it, `world` being their place in the batch. An agent would know this of its own jobs, and of no other's:
    a policy that makes use of more is privileged.
    """
    told = getattr(policy, "learn", None)
    if told is not None:
        told(decided, outcomes)


def attach(policy: Policy, env: BatchEnv) -> None:
    """Hand the worlds that it will act in to a policy that plays on in copies of them, before it acts; the others have no `attach`."""
    hand = getattr(policy, "attach", None)
    if hand is not None:
        hand(env)


class Compiled:
    """A policy that is a CompiledPolicy: `BatchEnv.fly` plays it inside the kernel, to the bit alike."""

    privileged = False
    needs_candidates = True

    def __init__(self, compiled: CompiledPolicy) -> None:
        self.compiled = compiled

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """Deterministic; see Policy.act."""
        return self.compiled.act(obs)


class Around:
    """A policy around another one, whose state begins anew with it; it acts alike but for what a subclass changes."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.privileged, self.needs_candidates = policy.privileged, policy.needs_candidates
        if hasattr(policy, "worlds_at_a_time"):
            self.worlds_at_a_time = policy.worlds_at_a_time

    def reset(self, num_worlds: int) -> None:
        """See `start`."""
        start(self._policy, num_worlds)

    def learn(self, decided: np.ndarray, outcomes: np.ndarray) -> None:
        """See `learn`."""
        learn(self._policy, decided, outcomes)

    def attach(self, env: BatchEnv) -> None:
        """See the function of this name."""
        attach(self._policy, env)

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """What the policy does; see Policy.act."""
        return self._policy.act(obs, rng)


@cache
def _import_rules() -> None:
    package = importlib.import_module("agents.rules")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"agents.rules.{module.name}")
