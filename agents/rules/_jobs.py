"""The jobs that a batch of worlds decides about, and what rules read of them, by name."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from agents.policy import Observation
from agents.rules._rows import nearest_legal, service_entries, waiting
from edge6g_env.kernel.codes import HOLD, REJECT
from edge6g_env.spaces import Layout


class Entries:
    """Where the entries of a layout stand; reads the jobs that wait."""

    def __init__(self, layout: Layout) -> None:
        self.observation = {feature.name: column for column, feature in enumerate(layout.observation)}
        self.candidates = {feature.name: column for column, feature in enumerate(layout.candidates)}
        self.services = service_entries(layout)

    def of(self, obs: Observation) -> Jobs:
        """The n jobs that wait for a decision."""
        return Jobs(self, obs)


class Jobs:
    """n jobs that wait for a decision, in the order of worlds and nodes."""

    def __init__(self, entries: Entries, obs: Observation) -> None:
        self._entries, self._obs, self._decides = entries, obs, waiting(obs)
        self.where = np.nonzero(self._decides)
        """World and node of each, two int64 (n,)."""

    def __len__(self) -> int:
        return len(self.where[0])

    @cached_property
    def legal(self) -> np.ndarray:
        """Legal actions of each but `hold`, bool (n, C)."""
        legal = self._obs["action_mask"][self.where] == 1
        legal[:, HOLD] = False
        return legal

    @cached_property
    def service(self) -> np.ndarray:
        """Number of each job's service, int64 (n,)."""
        return self._obs["observation"][self.where][:, self._entries.services].argmax(axis=-1)

    def entry(self, name: str) -> np.ndarray:
        """An entry of each one's observation, float32 (n,)."""
        b, i = self.where
        return self._obs["observation"][b, i, self._entries.observation[name]]

    def candidate(self, name: str) -> np.ndarray:
        """An entry of each one's candidates, float32 (n, C)."""
        b, i = self.where
        return self._obs["candidates"][b, i, :, self._entries.candidates[name]]

    def nearest(self, distance: np.ndarray | None, *, reject: bool = True) -> np.ndarray:
        """Of the legal actions that serve only the nearest to what is wanted, and `reject`, bool (n, C).

        distance: int64 (S, C) by service, None: all are as near. reject: False leaves it only where nothing serves.
        """
        away = np.zeros(self.legal.shape, np.int64) if distance is None else distance[self.service]
        allowed = nearest_legal(self.legal, away)
        if not reject:
            allowed[:, REJECT] = False
            allowed[:, REJECT] = ~allowed.any(axis=1)
        return allowed

    def latency_s(self) -> np.ndarray:
        """Expected time from the arrival to the last token of each candidate, of fine-tuning to the last step, float32 (n, C)."""
        steps = np.where(
            self.entry("job/finetune") == 1.0,
            self.entry("job/steps") - self.entry("job/done_steps"),
            self.entry("job/mean_output_tokens") - 1.0,
        )
        return self.candidate("ttft_s") + np.maximum(steps, 0.0)[:, None] * self.candidate("tpot_s")

    def actions(self, allowed: np.ndarray, score: np.ndarray) -> np.ndarray:
        """Of the allowed actions (n, C) that of the highest score (n, C), ties to the lowest row: int64 (B, N), `hold` without a job."""
        return self.take(np.where(allowed, score, -np.inf).argmax(axis=1))

    def take(self, chosen: np.ndarray) -> np.ndarray:
        """The actions int64 (n,) of the jobs as those of all agents, int64 (B, N), `hold` without a job."""
        actions = np.zeros(self._decides.shape, np.int64)
        actions[self.where] = chosen
        return actions
