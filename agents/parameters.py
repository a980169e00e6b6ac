"""Numbers that a rule can be set by, for `edge6g tune` to find and a file of values to hold (agents/values.py).

A rule that has some names them in its class: `parameters`, a tuple, or where they depend on the scenario a static method
`parameters_in(scenario)` that returns one. Its values are a mapping name -> number, the argument `values` of its `__init__`; None: those
that ship with the scenario.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edge6g_env.errors import UserError


@dataclass(frozen=True)
class Parameter:
    """One number of a rule; ValueError unless low <= start <= high, low < high, and low > 0 on a logarithmic scale."""

    name: str
    unit: str
    low: float
    high: float
    start: float
    scale: Literal["linear", "log"]
    meaning: str

    def __post_init__(self) -> None:
        if not (self.low < self.high and self.low <= self.start <= self.high):
            raise ValueError(f"{self.name}: {self.start:g} is not between {self.low:g} and {self.high:g}")
        if self.scale == "log" and self.low <= 0.0:
            raise ValueError(f"{self.name}: {self.low:g} has no logarithm")

    def at(self, place: float) -> float:
        """The value at a place of the unit interval, 0 for low and 1 for high; beyond it the nearer end."""
        if place <= 0.0 or place >= 1.0:
            return self.low if place <= 0.0 else self.high
        if self.scale == "log":
            return self.low * (self.high / self.low) ** place
        return self.low + place * (self.high - self.low)

    def place(self, value: float) -> float:
        """Where in the unit interval a value lies; the inverse of `at`."""
        if self.scale == "log":
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


class ParameterError(UserError):
    """A value that a rule cannot take; the message names the parameter and its range."""


def starts(parameters: tuple[Parameter, ...]) -> dict[str, float]:
    """Name -> start of each."""
    return {one.name: one.start for one in parameters}


def check(parameters: tuple[Parameter, ...], values: Mapping[str, float]) -> dict[str, float]:
    """The values as floats; ParameterError for one that is missing, unknown, no number or out of range."""
    known = {one.name: one for one in parameters}
    if unknown := sorted(values.keys() - known.keys()):
        raise ParameterError(f"there is no parameter {unknown[0]}: there are {', '.join(known)}")
    for name, one in known.items():
        if name not in values:
            raise ParameterError(f"{name} is missing")
        value = values[name]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not one.low <= value <= one.high:
            raise ParameterError(f"{name} = {value!r} is no number between {one.low:g} and {one.high:g}")
    return {name: float(values[name]) for name in known}
