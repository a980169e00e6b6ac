"""Weights and KV at nodes: never more than there is, LRU eviction of what is idle, preemption, and waiting that ends."""

import numpy as np
import pytest

import edge6g_env
from edge6g_env import batch_env, costs
from edge6g_env.kernel.codes import ADMITTED, DECODE, FAILED, FINISHED, INGRESS, NODE_PREFILL, QUEUED
from edge6g_env.kernel.places.memory import KV_BLOCK_TOKENS
from tests.looking import memory_shares, values
from tests.short import shortened

MODEL = "llama-3.1-8b"
PRECISIONS = ("fp16", "int8", "int4")


def weight_bytes(precision, model=MODEL):
    return costs.memory_bytes(model, precision)


def held(bench, node=0):
    """Precisions whose weights are resident in whole or part."""
    return {PRECISIONS[v] for v in bench.layers(node)}


@pytest.mark.parametrize("scenario", edge6g_env.scenarios())
@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("rate", [10.0, 60.0])
def test_memory_is_never_exceeded(scenario, small, rate, legal):
    """debug=True compares weights and KV with the memory of each node, and with the sums over jobs and variants, every slot."""
    more = {"arrivals.kind": "poisson", "arrivals.rate_jobs_s": rate, **shortened(scenario, 6.0)}
    if small:  # cards of 8 GB, of 16 where a model would fit nowhere
        more["nodes.devices"] = ["t4" if scenario in ("shard", "telemedicine") else "jetson-orin-nano-super"]
    batch, rng = batch_env(scenario, 2, debug=True, **more), np.random.default_rng(1)
    obs, fullest = batch.reset(1), 0.0
    for _ in range(290):
        obs, *_ = batch.step(legal(obs["action_mask"], rng))
        share = memory_shares(batch).max()
        assert share <= 1.0 + 1e-9
        fullest = max(fullest, share)
    assert fullest > 0.5


def test_debug_sees_an_overrun(make_bench):
    """The guard of the other tests works: a node that shrinks below what it holds is reported."""
    bench = make_bench(["l4"])
    bench.reset(1)
    bench.lengths(100.0, 400.0)
    bench.send({0: 0.001})
    while bench.server(0).n_admitted == 0:
        bench.step("local, int8")
    bench.set_memory(1e9, 0)
    with pytest.raises(AssertionError, match="exceed its memory"):
        bench.step()


def test_lru_eviction_of_idle_weights_only(make_bench):
    """Room for fp16 and int8 (24 GB of 26): the third variant evicts the one that was used longest ago."""
    bench = make_bench(["l40s"])
    bench.set_memory(26e9)
    bench.reset(1)
    bench.lengths(100.0, 5.0)
    for order in (("fp16", "int8", "int4"), ("int8", "fp16", "int4")):
        bench.reset(1)
        for precision in order:
            bench.send({0: bench.now_s + 0.001})
            bench.run(f"local, {precision}", 1)
        assert held(bench) == set(order[1:]), order
    # use renews: int8 loaded first but used again before int4 comes
    bench.reset(1)
    for precision in ("int8", "fp16", "int8", "int4"):
        bench.send({0: bench.now_s + 0.001})
        bench.run(f"local, {precision}", 1)
    assert held(bench) == {"int8", "int4"}


def test_weights_in_use_stay(make_bench):
    """While an fp16 job decodes, int8 cannot come in; it is loaded once that job has ended, not before."""
    bench = make_bench(["l40s"], ues_a_node=2)
    bench.set_memory(22e9)
    bench.reset(1)
    bench.lengths(100.0, 200.0)
    bench.send({0: 0.001})
    bench.step("local, fp16"), bench.step("local, fp16")
    bench.send({1: bench.now_s + 0.001})
    bench.step("local, int8"), bench.step("local, int8")
    while not bench.outcomes:
        assert held(bench) <= {"fp16"}
        bench.step()
    (second,) = bench.run("hold", 1)
    assert held(bench) == {"int8"}
    assert second["phase"] == FINISHED


