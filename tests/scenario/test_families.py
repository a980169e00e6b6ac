"""Several models of one service, memory of nodes: what is read, what is refused, what the action table makes of it."""

import numpy as np
import pytest

from edge6g_env import capacity, costs, load_scenario
from edge6g_env.costs.memory import usable_bytes
from edge6g_env.kernel import codes
from edge6g_env.spaces import Layout

FAMILY = {"service.chat.models": ["qwen3-1.7b", "qwen3-4b", "qwen3-8b"], "service.chat.default_model": "qwen3-4b"}
OTHER = "service.assistant"


def test_rows_are_those_of_before_times_the_models_in_order():
    one, several = (Layout(load_scenario("tiny", **change)) for change in ({}, FAMILY))
    assert (one.action_table[:, 4] == 0).all()
    assert one.action_names == [name for name in one.action_names if "model" not in name]
    runs = several.action_table[2:].reshape(-1, 3, 5)
    assert (runs[:, :, 4] == [0, 1, 2]).all()
    assert (runs[:, :, :4] == one.action_table[2:, None, :4]).all()
    assert several.action_names[2:] == [f"{name}, model {m}" for name in one.action_names[2:] for m in (1, 2, 3)]


def test_weights_of_all_models_are_there_once():
    scenario = load_scenario("tiny", **FAMILY)
    models = [model for service in scenario.service for model in service.family]
    assert scenario.models == list(dict.fromkeys(models))
    assert scenario.most_models == 3
    own = load_scenario("tiny", **FAMILY, **{"service.chat.own_weights": True})
    assert own.weights[:3] == [f"{model}@chat" for model in FAMILY["service.chat.models"]]


def test_models_take_the_place_of_the_model_and_back():
    scenario = load_scenario("tiny", **FAMILY)
    assert scenario.service[0].model is None
    again = load_scenario(scenario, **{"service.chat.model": "qwen3-8b"})
    assert again.service[0].models is None
    assert again.service[0].default == "qwen3-8b"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({**FAMILY, "service.chat.model": "qwen3-4b"}, "service.chat: name either model or models"),
        ({**FAMILY, "service.chat.default_model": "qwen3-14b"}, "default_model = 'qwen3-14b' must be one of models"),
        (
            {"service.chat.models": ["qwen3-4b", "qwen3-8b"]},
            "default_model = None must be one of models: qwen3-4b, qwen3-8b",
        ),
        ({**FAMILY, "service.chat.models": ["qwen3-4b", "qwen3-8b", "qwen3-4b"]}, "models names qwen3-4b twice"),
        ({**FAMILY, "service.chat.models": ["qwen3-4b"]}, "service.chat.models: List should have at least 2 items"),
        (
            {**FAMILY, "service.chat.models": ["qwen3-4b", "qwen3-9b"]},
            "service.chat.models: no 'qwen3-9b'; did you mean",
        ),
        (
            {**FAMILY, "service.chat.models": ["qwen3-4b", "llava-1.5-7b"]},
            "service.chat.models: qwen3-4b takes text, llava-1.5-7b image+text",
        ),
        ({**FAMILY, "service.chat.quality_metric": "mmlu"}, "service.chat.quality_metric: no 'mmlu'; "),
        (
            {**FAMILY, "service.chat.quality_metric": "vqav2_pct"},
            "model_quality.csv has no such score of qwen3-1.7b, qwen3-4b, qwen3-8b",
        ),
        ({"service.chat.default_model": "qwen3-4b"}, "default_model and quality_metric go with models"),
        ({**FAMILY, "service.chat.lora_rank": 8, "service.chat.lora_targets": "x"}, "service.chat.lora_targets: "),
        ({"nodes.memory_gb": [24.0, 16.0]}, "memory_gb must be one number, or one a device, 3"),
        ({"nodes.memory_gb": 0.01}, "nodes.memory_gb = 0.01: 0.009 GB of it are usable on l40s, and the smallest part"),
        ({"nodes.memory_gb": -1.0}, "nodes.memory_gb = -1.0: Input should be greater than 0"),
        (
            {
                "service.chat.models": ["qwen3-14b", "qwen3-32b"],
                "service.chat.default_model": "qwen3-14b",
                "service.chat.cloud": False,
                "nodes.memory_gb": 1.0,
            },
            "service.chat.models: none of qwen3-14b, qwen3-32b fits anywhere",
        ),
    ],
)
def test_bad_families_are_refused_in_a_sentence(changes, words, refusal):
    (line,) = refusal("tiny", **changes)
    assert words in line


def test_memory_of_nodes_goes_round_with_the_devices():
    scenario = load_scenario("tiny", **{"nodes.memory_gb": [12.0, 24.0, 8.0]})
    kinds = capacity.nodes_by_kind(scenario)
    for (device, memory_gb), nodes in kinds.items():
        for i in nodes:
            assert scenario.nodes.devices[i % 3] == device
            assert memory_gb == [12.0, 24.0, 8.0][i % 3]
    for one in capacity.holdings(scenario):
        for precision, load_s in one.load_s.items():
            fits = costs.memory_bytes(one.weights, precision) <= usable_bytes(costs.device(one.device), one.memory_gb)
            assert fits == (load_s is not None)


@pytest.mark.parametrize("model", ["llama-3.2-1b", "qwen3-8b"])  # tied and not
def test_parts_of_a_model_add_up(model):
    layers = costs.model(model).layers
    whole = capacity.part_bytes(model, "int4", 0, layers)
    assert whole == costs.memory_bytes(model, "int4")
    parts = [capacity.part_bytes(model, "int4", low, low + 1) for low in range(layers)]
    repeated = (
        parts[0] - parts[1] if costs.model(model).tied_embeddings else 0.0
    )  # a tied head is the embedding once more
    assert sum(parts) == pytest.approx(whole + repeated)


def test_policies_that_choose_a_route_take_the_default_model():
    from agents.policy import make_rule
    from edge6g_env import batch_env

    env = batch_env("tiny", num_worlds=4, skip_idle=True, **FAMILY)
    rule, obs, seen = make_rule("local", env.layout), env.reset(seed=3), set()
    for _ in range(60):
        actions = rule.act(obs, np.random.default_rng(0))
        deciding = obs["action_mask"][..., codes.REJECT] == 1
        chat = obs["observation"][..., env.layout.observation_index("job/service_chat")] == 1
        seen |= set(env.action_table[actions[deciding & chat]][:, 4].tolist())
        assert (env.action_table[actions[deciding & ~chat]][:, 4] == 0).all()
        obs, *_ = env.step(actions)
    assert seen == {1}
