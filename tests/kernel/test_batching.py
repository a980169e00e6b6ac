"""Continuous batching at a node: what decodes, prompts and other variants cost each other (COSTS 10)."""

import numpy as np
import pytest

from edge6g_env import costs
from edge6g_env.kernel.codes import DECODE, FINISHED, NODE_PREFILL
from tests.looking import values

MODEL, DEVICE = "llama-3.1-8b", "l40s"
PROMPT = 256.0


@pytest.fixture(scope="module")
def crowd(make_bench):
    """One L40S with 24 UEs."""
    return make_bench([DEVICE], ues_a_node=24)


def decoding(bench, jobs, name="local, fp16", output=4000.0):
    """Let `jobs` jobs arrive, and run until all of them decode and none is in prefill."""
    bench.reset(1)
    bench.lengths(PROMPT, output)
    bench.send({u: 0.001 + 1e-5 * u for u in range(jobs)})
    while len(bench.jobs(DECODE)) < jobs:
        assert bench.now_s < 60.0
        bench.step(name)
    bench.step()
    return bench.jobs()


def token_time_s(bench, jobs, slots=10):
    """Mean time of a token of the jobs, and their mean context meanwhile."""
    done, start_s = values(jobs, "done_tokens"), bench.now_s
    for _ in range(slots):
        bench.step()
    now = values(jobs, "done_tokens")
    contexts = values(jobs, "prompt_tokens") + 0.5 * (done + now)
    return (bench.now_s - start_s) / (now - done), contexts.mean()


@pytest.mark.parametrize("batch", [1, 2, 4, 8, 16, 24])
def test_a_batch_decodes_in_the_time_of_the_cost_model(crowd, batch):
    each_s, context = token_time_s(crowd, decoding(crowd, batch))
    expected = float(costs.decode_step_s(MODEL, DEVICE, context, float(batch), "fp16"))
    assert each_s == pytest.approx(np.full(batch, expected), rel=0.03)


def test_throughput_rises_and_time_per_token_grows_slower_than_the_batch(crowd):
    times = [token_time_s(crowd, decoding(crowd, n))[0].mean() for n in (1, 4, 16, 24)]
    assert times == sorted(times)
    throughput = [n / t for n, t in zip((1, 4, 16, 24), times, strict=True)]
    assert throughput == sorted(throughput)
    assert times[2] < 2.0 * times[0]  # the weights are read once for all: far from 16 times


def chunk_time_s(running, context, chunk, cached):
    """COSTS 10: L [linear(n_dec + n_chunk) + attention of the chunk + of the decodes] + head + CPU."""
    layers = costs.model(MODEL).layers

    def layer_s(tokens):
        return float(costs.layer_time_s(MODEL, DEVICE, tokens, "fp16"))

    def decode_attention_s(batch):
        return float(costs.attention_time_s(MODEL, DEVICE, 1.0, context, batch)) if batch else 0.0

    extras_s = float(costs.decode_step_s(MODEL, DEVICE, context, running + 1.0, "fp16"))
    extras_s -= layers * (layer_s(running + 1.0) + decode_attention_s(running + 1.0))
    prefill_s = float(costs.attention_time_s(MODEL, DEVICE, chunk, cached))
    return layers * (layer_s(running + chunk) + prefill_s + decode_attention_s(running)) + extras_s


def test_a_prompt_chunk_slows_the_decodes_to_the_time_of_its_iterations(crowd):
    """Eight sequences decode; a long prompt comes. While it is computed, tokens come at one an iteration of the budget's size."""
    running = 8
    jobs = decoding(crowd, running)
    alone_s = token_time_s(crowd, jobs)[0].mean()
    crowd.lengths(20_000.0, 10.0)
    crowd.send({20: crowd.now_s + 0.001})
    server, seen = crowd.server(0), []
    while server.chunk_job < 0:
        crowd.step("local, fp16")
    (prompt,) = crowd.jobs(NODE_PREFILL)
    for _ in range(40):
        cached, chunk = prompt.prefilled, server.chunk_tokens
        context = (values(jobs, "prompt_tokens") + values(jobs, "done_tokens")).mean()
        assert chunk == 512.0 - running  # the budget, less the decodes aboard
        assert server.chunk_s == pytest.approx(chunk_time_s(running, context, chunk, cached), rel=0.03)
        seen.append(server.chunk_s)
        crowd.step()
    done, start_s = values(jobs, "done_tokens"), crowd.now_s
    for _ in range(20):
        crowd.step()
        seen.append(server.chunk_s)
    beside_s = (crowd.now_s - start_s) / (values(jobs, "done_tokens") - done)
    assert beside_s == pytest.approx(np.full(running, np.mean(seen[-20:])), rel=0.03)
    assert beside_s.min() > 2.0 * alone_s


