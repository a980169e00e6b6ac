"""Continuous batching on one accelerator, iteration by iteration: the engine behind `costs.replay` (COSTS 10).

The rules are those of vLLM's V1 scheduler (vllm/v1/core/sched/scheduler.py: first come first served, chunked prefill):

- Running sequences first, oldest first: a decode computes one token, an unfinished prompt a chunk of what is left of the budget.
- Then waiting ones, while budget, places and KV blocks last; one is admitted if the whole of its known tokens fits.
- A sequence that finds no free block sends the youngest back to the head of the queue: it gives up its KV, and its prompt and
  the tokens that it has produced are computed anew. Nobody is admitted in that iteration.

With asynchronous scheduling (vLLM's default since 0.14: AsyncScheduler, a queue of two batches) an iteration is formed when the one
before it starts, from what is known then:

- Requests that have arrived by then. So one that comes later waits for the rest of the running iteration and the whole next one.
- Tokens of the running iteration count as produced, since only their values are missing: its prompts that are completed decode in the
  next one, and who reaches its output length in it is left out. Outputs end by length here; one that ends by a stop token, which nobody
  can foresee, would run once more in vLLM.
- Who ends holds its place and its KV until its last iteration is over, hence also while the next one is formed. Only as the youngest of
  all does it give them up sooner, when a block is lacking.
- With nothing to compute an iteration takes no time: the next is formed and starts at once, as on an idle engine.

What every running decode adds to an iteration is kept in sums, so an iteration costs the same whether 2 or 200 sequences decode:
in iteration k a decode has `offset + k` tokens of context with its new one, takes a new block when that is 1 modulo the block size,
and ends in an iteration known from its start.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge6g_env._jit import njit
from edge6g_env.costs.checks import Floats
from edge6g_env.costs.formulas import attention_decode_s, attention_prefill_s

BLOCK_TOKENS = 16  # vLLM's default `block_size` on GPUs (Kwon et al., SOSP 2023, section 7.2)
NONE = -1

Ints = NDArray[np.int64]

SEQUENCE = np.dtype(
    [
        ("arrival_s", "f8"),
        ("prompt_tokens", "i8"),
        ("output_tokens", "i8"),  # tokens to produce
        ("cached_tokens", "i8"),  # of the prompt, whose KV is there when the sequence is admitted
        ("produced_tokens", "i8"),  # when its prompt was last completed, or when it was sent back
        ("offset", "i8"),  # of a decode: its context in iteration k, with the new token, is offset + k
        ("end", "i8"),  # of a decode: the iteration that produces its last token
        ("older", "i8"),  # neighbours in the list of running sequences
        ("younger", "i8"),
        ("leaving_blocks", "i8"),  # of KV that it still holds after its end
        ("due_before", "i8"),  # neighbours in the list of decodes that end in the same iteration, or have ended in it
        ("due_after", "i8"),
        ("ttft_s", "f8"),
        ("latency_s", "f8"),
    ],
    align=True,
)
STATE = np.dtype(
    [
        ("now_s", "f8"),
        ("started_s", "f8"),  # of the iteration before
        ("iteration", "i8"),
        ("free_blocks", "i8"),
        ("running", "i8"),  # sequences
        ("decodes", "i8"),  # of them
        ("offset_sum", "i8"),  # over the decodes
        ("youngest", "i8"),  # end of the list of running sequences
        ("partial", "i8"),  # the one running sequence whose prompt is unfinished: always the youngest
        ("partial_tokens", "i8"),  # of its context, computed or cached
        ("arrived", "i8"),  # sequences, in the order of arrival
        ("admitted", "i8"),  # those that left the queue of arrivals
        ("leaving", "i8"),  # the first of those that have ended and hold place and KV
        ("sent_back", "i8"),  # sequences that wait ahead of it: size of the stack
        ("preemptions", "i8"),
        ("finished", "i8"),
        ("chunks", "i8"),  # of this iteration
        ("chunk_tokens", "i8"),
        ("chunk_attention_s", "f8"),  # of one layer, without the fixed part
        ("completed", "i8"),  # prompts that this iteration completes
    ],
    align=True,
)


class Requests(NamedTuple):
    """R requests in the order of arrival, (R,) each."""

    arrival_s: Floats  # from 0 on
    prompt_tokens: Ints
    output_tokens: Ints
    cached_tokens: Ints  # of the prompt


class Engine(NamedTuple):
    """State of a run over R requests, sorted by arrival; `max_batch` sequences run at most."""

    seq: np.recarray  # (R,) SEQUENCE
    state: np.recarray  # (1,) STATE
    due: np.ndarray  # (W,) int64, first decode to end in iteration k at k % W; W exceeds every output
    growth: np.ndarray  # (BLOCK_TOKENS,) int64, decodes that take a new block in iteration k at k % BLOCK_TOKENS
    stack: np.ndarray  # (max_batch,) int64, sequences sent back; the last is the head of the queue
    completed: np.ndarray  # (max_batch,) int64, sequences whose prompt this iteration completes


class NodeCost(NamedTuple):
    """One model on one device; rows as in `kernel_tables`."""

    layers: float
    layer_s: np.ndarray  # (token_budget + 1,) s, one layer without attention, by tokens of the iteration
    attention_decode: np.ndarray  # (3,)
    attention_prefill: np.ndarray  # (4,)
    head_s: np.ndarray  # (2,) s per iteration, s per sequence
    overhead_s: np.ndarray  # (2,) the same of the engine's CPU


def new_engine(requests: Requests, max_batch: int, kv_blocks: int) -> Engine:
    """An engine before its first request."""
    count = requests.arrival_s.size
    seq = np.zeros(count, SEQUENCE).view(np.recarray)
    for name, values in requests._asdict().items():
        seq[name] = values
    state = np.zeros(1, STATE).view(np.recarray)
    state["free_blocks"] = kv_blocks
    state["youngest"], state["partial"], state["leaving"] = NONE, NONE, NONE
    due = np.full(int(requests.output_tokens.max(initial=0)) + 1, NONE)
    stack, completed = np.zeros((2, min(max_batch, count)), np.int64)
    return Engine(seq, state, due, np.zeros(BLOCK_TOKENS, np.int64), stack, completed)


@njit
def blocks_of(tokens: int) -> int:
    """KV blocks of a sequence with `tokens` tokens in the cache."""
    return (tokens + BLOCK_TOKENS - 1) // BLOCK_TOKENS


@njit
def _known_tokens(q: np.record) -> int:
    """Prompt and produced tokens: what is computed before the next token."""
    return q.prompt_tokens + q.produced_tokens


@njit
def _link(e: Engine, r: int) -> None:
    """Make r the youngest running sequence."""
    s, q = e.state[0], e.seq[r]
    q.older, q.younger = s.youngest, NONE
    if s.youngest != NONE:
        e.seq[s.youngest].younger = r
    s.youngest = r
    s.running += 1


@njit
def _unlink(e: Engine, r: int) -> None:
    """Take r out of the running sequences."""
    s, q = e.state[0], e.seq[r]
    if q.older != NONE:
        e.seq[q.older].younger = q.younger
    if q.younger != NONE:
        e.seq[q.younger].older = q.older
    else:
        s.youngest = q.older
    s.running -= 1


@njit
def _start_decode(e: Engine, r: int) -> None:
    """r, whose prompt this iteration completed, decodes from the next one on."""
    s, q = e.state[0], e.seq[r]
    q.offset = _known_tokens(q) - 1 - s.iteration
    q.end = s.iteration + q.output_tokens - q.produced_tokens
    s.decodes += 1
    s.offset_sum += q.offset
    e.growth[(1 - q.offset) % BLOCK_TOKENS] += 1
    place = q.end % e.due.size
    q.due_before, q.due_after = NONE, e.due[place]
    if e.due[place] != NONE:
        e.seq[e.due[place]].due_before = r
    e.due[place] = r


@njit
def _stop_decode(e: Engine, r: int) -> None:
    """Take r out of the sums and of the list of its last iteration."""
    s, q = e.state[0], e.seq[r]
    s.decodes -= 1
    s.offset_sum -= q.offset
    e.growth[(1 - q.offset) % BLOCK_TOKENS] -= 1
    if q.due_before != NONE:
        e.seq[q.due_before].due_after = q.due_after
    else:
        e.due[q.end % e.due.size] = q.due_after
    if q.due_after != NONE:
        e.seq[q.due_after].due_before = q.due_before


@njit
def _leave(e: Engine, r: int) -> None:
    """r, which has ended, gives up its place and its KV."""
    s, q = e.state[0], e.seq[r]
    s.free_blocks += q.leaving_blocks
    q.leaving_blocks = 0
    _unlink(e, r)


@njit
def _preempt_youngest(e: Engine) -> None:
    """Send the youngest running sequence, which has computed nothing in this iteration yet, back to the head of the queue; if it
    has ended it is gone."""
    s = e.state[0]
    r = s.youngest
    q = e.seq[r]
    s.preemptions += 1
    if q.leaving_blocks > 0:
        _leave(e, r)
        return
    if r == s.partial:
        s.partial = NONE
        s.free_blocks += blocks_of(s.partial_tokens)
    else:
        context = q.offset + s.iteration - 1  # after the iteration before
        s.free_blocks += blocks_of(context)
        q.produced_tokens = context + 1 - q.prompt_tokens
        _stop_decode(e, r)
    _unlink(e, r)
    q.cached_tokens = 0
    e.stack[s.sent_back] = r
    s.sent_back += 1


@njit
def _grow(e: Engine) -> None:
    """Give every decode that needs one its new block; while there are too few, the youngest sequence goes."""
    s = e.state[0]
    place = s.iteration % BLOCK_TOKENS
    while e.growth[place] > s.free_blocks:
        _preempt_youngest(e)
    s.free_blocks -= e.growth[place]


@njit
def _take_chunk(e: Engine, cost: NodeCost, r: int, done: int, left: int) -> int:
    """Compute up to `left` tokens of r after `done` ones in this iteration; returns how many."""
    s = e.state[0]
    known = _known_tokens(e.seq[r])
    tokens = min(known - done, left)
    s.chunks += 1
    s.chunk_tokens += tokens
    fixed_s = cost.attention_prefill[2]
    s.chunk_attention_s += attention_prefill_s(cost.attention_prefill, float(tokens), float(done)) - fixed_s
    if done + tokens < known:
        s.partial, s.partial_tokens = r, done + tokens
    else:
        s.partial = NONE
        e.completed[s.completed] = r
        s.completed += 1
    return tokens


@njit
def _continue_partial(e: Engine, cost: NodeCost, left: int) -> int:
    """The next chunk of the unfinished prompt; it goes back if there is no room. Returns the budget that remains."""
    s = e.state[0]
    r, done = s.partial, s.partial_tokens
    tokens = min(_known_tokens(e.seq[r]) - done, left)
    need = blocks_of(done + tokens) - blocks_of(done)
    if need > s.free_blocks:
        _preempt_youngest(e)
        return left
    s.free_blocks -= need
    return left - _take_chunk(e, cost, r, done, left)


@njit
def _admit(e: Engine, cost: NodeCost, left: int) -> None:
    """Admit waiting sequences in order, those sent back first, until budget, places or blocks end."""
    s = e.state[0]
    while left > 0 and s.running < e.stack.size and (s.sent_back > 0 or s.admitted < s.arrived):
        r = e.stack[s.sent_back - 1] if s.sent_back > 0 else s.admitted
        q = e.seq[r]
        if blocks_of(_known_tokens(q)) > s.free_blocks:
            return
        if s.sent_back > 0:
            s.sent_back -= 1
        else:
            s.admitted += 1
        _link(e, r)
        tokens = _take_chunk(e, cost, r, q.cached_tokens, left)
        s.free_blocks -= blocks_of(q.cached_tokens + tokens)
        left -= tokens


@njit
def _iteration_s(s: np.record, cost: NodeCost) -> float:
    """Time of the iteration that has been put together; without work none."""
    if s.decodes + s.chunks == 0:
        return 0.0
    layer_s = cost.layer_s[s.decodes + s.chunk_tokens]
    if s.decodes > 0:
        layer_s += attention_decode_s(cost.attention_decode, float(s.offset_sum + s.iteration * s.decodes))
    if s.chunks > 0:
        layer_s += s.chunk_attention_s + cost.attention_prefill[2]
    each_s = cost.head_s[1] + cost.overhead_s[1]
    return cost.layers * layer_s + cost.head_s[0] + cost.overhead_s[0] + each_s * (s.decodes + s.chunks)


@njit
def _finish(e: Engine, r: int, context: int) -> None:
    """r, with the KV of `context` tokens, has produced its last token: it joins those that leave."""
    s, q = e.state[0], e.seq[r]
    q.latency_s = s.now_s - q.arrival_s
    q.leaving_blocks = blocks_of(context)
    q.due_after = s.leaving
    s.leaving = r
    s.finished += 1


@njit
def _end_iteration(e: Engine) -> None:
    """Hand out the tokens of the iteration: last ones of decodes, and one to each prompt completed."""
    s = e.state[0]
    place = s.iteration % e.due.size
    while e.due[place] != NONE:
        r = e.due[place]
        _stop_decode(e, r)
        _finish(e, r, e.seq[r].offset + s.iteration)
    for n in range(s.completed):
        r = e.completed[n]
        q = e.seq[r]
        q.produced_tokens += 1
        if q.produced_tokens == 1:
            q.ttft_s = s.now_s - q.arrival_s
        if q.produced_tokens == q.output_tokens:
            _finish(e, r, _known_tokens(q) - 1)
        else:
            _start_decode(e, r)


@njit
def _release(e: Engine) -> None:
    """Those that have ended leave, but for those that had to go before."""
    s = e.state[0]
    while s.leaving != NONE:
        r = s.leaving
        s.leaving = e.seq[r].due_after
        if e.seq[r].leaving_blocks > 0:
            _leave(e, r)


@njit
def _form(e: Engine, cost: NodeCost, token_budget: int) -> None:
    """Put together the next iteration: decodes, the unfinished prompt, and who is admitted."""
    s = e.state[0]
    s.iteration += 1
    s.chunks, s.chunk_tokens, s.chunk_attention_s, s.completed = 0, 0, 0.0, 0
    before = s.preemptions
    _grow(e)
    left = token_budget - s.decodes
    if s.partial != NONE:
        left = _continue_partial(e, cost, left)
    if s.preemptions == before:
        _admit(e, cost, left)


@njit
def run(e: Engine, cost: NodeCost, token_budget: int, async_scheduling: bool) -> None:
    """Serve all requests of `e`: fills ttft_s and latency_s of every row of e.seq. token_budget >= e.stack.size."""
    s = e.state[0]
    while s.finished < e.seq.size:
        if s.running == 0 and s.sent_back == 0 and s.admitted == s.arrived:  # idle: formed when it starts
            s.now_s = max(s.now_s, e.seq[s.arrived].arrival_s)
            s.started_s = s.now_s
        formed_s = s.started_s if async_scheduling else s.now_s
        while s.arrived < e.seq.size and e.seq[s.arrived].arrival_s <= formed_s:
            s.arrived += 1
        _form(e, cost, token_budget)
        if async_scheduling:
            _release(e)  # they ended in the iteration before
        s.started_s = s.now_s
        s.now_s += _iteration_s(s, cost)
        _end_iteration(e)
        if not async_scheduling:
            _release(e)
