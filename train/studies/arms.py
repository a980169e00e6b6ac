"""What a study trains: arms, which are options of `edge6g train` under a name, and cells, an arm with a training seed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.policy import rule_names
from edge6g_env.errors import UserError
from eval.files import kind_of_run
from train.checkpoint import CheckpointError, Progress, read_progress
from train.run import ALGORITHMS
from train.run import KIND as TRAIN_KIND

PICKED = "-picked"  # ends the name of the run of an arm that validation picks
OWN = ("compare", "tensorboard", "played")  # folders of a study beside those of its arms
GIVEN = {  # by the study to each cell: its seed and folder, and a budget that is the same for all
    "out": "--out",
    "seed": "--seed",
    "resume": "--resume",
    "overwrite": "--overwrite",
    "minutes": "--minutes",
    "decisions": "--decisions",
}
_NAME = re.compile(r"[A-Za-z0-9][\w.+-]*")

ReadOptions = Callable[[Sequence[str]], Mapping[str, Any]]
"""The parameters of `edge6g train` that words give, by name; a UserError if they are none of its options."""


class StudyError(UserError):
    """A study that cannot be made as asked; the message says what would be right."""


@dataclass(frozen=True)
class Arm:
    """Trainings that differ in their seed alone. options: words of `edge6g train`, the algorithm among them."""

    name: str
    algo: str
    options: tuple[str, ...]

    @property
    def picked(self) -> str:
        """Name of the run that validation picks."""
        return f"{self.name}{PICKED}"


@dataclass(frozen=True)
class Budget:
    """What every cell is trained for, one of both."""

    minutes: float | None = None
    decisions: int | None = None

    @property
    def options(self) -> list[str]:
        """Words of `edge6g train`."""
        return ["--minutes", f"{self.minutes:g}"] if self.decisions is None else ["--decisions", str(self.decisions)]

    def share(self, minutes: float, decisions: int) -> float:
        """How much of it is spent, 0 to 1."""
        spent, whole = (minutes, self.minutes) if self.decisions is None else (decisions, self.decisions)
        return min(1.0, spent / whole) if whole else 0.0

    def __str__(self) -> str:
        if self.decisions is not None:
            return f"{self.decisions:,} decisions"
        return f"{self.minutes:g} minute{'' if self.minutes == 1 else 's'}"


@dataclass(frozen=True)
class Cell:
    """One training run of a study: an arm and a training seed."""

    arm: Arm
    seed: int
    study: Path

    @property
    def name(self) -> str:
        """As it is called in tables and pages."""
        return f"{self.arm.name}/seed-{self.seed}"

    @property
    def folder(self) -> Path:
        """That of the run."""
        return self.study / self.arm.name / f"seed-{self.seed}"

    @property
    def log(self) -> Path:
        """What the run said."""
        return self.study / self.arm.name / f"seed-{self.seed}.log"

    @property
    def begun(self) -> bool:
        """Whether its folder has a run that can go on."""
        return kind_of_run(self.folder) == TRAIN_KIND

    @property
    def progress(self) -> Progress:
        """How far it is, as its last checkpoint says; nothing where there is none."""
        try:
            return read_progress(self.folder)
        except CheckpointError:
            return Progress()


def find_arms(algos: Sequence[str], variants: Sequence[str], options: str, read: ReadOptions) -> list[Arm]:
    """An arm for each algorithm, called as it, then those of the variants NAME=OPTIONS, of the first algorithm unless they say `--algo`.

    options: of all arms. Raises StudyError for a name that cannot be one or is there twice, and an option that the study gives itself, and
    what `read` raises, which is said of an algorithm that is not there.
    """
    if not algos:
        raise StudyError(f"no algorithm to train: there are {', '.join(ALGORITHMS)}")
    common = _words("--options", options)
    plain = [Arm(algo, algo, ("--algo", algo, *common)) for algo in algos]
    arms = [*plain, *(_variant(text, algos[0], common) for text in variants)]
    arms = [Arm(arm.name, _algo(arm, read), arm.options) for arm in arms]
    for name in (names := [arm.name for arm in arms]):
        if names.count(name) > 1:
            raise StudyError(f"{name} is there twice: each algorithm and variant has a name of its own")
    return arms


def _variant(text: str, algo: str, common: Sequence[str]) -> Arm:
    name, equals, words = text.partition("=")
    name = name.strip()
    if not equals:
        raise StudyError(f'--variant {text}: must be NAME=OPTIONS, e.g. --variant own="--with credit=own"')
    if not _NAME.fullmatch(name) or name.endswith(PICKED) or name in (*OWN, *rule_names()):
        raise StudyError(
            f"--variant {text}: {name!r} cannot name one: letters, digits and . + - _ can, but no rule's name, none of "
            f"{', '.join(OWN)}, and none that ends with {PICKED}"
        )
    return Arm(name, algo, ("--algo", algo, *common, *_words(f"--variant {name}", words)))


def _words(option: str, text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise StudyError(f"{option} {text}: {error}") from None


def _algo(arm: Arm, read: ReadOptions) -> str:
    """The algorithm that its options say last."""
    given = read(arm.options)
    if own := [GIVEN[name] for name in given if name in GIVEN]:
        raise StudyError(f"{arm.name}: {own[0]} is the study's own option, not one of its variants or --options")
    return str(given["algo"])
