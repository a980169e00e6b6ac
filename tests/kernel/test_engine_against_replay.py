"""The fluid engine of a node against `costs.replay`, which serves the same requests iteration by iteration (COSTS 10)."""

import numpy as np
import pytest

from edge6g_env import costs
from edge6g_env.kernel.codes import FINISHED

MODEL, DEVICE = "llama-3.1-8b", "a100-80g"
SERVING = {"token_budget": 2048, "max_batch": 256}
JOBS, MEAN_OUTPUT = 250, 130


@pytest.fixture(scope="module")
def node(make_bench):
    """One A100 with a UE for every request and one more."""
    return make_bench([DEVICE], ues_a_node=JOBS + 1, **{f"serving.{name}": value for name, value in SERVING.items()})


def start(bench):
    """An empty node that holds the model, by a request of the UE that takes no part."""
    bench.reset(1)
    bench.lengths(500.0, 2.0)
    bench.send({JOBS: 0.001})
    bench.run("local, fp16", 1)


def network_s(bench, jobs=20):
    """Mean time that slots and radio add to the first token of a prompt that is alone, whenever in a slot it comes."""
    start(bench)
    ttft_s = []
    for u in range(jobs):
        bench.send({u: bench.now_s + bench.slot_s * (1.0 + u / jobs)})
        ttft_s += [job["ttft_s"] for job in bench.run("local, fp16", 1)]
    return np.mean(ttft_s) - float(costs.prefill_s(MODEL, DEVICE, 500))


@pytest.mark.parametrize("rate_s", [2.0, 3.5, 5.0])
def test_mean_times_at_moderate_load(node, rate_s):
    """Poisson arrivals; 4 to 12 requests decode at a time. The fluid engine computes one prompt at a time, replay packs several. An
    engine that forms its iterations when the one before ends is 15 % sooner with the first token."""
    wait_s = network_s(node)
    start(node)
    rng, rows = np.random.default_rng(6), int(node.service(0).trace_rows)
    node.lengths(rng.integers(50, 1500, rows), 1 + rng.geometric(1 / MEAN_OUTPUT, rows), MEAN_OUTPUT)
    node.send(dict(enumerate((node.now_s + np.cumsum(rng.exponential(1 / rate_s, JOBS))).tolist())))
    jobs = np.array(node.run("local, fp16", JOBS))
    assert (jobs["phase"] == FINISHED).all()
    arrival_s = jobs["arrival_s"] + wait_s
    exact = costs.replay(MODEL, DEVICE, arrival_s, jobs["prompt_tokens"], jobs["output_tokens"], **SERVING)
    assert jobs["tpot_s"].mean() == pytest.approx(exact["tpot_s"].mean(), rel=0.02)
    assert jobs["ttft_s"].mean() - wait_s == pytest.approx(exact["ttft_s"].mean(), rel=0.05)
