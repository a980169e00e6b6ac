"""LoRA adapters over a shared base, copies of a model that share nothing, and who has to leave when memory is short."""

import numpy as np
import pytest

from benchmarks.published import sharing
from edge6g_env import batch_env, costs
from edge6g_env.kernel.codes import DECODE, FINISHED, FREE
from edge6g_env.scenario import ScenarioError, load_scenario
from tests.looking import Look, memory_shares, values

BASE, NAME = "llama-3.2-3b", "local, fp16"
RANK, TARGETS = 64, "all-linear"
BASE_BYTES = costs.memory_bytes(BASE)
ADAPTER_BYTES = costs.adapter_bytes(BASE, RANK, TARGETS)
DISK_BYTES_S, OVERHEAD_S = 1e9, 0.5
PROMPT, OUTPUT = 50.0, 4.0
KV_BYTES = float(costs.kv_bytes(BASE, PROMPT + OUTPUT))


def make_siblings(make_bench, make_service, count, own=False, devices=("l40s",), **more):
    """A bench in which `count` services of one base have an adapter each, or weights of their own; UE u asks for `wanted`."""
    kind = {"own_weights": True} if own else {"lora_rank": RANK, "lora_targets": TARGETS}
    services = [make_service(f"s{i}", BASE, 1.0 / count, **kind) for i in range(count)]
    bench = make_bench(
        list(devices), ues_a_node=4, services=services, **{"serving.load_overhead_s": OVERHEAD_S, **more}
    )
    bench.set_disks(DISK_BYTES_S)
    bench.reset(1)
    bench.lengths(PROMPT, OUTPUT)
    return bench


def ask_for(bench, service):
    """All jobs that arrive from now on are of this service."""
    bench.shares(*(float(s == service) for s in range(len(bench.scenario.service))))


def serve(bench, service, name=NAME):
    """A job of the service from its arrival to its end."""
    ask_for(bench, service)
    bench.send({0: bench.now_s + 0.001})
    (job,) = bench.run(name, 1)
    assert job["phase"] == FINISHED
    assert job["service"] == service
    return job


def begin(bench, service, ue, name=NAME):
    """A job of the service that has been sent to the node."""
    ask_for(bench, service)
    before = len(bench.jobs())
    bench.send({ue: bench.now_s + 0.001})
    while len(bench.jobs()) == before:
        bench.step(name)
    return bench.jobs()[-1]


# --- what is shared --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 5])
def test_siblings_hold_their_base_once_and_an_adapter_each(make_bench, make_service, count):
    """base + N adapters (COSTS 8), and one load from the disk."""
    bench = make_siblings(make_bench, make_service, count)
    loads = []
    for service in range(count):
        serve(bench, service)
        loads.append(float(bench.variant(0, 0).ready_s))
    assert bench.server(0).weight_bytes == pytest.approx(BASE_BYTES + count * ADAPTER_BYTES, abs=1.0)
    assert bench.adapters(0) == set(range(count))
    assert len(set(loads)) == 1


@pytest.mark.parametrize("count", [1, 2, 5])
def test_copies_of_their_own_hold_the_model_each(make_bench, make_service, count):
    bench = make_siblings(make_bench, make_service, count, own=True)
    for service in range(count):
        serve(bench, service)
    assert bench.server(0).weight_bytes == pytest.approx(count * BASE_BYTES, abs=1.0)
    assert not bench.adapters(0)


def test_precisions_of_a_base_share_nothing_but_the_adapters(make_bench, make_service):
    """Quantised copies of one model do not share (COSTS 8); the fp16 adapter goes with each."""
    bench = make_siblings(make_bench, make_service, 1)
    for precision in ("fp16", "int8"):
        serve(bench, 0, f"local, {precision}")
    both = BASE_BYTES + costs.memory_bytes(BASE, "int8")
    assert bench.server(0).weight_bytes == pytest.approx(both + ADAPTER_BYTES, abs=1.0)


