"""`costs.replay`: an idle engine in closed form, queueing theory, conservation, and what it refuses."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge6g_env import costs

MODEL, DEVICE = "llama-3.1-8b", "a100-80g"
NAMES = ("ttft_s", "tpot_s", "latency_s")


def poisson(rate_s: float, requests: int, seed: int = 0) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).exponential(1.0 / rate_s, requests))


def alone_s(prompt: np.ndarray, output: np.ndarray) -> np.ndarray:
    """Time of each request on an idle engine, from the public functions: its prompt, then a decode step a token."""
    contexts = np.arange(int((prompt + output).max()) + 1.0)
    steps_s = np.concatenate([[0.0], np.cumsum(costs.decode_step_s(MODEL, DEVICE, contexts))])
    return costs.prefill_s(MODEL, DEVICE, prompt) + steps_s[prompt + output - 1] - steps_s[prompt]


@pytest.mark.parametrize("device", ["a100-80g", "rtx-4090", "l40s", "jetson-agx-orin-64g"])
@pytest.mark.parametrize("precision", ["fp16", "int4"])
def test_an_idle_engine_takes_the_time_of_the_cost_functions(device, precision):
    prompt, output = np.array([1, 100, 1000, 2000]), np.array([2, 50, 300, 1000])
    times = costs.replay(MODEL, device, 1e4 * np.arange(4.0), prompt, output, precision)
    step_s = costs.decode_step_s(MODEL, device, prompt + 0.5 * output, 1, precision)
    np.testing.assert_allclose(times["ttft_s"], costs.prefill_s(MODEL, device, prompt, precision), rtol=1e-9)
    np.testing.assert_allclose(times["tpot_s"], step_s, rtol=0.01)


def test_equal_requests_decode_in_the_time_of_their_batch():
    n, prompt, output = 64, 500, 200
    times = costs.replay(MODEL, DEVICE, np.zeros(n), prompt, output, token_budget=n * prompt)
    step_s = float(costs.decode_step_s(MODEL, DEVICE, prompt + 0.5 * output, n))
    np.testing.assert_allclose(times["tpot_s"], np.full(n, step_s), rtol=0.01)
    assert np.ptp(times["latency_s"]) == 0.0


def test_a_long_prompt_is_computed_in_chunks():
    """A prompt of 2.5 budgets takes three iterations, whose attention sees the chunks before; the fixed parts come thrice."""
    tables = costs.kernel_tables([DEVICE], [(MODEL, "fp16")])
    chunks = ((512, 0), (512, 512), (256, 1024))
    layers_s = sum(
        costs.layer_time_s(MODEL, DEVICE, new) + costs.attention_time_s(MODEL, DEVICE, new, done)
        for new, done in chunks
    )
    extra_s = tables.head_s[0, 0].sum() + tables.overhead_s[0].sum()
    times = costs.replay(MODEL, DEVICE, [0.0], 1280, 1, token_budget=512)
    assert times["ttft_s"][0] == pytest.approx(float(tables.layers[0] * layers_s + 3 * extra_s), rel=1e-9)


def test_cached_tokens_are_read_and_not_computed():
    """The first token comes as soon as after the rest of the prompt; the following ones as late as without a cache."""
    prompt, cached = 2000, 1900
    cold = costs.replay(MODEL, DEVICE, [0.0], prompt, 100)
    warm = costs.replay(MODEL, DEVICE, [0.0], prompt, 100, cached_tokens=cached)
    rest = costs.replay(MODEL, DEVICE, [0.0], prompt - cached, 100)
    attention_s = 32 * (
        costs.attention_time_s(MODEL, DEVICE, prompt - cached, cached)
        - costs.attention_time_s(MODEL, DEVICE, prompt - cached, 0)
    )
    assert warm["ttft_s"][0] == pytest.approx(rest["ttft_s"][0] + float(attention_s), rel=1e-9)
    assert warm["tpot_s"][0] == pytest.approx(cold["tpot_s"][0], rel=1e-9)
    assert rest["tpot_s"][0] < cold["tpot_s"][0]


def test_cached_tokens_take_room_in_the_kv_cache():
    """Two requests whose tokens are cached still cannot run together where their KV does not fit."""
    times = costs.replay(MODEL, DEVICE, [0.0, 0.0], 160, 17, cached_tokens=144, kv_cache_tokens=304)
    alone = costs.replay(MODEL, DEVICE, [0.0], 160, 17, cached_tokens=144)
    assert times["latency_s"][0] == pytest.approx(alone["latency_s"][0], rel=1e-9)
    assert times["ttft_s"][1] > times["latency_s"][0]


# One request of 200 tokens decodes; another of 300 comes in the third step, at 0.4 of it. Instants by hand from the public functions.
FIRST, SECOND, AT = 200, 300, 0.4


def step_s(context: float) -> float:
    return float(costs.decode_step_s(MODEL, DEVICE, context))


def beside_s(context: float) -> float:
    """The second one's prompt with one decode of this context aboard."""
    tables = costs.kernel_tables([DEVICE], [(MODEL, "fp16")])
    layer_s = costs.layer_time_s(MODEL, DEVICE, SECOND + 1) + costs.attention_time_s(MODEL, DEVICE, SECOND, 0)
    layer_s += costs.attention_time_s(MODEL, DEVICE, 1, context)
    once_s, each_s = tables.head_s[0, 0] + tables.overhead_s[0]
    return float(tables.layers[0] * layer_s + once_s + 2.0 * each_s)


