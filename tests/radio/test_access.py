"""The wait of one message against the presets' means and against a search over the pattern."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge6g_env import radio


@pytest.mark.parametrize("name", radio.presets())
def test_mean_waits_are_those_of_the_presets(name):
    mine = radio.preset(name)
    phases = (np.arange(50_000) + 0.5) / 50_000

    def mean_s(run_slots):
        return np.mean([radio.access_wait_s(p, run_slots, mine.slot_s, mine.tdd_period_s) for p in phases])

    fixed_s = mine.slot_s + mine.processing_s
    assert mean_s(mine.downlink_slots) + fixed_s == pytest.approx(mine.downlink_latency_s, rel=1e-6)
    assert mean_s(mine.uplink_slots) + fixed_s == pytest.approx(mine.uplink_configured_latency_s, rel=1e-6)
    assert mean_s(1) == pytest.approx(mine.tdd_period_s / 2, rel=1e-6)


@given(
    part=st.integers(0, 9_999),
    run_slots=st.integers(1, 8),
    others=st.integers(0, 8),
    slot_s=st.sampled_from([0.125e-3, 0.25e-3, 0.5e-3, 1e-3]),
)
def test_wait_ends_at_the_next_start_of_the_run(part, run_slots, others, slot_s):
    phase = (part + 0.5) / 10_000  # never at a start, where the wait jumps
    period_s = (run_slots + others) * slot_s
    starts_s = np.concatenate((np.arange(run_slots) * slot_s, [period_s]))
    now_s = phase * period_s
    expected_s = starts_s[starts_s >= now_s].min() - now_s
    assert radio.access_wait_s(phase, run_slots, slot_s, period_s) == pytest.approx(expected_s, abs=1e-12)
