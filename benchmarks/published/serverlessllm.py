"""ServerlessLLM: a loader that fills the storage's rate starts a model several times sooner, and local copies sooner than remote."""

from __future__ import annotations

from benchmarks.published.claims import Claim, show
from edge6g_env import costs

WORK = "ServerlessLLM"
DEVICE = "a100-80g"
NAIVE_BYTES_S = 1.65e9  # 1.6 to 1.8 GB/s: Llama-2-70B in 84 s (COSTS 4, verified)
NETWORK_BYTES_S = 10e9 / 8.0  # a remote copy over the paper's 10 Gbit/s
ADAPTER = {"rank": 32, "targets": "q,k,v,o"}


def _gain(model: str) -> float:
    return costs.memory_bytes(model) / NAIVE_BYTES_S / costs.load_s(model, DEVICE)


def claims() -> list[Claim]:
    """Tuned against naive loading, adapters against bases, local against remote."""
    gains = [_gain(model) for model in ("llama-2-7b", "llama-2-13b", "llama-2-70b")]
    naive_s = costs.memory_bytes("llama-2-70b") / NAIVE_BYTES_S
    base = costs.memory_bytes("llama-2-7b")
    share = costs.adapter_bytes("llama-2-7b", 32, "q,k,v,o") / base
    remote_s = base / NETWORK_BYTES_S
    return [
        Claim(
            "load, tuned over naive (7B, 13B, 70B)",
            "3.6 to 8.2 x",
            ", ".join(f"{g:.1f}" for g in gains) + " x",
            min(gains) > 1.0 and 3.6 <= gains[-1] <= 8.2,
        ),
        Claim("naive load of Llama-2-70B", "84 s", f"{naive_s:.0f} s", abs(naive_s / 84.0 - 1.0) < 0.05),
        Claim("bytes of an adapter beside its base", "small", f"{100 * share:.2f} %", share < 0.01),
        Claim(
            "cold start from the own disk before one over the network (7B)",
            "sooner",
            f"{costs.load_s('llama-2-7b', DEVICE):.1f} s, {remote_s:.1f} s",
            costs.load_s("llama-2-7b", DEVICE) < remote_s,
        ),
    ]


if __name__ == "__main__":
    show(WORK, claims())
