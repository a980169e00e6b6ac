"""What a step hands out, and how the kernel is called for it."""

import numpy as np
import pytest
from numba.core import config

from edge6g_env import BatchEnv, _entry, batch_env
from edge6g_env.kernel import step as kernel
from tests.looking import Look

SLOTS = 40


@pytest.fixture
def busy_batch(busy):
    """A function: a batch of busy worlds at its start."""

    def make(worlds=3, **options):
        made = batch_env("tiny", worlds, **options, **busy)
        made.reset(seed=4)
        return made

    return make


def _play(env, legal):
    """All that some steps hand out, copied where it is a buffer."""
    rng, handed_out = np.random.default_rng(1), []
    obs = env.observations()
    for _ in range(SLOTS):
        obs, *others = env.step(legal(obs["action_mask"], rng))
        handed_out.append([{name: array.copy() for name, array in obs.items()}, *others])
    return handed_out


def _arrays(part):
    if isinstance(part, np.ndarray):
        return [part]
    parts = part.values() if isinstance(part, dict) else part
    return [array for one in parts for array in _arrays(one)]


@pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled")
@pytest.mark.parametrize("threads", [1, 2])
def test_without_numbas_internals_its_own_call_gives_the_same(busy_batch, threads, legal, assert_same, monkeypatch):
    env = busy_batch(threads=threads)
    directly = _play(env, legal)
    assert env._run.func is not kernel.run
    with monkeypatch.context() as patch:
        patch.setattr(kernel.run, "overloads", {})
        other = busy_batch(threads=threads)
    assert other._run.func is kernel.run
    assert_same(directly, _play(other, legal))
    env.close()
    other.close()


@pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled")
@pytest.mark.parametrize("internals", [{}, {"overloads": {}}, {"overloads": None}])
def test_numbas_own_call_is_the_way_back(busy_batch, internals):
    """Of a dispatcher without overloads, with others than wanted, and with something else of that name."""
    dispatcher = type("Dispatcher", (), internals)()
    assert _entry._entry_point(dispatcher, 0, False) is dispatcher


def test_the_first_call_may_follow_a_loaded_state(busy_batch, legal, assert_same):
    env = busy_batch()
    loaded = batch_env(env.scenario, 3)
    loaded.load_state(env.save_state())
    assert_same(_play(env, legal), _play(loaded, legal))


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (4, 3)])
def test_only_observations_are_buffers(shape, busy):
    worlds, nodes = shape
    env = batch_env(
        "tiny", worlds, **busy, nodes={"count": nodes}, time={"episode_s": 0.5, "warmup_s": 0.0, "drain_s": 0.0}
    )
    env.reset(seed=1)
    buffers = [np.asarray(array) for array in env.world]
    ended = False
    while not ended:
        obs, *others = env.step(np.zeros(shape, np.int64))
        info = others[-1]
        ended = "final_obs" in info
        final = info.pop("final_obs", {})
        assert all(any(np.shares_memory(a, b) for b in buffers) for a in _arrays([obs, final]))
        assert not any(np.shares_memory(a, b) for a in _arrays(others) for b in buffers)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.uint8, np.uint32, np.int64, np.uint64, ">i4"])
def test_actions_are_integers_of_any_type_and_order(busy_batch, dtype, assert_same):
    env, wanted = busy_batch(), np.arange(9).reshape(3, 3) % 2
    state = env.save_state()
    env.step(wanted)
    after = env.save_state()
    for actions in (wanted.astype(dtype), np.asfortranarray(wanted.astype(dtype)), wanted.astype(dtype)[::-1][::-1]):
        env.load_state(state)
        env.step(actions)
        assert_same(env.save_state(), after)


@pytest.mark.parametrize(
    ("dtype", "wrong"),
    [(np.int64, -1), (np.int64, 2**62), (np.int8, -128), (np.uint64, 2**64 - 1), (np.uint64, 2**63), (np.int16, 53)],
)
def test_an_action_outside_the_table_is_named(busy_batch, dtype, wrong, assert_same):
    env = busy_batch()
    actions = np.zeros((3, 3), dtype)
    actions[1, 2] = wrong
    before = env.save_state()
    last = env.layout.num_actions - 1
    wrong = max(wrong, last + 1) if wrong >= 0 else wrong
    actions[1, 2] = wrong
    with pytest.raises(ValueError, match=rf"action of world 1, node_2 is {wrong}: it must be in 0\.\.{last}"):
        env.step(actions)
    assert_same(env.save_state(), before)


@pytest.mark.parametrize("actions", [[[0, 0, 0]], np.zeros((3, 3)), np.zeros((3, 3), bool), np.zeros(9, int), None])
def test_actions_of_another_form_are_refused(busy_batch, actions, assert_same):
    env = busy_batch()
    before = env.save_state()
    with pytest.raises(ValueError, match=r"actions must be integers of shape \(3, 3\)"):
        env.step(actions)
    assert_same(env.save_state(), before)


def test_outcomes_of_one_world_are_a_part_of_all(busy_batch):
    env, seen = busy_batch(), 0
    for _ in range(SLOTS):
        outcomes = env.step(np.ones((3, 3), np.int64))[4]["outcomes"]
        parts = [env.outcomes(b) for b in range(3)]
        assert np.array_equal(np.concatenate(parts), outcomes)
        assert all((part["world"] == b).all() for b, part in enumerate(parts))
        assert [len(part) for part in parts] == np.bincount(outcomes["world"], minlength=3).tolist()
        seen += len(outcomes)
    assert seen > 0


def test_a_violated_invariant_is_raised_with_world_and_time():
    env = BatchEnv("tiny", 3, debug=True)
    env.reset(seed=1)
    env.step(np.zeros((3, 3), np.int64))
    Look(env, 1).server(0).kv_bytes = -1e6
    with pytest.raises(AssertionError, match=r"world 1, step to 0\.04 s: "):
        env.step(np.zeros((3, 3), np.int64))
