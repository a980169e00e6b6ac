"""Where do the joules go: energy per token falls steeply with utilisation, and rated power is a poor proxy for it."""

from __future__ import annotations

import numpy as np

from benchmarks.published.claims import Claim, show
from edge6g_env import costs

WORK = "Where do the joules go"
MODEL, DEVICE, CONTEXT = "llama-3.1-8b", "h100-80g", 1000.0
DEVICES = (DEVICE, "a100-80g", "l40s", "rtx-4090")
UNMEASURED = "l4"  # no attention table: it has the means of other cards
BATCH = np.array([1.0, 8.0, 16.0, 32.0, 64.0])


def _token_j(device: str) -> np.ndarray:
    """Joules a token at each batch, float64 (5,)."""
    return costs.step_energy_j(MODEL, device, BATCH, CONTEXT, BATCH) / BATCH


def claims() -> list[Claim]:
    """Joules a token over the batch; power drawn beside rated power; the spread of tasks."""
    token_j = _token_j(DEVICE)
    *spread, without_table = (_token_j(device)[1] / _token_j(device)[-1] for device in (*DEVICES, UNMEASURED))
    drawn_w = token_j * BATCH / costs.decode_step_s(MODEL, DEVICE, CONTEXT, BATCH)
    rated = costs.device(DEVICE).tdp_w
    prompt_j = float(costs.step_energy_j(MODEL, DEVICE, 2048, 0)) / 2048.0
    return [
        Claim(
            f"joules a token, batch 8 over 64 ({', '.join(DEVICES)})",
            "3 to 5 x by utilisation",
            ", ".join(f"{s:.1f}" for s in spread) + " x",
            all(3.0 <= s <= 5.0 for s in spread),
        ),
        Claim(
            f"the same on a card whose attention nobody measured ({UNMEASURED})",
            "3 to 5 x by utilisation",
            f"{without_table:.2f} x",
            3.0 <= without_table <= 5.0,
            "its attention is the mean of five other cards; where that is not measured the last per cent means nothing",
        ),
        Claim(
            "falls with every doubling of the batch",
            "steeply",
            ", ".join(f"{j:.3f}" for j in token_j) + " J",
            bool((np.diff(token_j) < 0.0).all()),
        ),
        Claim(
            "power drawn in decode, of the rated",
            "a poor proxy",
            f"{100 * drawn_w[0] / rated:.0f} to {100 * drawn_w[-1] / rated:.0f} %",
            bool((drawn_w < 0.7 * rated).all()),
        ),
        Claim(
            "joules a token, single stream over prompt",
            "25 x by task",
            f"{token_j[0] / prompt_j:.0f} x",
            token_j[0] > prompt_j,
        ),
    ]


if __name__ == "__main__":
    show(WORK, claims())
