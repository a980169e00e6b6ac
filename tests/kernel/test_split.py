"""Jobs in parts: what a part costs does not depend on what else its node holds, and jobs that share an iteration share its price."""

import numpy as np
import pytest

from edge6g_env import costs, lone_job
from edge6g_env.kernel.codes import DEVICE, UPLINK

MODEL, PHONE = "llama-3.1-8b", "phone-snapdragon-8gen3"
SPLIT = "neighbour 1, 0.5 of the rest at the ingress, fp16"
PROMPT, OUTPUT = 300.0, 60.0


def play(make_bench, make_service, preload, jobs=1):
    """Outcomes of so many jobs that are sent at once, split between two nodes that hold the model from the start, or what they load."""
    more = {"serving.preload": [MODEL] if preload else [], "actions.default_precision": "fp16", "ues.per_node": 8}
    bench = make_bench(["l40s", "l40s"], services=[make_service(model=MODEL, expire_s=900.0)], **more)
    for seed in range(1, 80):
        bench.reset(seed)
        if len(bench.ues_of(0)) >= 2:
            break
    bench.lengths(PROMPT, OUTPUT)
    bench.send({bench.ues_of(0)[0]: 0.001})
    bench.run(SPLIT, 1)  # the weights are there after it
    ues = bench.ues_of(0)[:jobs]
    bench.send(dict.fromkeys(ues, bench.now_s + 0.001))
    return bench, bench.run(SPLIT, jobs)


def test_a_part_costs_the_same_whatever_else_its_node_holds(make_bench, make_service):
    """The ingress has the head if it happens to hold the whole model; it does not compute it."""
    (_, (alone,)), (_, (whole,)) = (play(make_bench, make_service, preload) for preload in (False, True))
    for name in ("tpot_s", "price_usd", "energy_j"):
        assert whole[name] == pytest.approx(alone[name], rel=1e-6), name


def test_jobs_that_decode_together_share_the_price_of_their_iteration(make_bench, make_service):
    """Two split jobs at once pay less each than one alone: their tokens ride in one pass. What they pay is no more than the nodes' time."""
    _, (one,) = play(make_bench, make_service, True)
    _, both = play(make_bench, make_service, True, jobs=2)
    usd_s = costs.accelerator_price_usd_per_s("l40s")
    prompts_s = 2.0 * float(costs.prefill_s(MODEL, "l40s", PROMPT, "fp16"))
    decode_s = max(job["end_s"] for job in both) - min(job["arrival_s"] + job["ttft_s"] for job in both)
    bytes_usd = sum(job["air_bytes"] for job in both) * costs.network_price_usd_per_byte("air")
    for job in both:
        assert job["price_usd"] < one["price_usd"]
    paid_s = (sum(job["price_usd"] for job in both) - bytes_usd) / usd_s
    assert paid_s <= 1.01 * (prompts_s + 2.0 * decode_s)


def test_the_device_has_room_for_the_kv_of_all_its_jobs(make_bench, make_service):
    """Two jobs of one phone whose KV does not fit side by side: the second may not be there until the first has ended."""
    model, name, output = "llama-3.2-3b", "local, 1 on the device, int4", 64.0
    usable_bytes = float(costs.kernel_tables([PHONE], [(model, "int4")]).usable_bytes[0])
    room_bytes = usable_bytes - float(costs.memory_bytes(model, "int4"))
    prompt = np.floor(0.6 * room_bytes / float(costs.kv_bytes(model, 1.0, "int4")) - output)
    service = make_service(model=model, expire_s=100_000.0)
    bench = make_bench(["l40s"], services=[service], **{"time.episode_s": 50_000.0})
    ue = bench.reset_with_ue()
    bench.lengths(prompt, output)
    bench.send({ue: 0.001})
    while not bench.jobs():
        bench.step(name)
    bench.send({ue: bench.now_s + 0.001})
    while not bench.queue():
        bench.step()
    assert not bench.batch.action_masks()[0, 0, bench.action(name)]
    bench.batch.step(np.array([[bench.action(name)]]))  # it holds
    assert len(bench.jobs()) == 1
    while bench.jobs():
        bench.step()
    assert bench.batch.action_masks()[0, 0, bench.action(name)]


