"""What nodes hold and compute at best, beside numbers worked out here and the replay of a saturated node."""

import itertools

import numpy as np
import pytest

from edge6g_env import capacity, costs, load_scenario, scenarios
from edge6g_env.scenario import ScenarioError
from edge6g_env.show import warnings

FIXED = {
    "name": "fixed", "model": "llama-3.1-8b", "privacy": "open", "share": 1.0, "prompt_tokens": 400, "output_tokens": 60,
    "ttft_slo_s": 2.0, "tpot_slo_s": 0.1, "expire_s": 60.0, "exposure_cost": 0.0,
}  # fmt: skip
SHORT = {**FIXED, "name": "short", "model": "llama-3.2-3b", "prompt_tokens": 50, "output_tokens": 200}


def scenario_of(devices, services, **more):
    count = len(devices)
    nodes = {"nodes.devices": devices, "nodes.count": count, "nodes.columns": count, "nodes.neighbours": count - 1}
    return load_scenario("tiny", service=services, **nodes, **more)


@pytest.mark.parametrize("name", scenarios())
def test_every_node_and_model_is_there_once(name):
    scenario = load_scenario(name)
    rows = capacity.holdings(scenario)
    assert len({(row.device, row.weights) for row in rows}) == len(rows)
    for weights in scenario.weights:
        nodes = [i for row in rows if row.weights == weights for i in row.nodes]
        assert sorted(nodes) == list(range(scenario.nodes.count))
    for row in rows:
        assert all(scenario.nodes.devices[i % len(scenario.nodes.devices)] == row.device for i in row.nodes)


def test_what_fits_is_what_leaves_the_share_free_and_loads_at_the_disks_rate():
    scenario = scenario_of(["l4", "jetson-orin-nano-super"], [FIXED], **{"serving.load_overhead_s": 0.5})
    l4, nano = capacity.holdings(scenario)
    assert l4.load_s["fp16"] == pytest.approx(0.5 + 16.06e9 / 3.5e9, rel=1e-3)
    assert l4.load_s["int8"] == pytest.approx(0.5 + costs.memory_bytes("llama-3.1-8b", "int8") / 3.5e9)
    assert nano.load_s["fp16"] is None  # 16 GB into 0.6 of 8
    assert (nano.load_s["int4"] is None) == (costs.memory_bytes("llama-3.1-8b", "int4") > 0.6 * 8e9)


@pytest.mark.parametrize("device", ["l4", "l40s", "rtx-4090"])
@pytest.mark.parametrize(("prompt", "output"), [(400, 60), (1200, 2), (30, 300)])
def test_a_saturated_node_comes_near_and_is_no_faster(device, prompt, output):
    """`costs.replay` of jobs that are there at once, its end included, when the batch is not full any more."""
    service = {**FIXED, "prompt_tokens": prompt, "output_tokens": output}
    scenario = scenario_of([device], [service], **{"actions.precision": ["fp16"], "actions.default_precision": "fp16"})
    least_s = capacity.accelerator_s(scenario, scenario.service[0], device)
    serving, jobs = scenario.serving, 400
    sizes = {"token_budget": serving.token_budget, "max_batch": serving.max_batch}
    served = costs.replay("llama-3.1-8b", device, np.zeros(jobs), prompt, output, **sizes)
    assert least_s < served["latency_s"].max() / jobs < 1.3 * least_s


@pytest.mark.parametrize("inputs", [1, 2])
def test_a_picture_is_its_tokens_as_text_and_its_encoder(inputs):
    one = {"actions.precision": ["int8"], "actions.default_precision": "int8"}
    picture = {**FIXED, "model": "llava-1.5-7b", "inputs": inputs}
    text = {**FIXED, "model": "llava-1.5-7b", "prompt_tokens": FIXED["prompt_tokens"] + 576 * inputs}
    times = [
        capacity.accelerator_s(scenario, scenario.service[0], "l40s")
        for scenario in (scenario_of(["l40s"], [service], **one) for service in (picture, text))
    ]
    encoder_s = float(costs.encoder_s("llava-1.5-7b", "l40s", "int8", inputs))
    assert times[0] - times[1] == pytest.approx(encoder_s, rel=1e-9)


def test_one_kind_of_node_and_job_is_a_division():
    scenario = scenario_of(["l4", "l4", "l4"], [FIXED])
    assert capacity.most_jobs_s(scenario) == pytest.approx(
        3.0 / capacity.accelerator_s(scenario, scenario.service[0], "l4")
    )


def test_the_best_shares_of_two_devices_and_two_services():
    """Against every split of the nodes' time in steps of a hundredth."""
    services = [{**FIXED, "share": 0.3}, {**SHORT, "share": 0.7}]
    scenario = scenario_of(["l4", "jetson-agx-orin-64g", "l4"], services)
    job_s = {
        (device, s): capacity.accelerator_s(scenario, service, device)
        for device in ("l4", "jetson-agx-orin-64g")
        for s, service in enumerate(scenario.service)
    }
    best = 0.0
    for x, y in itertools.product(np.linspace(0.0, 1.0, 101), repeat=2):  # what each gives to the first service
        first = 2.0 * x / job_s["l4", 0] + y / job_s["jetson-agx-orin-64g", 0]
        second = 2.0 * (1.0 - x) / job_s["l4", 1] + (1.0 - y) / job_s["jetson-agx-orin-64g", 1]
        best = max(best, min(first / 0.3, second / 0.7))
    assert best <= capacity.most_jobs_s(scenario) * (1.0 + 1e-9)
    assert capacity.most_jobs_s(scenario) == pytest.approx(best, rel=0.02)


UNSERVABLE = {
    "its text may not leave the device, which has no part": ({"actions.device_split": [0.0]}, "assistant"),
    "nothing of it may reach the cloud, and no node holds it": (
        {"service.chat.cloud": False, "nodes.memory_gb": 3.0, "actions.device_split": [0.0], "actions.edge_split": [0.0]},
        "chat",
    ),
    "no node has room for the KV of its smallest job beside it": (
        {"service": [{**FIXED, "name": "chat", "prompt_tokens": 120_000, "output_tokens": 1000, "cloud": False}],
         "nodes.memory_gb": 16.0, "actions.device_split": [0.0], "actions.edge_split": [0.0]},
        "chat",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", UNSERVABLE)
def test_a_service_that_could_only_be_rejected_is_refused(case):
    overrides, service = UNSERVABLE[case]
    with pytest.raises(
        ScenarioError, match=rf"service\.{service}\.model: .* fits nowhere, .*every job of it would be rejected"
    ):
        load_scenario("tiny", **overrides)


def test_a_model_that_fits_nowhere_is_no_job():
    scenario = scenario_of(["l4"], [{**FIXED, "model": "llama-2-70b"}])
    assert capacity.accelerator_s(scenario, scenario.service[0], "l4") == np.inf
    assert capacity.most_jobs_s(scenario) == 0.0
    assert capacity.longest_load(scenario) is None
    assert warnings(scenario) == []


@pytest.mark.parametrize("name", scenarios())
def test_a_short_warm_up_is_said(name):
    longest_s, what = capacity.longest_load(load_scenario(name))
    loads = [load_s for row in capacity.holdings(load_scenario(name)) for load_s in row.load_s.values() if load_s]
    assert longest_s == max(loads)
    for warmup_s, said in ((longest_s + 0.1, 0), (longest_s - 0.1, 1)):
        found = warnings(load_scenario(name, **{"time.warmup_s": warmup_s, "time.episode_s": 300.0}))
        assert len(found) == said
        assert all(what in sentence for sentence in found)
