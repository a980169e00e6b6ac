"""The AEC environment beyond PettingZoo's own checks."""

import numpy as np
import pytest
from pettingzoo.utils.conversions import aec_to_parallel

from edge6g_env import env
from edge6g_env.aec import raw_env
from edge6g_env.parallel import Edge6gParallelEnv


def test_everything_is_found_through_it():
    made = env("tiny")
    made.reset(seed=1)
    assert made.action_names[0] == "hold"
    assert made.state_space.contains(made.state())
    assert made.counters().arrived.shape == (1,)
    assert len(made.outcomes("node_0")) == 0
    assert str(made) == "tiny_v0"
    assert isinstance(aec_to_parallel(made), Edge6gParallelEnv)
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = made.no_such_name


def test_a_malformed_action_is_refused_in_its_own_turn(assert_same):
    made = env("tiny")
    made.reset(seed=1)
    made.step(0)
    before = made.save_state()
    for wrong in (-1, 10_000, 1.5, None):
        with pytest.raises(ValueError, match="node_1"):
            made.step(wrong)
    after = made.save_state()
    assert made.agent_selection == "node_1"
    assert_same(before.pop("turns")["rewards"], after.pop("turns")["rewards"])
    assert_same(before, after)


def test_an_ended_agent_acts_with_none(short):
    made = raw_env("tiny", **short)
    made.reset(seed=1)
    seen = set()
    for agent in made.agent_iter():
        _, _, terminated, truncated, _ = made.last()
        assert not terminated
        if truncated:
            with pytest.raises(ValueError, match="must be None"):
                made.step(0)
            seen.add(agent)
        made.step(None if truncated else 0)
    assert seen == set(made.possible_agents)
    assert made.agents == []


def test_a_state_is_restored_in_the_middle_of_a_round(busy, assert_same):
    made = env("tiny", **busy)
    made.reset(seed=1)
    for c in (0, 0, 0, 0):
        made.step(c)
    state = made.save_state()
    assert made.agent_selection == "node_1"

    def go_on():
        shown = []
        for _ in range(20):
            shown.append(made.last())
            made.step(np.int64(1))
        return shown

    first = go_on()
    made.load_state(state)
    assert made.agent_selection == "node_1"
    assert_same(go_on(), first)


def test_observations_are_fresh():
    made = env("tiny")
    made.reset(seed=1)
    made.observe("node_0")["observation"][:] = 7.0
    assert not (made.observe("node_0")["observation"] == 7.0).all()
