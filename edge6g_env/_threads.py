"""The threads over which a batch spreads its worlds."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

_CALLER, _WORKER = "caller", "worker"
_RING = (1).to_bytes(8, sys.byteorder)


def usable_cores() -> int:
    """Cores that this process may run on, by its affinity where the system has one."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Share:
    """A part of the work: of the thread that it is handed to, or of the caller, if done with its own before that one begins."""

    def __init__(self, work: Callable[..., Any], *arguments: Any) -> None:
        self._work, self._arguments = work, arguments
        self._taker: dict[str, str] = {}
        self._end = threading.Lock()
        self._end.acquire()
        self.ended = False
        self.error: BaseException | None = None

    def is_taken_by(self, who: str) -> bool:
        """Whether it is the share of _CALLER or _WORKER: of who asks first, and for ever."""
        return self._taker.setdefault("is", who) == who

    def do(self) -> None:
        """Do it, in the caller's thread."""
        self._work(*self._arguments)

    def do_here(self) -> None:
        """Do it in a worker's thread, unless the caller has taken it; what it raises is kept for the caller."""
        if self.is_taken_by(_WORKER):
            try:
                self.do()
            except BaseException as error:
                self.error = error
            self.ended = True  # before the lock: an interrupt can hit a caller that has just got it
            self._end.release()

    def wait(self) -> None:
        """Until the worker has ended it."""
        while not self.ended:
            self._end.acquire()


class _Worker:
    """A thread that does the shares that it is handed, one after the other.

    It waits for a descriptor to be written to. A write lets the interpreter go, which the thread needs when it wakes; the release of a
    lock does not, and a thread that wakes only to wait for the interpreter costs twice the CPU time.
    """

    def __init__(self, name: str) -> None:
        self._shares: deque[_Share | None] = deque()
        ears, self._bell = _new_bell()
        self._rung = threading.Lock()
        arguments = self._shares, ears, self._bell, self._rung
        self._thread = threading.Thread(target=_serve, args=arguments, name=name, daemon=True)
        self._thread.start()

    def hand(self, share: _Share) -> None:
        """Have it done."""
        self._shares.append(share)
        os.write(self._bell, _RING)

    def end(self) -> None:
        """Have the thread end, once."""
        with self._rung:  # it may be awake, and close the bell as soon as it sees that it shall end
            self._shares.append(None)
            os.write(self._bell, _RING)

    def join(self) -> None:
        """Wait for the end of the thread."""
        self._thread.join()


def _new_bell() -> tuple[int, int]:
    """Descriptors to read from and to write to, 8 bytes each time."""
    if hasattr(os, "eventfd"):
        both = os.eventfd(0)
        return both, both
    return os.pipe()


def _serve(shares: deque[_Share | None], ears: int, bell: int, rung: threading.Lock) -> None:
    """What a worker's thread runs; between two shares it keeps nothing of the caller alive."""
    while True:
        os.read(ears, len(_RING))
        while shares:
            share = shares.popleft()
            if share is None:
                with rung:
                    for descriptor in {ears, bell}:
                        os.close(descriptor)
                return
            share.do_here()
            del share


class Threads:
    """Calls `work(first, end, ...)` for shares of 0..items, one in the caller's thread and the others in standing threads.

    They are started by the first call, and anew in a forked process, which has none of its parent's. They end with `close`,
    after which the caller's thread does it all, and with the object; the interpreter does not wait for them.
    """

    def __init__(self, threads: int, items: int) -> None:
        shares = min(threads, items)  # more would have nothing to do
        edges = np.linspace(0, items, shares + 1).astype(int).tolist()
        self._first, *self._others = pairwise(edges)
        self._items = items
        self._workers: list[_Worker] = []
        self._process = 0  # that started them

    def run(self, work: Callable[..., Any], *arguments: Any) -> None:
        """Returns when all shares are done; what a share raises is raised. On Ctrl-C those that nobody has begun are left out, and no
        thread works any more when it is raised."""
        if not self._others:
            work(*self._first, *arguments)
            return
        if self._process != os.getpid():
            self._start(len(self._others))
        shares = [_Share(work, *edges, *arguments) for edges in self._others]
        try:
            for worker, share in zip(self._workers, shares, strict=True):
                worker.hand(share)
            work(*self._first, *arguments)
            for share in shares:
                if share.is_taken_by(_CALLER):  # the thread has not begun: its core is busy with something else
                    share.do()
            for share in shares:
                if share.is_taken_by(_WORKER):
                    share.wait()
        except BaseException:
            _leave(shares)
            raise
        for share in shares:
            if share.error is not None:
                raise share.error

    def _start(self, count: int) -> None:
        self._workers, process = [], os.getpid()
        self._end_workers = weakref.finalize(self, _end, self._workers, process)
        for n in range(count):
            self._workers.append(_Worker(f"edge6g_{n}"))
        self._process = process

    def close(self) -> None:
        """End the threads; `run` works without them from now on."""
        if self._process == os.getpid():
            self._end_workers()
            for worker in self._workers:
                worker.join()
        self._workers, self._process = [], 0
        self._first, self._others = (0, self._items), []


def _leave(shares: list[_Share]) -> None:
    """Take the shares that nobody has begun and wait for the others, however often Ctrl-C is pressed meanwhile."""
    while True:
        try:
            for share in shares:
                if not share.is_taken_by(_CALLER):
                    share.wait()
            return
        except BaseException:  # of a signal's handler, whatever it raises: what came first goes on when nobody works
            continue


def _end(workers: list[_Worker], process: int) -> None:
    """End the threads, if they are those of this process."""
    if process == os.getpid():
        for worker in workers:
            worker.end()
