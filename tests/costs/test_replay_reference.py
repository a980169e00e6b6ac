"""`costs.replay` against a slow engine that looks at every sequence in every iteration, and against a real run."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge6g_env import costs

MODEL, DEVICE = "llama-3.1-8b", "rtx-4090"
BLOCK = 16
RUN = Path(__file__).parent / "data" / "serving_rtx-4090__llama-3.1-8b.csv"


@dataclass
class Sequence:
    """A request in the slow engine."""

    arrival_s: float
    prompt: int
    output: int
    cached: int
    produced: int = 0
    computed: int = 0  # tokens with KV
    blocks: int = 0
    decodes: bool = False
    promised: int = 0  # tokens, with that of an iteration that has been formed and is not over
    ttft_s: float = 0.0
    latency_s: float = 0.0

    @property
    def left(self) -> int:
        """Tokens to compute before the next one is produced: 1 in a decode."""
        return self.prompt + self.promised - self.computed

    @property
    def is_ending(self) -> bool:
        """Its last token is under way."""
        return self.promised == self.output


def blocks_of(tokens: int) -> int:
    return -(-tokens // BLOCK)


Work = list[tuple[Sequence, int]]


class SlowEngine:
    """vLLM's scheduler as a list of running sequences and a list of waiting ones, and its queue of batches: one, or two where they are
    formed ahead. What a batch computes is known when it is formed, what it has produced when it is over."""

    def __init__(self, blocks: int, token_budget: int, max_batch: int):
        self.free, self.budget, self.places = blocks, token_budget, max_batch
        self.running: list[Sequence] = []
        self.waiting: list[Sequence] = []
        self.preemptions = 0
        tables = costs.kernel_tables([DEVICE], [(MODEL, "fp16")])
        self.layers = float(tables.layers[0])
        self.layer_s = costs.layer_time_s(MODEL, DEVICE, np.maximum(np.arange(token_budget + 1), 1))
        self.prefill_row = tables.attention_prefill[0, 0]
        self.once_s, self.each_s = tables.head_s[0, 0] + tables.overhead_s[0]

    def schedule(self) -> tuple[Work, float]:
        """Form an iteration: sequences with their tokens, and its time; those that it does not admit stay in `waiting`."""
        work, left, before = [], self.budget, self.preemptions
        for sequence in list(self.running):
            if sequence.is_ending or sequence not in self.running:
                continue
            tokens = min(sequence.left, left)
            if self.grow(sequence, tokens):
                work.append((sequence, tokens))
                left -= tokens
        while self.preemptions == before and self.waiting and left > 0 and len(self.running) < self.places:
            sequence = self.waiting[0]
            if blocks_of(sequence.prompt + sequence.promised) > self.free:
                break
            self.running.append(self.waiting.pop(0))
            sequence.computed = sequence.cached
            tokens = min(sequence.left, left)
            assert self.grow(sequence, tokens)
            work.append((sequence, tokens))
            left -= tokens
        assert sum(tokens for _, tokens in work) <= self.budget
        return work, self.time_s(work) if work else 0.0

    def promise(self, work: Work) -> list[Sequence]:
        """Count what an iteration that has been formed will compute; those to which it gives a token."""
        for sequence, tokens in work:
            sequence.computed += tokens
        produced = [sequence for sequence, _ in work if sequence.left == 0]
        for sequence in produced:
            sequence.promised += 1
            sequence.decodes = True
        return produced

    def grow(self, sequence: Sequence, tokens: int) -> bool:
        """Take the blocks for `tokens` more tokens, from the youngest if need be; False if it was the youngest itself."""
        need = blocks_of(sequence.computed + tokens) - sequence.blocks
        while need > self.free:
            youngest = self.running.pop()
            self.free += youngest.blocks
            youngest.blocks = youngest.computed = youngest.cached = 0
            youngest.decodes = False
            self.waiting.insert(0, youngest)
            self.preemptions += 1
            if youngest is sequence:
                return False
        self.free -= need
        sequence.blocks += need
        return True

    def time_s(self, work: Work) -> float:
        """Time of an iteration, from the public cost functions."""
        contexts = [sequence.computed + 1 for sequence, _ in work if sequence.decodes]
        chunks = [(tokens, sequence.computed) for sequence, tokens in work if not sequence.decodes]
        layer_s = float(self.layer_s[sum(tokens for _, tokens in work)])
        if contexts:
            layer_s += float(costs.attention_time_s(MODEL, DEVICE, 1, np.mean(contexts) - 1.0, len(contexts)))
        if chunks:
            fixed_s = self.prefill_row[2]
            parts = [costs.attention_prefill_s(self.prefill_row, *map(float, chunk)) - fixed_s for chunk in chunks]
            layer_s += sum(parts) + fixed_s
        return self.layers * layer_s + self.once_s + self.each_s * len(work)

    def end(self, produced: list[Sequence], now_s: float) -> None:
        """Hand out the tokens of an iteration that is over."""
        for sequence in produced:
            sequence.produced += 1
            if sequence.produced == 1:
                sequence.ttft_s = now_s - sequence.arrival_s
            if sequence.produced < sequence.output:
                continue
            sequence.latency_s = now_s - sequence.arrival_s
            self.free += sequence.blocks
            sequence.blocks = 0
            (self.running if sequence in self.running else self.waiting).remove(sequence)

    def run(self, sequences: list[Sequence], batches: int) -> None:
        """Serve sequences that are sorted by arrival, with a queue of so many batches: vLLM's `step_with_batch_queue`."""
        coming, queue, now_s, over_s = list(sequences), deque(), 0.0, 0.0
        while coming or self.waiting or self.running or queue:
            if not self.waiting and not self.running and not queue:
                now_s = max(now_s, coming[0].arrival_s)
            while coming and coming[0].arrival_s <= now_s:
                self.waiting.append(coming.pop(0))
            if self.waiting or self.running:
                work, time_s = self.schedule()
                assert work or batches > 1, "an iteration without work"
                over_s = max(over_s, now_s) + time_s  # the accelerator takes one after the other
                queue.append((over_s, self.promise(work)))
                if work and len(queue) < batches:
                    continue
            now_s, produced = queue.popleft()
            self.end(produced, now_s)


