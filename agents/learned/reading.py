"""What a network reads of a layout, by name: it acts wherever the entries that it reads exist, whatever else differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from agents.values import ALL_ROWS, Rows, checked_rows
from edge6g_env.errors import UserError
from edge6g_env.spaces import Feature, Layout, first_difference


class LayoutError(UserError):
    """A layout that lacks what a network reads; the message names the first entry."""


@dataclass(frozen=True)
class Reads:
    """Entries that a network reads, in its order, with the ranges by which it scales them: its own, wherever it acts.

    actions: each action in words if the network has an output for each row of the action table, else None. rows: those of the action
    table among which it chooses.
    """

    observation: tuple[Feature, ...]
    candidates: tuple[Feature, ...] = ()
    actions: tuple[str, ...] | None = None
    rows: Rows = ALL_ROWS

    @classmethod
    def of(cls, layout: Layout, observation: Sequence[str], candidates: Sequence[str]) -> Reads:
        """Those entries of a layout, as they are there; LayoutError if it lacks one."""
        return cls(
            tuple(layout.observation[n] for n in _columns("observation", layout.observation, observation)),
            tuple(layout.candidates[n] for n in _columns("candidate", layout.candidates, candidates)),
        )

    @classmethod
    def whole(cls, layout: Layout) -> Reads:
        """The whole observation and the action table."""
        return cls(layout.observation, (), tuple(layout.action_names))

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Reads:
        """Reads of to_dict; raises KeyError, TypeError or ValueError for anything else."""
        observation, candidates = (tuple(Feature(**f) for f in record[key]) for key in ("observation", "candidates"))
        actions = None if record["actions"] is None else tuple(record["actions"])
        return cls(observation, candidates, actions, checked_rows(record.get("rows", ALL_ROWS)))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a checkpoint."""
        return asdict(self)

    def columns(self, layout: Layout) -> tuple[list[int], list[int]]:
        """Columns of the entries in an observation and a candidate of `layout`; LayoutError if it lacks one."""
        observation = _columns("observation", layout.observation, [f.name for f in self.observation])
        return observation, _columns("candidate", layout.candidates, [f.name for f in self.candidates])

    def check_whole(self, layout: Layout) -> None:
        """Raise LayoutError unless observation and action table of `layout` are just those of this network."""
        mine, theirs = ([f.name for f in features] for features in (self.observation, layout.observation))
        _check_same("observation entry", mine, theirs)
        _check_same("action", self.actions or (), layout.action_names)


def _columns(kind: str, features: Sequence[Feature], names: Sequence[str]) -> list[int]:
    at = {feature.name: column for column, feature in enumerate(features)}
    for name in names:
        if name not in at:
            raise LayoutError(f"the network reads the {kind} entry {name!r}, which is not there")
    return [at[name] for name in names]


def _check_same(what: str, mine: Sequence[str], theirs: Sequence[str]) -> None:
    if found := first_difference(mine, theirs):
        place, has, there = found
        raise LayoutError(f"{what} {place} of the network is {has}, there it is {there}")
