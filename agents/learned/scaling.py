"""Raw observation entries, in their units, as numbers that a network can take."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from edge6g_env.spaces import Feature


class Scaler(nn.Module):
    """Each entry over its range; those that span decades by their logarithm. Output around [-1, 1], same shape."""

    log: torch.Tensor
    unit: torch.Tensor
    top: torch.Tensor

    def __init__(self, features: Sequence[Feature]) -> None:
        super().__init__()
        low, high = (np.array([getattr(f, name) for f in features], np.float32) for name in ("low", "high"))
        log = np.array([f.scale == "log" for f in features])
        size = np.maximum(np.abs(low), np.abs(high))
        self.register_buffer("log", torch.from_numpy(log), persistent=False)
        # Counts and times of everyday size, not the space's far ends, set the scale of the logarithm.
        self.register_buffer("unit", torch.from_numpy(np.where(log, 1e-2 * np.sqrt(size), size)), persistent=False)
        top = np.where(log, np.log1p(size / (1e-2 * np.sqrt(size))), 1.0).astype(np.float32)
        self.register_buffer("top", torch.from_numpy(top), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scale x (..., entries)."""
        ratio = x / self.unit
        return torch.where(self.log, torch.log1p(ratio.clamp(min=0.0)), ratio) / self.top