def load(
    seed: int, requests: int, rate_s: float, cached: bool, longest_prompt: int = 300, mean_output: float = 40.0
) -> tuple[np.ndarray, ...]:
    """Arrivals, prompts, outputs, cached tokens."""
    rng = np.random.default_rng(seed)
    arrivals = np.cumsum(rng.exponential(1.0 / rate_s, requests))
    prompts = rng.integers(1, longest_prompt, requests)
    held = (rng.random(requests) * prompts * (rng.random(requests) < 0.7)).astype(int) if cached else 0 * prompts
    return arrivals, prompts, rng.geometric(1.0 / mean_output, requests), held


def both(trace: tuple[np.ndarray, ...], blocks: int, budget: int, batch: int, ahead: bool) -> tuple[dict, dict, int]:
    """Results of `replay` and of the slow engine, and how often that one preempted."""
    arrivals, prompts, outputs, cached = trace
    options = {"token_budget": budget, "max_batch": batch, "kv_cache_tokens": BLOCK * blocks, "async_scheduling": ahead}
    fast = costs.replay(MODEL, DEVICE, arrivals, prompts, outputs, cached_tokens=cached, **options)
    sequences = [Sequence(*row) for row in zip(*(a.tolist() for a in trace), strict=True)]
    engine = SlowEngine(blocks, budget, min(batch, budget))
    engine.run(sequences, 2 if ahead else 1)
    slow = {name: np.array([getattr(s, name) for s in sequences]) for name in ("ttft_s", "latency_s")}
    return fast, slow, engine.preemptions


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10**6),
    rate_s=st.sampled_from([2.0, 20.0, 1000.0]),
    spare_blocks=st.integers(0, 60),
    budget=st.sampled_from([24, 128, 2048]),
    batch=st.sampled_from([1, 7, 256]),
    cached=st.booleans(),
    ahead=st.booleans(),
)
def test_replay_is_the_slow_engine(seed, rate_s, spare_blocks, budget, batch, cached, ahead):
    trace = load(seed, 40, rate_s, cached)
    blocks = blocks_of(int((trace[1] + trace[2] - 1).max())) + spare_blocks
    fast, slow, _ = both(trace, blocks, budget, batch, ahead)
    for name, values in slow.items():
        np.testing.assert_allclose(fast[name], values, rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("ahead", [False, True], ids=["synchronous", "asynchronous"])
@pytest.mark.parametrize("cached", [False, True])
def test_the_slow_engine_is_met_where_sequences_are_sent_back(cached: bool, ahead: bool):
    """Short prompts and long answers in a small cache: many are sent back, some before their prompt is through again."""
    trace = load(4, 80, 1000.0, cached, longest_prompt=60, mean_output=150.0)
    fast, slow, preemptions = both(trace, 60, 40, 32, ahead)
    assert preemptions > 100
    for name, values in slow.items():
        np.testing.assert_allclose(fast[name], values, rtol=1e-9, err_msg=name)


@pytest.fixture(scope="module")
def run(column: Callable) -> Callable[[str], np.ndarray]:
    """A column of the served run."""
    rows = list(csv.DictReader(RUN.read_text(encoding="utf-8").splitlines()))
    return lambda name: column(rows, name)


@pytest.mark.parametrize("kv_cache_tokens", [None, 41_408], ids=["KV of the data sheet", "KV of the run"])
def test_a_served_run(run, kv_cache_tokens):
    """vLLM 0.19 on an RTX 4090, far over capacity: means as measured (README of the data)."""
    arrivals, prompts, outputs = run("t_s"), run("context_tokens"), run("generated_tokens")
    times = costs.replay(MODEL, DEVICE, arrivals, prompts, outputs, kv_cache_tokens=kv_cache_tokens)
    for name, limit in (("ttft_s", 0.15), ("tpot_s", 0.10), ("latency_s", 0.10)):
        assert times[name].mean() == pytest.approx(run(name).mean(), rel=limit), name


def test_a_served_run_request_by_request(run):
    """Who waits and who does not: a request's own latency, in the order of its neighbours, not the mean alone."""
    arrivals, prompts, outputs = run("t_s"), run("context_tokens"), run("generated_tokens")
    times = costs.replay(MODEL, DEVICE, arrivals, prompts, outputs, kv_cache_tokens=41_408)
    assert np.median(np.abs(times["latency_s"] / run("latency_s") - 1.0)) < 0.10
    assert np.median(np.abs(times["tpot_s"] / run("tpot_s") - 1.0)) < 0.10
