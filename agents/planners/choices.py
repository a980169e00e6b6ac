"""Which actions of a decision a planner tries, and which decisions are worth it."""

from __future__ import annotations

import numpy as np

from edge6g_env.kernel.codes import HOLD
from edge6g_env.spaces import ACTION_COLUMNS, Layout, device_shares, drafts

LOADS_S = 0.3  # what takes longer counts as a load; judgement, as the next: below it is the load of an adapter, above it one of weights
LATE = 0.98  # a timeliness below this counts as late


class Choices:
    """Distinct choices of a decision: of the actions alike in route, precision, model, draft and whether the whole model is on the device,
    the one of highest utility."""

    def __init__(self, layout: Layout, most: int, gap: float) -> None:
        """most: choices of a decision, its own included; gap: utility below the best's at which an action is not tried any more."""
        table, self._most, self._gap = layout.action_table, most, gap
        columns = [table[:, ACTION_COLUMNS.index(name)] for name in ("route", "precision", "model")]
        whole = device_shares(layout.scenario, table) >= 1.0
        kinds = np.column_stack([*columns, drafts(layout.scenario, table), whole])
        self._kind = np.unique(kinds, axis=0, return_inverse=True)[1].reshape(-1)  # (C,)
        self._utility, self._load_s, self._timeliness = map(layout.candidate_index, ("utility", "load_s", "timeliness"))

    def of(self, mask: np.ndarray, candidates: np.ndarray, own: int) -> np.ndarray:
        """Actions to try, int64 (n,), `own` first, then the best of each other kind, the highest utility first.

        mask: (C,), 1 for legal; candidates: (C, F); own: the action that is taken anyway, which stands for its kind. Never `hold`.
        """
        utility = self._utilities(mask, candidates)
        order = np.argsort(-utility, kind="stable")
        order = order[utility[order] >= utility.max() - self._gap]
        _, first = np.unique(self._kind[order], return_index=True)
        best = order[np.sort(first)]
        others = best[self._kind[best] != self._kind[own]]
        return np.concatenate([[own], others[: self._most - 1]]).astype(np.int64)

    def contested(self, mask: np.ndarray, candidates: np.ndarray) -> bool:
        """Whether the legal action of highest utility loads weights or would be late: such a decision has a price for others."""
        best = candidates[self._utilities(mask, candidates).argmax()]
        return bool(best[self._load_s] > LOADS_S or best[self._timeliness] < LATE)

    def _utilities(self, mask: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        """float (C,), -inf for what is illegal, and hold."""
        utility = np.where(mask == 1, candidates[:, self._utility], -np.inf)
        utility[HOLD] = -np.inf
        return utility
