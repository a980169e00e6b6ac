"""Splitwise: prompts need compute and tokens need bandwidth, so a faster generation of cards helps the two by different factors."""

from __future__ import annotations

from benchmarks.published.claims import Claim, show
from edge6g_env import costs

WORK = "Splitwise"
MODEL, OLD, NEW = "llama-2-70b", "a100-80g", "h100-80g"
PROMPT, BATCH = 1024.0, 8.0


def claims() -> list[Claim]:
    """H100 over A100 in both phases, beside the ratios of compute, bandwidth and power."""
    old, new = costs.device(OLD), costs.device(NEW)
    prompt = float(costs.prefill_s(MODEL, OLD, PROMPT) / costs.prefill_s(MODEL, NEW, PROMPT))
    token = float(costs.decode_step_s(MODEL, OLD, PROMPT, BATCH) / costs.decode_step_s(MODEL, NEW, PROMPT, BATCH))
    bandwidth, compute = new.mem_bw_gbs / old.mem_bw_gbs, new.fp16_tflops / old.fp16_tflops
    rent = costs.accelerator_price_usd_per_s(NEW) / costs.accelerator_price_usd_per_s(OLD)
    return [
        Claim(
            "prompt phase, H100 over A100", "up to 3.43 x (compute)", f"{prompt:.2f} x", bandwidth < prompt <= compute
        ),
        Claim("token phase, H100 over A100", "near 1.64 x (bandwidth)", f"{token:.2f} x", token < 0.75 * prompt),
        Claim("power, H100 over A100", "1.75 x", f"{new.tdp_w / old.tdp_w:.2f} x", new.tdp_w > old.tdp_w),
        Claim(
            "cost of a token, H100 over A100",
            "tokens on the older card: 20 % lower cost",
            f"{rent / token:.2f} x (rent {rent:.2f} x)",
            rent / token > 1.0,
        ),
        Claim(
            "cost of a prompt, H100 over A100",
            "prompts on the newer one",
            f"{rent / prompt:.2f} x",
            rent / prompt < 1.0,
        ),
    ]


if __name__ == "__main__":
    show(WORK, claims())
