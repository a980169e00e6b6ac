"""What the kernel keeps in place of working it out again: it is what it would be, and a wrong one is seen."""

import numpy as np
import pytest

from edge6g_env import batch_env
from edge6g_env._jit import njit
from tests.kernel.inner import checks, heap, predict
from tests.looking import ues

BUSY = {"arrivals.rate_jobs_s": 40.0}


@njit
def _order(w):
    heap.order(w, 0)


@njit
def _earliest(w, later_s):
    """The earliest UE, whose next job then comes later_s later."""
    u = heap.earliest(w, 0)
    w.ue[0, u].next_arrival_s += later_s
    heap.postpone(w, 0)
    return u


@njit
def _alone(w, i, c, row):
    """Candidate c of node i as if no other had been asked for."""
    job = w.job[0, w.node[0, i].head]
    predict.begin(w, 0, i, job)
    predict.candidate(w, 0, i, job, c, row)


@njit
def _check(w):
    w.step[0].error = 0
    checks.check_kept(w, 0)
    return w.step[0].error


@pytest.fixture
def batch(legal):
    """A campus with queues, after some seconds of random decisions."""
    batch, rng = batch_env("campus", 1, observe="candidates", debug=True, **BUSY), np.random.default_rng(3)
    obs = batch.reset(3)
    for _ in range(150):
        obs, *_ = batch.step(np.array([legal(obs["action_mask"][0], rng)]))
    return batch


@pytest.mark.parametrize("per_node", [1, 2, 7, 32])
def test_the_heap_gives_ues_by_instant_and_number(per_node, handle):
    """Instants in steps of 1/4, so that many are the same."""
    batch, rng = batch_env("tiny", 1, **{"ues.per_node": per_node}), np.random.default_rng(per_node)
    batch.reset(1)
    at_s = ues(batch)["next_arrival_s"][0]
    at_s[...] = rng.integers(0, 8, at_s.size) / 4.0
    world = handle(batch)
    _order(world)
    for _ in range(6 * at_s.size):
        expected = min(range(at_s.size), key=lambda u: (at_s[u], u))
        assert _earliest(world, rng.integers(0, 4) / 4.0) == expected


def test_no_candidate_depends_on_those_before_it(batch, handle):
    shown, limits, compared = batch.observations()["candidates"][0], batch.layout.candidate_limits, 0
    world = handle(batch)
    for i, c in np.argwhere(batch.action_masks()[0] & (batch.deciding()[0] >= 0)[:, None]):
        row = np.zeros(shown.shape[-1], np.float32)
        _alone(world, i, c, row)
        clipped = np.clip(row, limits[0], limits[1])
        assert np.array_equal(clipped, shown[i, c]), (i, c)
        compared += 1
    assert compared > 100


def test_debug_sees_what_is_not_worked_out_anew(batch, handle):
    """Each of these is kept; changed behind the kernel's back, it is found."""
    world = batch.world
    assert _check(handle(batch)) == 0
    busy = int(np.flatnonzero(batch.deciding()[0] >= 0)[0])
    state = batch.save_state()
    tampered = {
        checks.MASK_STALE: lambda: world.action_mask[0, 0, busy].__setitem__(1, 0),
        checks.ARRIVAL_PASSED: lambda: world.ue["next_arrival_s"].__setitem__((0, 5), 0.0),
        checks.UE_PASSED: lambda: world.ue["link_steps"].__setitem__((0, 5), world.ue["link_steps"][0, 5] + 1),
        checks.POWER_STALE: lambda: world.cell["coupling_loss_db"].__setitem__((0, 5, 0), 90.0),
        checks.INTERFERER_FOREIGN: lambda: world.ue["interferer_bits"].__setitem__((0, 5), 1),
    }
    for error, tamper in tampered.items():
        tamper()
        assert _check(handle(batch)) == error, checks.VIOLATIONS[error]
        batch.load_state(state)


@pytest.mark.parametrize("count", ["device_jobs", "device_busy"])
def test_debug_sees_what_happens_in_the_last_slot_of_an_episode(count):
    """The next episode begins in the same step and would wipe it."""
    short = {"time.episode_s": 0.2, "time.warmup_s": 0.0, "time.drain_s": 0.0}
    batch = batch_env("tiny", 1, debug=True, **short)
    hold = np.zeros((1, batch.num_agents), np.int64)
    batch.reset(1)
    for _ in range(round(0.2 / batch.scenario.time.slot_s) - 1):
        batch.step(hold)
    batch.world.ue[count][0, 0] += 1
    with pytest.raises(AssertionError, match="device counts jobs that it does not run"):
        batch.step(hold)
