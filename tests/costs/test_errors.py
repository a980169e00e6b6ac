"""Bad input is refused with the argument's name and what would be valid."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from edge6g_env import costs

MNK = {"m": 8, "n": 64, "k": 64}
GEMM = {"device": "t4", "gemm_us": 3, "precision": "fp16", **MNK}
ATTENTION = {"device": "t4", "phase": "decode", "kv_heads": 8, "head_dim": 64, "kv_prior": 0, "attn_ms": 1}
LAYER = {"device": "t4", "layer_ms": 1, "hidden": 64, "ffn": 64, "heads": 4, "kv_heads": 4, "gated": 0, "tokens": 8}
CASES = [
    (lambda: costs.model("lama-3.1-8b"), "model = 'lama-3.1-8b'.*did you mean.*llama-3.1-8b"),
    (lambda: costs.device("a100"), "device = 'a100'.*a100-80g"),
    (lambda: costs.device(None), "device = None"),
    (lambda: costs.model(["llama-2-7b"]), "model = "),
    (lambda: costs.layer_time_s("llama-2-7b", "t4", 0), "tokens = 0 .*at least 1"),
    (lambda: costs.layer_time_s("llama-2-7b", "t4", [4, math.nan]), "tokens = nan"),
    (lambda: costs.layer_time_s("llama-2-7b", "t4", 8, "int5"), "precision = 'int5'"),
    (lambda: costs.gemm_time_s("t4", 1, -4, 8), "n = -4 .*at least 1"),
    (lambda: costs.gemm_time_s("t4", "many", 4, 8), "m = 'many' is outside .*at least 1; not a number"),
    (lambda: costs.gemm_time_s("t4", [1, 2], [1, 2, 3], 8), "cannot be broadcast"),
    (lambda: costs.attention_time_s("llama-2-7b", "t4", 1, -1), "context_tokens = -1 .*at least 0"),
    (lambda: costs.decode_step_s("llama-2-7b", "t4", 1, 0), "batch = 0 .*at least 1"),
    (lambda: costs.decode_step_s("llama-2-7b", "t4", math.inf, 1), "context_tokens = inf"),
    (lambda: costs.prefill_s("llama-2-7b", "t4", 0.5), "tokens = 0.5"),
    (lambda: costs.prefill_s("llama-2-7b", "t4", 8, "fp16", -1), "cached_tokens = -1 .*at least 0"),
    (lambda: costs.verify_step_s("llama-2-7b", "t4", 100, -1), "drafted = -1 .*at least 0"),
    (lambda: costs.step_energy_j("llama-2-7b", "t4", 1, 100, 8), "tokens .*at least batch"),
    (lambda: costs.kv_bytes("llama-2-7b", -1), "tokens = -1"),
    (lambda: costs.boundary_bytes("llama-2-7b", 1, "int3"), "precision = 'int3'.*int"),
    (lambda: costs.quality("llama-2-7b", "int4", "llava-1.5-7b"), "best_model.*vqav2.*mmlu"),
    (lambda: costs.quality("llama-3.1-8b", "int4", "llama-2-7b"), "best_model.*below"),
    (lambda: costs.quality("gpt-5"), "model = 'gpt-5'"),
    (lambda: costs.quality("llama-2-7b", "int9"), "precision = 'int9'"),
    (lambda: costs.price("gold"), "name = 'gold'"),
    (lambda: costs.price("l40s", "token_in"), "kind = 'token_in'.*gpu_rent"),
    (lambda: costs.token_price_usd("t5-xxl-11b"), "model = 't5-xxl-11b'.*known: .*llama-3.1-8b"),
    (lambda: costs.accelerator_price_usd_per_s("a2"), "device = 'a2'.*known: .*l40s"),
    (lambda: costs.network_price_usd_per_byte("fibre"), "part = 'fibre'.*air"),
    (lambda: costs.electricity_price_usd_per_j("electricity business EU"), "EUR/kWh.*USD/kWh"),
    (lambda: costs.draft_acceptance("phi-2", "phi-2"), "target/draft"),
    (lambda: costs.tokens_per_round(1.5, 4), "acceptance = 1.5.*0 to 1"),
    (lambda: costs.kernel_tables([], [("llama-2-7b", "fp16")]), "must not be empty"),
    (lambda: costs.kernel_tables(["t4"], [("llama-2-7b", "fp15")]), "precision = 'fp15'"),
    (lambda: costs.fit_device([]), "rows: expected rows of one device"),
    (lambda: costs.fit_device([{"device": "a100"}, {"device": "h100"}]), "rows: expected rows of one device"),
    (lambda: costs.fit_device([{"device": "a6000", "ms": 1}]), "device = 'a6000'.*data sheet: fit_device"),
    (
        lambda: costs.fit_device([{"device": "t4", "gemm_us": "fast", "precision": "fp16", **MNK}] * 4),
        "gemm_us = 'fast'",
    ),
    (lambda: costs.fit_device([{"device": "t4", "gemm_us": 0, "precision": "fp16", **MNK}] * 4), "gemm_us = 0 is out"),
    (lambda: costs.fit_device(7), "rows: expected mappings, a DataFrame"),
    (lambda: costs.fit_device("rows.csv"), "rows: expected mappings, a DataFrame"),
    (lambda: costs.experts_time_s("llama-2-7b", "t4", 1), "model = 'llama-2-7b' is dense"),
    (lambda: costs.encoder_s("llava-1.5-7b", "t4", "int5"), "precision = 'int5'"),
    (lambda: costs.adapter_bytes("llama-2-7b", 0), "rank = 0 .*at least 1"),
    (lambda: costs.adapter_bytes("phi-2", 8, "gate"), "targets = 'gate'.*known: all-linear"),
    (lambda: costs.adapter_params("phi-2", layers=33), "layers = 33 .*0 to 32"),
    (lambda: costs.training_step_s("llama-2-7b", "t4", 0), "tokens = 0"),
    (lambda: costs.training_memory_bytes("llama-2-7b", 1, "int5"), "precision = 'int5'"),
    (lambda: costs.training_head_bytes("llama-2-7b", 1, "int5"), "precision = 'int5'"),
    (lambda: costs.training_state_bytes("llama-2-7b", 0), "tokens = 0"),
    (lambda: costs.training_pass_s("llama-2-7b", "t4", 8, 0), "sequences = 0"),
    (lambda: costs.ModelSpec("mine", hidden=64, heads=2, vocab=10, ffn=128), r"ModelSpec\.layers = 0 .*above 0"),
    (lambda: costs.ModelSpec("mine", layers=2, hidden=64.5, heads=2, vocab=10, ffn=9), "hidden = 64.5 is not a whole"),
    (lambda: replace(costs.model("mixtral-8x7b"), experts_active=9), "experts_active = 9 .*1 to experts"),
    (lambda: replace(costs.model("llama-2-7b"), kv_heads=-8), "kv_heads = -8"),
    (lambda: costs.model_of_row({"hidden": 64}), "a row of a ModelSpec lacks name"),
    (lambda: costs.device_of_row({"name": "mine", "class": "edge"}), "a row of a DeviceSpec lacks fp16_tflops"),
    (lambda: replace(costs.device("t4"), mem_bw_gbs=None), r"DeviceSpec\.mem_bw_gbs = None is not a number"),
    (lambda: replace(costs.device("t4"), int8_tops="many"), "int8_tops = 'many' is not a number"),
    (lambda: costs.fit_device([{"device": "t4", "gemm_us": 3, "precision": "fp16"}] * 9), "lacks the column 'm'"),
    (lambda: costs.fit_device([{"device": "t4", "speed": 3}]), "nothing to fit"),
    *[(lambda name=name: costs.fit_device([GEMM | {name: 0}] * 4), f"rows: {name} = 0 .*above 0") for name in MNK],
    (lambda: costs.fit_device([GEMM | {"m": 10**400}] * 4), "rows: m = 10+ is not a number"),
    (lambda: costs.fit_device([ATTENTION | {"batch": 0}] * 4), "rows: batch = 0 .*above 0"),
    (lambda: costs.fit_device([ATTENTION | {"batch": 1, "kv_prior": -1}] * 4), "rows: kv_prior = -1 .*at least 0"),
    (lambda: costs.fit_device([LAYER | {"heads": 0}] * 4), "rows: heads = 0 .*above 0"),
    (lambda: costs.fit_device([LAYER | {"tp": "two"}] * 4), "rows: tp = 'two' is not a number"),
    (lambda: costs.fit_device([LAYER | {"tp": 0}] * 4), "rows: tp = 0 .*above 0"),
    (lambda: replace(costs.model("llama-2-7b"), layers=math.inf), r"ModelSpec\.layers = inf .*finite"),
    (lambda: replace(costs.model("llama-2-7b"), hidden="nan"), r"ModelSpec\.hidden = 'nan' .*finite"),
    (lambda: replace(costs.model("llama-2-7b"), vocab=10**400), r"ModelSpec\.vocab = 10+ is not a number"),
    (lambda: replace(costs.model("llama-2-7b"), heads=np.float32(math.nan)), r"ModelSpec\.heads = 0 .*above 0"),
    (lambda: replace(costs.model("llama-2-7b"), kv_heads=64), r"kv_heads = 64 .*a divisor of heads = 32"),
    (lambda: replace(costs.model("llama-2-7b"), kv_heads=12), r"kv_heads = 12 .*a divisor of heads = 32"),
    (lambda: replace(costs.model("llama-2-7b"), tied_embeddings=2), "tied_embeddings = 2 .*0 or 1"),
    (lambda: replace(costs.model("llama-2-7b"), gated_mlp=3), "gated_mlp = 3 .*0 or 1"),
    *[
        (lambda name=name: replace(costs.model("llava-1.5-7b"), **{name: 0}), f"{name} = 0 .*above 0, as enc_layers is")
        for name in ("enc_hidden", "enc_ffn", "enc_heads", "enc_tokens_per_input")
    ],
    (lambda: replace(costs.model("llava-1.5-7b"), enc_heads=2048), "enc_heads = 2048 .*1 to enc_hidden = 1024"),
    (lambda: replace(costs.device("t4"), mem_gb=math.inf), r"DeviceSpec\.mem_gb = inf .*finite"),
    (lambda: replace(costs.device("t4"), idle_w=500), r"DeviceSpec\.idle_w = 500.0 .*0 to tdp_w = 70"),
    (lambda: replace(costs.device("t4"), name=None), r"DeviceSpec\.name = None .*text"),
    (lambda: replace(costs.device("t4"), name=" "), r"DeviceSpec\.name = ' ' .*text"),
    (lambda: replace(costs.model("llama-2-7b"), name=7), r"ModelSpec\.name = 7 .*text"),
]


@pytest.mark.parametrize(("call", "message"), CASES)
def test_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_specs_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        costs.device("t4").mem_gb = 80


@pytest.mark.parametrize("name", ["model", "device"])
def test_a_record_passes_through(name):
    look_up, names = getattr(costs, name), getattr(costs, name + "s")()
    record = look_up(names[0])
    assert look_up(record) is record


def test_every_public_name_exists():
    assert len(costs.__all__) == len(set(costs.__all__))
    assert all(hasattr(costs, name) for name in costs.__all__)
