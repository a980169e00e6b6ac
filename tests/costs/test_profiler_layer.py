"""The layer that the host profiler times computes a transformer, at the precision that it says."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from edge6g_env.costs.efficiency import ACTIVATIONS
from edge6g_env.costs.specs import ModelSpec
from edge6g_env.profiler import layer as parts
from edge6g_env.profiler import products
from edge6g_env.profiler.layer import Cache, Layer
from edge6g_env.profiler.products import PrecisionError

SPEC = ModelSpec("tiny-shape", layers=2, hidden=64, ffn=128, heads=4, kv_heads=2, vocab=256)


def layer_of(spec: ModelSpec, precision: str = "fp32") -> tuple[Layer, dict[str, Tensor]]:
    weights = parts.layer_weights(spec, torch.Generator().manual_seed(1))
    weights = {name: 10.0 * w for name, w in weights.items()}
    return Layer(spec, precision, weights), weights


def empty_cache(spec: ModelSpec, batch: int, tokens: int) -> Cache:
    return Cache(*(torch.full((batch, spec.kv_heads, tokens, spec.head_dim), math.nan) for _ in range(2)))


def forward(layer: Layer, spec: ModelSpec, x: Tensor, batch: int, cached: int, cache: Cache) -> Tensor:
    new = len(x) // batch
    rotary = parts.rotation(spec, cached, new, torch.float32)
    heads = layer.heads(x, rotary, batch)
    return layer.finish(x, parts.attend(heads, cache, cached, parts.query_blocks(new, cached, torch.float32)))


def norm(x: np.ndarray) -> np.ndarray:
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + np.finfo(np.float32).eps)


def plain_layer(spec: ModelSpec, weights: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """One sequence (n, hidden) through a layer, in float64, head by head and position by position."""
    n, d, half = len(x), spec.head_dim, spec.head_dim // 2
    angle = np.arange(n)[:, None] * 10_000.0 ** (-np.arange(half) / half)

    def rotated(v: np.ndarray) -> np.ndarray:
        turned = (v[:, :half] + 1j * v[:, half:]) * np.exp(1j * angle)
        return np.concatenate([turned.real, turned.imag], axis=1)

    columns = norm(x) @ weights["qkv"].T
    every = [columns[:, i * d : (i + 1) * d] for i in range(spec.heads + 2 * spec.kv_heads)]
    keys, values = every[spec.heads : -spec.kv_heads], every[-spec.kv_heads :]
    out = []
    for h in range(spec.heads):
        group = h // (spec.heads // spec.kv_heads)
        scores = rotated(every[h]) @ rotated(keys[group]).T / math.sqrt(d)
        scores[np.triu_indices(n, 1)] = -np.inf
        share = np.exp(scores - scores.max(axis=1, keepdims=True))
        out.append(share / share.sum(axis=1, keepdims=True) @ values[group])
    x = x + np.concatenate(out, axis=1) @ weights["out"].T
    up = norm(x) @ weights["up"].T
    if spec.gated_mlp:
        gate, up = np.split(up, 2, axis=1)
        return x + (gate / (1.0 + np.exp(-gate)) * up) @ weights["down"].T
    erf = torch.erf(torch.from_numpy(up / math.sqrt(2.0))).numpy()
    return x + (up * 0.5 * (1.0 + erf)) @ weights["down"].T


@pytest.mark.parametrize(
    "spec", [SPEC, replace(SPEC, gated_mlp=0, params_per_layer=0, kv_heads=4)], ids=["gated, groups", "plain"]
)
def test_a_layer_is_the_transformer_of_the_formulas(spec: ModelSpec):
    layer, weights = layer_of(spec)
    x = torch.randn(2, 70, spec.hidden, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        found = forward(layer, spec, x.view(140, -1), 2, 0, empty_cache(spec, 2, 70)).view(2, 70, -1)
    plain = {name: w.double().numpy() for name, w in weights.items()}
    for sequence, rows in zip(x, found, strict=True):
        expected = plain_layer(spec, plain, sequence.double().numpy())
        np.testing.assert_allclose(rows.numpy(), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("pieces", [(70,), (1,) * 70, (33, 37), (64, 1, 5)])
def test_a_prompt_in_pieces_and_its_decodes_equal_the_whole(pieces: tuple[int, ...]):
    layer, _ = layer_of(SPEC)
    x = torch.randn(70, SPEC.hidden, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        whole = forward(layer, SPEC, x, 1, 0, empty_cache(SPEC, 1, 70))
        cache, starts = empty_cache(SPEC, 1, 70), itertools.accumulate(pieces, initial=0)
        found = [forward(layer, SPEC, x[s : s + n], 1, s, cache) for s, n in zip(starts, pieces, strict=False)]
    torch.testing.assert_close(torch.cat(found), whole, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("precision", ACTIVATIONS)
def test_a_product_is_that_of_its_weights_rounded_to_the_precision(precision: str):
    try:
        products.check_precision(precision)
    except PrecisionError as error:
        pytest.skip(str(error))
    generator = torch.Generator().manual_seed(4)
    weight, x = torch.randn(96, 256, generator=generator), torch.randn(5, 256, generator=generator)
    with torch.inference_mode():
        product = products.make_product(weight, precision)
        found = product(x.to(products.activation_dtype(precision))).float()
    off = float((found - x @ weight.t()).norm() / (x @ weight.t()).norm())
    worst = {"fp32": 1e-5, "fp16": 2e-3, "bf16": 1e-2, "int8": 3e-2, "int8-wo": 2e-2, "int4": 0.15}
    assert off < worst[precision]
    assert precision == "fp32" or off > 1e-5  # it really is rounded


def test_a_precision_that_the_machine_lacks_or_gets_wrong_is_named(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> products.Product:
        raise RuntimeError("no kernel\nsecond line")

    monkeypatch.setattr(products, "make_product", refuse)
    with pytest.raises(PrecisionError, match=r"cannot multiply at int8 on this CPU: no kernel$"):
        products.check_precision("int8")
    monkeypatch.setattr(products, "make_product", lambda w, _: lambda x: x @ w.t() * 2.0)
    with pytest.raises(PrecisionError, match="multiplies wrongly at fp32"):
        products.check_precision("fp32")
