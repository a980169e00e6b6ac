"""TrimCaching: caching shared blocks once raises the hit ratio, more so the more is shared and the tighter memory is.

LRU caches of fine-tuned variants at an edge node, requests by Zipf's law; a hit needs every block of the variant.
"""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

from benchmarks.published.claims import Claim, show
from edge6g_env import costs

WORK = "TrimCaching"
BASES = ("llama-3.1-8b", "qwen2.5-7b", "mistral-7b-v0.1")
VARIANTS = 20  # fine-tuned siblings of each base
REQUESTS, ZIPF, SEED = 6_000, 0.8, 11
WARM = REQUESTS // 4
CACHE_GB = (96.0, 192.0, 384.0, 768.0)  # of a library of 900 GB; the bases alone are 46 GB
SHARES = (0.0, 0.3, 0.6, 0.9)  # of a model frozen in fine-tuning, hence common to its siblings
Blocks = dict[str, float]


def variant(base: str, index: int, shared: float) -> Blocks:
    """Blocks of one sibling: what it has in common with the others, and its own."""
    total = costs.memory_bytes(base)
    return {base: shared * total, f"{base}/{index}": (1.0 - shared) * total}


def adapted(base: str, index: int) -> Blocks:
    """Blocks of one LoRA variant: the base, and its adapter (COSTS 8)."""
    return {base: costs.memory_bytes(base), f"{base}/{index}": costs.adapter_bytes(base, 16, "all-linear")}


def requests() -> np.ndarray:
    """Indices of the variants asked for, int64 (REQUESTS,): popularity by Zipf's law over a shuffled library."""
    rng = np.random.default_rng(SEED)
    weight = (1.0 + np.arange(len(BASES) * VARIANTS)) ** -ZIPF
    ranks = rng.choice(weight.size, size=REQUESTS, p=weight / weight.sum())
    return np.asarray(rng.permutation(weight.size)[ranks])


def hit_ratio(library: list[Blocks], asked: np.ndarray, cache_bytes: float) -> float:
    """Share of requests, after warming, whose blocks were all there; missing ones are loaded, the least recently used leave."""
    held: OrderedDict[str, float] = OrderedDict()
    hits = 0
    for i, index in enumerate(asked.tolist()):
        blocks = {name: size for name, size in library[index].items() if size > 0.0}
        hits += i >= WARM and all(name in held for name in blocks)
        if sum(blocks.values()) > cache_bytes:
            continue
        for name, size in blocks.items():
            held[name] = size
            held.move_to_end(name)
        while sum(held.values()) > cache_bytes:
            held.popitem(last=False)
    return hits / (len(asked) - WARM)


def _library(shared: float | None) -> list[Blocks]:
    pairs = [(base, i) for base in BASES for i in range(VARIANTS)]
    return [adapted(*pair) if shared is None else variant(*pair, shared) for pair in pairs]


def claims() -> list[Claim]:
    """Hit ratios by shared share and by cache size, and with LoRA adapters."""
    asked = requests()
    ratio = {s: [hit_ratio(_library(s), asked, 1e9 * gb) for gb in CACHE_GB] for s in (*SHARES, None)}
    by_share = [ratio[s][0] for s in SHARES]
    gain = [with_it / without for with_it, without in zip(ratio[SHARES[-1]], ratio[0.0], strict=True)]
    starved = [hit_ratio(_library(s), asked, 0.5e9 * CACHE_GB[0]) for s in (SHARES[-1], 0.0)]
    adapters = [ratio[None][i] - ratio[0.0][i] for i in range(len(CACHE_GB))]
    sizes = ", ".join(f"{gb:g}" for gb in CACHE_GB)
    return [
        Claim(
            f"hit ratio in {CACHE_GB[0]:g} GB, shared share 0, 30, 60, 90 %",
            "grows with it",
            ", ".join(f"{r:.2f}" for r in by_share),
            by_share == sorted(by_share) and by_share[-1] > by_share[0],
        ),
        Claim(
            f"hit ratio, 90 % shared over none, cache {sizes} GB",
            "gain grows as storage gets tight",
            ", ".join(f"{g:.1f} x" for g in gain),
            gain == sorted(gain, reverse=True) and gain[-1] > 1.0,
            f"while the shared blocks fit; where they hardly do ({CACHE_GB[0] / 2:g} GB) they crowd out the rest: "
            f"{starved[0] / starved[1]:.1f} x.",
        ),
        Claim(
            f"hit ratio, base and LoRA adapters less whole siblings, cache {sizes} GB",
            "clearly above",
            ", ".join(f"+{d:.2f}" for d in adapters),
            min(adapters) > 0.0,
        ),
    ]


if __name__ == "__main__":
    show(WORK, claims())
