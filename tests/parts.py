"""Parts that tests have played: in a module of their own, where another process finds them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agents.policy import make_rule
from edge6g_env.scenario import Scenario
from edge6g_env.spaces import Layout
from eval.pools.pool import Hangar


@dataclass
class Episodes:
    """Jobs of the rule `greedy` on some seeds; whoever plays it first ends by itself in the midst, if `dies` names a file to be made."""

    scenario: Scenario
    seeds: Sequence[int]
    dies: Path | None = None

    def __call__(self, hangar: Hangar) -> np.ndarray:
        flights, pieces = hangar.flights(self.scenario), [0]

        def tick() -> None:
            pieces[0] += 1
            if self.dies is not None and pieces[0] == 5 and not self.dies.exists():
                self.dies.touch()
                os.kill(os.getpid(), signal.SIGKILL)

        if self.dies is not None:
            flights.tick = tick
        return flights([make_rule("greedy", Layout(self.scenario))], self.seeds).jobs[0]


@dataclass
class Says:
    """A result that is known before, after some time; what stands there is called if it can be."""

    what: Any
    after_s: float = 0.0

    def __call__(self, hangar: Hangar) -> Any:
        time.sleep(self.after_s)
        return self.what() if callable(self.what) else self.what


class Odd(Exception):
    """An error that cannot be made from what pickle keeps of it."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} {second}")


@dataclass
class Raises:
    """An error, after some time."""

    error: type[Exception]
    words: Sequence[Any] = ()
    after_s: float = 0.0

    def __call__(self, hangar: Hangar) -> None:
        time.sleep(self.after_s)
        raise self.error(*self.words)


@dataclass
class Dies:
    """Ends its process each time."""

    how: int = signal.SIGKILL

    def __call__(self, hangar: Hangar) -> None:
        os.kill(os.getpid(), self.how)


@dataclass
class Writes:
    """Leaves a file with the number of its process, then waits."""

    folder: Path
    wait_s: float = 600.0

    def __call__(self, hangar: Hangar) -> None:
        (self.folder / str(os.getpid())).touch()
        time.sleep(self.wait_s)


def torch_threads() -> int:
    """What torch says."""
    import torch

    return torch.get_num_threads()


def unpicklable() -> Any:
    """A result that no pipe takes."""
    return lambda: None
