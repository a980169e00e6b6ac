"""The threads themselves: every share is done once, whatever raises, and nobody works any more when `run` returns."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edge6g_env import _threads
from edge6g_env._threads import Threads

WAIT_S = 60.0


@pytest.fixture
def threads():
    """A function: Threads that are closed at the end of the test."""
    made = []

    def make(*arguments):
        made.append(Threads(*arguments))
        return made[-1]

    yield make
    for one in made:
        one.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("edge6g")]


class Work:
    """Notes which items are done, by which threads, and whether somebody works now; the share that begins at `slow` takes its time."""

    def __init__(self, slow=None, fails=()):
        self.done, self.by, self.busy, self.slow, self.fails = [], set(), 0, slow, fails

    def __call__(self, first, end, *more):
        self.busy += 1
        try:
            if first == self.slow:
                time.sleep(0.2)
            if first in self.fails:
                raise ArithmeticError(first)
            self.done += range(first, end)
            self.by.add(threading.current_thread().name)
        finally:
            self.busy -= 1


@pytest.mark.parametrize(("count", "items"), [(1, 1), (1, 5), (2, 2), (2, 5), (3, 16), (4, 3), (7, 7)])
def test_every_item_is_done_once(threads, count, items):
    pool = threads(count, items)
    for _ in range(50):
        work = Work()
        pool.run(work)
        assert sorted(work.done) == list(range(items))
    pool.close()
    pool.run(work := Work())
    assert work.done == list(range(items))
    assert work.by == {threading.current_thread().name}


def test_what_comes_after_the_share_is_handed_on(threads):
    seen = []
    threads(3, 3).run(lambda first, end, *more: seen.append(more), True, "idle")
    assert seen == [(True, "idle")] * 3


def test_a_thread_takes_its_share(threads):
    """The caller is held up until the other has begun."""
    begun = threading.Event()

    def work(first, end):
        if first == 0:
            assert begun.wait(WAIT_S)
        else:
            assert threading.current_thread() is not threading.main_thread()
            begun.set()

    threads(2, 2).run(work)


def test_the_caller_takes_the_share_of_a_thread_that_does_not_begin(threads, monkeypatch):
    pool, work = threads(3, 9), Work()
    pool.run(Work())
    with monkeypatch.context() as patch:
        patch.setattr(_threads._Worker, "hand", lambda *_: None)
        pool.run(work)
    assert sorted(work.done) == list(range(9))
    assert work.by == {threading.current_thread().name}


@pytest.mark.parametrize("fails", [(0,), (2,), (4,), (2, 4), (0, 2, 4)])
def test_what_a_share_raises_is_raised_when_nobody_works_any_more(threads, fails):
    pool, work = threads(3, 6), Work(slow=4, fails=fails)
    with pytest.raises(ArithmeticError) as raised:
        pool.run(work)
    assert raised.value.args[0] in fails
    assert work.busy == 0
    after = list(work.done)
    time.sleep(0.05)
    assert work.done == after
    pool.run(work := Work())  # and the threads go on
    assert sorted(work.done) == list(range(6))


def test_ctrl_c_is_raised_when_nobody_works_any_more(threads):
    """It comes three times: first while the caller waits for the thread, then while it waits to raise what came first."""
    pool, main = threads(2, 2), threading.main_thread().ident
    working, begun = [False], threading.Event()

    def work(first, end):
        if first == 0:
            assert begun.wait(WAIT_S)
            return
        working[0] = True
        begun.set()
        for _ in range(3):
            time.sleep(0.1)
            signal.pthread_kill(main, signal.SIGINT)
        time.sleep(0.1)
        working[0] = False

    with pytest.raises(KeyboardInterrupt):
        pool.run(work)
    assert not working[0]
    pool.run(noted := Work())
    assert sorted(noted.done) == [0, 1]


def test_ctrl_c_leaves_out_what_nobody_has_begun(threads, monkeypatch):
    pool, work = threads(3, 3), Work()
    pool.run(Work())
    monkeypatch.setattr(_threads._Worker, "hand", lambda *_: None)

    def interrupted(first, end):
        work(first, end)
        if first == 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pool.run(interrupted)
    assert work.done == [0]
    monkeypatch.undo()


def test_a_thread_that_is_not_the_main_one_may_call(threads):
    pool, work = threads(3, 7), Work()
    caller = threading.Thread(target=lambda: [pool.run(work) for _ in range(20)])
    caller.start()
    caller.join(WAIT_S)
    assert sorted(work.done) == sorted([*range(7)] * 20)


@pytest.mark.parametrize("has_eventfd", [True, False])
def test_descriptors_are_given_back(threads, monkeypatch, has_eventfd):
    open_files = Path("/proc/self/fd")
    if not open_files.is_dir():
        pytest.skip("the system does not list open files")
    if not has_eventfd:
        monkeypatch.delattr(os, "eventfd")
    before = len(list(open_files.iterdir()))
    pool = threads(4, 4)
    for _ in range(3):
        pool.run(work := Work())
        assert sorted(work.done) == list(range(4))
    assert len(list(open_files.iterdir())) == before + 3 * (1 if has_eventfd else 2)
    pool.close()
    assert len(list(open_files.iterdir())) == before


def test_a_thread_that_is_awake_already_ends_in_order(monkeypatch):
    """It has the news that it shall end before it is woken for it."""
    write = os.write

    def slow_write(descriptor, data):
        time.sleep(0.1)
        return write(descriptor, data)

    pool = Threads(2, 2)
    pool.run(Work())
    (worker,) = pool._workers
    with monkeypatch.context() as patch:
        patch.setattr(_threads.os, "write", slow_write)
        write(worker._bell, _threads._RING)
        waker = threading.Timer(0.05, write, (worker._bell, _threads._RING))
        waker.start()
        pool.close()
    waker.join()
    assert not worker._thread.is_alive()


def test_the_interpreter_ends_without_close():
    """One thread is idle then, another still works for a caller who is a daemon, too."""
    program = """
import threading, time
from edge6g_env._threads import Threads
idle, busy = Threads(2, 2), Threads(2, 2)
idle.run(lambda first, end: None)
begun = threading.Barrier(3)
threading.Thread(target=busy.run, args=(lambda first, end: (begun.wait(), time.sleep(1e6)),), daemon=True).start()
begun.wait()
"""
    assert subprocess.run([sys.executable, "-c", program], timeout=WAIT_S, check=False).returncode == 0
