"""Masks without `hold` for who has a job: all else is the door's, and PettingZoo takes it."""

import numpy as np
import pytest
from pettingzoo.test import parallel_api_test

from edge6g_env import parallel_env
from edge6g_env.kernel.codes import HOLD, REJECT
from edge6g_env.must_decide import MustDecide, without_hold


def test_only_who_has_no_job_may_hold():
    mask = np.array([[1, 0, 0, 0], [1, 1, 1, 0], [1, 1, 0, 0]], np.int8)  # no job; a choice; nothing but to reject it
    before = mask.copy()
    assert without_hold(mask).tolist() == [[1, 0, 0, 0], [0, 1, 1, 0], [0, 1, 0, 0]]
    assert (mask == before).all()


@pytest.mark.parametrize("observe", ["plain", "candidates"])
def test_the_world_is_the_same_under_it(observe):
    bare, wrapped = (parallel_env("tiny", skip_idle=True, observe=observe) for _ in range(2))
    env, rng, jobs = MustDecide(wrapped), np.random.default_rng(0), 0
    expected, obs = bare.reset(seed=3)[0], env.reset(seed=3)[0]
    while env.agents:
        for agent, own in obs.items():
            theirs = expected[agent]
            assert own.keys() == theirs.keys()
            assert (own["observation"] == theirs["observation"]).all()
            mask = own["action_mask"]
            assert mask[HOLD] == 1 - theirs["action_mask"][REJECT]
            assert (mask[HOLD + 1 :] == theirs["action_mask"][HOLD + 1 :]).all()
            assert env.observation_space(agent).contains(own)
            jobs += int(mask[REJECT])
        actions = {agent: int(rng.choice(np.flatnonzero(own["action_mask"]))) for agent, own in obs.items()}
        (expected, *others), (obs, *same) = bare.step(actions), env.step(actions)
        assert [list(one.items()) for one in same[:3]] == [list(one.items()) for one in others[:3]]
    # nothing is put off: every job that came is decided in the step that shows it, and again only when the world asks for it
    assert not bare.agents
    assert jobs >= int(bare.counters().arrived[0]) > 0


def test_it_is_a_parallel_environment():
    parallel_api_test(MustDecide(parallel_env("tiny", time={"episode_s": 8.0, "drain_s": 4.0, "warmup_s": 0.0})), 50)
