"""The kernel's arrays against the public functions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge6g_env import costs
from edge6g_env._jit import njit

DEVICES = ("rtx-4090", "a100-80g", "jetson-orin-nx-16g", "phone-a17pro")
VARIANTS = tuple((m, p) for m in ("llama-3.1-8b", "qwen2.5-0.5b") for p in costs.PRECISIONS)
TABLES = costs.kernel_tables(DEVICES, VARIANTS)

pairs = st.tuples(st.integers(0, len(DEVICES) - 1), st.integers(0, len(VARIANTS) - 1))


@njit
def decode_from_tables(tables, d, v, context_tokens, batch):
    """A decode step as the kernel adds it up."""
    layer_s = costs.tokens_lookup(tables.layer_s[d, v], batch)
    layer_s += costs.attention_decode_s(tables.attention_decode[d, v], batch * (context_tokens + 1.0))
    head_s, overhead_s = tables.head_s[d, v], tables.overhead_s[d]
    return tables.layers[v] * layer_s + head_s[0] + overhead_s[0] + (head_s[1] + overhead_s[1]) * batch


@njit
def prefill_from_tables(tables, d, v, tokens):
    """A prompt as the kernel adds it up."""
    layer_s = costs.tokens_lookup(tables.layer_s[d, v], tokens)
    layer_s += costs.attention_prefill_s(tables.attention_prefill[d, v], tokens, 0.0)
    return tables.layers[v] * layer_s + tables.head_s[d, v].sum() + tables.overhead_s[d].sum()


def test_grid_has_sixteen_points_an_octave():
    assert costs.TOKEN_GRID[0] == 1.0
    assert costs.TOKEN_GRID[-1] == 32_768.0
    np.testing.assert_allclose(16 * np.log2(costs.TOKEN_GRID), np.arange(costs.TOKEN_GRID.size), atol=1e-9)


@given(pairs, st.floats(0, 20_000), st.floats(1, 512))
def test_decode_step(pair, context, batch):
    d, v = pair
    expected = costs.decode_step_s(VARIANTS[v][0], DEVICES[d], context, batch, VARIANTS[v][1])
    assert decode_from_tables(TABLES, d, v, context, batch) == pytest.approx(float(expected), rel=0.005)


@given(pairs, st.floats(1, 32_768))
def test_prefill(pair, tokens):
    d, v = pair
    expected = costs.prefill_s(VARIANTS[v][0], DEVICES[d], tokens, VARIANTS[v][1])
    assert prefill_from_tables(TABLES, d, v, tokens) == pytest.approx(float(expected), rel=0.005)


@given(st.integers(0, costs.TOKEN_GRID.size - 1))
def test_lookup_returns_the_points_themselves(i):
    row = np.random.default_rng(5).random(costs.TOKEN_GRID.size)
    assert costs.tokens_lookup(row, costs.TOKEN_GRID[i]) == pytest.approx(row[i], rel=1e-9)


@given(st.floats(1, 200_000))
def test_lookup_of_a_line_is_the_line_beyond_the_grid_too(tokens):
    assert costs.tokens_lookup(3.0 + 2.0 * costs.TOKEN_GRID, tokens) == pytest.approx(3 + 2 * tokens)


def test_lookup_below_one_token_is_that_of_one():
    assert costs.tokens_lookup(costs.TOKEN_GRID.copy(), 0.0) == 1.0


def test_weights_add_up_to_the_model():
    total = TABLES.layers * TABLES.layer_bytes + TABLES.embedding_bytes + TABLES.head_bytes
    np.testing.assert_allclose(total, [costs.memory_bytes(*variant) for variant in VARIANTS])
    assert (TABLES.embedding_bytes > 0).all()


def test_a_tied_head_is_no_extra_bytes():
    tied = np.array([bool(costs.model(m).tied_embeddings) for m, _ in VARIANTS])
    assert (TABLES.head_bytes[tied] == 0).all()
    assert (TABLES.head_bytes[~tied] > 0).all()


def test_variants_without_a_device():
    for v, (name, precision) in enumerate(VARIANTS):
        sent = "fp16" if precision == "fp16" else "int8"
        assert TABLES.boundary_bytes_per_token[v] == costs.boundary_bytes(name, 1, sent)
        assert TABLES.layers[v] * TABLES.kv_bytes_per_token_layer[v] == pytest.approx(float(costs.kv_bytes(name, 1)))
        assert TABLES.quality[v] == costs.quality(name, precision)


def test_devices_without_a_variant():
    """COSTS 4: 10 % of a card's memory and 40 % of shared memory stay free."""
    assert TABLES.usable_bytes == pytest.approx([0.9 * 24e9, 0.9 * 80e9, 0.6 * 16e9, 0.6 * 8e9])
    assert TABLES.load_bytes_per_s == pytest.approx([7e9, 7e9, 1.5e9, 1.5e9])
    assert TABLES.power_w[1].tolist() == [55, 400]
    assert TABLES.overhead_s[2:].tolist() == [[0, 0], [0, 0]]


def test_busy_power_is_that_of_the_utilisation_formula():
    """COSTS 9 at Sarathi's chunk and a batch of eight: above idle, below TDP, and more for a prompt than for a token."""
    for d, name in enumerate(DEVICES):
        prefill = [costs.step_energy_j(m, name, 512, 0, 1, p) / costs.prefill_s(m, name, 512, p) for m, p in VARIANTS]
        decode = [
            costs.step_energy_j(m, name, 8, 1000, 8, p) / costs.decode_step_s(m, name, 1000, 8, p) for m, p in VARIANTS
        ]
        assert TABLES.busy_w[d] == pytest.approx([np.mean(prefill), np.mean(decode)])
        idle_w, tdp_w = TABLES.power_w[d]
        assert idle_w < TABLES.busy_w[d, 1] < TABLES.busy_w[d, 0] < tdp_w


def test_every_device_with_every_scored_variant():
    tables = costs.kernel_tables(costs.devices(), [(m, p) for m in costs.models() for p in costs.PRECISIONS])
    for name, array in tables._asdict().items():
        assert np.isfinite(array).all(), name
        assert (array >= 0).all(), name
    assert tables.layers.dtype == np.int64


def test_a_device_with_a_fit_of_its_own_is_taken():
    fast = costs.DeviceFit(layer={"fp16": costs.Roofline(ec=1.0, eb=1.0, o_s=0.0, p=2.0)})
    spec = costs.DeviceSpec("lab", "edge", 100.0, None, None, None, 24.0, 1000.0, 20.0, 300.0, 7.0, 24.0, fit=fast)
    tables = costs.kernel_tables([spec], [("llama-3.1-8b", "fp16")])
    assert tables.peak[0, 0] == pytest.approx([100e12, 1000e9])
