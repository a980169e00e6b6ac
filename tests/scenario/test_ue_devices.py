"""Devices by UE, their power, and how many UEs there are where: keys, refusals, and checks that hold for every device."""

from __future__ import annotations

import pytest

import edge6g_env
from edge6g_env import load_scenario
from edge6g_env.scenario_tuning import most
from edge6g_env.spaces import Layout
from eval.result_files import read, shipped_file

PHONE, SMALL, LAPTOP = "phone-snapdragon-8gen3", "phone-a17pro", "jetson-agx-orin-64g"
BOTH = {"ues.devices": [PHONE, PHONE, LAPTOP]}


@pytest.mark.parametrize("name", [name for name in edge6g_env.scenarios() if shipped_file(name).is_file()])
def test_the_fingerprints_of_what_ships_are_those_of_its_results(name):
    """Keys that stand nowhere are in no fingerprint: results of before are those of the same scenario."""
    assert load_scenario(name).fingerprint == read(shipped_file(name)).fingerprint


def test_devices_are_given_out_in_turn_with_their_powers():
    scenario = load_scenario("tiny", **BOTH, **{"ues.tx_power_w": [1.0, 2.0, 3.0], "ues.per_node": 4})
    assert [scenario.ues.device_of(u) for u in range(5)] == [PHONE, PHONE, LAPTOP, PHONE, PHONE]
    assert [scenario.ues.tx_power_of_w(u) for u in range(5)] == [1.0, 2.0, 3.0, 1.0, 2.0]
    assert scenario.ues.device is None
    assert scenario.devices == list(dict.fromkeys([*scenario.nodes.devices, PHONE, LAPTOP, scenario.cloud.device]))
    assert load_scenario(scenario, **{"arrivals.rate_jobs_s": 3.0}).ues == scenario.ues
    one = load_scenario(scenario, **{"ues.device": LAPTOP, "ues.tx_power_w": 1})
    assert (one.ues.in_turn, one.ues.devices) == ([LAPTOP], None)
    assert all(one.ues.tx_power_of_w(u) == 1.0 for u in range(5))


def test_agents_are_told_of_a_device_only_where_devices_differ():
    names = [
        [f.name for f in Layout(load_scenario("tiny", **more)).observation]
        for more in ({}, {"ues.devices": [PHONE, PHONE]}, BOTH)
    ]
    assert names[0] == names[1]
    assert sorted(set(names[2]) - set(names[0])) == ["job/device_memory_gb", "job/device_tflops"]
    assert [name for name in names[2] if name in names[0]] == names[0]


def test_a_number_is_of_each_node_and_a_list_of_each_its_own():
    tiny = load_scenario("tiny")
    assert (
        load_scenario("tiny", **{"ues.per_node": 5}).num_ues,
        load_scenario("tiny", **{"ues.per_node": 5}).ue_homes,
    ) == (15, [])
    some = load_scenario("tiny", **{"ues.per_node": [2, 0, 3]})
    assert (some.num_ues, some.ue_homes) == (5, [0, 0, 2, 2, 2])
    assert some.fingerprint != tiny.fingerprint
    assert "per_node = [2, 0, 3]" in " ".join(some.to_toml().split()).replace("[ ", "[").replace(", ]", "]")
    assert f"per_node = {tiny.ues.per_node[0]}\n" in tiny.to_toml()
    assert load_scenario("tiny", **{"ues.per_node": tiny.ues.per_node}) == tiny  # a list of one is the number


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"device": PHONE, "devices": [PHONE]}, "ues: device and devices name the same: leave one of them away"),
        ({"devices": [PHONE, "phone-snapdragon-9gen3"]}, "ues.devices: no 'phone-snapdragon-9gen3'; did you mean phone-snapdragon-8gen3?"),
        ({"devices": []}, "ues.devices: List should have at least 1 item"),
        ({"devices": PHONE}, "ues.devices = 'phone-snapdragon-8gen3': Input should be a list in [ ]"),
        ({"devices": [PHONE, LAPTOP], "tx_power_w": [1.0, 2.0, 3.0]}, "ues: tx_power_w must be one number, or one a device, 2"),
        ({"tx_power_w": [1.0, 2.0]}, "ues: tx_power_w must be one number, or one a device, 1"),
        ({"tx_power_w": -1.0}, "ues.tx_power_w = -1.0: Input should be greater than or equal to 0"),
        ({"per_node": [2, 3]}, "ues.per_node has 2 numbers, and there are 3 nodes: one a node, or one for all"),
        ({"per_node": [0, 0, 0]}, "ues: per_node must be at least 1, or a list with a node that has UEs"),
        ({"per_node": 0}, "ues: per_node must be at least 1, or a list with a node that has UEs"),
        ({"per_node": [2, -1, 3]}, "ues.per_node[1] = -1: Input should be greater than or equal to 0"),
        ({"per_node": [2, 3.5, 3]}, "ues.per_node[1] = 3.5: Input should be a whole number"),
        ({"per_node": 257}, "ues.per_node = 257: Input should be less than or equal to 256"),
        (
            {"per_node": [2, 1, 3], "mobility": "street-grid", "street_spacing_m": 50.0},
            "ues: per_node is a list, of UEs that stay near their node, and this model of mobility lets them walk away: give one number",
        ),
    ],
)  # fmt: skip
def test_ues_that_cannot_be_are_refused_with_what_would_be_right(overrides, said, refusal):
    (line,) = refusal("tiny", **{f"ues.{key}": value for key, value in overrides.items()})
    assert line.startswith(f"tiny.toml: {said}"), line


