"""Access latency in the TDD pattern: the wait of one message, whose means are those of `RadioPreset`."""

from __future__ import annotations

import math

from edge6g_env._jit import njit


@njit
def access_wait_s(phase: float, run_slots: int, slot_s: float, period_s: float) -> float:
    """Wait in s for the next start of a slot of a run of `run_slots`, from `phase` in (0, 1) of the TDD period.

    The run starts at phase 0. Over uniform phases the mean is ((n-1) Ts^2 + (Tp - (n-1) Ts)^2) / (2 Tp).
    """
    now_s = phase * period_s
    last_start_s = (run_slots - 1) * slot_s
    if now_s > last_start_s:
        return period_s - now_s
    return max(min(math.ceil(now_s / slot_s) * slot_s, last_start_s) - now_s, 0.0)
