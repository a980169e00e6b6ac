"""The arrays of what each world has of its own: shapes and types; what stands in them comes with an episode."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge6g_env.kernel import fields
from edge6g_env.kernel import world as k
from edge6g_env.radio.fading import MAX_TAPS
from edge6g_env.spaces import CANDIDATE_FEATURES, Layout

_QUEUE_PLACES = 64
_KEPT_CHUNKS = 32  # of a prompt, whose layer times all candidates share; later chunks are worked out for each


def _records(shape: tuple[int, ...], dtype: np.dtype) -> np.recarray:
    return np.zeros(shape, dtype).view(np.recarray)


def state(layout: Layout, b: int, parts: int, candidates: bool) -> dict[str, Any]:
    """Everything of World from `episode` on, for b worlds with `parts` parts that can fail, by name."""
    scenario = layout.scenario
    n, peers, u = scenario.nodes.count, scenario.neighbours, scenario.num_ues
    precisions, services = len(scenario.actions.precision), len(scenario.service)
    v, c = len(scenario.weights) * precisions, layout.num_actions
    adapters = sum(service.lora_rank is not None for service in scenario.service)
    cells = min(scenario.radio.candidate_cells, n)
    j = n * scenario.job_rows_per_node + 1
    places = min(_QUEUE_PLACES, j)
    d, f = len(layout.observation), len(CANDIDATE_FEATURES)
    return {
        "episode": _records((b,), fields.EPISODE_DTYPE),
        "counters": _records((b,), fields.COUNTER_DTYPE),
        "node": _records((b, n), fields.NODE_DTYPE),
        "variant": _records((b, n, v), fields.VARIANT_DTYPE),
        "adapter": _records((b, n, adapters), fields.ADAPTER_DTYPE),
        "link": _records((b, n, peers), fields.LINK_DTYPE),
        "seen": _records((b, n, peers, v), fields.SEEN_DTYPE),
        "ue": _records((b, u), fields.UE_DTYPE),
        "cell": _records((b, u + 1, cells), fields.CELL_DTYPE),
        "tap": np.zeros((b, u, 4, MAX_TAPS)),
        "arrival_heap": np.zeros((b, u), np.int64),
        "fault": _records((b, parts), fields.FAULT_DTYPE),
        "replay": _records((b, services), fields.REPLAY_DTYPE),
        "job": _records((b, j), fields.JOB_DTYPE),
        "roster": np.zeros((b, 3, j), np.int64),
        "queue": np.zeros((b, n, 2, places), np.int64),
        "outcome": _records((b, 3 * j), fields.OUTCOME_DTYPE),
        "observation": np.zeros((2, b, n, d), np.float32),
        "action_mask": np.zeros((2, b, n, c), np.int8),
        "candidates": np.zeros((2, b, n, c if candidates else 0, f), np.float32),
        "known": _records((b, peers + 3, precisions), fields.KNOWN_DTYPE),
        "chunk_layer_s": np.zeros((b, peers + 1, precisions, _KEPT_CHUNKS)),
        "forecast": _records((b,), fields.FORECAST_DTYPE),
        "actions": np.zeros((b, n), np.int64),
        "result": np.zeros((b, n, 1 + len(k.REWARD_TERMS) + len(k.COST_NAMES))),
    }
