"""What a training run is asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.values import Rows
from edge6g_env.errors import UserError, did_you_mean
from edge6g_env.scenario import Scenario
from train.limits import Limit
from train.seeds import MOST_WORLDS
from train.worlds import Varied

WORLDS_OF_A_BATCH = ("seeds", "episodes")  # settings that say how many there are


class SettingError(UserError):
    """A setting of an algorithm that is not there or cannot have the value."""


@dataclass(frozen=True)
class Setup:
    """Of `edge6g train`; what an algorithm does not take is refused before (train/run.py)."""

    scenarios: tuple[Scenario, ...]
    algo: str
    seed: int = 0
    minutes: float | None = None
    decisions: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Those of the algorithm that are not its defaults."""
    limits: tuple[Limit, ...] = ()
    varied: tuple[Varied, ...] = ()
    num_worlds: int | None = None
    threads: int = 1
    workers: int = 1
    ray_address: str | None = None
    rows: Rows | None = None
    """Of a run that goes on: those of its checkpoint, among which it goes on to choose."""

    @property
    def seconds(self) -> float:
        """After which the run ends, whatever it has learned."""
        return math.inf if self.minutes is None else 60.0 * self.minutes

    @property
    def most_decisions(self) -> int:
        """After which it ends, whatever time it took."""
        return 10**12 if self.decisions is None else self.decisions

    @property
    def limits_by_cost(self) -> dict[str, float]:
        """The most that a job may cost in the mean, by name of the cost."""
        return {limit.cost: limit.most for limit in self.limits}

    def budget(self, decisions_s: float) -> float:
        """Decisions of which stages have their shares: those asked for, or what the time is for at a usual speed.

        By no clock: with a budget in time only the end of a run depends on the machine.
        """
        return float(self.decisions) if self.decisions is not None else decisions_s * self.seconds


def settings_of(algo: str, words: Sequence[str], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of KEY=VALUE words, as the defaults have them; SettingError for a key that is not there or stands twice, or a
    value of another kind."""
    found: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if name not in defaults:
            hint = did_you_mean(name, [*defaults], before="; ")
            raise SettingError(f"--with {word}: {algo} has no setting {name!r}, it has {', '.join(defaults)}{hint}")
        if name in found:
            raise SettingError(f"--with {name} stands twice: a setting has one value")
        kind = _kind(defaults[name])
        try:
            found[name] = _READ[kind](text)
        except ValueError:
            raise SettingError(f"--with {word}: it must be {name}={kind}, by default {defaults[name]}") from None
        if not equals:
            raise SettingError(f"--with {word}: it must be {name}={kind}")
        if name in WORLDS_OF_A_BATCH and found[name] > MOST_WORLDS:
            raise SettingError(f"--with {word}: a batch has at most {MOST_WORLDS:,} worlds")
    return found


def _kind(default: Any) -> str:
    if isinstance(default, bool):
        return "yes or no"
    if isinstance(default, int):
        return "a whole number above 0"
    return "a word" if isinstance(default, str) else "a number of at least 0"


def _whole(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def _number(text: str) -> float:
    value = float(text)
    if not 0.0 <= value < math.inf:
        raise ValueError
    return value


def _yes(text: str) -> bool:
    if text not in ("yes", "no"):
        raise ValueError
    return text == "yes"


_READ: Mapping[str, Callable[[str], Any]] = {
    "yes or no": _yes,
    "a whole number above 0": _whole,
    "a number of at least 0": _number,
    "a word": str,
}
