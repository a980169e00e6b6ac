"""The arrays of what each world has of its own: shapes and types. What stands in them comes with an episode."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge6g_env.build.services import adapted
from edge6g_env.kernel.codes import COST_NAMES, REWARD_TERMS
from edge6g_env.kernel.fields import DTYPES
from edge6g_env.radio.fading import MAX_TAPS
from edge6g_env.spaces import CANDIDATE_FEATURES, Layout

_NOTED_LEGS = 64
_KEPT_CHUNKS = 32  # of a prompt, whose layer times all candidates share; later chunks are worked out for each


def state(layout: Layout, b: int, parts: int, candidates: bool) -> dict[str, Any]:
    """Everything of World from `episode` on, for b worlds with `parts` parts that can fail, by name."""
    scenario = layout.scenario
    n, k, u = scenario.nodes.count, scenario.neighbours, scenario.num_ues
    services, v, c = len(scenario.service), len(scenario.variants), layout.num_actions
    cells = min(scenario.radio.candidate_cells, n)
    j = n * scenario.job_rows_per_node + 1
    d, f = len(layout.observation), len(CANDIDATE_FEATURES)
    records = {
        **dict.fromkeys(("episode", "step", "tally", "forecast"), (b,)),
        **dict.fromkeys(("node", "server", "decision"), (b, n)),
        "variant": (b, n, v),
        "adapter": (b, n, len(adapted(scenario))),
        "link": (b, n, k),
        "seen": (b, n, k, v),
        "ue": (b, u),
        "cell": (b, u + 1, cells),
        "fault": (b, parts),
        "source": (b, services),
        "job": (b, j),
        "part": (b, j, 2),
        "outcome": (b, 3 * j),
        "noted": (b, _NOTED_LEGS),
        "known": (b, k + 3, v),
    }
    return {
        **{name: np.zeros(shape, DTYPES[name]).view(np.recarray) for name, shape in records.items()},
        "undrafted": np.zeros(b, DTYPES["forecast"]).view(np.recarray),
        "last_tally": np.zeros(b, DTYPES["tally"]).view(np.recarray),
        "tap": np.zeros((b, u, 4, MAX_TAPS)),
        "arrival_heap": np.zeros((b, u), np.int64),
        "last_note": np.zeros((b, 0), np.int64),
        "last_busy_s": np.zeros((b, n)),
        "roster": np.zeros((b, 3, j), np.int64),
        "queue": np.zeros((b, n, 3, min(scenario.serving.queue_jobs, j)), np.int64),
        "observation": np.zeros((2, b, n, d), np.float32),
        "action_mask": np.zeros((2, b, n, c), np.int8),
        "candidates": np.zeros((2, b, n, c if candidates else 0, f), np.float32),
        "chunk_layer_s": np.zeros((b, k + 1, v, _KEPT_CHUNKS)),
        "actions": np.zeros((b, n), np.int64),
        "result": np.zeros((b, n, 1 + len(REWARD_TERMS) + len(COST_NAMES))),
    }
