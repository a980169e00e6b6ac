"""How Python calls the kernel's entry on the worlds of a batch."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np
from numba import typeof
from numba.core import config

from edge6g_env import _jit
from edge6g_env._cache import one_at_a_time
from edge6g_env.kernel import codes
from edge6g_env.kernel import step as kernel

Run = Callable[[int, int, int], object]


def run_of(handle: Any) -> Run:
    """`kernel.run` on the worlds of a handle, as a function of first, end and task; compiled already."""
    if config.DISABLE_JIT:
        return partial(_interpreted, handle)
    with ExitStack() as held:
        if not _jit.is_cached("step.run"):
            held.enter_context(one_at_a_time("compiling"))
        held.enter_context(_jit.compiling("step.run"))
        kernel.run(handle, 0, 0, codes.STEP)
    return partial(_entry_point(kernel.run, handle, 0, 0, codes.STEP), handle)


def _entry_point(dispatcher: Any, *arguments: Any) -> Callable[..., object]:
    """The compiled code for arguments like these, which must exist.

    Numba's dispatcher works out the types of all arguments in each call, which takes several times as long as the call itself. The
    code is found by internals of numba, so it is the dispatcher that is called where they differ.
    """
    try:
        entry = dispatcher.overloads[tuple(map(typeof, arguments))].entry_point
    except (AttributeError, LookupError, TypeError):
        return dispatcher
    return entry if callable(entry) else dispatcher


def _interpreted(handle: Any, first: int, end: int, task: int) -> None:
    """Without the compiler, numpy would warn of the integers that the random numbers let overflow."""
    with np.errstate(over="ignore"):
        kernel.run(handle, first, end, task)
