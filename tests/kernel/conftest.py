"""What the kernel tests share: a bench on which jobs of known lengths arrive at known instants, an air that is looked at from outside,
and access to inner functions."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import edge6g_env
from benchmarks import ideal
from edge6g_env import _jit, batch_env
from edge6g_env.kernel.codes import DISPATCH, SPARE
from tests.kernel.inner import channel, rates, traffic
from tests.looking import Look, ues

ROOT = Path(edge6g_env.__file__).resolve().parents[1]


def _service(name: str = "chat", model: str = "llama-3.1-8b", share: float = 1.0, **values: Any) -> dict[str, Any]:
    slo = {"ttft_slo_s": 2.0, "tpot_slo_s": 0.1, "expire_s": 500.0}
    fixed = {"privacy": "open", "trace": "azure_conv_2023", "exposure_cost": 0.0}
    return {"name": name, "model": model, "share": share, **slo, **fixed, **values}


class Bench(Look):
    """One world without surprises: UEs stand still, the air is as fast as its top MCS and free of errors and, unless drawn, of random
    latencies; jobs come when and as long as told."""

    def __init__(
        self,
        devices: list[str],
        ues_a_node: int = 1,
        services: list[dict[str, Any]] | None = None,
        drawn: bool = False,
        **more: Any,
    ):
        options: dict[str, Any] = {
            "nodes.count": len(devices),
            "nodes.columns": len(devices),
            "nodes.devices": devices,
            "nodes.neighbours": len(devices) - 1,
            "ues.per_node": ues_a_node,
            "ues.mobility": "stationary",
            "ues.hotspots": 0,
            "radio.csi_error_db": 0.0,
            "radio.background_load": 0.0,
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
        super().__init__(batch_env("tiny", 1, **options))
        self.scenario = self.batch.scenario
        self.slot_s = self.scenario.time.slot_s
        ideal.without_limits(self.bands)
        if not drawn:
            ideal.without_waits(self.bands)
        self.outcomes: list[np.void] = []

    def reset(self, seed: int = 1) -> None:
        """An empty world in which nothing arrives until `send` says so."""
        self.obs = self.batch.reset(seed)
        self.outcomes = []
        self.send({})

    def reset_with_ue(self, node: int = 0) -> int:
        """Reset to the first seed in which the node serves a UE; returns that UE."""
        for seed in range(1, 50):
            self.reset(seed)
            if ues := self.ues_of(node):
                return ues[0]
        raise AssertionError(f"no seed puts a UE at node {node}")

    def action(self, name: str) -> int:
        """Row of the action of this name."""
        return self.batch.action_names.index(name)

    def step(self, name: str = "hold") -> np.ndarray:
        """One slot in which every node with a job takes the action `name`; returns the jobs that ended."""
        waiting = self.batch.deciding()[0] >= 0
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

    def decide(self, u: int, s: int, name: str) -> Any:
        """A job of service s at UE u, decided about in the first slot after it; returns it."""
        before = {int(job.number) for job in self.in_flight()}
        self.shares(*(float(n == s) for n in range(len(self.scenario.service))))
        self.send({u: self.now_s + 1e-4})
        self.step()
        self.step(name)
        (job,) = [job for job in self.in_flight() if int(job.number) not in before]
        return job

    def wait(self, done: Callable[[], bool], most_s: float) -> None:
        """Step until something has come."""
        end_s = self.now_s + most_s
        while not done():
            assert self.now_s < end_s, "it does not come"
            self.step()

    def decided_s(self, arrival_s: float) -> float:
        """Start of the slot after the one in which a job arrives: when it is decided about at the earliest."""
        return (math.floor(arrival_s / self.slot_s) + 1) * self.slot_s


@_jit.njit
def _ask(w, up, senders, now_s, out):
    for b in range(out.shape[0]):
        for u in range(out.shape[1]):
            if up:
                out[b, u, 0], out[b, u, 1] = rates.uplink(w, b, u, senders, now_s)
            else:
                out[b, u, 0], out[b, u, 1] = rates.downlink(w, b, u, 1, now_s)


@_jit.njit
def _look(w, now_s, out):
    for b in range(out.shape[0]):
        for u in range(out.shape[1]):
            for m in range(out.shape[2]):
                out[b, u, m] = channel.link_loss_db(w, b, u, m, now_s)


class Air(Look):
    """Worlds of many UEs and no jobs, without other traffic; what the kernel says of their radio at any instant from now on."""

    STRIDE: ClassVar = {  # a metre a slot, without a pause: every slot renews every link
        "ues.mobility": "waypoint",
        "ues.speed_min_m_s": 20.0,
        "ues.speed_max_m_s": 20.0,
        "ues.pause_s": 0.0,
    }

    def __init__(self, worlds: int = 1, scenario: str = "tiny", **more: Any):
        options: dict[str, Any] = {
            "time.slot_s": 0.05,
            "time.episode_s": 1000.0,
            "ues.mobility": "stationary",
            "ues.hotspots": 0,
            "ues.per_node": 64,
            "radio.background_load": 0.0,
            "arrivals.rate_jobs_s": 1e-9,
            **more,
        }
        super().__init__(batch_env(scenario, worlds, **options))
        self.scenario, self.handle = self.batch.scenario, self.batch._handle

    def reset(self, seed: int) -> Air:
        """A new episode; returns itself."""
        self.batch.reset(seed)
        return self

    def step(self, slots: int = 1) -> None:
        """Let time pass."""
        for _ in range(slots):
            self.batch.step(np.zeros((self.batch.num_worlds, self.batch.num_agents), np.int64))

    @property
    def links(self) -> np.ndarray:
        """(B, U, M) candidate links."""
        return self.batch.world.cell[:, :-1]

    @property
    def ues(self) -> np.recarray:
        """(B, U), where they stand now."""
        return ues(self.batch)

    @property
    def nodes(self) -> np.recarray:
        """(B, N)."""
        return self.batch.world.node

    def taps(self) -> np.ndarray:
        """(B, U, 4, L) of the serving links: real part, imaginary part, power with the ray, the same a step before."""
        n_taps = int(self.bands["n_taps"][0])
        return self.batch.world.tap[..., :n_taps]

    def serving(self, values: np.ndarray) -> np.ndarray:
        """(B, U) of the serving cell from values (B, U, M) of all candidates."""
        return np.take_along_axis(values, self.ues["serving"][..., None], axis=2)[..., 0]

    def band_of_links(self) -> np.ndarray:
        """(B, U, M) index of the band of each candidate."""
        return self.batch.world.site["band"][self.links["node"]]

    def distances_m(self) -> np.ndarray:
        """(B, U, M) ground distance of UE and candidate cell."""
        ue, site, cell = self.ues, self.batch.world.site, self.links["node"]
        return np.hypot(
            ue["x_m"][..., None] - site["x_m"][cell],
            ue["y_m"][..., None] - site["y_m"][cell],
        )

    def losses_db(self, now_s: float) -> np.ndarray:
        """(B, U, M) coupling loss with blockage."""
        out = np.zeros(self.links.shape)
        _look(self.handle, now_s, out)
        return out

    def uplink(self, now_s: float, senders: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """(B, U) throughput in bit/s of uploads that share a cell with others, and block error rate."""
        return self._both(True, senders, now_s)

    def downlink(self, now_s: float) -> tuple[np.ndarray, np.ndarray]:
        """The same of the downlink."""
        return self._both(False, 1, now_s)

    def _both(self, up: bool, senders: int, now_s: float) -> tuple[np.ndarray, np.ndarray]:
        out = np.zeros((*self.ues.shape, 2))
        _ask(self.handle, up, senders, now_s, out)
        return out[..., 0], out[..., 1]


@pytest.fixture(scope="session")
def make_air() -> type[Air]:
    """Air(worlds, scenario, **overrides)."""
    return Air


@pytest.fixture(scope="session")
def make_bench() -> Callable[..., Bench]:
    """Bench(devices, ues_a_node, services, **overrides)."""
    return Bench


@pytest.fixture(scope="session")
def make_service() -> Callable[..., dict[str, Any]]:
    """A service's table for an override."""
    return _service


