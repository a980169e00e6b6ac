"""TrimCaching in the simulator: services that adapt a shared base hit a node's memory more often than services with weights of their own.

One node serves siblings of two models, asked for by Zipf's law; nothing is decided but to serve locally. A job hits if, when it is sent to
the node, the weights that it needs are there, and its LoRA adapter if it has one. Memory is the node's, eviction the kernel's (LRU).
"""

from __future__ import annotations

import numpy as np

from benchmarks.published.claims import Claim, show
from edge6g_env import costs
from edge6g_env.batch import BatchEnv

WORK = "TrimCaching"
BASES, SIBLINGS = ("llama-3.2-1b", "qwen2.5-1.5b"), 8
RANK, TARGETS, ZIPF = 16, "all-linear", 0.8
MEMORY_SHARES = (0.25, 0.4, 0.6, 0.8)  # of the library of whole siblings
WORLDS, JOBS, RATE_JOBS_S, SEED = 16, 250, 0.1, 3
WARM = JOBS // 4
PROMPT, OUTPUT = 200, 20


def library_bytes() -> float:
    """Weights of all siblings when each is a model of its own."""
    return SIBLINGS * sum(costs.memory_bytes(base) for base in BASES)


def shared_bytes() -> float:
    """Weights of all siblings as adapters: base + N adapters (COSTS 8)."""
    return sum(costs.memory_bytes(base) + SIBLINGS * costs.adapter_bytes(base, RANK, TARGETS) for base in BASES)


def services(sharing: bool) -> list[dict[str, object]]:
    """Tables of the siblings, popularity by Zipf's law in an order that mixes the bases."""
    weight = (1.0 + np.arange(len(BASES) * SIBLINGS)) ** -ZIPF
    kind = {"lora_rank": RANK, "lora_targets": TARGETS} if sharing else {"own_weights": True}
    slo = {"ttft_slo_s": 2.0, "tpot_slo_s": 0.1, "expire_s": 1e6, "privacy": "open", "exposure_cost": 0.0}
    lengths = {"prompt_tokens": PROMPT, "output_tokens": OUTPUT}
    return [
        {"name": f"s{i}", "model": BASES[i % len(BASES)], "share": float(share), **kind, **slo, **lengths}
        for i, share in enumerate(weight / weight.sum())
    ]


def make_node(sharing: bool, memory_bytes: float, worlds: int = WORLDS) -> BatchEnv:
    """Worlds of one node with so much memory for weights and KV."""
    env = BatchEnv(
        "tiny",
        worlds,
        skip_idle=True,
        service=services(sharing),
        nodes={"count": 1, "columns": 1, "neighbours": 0, "devices": ["l40s"]},
        ues={"per_node": 1, "mobility": "stationary", "hotspots": 0},
        arrivals={"kind": "poisson", "rate_jobs_s": RATE_JOBS_S},
        actions={"precision": ["fp16"], "default_precision": "fp16"},
        time={"slot_s": 0.05, "n_substeps": 1, "episode_s": 1e7, "warmup_s": 0.0, "drain_s": 0.0},
    )
    env.world.site["usable_bytes"][...] = memory_bytes
    return env


def _hits(env: BatchEnv) -> np.ndarray:
    """Whether the job at the head of each world's queue finds all that it needs, bool (B,)."""
    w, worlds = env.world, np.arange(env.num_worlds)
    flags = [env.layout.observation_index(f"job/service_{service.name}") for service in env.scenario.service]
    choice = w.choice[env.observations()["observation"][:, 0, flags].argmax(axis=1), 0]
    weights = w.variant[worlds, 0, choice["weights"]]
    whole = weights["high"] - weights["low"] == w.model["layers"][choice["weights"]]
    if w.adapter.shape[2] == 0:
        return np.asarray(whole)
    adapted = choice["adapter"] >= 0
    return np.asarray(whole & (~adapted | (w.adapter["resident"][worlds, 0, choice["adapter"]] == 1)))


def hit_ratio(sharing: bool, memory_bytes: float) -> float:
    """Share of the jobs after the warm-up that find their weights at the node."""
    env = make_node(sharing, memory_bytes)
    env.reset(SEED)
    local = env.action_names.index("local, fp16")
    hits, jobs = 0, np.zeros(env.num_worlds, np.int64)
    while jobs.min() < JOBS:
        waiting = env.deciding()[:, 0] >= 0
        counts = waiting & (jobs >= WARM) & (jobs < JOBS)
        hits += int(_hits(env)[counts].sum())
        jobs += waiting
        env.step(np.where(waiting, local, 0)[:, None])
    return hits / (env.num_worlds * (JOBS - WARM))


def claims() -> list[Claim]:
    """Hit ratios by memory, shared and not."""
    memory = [share * library_bytes() for share in MEMORY_SHARES]
    shared, own = ([hit_ratio(sharing, size) for size in memory] for sharing in (True, False))
    gain = [a / b for a, b in zip(shared, own, strict=True)]
    sizes = ", ".join(f"{size / 1e9:.0f}" for size in memory)
    return [
        Claim(
            f"simulated node, LoRA siblings / own weights, {sizes} GB: hit ratio",
            "clearly above",
            ", ".join(f"{a:.2f} / {b:.2f}" for a, b in zip(shared, own, strict=True)),
            all(a > b + 0.05 for a, b in zip(shared, own, strict=True)),
        ),
        Claim(
            f"simulated node, hit ratio with sharing over without, {sizes} GB",
            "gain grows as storage gets tight",
            ", ".join(f"{g:.1f} x" for g in gain),
            gain == sorted(gain, reverse=True) and gain[0] > 1.2 * gain[-1],
            f"{len(BASES)} bases of {SIBLINGS} siblings: {library_bytes() / 1e9:.0f} GB as models of their own, "
            f"{shared_bytes() / 1e9:.1f} GB as adapters.",
        ),
    ]


if __name__ == "__main__":
    show(WORK, claims())