@pytest.mark.parametrize(("ahead", "steps"), [(True, 1), (False, 0)])
def test_a_request_waits_for_the_running_iteration_and_the_one_that_is_formed(ahead, steps):
    second_s = float(costs.prefill_s(MODEL, DEVICE, FIRST)) + step_s(FIRST) + step_s(FIRST + 1) + AT * step_s(FIRST + 2)
    times = costs.replay(
        MODEL, DEVICE, [0.0, second_s], [FIRST, SECOND], [50, 1], async_scheduling=ahead, kv_cache_tokens=10_000
    )
    wait_s = (1.0 - AT) * step_s(FIRST + 2) + steps * step_s(FIRST + 3)
    assert times["ttft_s"][1] == pytest.approx(wait_s + beside_s(FIRST + 3 + steps), rel=1e-6)


@pytest.mark.parametrize("ahead", [True, False])
def test_behind_a_request_that_ends_nobody_waits_for_an_iteration_without_work(ahead):
    """One token each: what is formed beside the first pass is empty and takes no time, so the second pass follows the first."""
    first_s = float(costs.prefill_s(MODEL, DEVICE, FIRST))
    times = costs.replay(MODEL, DEVICE, [0.0, 0.5 * first_s], [FIRST, SECOND], 1, async_scheduling=ahead)
    expected_s = 0.5 * first_s + float(costs.prefill_s(MODEL, DEVICE, SECOND))
    assert times["ttft_s"][1] == pytest.approx(expected_s, rel=1e-6)


@pytest.mark.parametrize(("room", "value"), [("max_batch", 2), ("kv_cache_tokens", 544)])
def test_who_ends_holds_place_and_kv_for_the_iteration_formed_before(room, value):
    """Two run, a third waits for what one of them has: it joins an iteration later than in an engine that forms at the end."""
    starts = {}
    for ahead in (True, False):
        times = costs.replay(
            MODEL, DEVICE, np.zeros(3), 200, [20, 100, 1], async_scheduling=ahead, **{"token_budget": 4096, room: value}
        )
        assert times["ttft_s"][2] > times["latency_s"][0]
        starts[ahead] = times["ttft_s"][2] - times["latency_s"][0]
    assert starts[True] - starts[False] == pytest.approx(step_s(200 + 20), rel=0.02)


