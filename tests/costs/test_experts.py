"""Mixtures of experts (COSTS 12): what is held, what is read, what is computed; against measured layers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge6g_env import costs
from edge6g_env.costs import formulas, shapes

MOE = [name for name in costs.models() if costs.model(name).has_experts]


def test_the_tables_name_them():
    assert MOE == ["mixtral-8x7b", "olmoe-1b-7b", "qwen3-30b-a3b"]


@given(st.integers(1, 64), st.integers(1, 12))
def test_experts_reached(experts, tokens):
    """One token reaches its own; many reach all; and a draw of tokens one by one gives the same mean."""
    active = max(1, experts // 4)
    reached = [formulas.experts_read(float(n), float(experts), float(active)) for n in (1, tokens, 10_000)]
    assert reached[0] == pytest.approx(active)
    assert reached[2] == pytest.approx(experts)
    missed = 1.0
    for _ in range(tokens):
        missed *= 1.0 - active / experts  # an expert stays unread if each token in turn misses it
    assert reached[1] == pytest.approx(experts * (1.0 - missed))


def test_experts_reached_of_random_routing():
    rng, experts, active = np.random.default_rng(4), 16, 2
    for tokens in (1, 3, 8, 30):
        draws = [len({*np.ravel([rng.permutation(experts)[:active] for _ in range(tokens)])}) for _ in range(2000)]
        assert formulas.experts_read(float(tokens), 16.0, 2.0) == pytest.approx(np.mean(draws), rel=0.02)


@pytest.mark.parametrize("name", MOE)
def test_memory_holds_every_expert_and_work_counts_the_active(name):
    spec = costs.model(name)
    block = 3 * spec.hidden * spec.expert_ffn
    assert spec.layers * spec.experts * block < spec.params_total
    assert costs.memory_bytes(name) == 2.0 * spec.params_total
    assert costs.load_s(name, "h100-80g") > 2.0 * spec.params_total / 7e9
    idle = (spec.experts - spec.experts_active) * block
    dense_flops = 2.0 * (spec.params_per_layer - idle)
    assert costs.linear_flops(spec, np.array(1.0)) == pytest.approx(dense_flops, rel=0.01)
    assert shapes.read_layer_bytes(spec, "fp16", np.array(1.0)) == pytest.approx(2.0 * (spec.params_per_layer - idle))
    assert shapes.read_layer_bytes(spec, "fp16", np.array(1e5)) == pytest.approx(2.0 * spec.params_per_layer)


@pytest.mark.parametrize("name", MOE)
def test_batching_gains_less_than_for_the_dense_model_of_the_active_width(name):
    spec = costs.model(name)
    dense = costs.ModelSpec(
        "dense",
        layers=spec.layers,
        hidden=spec.hidden,
        ffn=spec.experts_active * spec.expert_ffn,
        heads=spec.heads,
        kv_heads=spec.kv_heads,
        head_dim=spec.head_dim,
        vocab=spec.vocab,
    )
    moe_s, dense_s = (costs.decode_step_s(m, "h100-80g", 500, [1, 16]) for m in (spec, dense))
    assert moe_s[0] == pytest.approx(dense_s[0], rel=0.05)  # one token: the same bytes, but for its copies
    assert moe_s[1] / moe_s[0] > 1.3 * dense_s[1] / dense_s[0]
    assert costs.step_energy_j(spec, "h100-80g", 16, 500, 16) > costs.step_energy_j(dense, "h100-80g", 16, 500, 16)


def test_one_expert_is_a_dense_layer_but_for_copies():
    one = costs.ModelSpec("one", layers=2, hidden=512, heads=8, vocab=9, experts=1, experts_active=1, expert_ffn=2048)
    dense = costs.ModelSpec("dense", layers=2, hidden=512, heads=8, vocab=9, ffn=2048)
    tokens = np.array([1.0, 64.0, 4096.0])
    copies_s = 2.0 * tokens * 4.0 * 512 / (864e9 * costs.fit_of(costs.device("l40s")).gemm["fp16"].eb)
    np.testing.assert_allclose(
        costs.layer_time_s(one, "l40s", tokens), costs.layer_time_s(dense, "l40s", tokens) + copies_s
    )


@pytest.mark.parametrize(
    ("experts", "routing", "low", "high", "bound"),
    [
        (128, "balanced", 2, 4, 5.0),
        (128, "balanced", 8, 16, 31.0),
        (128, "balanced", 32, 4096, 15.0),
        (128, "power_law_1.01", 2, 4, 5.0),
        (128, "power_law_1.01", 8, 16, 49.0),
        (128, "power_law_1.01", 32, 4096, 15.0),
        (8, "balanced", 1, 4, 28.0),
        (8, "balanced", 8, 256, 15.0),
    ],
)
def test_measured_layers(table, column, error_percent, experts, routing, low, high, bound):
    """The errors that COSTS 12 gives for this formula on the L40S."""
    rows = [
        row
        for row in table("measured/moe_layers.csv")
        if (row["device"], row["experts"], row["routing"]) == ("l40s", str(experts), routing)
        and low <= float(row["tokens"]) <= high
    ]
    numbers = {f: int(rows[0][f]) for f in ("hidden", "experts", "experts_active", "expert_ffn")}
    spec = costs.ModelSpec("measured", layers=1, heads=32, vocab=1, **numbers)
    predicted = costs.experts_time_s(spec, "l40s", column(rows, "tokens"))
    assert error_percent(predicted, column(rows, "moe_us") * 1e-6) <= bound


def test_kernel_tables_take_them():
    tables = costs.kernel_tables(["h100-80g"], [(name, "int4") for name in MOE])
    for v, name in enumerate(MOE):
        spec = costs.model(name)
        total = tables.layers[v] * tables.layer_bytes[v] + tables.embedding_bytes[v] + tables.head_bytes[v]
        assert total == pytest.approx(costs.memory_bytes(name, "int4"))
        assert tables.params_per_layer[v] == spec.params_per_layer
        layer_s = costs.layer_time_s(name, "h100-80g", costs.TOKEN_GRID, "int4")
        np.testing.assert_allclose(tables.layer_s[0, v], layer_s)
