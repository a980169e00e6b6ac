"""Red Hat's quantisation study: 4-bit weights win for one stream, 8-bit products for many; quality falls little, int4 most."""

from __future__ import annotations

from benchmarks.published.claims import Claim, show
from edge6g_env import costs

WORK = "Red Hat"
MODEL, DEVICE = "llama-3.1-8b", "l40s"
CONTEXT = 1000.0
ORDER = ("fp16", "fp8", "int8", "int4")


def _fastest(batch: float) -> str:
    return min(ORDER, key=lambda p: float(costs.decode_step_s(MODEL, DEVICE, CONTEXT, batch, p)))


def claims() -> list[Claim]:
    """Which precision decodes fastest at which batch, and what each keeps of the quality."""
    kept = {p: costs.relative_quality(MODEL, p) for p in ORDER}
    lost = [100.0 * (1.0 - kept[p]) for p in ORDER[1:]]
    prompt = {p: float(costs.prefill_s(MODEL, DEVICE, 2048, p)) for p in ORDER}
    return [
        Claim("fastest for a single stream", "W4A16", _fastest(1.0), _fastest(1.0) == "int4"),
        Claim("fastest for 256 sequences", "W8A8", _fastest(256.0), _fastest(256.0) in ("int8", "fp8")),
        Claim(
            "fastest prompt of 2048 tokens",
            "W8A8",
            min(prompt, key=prompt.__getitem__),
            prompt["int8"] < prompt["int4"],
        ),
        Claim(
            "quality lost by fp8, int8, int4",
            "none, 1 to 3 %, close to int8",
            ", ".join(f"{loss:.1f} %" for loss in lost),
            lost == sorted(lost) and lost[-1] < 5.0,
        ),
    ]


if __name__ == "__main__":
    show(WORK, claims())
