"""What tests look at in worlds, and change in them: the one place that knows where in a World it stands.

Records are the world's own: a field that is written is written in the world, and a record shows what its row holds by then.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from edge6g_env import _jit
from edge6g_env.batch import BatchEnv
from edge6g_env.kernel import channel, heap, mobility
from edge6g_env.kernel.codes import DISPATCH, FREE, QUEUED


@_jit.njit
def _order_arrivals(w):
    for b in range(w.ue.shape[0]):
        heap.order(w, b)


@_jit.njit
def _keep_powers(w):
    for b in range(w.ue.shape[0]):
        for u in range(w.ue.shape[1]):
            for m in range(w.cell.shape[2]):
                cell = w.cell[b, u, m]
                channel.keep_powers(w.band[w.site[cell.node].band], cell)


class Look:
    """World b of a batch, and the tables that all its worlds share."""

    def __init__(self, batch: BatchEnv, b: int = 0) -> None:
        self.batch, self._w, self._b = batch, batch.world, b

    @property
    def episode(self) -> Any:
        return self._w.episode[self._b]

    @property
    def now_s(self) -> float:
        """Time at the end of the last slot."""
        return float(self.batch.times_s()[self._b])

    def count(self, name: str) -> int:
        """A count of the episode: a field of BatchEnv.statistics()."""
        return int(getattr(self.batch.statistics(), name)[self._b])

    def node(self, i: int = 0) -> Any:
        return self._w.node[self._b, i]

    def server(self, i: int = 0) -> Any:
        return self._w.server[self._b, i]

    def variant(self, i: int = 0, v: int = 0) -> Any:
        return self._w.variant[self._b, i, v]

    def link(self, i: int = 0, k: int = 0) -> Any:
        return self._w.link[self._b, i, k]

    def service(self, s: int = 0) -> Any:
        return self._w.service[s]

    def phone(self) -> Any:
        """The device of the UEs."""
        return self._w.device[self._w.equipment[0].accelerator]

    @property
    def bands(self) -> np.recarray:
        """(Z,)."""
        return self._w.band

    def ue(self, u: int = 0) -> Any:
        return self._w.ue[self._b, u]

    def ues_of(self, i: int) -> list[int]:
        """UEs that the node serves."""
        return np.flatnonzero(self._w.ue["node"][self._b] == i).tolist()

    def layers(self, i: int = 0) -> dict[int, tuple[int, int]]:
        """{variant: (low, high)} of the layers that node i holds."""
        held = ((v, int(row.low), int(row.high)) for v, row in enumerate(self._w.variant[self._b, i]))
        return {v: (low, high) for v, low, high in held if high > low}

    def adapters(self, i: int = 0) -> set[int]:
        """Adapters that node i holds."""
        return set(np.flatnonzero(self._w.adapter["resident"][self._b, i]).tolist())

    def users(self) -> int:
        """Jobs that need weights, of all variants at all nodes."""
        return int(self._w.variant["users"][self._b].sum())

    # --- jobs ---

    def jobs(self, *stages: int) -> list[Any]:
        """Jobs in one of the stages, or all that were sent on their way, in the order of their numbers."""
        job = self._w.job[self._b]
        rows = np.flatnonzero(np.isin(job["stage"], stages) if stages else job["stage"] > QUEUED)
        return [job[row] for row in rows[np.argsort(job["number"][rows])]]

    def queue(self, i: int = 0) -> list[Any]:
        """Jobs that wait for a decision of node i, the head first."""
        return [self._w.job[self._b, row] for row in self._w.queue[self._b, i, DISPATCH, : self.node(i).n_queue]]

    def part(self, job: Any, p: int) -> Any:
        """Part of a job at its INGRESS, or at its TARGET."""
        return self._w.part[self._b, job.row, p]

    def in_flight(self) -> list[Any]:
        """Jobs that wait for a decision or are under way, in the order of their numbers."""
        return sorted(self.jobs(QUEUED) + self.jobs(), key=lambda job: job.number)

    def all_rows_are_free(self) -> bool:
        """No job has a row, and every row is on the stack of the free ones."""
        rows = self._w.job[self._b]
        return bool((rows["stage"] == FREE).all()) and int(self.episode.n_free) == len(rows) - 1

    # --- what a test changes ---

    def send(self, arrivals_s: dict[int, float]) -> None:
        """UE u's next job comes at arrivals_s[u], one of any other UE and those of loops never."""
        self._w.ue["next_arrival_s"][self._b] = self._w.ue["next_loop_s"][self._b] = np.inf
        for u, at_s in arrivals_s.items():
            self.ue(u).next_arrival_s = at_s
        self.episode.next_arrival_s = min(arrivals_s.values(), default=np.inf)
        _order_arrivals(self.batch._handle)

    def lengths(self, prompt: Any, output: Any, mean_output: float | None = None) -> None:
        """Lengths of all jobs that come from now on, and what agents know of them."""
        self._w.trace[:, 1], self._w.trace[:, 2] = prompt, output
        self._w.service["mean_output_tokens"][...] = output if mean_output is None else mean_output

    def shares(self, *shares: float) -> None:
        """Shares of the services in the jobs that come from now on."""
        self._w.service["share"][...] = shares

    def hand_over(self, u: int, i: int) -> None:
        """Let node i serve UE u from now on."""
        ue = self.ue(u)
        ue.serving, ue.node = np.flatnonzero(self._w.cell["node"][self._b, u] == i)[0], i

    def silence(self, until_s: float, u: Any = ...) -> None:
        """As if UE u, or all of them, had been handed over to the cell that they have."""
        self._w.ue["silent_until_s"][self._b, u] = until_s

    def weaken(self, by_db: Any) -> None:
        """Add to the loss of all links (B, U, M); those of UEs at rest keep it."""
        self._w.cell["coupling_loss_db"][:, :-1] += by_db
        _keep_powers(self.batch._handle)

    def scale_bands(self, factor: float) -> None:
        """Give every band so many times its width."""
        self._w.band["bandwidth_hz"] *= factor

    def set_memory(self, usable_bytes: Any, i: Any = ...) -> None:
        """Memory for weights and KV at node i, or at all of them."""
        self._w.site["usable_bytes"][i] = usable_bytes

    def hold_all_models(self) -> None:
        """Memory without end at every place, and all weights at every node from the start."""
        self._w.site["usable_bytes"][...], self._w.device["usable_bytes"][...] = 1e18, 1e18
        self._w.model["preload"][...] = 1

    def set_disks(self, load_bytes_s: float) -> None:
        """Rate at which every device reads weights."""
        self._w.device["load_bytes_s"][...] = load_bytes_s


