"""The cloud: finite places, first come first served, its batch and its price list."""

import numpy as np
import pytest

from edge6g_env import batch_env, costs
from edge6g_env.kernel.world import CLOUD_WAIT, FINISHED

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
        job = bench.world.job[0]
        live = bench.live()
        running = int(bench.world.episode["cloud_running"][0])
        most = max(most, running)
        waited = max(waited, int((job["stage"][live] == CLOUD_WAIT).sum()))
        assert running == job["in_cloud"][live].sum() <= 3
        started += sorted(set(job["number"][live][job["in_cloud"][live] == 1].tolist()) - set(started))
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


def test_delay_jitter_is_lognormal_about_the_delay():
    """Each message's delay: backhaul delay times exp(sigma z), seen as the instant at which the job comes to the cloud."""
    more = {
        "backhaul.delay_jitter": 0.25,
        "cloud.concurrency": 100_000,
        "backhaul.delay_s": 0.5,
        "backhaul.rate_bit_s": 1e15,
        "arrivals.rate_jobs_s": 60.0,
        "time.episode_s": 100.0,
        "service": [
            {
                "name": "chat",
                "model": MODEL,
                "privacy": "open",
                "share": 1.0,
                "trace": "azure_conv_2023",
                "ttft_slo_s": 2.0,
                "tpot_slo_s": 0.1,
                "expire_s": 60.0,
                "exposure_cost": 0.0,
            }
        ],
        "job_rows_per_node": 512,
    }
    batch = batch_env("tiny", 4, **more)
    batch.reset(1)
    cloud = batch.action_names.index(NAME)
    seen = {}
    for _ in range(400):
        batch.step(np.where(batch.world.node["n_queue"] > 0, cloud, 0))
        job = batch.world.job
        for b, j in zip(*np.nonzero(job["stage"] == CLOUD_WAIT), strict=True):
            row = job[b, j]
            seen[int(b), int(row["number"])] = float(row["stage_s"] - row["decided_s"])
    # decision to cloud: uplink grant and upload (some ms, at worst some tens) and 0.5 s of jittered delay
    delays = np.array(list(seen.values()))
    assert len(delays) > 500
    z = np.log(np.maximum(delays - 0.0105, 1e-3) / 0.5) / 0.25
    assert np.median(z) == pytest.approx(0.0, abs=0.15)
    low, high = np.quantile(z, [0.1587, 0.8413])
    assert (high - low) / 2.0 == pytest.approx(1.0, abs=0.15)


def test_an_expired_job_gives_its_place_back(make_bench, make_service):
    service = make_service(expire_s=1.0)
    bench = queue_of(make_bench, 1, 2, 5000.0, service=[service])
    jobs = bench.run(NAME, 2)
    assert all(job["phase"] != FINISHED for job in jobs)
    assert bench.world.episode["cloud_running"][0] == 0
    assert bench.world.episode["n_cloud_wait"][0] == 0
