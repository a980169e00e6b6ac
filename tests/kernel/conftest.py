"""What the kernel tests share: a bench on which jobs of known lengths arrive at known instants, and access to inner functions."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edge6g_env
from edge6g_env import _jit, batch_env
from edge6g_env.kernel.handle import handle_of

ROOT = Path(edge6g_env.__file__).resolve().parents[1]
NEVER = math.inf


def _service(name: str = "chat", model: str = "llama-3.1-8b", share: float = 1.0, **values: Any) -> dict[str, Any]:
    slo = {"ttft_slo_s": 2.0, "tpot_slo_s": 0.1, "expire_s": 500.0}
    fixed = {"privacy": "open", "trace": "azure_conv_2023", "exposure_cost": 0.0}
    return {"name": name, "model": model, "share": share, **slo, **fixed, **values}


class Bench:
    """One world without surprises: UEs stand still, the air is as fast as its top MCS, jobs come when and as long as told."""

    def __init__(
        self, devices: list[str], ues_a_node: int = 1, services: list[dict[str, Any]] | None = None, **more: Any
    ):
        options: dict[str, Any] = {
            "nodes.count": len(devices),
            "nodes.columns": len(devices),
            "nodes.devices": devices,
            "nodes.neighbours": len(devices) - 1,
            "ues.per_node": ues_a_node,
            "ues.speed_min_m_s": 1e-9,
            "ues.speed_max_m_s": 1e-9,
            "ues.hotspots": 0,
            "radio.csi_error_db": 0.0,
            "xn.delay_jitter": 0.0,
            "backhaul.delay_jitter": 0.0,
            "arrivals.rate_jobs_s": 1e-12,
            "time.episode_s": 1000.0,
            "time.warmup_s": 0.0,
            "time.drain_s": 0.0,
            "service": services or [_service()],
            "debug": True,
            "observe": "candidates",
            **more,
        }
        self.batch = batch_env("tiny", 1, **options)
        self.world = self.batch.world
        self.scenario = self.batch.scenario
        self.slot_s = self.scenario.time.slot_s
        # So much power that only the transmitter's error vector magnitude limits the air, whatever the fading.
        self.setup = self.world.setup[0]
        self.world.setup["p0_dbm"], self.world.setup["ptx_ue_dbm"] = 300.0, 1000.0
        self.outcomes: list[np.void] = []

    def reset(self, seed: int = 1) -> None:
        """An empty world in which nothing arrives until `send` says so."""
        self.obs = self.batch.reset(seed)
        self.outcomes = []
        self._next_arrivals()

    def reset_with_ue(self, node: int = 0) -> int:
        """Reset to the first seed in which the node serves a UE; returns that UE."""
        for seed in range(1, 50):
            self.reset(seed)
            if ues := self.ues_of(node):
                return ues[0]
        raise AssertionError(f"no seed puts a UE at node {node}")

    def _next_arrivals(self) -> None:
        self.world.ue["next_arrival_s"][...] = NEVER
        self.world.episode["next_arrival_s"][...] = NEVER

    def lengths(self, prompt: float, output: float, mean_output: float | None = None) -> None:
        """Lengths of all jobs that arrive from now on, and what agents know of them."""
        self.world.trace[:, 1:] = prompt, output
        self.world.service["mean_output_tokens"][...] = output if mean_output is None else mean_output

    def send(self, arrivals: dict[int, float]) -> None:
        """UE u's next job arrives at arrivals[u]."""
        self._next_arrivals()
        for u, at_s in arrivals.items():
            self.world.ue["next_arrival_s"][0, u] = at_s
        self.world.episode["next_arrival_s"][0] = min(arrivals.values())

    def ues_of(self, node: int) -> list[int]:
        """UEs that the node serves."""
        return np.flatnonzero(self.world.ue["node"][0] == node).tolist()

    def action(self, name: str) -> int:
        """Row of the action of this name."""
        return self.batch.action_names.index(name)

    @property
    def now_s(self) -> float:
        """Time at the end of the last slot."""
        return float(self.world.episode["now_s"][0])

    def step(self, name: str = "hold") -> np.ndarray:
        """One slot in which every node with a job takes the action `name`; returns the jobs that ended."""
        waiting = self.world.node["n_queue"][0] > 0
        self.obs, *_, info = self.batch.step(np.where(waiting, self.action(name), 0)[None])
        assert (info["action_effect"] == 0).all(), [self.batch.action_effects[e] for e in info["action_effect"].flat]
        self.outcomes += list(info["outcomes"])
        return info["outcomes"]

    def run(self, name: str, jobs: int, until_s: float = 300.0) -> list[np.void]:
        """Step until `jobs` more jobs have ended."""
        wanted = len(self.outcomes) + jobs
        while len(self.outcomes) < wanted:
            assert self.now_s < until_s, "the jobs do not end"
            self.step(name)
        return self.outcomes[-jobs:]

    def decided_s(self, arrival_s: float) -> float:
        """Start of the slot after the one in which a job arrives: when it is decided about at the earliest."""
        return (math.floor(arrival_s / self.slot_s) + 1) * self.slot_s

    def live(self) -> np.ndarray:
        """Rows of the jobs under way."""
        return self.world.rows[0, 0, : int(self.world.episode["n_active"][0])]


@pytest.fixture(scope="session")
def make_bench() -> Callable[..., Bench]:
    """Bench(devices, ues_a_node, services, **overrides)."""
    return Bench


@pytest.fixture(scope="session")
def make_service() -> Callable[..., dict[str, Any]]:
    """A service's table for an override."""
    return _service


@pytest.fixture(scope="session")
def planned() -> Callable[..., dict[str, Any]]:
    """An override: outages (kind, start_s, end_s, nodes) at given instants."""

    def table(*outages: tuple[Any, ...], retries: int = 3) -> dict[str, Any]:
        keys = ("kind", "start_s", "end_s", "nodes")
        return {"faults": {"retries": retries, "outage": [dict(zip(keys, one, strict=False)) for one in outages]}}

    return table


@pytest.fixture(scope="session")
def compiled() -> Callable[[Callable], Callable]:
    """Compile a function of a test that calls inner functions of the kernel; cached as the kernel is."""
    return _jit.njit


@pytest.fixture(scope="session")
def handle() -> Callable[[Any], Any]:
    """What a compiled function takes for a World."""
    return handle_of


@pytest.fixture
def legal() -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    """Random legal actions int64 (...) for masks (..., C)."""
    return lambda mask, rng: np.where(mask == 1, rng.random(mask.shape), -1.0).argmax(axis=-1)


@pytest.fixture(scope="session")
def python() -> Callable[..., str]:
    """Run code in another process; returns what it printed."""

    def run(code: str, arguments: Iterable[str] = (), root: Path = ROOT, **environment: str) -> str:
        env = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1", **environment}
        command = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=root, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    return run