def test_one_place_is_a_queue_of_one_server():
    """max_batch = 1: each request waits exactly as Lindley's recursion says."""
    rng = np.random.default_rng(1)
    t_s, prompt, output = poisson(0.8, 2000), rng.integers(1, 2000, 2000), rng.geometric(1 / 80, 2000)
    times = costs.replay(MODEL, DEVICE, t_s, prompt, output, max_batch=1)
    service_s, free_s, wait_s = alone_s(prompt, output), 0.0, np.zeros(2000)
    for r in range(2000):
        wait_s[r] = max(free_s - t_s[r], 0.0)
        free_s = t_s[r] + wait_s[r] + service_s[r]
    np.testing.assert_allclose(times["latency_s"], wait_s + service_s, rtol=1e-6)
    np.testing.assert_allclose(times["ttft_s"], wait_s + costs.prefill_s(MODEL, DEVICE, prompt), rtol=1e-6)


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_pollaczek_khinchine(load):
    """M/G/1, first come first served: mean wait = rate E[S^2] / (2 (1 - load)) (Kleinrock 1975, section 5.6)."""
    n = 400_000
    output = np.random.default_rng(2).geometric(1 / 20, n)
    service_s = alone_s(np.full(n, 200), output)
    rate_s = load / service_s.mean()
    times = costs.replay(MODEL, DEVICE, poisson(rate_s, n), 200, output, max_batch=1)
    wait_s = (times["latency_s"] - service_s).mean()
    assert wait_s == pytest.approx(rate_s * (service_s**2).mean() / (2.0 * (1.0 - load)), rel=0.04)


@pytest.mark.parametrize("rate_s", [2.0, 10.0, 16.0])
def test_little(rate_s):
    """Arrivals find as many requests in the system as rate times mean latency: Little's law, and Poisson arrivals see averages."""
    n = 200_000
    rng = np.random.default_rng(3)
    t_s = poisson(rate_s, n)
    latency_s = costs.replay(MODEL, DEVICE, t_s, rng.integers(100, 900, n), rng.geometric(1 / 130, n))["latency_s"]
    ended = np.searchsorted(np.sort(t_s + latency_s), t_s)
    found = (np.arange(n) - ended)[n // 20 :]
    assert found.mean() == pytest.approx(rate_s * latency_s.mean(), rel=0.02)


def test_a_server_over_capacity_is_never_idle():
    """All requests at once on one place: the last one ends when the work of all is done; batched, the work is less."""
    rng = np.random.default_rng(4)
    prompt, output = rng.integers(1, 2000, 100), rng.integers(1, 300, 100)
    work_s = alone_s(prompt, output).sum()
    serial = costs.replay(MODEL, DEVICE, np.zeros(100), prompt, output, max_batch=1)
    batched = costs.replay(MODEL, DEVICE, np.zeros(100), prompt, output)
    assert serial["latency_s"].max() == pytest.approx(work_s, rel=1e-6)
    assert batched["latency_s"].max() < 0.2 * work_s


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10**6),
    rate_s=st.floats(0.1, 500.0),
    budget=st.integers(1, 4096),
    batch=st.integers(1, 300),
    kv_tokens=st.integers(1300, 20_000),
)
def test_every_request_ends_and_no_sooner_than_alone(seed, rate_s, budget, batch, kv_tokens):
    rng = np.random.default_rng(seed)
    prompt, output = rng.integers(1, 1000, 60), rng.integers(1, 300, 60)
    t_s = poisson(rate_s, 60, seed)
    options = {"token_budget": budget, "max_batch": batch, "kv_cache_tokens": kv_tokens}
    times = costs.replay(MODEL, DEVICE, t_s, prompt, output, **options)
    many, one = output > 1, output == 1
    assert all(np.isfinite(times[name]).all() and times[name].dtype == np.float64 for name in NAMES)
    assert (times["ttft_s"] >= costs.prefill_s(MODEL, DEVICE, prompt) * (1 - 1e-9)).all()
    assert (times["latency_s"] >= alone_s(prompt, output) * (1 - 1e-9)).all()
    assert (times["latency_s"][many] > times["ttft_s"][many]).all()
    assert (times["latency_s"][one] == times["ttft_s"][one]).all()
    assert (times["tpot_s"][one] == 0.0).all()
    np.testing.assert_allclose(times["ttft_s"] + times["tpot_s"] * (output - 1), times["latency_s"], rtol=1e-9)


def test_first_tokens_come_in_the_order_of_arrival():
    t_s = poisson(50.0, 500)
    times = costs.replay(MODEL, DEVICE, t_s, np.random.default_rng(5).integers(1, 3000, 500), 50)
    assert (np.diff(t_s + times["ttft_s"]) >= -1e-9).all()


