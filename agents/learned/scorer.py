"""The candidate scorer: logit = beta * (predicted utility + learned correction), one shared network for every candidate.

The correction's last layer starts at zero, so the policy begins exactly at the greedy rule. It sees each candidate's predictions and
the node's situation; candidates are scored one by one and entries are found by name, so the network runs on any number of nodes, neighbours
and actions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from agents.learned.reading import Reads
from agents.learned.scaling import Scaler
from agents.policy import Compiled, Observation
from edge6g_env.compiled import CompiledPolicy
from edge6g_env.kernel.codes import HOLD, REJECT
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

FAR = 1e9  # utility below that of the best of a candidate that is illegal: its probability is exactly 0


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


class Situations(NamedTuple):
    """n decisions as the network takes them: scaled, and nothing learned in it."""

    context: torch.Tensor  # (n, entries)
    candidates: torch.Tensor  # (n, top, entries + 1), the last one the regret, 0 where illegal
    regret: torch.Tensor  # (n, top) predicted utility over that of the best, -FAR where illegal
    best: torch.Tensor  # (n,) predicted utility of the best


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
        context, candidates = self.reads.columns(layout)
        self.register_buffer("context_columns", torch.tensor(context), persistent=False)
        self.register_buffer("candidate_columns", torch.tensor(candidates), persistent=False)
        self._whole_candidates = candidates == list(range(len(layout.candidates)))
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

        context: (n, D) raw observations; candidates: (n, top, F) raw; legal: bool (n, top), one of each row at least.
        """
        return self.score(self.situations(context, candidates, legal))

    def situations(self, context: torch.Tensor, candidates: torch.Tensor, legal: torch.Tensor) -> Situations:
        """What `score` takes, of the arguments of forward: once for acting and all epochs."""
        utility = candidates[..., self.utility].masked_fill(~legal, -FAR)
        best = utility.amax(dim=1, keepdim=True)
        regret = (utility - best).masked_fill(~legal, -FAR)
        own = candidates if self._whole_candidates else candidates[..., self.candidate_columns]
        own = torch.cat([self.scale_candidate(own), regret.masked_fill(~legal, 0.0).unsqueeze(-1)], dim=-1)
        return Situations(self.scale_context(context[:, self.context_columns]), own, regret, best[:, 0])

    def score(self, situations: Situations) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits and values; see forward."""
        context, candidates, regret, best = situations
        n, top, own = candidates.shape
        # One layer; what all candidates of a decision share in it is worked out once.
        shared, each = self.first.weight.split([context.shape[1], own], dim=1)
        x = functional.linear(candidates, each) + functional.linear(context, shared, self.first.bias).unsqueeze(1)
        x = torch.relu(self.second(torch.relu(x).flatten(0, 1)))
        both = (
            torch.cat([self.correction.weight, self.value.weight]),
            torch.cat([self.correction.bias, self.value.bias]),
        )
        correction, value = functional.linear(x, *both).view(n, top, 2).unbind(dim=-1)
        logits = self.config.beta * (regret + correction)
        # The value is that of the choice that the policy makes: the candidates' values weighted by its probabilities.
        weights = torch.softmax(logits.detach(), dim=1)
        return logits, best + ((regret + value) * weights).sum(dim=1)

    def compiled(self, layout: Layout) -> CompiledPolicy:
        """Its argmax as the kernel plays it, with the weights that it has now."""
        layers = (self.first, self.second, self.correction)
        weights = [part.detach().numpy() for layer in layers for part in (layer.weight, layer.bias)]
        return CompiledPolicy(
            layout,
            network=weights,
            context=[feature.name for feature in self.reads.observation],
            candidates=[feature.name for feature in self.reads.candidates],
            scaled_as=(self.reads.observation, self.reads.candidates),
            top=self.config.top,
            beta=self.config.beta,
        )


class Shortlisted(NamedTuple):
    """What is scored for the n agents that decide."""

    places: np.ndarray  # (n,) of these agents, counted world by world
    rows: np.ndarray  # (n, top) of the action table
    context: np.ndarray  # (n, D)
    candidates: np.ndarray  # (n, top, F)
    legal: np.ndarray  # bool (n, top)

    def tensors(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What Scorer takes."""
        return torch.from_numpy(self.context), torch.from_numpy(self.candidates), torch.from_numpy(self.legal)

    def actions(self, shape: tuple[int, int], choice: np.ndarray) -> np.ndarray:
        """int64 of `shape`, (B, N): the row at place choice[n] of each shortlist, `hold` where nobody decides."""
        actions = np.full(shape, HOLD, np.int64)
        actions.reshape(-1)[self.places] = self.rows[np.arange(len(choice)), choice]
        return actions


class Shortlist:
    """The candidates that are scored, for the agents that decide: the highest predicted utilities, never `hold`."""

    def __init__(self, layout: Layout, top: int) -> None:
        self._utility = layout.candidate_index("utility")
        self.top = min(top, layout.num_actions)

    def __call__(self, obs: Observation) -> Shortlisted:
        """Of observations with candidates."""
        legal, table = (array.reshape(-1, *array.shape[2:]) for array in (obs["action_mask"], obs["candidates"]))
        places = np.flatnonzero(legal[:, REJECT])
        mask = legal[places] == 1
        mask[:, HOLD] = False
        utility = np.where(mask, table[places, :, self._utility], -np.inf)
        rows = torch.topk(torch.from_numpy(utility), self.top, dim=1).indices.numpy()
        rows.sort(axis=1)  # in the table's order, so that ties go to the lowest row
        each = np.arange(len(places))[:, None]
        context = obs["observation"].reshape(len(legal), -1)[places]
        taken = table.reshape(-1, table.shape[2]).take(places[:, None] * table.shape[1] + rows, axis=0)
        return Shortlisted(places, rows, context, taken, mask[each, rows])


class ScorerPolicy(Compiled):
    """Acts by a Scorer: the highest logit."""

    algo = "scorer"
    trained_on: str | None = None
    hparams: Mapping[str, Any] = {}

    def __init__(self, layout: Layout, net: Scorer) -> None:
        self.net = net
        super().__init__(net.compiled(layout))
