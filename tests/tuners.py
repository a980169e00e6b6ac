"""A service of fine-tuning beside one of inference, for tests of what has to do with both."""

from __future__ import annotations

from typing import Any

MODEL, TOKENS, SEQUENCES, STEPS, RANK = "llama-3.2-3b", 384, 4, 50, 8
TUNER: dict[str, Any] = {
    "name": "tuner", "kind": "finetune", "model": MODEL, "privacy": "open", "share": 0.2, "expire_s": 60.0, "exposure_cost": 0.1,
    "step_tokens": TOKENS, "step_sequences": SEQUENCES, "steps": STEPS, "lora_rank": RANK,
}  # fmt: skip
TEAM = {"participants": 3, "aggregate_every": 10, "round_timeout_s": 5.0}
TEXT = {
    "name": "chat", "model": "llama-3.1-8b", "privacy": "site", "share": 0.8, "trace": "azure_conv_2023", "ttft_slo_s": 2.0,
    "tpot_slo_s": 0.1, "expire_s": 60.0, "exposure_cost": 0.0,
}  # fmt: skip


def services_with(**keys: Any) -> list[dict[str, Any]]:
    """A service of inference, and one of fine-tuning with keys changed, or left out where they are None."""
    return [{**TEXT}, {key: value for key, value in {**TUNER, **keys}.items() if value is not None}]