def values(jobs: Iterable[Any], name: str) -> np.ndarray:
    """A field of some records, as it is now."""
    return np.array([row[name] for row in jobs])


# --- all worlds of a batch ----------------------------------------------------------------------------------------------


def seeds(batch: BatchEnv) -> list[int]:
    """Seed of each world."""
    return [batch.snapshot(b).seed for b in range(batch.num_worlds)]


def episodes(batch: BatchEnv) -> list[int]:
    """Number of each world's present episode."""
    return [batch.snapshot(b).episode for b in range(batch.num_worlds)]


def ues(batch: BatchEnv) -> np.recarray:
    """(B, U), where they stand now."""
    mobility.stand_ues(batch._handle)
    return batch.world.ue


def servers(batch: BatchEnv) -> np.recarray:
    """(B, N)."""
    return batch.world.server


def memory_shares(batch: BatchEnv) -> np.ndarray:
    """(B, N) weights, KV and what training holds over the memory for them."""
    server = batch.world.server
    return (server["weight_bytes"] + server["kv_bytes"] + server["training_bytes"]) / batch.world.site["usable_bytes"]


def fault_records(batch: BatchEnv) -> np.recarray:
    """(B, P) parts that can fail."""
    return batch.world.fault


def sources(batch: BatchEnv) -> np.recarray:
    """(B, S) where each service is in its trace."""
    return batch.world.source
