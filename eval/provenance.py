"""What a run was made by: command, version, commit, date, machine, changes; and the scenario beside it as TOML."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

import edge6g_env
from edge6g_env._files import write_bytes_atomic, write_text_atomic
from edge6g_env.scenario import Scenario

SCENARIO_FILE = "scenario.toml"


class Provenance(TypedDict):
    """Keys that every run.json has."""

    command: str
    version: str
    commit: str | None
    date: str
    machine: str
    cores: int
    scenario: str
    fingerprint: str
    changes: dict[str, object]


def provenance(command: str, scenario: Scenario) -> Provenance:
    """The record of a run that begins now. commit: see the function."""
    return Provenance(
        command=command,
        version=edge6g_env.__version__,
        commit=commit(),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        cores=os.cpu_count() or 1,
        scenario=scenario.id,
        fingerprint=scenario.fingerprint,
        changes=scenario.changes,
    )


def write_scenario(scenario: Scenario, folder: Path, file: str = SCENARIO_FILE) -> None:
    """Write a scenario as it is played to the folder of a run: the TOML file, and copies of its own traces that it names beside it."""
    for name, content in scenario.own_traces.items():
        write_bytes_atomic(folder / name, content)
    write_text_atomic(folder / file, scenario.to_toml())


def commit() -> str | None:
    """Commit of the checkout that the package is in, "-dirty" if it has changes; None if it is installed elsewhere."""
    return _commit(Path(edge6g_env.__file__).resolve().parent)


def _commit(folder: Path) -> str | None:
    """Commit of the checkout whose file `folder`/__init__.py is; None if it is installed elsewhere, or git is not there."""
    tracked = _git(folder, "ls-files", "__init__.py")
    described = _git(folder, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*") if tracked else None
    return described or None


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
