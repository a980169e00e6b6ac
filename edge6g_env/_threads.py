"""The threads over which a batch spreads its worlds."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np


class Threads:
    """Calls `work(first, end)` for shares of 0..items, one in the caller's thread and the others in threads of their own.

    They are started by the first call, and anew in a forked process, which has none of its parent's. They end with `close`,
    after which the caller's thread does it all, and with the object.
    """

    def __init__(self, threads: int, items: int) -> None:
        shares = min(threads, items)  # more would have nothing to do
        self._edges = np.linspace(0, items, shares + 1).astype(int).tolist()
        self._pool: ThreadPoolExecutor | None = None
        self._process = 0  # that started the pool

    def run(self, work: Callable[[int, int], Any]) -> None:
        """Returns when all shares are done; what a share raises is raised."""
        if len(self._edges) == 2:
            work(0, self._edges[1])
            return
        if self._process != os.getpid():
            self._pool, self._process = ThreadPoolExecutor(len(self._edges) - 2, "edge6g"), os.getpid()
        assert self._pool is not None
        shares = [self._pool.submit(work, first, end) for first, end in pairwise(self._edges[1:])]
        try:
            work(0, self._edges[1])
        finally:  # on Ctrl-C too: nobody reads worlds that are being stepped
            for share in shares:
                share.result()

    def close(self) -> None:
        """End the threads; `run` works without them from now on."""
        if self._pool is not None and self._process == os.getpid():
            self._pool.shutdown()
        self._pool, self._edges = None, [0, self._edges[-1]]
