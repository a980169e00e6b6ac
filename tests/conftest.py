"""What all tests share: the profiles of the user who runs them must not be seen, here and in processes that a test starts;
and a machine to profile that takes no time."""

from __future__ import annotations

import json
import math
import os
import signal
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.undrawn import leave_undrawn

# An example that compiles, reads the fits or waits for its turn takes a second; time is no property of the model.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
# A shell has what it starts in the background ignore Ctrl-C, and so would all that the tests start: some of them are about its end.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ["EDGE6G_PROFILE_DIR"] = str(Path(tempfile.gettempdir()) / f"edge6g-no-profiles-{os.getpid()}")


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of one pixel (tests/undrawn.py)."""
    leave_undrawn(monkeypatch)


@pytest.fixture(scope="session")
def fit_once() -> Callable[..., Any]:
    """`fit_profile` of the profiler, a function of rows and peaks alone: worked out once for equal ones."""
    from edge6g_env.profiler import fitting

    fits: dict[tuple[str, str], Any] = {}
    no_part_of_it = {"name": "any", "source": "", "usd_per_hour": None}

    def fit(real: Callable[..., Any], sheet: Any, rows: Sequence[dict[str, Any]]) -> Any:
        key = repr(replace(sheet, **no_part_of_it)), json.dumps([{**row, "device": ""} for row in rows])
        if key not in fits:
            fits[key] = real(sheet, rows)
        return replace(sheet, fit=fits[key].fit)

    return partial(fit, fitting.fit_profile)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, fit_once: Callable[..., Any]) -> Callable[..., list[None]]:
    """A clock of the profiler that calls nothing and says 1 ms, then `growth` times as much each time; Ctrl-C comes at call `stop_at`.

    Gives the list of its calls. Memory is read at 10 GB/s, a disk at 1 GB/s, and a product runs at 1 TFLOP/s.
    """
    from edge6g_env.profiler import fitting, machine, session

    monkeypatch.setattr(machine, "read_s", lambda _budget_s: machine.READ_BYTES / 1e10)
    monkeypatch.setattr(machine, "disk_s", lambda _folder: machine.DISK_BYTES / 1e9)
    monkeypatch.setattr(machine, "product_s", lambda _precision, _budget_s: 2e-12 * math.prod(machine.PROBE))
    monkeypatch.setattr(fitting, "fit_profile", fit_once)

    def install(stop_at: float = math.inf, growth: float = 1.0) -> list[None]:
        calls: list[None] = []

        def time_calls(_call: object, _budget_s: float) -> float:
            if len(calls) >= stop_at:
                raise KeyboardInterrupt
            calls.append(None)
            return 1e-3 * growth ** len(calls)

        monkeypatch.setattr(session, "time_calls", time_calls)
        return calls

    return install
