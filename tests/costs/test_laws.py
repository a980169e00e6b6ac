"""Laws that hold whatever the parameters are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge6g_env import costs

device = st.sampled_from(costs.devices())
model = st.sampled_from(costs.models())
precision = st.sampled_from(costs.PRECISIONS)
tokens = st.integers(1, 16_384)
more = st.integers(1, 16_384)
batch = st.integers(1, 256)


def not_less(later, earlier):
    return later >= earlier * (1 - 1e-12)


@given(device, precision, tokens, more, st.sampled_from([512, 4096, 14_336]))
def test_a_product_of_more_tokens_takes_longer(device, precision, m, extra, n):
    assert not_less(
        costs.gemm_time_s(device, m + extra, n, 4096, precision), costs.gemm_time_s(device, m, n, 4096, precision)
    )


@given(model, device, precision, tokens, more)
def test_more_tokens_take_longer(model, device, precision, n, extra):
    for time_s in (costs.layer_time_s, costs.prefill_s):
        assert not_less(time_s(model, device, n + extra, precision), time_s(model, device, n, precision))


@given(model, device, precision, tokens, more, batch)
def test_longer_contexts_and_larger_batches_take_longer(model, device, precision, context, extra, b):
    step = costs.decode_step_s(model, device, [context, context + extra, context], [b, b, b + 1], precision)
    assert not_less(step[1], step[0])
    assert not_less(step[2], step[0])


@given(model, device, precision, st.integers(0, 8192), st.integers(1, 128))
def test_a_token_of_a_larger_batch_takes_less_time_and_energy(model, device, precision, context, b):
    pair = np.array([b, 2 * b])
    step_s = costs.decode_step_s(model, device, context, pair, precision) / pair
    energy_j = costs.step_energy_j(model, device, pair, context, pair, precision) / pair
    assert step_s[1] < step_s[0]
    assert energy_j[1] < energy_j[0]


@pytest.mark.parametrize("device", ["l40s", "rtx-4090", "a100-80g", "h100-80g"])  # whose attention was measured
def test_energy_of_a_token_spreads_with_utilisation(device):
    """COSTS 9: 3 to 5 times, here from a batch of 8 to one of 64; a single sequence is dearer by far."""
    batch = np.array([1.0, 8.0, 64.0])
    token_j = costs.step_energy_j("llama-3.1-8b", device, batch, 1000, batch) / batch
    assert 3.0 <= token_j[1] / token_j[2] <= 5.0
    assert token_j[0] > 5.0 * token_j[1]


@given(model, device, precision, st.integers(0, 8192), st.integers(1, 128))
def test_power_is_between_idle_and_full_load(model, device, precision, context, b):
    spec = costs.device(device)
    power_w = costs.step_energy_j(model, device, b, context, b, precision) / costs.decode_step_s(
        model, device, context, b, precision
    )
    assert spec.idle_w <= power_w <= spec.tdp_w * (1 + 1e-9)


@pytest.mark.parametrize("name", [n for n in costs.models() if costs.model(n).params_per_layer > 40e6])
@pytest.mark.parametrize("device", costs.devices())
def test_four_bits_decode_faster_than_sixteen_for_one_sequence(name, device):
    assert costs.decode_step_s(name, device, 512, 1, "int4") < costs.decode_step_s(name, device, 512, 1)


@given(model, precision)
def test_fewer_bits_are_fewer_bytes(model, precision):
    assert costs.memory_bytes(model, precision) <= costs.memory_bytes(model)
    assert costs.boundary_bytes(model, 7, "int2") < costs.boundary_bytes(model, 7, "int4")
    assert costs.boundary_bytes(model, 7, "int4") < costs.boundary_bytes(model, 7, "int8")


@given(st.floats(0, 1), st.integers(0, 16))
def test_a_draft_round_yields_what_the_sum_says(acceptance, drafted):
    series = sum(acceptance**i for i in range(drafted + 1))
    assert costs.tokens_per_round(acceptance, drafted) == pytest.approx(series)


def test_attention_of_split_prompts_adds_up_but_for_ramp_and_launches():
    """Causal pairs are the same whether a prompt comes at once or in chunks."""
    whole = costs.attention_flops(costs.model("llama-3.1-8b"), np.array(4096.0), np.array(0.0))
    chunks = costs.attention_flops(costs.model("llama-3.1-8b"), np.full(8, 512.0), np.arange(8) * 512.0)
    assert chunks.sum() == pytest.approx(whole)
