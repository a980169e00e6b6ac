"""The rows of one list of policies in several scenarios, of which one or the other may not fit a policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agents.policy import Observation, Policy, UnknownPolicyError
from edge6g_env.errors import UserError
from edge6g_env.scenario import Scenario
from eval.contenders import LoadCheckpoint, PolicyListError, Row, find_rows


@dataclass(frozen=True)
class Fit:
    """How the words of a list of policies fit a scenario: rows of those that do; missing: of those that do not, why."""

    words: Sequence[str]
    rows: Sequence[Row]
    missing: Mapping[str, str]

    def of(self, word: str) -> list[Row]:
        """The rows that a word asks for; none if it does not fit."""
        return [row for row in self.rows if row.word == word]


def fitting(scenarios: Mapping[str, Scenario], policies: Sequence[str], load_checkpoint: LoadCheckpoint) -> list[Fit]:
    """A fit a scenario, by the name that messages give it; a checkpoint is called the same in all of them.

    Raises PolicyListError for a policy that fits none of them, and what `find_rows` raises for what is no policy at all.
    """
    fits = [_fit(scenario, policies, load_checkpoint) for scenario in scenarios.values()]
    for word in policies:
        reasons = [(name, fit.missing[word]) for name, fit in zip(scenarios, fits, strict=True) if word in fit.missing]
        if len(reasons) == len(fits):
            name, why = reasons[0]
            raise PolicyListError(f"{word} fits none of the scenarios; {name}: {why}")
    return fits


def _fit(scenario: Scenario, policies: Sequence[str], load_checkpoint: LoadCheckpoint) -> Fit:
    missing = {word: why for word in policies if (why := _why_not(word, scenario, load_checkpoint))}
    fit = [word for word in policies if word not in missing]
    rows = _rows(policies, fit, scenario, load_checkpoint) if fit or not policies else []
    return Fit(policies, rows, missing)


def _why_not(word: str, scenario: Scenario, load_checkpoint: LoadCheckpoint) -> str | None:
    """Why a policy does not fit a scenario, None if it does. What is no policy at all, or names none, is raised."""
    try:
        find_rows([word], scenario, load_checkpoint)
    except (UnknownPolicyError, PolicyListError):
        raise
    except UserError as error:
        return str(error)
    return None


def _rows(
    policies: Sequence[str], fit: Sequence[str], scenario: Scenario, load_checkpoint: LoadCheckpoint
) -> list[Row]:
    """The rows of the words that fit, called as they are beside the others."""

    def load(folder: Path, scenario: Scenario) -> Policy:
        try:
            return load_checkpoint(folder, scenario)
        except UserError:
            return Unfit()

    named = [word for word in policies if word in fit or _why_not(word, scenario, load) is None]
    return [row for row in find_rows(named, scenario, load) if row.word in fit]


class Unfit:
    """Stands for a checkpoint that does not fit while names are given; it never plays."""

    privileged = needs_candidates = False

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """Raises NotImplementedError."""
        raise NotImplementedError