def test_no_device_at_all_is_a_missing_key(spoiled, refusal):
    assert refusal(spoiled('device = "phone-snapdragon-8gen3"\n', "")) == ["mine.toml: ues.device: missing"]


# --- what holds for every device -----------------------------------------------------------------------------------------------------


def test_what_may_not_leave_the_device_fits_onto_every_one(refusal):
    """A 3 B model at 16 bits takes 6.4 GB, of which the smaller phone has 4.8: no cut helps what has to stay whole."""
    whole = {
        "service.assistant.model": "llama-3.2-3b",
        "service.assistant.privacy": "device",
        "actions.device_split": [0.0, 1.0],
        "actions.precision": ["fp16"],
        "actions.default_precision": "fp16",
    }
    assert load_scenario("tiny", **whole, **{"ues.devices": [PHONE, LAPTOP]})
    for devices in ([LAPTOP, SMALL], [SMALL, PHONE]):
        (line,) = refusal("tiny", **whole, **{"ues.devices": devices})
        assert f"llama-3.2-3b fits nowhere for UEs with {SMALL}, whole or cut" in line
        assert "every job of theirs would be rejected" in line
    (line,) = refusal("tiny", **whole, **{"ues.device": SMALL})
    assert "fits nowhere, whole or cut" in line
    assert "every job of it would be rejected" in line


def test_a_draft_fits_onto_every_device(refusal):
    """With the KV of 100,000 tokens, 3.2 GB, beside 2.5 GB of weights."""
    drafted = {
        "service.chat.prompt_tokens": 100_000,
        "service.chat.output_tokens": 100,
        "service.chat.draft": "llama-3.2-1b",
        "service.chat.draft_precision": "fp16",
        "actions.device_split": [0.0, 0.5, 1.0, "draft"],
    }
    assert load_scenario("tiny", **drafted, **{"ues.devices": [PHONE, LAPTOP]})
    for devices in ([PHONE, SMALL], [SMALL, PHONE]):
        (line,) = refusal("tiny", **drafted, **{"ues.devices": devices})
        assert f"4.8 GB are usable on {SMALL}; name a smaller draft or precision" in line


def test_fine_tuning_fits_onto_every_device_and_finds_its_ues(refusal):
    plant = load_scenario("finetune")
    tuned = [service.name for service in plant.finetune if service.keeps_labels]
    assert tuned, "a service whose labels stay on the device"
    coarse = {"actions.precision": ["fp16"], "actions.default_precision": "fp16", "actions.device_split": [0.0, 1.0]}
    assert load_scenario("finetune", **coarse, **{"ues.devices": [plant.ues.in_turn[0], LAPTOP]})
    (line,) = refusal("finetune", **coarse, **{"ues.devices": [plant.ues.in_turn[0], SMALL]})
    assert f"for UEs with {SMALL}" in line
    participants = max(service.participants for service in plant.finetune)
    counts = [participants] + [1] * (plant.nodes.count - 1)
    assert load_scenario("finetune", **{"ues.per_node": counts}).num_ues == sum(counts)
    (line,) = refusal("finetune", **{"ues.per_node": [participants - 1] * plant.nodes.count})
    assert f"it must be at most ues.per_node = {participants - 1}" in line


def test_the_energy_of_a_tuning_job_is_bounded_by_the_strongest_device():
    weak, strong = (most(load_scenario("finetune", **{"ues.tx_power_w": watts}))["energy_j"] for watts in (1.0, 50.0))
    both = load_scenario("finetune", **{"ues.devices": [PHONE, PHONE], "ues.tx_power_w": [1.0, 50.0]})
    assert weak < strong == most(both)["energy_j"]
