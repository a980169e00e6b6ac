"""Workers that are processes of this machine, each at one end of a pipe."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import warnings
from multiprocessing.connection import Connection
from threading import Thread

from edge6g_env.errors import Caution
from eval.pools.pool import Hangar
from eval.pools.server import CONTEXT, interrupts_held_back, start_server
from eval.pools.workers import WorkerDied, answer

PATIENCE_S = 5.0  # judgement: SIGTERM ends a worker at once, unless the system is stuck


class Machine:
    """Starts processes here."""

    def __init__(self, threads: int) -> None:
        """threads: that step the worlds of each."""
        self._threads = threads

    def start(self) -> Process:
        """See Source."""
        return Process(self._threads)

    def close(self) -> None:
        """See Source."""


class Process:
    """A worker; it ends with this process, however that ends."""

    def __init__(self, threads: int) -> None:
        """threads: that step its worlds."""
        self._connection, theirs = CONTEXT.Pipe()
        arguments = theirs, threads
        self._process = CONTEXT.Process(target=_serve, args=arguments, name="edge6g-worker", daemon=True)
        start_server()
        with interrupts_held_back():
            self._process.start()
        theirs.close()  # so that its end is seen here

    def ask(self, part: bytes) -> bytes:
        """See Worker."""
        try:
            self._connection.send_bytes(part)
            return self._connection.recv_bytes()
        except (EOFError, OSError):
            self._process.kill()  # if it only closed its end
            self._process.join()
            raise WorkerDied(_told(self._process.exitcode or 0)) from None

    def end(self) -> None:
        """See Worker."""
        self._process.terminate()
        self._process.join(PATIENCE_S)
        if self._process.exitcode is None:
            self._process.kill()


def _told(status: int) -> str:
    return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"


def _serve(connection: Connection, threads: int) -> None:
    """What a worker runs: parts, one after the other, with the same worlds, until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a server that was there before
    Thread(target=_end_with_parent, daemon=True).start()
    _one_thread_of_torch()
    warnings.simplefilter("ignore", Caution)  # the process that has parts played says it, once
    hangar = Hangar(threads)
    while True:
        try:
            connection.send_bytes(answer(connection.recv_bytes(), hangar))
        except (EOFError, OSError):
            return


def _one_thread_of_torch() -> None:
    """Now or, if it is imported later, then."""
    os.environ["OMP_NUM_THREADS"] = "1"
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


def _end_with_parent() -> None:
    """End this process in the midst of whatever it does when the one that started it is gone, which a kill -9 says to nobody."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
