"""Overrides of `tiny` for tests that look at fine-tuning among other jobs: tasks of several UEs that take less than a second."""

from __future__ import annotations

from typing import Any

_TASK: dict[str, Any] = {
    "kind": "finetune",
    "model": "llama-3.2-1b",
    "exposure_cost": 0.1,
    "lora_rank": 4,
    "step_tokens": 16,
    "steps": 5,
    "aggregate_every": 2,
    "round_timeout_s": 0.1,
    "expire_s": 0.8,
}
_CHAT: dict[str, Any] = {
    "name": "chat",
    "model": "llama-3.2-1b",
    "privacy": "open",
    "share": 0.5,
    "prompt_tokens": 200,
    "output_tokens": 20,
    "ttft_slo_s": 1.0,
    "tpot_slo_s": 0.1,
    "expire_s": 2.0,
    "exposure_cost": 0.0,
}
QUICK_TASKS: dict[str, Any] = {
    "service": [
        _CHAT,
        {**_TASK, "name": "open", "privacy": "open", "share": 0.3, "participants": 3},
        {**_TASK, "name": "own", "privacy": "device", "share": 0.2, "participants": 2, "checkpointing": False},
    ],
    "serving.preload": ["llama-3.2-1b"],
    "serving.ran_share": 0.3,
    "nodes.memory_gb": [4.0],
    "arrivals.rate_jobs_s": 20.0,
    "time": {"episode_s": 4.0, "warmup_s": 0.0, "drain_s": 2.0},
}
