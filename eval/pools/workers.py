"""Pools of workers, each a process with worlds of its own: of this machine, or of a Ray cluster (eval/pools/ray_workers.py).

A thread of this process waits for each worker that is at work. `multiprocessing.Pool` would wait for ever for the part of a worker that was
killed, and one that is killed while it waits keeps the lock that all read by; here no two workers share anything.
"""

from __future__ import annotations

import os
import pickle
import traceback
import warnings
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Lock
from typing import Any, Protocol

from edge6g_env._threads import usable_cores
from edge6g_env.errors import Caution, UserError
from eval.pools.pool import Ended, Futures, Hangar, Part, Pending, Pool, Thread

TRIES = 3  # of a part whose worker dies: judgement, one that runs out of memory does so each time


class WorkersError(UserError):
    """Workers that cannot be had, or do not live; the message says what would be right."""


class WorkerDied(Exception):
    """A worker ended in the midst of a part; the message says how."""


class Worker(Protocol):
    """A process that plays one part at a time."""

    def ask(self, part: bytes) -> bytes:
        """What `answer` makes of a part there. Raises WorkerDied."""

    def end(self) -> None:
        """End it, whatever it does, from any thread; whoever waits for its answer gets WorkerDied."""


class Source(Protocol):
    """Where workers come from."""

    def start(self) -> Worker:
        """One more."""

    def close(self) -> None:
        """Called when all have ended."""


class Workers:
    """Plays each part in one of several workers; one that dies is replaced, and its part played again."""

    def __init__(self, source: Source, workers: int) -> None:
        """workers: how many at once; they start when there are parts for them."""
        self.workers = workers
        self.tick = lambda: None
        self._source, self._lock, self._closed = source, Lock(), False
        self._all: set[Worker] = set()
        self._idle: deque[Worker] = deque()
        self._executor = ThreadPoolExecutor(workers, "edge6g-workers")

    def begin(self, parts: Sequence[Part]) -> Pending:
        """See Pool. They are played as they are now, whatever is done to them later."""
        packed = [pickle.dumps(part, pickle.HIGHEST_PROTOCOL) for part in parts]
        return Futures([self._executor.submit(self._play, part) for part in packed], self)

    def close(self) -> None:
        """See Pool."""
        with self._lock:
            self._closed, left = True, list(self._all)
        for worker in left:
            worker.end()
        self._executor.shutdown(cancel_futures=True)
        self._source.close()

    def _play(self, part: bytes) -> Any:
        """The result of a part; what it raised is raised."""
        how = ""
        for _ in range(TRIES):
            worker = self._take()
            try:
                answered = worker.ask(part)
            except WorkerDied as died:
                how = str(died)
                with self._lock:
                    self._all.discard(worker)
                continue
            self._idle.append(worker)
            came, result = pickle.loads(answered)
            if came:
                return result
            raise result
        raise WorkersError(
            f"a part was begun {TRIES} times and its worker {how} each time: is there memory for {self.workers} workers?"
        )

    def _take(self) -> Worker:
        """A worker without work, or a new one; Ended after `close`."""
        with self._lock:
            if self._closed:
                raise Ended
            with suppress(IndexError):
                return self._idle.pop()
            worker = self._source.start()
            self._all.add(worker)
            return worker


def answer(part: bytes, hangar: Hangar) -> bytes:
    """What a worker sends back: (True, result) of a part, or (False, what it raised)."""
    try:
        return pickle.dumps((True, pickle.loads(part)(hangar)), pickle.HIGHEST_PROTOCOL)
    except BaseException as error:
        error.add_note(f"in a worker, process {os.getpid()}:\n{traceback.format_exc()}")
        return _packed_error(error)


def _packed_error(error: BaseException) -> bytes:
    """The answer with an exception; of one that cannot be sent, what it says."""
    try:
        packed = pickle.dumps((False, error), pickle.HIGHEST_PROTOCOL)
        pickle.loads(packed)
        return packed
    except Exception:
        told = RuntimeError(f"{type(error).__name__}: {error}")
        told.__notes__ = error.__notes__
        return pickle.dumps((False, told), pickle.HIGHEST_PROTOCOL)


def make_pool(workers: int, threads: int = 1, ray_address: str | None = None) -> Pool:
    """The pool for so many workers of so many threads each: of a Ray cluster if an address is given, else of this machine.

    One worker of this machine is a thread of this process. Results do not depend on which it is. ray_address: HOST:PORT of its head, "auto"
    for the cluster that this machine is part of, "local" for a new one here. Warns (Caution) of workers with more threads than this process
    may use cores; raises WorkersError for less than one worker, without Ray, without the cluster, or if it is too small.
    """
    if workers < 1:
        raise WorkersError(f"--workers {workers}: it must be at least 1")
    if ray_address is not None:
        from eval.pools.ray_workers import Cluster

        return Workers(Cluster(ray_address, workers, threads), workers)
    if workers > 1 and workers * threads > (cores := usable_cores()):
        each = f" of {threads} threads" if threads > 1 else ""
        told = f"--workers {workers}{each} on {cores} core{'s' * (cores > 1)}: they wait for each other"
        warnings.warn(f"{told}, {max(1, cores // threads)} would be as fast", Caution, stacklevel=2)
    if workers == 1:
        return Thread(threads)
    from eval.pools.processes import Machine

    return Workers(Machine(threads), workers)
