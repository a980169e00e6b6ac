"""What an entry of an observation, a candidate or a state is: name, unit, range."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Feature:
    """One entry of an observation or candidate: name, unit, range, and how it is best scaled for a network."""

    name: str
    unit: str
    low: float
    high: float
    scale: str = "linear"  # "log": spans decades, take log(1 + x)


def flag(name: str) -> Feature:
    """Yes or no."""
    return Feature(name, "0/1", 0.0, 1.0)


def count(name: str, high: float, unit: str = "job") -> Feature:
    """A number of something."""
    return Feature(name, unit, 0.0, high, "log")


def seconds(name: str, high: float) -> Feature:
    """A time."""
    return Feature(name, "s", 0.0, high, "log")
