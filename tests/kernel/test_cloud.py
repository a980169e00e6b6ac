"""The cloud: finite places, first come first served, its batch and its price list."""

import numpy as np
import pytest

from edge6g_env import costs
from edge6g_env.kernel.codes import CLOUD_WAIT, FINISHED

MODEL, CLOUD = "llama-3.1-8b", "h100-80g"
NAME = "cloud, int4"


def queue_of(make_bench, places, jobs, output, **more):
    """A bench in which `jobs` jobs go to a cloud of `places` places one after the other."""
    bench = make_bench(["l4"], ues_a_node=jobs, **{"cloud.concurrency": places, **more})
    bench.reset(1)
    bench.lengths(200.0, output)
    bench.send({u: 0.001 + 1e-5 * u for u in range(jobs)})
    return bench


def test_places_are_given_in_order_of_coming_and_never_too_many(make_bench):
    bench = queue_of(make_bench, 3, 12, 300.0)
    started, most, waited = [], 0, 0
    while len(bench.outcomes) < 12:
        assert bench.now_s < 100.0
        bench.step(NAME)
        jobs = bench.jobs()
        running = int(bench.episode.cloud_running)
        most = max(most, running)
        waited = max(waited, len(bench.jobs(CLOUD_WAIT)))
        served = [int(job.number) for job in jobs if job.in_cloud]
        assert running == len(served) <= 3
        started += sorted(set(served) - set(started))
    assert most == 3
    assert waited > 5
    assert started == list(range(12))
    assert [job["job"] for job in bench.outcomes] == list(range(12))


def test_a_full_cloud_makes_the_next_wait_for_a_place(make_bench):
    """One place: the second job starts when the first has ended, so their first tokens lie a whole service apart."""
    bench = queue_of(make_bench, 1, 3, 200.0)
    jobs = bench.run(NAME, 3)
    first_token_s = np.array([job["arrival_s"] + job["ttft_s"] for job in jobs])
    step_s = float(costs.decode_step_s(MODEL, CLOUD, 200.0 + 100.0, 32.0, "int4"))
    service_s = float(costs.prefill_s(MODEL, CLOUD, 200.0, "int4")) + 199.0 * step_s
    assert np.diff(first_token_s) == pytest.approx(np.full(2, service_s), abs=0.02)
    # No place is taken before it is free; the kernel's cost tables are within 0.1 % of the public functions.
    assert (np.diff(first_token_s) >= service_s * (1.0 - 1e-3)).all()


def test_an_expired_job_gives_its_place_back(make_bench, make_service):
    service = make_service(expire_s=1.0)
    bench = queue_of(make_bench, 1, 2, 5000.0, service=[service])
    jobs = bench.run(NAME, 2)
    assert all(job["phase"] != FINISHED for job in jobs)
    assert bench.episode.cloud_running == 0
    assert bench.episode.n_cloud_wait == 0
