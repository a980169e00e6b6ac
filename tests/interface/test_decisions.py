"""Which job an agent decides: `deciding`, `info["job"]` and `action_masks` against what observations and outcome rows say."""

import numpy as np
import pytest

from edge6g_env import batch_env
from edge6g_env.kernel.codes import HOLD
from tests.short import shortened

SECONDS = 4.0


@pytest.fixture(params=[False, True], ids=["slot by slot", "skip_idle"])
def batch(request, scenario, busy):
    """Two worlds whose jobs end within the episode, of which there are several in the test."""
    time = shortened(scenario, 2.0)
    failing = {"faults.node_mtbf_s": 5.0, "faults.node_mttr_s": 1.0}
    return batch_env(scenario, 2, skip_idle=request.param, **time, **failing, **busy)


def test_a_job_is_the_one_that_its_outcome_row_names(batch, legal):
    """By world, agent and slot of the decision; and its age when it was decided is the time since its arrival."""
    index, slot_s = batch.layout.observation_index, batch.scenario.time.slot_s
    rng, obs, now_s = np.random.default_rng(1), batch.reset(5), np.zeros(2)
    decided, arrival_s, checked = {}, {}, 0
    for _ in range(round(SECONDS / slot_s)):
        deciding, seen = batch.deciding(), obs["observation"].copy()
        assert deciding.dtype == np.int64
        assert deciding.shape == obs["action_mask"].shape[:2]
        assert np.array_equal(deciding >= 0, seen[..., index("job/waiting")] == 1.0)
        assert (deciding.max(axis=1) < batch.counters().arrived).all()
        for b, i in np.argwhere(deciding >= 0):
            age_s = float(seen[b, i, index("job/age_s")])
            arrival_s.setdefault((b, deciding[b, i]), now_s[b] - age_s)
            assert arrival_s[b, deciding[b, i]] == pytest.approx(now_s[b] - age_s, abs=1e-5)
            decided[b, i, round(now_s[b] / slot_s)] = deciding[b, i]
        assert all(len(set(row[row >= 0])) == (row >= 0).sum() for row in deciding)
        obs, _, _, truncated, info = batch.step(legal(obs["action_mask"], rng))
        assert np.array_equal(info["job"], deciding)
        assert np.array_equal(info["decision"], deciding >= 0)
        for row in info["outcomes"]:
            if row["slot"] >= 0:
                assert decided[row["world"], row["agent"], row["slot"]] == row["job"]
                assert arrival_s[row["world"], row["job"]] == pytest.approx(row["arrival_s"], abs=1e-5)
                checked += 1
        now_s = np.where(truncated, 0.0, info["time_s"])
        for b in np.flatnonzero(truncated):
            decided = {place: job for place, job in decided.items() if place[0] != b}
            arrival_s = {place: at_s for place, at_s in arrival_s.items() if place[0] != b}
    assert checked > 100


def test_what_is_handed_out_is_the_callers_own(batch, legal):
    """Arrays that a caller has written into say nothing to the next one; masks are those that are observed, as bool."""
    rng, obs = np.random.default_rng(2), batch.reset(6)
    waited = 0
    for _ in range(40):
        masks, deciding = batch.action_masks(), batch.deciding()
        assert masks.dtype == np.bool_
        assert np.array_equal(masks, obs["action_mask"] == 1)
        assert masks[..., HOLD].all()
        assert np.array_equal(masks.sum(axis=-1) > 1, deciding >= 0)
        waited += int((deciding >= 0).sum())
        masks[...], deciding[...] = True, -7
        assert np.array_equal(batch.action_masks(), obs["action_mask"] == 1)
        assert (batch.deciding() >= -1).all()
        obs, *_, info = batch.step(legal(obs["action_mask"], rng))
        info["job"][...] = -7
        assert (batch.last_step.job >= -1).all()
    assert waited > 20


def test_nobody_decides_before_the_first_job():
    batch = batch_env("tiny", 2, **{"arrivals.rate_jobs_s": 1e-9})
    batch.reset(1)
    assert (batch.deciding() == -1).all()
    *_, info = batch.step(np.zeros((2, 3), np.int64))
    assert (info["job"] == -1).all()
    assert (info["decision"] == 0).all()
