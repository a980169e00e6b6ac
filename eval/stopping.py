"""SIGTERM, by which a cluster ends a job, and Ctrl-C as an orderly end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(KeyboardInterrupt):
    """SIGTERM came: ends a run as Ctrl-C does."""


class Interrupts:
    """The first interrupt that came; `check` raises it again.

    What a signal's handler raises is lost if it comes in the midst of a finaliser or a callback of the garbage collector, where
    Python prints exceptions and goes on. A scheduler sends its signal once, so long work asks again at every step.
    """

    def __init__(self) -> None:
        self._came: type[KeyboardInterrupt] | None = None

    def check(self) -> None:
        """Raise KeyboardInterrupt or Terminated if one has come."""
        if self._came is not None:
            raise self._came

    def handle(self, number: int, frame: FrameType | None) -> None:
        """The handler of SIGINT and SIGTERM."""
        self._came = self._came or (Terminated if number == signal.SIGTERM else KeyboardInterrupt)
        raise self._came


@contextmanager
def interrupts_end_in_order() -> Iterator[Interrupts]:
    """Within it SIGTERM raises Terminated and Ctrl-C KeyboardInterrupt, and `check` of what it yields does so once more.

    Only the main thread can see to that, elsewhere nothing changes; a SIGINT that is ignored stays so (`nohup`, a shell's `&`).
    """
    interrupts = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, interrupts.handle)}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        before[signal.SIGINT] = signal.signal(signal.SIGINT, interrupts.handle)
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
