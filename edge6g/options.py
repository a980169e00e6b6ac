"""Options that several commands have, what their words mean, and the command line itself."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge6g.errors import CommandError

if TYPE_CHECKING:
    from agents.policy import Policy
    from edge6g_env.scenario import Scenario

MOST_SEEDS, LARGEST_SEED, MOST_THREADS, MOST_WORKERS = 1_000, 1_000_000, 1_024, 1_024

ScenarioOption = Annotated[str, typer.Option("--scenario", help="Name of a scenario, or path to a TOML file.")]
OutOption = Annotated[Path, typer.Option("--out", help="Folder for the results.")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier run in that folder.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, max=LARGEST_SEED, help="Decides everything that is drawn.")]
SeedsOption = Annotated[int, typer.Option("--seeds", min=1, max=MOST_SEEDS, help="Episodes of each policy, paired.")]
ThreadsOption = Annotated[int, typer.Option("--threads", min=1, max=MOST_THREADS, help="Threads that step the worlds.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override, e.g. --set time.slot_s=0.01; may be repeated."),
]
TAKES_MORE = {"allow_extra_args": True}  # words that stand without an option: said what they mean, not guessed


def scenarios_of(words: str) -> list[str]:
    """The scenarios that an option asks for: a file may have a comma in its name."""
    from edge6g_env.scenario import scenarios

    if words == "all":
        return scenarios()
    return [words] if Path(words).is_file() else words_of(words) or [words]


def load(scenario: str, settings: list[str] | None) -> Scenario:
    """The scenario of a name or file, with what `--set` says of it."""
    from edge6g_env.overrides import read_setting
    from edge6g_env.scenario import load_scenario

    return load_scenario(scenario, **dict(read_setting(text) for text in settings or []))


def check_commas(option: str, given: str, more: list[str]) -> None:
    """Words after an option that takes one list are its values with blanks between, or what a shell made of a pattern."""
    if more:
        words = ",".join([given, *more]).replace(",,", ",")
        raise CommandError(
            f"{option} takes one list with commas between, not blanks: {option} {words} (a pattern goes in quotes)"
        )


def words_of(text: str) -> list[str]:
    """What stands between commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def load_checkpoint(folder: Path, scenario: Scenario) -> Policy:
    """The policy of a folder of `edge6g train`."""
    import torch

    from train.checkpoint import load_policy

    torch.set_num_threads(1)  # networks this small are slower on two, by far if another process is busy
    return load_policy(folder, scenario)


def command_line() -> str:
    """The command line; bytes of a file's name that are no text are shown as such, so that every file can hold it."""
    return os.fsencode(shlex.join(["edge6g", *sys.argv[1:]])).decode("utf-8", "backslashreplace")
