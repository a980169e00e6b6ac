"""Workers of a Ray cluster, each an actor. Needs Ray's core, the extra `edge6g[ray]`."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from eval.kept import code_digest
from eval.pools.pool import Hangar
from eval.pools.workers import WorkerDied, WorkersError, answer

ANSWERS_S = 10.0  # judgement: a head that is there takes a connection at once


class Cluster:
    """Starts actors in a Ray cluster, each with as many CPUs as it has threads."""

    def __init__(self, address: str, workers: int, threads: int) -> None:
        """address: auto, local or HOST:PORT; a process that is connected already stays so. Raises WorkersError, see make_pool."""
        try:
            import ray
        except ImportError:
            raise WorkersError(f"--ray-address {address} needs Ray: pip install 'edge6g[ray]'") from None
        self._ray, self._threads, self._digest = ray, threads, code_digest(values=False)
        self._is_ours = not ray.is_initialized()
        if self._is_ours:
            _connect(ray, address, workers * threads)
        there = int(ray.cluster_resources().get("CPU", 0))
        if there < workers * threads:
            self.close()
            raise WorkersError(
                f"--workers {workers} with --threads {threads} take {workers * threads} CPUs, and the Ray cluster at {address} has {there}"
            )

    def start(self) -> Actor:
        """See Source."""
        return Actor(self._ray, self._threads, self._digest)

    def close(self) -> None:
        """See Source."""
        if self._is_ours:
            self._ray.shutdown()


def _connect(ray: Any, address: str, cpus: int) -> None:
    _check_address(address)
    new = {"num_cpus": cpus, "include_dashboard": False} if address == "local" else {}
    try:
        with _handlers_kept():
            ray.init(address, log_to_driver=False, logging_level="ERROR", **new)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise WorkersError(f"--ray-address {address}: no Ray cluster answers: {reason}") from None


def _check_address(address: str) -> None:
    """Raise WorkersError if nobody listens there: Ray tries again for minutes."""
    host, colon, port = address.rpartition(":")
    if address in ("auto", "local"):
        return
    if not colon or not port.isdecimal() or "/" in host:
        raise WorkersError(f"--ray-address {address}: it must be auto, local, or HOST:PORT of the cluster's head")
    try:
        socket.create_connection((host, int(port)), ANSWERS_S).close()
    except (OSError, OverflowError) as error:
        raise WorkersError(f"--ray-address {address}: nobody listens there: {error}") from None


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Ray puts a handler of its own in place of that by which SIGTERM ends a run in order."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


class Actor:
    """A worker; Ray ends it with the process that started it."""

    def __init__(self, ray: Any, threads: int, digest: str) -> None:
        """threads: that step its worlds; digest: of our code, which must be that of its code."""
        self._ray, self._digest = ray, digest
        self._actor = ray.remote(_Served).options(num_cpus=threads).remote(threads)
        self._is_known = False

    def ask(self, part: bytes) -> bytes:
        """See Worker. Raises WorkersError if other code would play the part."""
        if not self._is_known:
            self._check_code()
        return self._get(self._actor.answer.remote(part))

    def end(self) -> None:
        """See Worker."""
        self._ray.kill(self._actor)

    def _check_code(self) -> None:
        node, digest = self._get(self._actor.code.remote())
        if digest != self._digest:
            raise WorkersError(
                f"the Ray node {node} has other sources or libraries than this one: install the same edge6g on all"
            )
        self._is_known = True

    def _get(self, reference: Any) -> Any:
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError:
            raise
        except self._ray.exceptions.RayError as error:
            raise WorkerDied(f"was lost to Ray ({str(error).strip().partition(chr(10))[0]})") from None


class _Served:
    """What an actor is: worlds, with which it plays parts."""

    def __init__(self, threads: int) -> None:
        import torch

        torch.set_num_threads(1)
        self._hangar = Hangar(threads)

    def code(self) -> tuple[str, str]:
        """Name of the node, and hash of what computes there."""
        import platform

        return platform.node(), code_digest(values=False)

    def answer(self, part: bytes) -> bytes:
        """See eval.pools.workers.answer."""
        return answer(part, self._hangar)