@given(seed=st.integers(0, 10**6), origin_s=st.floats(-1e6, 1e6))
@settings(max_examples=20)
def test_neither_the_order_of_the_rows_nor_the_origin_of_time_matters(seed, origin_s):
    rng = np.random.default_rng(seed)
    t_s, prompt, output = np.round(poisson(20.0, 50, seed), 3), rng.integers(2, 500, 50), rng.integers(1, 80, 50)
    order = rng.permutation(50)
    cached = prompt // 2
    plain = costs.replay(MODEL, DEVICE, t_s, prompt, output, cached_tokens=cached)
    mixed = costs.replay(
        MODEL, DEVICE, (t_s + origin_s)[order], prompt[order], output[order], cached_tokens=cached[order]
    )
    for name in NAMES:
        np.testing.assert_allclose(mixed[name], plain[name][order], rtol=1e-4, atol=1e-6)


def test_requests_of_one_instant_are_served_in_the_order_given():
    times = costs.replay(MODEL, DEVICE, [1.0, 0.0, 1.0], 100, 10, max_batch=1)
    first_s, alone_s, second_s = times["ttft_s"]
    assert first_s == pytest.approx(alone_s)
    assert second_s > first_s + 0.9 * times["latency_s"][0]


def test_a_run_is_repeated_bit_for_bit():
    runs = [costs.replay(MODEL, DEVICE, poisson(30.0, 300), 700, 100) for _ in range(2)]
    assert all((runs[0][name] == runs[1][name]).all() for name in NAMES)


def test_no_requests():
    assert all(values.shape == (0,) for values in costs.replay(MODEL, DEVICE, [], [], []).values())


def test_a_model_without_a_quality_row_is_served():
    mine = replace(costs.model(MODEL), name="mine")
    mine_s, table_s = (costs.replay(m, costs.device(DEVICE), [0.0], 100, 10)["latency_s"] for m in (mine, MODEL))
    assert mine_s == table_s


REFUSED = [
    ({"model": "llama-9"}, "model = 'llama-9'"),
    ({"device": "a100"}, "device = 'a100'.*a100-80g"),
    ({"precision": "int5"}, "precision = 'int5'"),
    ({"t_s": [0.0, math.nan]}, "t_s = nan"),
    ({"t_s": [0.0, math.inf]}, "t_s = inf"),
    ({"t_s": 0.0}, r"t_s has the shape \(\)"),
    ({"t_s": [[0.0, 1.0]]}, r"t_s has the shape \(1, 2\)"),
    ({"context_tokens": [1, 2, 3]}, r"context_tokens has the shape \(3,\).*\(2,\) as t_s"),
    ({"context_tokens": [4, 0]}, "context_tokens = 0 .*at least 1"),
    ({"context_tokens": [4, 2.5]}, "context_tokens = 2.5 .*whole"),
    ({"generated_tokens": [5, 0]}, "generated_tokens = 0 .*at least 1"),
    ({"generated_tokens": "many"}, "generated_tokens = 'many' is outside .*; not a number"),
    ({"cached_tokens": -1}, "cached_tokens = -1"),
    ({"cached_tokens": [3, 100]}, "cached_tokens = 100 of request 1 .*below its 100 context_tokens"),
    ({"token_budget": 0}, "token_budget = 0 .*at least 1"),
    ({"token_budget": 12.5}, "token_budget = 12.5 .*whole"),
    ({"async_scheduling": 1}, "async_scheduling = 1 is not True or False"),
    ({"max_batch": 0}, "max_batch = 0 .*at least 1"),
    ({"kv_cache_tokens": 0}, "kv_cache_tokens = 0 .*at least 1"),
    ({"kv_cache_tokens": 112}, "request 1 needs KV for 149 tokens, the cache has room for 112"),
    ({"generated_tokens": [10, 10**7]}, "request 1 needs KV for 10000099 tokens"),
    ({"device": "t4"}, "model = 'llama-3.1-8b' at fp16 has 16.1 GB of weights, device = 't4' has 14.4 GB"),
]


@pytest.mark.parametrize(("change", "message"), REFUSED)
def test_refused(change, message):
    good = {"model": MODEL, "device": DEVICE, "t_s": [0.0, 1.0], "context_tokens": 100, "generated_tokens": [10, 50]}
    costs.replay(**good)
    with pytest.raises(ValueError, match=message):
        costs.replay(**(good | change))
