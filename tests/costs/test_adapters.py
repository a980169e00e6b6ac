"""Adapters: lora.csv, the worked numbers of COSTS 7, and the laws of a training step."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from edge6g_env import costs

LORA = list(csv.DictReader((Path(__file__).parent / "data" / "lora.csv").read_text().splitlines()))


@pytest.mark.parametrize("model", dict.fromkeys(row["model"] for row in LORA))
def test_bytes_of_the_reference_table(model):
    for row in (row for row in LORA if row["model"] == model):
        arguments = model, int(row["rank"]), row["targets"]
        assert costs.adapter_params(*arguments) == int(row["adapter_params"])
        assert costs.adapter_bytes(*arguments) == int(row["adapter_bytes_fp16"])
        assert costs.adapter_params(*arguments, layers=1) == int(row["per_layer_params"])


def test_targets_in_any_form():
    by_text = costs.adapter_bytes("llama-2-7b", 8, "q, v")
    assert by_text == costs.adapter_bytes("llama-2-7b", 8, ["v", "q", "q"]) == 8_388_608
    every = ("q", "k", "v", "o", "gate", "up", "down")
    assert costs.adapter_bytes("llama-2-7b", 8, every) == costs.adapter_bytes("llama-2-7b", 8, "all-linear")


def test_each_expert_has_its_own_adapter():
    spec = costs.model("mixtral-8x7b")
    block = spec.layers * 4 * 3 * (spec.hidden + spec.expert_ffn)
    assert costs.adapter_params(spec, 4, "gate,up,down") == spec.experts * block


def test_memory_of_training():
    """COSTS 7: weights, 16 B a trained parameter, 34 n h a layer without checkpointing."""
    spec, n = costs.model("llama-2-7b"), 512
    activations = 34.0 * n * spec.hidden * spec.layers
    whole = costs.training_memory_bytes(spec, n, rank=8, checkpointing=False)
    assert whole == pytest.approx(spec.fp16_bytes + 16 * 4_194_304 + activations)
    full = costs.training_memory_bytes(spec, n, rank=None, checkpointing=False)
    outside = spec.fp16_bytes - 2 * spec.layers * spec.params_per_layer
    assert full == pytest.approx(16 * spec.layers * spec.params_per_layer + outside + activations)
    frozen = spec.fp16_bytes - costs.memory_bytes(spec, "int4")
    assert whole - costs.training_memory_bytes(spec, n, "int4", rank=8, checkpointing=False) == pytest.approx(frozen)


def test_a_part_holds_its_own_layers():
    spec, n = costs.model("llama-2-7b"), np.array([64.0, 512.0])
    parts = [costs.training_memory_bytes(spec, n, layers=k, checkpointing=False) for k in (8, 24, 32)]
    np.testing.assert_allclose(parts[0] + parts[1], parts[2])
    assert costs.training_step_s(spec, "l40s", n, layers=0).tolist() == [0.0, 0.0]
    assert np.array(costs.training_memory_bytes(spec, n, layers=0)).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(("checkpointing", "low", "high"), [(False, 1.8, 2.6), (True, 2.8, 3.8)])
def test_a_step_against_a_prefill(checkpointing, low, high):
    """COSTS 7: about 2 times the latency of a prefill of n tokens, 3 times with checkpointing."""
    for device in ("a100-80g", "jetson-agx-orin-64g"):
        step_s = costs.training_step_s("llama-2-7b", device, 1024, checkpointing=checkpointing)
        assert low < step_s / costs.prefill_s("llama-2-7b", device, 1024) < high


def test_an_adapter_is_cheaper_than_all_weights_in_time_and_memory():
    for layers in (4, None):
        lora, full = (
            costs.training_step_s("qwen2.5-0.5b", "l4", 512, 4, rank=rank, layers=layers) for rank in (8, None)
        )
        assert lora < full
        lora, full = (costs.training_memory_bytes("qwen2.5-0.5b", 512, rank=rank, layers=layers) for rank in (8, None))
        assert lora < full


@pytest.mark.parametrize("rank", [8, None])
@pytest.mark.parametrize("checkpointing", [True, False])
def test_a_step_is_its_layers_there_and_back_and_its_head(rank: int | None, checkpointing: bool):
    """Backward takes no less than forward; what a rank adds is in both, two thirds of it on the way back."""
    tokens, sequences = np.array([64.0, 512.0]), np.array([1.0, 8.0])
    arguments = ("llama-3.1-8b", "l4", tokens, sequences, "int8")
    more = {"rank": rank, "checkpointing": checkpointing}
    forward_s, backward_s, head_s = costs.training_pass_s(*arguments, **more)
    assert forward_s.shape == backward_s.shape == head_s.shape == (2,)
    assert (backward_s > forward_s).all()
    for layers in (1, 20):
        step_s = costs.training_step_s(*arguments, **more, layers=layers)
        np.testing.assert_allclose(layers * (forward_s + backward_s), step_s, rtol=1e-12)
    np.testing.assert_allclose(32 * (forward_s + backward_s) + head_s, costs.training_step_s(*arguments, **more))
    if rank:
        higher = costs.training_pass_s(*arguments, rank=2 * rank, checkpointing=checkpointing)
        np.testing.assert_allclose(higher[1] - backward_s, 2.0 * (higher[0] - forward_s), rtol=1e-6)


@pytest.mark.parametrize("tokens", [256, 1024, 4096])
@pytest.mark.parametrize("device", ["a100-80g", "rtx-4090", "phone-snapdragon-8gen3"])
def test_the_head_of_a_step_takes_no_less_than_its_operations(device: str, tokens: int):
    """Forward and backward each 2 n V h, at no higher rate than the products of the layers have together in a prefill."""
    spec = costs.model("llama-3.2-3b")
    head_s = float(
        costs.training_step_s(spec, device, tokens) - costs.training_step_s(spec, device, tokens, layers=spec.layers)
    )
    rate = 2.0 * spec.layers * spec.params_per_layer * tokens / float(costs.prefill_s(spec, device, tokens))
    assert head_s >= 2.0 * 2.0 * tokens * spec.vocab * spec.hidden / (1.5 * rate)


def test_what_training_holds_beside_frozen_weights():
    """The bytes a layer and once are those of the whole memory, for any part; the head is the embedding's, where it is tied."""
    for checkpointing in (True, False):
        more = {"rank": 4, "targets": "all-linear", "checkpointing": checkpointing}
        layer_bytes, once_bytes = costs.training_state_bytes("llama-3.1-8b", 1000.0, **more)
        for layers in (1, 9):
            frozen = layers * costs.model("llama-3.1-8b").params_per_layer * 2.0
            whole = costs.training_memory_bytes("llama-3.1-8b", 1000.0, layers=layers, **more)
            assert layers * layer_bytes + once_bytes + frozen == pytest.approx(float(whole))
        assert (once_bytes > 0.0) == checkpointing
    for name, tied in (("llama-3.2-1b", True), ("llama-3.1-8b", False)):
        spec = costs.model(name)
        weights = 0.0 if tied else 2.0 * spec.vocab * spec.hidden
        assert costs.training_head_bytes(name, 100.0) == pytest.approx(weights + 400.0 * spec.vocab)
