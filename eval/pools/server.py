"""The process that workers are forked from: it has imported what they need and has no thread.

A fork of the process that has parts played would have locks that its threads held (numba, torch, those that step worlds), and nobody to let
them go. On macOS not even a fork of a process without threads is safe: workers are new processes there, and there is no server.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker

FORKS = sys.platform == "linux"
CONTEXT = multiprocessing.get_context("forkserver") if FORKS else multiprocessing.get_context("spawn")
OURS = ("edge6g_env", "agents", "eval")


def start_server(modules: Sequence[str] | None = None) -> None:
    """Have it import modules, beside whatever this process does next; without effect where it runs.

    modules: where this process has not yet imported what the parts need. Without them it imports our modules that this process has, and
    torch if it has that: it takes two seconds, and else no part needs it.
    """
    if FORKS:
        CONTEXT.set_forkserver_preload(list(_imported() if modules is None else modules))
        with interrupts_held_back():
            forkserver.ensure_running()


def _imported() -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] in OURS or name == "torch"]


@contextmanager
def interrupts_held_back() -> Iterator[None]:
    """A process that is started within it never gets a Ctrl-C, which a terminal sends to all: this one ends the others in order."""
    resource_tracker.ensure_running()  # it lets the signal through again when it is started
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
