"""Drafts: what a round yields, what checking it costs, and prompts behind a cached prefix."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge6g_env import costs

device, precision = st.sampled_from(costs.devices()), st.sampled_from(costs.PRECISIONS)
model = st.sampled_from(costs.models())
context, batch, drafted = st.integers(0, 16_384), st.integers(1, 64), st.integers(0, 16)


@given(model, device, precision, context, drafted, batch)
def test_verification_is_a_step_of_all_its_tokens_that_reads_each_context_once(m, d, p, c, k, b):
    layers, tokens = costs.model(m).layers, b * (k + 1)
    attention_s = costs.attention_time_s(m, d, 1, c, tokens, p) - costs.attention_time_s(m, d, 1, c + k, b, p)
    expected = costs.decode_step_s(m, d, c, tokens, p) - layers * attention_s
    assert costs.verify_step_s(m, d, c, k, b, p) == pytest.approx(float(expected), rel=1e-9)


@given(model, device, precision, context, drafted, batch)
def test_verification_takes_no_less_than_a_step_and_no_more_than_one_a_token(m, d, p, c, k, b):
    step_s = costs.decode_step_s(m, d, c, b, p)
    verify_s = costs.verify_step_s(m, d, c, [0, k], b, p)
    assert verify_s[0] == pytest.approx(float(step_s), rel=1e-12)
    assert step_s * (1 - 1e-12) <= verify_s[1] <= (k + 1) * costs.decode_step_s(m, d, c + k, b, p) * (1 + 1e-12)


def test_shapes_of_a_verification_are_broadcast():
    assert costs.verify_step_s("qwen2.5-7b", "l4", [[100.0], [900.0]], [1, 2, 4]).shape == (2, 3)


@given(model, device, precision, st.integers(1, 16_384), context)
def test_prefill_behind_a_prefix_reads_it_and_computes_the_rest(m, d, p, n, c):
    layers = costs.model(m).layers
    extras_s = costs.decode_step_s(m, d, 100, 1, p)
    extras_s -= layers * (costs.layer_time_s(m, d, 1, p) + costs.attention_time_s(m, d, 1, 100, 1, p))
    if n > 1:  # attention_time_s takes one token for a decode step
        expected = layers * (costs.layer_time_s(m, d, n, p) + costs.attention_time_s(m, d, n, c, 1, p)) + extras_s
        assert costs.prefill_s(m, d, n, p, cached_tokens=c) == pytest.approx(float(expected), rel=1e-6)
    assert costs.prefill_s(m, d, n, p, [0, c])[0] == costs.prefill_s(m, d, n, p)
    assert costs.prefill_s(m, d, n, p, c) >= costs.prefill_s(m, d, n, p)


@given(model, device, precision, st.integers(1, 8192), st.integers(1, 8192))
def test_a_cached_prefix_saves_time(m, d, p, n, c):
    assert costs.prefill_s(m, d, n, p, cached_tokens=c) <= costs.prefill_s(m, d, n + c, p) * (1 + 1e-9)


def test_a_verification_of_a_small_target_costs_little_where_weights_are_read():
    """Memory-bound (L4, fp16): nine tokens for hardly more than one. Accelerator time a token falls more than twice."""
    once, nine = costs.verify_step_s("qwen2.5-7b", "l4", 500.0, np.array([0.0, 8.0]))
    assert once < nine < 1.2 * once
    a_token = float(costs.verify_step_s("qwen2.5-7b", "l4", 500.0, 4.0)) / float(costs.tokens_per_round(0.65, 4.0))
    assert 2.0 < once / a_token < 3.0