def test_an_adapter_takes_its_bytes_over_the_rate_of_the_disk(make_bench, make_service):
    """A tenth of a second here, milliseconds with shipped disks: the first job of a sibling comes later by that, the second does not."""
    bench = make_siblings(make_bench, make_service, 2)
    serve(bench, 0)
    warm, first, second = serve(bench, 0), serve(bench, 1), serve(bench, 1)
    assert warm["ttft_s"] == pytest.approx(second["ttft_s"], abs=1e-9)
    assert first["ttft_s"] - warm["ttft_s"] == pytest.approx(ADAPTER_BYTES / DISK_BYTES_S, abs=1e-9)
    shipped_s = ADAPTER_BYTES / 3.5e9
    assert shipped_s < 0.1 * costs.load_s(BASE, "l4")


def test_siblings_decode_in_one_batch_and_copies_take_turns(make_bench, make_service):
    """Two jobs of different services: with adapters a token takes an iteration of two, with copies one iteration of each."""
    token_s = {}
    for own in (False, True):
        bench = make_siblings(make_bench, make_service, 2, own=own)
        for service in (0, 1):
            serve(bench, service)
        bench.lengths(PROMPT, 2000.0)
        jobs = [begin(bench, service, service) for service in (0, 1)]
        while len(bench.jobs(DECODE)) < 2:
            bench.step()
        bench.step()
        done, start_s = values(jobs, "done_tokens"), bench.now_s
        for _ in range(10):
            bench.step()
        token_s[own] = (bench.now_s - start_s) / (values(jobs, "done_tokens") - done)
    context = PROMPT + float(done.mean())
    one_s, two_s = (float(costs.decode_step_s(BASE, "l40s", context, batch)) for batch in (1.0, 2.0))
    assert token_s[False] == pytest.approx(np.full(2, two_s), rel=0.03)
    assert token_s[True] == pytest.approx(np.full(2, 2.0 * one_s), rel=0.03)


def test_each_node_needs_the_adapter_of_a_split_job(make_bench, make_service):
    """Half of the layers here, half there: the adapter at both."""
    bench = make_siblings(make_bench, make_service, 1, devices=("l40s", "l4"))
    for seed in range(1, 50):
        bench.reset(seed)
        if 0 in bench.ues_of(0):
            break
    serve(bench, 0, "neighbour 1, 0.5 of the rest at the ingress, fp16")
    assert bench.adapters(0) == bench.adapters(1) == {0}


# --- who has to leave ------------------------------------------------------------------------------------------------------------------


def short_of_memory(make_bench, make_service, count, room):
    """Memory for the base, `room` adapters and the KV of three sequences."""
    assert 4.0 * KV_BYTES < ADAPTER_BYTES
    bench = make_siblings(make_bench, make_service, count)
    bench.set_memory(BASE_BYTES + room * ADAPTER_BYTES + 3.0 * KV_BYTES)
    bench.reset(1)
    return bench


@pytest.mark.parametrize(
    ("order", "left"),
    [
        ((0, 1, 2, 3), {1, 2, 3}),
        ((0, 1, 2, 0, 3), {0, 2, 3}),
        ((2, 1, 0, 2, 1, 3), {1, 2, 3}),
        ((0, 1, 2, 3, 4), {2, 3, 4}),
    ],
)
def test_adapters_leave_in_the_order_of_their_last_use(make_bench, make_service, order, left):
    bench = short_of_memory(make_bench, make_service, 5, 3)
    for service in order:
        serve(bench, service)
    assert bench.adapters(0) == left
    assert bench.variant(0, 0).high == costs.model(BASE).layers  # their base was used as late as they


def test_the_end_of_a_job_is_a_use_of_its_adapter(make_bench, make_service):
    """A long job of service 0 begins before one of service 1 and ends after it: then 1 is the one that was not used for longest."""
    bench = short_of_memory(make_bench, make_service, 3, 2)
    bench.set_memory(BASE_BYTES + 2.9 * ADAPTER_BYTES)
    bench.lengths(PROMPT, 400.0)
    begin(bench, 0, 0)
    bench.step()
    bench.lengths(PROMPT, OUTPUT)
    begin(bench, 1, 1)
    first, last = bench.run("hold", 2)
    assert (first["service"], last["service"]) == (1, 0)
    serve(bench, 2)
    assert bench.adapters(0) == {0, 2}


