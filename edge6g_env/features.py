"""What an entry of an observation, a candidate or a state is: name, unit, range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np


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


def unscaled(feature: Feature, per: float = 1.0) -> Feature:
    """The same entry, read in so many of its unit: where weights are prices."""
    return replace(feature, low=-per, high=per, scale="linear")


def widest(*of: Sequence[Feature]) -> tuple[Feature, ...]:
    """The same entries of several sequences, each over the widest of its ranges; ValueError if they are not as many."""
    return tuple(
        replace(same[0], low=min(f.low for f in same), high=max(f.high for f in same)) for same in zip(*of, strict=True)
    )


def scales(features: Sequence[Feature]) -> np.ndarray:
    """float32 (3, entries): whether each is scaled by its logarithm, unit, top. An entry x becomes x / unit, of those
    log(1 + x / unit) / top: it lies around [-1, 1] then."""
    size = np.array([max(abs(feature.low), abs(feature.high)) for feature in features], np.float32)
    log = np.array([feature.scale == "log" for feature in features], bool)
    # Counts and times of everyday size, not the space's far ends, set the scale of the logarithm.
    unit = np.where(log, np.float32(1e-2) * np.sqrt(size), size)
    top = np.where(log, np.log1p(size / (np.float32(1e-2) * np.sqrt(size))), np.float32(1.0))
    return np.stack([log, unit, top]).astype(np.float32)
