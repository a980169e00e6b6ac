"""Jobs that end before their work does: they pay for what was done, and one whose answer comes too late has expired."""

from __future__ import annotations

import numpy as np
import pytest

from edge6g_env import batch_env, costs
from edge6g_env.kernel.codes import EXPIRED, FINISHED
from tests.kernel.test_accounting import usd

MODEL, SLOW_BIT_S, EXPIRE_S = "llama-3.1-8b", 1e4, 10.0
SLOW_AIR = {"uplink_bit_s": SLOW_BIT_S, "downlink_bit_s": 1e6, "uplink_access_s": 0.0, "downlink_access_s": 0.0}


@pytest.fixture
def decided(make_bench, make_service):
    """Bench and outcome of one job that was decided by an action of this name."""

    def decide(name, *, devices=("l40s", "l40s"), prompt=8000, output=10, expire_s=EXPIRE_S, **more):
        made = make_service(model=MODEL, prompt_tokens=prompt, output_tokens=output, expire_s=expire_s)
        del made["trace"]
        bench = make_bench(list(devices), 2, [made], **more)
        bench.decide(bench.reset_with_ue(), 0, name)
        bench.wait(lambda: len(bench.outcomes) == 1, 200.0)
        return bench, bench.outcomes[0]

    return decide


def worked_s(bench, job):
    """From the decision, at the end of the job's second slot, to its end."""
    return float(job["end_s"]) - 2.0 * bench.slot_s


def test_a_device_pays_for_the_seconds_in_which_it_computed(decided):
    """It reads its layers first, which costs nothing; the prompt would take a minute."""
    bench, job = decided("local, 1 on the device, int4")
    phone = bench.phone()
    load_s = costs.memory_bytes(MODEL, "int4") / float(phone.load_bytes_s)
    assert job["phase"] == EXPIRED
    computed_s = worked_s(bench, job) - load_s
    assert job["energy_j"] == pytest.approx(
        computed_s * float(phone.prefill_w), abs=2.0 * bench.slot_s * phone.prefill_w
    )


def test_the_air_is_paid_for_the_bytes_that_were_sent(decided):
    bench, job = decided("local, int4", **{"radio.fixed": SLOW_AIR})
    assert job["phase"] == EXPIRED
    assert job["air_bytes"] == pytest.approx(SLOW_BIT_S / 8.0 * worked_s(bench, job), rel=0.01)
    assert job["price_usd"] == pytest.approx(usd("mobile network, all of it", "USD/GB") * 1e-9 * job["air_bytes"])


def test_a_link_that_is_down_carries_and_costs_nothing(decided):
    """The backhaul fails while the job is on its way up; the ingress sends nothing over it, and has no other server for the job."""
    outage = {"kind": "backhaul", "start_s": 1.0, "end_s": 900.0, "nodes": [0, 1]}
    slow = {"radio.fixed": {**SLOW_AIR, "uplink_bit_s": 1e5}, "faults": {"retries": 3, "outage": [outage]}}
    _, job = decided("cloud, fp16", **slow)
    assert (job["phase"], job["retries"], job["backhaul_bytes"]) == (EXPIRED, 1, 0.0)
    assert job["air_bytes"] == 4.0 * 8000.0  # sent before that was known
    assert job["price_usd"] == pytest.approx(usd("mobile network, all of it", "USD/GB") * 1e-9 * job["air_bytes"])


@pytest.mark.parametrize("expire_s", [0.3, 0.45])
def test_a_node_is_paid_for_the_part_of_a_chunk_that_it_computed(decided, expire_s):
    """One chunk of 512 tokens, of which no part is done by the books before it is over."""
    edge = {"devices": ("jetson-agx-orin-64g", "l40s"), "prompt": 512, "output": 2}
    more = {"serving.preload": [MODEL], "actions.default_precision": "fp16"}
    whole_bench, whole = decided("local, fp16", expire_s=100.0, **edge, **more)
    bench, cut = decided("local, fp16", expire_s=expire_s, **edge, **more)
    (busy_s, whole_s) = (float(one.batch.statistics().busy_s[0, 0]) for one in (bench, whole_bench))
    assert (cut["phase"], whole["phase"]) == (EXPIRED, FINISHED)
    assert cut["energy_j"] / whole["energy_j"] == pytest.approx(busy_s / whole_s, rel=0.1)
    assert 0.3 < busy_s / whole_s < 0.9


