"""Who has a job decides about it: `hold` is taken out of its mask. For trainers, to which it is a trap.

To put a job off by a slot costs next to nothing and is legal wherever a job waits: an algorithm that discounts by steps soon does nothing
else, and with `skip_idle` its episodes grow from some hundred steps to thousands.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pettingzoo.utils import BaseParallelWrapper

from edge6g_env.kernel.codes import HOLD, REJECT
from edge6g_env.parallel import AgentObservation


def without_hold(mask: np.ndarray) -> np.ndarray:
    """Action masks int8 (..., C) without `hold` for who has a job, who may always reject it. A copy."""
    masks = mask.copy()
    masks[..., HOLD] &= ~mask[..., REJECT] & 1
    return masks


class MustDecide(BaseParallelWrapper):
    """The parallel door with such masks, `MustDecide(parallel_env("tiny", skip_idle=True))`; nothing else changes."""

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, AgentObservation], dict[str, dict[str, Any]]]:
        """As the door's."""
        obs, infos = self.env.reset(seed=seed, options=options)
        return _shown(obs), infos

    def step(
        self, actions: dict[str, int]
    ) -> tuple[
        dict[str, AgentObservation], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]
    ]:
        """As the door's."""
        obs, *others = self.env.step(actions)
        return _shown(obs), *others


def _shown(obs: dict[str, AgentObservation]) -> dict[str, AgentObservation]:
    return {agent: {**own, "action_mask": without_hold(own["action_mask"])} for agent, own in obs.items()}
