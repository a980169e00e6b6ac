"""Pools: the same results in the same order whoever plays, whoever dies; errors come out; nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from edge6g_env._threads import usable_cores
from edge6g_env.errors import Caution
from eval.pools.pool import Hangar, Pool, Thread, play, shares
from eval.pools.processes import Machine
from eval.pools.workers import Workers, WorkersError, make_pool
from tests.parts import Dies, Episodes, Odd, Raises, Says, Writes, torch_threads, unpicklable

LONGEST_S = 120.0  # of any wait, on a busy machine
SEEDS = range(5)

PARENT = """
import sys
from pathlib import Path
from tests.parts import Writes
from eval.pools.processes import Machine
from eval.stopping import interrupts_end_in_order
from eval.pools.workers import Workers

if __name__ == "__main__":
    pool = Workers(Machine(1), 2)
    with interrupts_end_in_order() as interrupts:
        pool.tick = interrupts.check
        try:
            pool.begin([Writes(Path(sys.argv[1]))] * 2).finish()
        except KeyboardInterrupt as error:
            print(type(error).__name__)
        finally:
            pool.close()
"""


@pytest.fixture(scope="module")
def two() -> Iterator[Workers]:
    pool = Workers(Machine(1), 2)
    yield pool
    pool.close()


@pytest.fixture(scope="module")
def alone(scenario) -> list[np.ndarray]:
    """Jobs of each seed, without a pool."""
    hangar = Hangar(1)
    jobs = [Episodes(scenario, [seed])(hangar) for seed in SEEDS]
    hangar.close()
    return jobs


def wait_for(condition: Callable[[], object]) -> None:
    end_s = time.monotonic() + LONGEST_S
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.05)


def is_there(process: int) -> bool:
    """Whether it runs: one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def assert_jobs(played: list[np.ndarray], expected: list[np.ndarray]) -> None:
    assert [jobs.tobytes() for jobs in played] == [jobs.tobytes() for jobs in expected]
    assert len({jobs.tobytes() for jobs in expected}) == len(expected)  # no two are alike: their order is seen


@pytest.mark.parametrize("kind", ["thread", "one", "two", "three"])
def test_results_are_the_same_in_the_same_order_whoever_plays(scenario, alone, two, kind):
    made = {"thread": Thread, "one": lambda: Workers(Machine(1), 1), "three": lambda: Workers(Machine(1), 3)}
    pool: Pool = two if kind == "two" else made[kind]()
    parts = [Episodes(scenario, [seed]) for seed in SEEDS]
    try:
        assert_jobs(play(pool, parts), alone)
        assert_jobs(play(pool, parts[::-1]), alone[::-1])  # with worlds that have been elsewhere
    finally:
        if pool is not two:
            pool.close()


def test_a_worker_that_is_killed_in_the_midst_is_replaced_and_its_part_played_again(scenario, alone, two, tmp_path):
    parts = [Episodes(scenario, [seed], tmp_path / "died" if seed == 2 else None) for seed in SEEDS]
    assert_jobs(play(two, parts), alone)
    assert (tmp_path / "died").exists()


def test_a_worker_that_is_killed_while_it_waits_is_replaced(two):
    before = set(play(two, [Says(os.getpid, 0.5)] * 2))
    assert len(before) == 2
    assert os.getpid() not in before
    for process in before:
        os.kill(process, signal.SIGKILL)
    after = play(two, [Says(os.getpid, 0.5)] * 2)
    assert len(set(after)) == 2
    assert before.isdisjoint(after)


def test_a_part_that_ends_every_worker_is_given_up(two):
    with pytest.raises(WorkersError, match=r"begun 3 times and its worker was ended by SIGKILL each time.* 2 workers"):
        play(two, [Dies()])
    assert play(two, [Says(1)]) == [1]


def test_who_is_done_gets_the_next_part(two):
    long, *quick = play(two, [Says(os.getpid, 4.0), *[Says(os.getpid, 0.1)] * 5])
    assert len(set(quick)) == 1
    assert long not in quick


@pytest.mark.parametrize("kind", ["thread", "two"])
def test_results_come_as_they_are_there_each_with_its_place(two, kind):
    pool: Pool = two if kind == "two" else Thread()
    came = list(pool.begin([Says("slow", 1.5), Says("quick"), Says("last", 0.1)]).results())
    assert sorted(came) == [(0, "slow"), (1, "quick"), (2, "last")]
    assert came[0][1] == ("quick" if kind == "two" else "slow")
    if pool is not two:
        pool.close()


def test_what_a_part_raises_ends_results_at_once(two):
    begin_s, came = time.monotonic(), two.begin([Says(1), Says(2, 6.0), Raises(KeyError, ["first"], 0.5)]).results()
    assert next(came) == (0, 1)
    with pytest.raises(KeyError, match="first"):
        next(came)
    assert time.monotonic() - begin_s < 5.9
    assert play(two, [Says(3)]) == [3]


