"""Threads of the doors: made anew in a forked process, ended by close and with the object, never needed for the numbers."""

import copy
import gc
import multiprocessing
import os
import pickle
import threading

import gymnasium
import numpy as np
import pytest

from edge6g_env import batch_env, env, parallel_env, sb3_vec_env

WAIT_S = 300.0  # a child that hangs is a failure, not a test that never ends
DOORS = {
    "batch": lambda: batch_env("tiny", 4, threads=3),
    "gym vector": lambda: gymnasium.make_vec("edge6g/Tiny-v0", num_envs=4, threads=3),
    "sb3": lambda: sb3_vec_env("tiny", 4, threads=3),
}
ONE_WORLD = {
    "parallel": lambda: parallel_env("tiny", threads=2),
    "aec": lambda: env("tiny", threads=2),
    "gym": lambda: gymnasium.make("edge6g/Tiny-v0", threads=2),
}


OTHERS = set()  # threads of worlds that other files of the same process have left to live on


@pytest.fixture(scope="module", autouse=True)
def others():
    gc.collect()
    OTHERS.update(_ours())


def _ours():
    return [thread for thread in threading.enumerate() if thread.name.startswith("edge6g") and thread not in OTHERS]


def _go(made, steps=3):
    """Rewards of some steps in which everybody holds."""
    batch = made if hasattr(made, "world") else made.batch
    actions = np.zeros((batch.num_worlds, batch.num_agents), np.int64)
    actions = actions.reshape(-1) if hasattr(made, "env_method") else actions
    return [np.array(made.step(actions)[1]) for _ in range(steps)]


@pytest.fixture(params=DOORS)
def door(request):
    made = DOORS[request.param]()
    made.seed(1) if hasattr(made, "env_method") else None
    made.reset() if hasattr(made, "env_method") else made.reset(seed=1)
    return made


def _in_a_child(work):
    """What `work` returns in a forked process; fails if it takes longer than WAIT_S."""
    context = multiprocessing.get_context("fork")
    mine, theirs = context.Pipe()
    child = context.Process(target=lambda: theirs.send(work()))
    child.start()
    came = mine.poll(WAIT_S)
    answer = mine.recv() if came else None
    child.kill() if not came else None
    child.join()
    assert came, "the child hangs"
    return answer


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_steps_as_its_parent(door, assert_same):
    _go(door)
    assert len(_ours()) == 2
    twin = copy.deepcopy(door)
    expected = _go(twin)
    assert_same(_in_a_child(lambda: _go(door)), expected)
    assert_same(_in_a_child(lambda: _in_a_child(lambda: _go(door))), expected)  # two levels, unused in between
    assert_same(_in_a_child(lambda: [_go(door), _in_a_child(lambda: _go(door))][1]), _go(twin))  # used in between
    assert_same(_in_a_child(lambda: _go(copy.deepcopy(door))), expected)
    assert_same(_in_a_child(lambda: _go(pickle.loads(pickle.dumps(door)))), expected)
    assert_same(_go(door), expected)  # and the parent goes on


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_closes_and_ends(door):
    """By os.fork, with all of the interpreter's own shutdown."""
    _go(door)
    child = os.fork()
    if child == 0:
        door.close()
        door.close()
        _go(door)
        os._exit(len(_ours()))
    assert os.waitpid(child, 0)[1] == 0
    assert len(_ours()) == 2


def test_close_ends_the_threads_and_nothing_else(door, assert_same):
    _go(door)
    twin = copy.deepcopy(door)
    assert len(_ours()) == 2
    door.close()
    assert _ours() == []
    door.close()
    expected = _go(twin)
    twin.close()
    assert_same(_go(door), expected)
    assert_same(_go(pickle.loads(pickle.dumps(door))), _go(copy.deepcopy(twin)))
    assert _ours() == []


@pytest.mark.parametrize("name", DOORS)
def test_threads_end_without_close(name):
    made = DOORS[name]()
    made.reset()
    _go(made)
    threads = _ours()
    assert len(threads) == 2
    gc.collect()
    gc.disable()  # no cycle keeps the object
    try:
        del made
        for thread in threads:
            thread.join(WAIT_S)
    finally:
        gc.enable()
    assert _ours() == []


@pytest.mark.parametrize("name", ONE_WORLD)
def test_doors_to_one_world_need_no_threads(name):
    made = ONE_WORLD[name]()
    made.reset(seed=1)
    with_threads = made.batch if name == "aec" else made.unwrapped.batch
    with_threads.step(np.zeros((1, 3), np.int64))
    assert _ours() == []
    made.close()
    made.close()
    made.reset(seed=2)


def test_gymnasium_knows_that_it_is_closed():
    envs = DOORS["gym vector"]()
    envs.reset()
    envs.close(timeout=1.0, terminate=True)  # as AsyncVectorEnv takes them
    assert envs.closed
