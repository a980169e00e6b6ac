"""What the tests of the cost model share: measured rows, read here and not through the package."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from edge6g_env import costs

Rows = list[dict[str, str]]
DATA = resources.files("edge6g_env.costs") / "data"


@pytest.fixture(scope="session")
def table() -> Callable[[str], Rows]:
    """Reader of a CSV file below the data folder."""
    return lambda name: list(csv.DictReader((DATA / name).read_text(encoding="utf-8").splitlines()))


@pytest.fixture(scope="session")
def column() -> Callable[[Rows, str], np.ndarray]:
    """A column of rows as float64."""
    return lambda rows, name: np.array([float(row[name]) for row in rows])


@pytest.fixture(scope="session")
def error_percent() -> Callable[[np.ndarray, np.ndarray], float]:
    """Mean absolute relative error of a prediction, percent."""
    return lambda predicted, measured: float(100 * np.mean(np.abs(predicted / measured - 1)))


@pytest.fixture(scope="session")
def model_of() -> Callable[[dict[str, str]], costs.ModelSpec]:
    """The shape that a row of layer times describes, as a model."""

    def build(row: dict[str, str]) -> costs.ModelSpec:
        hidden, heads = int(row["hidden"]), int(row["heads"])
        return replace(
            costs.model("llama-2-7b"),
            name=row["model"],
            hidden=hidden,
            ffn=int(row["ffn"]),
            heads=heads,
            kv_heads=int(row["kv_heads"]),
            head_dim=hidden // heads,
            gated_mlp=int(row["gated"]),
        )

    return build


@pytest.fixture
def profile_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty folders for profiles and measurements; fewer points, and hardly any time for each."""
    from edge6g_env.profiler import machine, plan, session

    monkeypatch.setenv("EDGE6G_PROFILE_DIR", str(tmp_path / "profiles"))
    monkeypatch.setenv("EDGE6G_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(session, "PASS_S", 1e-4)
    monkeypatch.setattr(machine, "READ_BYTES", 2**16)
    monkeypatch.setattr(machine, "DISK_BYTES", 2**20)
    monkeypatch.setattr(plan, "FIT_TOKENS", (1, 2, 4, 8, 16))
    monkeypatch.setattr(plan, "HELD_OUT_TOKENS", (3, 12))
    return tmp_path / "profiles"
