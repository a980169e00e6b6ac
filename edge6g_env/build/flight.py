"""The arrays of worlds that fly: what a compiled policy is, and room for what it works out."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from edge6g_env.kernel.fields import DTYPES
from edge6g_env.spaces import CANDIDATE_FEATURES, Layout


class Sizes(NamedTuple):
    """Of compiled policies that fly together, see kernel/choose.py."""

    policies: int = 0
    context: int = 0
    entries: int = 0
    hidden: int = 0
    scored: int = 0
    """Candidates that are scored, 0 where the utility decides alone."""
    recorded: int = 0
    """Decisions of a world that are recorded before they are taken out."""

    @property
    def network(self) -> int:
        """Weights of the network."""
        h = self.hidden
        return h * (1 + self.context + self.entries + 1) + h * (1 + h) + h + 1 if h else 0


def fixed(layout: Layout, b: int) -> dict[str, Any]:
    """What b worlds always have: what a flight is asked for and leaves, and a policy that is none."""
    return {
        "flight": np.zeros(b, DTYPES["flight"]).view(np.recarray),
        "forced": np.full((b, layout.scenario.nodes.count), -1, np.int64),
        **of_policies(layout, 0, Sizes()),
    }


def of_policies(layout: Layout, b: int, sizes: Sizes) -> dict[str, Any]:
    """Arrays of World from `policy` to `recorded_inputs` for b worlds."""
    services, c = len(layout.scenario.service), layout.num_actions
    d, e, rows, kept = sizes.context, sizes.entries, sizes.scored, sizes.recorded
    return {
        "policy": np.zeros(1, DTYPES["policy"]).view(np.recarray),
        "policy_distance": np.zeros((sizes.policies, services, c), np.int64),
        "policy_route": layout.action_table[:, 0].copy(),
        "policy_context": np.zeros(d, np.int64),
        "policy_entries": np.zeros(e, np.int64),
        "policy_scales": np.zeros((3, d + e), np.float32),
        "policy_linear": np.zeros((sizes.policies, e + 1), np.float32),
        "policy_network": np.zeros((sizes.policies, sizes.network), np.float32),
        "utility": np.zeros((b, c), np.float32),
        "shortlist": np.zeros((b, rows), np.int64),
        "candidate_row": np.zeros((b, len(CANDIDATE_FEATURES)), np.float32),
        "context": np.zeros((b, d), np.float32),
        "inputs": np.zeros((b, rows, e + 1), np.float32),
        "hidden": np.zeros((b, 3, sizes.hidden), np.float32),
        "scores": np.zeros((b, rows)),
        "recorded": np.zeros((b, kept), DTYPES["recorded"]).view(np.recarray),
        "recorded_context": np.zeros((b, kept, d), np.float32),
        "recorded_inputs": np.zeros((b, kept, rows, e + 1), np.float32),
    }