def test_an_adapter_in_use_stays(make_bench, make_service):
    """Room for two: while 0 decodes, 1, 2 and 3 come and go in the other place."""
    bench = short_of_memory(make_bench, make_service, 4, 2)
    bench.set_memory(BASE_BYTES + 2.9 * ADAPTER_BYTES)
    bench.lengths(PROMPT, 1000.0)
    long = begin(bench, 0, 0)
    while long.stage != DECODE:
        bench.step()
    bench.lengths(PROMPT, OUTPUT)
    for service in (1, 2, 3):
        short = begin(bench, service, 1)
        while short.stage != FREE:
            bench.step()
        assert bench.adapters(0) == {0, service}
    assert long.stage == DECODE


def test_nobody_gets_in_while_all_adapters_are_in_use(make_bench, make_service):
    """Room for one adapter and a job that uses it: the other service waits for its end, and is served then."""
    bench = short_of_memory(make_bench, make_service, 2, 1)
    bench.set_memory(BASE_BYTES + 1.9 * ADAPTER_BYTES)
    bench.lengths(PROMPT, 400.0)
    begin(bench, 0, 0)
    bench.step()
    bench.lengths(PROMPT, OUTPUT)
    begin(bench, 1, 1)
    while not bench.outcomes:
        assert bench.adapters(0) <= {0}
        bench.step()
    (second,) = bench.run("hold", 1)
    assert second["service"] == 1
    assert bench.adapters(0) == {1}


def test_a_load_of_weights_drives_out_idle_adapters_and_weights_alike(make_bench, make_service):
    """Another precision needs the room of all that was not used since: the oldest leave first, and no more than has to."""
    bench = make_siblings(make_bench, make_service, 3)
    int8_bytes, int4_bytes = (costs.memory_bytes(BASE, precision) for precision in ("int8", "int4"))
    bench.set_memory(BASE_BYTES + int8_bytes + 3.0 * ADAPTER_BYTES + 4.0 * KV_BYTES)
    bench.reset(1)
    for service, precision in ((0, "fp16"), (1, "fp16"), (2, "int8")):
        serve(bench, service, f"local, {precision}")
    assert bench.adapters(0) == {0, 1, 2}
    serve(bench, 2, "local, int4")  # fp16 was used before int8, its adapters before it
    assert int4_bytes < BASE_BYTES + 2.0 * ADAPTER_BYTES
    assert set(bench.layers(0)) == {1, 2}
    assert bench.adapters(0) == {2}


# --- memory and hits -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("own", [False, True])
def test_memory_is_never_exceeded_with_siblings(make_service, legal, own):
    """debug=True checks the sums of weights, adapters and KV in every slot, on nodes that are short of memory."""
    kind = {"own_weights": True} if own else {"lora_rank": 256, "lora_targets": TARGETS}
    services = [make_service(f"s{i}", BASE, 0.125, expire_s=20.0, **kind) for i in range(8)]
    more = {"arrivals.rate_jobs_s": 12.0, "serving.load_overhead_s": 0.1, "time.episode_s": 30.0, "time.drain_s": 20.0}
    batch = batch_env("tiny", 2, debug=True, service=services, **more)
    looks = [Look(batch, b) for b in range(2)]
    looks[0].set_memory(2.5 * BASE_BYTES)
    obs, rng, seen = batch.reset(1), np.random.default_rng(1), set()
    for _ in range(1490):
        obs, *_ = batch.step(legal(obs["action_mask"], rng))
        assert memory_shares(batch).max() <= 1.0 + 1e-9
        seen |= {a for look in looks for i in range(batch.num_agents) for a in look.adapters(i)}
    assert batch.counters().finished.sum() > 50
    assert own or len(seen) == 8


def test_sharing_raises_the_hit_ratio_and_the_more_the_tighter_memory_is():
    """TrimCaching in kind, from the world itself: siblings as adapters against siblings with weights of their own."""
    sizes = [share * sharing.library_bytes() for share in (0.25, 0.6)]
    shared, own = ([sharing.hit_ratio(sharing=kind, memory_bytes=size) for size in sizes] for kind in (True, False))
    gaps = [a - b for a, b in zip(shared, own, strict=True)]
    assert min(gaps) > 0.05
    assert gaps[0] > gaps[1] + 0.1
    assert own[0] < own[1]


def test_a_service_with_weights_of_its_own_has_no_base_to_adapt(make_service):
    with pytest.raises(ScenarioError, match="lora_rank: a service with own_weights shares no base"):
        load_scenario("tiny", service=[make_service(own_weights=True, lora_rank=8)])