def test_parts_of_one_model_extend_each_others_layers(make_bench, make_service):
    """Half of the layers, then the whole model: only the rest is loaded."""
    bench = make_bench(["l40s", "l4"])
    ue = bench.reset_with_ue()
    bench.lengths(100.0, 4.0)
    bench.send({ue: 0.001})
    bench.run("neighbour 1, 0.5 of the rest at the ingress, fp16", 1)
    fp16, layers = 0, costs.model(MODEL).layers
    assert bench.layers(0) == {fp16: (0, layers // 2)}
    assert bench.layers(1) == {fp16: (layers // 2, layers)}
    parts = bench.server(0).weight_bytes + bench.server(1).weight_bytes
    assert parts == pytest.approx(weight_bytes("fp16"), rel=1e-6)  # nothing twice: the head is not the embedding here
    bench.send({ue: bench.now_s + 0.001})
    bench.run("local, fp16", 1)
    assert bench.layers(0) == {fp16: (0, layers)}
    assert bench.server(0).weight_bytes == pytest.approx(weight_bytes("fp16"), rel=1e-6)


def test_reserved_kv_is_that_of_prompt_and_expected_output(make_bench):
    bench = make_bench(["l40s"])
    bench.reset(1)
    bench.lengths(300.0, 50.0, mean_output=200.0)
    bench.send({0: 0.001})
    while bench.server(0).n_admitted == 0:
        bench.step("local, fp16")
    assert bench.server(0).kv_bytes == pytest.approx(float(costs.kv_bytes(MODEL, 500.0)))
    bench.run("hold", 1)
    assert bench.server(0).kv_bytes == 0.0


def test_outputs_beyond_the_reservation_grow_are_preempted_and_finish(make_bench):
    """Sixteen sequences expect 10 tokens and generate 900; there is KV for 10,000 tokens: somebody is put back, all finish."""
    bench = make_bench(["l40s"], ues_a_node=16)
    bench.set_memory(weight_bytes("fp16") + float(costs.kv_bytes(MODEL, 10_000.0)))
    bench.reset(1)
    bench.lengths(300.0, 900.0, mean_output=10.0)
    bench.send({u: 0.001 + 1e-5 * u for u in range(16)})
    kv_limit, most = float(costs.kv_bytes(MODEL, 10_000.0)), 0.0
    while len(bench.outcomes) < 16:
        assert bench.now_s < 300.0
        bench.step("local, fp16")
        kv = bench.server(0).kv_bytes
        decoding = bench.jobs(DECODE)
        tokens = values(decoding, "prompt_tokens").sum() + values(decoding, "done_tokens").sum()
        needed = float(costs.kv_bytes(MODEL, tokens))
        assert needed <= kv + float(costs.kv_bytes(MODEL, 1.0)) * len(decoding) <= kv_limit * 1.01
        most = max(most, kv)
    assert most > 0.9 * kv_limit
    assert bench.count("preempted") > 0
    assert all(job["phase"] == FINISHED for job in bench.outcomes)
    assert all(job["output_tokens"] == 900.0 for job in bench.outcomes)
    # what was generated is not generated again: its KV is recomputed as a prompt, so no bytes leave the UE twice
    assert all(job["air_bytes"] == pytest.approx(4.0 * 1200.0, abs=8.0) for job in bench.outcomes)


@pytest.mark.parametrize("retries", [0, 2])
def test_what_a_node_could_not_hold_even_alone_goes_elsewhere_and_is_in_nobodys_way(make_bench, retries):
    """A sequence expects 10 tokens and generates 3,000; there is KV for 2,000. It is decided anew, or fails when its retries are used up,
    and the next job is served as if it were alone."""
    bench = make_bench(["l40s"], ues_a_node=2, **{"faults.retries": retries})
    bench.set_memory(weight_bytes("fp16") + float(costs.kv_bytes(MODEL, 2000.0)))
    bench.reset(1)
    bench.lengths(300.0, 3000.0, mean_output=10.0)
    bench.send({0: 0.001})
    while not bench.count("requeued") and not bench.outcomes:
        assert bench.now_s < 100.0
        bench.step("local, fp16")
    if retries == 0:
        assert bench.outcomes[0]["phase"] == FAILED
    else:
        (job,) = bench.jobs(QUEUED)
        assert job.retries == 1
        assert 300.0 + job.done_tokens == pytest.approx(2000.0, abs=KV_BLOCK_TOKENS + 1.0)  # what its UE has, it keeps
    assert bench.server(0).kv_bytes == 0.0
    bench.lengths(300.0, 5.0)
    bench.send({1: bench.now_s + 0.001})
    while len(bench.outcomes) < 2:
        assert bench.now_s < 100.0
        bench.step("reject" if bench.batch.deciding()[0, 0] == 0 else "local, fp16")
    last = bench.outcomes[-1]
    assert last["phase"] == FINISHED
    assert last["ttft_s"] < 1.0


@pytest.mark.parametrize("warm", [True, False])
def test_the_youngest_is_put_back(make_bench, warm):
    """Four sequences outgrow their memory: the one that came first is never put back, so it ends first. warm: their weights are
    there already; otherwise all are admitted at the instant in which the load ends."""
    bench = make_bench(["l40s"], ues_a_node=4)
    bench.set_memory(weight_bytes("fp16") + float(costs.kv_bytes(MODEL, 2000.0)))
    bench.reset(1)
    if warm:
        bench.lengths(50.0, 2.0)
        bench.send({0: 0.001})
        bench.run("local, fp16", 1)
    bench.lengths(300.0, 900.0, mean_output=10.0)
    bench.send({u: bench.now_s + 0.001 + 1e-5 * u for u in range(4)})
    jobs = bench.run("local, fp16", 4)
    assert bench.count("preempted") > 0
    order = [int(job["job"]) for job in jobs]
    assert order[0] == min(order)


def test_waiting_for_memory_does_not_reach_back_in_time(make_bench):
    """A load that could not begin for want of memory begins when memory is free, not when its job came."""
    bench = make_bench(["l40s"], ues_a_node=2)
    bench.set_memory(22e9)
    bench.reset(1)
    bench.lengths(100.0, 600.0)
    bench.send({0: 0.001})
    bench.step("local, fp16"), bench.step("local, fp16")
    bench.lengths(100.0, 4.0)
    bench.send({1: bench.now_s + 0.001})
    bench.step("local, int8"), bench.step("local, int8")
    (first,) = bench.run("hold", 1)
    (second,) = bench.run("hold", 1)
    assert first["output_tokens"] == 600.0
    bound_s = first["end_s"] + costs.load_s(MODEL, "l40s", "int8")
    assert second["arrival_s"] + second["ttft_s"] >= bound_s - bench.slot_s


def test_two_variants_that_wait_for_kv_do_not_block_each_other(make_bench):
    """fp16 and int4 fill an L4 up to 0.1 GB. While a short int4 job runs, a job of each comes that needs 0.6 GB of KV. When the
    short one has ended nobody holds KV: the weights of one have to give way to the other's job, or both wait until they expire."""
    bench = make_bench(["l4"], ues_a_node=3)
    bench.set_memory(weight_bytes("fp16") + weight_bytes("int4") + 0.1e9)
    bench.reset(1)
    bench.lengths(50.0, 2.0)
    for name in ("local, fp16", "local, int4"):
        bench.send({0: bench.now_s + 0.001})
        bench.run(name, 1)
    assert held(bench) == {"fp16", "int4"}
    bench.lengths(100.0, 100.0)
    bench.send({0: bench.now_s + 0.001})
    bench.step("local, int4"), bench.step("local, int4")
    bench.lengths(4400.0, 20.0)
    for u, name in ((1, "local, fp16"), (2, "local, int4")):
        bench.send({u: bench.now_s + 0.001})
        bench.step(name), bench.step(name)
    jobs = bench.run("hold", 3, until_s=bench.now_s + 60.0)
    assert all(job["phase"] == FINISHED for job in jobs)


def test_a_queue_for_memory_lets_nobody_pass(make_bench):
    """FIFO at admission: a small prompt behind a large one that waits for KV is not served before it."""
    bench = make_bench(["l40s"], ues_a_node=3)
    bench.set_memory(weight_bytes("fp16") + float(costs.kv_bytes(MODEL, 3000.0)))
    bench.reset(1)
    order = []
    for u, prompt in ((0, 2000.0), (1, 2500.0), (2, 50.0)):
        bench.lengths(prompt, 300.0)
        bench.send({u: bench.now_s + 0.001})
        bench.step("local, fp16"), bench.step("local, fp16")
    waiting = bench.jobs()[1:]
    admit = {}
    while len(bench.outcomes) < 3:
        bench.step()
        for job in waiting:
            if bench.part(job, INGRESS).state >= ADMITTED and job.stage in (NODE_PREFILL, DECODE):
                admit.setdefault(int(job.number), bench.now_s)
    order = sorted(admit, key=admit.get)
    assert order == [1, 2]
    assert all(job["phase"] == FINISHED for job in bench.outcomes)
