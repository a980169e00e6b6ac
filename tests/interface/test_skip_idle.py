"""skip_idle: a step runs on to the next decision, and nothing else changes."""

import numpy as np
import pytest

from edge6g_env import batch_env

STEPS = 60


def test_skipping_is_stepping_and_holding(scenario, legal, assert_same):
    """After each skipping step, as many single slots with hold lead to the same observation, rewards and outcomes."""
    skipping, single = batch_env(scenario, 1, skip_idle=True), batch_env(scenario, 1)
    waiting = single.layout.observation_index("job/waiting")
    rng, hold = np.random.default_rng(1), np.zeros((1, single.num_agents), np.int64)
    obs, _ = skipping.reset(1), single.reset(1)
    skipped = 0
    for _ in range(STEPS):
        actions = legal(obs["action_mask"], rng)
        obs, rewards, _, truncated, info = skipping.step(actions)
        slots = int(info["slots"][0])
        total, outcomes = 0.0, []
        for slot in range(slots):
            expected, r, _, ended, step_info = single.step(actions if slot == 0 else hold)
            total = total + r
            outcomes.append(step_info["outcomes"])
            if slot == 0:
                assert_same(info["action_effect"], step_info["action_effect"])
                assert_same(info["decision"], step_info["decision"])
            if slot < slots - 1:
                assert not ended.any()
                assert (expected["observation"][..., waiting] == 0.0).all()
        assert truncated.any() or (obs["observation"][..., waiting] == 1.0).any()
        assert_same(obs, expected)
        assert_same(truncated, ended)
        assert_same(info["outcomes"], np.concatenate(outcomes))
        assert rewards == pytest.approx(total, abs=1e-12)
        skipped += slots - 1
    assert skipped > 0


def test_an_episode_ends_at_the_same_slot(short, legal):
    batch, rng = batch_env("tiny", 2, skip_idle=True, **short), np.random.default_rng(2)
    obs = batch.reset(2)
    slots, time = np.zeros(2, np.int64), batch.scenario.time
    for _ in range(200):
        obs, _, _, truncated, info = batch.step(legal(obs["action_mask"], rng))
        slots += info["slots"]
        assert (slots[truncated] == time.episode_s / time.slot_s).all()
        slots[truncated] = 0