def test_what_a_part_raises_is_raised_with_where_it_was(two):
    with pytest.raises(KeyError) as caught:
        play(two, [Says(1), Raises(KeyError, ["first"], 0.5), Raises(ValueError, ["later, but it came before"])])
    assert caught.value.args == ("first",)
    (note,) = caught.value.__notes__
    assert "in __call__" in note
    assert note.startswith("in a worker, process ")
    assert play(two, [Says(2)]) == [2]


def test_what_cannot_be_sent_back_is_told(two):
    with pytest.raises(RuntimeError, match="Odd: one two"):
        play(two, [Raises(Odd, ["one", "two"])])
    with pytest.raises(Exception, match="pickle"):
        play(two, [Says(unpicklable)])
    with pytest.raises(Exception, match="pickle"):
        two.begin([Says(lambda: None)])


def test_a_part_is_played_as_it_was_when_it_was_begun(two):
    weights = np.zeros(3)
    pending = two.begin([Says(weights)] * 4)
    weights += 1.0
    assert np.array_equal(pending.finish(), np.zeros((4, 3)))


def test_a_worker_has_one_thread_of_torch_and_does_not_see_ctrl_c(two):
    assert play(two, [Says(torch_threads)] * 2) == [1, 1]
    processes = play(two, [Says(os.getpid, 0.5)] * 2)
    for process in processes:
        os.kill(process, signal.SIGINT)
    assert set(play(two, [Says(os.getpid, 0.5)] * 2)) == set(processes)


def test_what_tick_raises_ends_the_wait(two):
    def tick() -> None:
        raise KeyboardInterrupt

    pending, two.tick = two.begin([Says(1, 4.0)]), tick
    begin_s = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            pending.finish()
    finally:
        two.tick = lambda: None
    assert time.monotonic() - begin_s < 3.9
    assert pending.finish() == [1]


def test_close_ends_workers_whatever_they_do(tmp_path):
    pool = Workers(Machine(1), 2)
    pending = pool.begin([Writes(tmp_path)] * 3)
    wait_for(lambda: len(list(tmp_path.iterdir())) == 2)
    begin_s = time.monotonic()
    pool.close()
    assert time.monotonic() - begin_s < 5.0
    assert not any(is_there(int(path.name)) for path in tmp_path.iterdir())
    with pytest.raises(BaseException, match=r"^$"):  # no result, and no sentence: it was closed
        pending.finish()
    with pytest.raises(RuntimeError):
        pool.begin([Says(1)])
    pool.close()


@pytest.mark.parametrize(
    ("sent", "to_all", "said"),
    [
        (signal.SIGINT, True, "KeyboardInterrupt\n"),
        (signal.SIGTERM, False, "Terminated\n"),
        (signal.SIGKILL, False, ""),
    ],
)
def test_the_end_of_a_run_leaves_no_process_and_says_no_more(tmp_path, sent, to_all, said):
    """Ctrl-C goes to all processes of a terminal, SIGTERM and kill -9 to the one that was started."""
    (tmp_path / "pids").mkdir()
    (tmp_path / "parent.py").write_text(PARENT)
    environment = {**os.environ, "PYTHONPATH": "."}
    command = [sys.executable, str(tmp_path / "parent.py"), str(tmp_path / "pids")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    parent = subprocess.Popen(command, env=environment, start_new_session=True, **pipes)
    wait_for(lambda: len(list((tmp_path / "pids").iterdir())) == 2 or parent.poll() is not None)
    assert parent.poll() is None, parent.communicate()[1]
    (os.killpg if to_all else os.kill)(parent.pid, sent)
    out, err = parent.communicate(timeout=10.0)  # whoever is left keeps the pipe open
    assert (out, err) == (said, "")
    wait_for(lambda: not any(is_there(int(path.name)) for path in (tmp_path / "pids").iterdir()))


def test_ctrl_c_while_a_worker_begins_is_not_for_it():
    """It imports for seconds, when nothing of ours is there to hold a signal back."""
    pool = Workers(Machine(1), 1)
    pending = pool.begin([Says(os.getpid)])
    wait_for(lambda: pool._all)
    (worker,) = pool._all
    os.kill(worker._process.pid, signal.SIGINT)
    assert pending.finish() == [worker._process.pid]
    pool.close()


def test_which_pool_is_made(monkeypatch):
    assert isinstance(make_pool(1), Thread)
    cores = usable_cores()
    with pytest.warns(Caution, match=f"--workers {cores + 1} on {cores} core"):
        pool = make_pool(cores + 1)
    assert isinstance(pool, Workers)
    assert pool.workers == cores + 1
    pool.close()
    with pytest.raises(WorkersError, match="at least 1"):
        make_pool(0)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(WorkersError, match=r"pip install 'edge6g\[ray\]'"):
        make_pool(2, ray_address="auto")


@pytest.mark.parametrize("workers", [1, 2, 3, 7, 20])
def test_shares_are_even_and_in_order(workers):
    parts = shares(range(7), workers)
    assert [item for part in parts for item in part] == list(range(7))
    assert len(parts) == min(workers, 7)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
