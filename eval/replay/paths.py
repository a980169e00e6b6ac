"""Ways of UEs: straight pieces from point to point, each at one speed, so that few points say where a UE was at any time."""

from __future__ import annotations

import numpy as np

TOLERANCE_M = 0.05  # a hundredth of what a pixel of the map shows


def turns(xy_m: np.ndarray) -> np.ndarray:
    """Frames of a way (F, 2) between which it may be taken as straight and even: nowhere it is farther off than the tolerance. Ascending,
    with the first and the last. Source: Douglas, Peucker, Cartographica 1973, with the distance at the same time in place of the nearest.
    """
    kept = np.zeros(len(xy_m), dtype=bool)
    kept[[0, -1]] = True
    pieces = [(0, len(xy_m) - 1)]
    while pieces:
        first, last = pieces.pop()
        if last - first < 2:
            continue
        share = np.arange(1, last - first)[:, None] / (last - first)
        straight_m = xy_m[first] + share * (xy_m[last] - xy_m[first])
        off_m = np.hypot(*(xy_m[first + 1 : last] - straight_m).T)
        worst = int(off_m.argmax())
        if off_m[worst] > TOLERANCE_M:
            at = first + 1 + worst
            kept[at] = True
            pieces += [(first, at), (at, last)]
    return np.flatnonzero(kept)
