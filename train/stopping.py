"""SIGTERM, by which a cluster ends a job, as an orderly end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


class Terminated(KeyboardInterrupt):
    """SIGTERM came: ends a run as Ctrl-C does."""


@contextmanager
def sigterm_ends_in_order() -> Iterator[None]:
    """Within it SIGTERM raises Terminated; only the main thread can see to that, elsewhere nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _raise)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _raise(number: int, frame: object) -> NoReturn:
    raise Terminated