def next_job(bench, name, prompt, u=20):
    """A job of one more UE beside those that run, decided by `name`: its outcome, and its candidate when it was decided."""
    bench.lengths(prompt, 2.0)
    bench.send({u: bench.now_s + 0.001})
    bench.step()
    candidate = bench.obs["candidates"][0, 0, bench.action(name)].copy()
    (job,) = bench.run(name, 1)
    return job, candidate


def on_an_idle_node_s(bench, name):
    """Time to first token of a prompt that meets nobody, the weights being there: slots and air, then its pass."""
    bench.reset(1)
    next_job(bench, name, PROMPT)
    return float(next_job(bench, name, PROMPT)[0]["ttft_s"])


@pytest.mark.parametrize("running", [2, 8])
def test_a_prompt_waits_for_the_rest_of_the_running_iteration_and_the_whole_next(crowd, running):
    """Half an iteration on average and one more, then its pass with the decodes aboard; its candidate says so beforehand."""
    idle_s = on_an_idle_node_s(crowd, "local, fp16")
    decoding(crowd, running)
    context, cycle_s = PROMPT + 10.0, float(crowd.server(0).cycle_s)
    job, seen = next_job(crowd, "local, fp16", PROMPT)
    beside_s = chunk_time_s(running, context, PROMPT, 0.0) - chunk_time_s(0.0, 0.0, PROMPT, 0.0)
    wait_s = job["ttft_s"] - idle_s - beside_s
    assert wait_s == pytest.approx(1.5 * cycle_s, rel=0.03)
    assert seen[crowd.batch.layout.candidate_index("wait_s")] == pytest.approx(wait_s, rel=0.03)


def test_an_idle_engine_waits_for_its_turn_only(crowd):
    """Decodes of another variant have an engine of their own: what that one has formed is no iteration of this one."""
    decoding(crowd, 1, "local, int8")
    next_job(crowd, "local, fp16", PROMPT)  # the weights are there
    crowd.step()
    cycle_s = float(crowd.server(0).cycle_s)
    job, seen = next_job(crowd, "local, fp16", PROMPT, u=21)
    idle_s = on_an_idle_node_s(crowd, "local, fp16")
    assert job["ttft_s"] - idle_s == pytest.approx(
        0.5 * cycle_s + cycle_s, rel=0.05
    )  # the pass itself takes a turn, too
    assert seen[crowd.batch.layout.candidate_index("wait_s")] == pytest.approx(0.5 * cycle_s, rel=0.03)


@pytest.mark.parametrize(("slots", "iterations"), [(1, 0), (3, 1)], ids=["before it began", "while it runs"])
def test_a_prompt_behind_another(crowd, slots, iterations):
    """It follows at once if it was there when the other's pass began; else an iteration comes between that had been formed without it."""
    running, prompt = 8, 480.0
    decoding(crowd, running)
    context = PROMPT + 10.0
    crowd.lengths(prompt, 500.0)
    crowd.send({20: crowd.now_s + 0.001, 21: crowd.now_s + 0.001 + slots * crowd.slot_s})
    for _ in range(60):
        crowd.step("local, fp16")
    first_s = {int(job.ue): float(job.first_token_s) for job in crowd.jobs()}
    between_s = iterations * float(costs.decode_step_s(MODEL, DEVICE, context, running + 1.0))
    assert first_s[21] - first_s[20] == pytest.approx(
        between_s + chunk_time_s(running + 1, context, prompt, 0.0), rel=0.05
    )


