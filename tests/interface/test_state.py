"""save_state, load_state, deepcopy and pickle: exact, and a copy never touches the original."""

import copy
import io
import pickle

import gymnasium
import numpy as np
import pytest

from edge6g_env import batch_env, env, parallel_env, sb3_vec_env

DOORS = {
    "batch": lambda **o: batch_env("tiny", 2, **o),
    "parallel": lambda **o: parallel_env("tiny", **o),
    "aec": lambda **o: env("tiny", **o),
    "gym": lambda **o: gymnasium.make("edge6g/Tiny-v0", **o),
    "gym vector": lambda **o: gymnasium.make_vec("edge6g/Tiny-v0", num_envs=2, **o),
    "sb3": lambda **o: sb3_vec_env("tiny", 2, **o),
}


@pytest.fixture(params=DOORS)
def door(request):
    return request.param


@pytest.fixture
def roll(legal, busy):
    """A function: reset a door if a seed is given, step it on, return all that it showed."""

    def go(made, steps, seed=None, actions_seed=0):
        rng = np.random.default_rng(actions_seed)
        shown = []
        if seed is not None:
            made.seed(seed) if hasattr(made, "env_method") else None
            made.reset() if hasattr(made, "env_method") else made.reset(seed=seed)
        for _ in range(steps):
            shown.append(copy.deepcopy(_step(made, legal, rng)))
        return shown

    return go


def _step(made, legal, rng):
    if hasattr(made, "agent_selection"):
        agent = made.agent_selection
        made.step(legal(made.observe(agent)["action_mask"], rng))
        return made.last()
    batch = made if hasattr(made, "world") else made.batch
    actions = legal(batch.action_masks(), rng)
    if hasattr(made, "possible_agents"):
        actions = actions[0]
        if hasattr(made, "agents"):
            actions = dict(zip(made.possible_agents, actions.tolist(), strict=True))
    elif hasattr(made, "env_method"):
        actions = actions.reshape(-1)
    return made.step(actions)


def test_a_loaded_state_goes_on_as_the_original(door, busy, roll, assert_same):
    made, fresh = DOORS[door](**busy), DOORS[door](**busy)
    roll(made, 20, seed=4)
    state = made.save_state()
    expected = roll(made, 20)
    roll(fresh, 5, seed=99)
    fresh.load_state(state)
    assert_same(roll(fresh, 20), expected)
    made.load_state(state)
    assert_same(roll(made, 20), expected)


def test_a_state_may_be_loaded_before_any_reset(door, busy, roll, assert_same):
    made, fresh = DOORS[door](**busy), DOORS[door](**busy)
    roll(made, 20, seed=4)
    fresh.load_state(made.save_state())
    assert_same(roll(fresh, 20), roll(made, 20))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))])
def test_rolling_a_copy_does_not_touch_the_original(door, copied, busy, roll, assert_same):
    made = DOORS[door](**busy)
    roll(made, 20, seed=4)
    before = made.save_state()
    clone = copied(made)
    shown = roll(clone, 20)
    assert_same(made.save_state(), before)
    assert_same(roll(made, 20), shown)


def test_a_saved_state_is_a_copy(door, busy, roll, assert_same):
    made = DOORS[door](**busy)
    roll(made, 10, seed=4)
    state = made.save_state()
    kept = copy.deepcopy(state)
    roll(made, 10)
    made.load_state(state)
    roll(made, 10)
    assert_same(_plain(state), _plain(kept))


def _plain(state):
    return {name: part for name, part in state.items() if name != "turns"}


def test_the_end_of_an_episode_is_part_of_the_state(short, assert_same):
    made, fresh = parallel_env("tiny", **short), parallel_env("tiny", **short)
    made.reset(seed=1)
    while made.agents:
        made.step(dict.fromkeys(made.agents, 0))
    fresh.load_state(made.save_state())
    assert fresh.agents == []
    assert_same(fresh.state(), made.state())
    assert_same(fresh.reset(), made.reset())


def test_states_are_plain_arrays(busy, roll):
    """np.savez writes them and np.load reads them without pickle."""
    for door in ("batch", "parallel", "gym"):
        made = DOORS[door](**busy)
        roll(made, 10, seed=4)
        file = io.BytesIO()
        np.savez(file, **made.save_state())
        file.seek(0)
        before = made.save_state()
        roll(made, 3, seed=5)
        made.load_state(dict(np.load(file, allow_pickle=False)))
        after = made.save_state()
        assert all(before[name].tobytes() == after[name].tobytes() for name in ("roster", "action_mask", "fingerprint"))


def test_a_state_that_does_not_fit_is_refused(assert_same):
    made = parallel_env("tiny")
    made.reset(seed=1)
    before = made.save_state()
    for other in (batch_env("tiny", 1), batch_env("tiny", 2), parallel_env("campus")):
        with pytest.raises(ValueError, match="does not fit"):
            made.load_state(other.save_state())
    assert_same(made.save_state(), before)


def test_gymnasium_wrappers_reach_the_world(busy, assert_same):
    made = gymnasium.wrappers.TimeLimit(gymnasium.make("edge6g/Tiny-v0", **busy), 10)
    made.reset(seed=1)
    state = made.get_wrapper_attr("save_state")()
    first = made.step(np.zeros(3, np.int64))
    made.get_wrapper_attr("load_state")(state)
    assert_same(first, made.step(np.zeros(3, np.int64)))
