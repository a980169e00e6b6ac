"""Worked numbers of COSTS and the shipped reference tables."""

from __future__ import annotations

import numpy as np
import pytest

from edge6g_env import costs
from edge6g_env.costs import shapes


@pytest.mark.parametrize(
    ("name", "params"),
    [("llama-3.1-8b", 218_103_808), ("llama-2-7b", 202_375_168), ("qwen2.5-1.5b", 46_792_704), ("phi-2", 78_643_200)],
)
def test_linear_parameters(name, params):
    """COSTS 1."""
    assert shapes.linear_params(costs.model(name)) == params


def test_work_of_a_layer():
    """COSTS 2: one llama-3.1-8b layer."""
    llama, old = costs.model("llama-3.1-8b"), costs.model("llama-2-7b")
    assert costs.linear_flops(llama, np.array(1024.0)) / 1e9 == pytest.approx(446.7, abs=0.05)
    assert costs.attention_flops(llama, np.array(1024.0), np.array(0.0)) / 1e9 == pytest.approx(8.6, abs=0.05)
    decode = costs.linear_flops(llama, np.array(8.0)) + 8 * costs.attention_flops(llama, np.array(1.0), np.array(1024))
    assert decode / 1e9 == pytest.approx(3.62, abs=0.01)
    assert shapes.stored_layer_bytes(llama, "fp16") / 1e6 == pytest.approx(436, abs=0.5)
    assert shapes.layer_kv_bytes(llama, np.array(8 * 1024.0)) / 1e6 == pytest.approx(33.6, abs=0.1)
    assert shapes.layer_kv_bytes(old, np.array(8 * 1024.0)) / 1e6 == pytest.approx(134, abs=0.5)


@pytest.mark.parametrize("name", costs.models())
def test_bytes_of_a_model(name):
    spec = costs.model(name)
    assert costs.memory_bytes(name) == spec.fp16_bytes
    assert costs.memory_bytes(name, "int8") == spec.fp16_bytes / 2
    assert 0.2 * spec.fp16_bytes < costs.memory_bytes(name, "int4") < spec.fp16_bytes * 0.75
    assert costs.kv_bytes(name, 10) == 10 * 4 * spec.layers * spec.kv_heads * spec.head_dim
    assert costs.boundary_bytes(name, 3) == 3 * spec.boundary_bytes_per_token_fp16


def test_bytes_at_a_cut():
    """COSTS 6 and the rows of boundary.csv for hidden sizes 4096, 896 and 5120."""
    assert costs.boundary_bytes("llama-3.1-8b", 1024) / 1e6 == pytest.approx(8.4, abs=0.02)
    for name, int8, int4, int2 in (
        ("llama-3.1-8b", 4098, 2112, 1152),
        ("qwen2.5-0.5b", 898, 462, 252),
        ("llama-2-13b", 5122, 2640, 1440),
    ):
        assert [costs.boundary_bytes(name, 1, p) for p in ("int8", "int4", "int2")] == [int8, int4, int2]


def test_load_time():
    """COSTS 4: bytes over the slower of disk (7 GB/s) and host link (24 GB/s), and a start of 0.5 to 2 s."""
    read_s = 16_060_522_496 / 7e9
    assert read_s + 0.5 <= costs.load_s("llama-3.1-8b", "a100-80g") <= read_s + 2
    assert costs.load_s("llama-3.1-8b", "a100-80g", "int4") < costs.load_s("llama-3.1-8b", "a100-80g", "int8")


def test_layer_time_of_the_sanity_row():
    """COSTS 3.1: measured 0.303, 1.082, 8.54 ms at 1, 512 and 4096 tokens."""
    times_ms = costs.layer_time_s("llama-3.1-8b", "a100-80g", [1, 512, 4096]) * 1e3
    np.testing.assert_allclose(times_ms, [0.303, 1.082, 8.54], rtol=0.08)


