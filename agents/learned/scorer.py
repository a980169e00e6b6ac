"""The candidate scorer: logit = beta * (predicted utility + learned correction), one shared network for every candidate.

The correction's last layer starts at zero, so the policy begins exactly at the greedy rule. It sees each candidate's predictions and
the node's situation; candidates are scored one by one and entries are found by name, so the network runs on any number of nodes, neighbours
and actions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from agents.learned.reading import Reads
from agents.learned.scaling import Scaler
from agents.policy import Observation
from edge6g_env.kernel.world import HOLD, REJECT
from edge6g_env.spaces import Layout

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
CANDIDATE = (
    "is_hold",
    "is_reject",
    "is_local",
    "is_neighbour",
    "is_cloud",
    "device_share",
    "ingress_share",
    "target_share",
    "weight_bits",
    "ttft_s",
    "tpot_s",
    "load_s",
    "wait_s",
    "upload_s",
    "accelerator_s",
    "energy_j",
    "price_musd",
    "quality",
    "timeliness",
    "air_mb",
    "backhaul_mb",
    "exposure",
    "sequences",
    "cycle_s",
    "report_age_s",
    "utility",
)


@dataclass(frozen=True)
class ScorerConfig:
    """Shape of the network."""

    hidden: int = 64
    """Width of both hidden layers."""
    beta: float = 40.0
    """Inverse temperature: a candidate worth 0.1 more is exp(4) times as likely."""
    top: int = 16
    """Candidates that are scored: those with the highest predicted utility; the rest are never chosen."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a checkpoint."""
        return asdict(self)


class Scorer(nn.Module):
    """Scores candidates and values the situation, both as corrections to what the cost model predicts."""

    context_columns: torch.Tensor
    candidate_columns: torch.Tensor

    def __init__(self, layout: Layout, config: ScorerConfig, reads: Reads | None = None) -> None:
        """layout: of the worlds that it acts in; reads: of the worlds that it was trained in, if these are others.

        Raises LayoutError if the layout lacks an entry that the network reads.
        """
        super().__init__()
        self.config, self.reads = config, reads or Reads.of(layout, CONTEXT, CANDIDATE)
        for name, columns in zip(("context", "candidate"), self.reads.columns(layout), strict=True):
            self.register_buffer(f"{name}_columns", torch.tensor(columns), persistent=False)
        self.utility = layout.candidate_index("utility")
        self.scale_context, self.scale_candidate = Scaler(self.reads.observation), Scaler(self.reads.candidates)
        width = len(self.reads.observation) + len(self.reads.candidates) + 1
        self.first = nn.Linear(width, config.hidden)
        self.second = nn.Linear(config.hidden, config.hidden)
        self.correction = nn.Linear(config.hidden, 1)
        self.value = nn.Linear(config.hidden, 1)
        for layer in (self.correction, self.value):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self, context: torch.Tensor, candidates: torch.Tensor, legal: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (n, top) of pre-selected candidates and values (n,).

        context: (n, D) raw observations; candidates: (n, top, F) raw; legal: bool (n, top).
        """
        return self.score(*self.inputs(context, candidates, legal), legal)

    def inputs(
        self, context: torch.Tensor, candidates: torch.Tensor, legal: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Scaled inputs (n, top, width) and predicted utilities (n, top); nothing learned, so once for all epochs."""
        utility = candidates[..., self.utility].masked_fill(~legal, -torch.inf)
        regret = torch.where(legal, utility - utility.max(dim=1, keepdim=True).values, torch.zeros_like(utility))
        shared = self.scale_context(context[:, self.context_columns]).unsqueeze(1).expand(-1, candidates.shape[1], -1)
        own = self.scale_candidate(candidates[..., self.candidate_columns])
        return torch.cat([shared, own, regret.unsqueeze(-1)], dim=-1), utility

    def score(
        self, inputs: torch.Tensor, utility: torch.Tensor, legal: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits and values of `inputs`; see forward."""
        x = torch.relu(self.second(torch.relu(self.first(inputs))))
        scores = utility - utility.max(dim=1, keepdim=True).values + self.correction(x).squeeze(-1)
        logits = (self.config.beta * scores).masked_fill(~legal, -1e9)
        # The value is that of the choice that the policy makes: the candidates' values weighted by its probabilities.
        weights = torch.softmax(logits.detach(), dim=1)
        values = (utility.masked_fill(~legal, 0.0) + self.value(x).squeeze(-1)) * weights
        return logits, values.sum(dim=1)


class Shortlist:
    """The candidates that are scored, for the agents that decide: the highest predicted utilities, never `hold`."""

    def __init__(self, layout: Layout, top: int) -> None:
        self._utility = layout.candidate_index("utility")
        self.top = min(top, layout.num_actions)

    def __call__(self, obs: Observation) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Deciding agents bool (B, N), then for them context (n, D), candidates (n, top, F), legal (n, top), rows (n, top)."""
        decides = obs["action_mask"][..., REJECT] == 1
        mask = obs["action_mask"][decides] == 1
        mask[:, HOLD] = False
        candidates = obs["candidates"][decides]
        utility = np.where(mask, candidates[..., self._utility], -np.inf)
        rows = np.argpartition(-utility, self.top - 1, axis=1)[:, : self.top]
        rows.sort(axis=1)  # in the table's order, so that ties go to the lowest row
        taken = np.take_along_axis(candidates, rows[..., None], axis=1)
        return decides, obs["observation"][decides], taken, np.take_along_axis(mask, rows, axis=1), rows


class ScorerPolicy:
    """Acts by a Scorer: the highest logit."""

    privileged = False
    needs_candidates = True
    algo = "scorer"
    trained_on: str | None = None
    hparams: Mapping[str, Any] = {}

    def __init__(self, layout: Layout, net: Scorer) -> None:
        self.net, self._shortlist = net, Shortlist(layout, net.config.top)

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """Deterministic; see Policy.act."""
        decides, context, candidates, legal, rows = self._shortlist(obs)
        actions = np.zeros(decides.shape, np.int64)
        if len(rows):
            with torch.no_grad():
                logits, _ = self.net(*(torch.from_numpy(x) for x in (context, candidates, legal)))
            actions[decides] = np.take_along_axis(rows, logits.argmax(dim=1, keepdim=True).numpy(), axis=1)[:, 0]
        return actions