def test_a_job_that_uploads_keeps_its_memory_of_the_device(make_bench, make_service):
    """It computes nothing there, but its layers and KV stay for its tokens: one whose KV does not fit beside may not be there."""
    model, name, output = "llama-3.2-3b", "local, 0.5 on the device, int4", 64.0
    usable_bytes = float(costs.kernel_tables([PHONE], [(model, "int4")]).usable_bytes[0])
    room_bytes = usable_bytes - 0.5 * float(costs.memory_bytes(model, "int4"))
    half_kv_bytes = 0.5 * float(costs.kv_bytes(model, 1.0, "int4"))
    bench = make_bench(["l40s"], services=[make_service(model=model, expire_s=900.0)], **{"time.episode_s": 10_000.0})
    ue = bench.reset_with_ue()
    bench.scale_bands(1e-4)
    for prompt, fits in ((1000.0, True), (np.floor(room_bytes / half_kv_bytes), False)):
        bench.lengths(prompt, output)
        bench.send({ue: bench.now_s + 0.001})
        while not bench.queue():
            bench.step()
        assert bool(bench.batch.action_masks()[0, 0, bench.action(name)]) == fits
        while fits and (not (jobs := bench.jobs()) or jobs[0].stage != UPLINK):
            bench.step(name)
    assert (bench.ue(ue).device_jobs, bench.ue(ue).device_busy) == (1, 0)
    assert bench.jobs(UPLINK)


def test_a_job_that_uploads_leaves_the_device_to_others(make_bench, make_service):
    """Two jobs of one phone, both cut behind it: while the first sends a long time, the second's prompt has the phone for itself."""

    bench = make_bench(["l40s"], services=[make_service(model="llama-3.2-3b", expire_s=900.0)])
    ue, name = bench.reset_with_ue(), "local, 0.5 on the device, fp16"
    bench.scale_bands(1e-4)
    bench.lengths(2000.0, 2.0)
    bench.send({ue: 0.001})
    while not (jobs := bench.jobs()) or jobs[0].stage != UPLINK:
        bench.step(name)
    bench.send({ue: bench.now_s + 0.001})
    while len(jobs := bench.jobs()) < 2:
        bench.step(name)
    first, second = jobs
    began_s = float(second.stage_s)
    while second.stage == DEVICE:
        assert first.stage == UPLINK
        bench.step(name)
    layers = costs.model("llama-3.2-3b").layers // 2
    layer_s = costs.layer_time_s("llama-3.2-3b", PHONE, 2000.0, "fp16")
    layer_s += costs.attention_time_s("llama-3.2-3b", PHONE, 2000.0, 0.0)
    assert second.stage_s - began_s == pytest.approx(layers * float(layer_s), abs=0.1 * bench.slot_s + 0.1)


@pytest.mark.parametrize(
    "action",
    [
        "local, 0.25 on the device, int4",
        "neighbour 1, 0.5 of the rest at the ingress, int4",
        "cloud, 0.5 of the rest at the ingress, int4",
    ],
)
def test_a_model_that_fits_one_node_is_faster_whole(action):
    """At batch 1 a cut only adds messages, and layers on something slower."""
    plain = {"xn.delay_jitter": 0.0, "backhaul.delay_jitter": 0.0, "nodes.devices": ["l40s"]}
    cut, whole = (
        lone_job("tiny", name, prompt_tokens=300, output_tokens=60, **plain).outcome for name in (action, "local, int4")
    )
    assert whole["tpot_s"] < cut["tpot_s"]
    assert whole["end_s"] < cut["end_s"]