@pytest.mark.parametrize(
    ("name", "precision", "number"),
    [
        ("qwen3-8b", "int4", 0.89),
        ("llama-3.1-8b", "fp16", 0.80),
        ("qwen2.5-0.5b", "fp16", 0.57),
        ("llama-3.2-1b", "int4", 0.36),
    ],
)
def test_quality(name, precision, number):
    """quality.md, point 2: best is qwen3-32b."""
    assert costs.quality(name, precision, "qwen3-32b") == pytest.approx(number, abs=0.005)
    assert costs.quality(name, precision) == pytest.approx(number, abs=0.005)


def test_quality_is_a_share_for_every_pair_of_the_map(table):
    for row in table("quality_map.csv"):
        assert 0.0 < costs.quality(row["model"], row["precision"]) <= 1.0


def test_prices():
    """COSTS 9: 1,000 tokens of an 8B model 0.00018 USD; their fp16 boundary 0.0004 (backhaul) to 0.0027 (air)."""
    tokens = costs.token_price_usd("llama-3.1-8b")
    assert 1000 * tokens.in_usd == pytest.approx(0.00018)
    assert 1000 * tokens.out_usd == pytest.approx(0.00018)
    boundary = costs.boundary_bytes("llama-3.1-8b", 1000)
    assert boundary * costs.network_price_usd_per_byte("backhaul") == pytest.approx(0.0004, abs=5e-5)
    assert boundary * costs.network_price_usd_per_byte("air") == pytest.approx(0.0027, abs=5e-5)
    assert 1e9 * costs.network_price_usd_per_byte("cloud_egress") == pytest.approx(0.09)
    assert 3600 * costs.accelerator_price_usd_per_s("a100-80g") == pytest.approx(1.39)
    assert 3.6e6 * costs.electricity_price_usd_per_j() == pytest.approx(0.06)
    assert costs.price("a100-80g")[:3] == (1.39, "USD/GPU-hour", "gpu_rent")


def test_different_prices_in_and_out():
    assert costs.token_price_usd("mistral-7b-v0.1") == pytest.approx((0.15e-6, 0.2e-6))
    assert costs.token_price_usd("llama-2-13b").in_usd == pytest.approx(0.2e-6)


def test_draft_acceptance():
    assert costs.draft_acceptance("llama-3.1-8b", "llama-3.2-1b") == 0.70
    assert costs.draft_acceptance("t5-xxl-11b", "t5-small-77m") == 0.75


def test_every_model_has_a_price_and_a_quality_at_every_precision(table):
    """What a scenario may name; each with a source, or marked as judgement."""
    rows = {name: row for row in table("prices.csv") for name in row["name"].split(";")}
    scored = {(row["model"], row["precision"]): row for row in table("quality_map.csv")}
    for name in costs.models():
        assert 0.0 <= costs.token_price_usd(name).out_usd < 1e-5
        assert rows[name]["source"]
        assert rows[name]["status"]
        for precision in costs.PRECISIONS:
            assert 0.0 < costs.quality(name, precision) <= 1.0
            assert scored[name, precision]["method"]


def test_encoder_tokens():
    """COSTS 2."""
    names = ("llava-1.5-7b", "openvla-7b", "whisper-small", "llama-3.1-8b")
    assert [costs.encoder_tokens(name) for name in names] == [576, 256, 1500, 0]


def test_encoder_follows_inputs_and_precision():
    one, four = (costs.encoder_s("openvla-7b", "jetson-agx-orin-64g", inputs=n) for n in (1, 4))
    assert one < four < 4 * one
    l40s = [float(costs.encoder_s("llava-1.5-7b", "l40s", p)) for p in ("int8", "fp16")]
    assert l40s[0] < l40s[1]


def test_encoder_of_an_image_model_counts_its_layers():
    """CLIP ViT-L/14 at 576 tokens is 0.35 TFLOP; the A100 cannot do it faster than its peak, nor 20 times slower."""
    floor_s = 2 * 576 * 24 * (4 * 1024**2 + 2 * 1024 * 4096) / 312e12
    assert floor_s < costs.encoder_s("llava-1.5-7b", "a100-80g") < 20 * floor_s
    assert costs.encoder_s("llama-3.1-8b", "a100-80g") == 0.0
