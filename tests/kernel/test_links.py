"""Xn links and backhauls: the delay of each message is lognormal about the scenario's median; streams take its mean."""

import math

import numpy as np
import pytest

from edge6g_env import batch_env, costs
from edge6g_env.kernel.codes import CLOUD_WAIT, NODE_PREFILL, TARGET, TURNED_AWAY
from tests.looking import Look

MODEL = "llama-3.1-8b"
DELAY_S, SIGMA = 0.5, 0.25


@pytest.mark.parametrize(
    ("table", "name", "stage"),
    [("backhaul", "cloud, int4", CLOUD_WAIT), ("xn", "neighbour 1, int4", NODE_PREFILL)],
)
def test_the_delay_of_a_message_is_lognormal_about_its_median(make_service, table, name, stage):
    """Seen as the instant at which a job comes to its target: some 10 ms for the upload, and a median of 0.5 s."""
    more = {
        "cloud.concurrency": 100_000,
        f"{table}.delay_jitter": SIGMA,
        f"{table}.delay_s": DELAY_S,
        f"{table}.rate_bit_s": 1e15,
        "arrivals.rate_jobs_s": 60.0,
        "time.episode_s": 100.0,
        "service": [make_service(expire_s=60.0)],
        "job_rows_per_node": 512,
    }
    batch = batch_env("tiny", 4, **more)
    batch.reset(1)
    action, looks, seen = batch.action_names.index(name), [Look(batch, b) for b in range(4)], {}
    for _ in range(400):
        batch.step(np.where(batch.deciding() >= 0, action, 0))
        for b, look in enumerate(looks):
            for job in look.jobs(stage):
                took_s = job.stage_s - job.decided_slot * batch.scenario.time.slot_s
                seen.setdefault((b, int(job.number)), np.nan if look.part(job, TARGET).state == TURNED_AWAY else took_s)
    delays = np.array(list(seen.values()))
    delays = delays[~np.isnan(delays)]
    assert len(delays) > 300
    z = np.log(np.maximum(delays - 0.0105, 1e-3) / DELAY_S) / SIGMA
    assert np.median(z) == pytest.approx(0.0, abs=0.15)
    low, high = np.quantile(z, [0.1587, 0.8413])
    assert (high - low) / 2.0 == pytest.approx(1.0, abs=0.15)


def test_each_message_draws_its_own_delay(make_bench):
    """Two jobs, one way: their delays differ; the same seed gives the same two again."""
    ttft_s = []
    for _ in range(2):
        bench = make_bench(["l4"], **{"backhaul.delay_jitter": SIGMA, "backhaul.delay_s": DELAY_S})
        bench.reset(1)
        bench.lengths(100.0, 2.0)
        for _ in range(2):
            bench.send({0: math.ceil(bench.now_s + 1.0) + 0.001})
            bench.run("cloud, int4", 1)
        ttft_s.append([float(job["ttft_s"]) for job in bench.outcomes])
    assert ttft_s[0] == ttft_s[1]
    assert abs(ttft_s[0][0] - ttft_s[0][1]) > 0.01


@pytest.mark.parametrize("sigma", [0.0, 1.0])
def test_a_stream_takes_the_mean_delay_and_candidates_predict_it(make_bench, sigma):
    """A cut before the cloud: every token goes there and back, 2 median exp(sigma^2 / 2) on average."""
    bench = make_bench(["l40s"], **{"backhaul.delay_jitter": sigma, "backhaul.delay_s": 0.05})
    bench.reset(1)
    bench.lengths(100.0, 40.0)
    bench.send({0: 0.001})
    bench.step()
    name = "cloud, 0.5 of the rest at the ingress, int8"
    at = bench.batch.layout.candidate_index("tpot_s")
    predicted = float(bench.obs["candidates"][0, 0, bench.action(name), at])
    (job,) = bench.run(name, 1)
    round_trip_s = 2.0 * 0.05 * math.exp(0.5 * sigma**2)
    step_s = float(costs.decode_step_s(MODEL, "l40s", 120.0, 1.0, "int8")) / 2.0
    step_s += float(costs.decode_step_s(MODEL, "h100-80g", 120.0, 32.0, "int8")) / 2.0
    assert job["tpot_s"] == pytest.approx(round_trip_s + step_s, rel=0.02)
    assert predicted == pytest.approx(float(job["tpot_s"]), rel=0.02)
