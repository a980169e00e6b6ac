"""A whole model of the profiler's layers, run on this machine, beside what its profile predicts.

    python benchmarks/profile_check.py my-laptop

Every layer has weights and a KV cache of its own, a step ends with head and embedding. Prefill of prompts and steps of one and of four
sequences, at lengths that the profile was not fitted on. Time it on a quiet machine, with as many threads as the profile says.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from edge6g_env import costs
from edge6g_env.costs import profiles
from edge6g_env.profiler import layer as parts
from edge6g_env.profiler.bench import Bench
from edge6g_env.profiler.layer import Cache, Layer

PROMPTS = (100, 350)
DECODES = ((1, 300), (1, 700), (4, 250))  # sequences, cached tokens
STEPS = 12


class Model(Bench):
    """All layers of a model, each with its own weights."""

    @property
    def copies(self) -> int:
        """One copy a layer."""
        return self._spec.layers

    def caches(self, batch: int, tokens: int) -> list[Cache]:
        """A cache of so many tokens for each layer."""
        size = (batch, self._spec.kv_heads, tokens, self._spec.head_dim)
        return [Cache(*(torch.full(size, 0.1, dtype=self._dtype) for _ in range(2))) for _ in range(self.copies)]

    def step(self, x: torch.Tensor, batch: int, cached: int, caches: list[Cache]) -> torch.Tensor:
        """The embeddings (batch, hidden) of the next tokens after new ones x (batch * n, hidden)."""
        new = len(x) // batch
        rotary = parts.rotation(self._spec, cached, new, self._dtype)
        blocks = parts.query_blocks(new, cached, self._dtype)
        one: Layer
        for one, cache in zip(self._layers, caches, strict=True):
            x = one.finish(x, parts.attend(one.heads(x, rotary, batch), cache, cached, blocks))
        return self._head.next_tokens(x.view(batch, new, -1)[:, -1])

    def stream(self, tokens: int) -> torch.Tensor:
        """Random embeddings (tokens, hidden)."""
        return self._stream(tokens)


def prefill_s(model: Model, tokens: int) -> float:
    """Time from a prompt to its first token, s: the faster of two."""
    times = []
    for _ in range(3):
        caches, x = model.caches(1, tokens), model.stream(tokens)
        start = time.perf_counter()
        model.step(x, 1, 0, caches)
        times.append(time.perf_counter() - start)
    return min(times[1:])


def tpot_s(model: Model, batch: int, cached: int) -> float:
    """Median time of a step, s: tokens are generated one after another, each from the one before."""
    caches, x, times = model.caches(batch, cached + STEPS), model.stream(batch), []
    for i in range(STEPS):
        start = time.perf_counter()
        x = model.step(x, batch, cached + i, caches)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def main() -> None:
    """Print measured and predicted times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("profile")
    name = parser.parse_args().profile
    found = profiles.find(name)
    if found is None:
        raise SystemExit(f"no profile {name!r}: there are {', '.join(profiles.names())}")
    torch.set_num_threads(found.content["host"]["threads"])
    print(f"{'model':14} {'precision':9} {'what':24} {'measured ms':>11} {'predicted':>9} {'off %':>6}")
    for model_name in found.content["models"]:
        for precision in found.content["errors_percent"]:
            _compare(model_name, precision, name)


def _compare(model_name: str, precision: str, device: str) -> None:
    model = Model(costs.model(model_name), precision)
    with torch.inference_mode():
        for batch, cached in DECODES:
            predicted_s = float(costs.decode_step_s(model_name, device, cached + STEPS / 2, batch, precision))
            what = f"step, {batch} x {cached} cached"
            _print(model_name, precision, what, tpot_s(model, batch, cached), predicted_s)
        for tokens in PROMPTS:
            predicted_s = float(costs.prefill_s(model_name, device, tokens, precision))
            _print(model_name, precision, f"prompt of {tokens}", prefill_s(model, tokens), predicted_s)


def _print(model: str, precision: str, what: str, measured_s: float, predicted_s: float) -> None:
    off = 100.0 * (predicted_s / measured_s - 1.0)
    print(
        f"{model:14} {precision:9} {what:24} {1e3 * measured_s:11.1f} {1e3 * predicted_s:9.1f} {off:6.1f}", flush=True
    )


if __name__ == "__main__":
    main()