def test_the_cloud_computes_no_more_than_there_was_time_for(decided):
    """Its tokens are bought, its energy is that of the part of the prompt that was computed."""
    whole_bench, whole = decided("cloud, fp16", prompt=100_000, output=1, expire_s=400.0)
    assert whole["phase"] == FINISHED
    _, cut = decided("cloud, fp16", prompt=100_000, output=1, expire_s=float(whole["end_s"] - whole["arrival_s"]) - 1.0)
    device = whole_bench.batch.world.device[int(whole_bench.batch.world.cloud[0].cloud_device)]
    assert cut["phase"] == EXPIRED
    assert whole["energy_j"] - cut["energy_j"] == pytest.approx(float(device.prefill_w) * 1.0, rel=0.05)


@pytest.mark.parametrize("late_s", [0.01, 0.1, 0.45, 0.6])
def test_an_answer_that_comes_too_late_is_none(decided, late_s):
    """On its way back from the cloud, for half a second; and a job ends when its answer is there, not when that is known."""
    slow = {"prompt": 100, "output": 50, "backhaul.delay_s": 0.5}
    bench, whole = decided("cloud, fp16", expire_s=60.0, **slow)
    assert (whole["phase"], whole["end_s"] <= bench.now_s < whole["end_s"] + bench.slot_s) == (FINISHED, True)
    took_s = float(whole["end_s"] - whole["arrival_s"])
    in_time, late = (decided("cloud, fp16", expire_s=took_s + more_s, **slow)[1] for more_s in (1e-6, -late_s))
    assert (in_time["phase"], in_time["end_s"]) == (FINISHED, whole["end_s"])
    assert late["phase"] == EXPIRED
    assert float(late["end_s"] - late["arrival_s"]) <= took_s - late_s + bench.slot_s


def test_no_job_of_a_scenario_is_finished_after_its_time_or_before_its_end():
    """`robotics`, whose jobs have two seconds, by actions at random."""
    env, rng, finished = batch_env("robotics", 2), np.random.default_rng(4), 0
    obs = env.reset(seed=11)
    expire_s = np.array([service.expire_s for service in env.scenario.service])
    for _ in range(1500):
        legal = obs["action_mask"] == 1
        actions = np.where(legal, rng.random(legal.shape), -1.0).argmax(axis=2)
        obs, _, _, _, info = env.step(actions)
        ended = info["outcomes"]
        done = ended[ended["phase"] == FINISHED]
        assert (done["end_s"] - done["arrival_s"] <= expire_s[done["service"]] + 1e-9).all()
        assert (done["end_s"] <= info["time_s"][done["world"]] + 1e-9).all()
        finished += len(done)
    assert finished > 50


def test_a_part_that_is_admitted_while_its_variant_loads_leaves_the_load_alone(make_bench, make_service):
    """The node holds the lower half and loads the rest for one job, when another asks for layers in the middle with too long a prompt for
    what is left of memory: it waits, and the weights stay the sum of what is resident (debug=True)."""
    services = [
        {**make_service(name, MODEL, 0.5), "prompt_tokens": prompt, "output_tokens": output}
        for name, prompt, output in (("short", 10, 3), ("long", 14_000, 100))
    ]
    for one in services:
        del one["trace"]
    memory_gb = (costs.memory_bytes(MODEL, "fp16") + 0.3e9) / 0.9 / 1e9
    slow_load = {"nodes.memory_gb": memory_gb, "serving.load_overhead_s": 40.0}
    bench = make_bench(["l40s", "l40s"], 2, services, **slow_load)
    ue = bench.reset_with_ue()
    bench.decide(ue, 0, "neighbour 1, 0.5 of the rest at the ingress, fp16")
    bench.wait(lambda: len(bench.outcomes) == 1, 300.0)
    bench.decide(ue, 1, "neighbour 1, 0.125 on the device, 0.25 of the rest at the ingress, fp16")
    bench.wait(lambda: bench.server().load_variant < 0 and any(job.stage == 3 for job in bench.in_flight()), 300.0)
    bench.decide(ue, 0, "local, fp16")
    bench.wait(lambda: len(bench.outcomes) == 3, 400.0)
    assert [job["phase"] for job in bench.outcomes] == [FINISHED] * 3
