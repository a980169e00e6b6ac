"""The candidate scorer: score = predicted utility + linear part + small network, the same for every candidate.

Linear part and the network's last layer begin at zero, so the policy begins exactly at the greedy rule. It sees what a candidate is
predicted to bring, what it costs the others (edge6g_env/kernel/externality.py) and the node's situation; candidates are scored one by one
and entries are found by name, so it acts on any number of nodes, neighbours and actions. It plays compiled, the network here learns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from agents.learned.reading import Reads
from agents.policy import Compiled
from agents.values import distances_of
from agents.weights import SCORED_ROWS
from edge6g_env.compiled import CompiledPolicy
from edge6g_env.spaces import CANDIDATE_FEATURES, Layout

# What goes into every candidate's score: entries that every scenario has and that mean the same in each, so that one network fits all.
CONTEXT = (
    "job/age_s",
    "job/prompt_tokens",
    "job/mean_output_tokens",
    "job/ttft_slo_s",
    "job/tpot_slo_s",
    "job/privacy_open",
    "job/privacy_site",
    "job/privacy_device",
    "job/uplink_sinr_db",
    "job/cell_senders",
    "job/device_jobs",
    "job/finetune",
    "node/queue_jobs",
    "node/inbox_jobs",
    "node/sequences",
    "node/backlog_s",
    "node/cycle_s",
    "node/prefill_share",
    "node/kv_share",
    "node/loading",
    "node/cloud_wait_s",
)
CANDIDATE = tuple(feature.name for feature in CANDIDATE_FEATURES if feature.name != "is_hold")  # that is never scored

FAR = 1e9  # below the best of a candidate that is not there: its probability is exactly 0


@dataclass(frozen=True)
class ScorerConfig:
    """Shape of the policy."""

    hidden: int = 64
    """Width of both hidden layers."""
    beta: float = 40.0
    """Inverse temperature where decisions are drawn: a candidate worth 0.1 more is exp(4) times as likely."""
    top: int = SCORED_ROWS
    """Candidates that are scored: those with the highest predicted utility; the rest are never chosen."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a checkpoint."""
        return asdict(self)


class Scorer(nn.Module):
    """Scores the candidates of decisions, of inputs as a flight records them (edge6g_env.flight.Recorded)."""

    linear: torch.Tensor

    def __init__(self, reads: Reads, config: ScorerConfig) -> None:
        """reads: entries with the ranges by which they are scaled, wherever it acts."""
        super().__init__()
        self.config, self.reads = config, reads
        width = len(reads.observation) + len(reads.candidates) + 1
        self.register_buffer("linear", torch.zeros(len(reads.candidates)))
        self.first = nn.Linear(width, config.hidden)
        self.second = nn.Linear(config.hidden, config.hidden)
        self.correction = nn.Linear(config.hidden, 1)
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)

    def forward(self, context: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        """Scores (n, R). context: (n, D) scaled; inputs: (n, R, E + 1) scaled entries and, last, the regret."""
        own = inputs.shape[-1]
        # One layer; what all candidates of a decision share in it is worked out once.
        shared, each = self.first.weight.split([context.shape[1], own], dim=1)
        x = functional.linear(inputs, each) + functional.linear(context, shared, self.first.bias).unsqueeze(1)
        x = torch.relu(self.second(torch.relu(x)))
        correction = self.correction(x).squeeze(-1)
        return inputs[..., -1] + inputs[..., :-1] @ self.linear + correction

    def compiled(self, layout: Layout, records: bool = False) -> CompiledPolicy:
        """Its argmax as the kernel plays it, with the weights that it has now; LayoutError if the layout lacks an entry.

        A network that corrects nothing is left out, which is faster; not if its inputs are to be recorded.
        """
        self.reads.columns(layout)
        names = [feature.name for feature in self.reads.candidates]
        linear = dict(zip(names, self.linear.tolist(), strict=True))
        near = distances_of(layout, self.reads.rows)
        options: dict[str, Any] = {"linear": linear, "candidates": names, "distance": near}
        if records or bool(self.correction.weight.any() | self.correction.bias.any()):
            layers = (self.first, self.second, self.correction)
            options["network"] = [part.detach().numpy() for layer in layers for part in (layer.weight, layer.bias)]
            options["context"] = [feature.name for feature in self.reads.observation]
        context = self.reads.observation if "network" in options else ()
        scaled = (context, self.reads.candidates)
        return CompiledPolicy(layout, scaled_as=scaled, top=self.config.top, beta=self.config.beta, **options)


class ScorerPolicy(Compiled):
    """Acts by a Scorer: the highest score."""

    algo = "scorer"
    trained_on: str | None = None
    hparams: Mapping[str, Any] = {}
    limits: Mapping[str, float] = {}

    def __init__(self, layout: Layout, net: Scorer) -> None:
        """LayoutError if the layout lacks an entry that the network reads."""
        self.net = net
        super().__init__(net.compiled(layout))