ARRIVED = ("service", "ue", "arrival_s", "prompt_tokens", "output_tokens")


@_jit.njit
def _let_arrive(w, end_s, counts, first):
    for b in range(counts.shape[0]):
        episode = w.episode[b]
        while episode.next_arrival_s < end_s:
            traffic.arrive(w, b, np.nextafter(episode.next_arrival_s, np.inf))
            for i in range(w.node.shape[1]):
                for place in range(w.node[b, i].n_queue):
                    job = w.job[b, w.queue[b, i, DISPATCH, place]]
                    if b == 0:
                        first[job.number, 0], first[job.number, 1], first[job.number, 2] = (
                            job.service,
                            job.ue,
                            job.arrival_s,
                        )
                        first[job.number, 3], first[job.number, 4] = job.prompt_tokens, job.output_tokens
                    counts[b, job.service] += 1
                    w.roster[b, SPARE, episode.n_free] = job.row
                    episode.n_free += 1
                w.node[b, i].n_queue = 0


@pytest.fixture(scope="session")
def draw() -> Callable[[Any, float], tuple[np.ndarray, np.ndarray]]:
    """Arrivals alone, without radio and service, from an instant before which all have arrived until some seconds: (counts (B, S),
    jobs (*ARRIVED) of the first world)."""

    def run(batch: Any, until_s: float) -> tuple[np.ndarray, np.ndarray]:
        counts = np.zeros((batch.num_worlds, len(batch.scenario.service)), np.int64)
        before = int(batch.world.episode["next_job"][0])
        first = np.zeros((before + int(10 * batch.scenario.arrivals.rate_jobs_s * until_s) + 100, len(ARRIVED)))
        _let_arrive(batch._handle, float(until_s), counts, first)
        jobs = [*map(tuple, first[before : before + counts[0].sum()])]
        return counts, np.array(jobs, dtype=[(name, float) for name in ARRIVED])

    return run


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
    """What a compiled function takes for the worlds of a batch."""
    return lambda batch: batch._handle


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
