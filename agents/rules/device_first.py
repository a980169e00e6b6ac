"""Rule `device-first`."""

from __future__ import annotations

import numpy as np

from agents.policy import Observation, register
from agents.rules._rows import DefaultRows
from edge6g_env.kernel.codes import LOCAL
from edge6g_env.spaces import Layout


@register("device-first")
class DeviceFirst:
    """The whole model on the UE's device where that is legal, else as `local`: the device first, the edge for what it cannot hold.

    A job at a precision that the device cannot hold takes the next one there before it leaves the device.
    """

    privileged = False
    needs_candidates = False

    def __init__(self, layout: Layout) -> None:
        self._rows = DefaultRows(layout, device_first=True)

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """Deterministic; see Policy.act."""
        return self._rows.choose(obs, LOCAL)
