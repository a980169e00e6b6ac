"""Episodes that were played are kept until their run is finished, so that one that was interrupted goes on from there.

A file is found by the hash of all that decides its content: sources and data (but results) of the four packages, versions of the libraries,
scenario, seeds, policy and its name, which seeds its random stream. So nothing old can be taken for new, whatever was edited meanwhile.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np

from edge6g_env.scenario import Scenario
from eval.episodes import Episodes
from eval.files import write_bytes_atomic

FOLDER = "played"
FORMAT = 2
UNFINISHED = ".part"  # ends the name of a file that a command keeps while it works
PACKAGES = ("edge6g_env", "agents", "eval", "train")
LIBRARIES = ("numpy", "numba", "torch", "scipy")


class Kept:
    """Episodes of policies in a folder, by what they are made of."""

    def __init__(self, out: Path, scenario: Scenario, seeds: Sequence[int], identities: Mapping[str, str]) -> None:
        """out: folder of the run; identities: name of a policy in the results -> what decides its actions."""
        self._folder, self._identities, self._seeds = out / FOLDER, dict(identities), list(seeds)
        self._common = [FORMAT, code_digest(), scenario.fingerprint]

    def path(self, name: str, seeds: Sequence[int] | None = None) -> Path:
        """The file of a policy's episodes, there or not. seeds: some of the run's."""
        played = self._seeds if seeds is None else list(seeds)
        parts = json.dumps([*self._common, played, name, self._identities[name]])
        return self._folder / f"{hashlib.sha256(parts.encode()).hexdigest()[:32]}.npz"

    def get(self, name: str, seeds: Sequence[int] | None = None) -> Episodes | None:
        """The episodes of a policy, if they were played; None as well if the file cannot be read. seeds: some of the run's."""
        try:
            with np.load(self.path(name, seeds), allow_pickle=False) as stored:
                rows = json.loads(str(stored["rows"]))
                return Episodes(
                    [{key: _number(value) for key, value in row.items()} for row in rows],
                    stored["jobs"],
                    stored["promised"],
                    stored["busy_share"],
                )
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
            return None

    def put(self, name: str, episodes: Episodes, seeds: Sequence[int] | None = None) -> None:
        """Keep the episodes of a policy, at once and whole; seeds: some of the run's."""
        rows = [{key: _or_none(value) for key, value in row.items()} for row in episodes.rows]
        buffer = io.BytesIO()
        arrays = {name: getattr(episodes, name) for name in ("jobs", "promised", "busy_share")}
        np.savez(buffer, rows=np.array(json.dumps(rows)), **arrays)
        write_bytes_atomic(self.path(name, seeds), buffer.getvalue())


def _or_none(value: object) -> object:
    return None if isinstance(value, float) and math.isnan(value) else value


def _number(value: object) -> object:
    return math.nan if value is None else value


@cache
def code_digest(values: bool = True) -> str:
    """Hash of sources and data of the packages, and of what computes beneath them; values: those of rules (`agents.values`) as well."""
    root = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256(" ".join(f"{name} {version(name)}" for name in LIBRARIES).encode())
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*")):
            if path.suffix == UNFINISHED or path.match("results/*") or (not values and path.match("scenarios/*.json")):
                continue
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(path.relative_to(root).as_posix().encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
