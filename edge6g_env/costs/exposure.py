"""What a cut gives away: the share of a prompt's tokens that a party could rebuild from what reached it (docs/exposure.md)."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from edge6g_env._arrays import require_within
from edge6g_env.costs.checks import Floats
from edge6g_env.costs.tables import read_rows, unknown

ATTACKERS = ("strong", "learned")
# By bits of the activations as sent, at any depth but 0; judgement: no paper found measures it.
_KEPT_BY_ROUNDING = {
    **dict.fromkeys(("fp32", "bf16", "fp16", "fp8", "int8", "int8-wo"), 1.0),
    "int4": 0.97,
}


@cache
def _points(attacker: str) -> tuple[np.ndarray, np.ndarray]:
    """(depth shares, exposures) of an attacker, rising depths."""
    rows = [row for row in read_rows("exposure.csv") if row["attacker"] == attacker]
    depths, exposures = (np.array([row.number(name) for row in rows]) for name in ("depth_share", "exposure"))
    return depths, exposures


def exposure(depth_share: ArrayLike, precision: str = "fp16", attacker: str = "strong") -> Floats:
    """Share of a prompt's tokens, 0 to 1, that activations behind a share of the layers give away; float64, shape of depth_share.

    depth_share: layers run before the cut over all, 0 to 1; 0 is raw data or token ids: 1 at any precision. precision: of the activations
    as sent. attacker: "strong" knows the weights and optimises, "learned" has trained one inverter a model on public text. Straight
    between the points of exposure.csv. Raises ValueError for depths outside and unknown names. Source: exposure.csv, leakage.csv.
    """
    depths = require_within("depth_share", depth_share, 0.0, 1.0)
    if precision not in _KEPT_BY_ROUNDING:
        raise unknown("precision", precision, _KEPT_BY_ROUNDING)
    if attacker not in ATTACKERS:
        raise unknown("attacker", attacker, ATTACKERS)
    return np.where(depths == 0.0, 1.0, _KEPT_BY_ROUNDING[precision] * np.interp(depths, *_points(attacker)))
