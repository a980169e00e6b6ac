"""Orca and vLLM: batching raises throughput at a price in time per token. Sarathi-Serve: chunks keep the tail while it does."""

from __future__ import annotations

import numpy as np

from benchmarks.published.claims import Claim, published, show
from edge6g_env import costs

WORK, BATCHING = "Sarathi-Serve", "Orca"
MODEL, DEVICE = "mistral-7b-v0.1", "a100-80g"
PROMPT, OUTPUT = 1730.0, 415.0  # medians of Sarathi-Serve's openchat_sharegpt4 (Table 2)
CHUNK = 512.0
TAIL_SHARE, TAIL_S = 0.01, 0.1  # P99 of the time between tokens, strict for this model (Table 3)
BATCHES = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0])


def _iteration_s(chunk: float, cached: float, batch: float) -> float:
    """An iteration with a prompt chunk beside `batch` decodes in mid-answer (COSTS 10)."""
    context, layers = PROMPT + OUTPUT / 2.0, costs.model(MODEL).layers
    step_s = costs.decode_step_s(MODEL, DEVICE, context, batch)
    joint_s = costs.layer_time_s(MODEL, DEVICE, batch + chunk) - costs.layer_time_s(MODEL, DEVICE, batch)
    return float(step_s + layers * (joint_s + costs.attention_time_s(MODEL, DEVICE, chunk, cached)))


def _decode_s(batch: float) -> float:
    return float(costs.decode_step_s(MODEL, DEVICE, PROMPT + OUTPUT / 2.0, batch))


def _prompt_pieces(chunked: bool) -> list[tuple[float, float]]:
    starts = np.arange(0.0, PROMPT, CHUNK if chunked else PROMPT)
    return [(min(CHUNK if chunked else PROMPT, PROMPT - s), float(s)) for s in starts]


def _rate_of(batch: float, pieces: list[tuple[float, float]]) -> float:
    """Requests a second when `batch` sequences run: as many prompts come as answers end."""
    prompt_iterations = len(pieces)
    decode_iterations = max(0.0, OUTPUT / batch - prompt_iterations)  # of each request, the others ride on chunks
    time_s = sum(_iteration_s(*piece, batch) for piece in pieces) + decode_iterations * _decode_s(batch)
    return 1.0 / time_s


def _capacity(chunked: bool) -> float:
    """Largest rate at which 99 % of the gaps between tokens are within the limit."""
    pieces, best = _prompt_pieces(chunked), 0.0
    for batch in np.arange(1.0, 257.0):
        rate = _rate_of(batch, pieces)
        gaps_s = [_iteration_s(*piece, batch) for piece in pieces]
        late = sum(gap > TAIL_S for gap in gaps_s)
        share_late = late / max(OUTPUT / batch, len(pieces)) if _decode_s(batch) <= TAIL_S else 1.0
        if share_late <= TAIL_SHARE:
            best = max(best, rate)
    return best


def claims() -> list[Claim]:
    """Throughput and its price over the batch; capacity with chunks against capacity without at one tail."""
    step_s = np.array([_decode_s(b) for b in BATCHES])
    rate = BATCHES / step_s
    price = step_s[-1] / step_s[0]
    chunked, whole = _capacity(True), _capacity(False)
    return [
        Claim(
            "tokens a second, batch 128 over 1",
            f"up; Orca {published(BATCHING)['result']}",
            f"{rate[-1] / rate[0]:.1f} x",
            bool((np.diff(rate) > 0.0).all()),
        ),
        Claim("time per token, batch 128 over 1", "dearer", f"{price:.1f} x", bool((np.diff(step_s) > 0.0).all())),
        Claim(
            "requests a second at one tail, chunks over whole prompts",
            "2.6 x",
            f"{chunked / whole:.1f} x ({whole:.2f} to {chunked:.2f})",
            chunked > 1.5 * whole,
        ),
    ]


if __name__ == "__main__":
    show(WORK, claims())
