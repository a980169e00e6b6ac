"""Raw observation entries, in their units, as numbers that a network can take."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from edge6g_env.features import Feature, scales


class Scaler(nn.Module):
    """Each entry over its range; those that span decades by their logarithm. Output around [-1, 1], same shape."""

    log: torch.Tensor
    unit: torch.Tensor
    top: torch.Tensor

    def __init__(self, features: Sequence[Feature]) -> None:
        super().__init__()
        log, unit, top = scales(features)
        self.register_buffer("log", torch.from_numpy(log > 0.0), persistent=False)
        self.register_buffer("unit", torch.from_numpy(unit), persistent=False)
        self.register_buffer("top", torch.from_numpy(top), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scale x (..., entries)."""
        ratio = x / self.unit
        return torch.where(self.log, torch.log1p(ratio.clamp(min=0.0)), ratio) / self.top