def test_without_a_waiting_prompt_nothing_is_left_of_it(crowd):
    """After the prompt, decodes run at their own pace again, one more in the batch."""
    decoding(crowd, 4)
    crowd.lengths(2000.0, 500.0)
    crowd.send({20: crowd.now_s + 0.001})
    for _ in range(100):
        crowd.step("local, fp16")
    jobs = crowd.jobs()
    assert values(jobs, "stage").tolist() == [DECODE] * 5
    each_s, context = token_time_s(crowd, jobs)
    assert each_s == pytest.approx(
        np.full(5, float(costs.decode_step_s(MODEL, DEVICE, context, 5.0, "fp16"))), rel=0.03
    )


def test_two_variants_take_turns(crowd):
    """A node does not batch across models: with a job each, a token takes one iteration of both."""
    crowd.reset(1)
    crowd.lengths(PROMPT, 2000.0)
    crowd.send({0: 0.001})
    for _ in range(5):
        crowd.step("local, fp16")
    crowd.send({1: crowd.now_s + 0.001})
    while len(crowd.jobs(DECODE)) < 2:
        crowd.step("local, int8")
    crowd.step()
    jobs = crowd.jobs()
    each_s, _ = token_time_s(crowd, jobs)
    contexts = values(jobs, "prompt_tokens") + values(jobs, "done_tokens")
    assert values(jobs, "variant").tolist() == [0, 1]
    expected = sum(
        float(costs.decode_step_s(MODEL, DEVICE, context, 1.0, precision))
        for context, precision in zip(contexts, ("fp16", "int8"), strict=True)
    )
    assert each_s == pytest.approx(np.full(2, expected), rel=0.03)


def test_prompts_are_served_in_the_order_of_their_coming(crowd):
    crowd.reset(1)
    crowd.lengths(2000.0, 2.0)
    crowd.send({u: 0.001 + 1e-5 * u for u in range(12)})
    jobs = crowd.run("local, fp16", 12)
    first_token = {job["job"]: job["arrival_s"] + job["ttft_s"] for job in jobs}
    assert [first_token[n] for n in range(12)] == sorted(first_token.values())
    assert all(job["phase"] == FINISHED for job in jobs)
    # one accelerator: prompts take turns, so the last one waits for all
    gaps = np.diff(sorted(first_token.values()))
    chunks = ((512.0, 0.0), (512.0, 512.0), (512.0, 1024.0), (464.0, 1536.0))
    single_s = sum(chunk_time_s(0.0, 0.0, new, done) for new, done in chunks)
    assert gaps[1:] == pytest.approx(np.full(10, single_s), rel=0.1)


def test_no_more_sequences_than_max_batch(make_bench):
    bench = make_bench([DEVICE], ues_a_node=12, **{"serving.max_batch": 4})
    bench.reset(1)
    bench.lengths(PROMPT, 100.0)
    bench.send({u: 0.001 + 1e-5 * u for u in range(12)})
    ended, most = 0, 0
    while ended < 12:
        ended += len(bench.step("local, fp16"))
        most = max(most, int(bench.server(0).n_admitted))
    assert most == 4


def test_the_device_shares_its_time_among_its_jobs(make_bench, make_service):
    """Two jobs of one UE wholly on its phone: each token takes twice as long as alone."""
    service = make_service(model="llama-3.2-3b")
    bench = make_bench([DEVICE], services=[service])
    name, times = "local, 1 on the device, int4", {}
    for jobs in (1, 2):
        bench.reset(1)
        bench.lengths(64.0, 400.0)
        for _ in range(jobs):
            bench.send({0: bench.now_s + 0.001})
            bench.step(name)
            bench.step(name)
        while len(bench.jobs(DECODE)) < jobs:
            bench.step()
        times[jobs], _ = token_time_s(bench, bench.jobs())
    assert times[2] == pytest.approx(np.full(2, 2.0 * times[1][0]), rel=0.03)
