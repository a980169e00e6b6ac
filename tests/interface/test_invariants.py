"""What holds in every slot of every scenario, under random legal actions."""

import numpy as np
import pytest

from edge6g_env import batch_env
from tests.short import shortened

SLOTS = 300


def inside(space, values):
    return (values >= space.low).all() and (values <= space.high).all()


def world_of(batch):
    """The state without the input buffer."""
    return {name: part for name, part in batch.save_state().items() if name != "actions"}


def test_no_job_is_lost_and_memory_suffices(scenario, legal):
    """debug=True asserts memory, rows and users inside the loop; conservation is checked here once more."""
    batch, rng = batch_env(scenario, 2, debug=True), np.random.default_rng(3)
    obs = batch.reset(3)
    for slot in range(SLOTS):
        obs, *_ = batch.step(legal(obs["action_mask"], rng))
        n = batch.counters()
        assert (n.arrived == n.finished + n.rejected + n.expired + n.failed + n.in_flight).all(), (slot, n)
    assert n.arrived.sum() > 0


@pytest.mark.parametrize("load", [1.0, 20.0])
def test_no_job_is_lost_under_overload(scenario, load, legal):
    rates = {"arrivals": {"kind": "poisson", "rate_jobs_s": 5.0 * load}}
    batch, rng = batch_env(scenario, 2, debug=True, **rates, **shortened(scenario, 3.0)), np.random.default_rng(4)
    obs = batch.reset(4)
    for slot in range(SLOTS):
        obs, *_ = batch.step(legal(obs["action_mask"], rng))
        n = batch.counters()
        assert (n.arrived == n.finished + n.rejected + n.expired + n.failed + n.in_flight).all(), (slot, n)


def test_what_leaves_is_finite_and_within_its_space(scenario, short, busy, legal):
    batch, rng = batch_env(scenario, 2, observe="candidates", **short, **busy), np.random.default_rng(5)
    space = batch.layout.agent_space(candidates=True)
    obs = batch.reset(5)
    for _ in range(SLOTS):
        obs, rewards, terminated, truncated, info = batch.step(legal(obs["action_mask"], rng))
        seen = [obs, info["final_obs"]] if truncated.any() else [obs]
        for part in seen:
            assert part["observation"].dtype == part["candidates"].dtype == np.float32
            assert part["action_mask"].dtype == np.int8
            assert all(inside(space[name], values) for name, values in part.items())
        assert not terminated.any()
        for values in (rewards, info["reward_terms"], info["costs"], batch.state()):
            assert np.isfinite(values).all()


def test_hold_is_always_legal_and_the_only_choice_without_a_job(scenario, busy, legal):
    batch, rng = batch_env(scenario, 2, **busy), np.random.default_rng(6)
    waiting = batch.layout.observation_index("job/waiting")
    obs, seen = batch.reset(6), 0
    for _ in range(SLOTS):
        mask = obs["action_mask"]
        has_job = obs["observation"][..., waiting] == 1.0
        assert (mask[..., 0] == 1).all()
        assert (mask[~has_job][:, 1:] == 0).all()
        assert (mask[has_job][:, 1] == 1).all()  # a job may always be rejected
        obs, _, _, _, info = batch.step(legal(mask, rng))
        assert np.array_equal(info["decision"] == 1, has_job)
        assert (info["action_effect"] == 0).all()
        seen += has_job.sum()
    assert seen > 0


def test_reward_is_the_sum_of_its_terms(scenario, short, busy, legal):
    own = batch_env(scenario, 2, **short, **busy, reward={"reward_mix": 0.0})
    mixed = batch_env(scenario, 2, **short, **busy, reward={"reward_mix": 0.25})
    rng, total = np.random.default_rng(7), 0.0
    obs, _ = own.reset(7), mixed.reset(7)
    for _ in range(SLOTS):
        actions = legal(obs["action_mask"], rng)
        obs, rewards, _, _, info = own.step(actions)
        shared = mixed.step(actions)[1]
        assert rewards == pytest.approx(info["reward_terms"].sum(axis=-1), rel=1e-5, abs=1e-5)
        assert shared == pytest.approx(0.75 * rewards + 0.25 * rewards.mean(axis=1, keepdims=True), abs=1e-12)
        total += np.abs(rewards).sum()
    assert total > 0.0


def test_outcomes_account_for_the_reward(scenario, short, busy, legal):
    """The worths of the jobs that ended in a step are what its agents were rewarded with."""
    batch, rng = batch_env(scenario, 3, **short, **busy, reward={"reward_mix": 0.0}), np.random.default_rng(8)
    obs, ended = batch.reset(8), 0
    for _ in range(SLOTS):
        obs, rewards, _, _, info = batch.step(legal(obs["action_mask"], rng))
        rows, worth = info["outcomes"], np.zeros_like(rewards)
        np.add.at(worth, (rows["world"], rows["agent"]), rows["worth"])
        assert worth == pytest.approx(rewards, abs=1e-9)
        ended += len(rows)
    assert ended > 0


def test_an_illegal_choice_holds_and_is_reported(scenario, busy, legal, assert_same):
    batch = batch_env(scenario, 1, **busy)
    obs, hold = batch.reset(9), np.zeros((1, batch.num_agents), np.int64)
    rng, seen = np.random.default_rng(9), set()
    for _ in range(SLOTS // 2):
        illegal = legal(1 - obs["action_mask"], rng)  # 0 where every choice is legal
        before = batch.save_state()
        held = batch.step(hold)
        kept = {name: part.copy() for name, part in held[0].items()}, world_of(batch)
        batch.load_state(before)
        obs, _, _, _, info = batch.step(illegal)
        assert_same(obs, kept[0])
        assert_same(world_of(batch), kept[1], ignore=("effect",))
        assert ((info["action_effect"] > 0) == (illegal > 0)).all()
        seen |= {batch.action_effects[effect] for effect in info["action_effect"].flat}
    assert "refused: no job is waiting" in seen
    assert len(seen - {"done"}) > 1


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda a, c: a.astype(float), "must be integers"),
        (lambda a, c: a[0], "shape"),
        (lambda a, c: a - 1, r"node_0 is -1: it must be in 0\.\."),
        (lambda a, c: a + c, "node_0 is"),
    ],
)
def test_malformed_actions_raise_and_leave_the_worlds(spoil, message, assert_same):
    batch = batch_env("tiny", 2)
    batch.reset(1)
    before = batch.save_state()
    with pytest.raises(ValueError, match=message):
        batch.step(spoil(np.zeros((2, batch.num_agents), np.int64), batch.layout.num_actions))
    assert_same(batch.save_state(), before)


def test_step_before_reset_is_refused():
    with pytest.raises(RuntimeError, match="reset"):
        batch_env("tiny", 1).step(np.zeros((1, 3), np.int64))
