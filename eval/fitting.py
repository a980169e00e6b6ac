"""The rows of one list of policies in several scenarios, of which one or the other may not fit a policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agents.policy import Observation, Policy, UnknownPolicyError
from edge6g_env.errors import UserError
from edge6g_env.scenario import Scenario
from eval.contenders import LoadCheckpoint, PolicyListError, Row
from eval.frames import Policies, find_playable


@dataclass(frozen=True)
class Fit:
    """How a list of policies fits a scenario: by word (or name, where policies are given by name) the rows of those that do, and why the
    others do not."""

    found: Mapping[str, Sequence[Row]]
    missing: Mapping[str, str]

    @property
    def rows(self) -> list[Row]:
        """All rows, in the order of the words."""
        return [row for rows in self.found.values() for row in rows]


def fitting(scenarios: Mapping[str, Scenario], policies: Policies, load_checkpoint: LoadCheckpoint) -> list[Fit]:
    """A fit a scenario, by the name that messages give it; a checkpoint is called the same in all of them.

    Raises PolicyListError for a policy that fits none of them, and what `find_playable` raises for what is no policy at all.
    """
    fits = [_fit(scenario, policies, load_checkpoint) for scenario in scenarios.values()]
    for word in policies:
        reasons = [(name, fit.missing[word]) for name, fit in zip(scenarios, fits, strict=True) if word in fit.missing]
        if len(reasons) == len(fits):
            name, why = reasons[0]
            raise PolicyListError(f"{word} fits none of the scenarios; {name}: {why}")
    return fits


def _fit(scenario: Scenario, policies: Policies, load_checkpoint: LoadCheckpoint) -> Fit:
    missing = {word: why for word in policies if (why := _why_not(policies, word, scenario, load_checkpoint))}
    words = [word for word in policies if word not in missing]
    if isinstance(policies, Mapping):
        return Fit({name: _find(policies, [name], scenario, load_checkpoint) for name in words}, missing)
    rows = _beside_others(policies, words, scenario, load_checkpoint) if words or not policies else []
    return Fit({word: [row for row in rows if row.word == word] for word in words}, missing)


def _why_not(policies: Policies, word: str, scenario: Scenario, load_checkpoint: LoadCheckpoint) -> str | None:
    """Why a policy does not fit a scenario, None if it does. What is no policy at all, or names none, is raised."""
    try:
        _find(policies, [word], scenario, load_checkpoint)
    except (UnknownPolicyError, PolicyListError):
        raise
    except UserError as error:
        return str(error)
    return None


def _find(policies: Policies, words: Sequence[str], scenario: Scenario, load_checkpoint: LoadCheckpoint) -> list[Row]:
    some = {word: policies[word] for word in words} if isinstance(policies, Mapping) else words
    return find_playable(some, scenario, load_checkpoint)


def _beside_others(
    policies: Sequence[str], words: Sequence[str], scenario: Scenario, load_checkpoint: LoadCheckpoint
) -> list[Row]:
    """The rows of the words that fit, called as they are beside the others: checkpoints without a name are told apart by their folders."""

    def load(folder: Path, scenario: Scenario) -> Policy:
        try:
            return load_checkpoint(folder, scenario)
        except UserError:
            return Unfit()

    named = [word for word in policies if word in words or _why_not(policies, word, scenario, load) is None]
    return [row for row in find_playable(named, scenario, load) if row.word in words]


class Unfit:
    """Stands for a checkpoint that does not fit while names are given; it never plays."""

    privileged = needs_candidates = False

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """Raises NotImplementedError."""
        raise NotImplementedError
