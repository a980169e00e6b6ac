"""Workers of a Ray cluster, of one on this machine, where Ray is installed."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator

import pytest

from eval.pools import ray_workers
from eval.pools.pool import Hangar, play
from eval.pools.workers import Workers, WorkersError, make_pool
from tests.parts import Dies, Episodes, Raises, Says, torch_threads

pytest.importorskip("ray")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Workers]:
    pool = make_pool(2, ray_address="local")
    assert isinstance(pool, Workers)
    yield pool
    pool.close()


def test_it_plays_as_this_process_does_and_replaces_who_dies(scenario, cluster, tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    hangar = Hangar(1)
    alone = [Episodes(scenario, [seed])(hangar) for seed in range(4)]
    parts = [Episodes(scenario, [seed], tmp_path / "died" if seed == 2 else None) for seed in range(4)]
    assert [jobs.tobytes() for jobs in play(cluster, parts)] == [jobs.tobytes() for jobs in alone]
    assert (tmp_path / "died").exists()
    assert signal.getsignal(signal.SIGTERM) is before
    processes = play(cluster, [Says(os.getpid, 1.0)] * 2)
    assert len({*processes, os.getpid()}) == 3
    assert play(cluster, [Says(torch_threads)]) == [1]


def test_what_a_part_raises_comes_out(cluster):
    with pytest.raises(KeyError, match="first") as caught:
        play(cluster, [Raises(KeyError, ["first"])])
    assert "in __call__" in caught.value.__notes__[0]
    with pytest.raises(WorkersError, match="begun 3 times and its worker was lost to Ray"):
        play(cluster, [Dies()])
    assert play(cluster, [Says(1)]) == [1]


def test_a_node_with_other_sources_plays_nothing(cluster, monkeypatch):
    for worker in list(cluster._all):
        worker.end()  # so that there are CPUs for another pool
    monkeypatch.setattr(ray_workers, "code_digest", lambda **_: "other")
    pool = make_pool(1, ray_address="local")
    with pytest.raises(WorkersError, match="has other sources or libraries than this one"):
        play(pool, [Says(1)])
    pool.close()
    assert play(cluster, [Says(1)]) == [1]  # whoever was connected before stays so


def test_a_cluster_that_is_too_small_is_refused(cluster):
    with pytest.raises(
        WorkersError, match="--workers 3 with --threads 2 take 6 CPUs, and the Ray cluster at local has 2"
    ):
        make_pool(3, 2, "local")


@pytest.mark.parametrize("address", ["here", "ray://head:10001", "head:", "head:99999999"])
def test_an_address_is_checked_at_once(monkeypatch, address):
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    with pytest.raises(WorkersError, match=f"--ray-address {address}: "):
        make_pool(2, ray_address=address)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(WorkersError, match="nobody listens there"):
            make_pool(2, ray_address=nobody)
