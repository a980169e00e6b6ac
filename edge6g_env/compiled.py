"""Stand-in until the compiled form lands: the same interface, played through the doors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from edge6g_env.batch import BatchEnv
from edge6g_env.kernel.codes import HOLD, REJECT
from edge6g_env.spaces import Layout


class CompiledPolicy:
    """An argmax over candidates."""

    def __init__(
        self,
        layout: Layout,
        *,
        distance: np.ndarray | None = None,
        utility_weight: float = 1.0,
        linear: Mapping[str, float] | None = None,
        raw: bool = False,
    ) -> None:
        self.distance, self.utility_weight = distance, utility_weight
        self.utility = layout.candidate_index("utility")
        features = layout.candidates
        self.columns = [layout.candidate_index(name) for name in linear or {}]
        self.weights = np.array(list((linear or {}).values()), np.float32)
        self.log = np.array([features[c].scale == "log" and not raw for c in self.columns], bool)
        size = np.array([max(abs(features[c].low), abs(features[c].high)) for c in self.columns], np.float32)
        self.unit = np.where(self.log, 1e-2 * np.sqrt(size), 1.0 if raw else size).astype(np.float32)
        self.top = np.where(self.log, np.log1p(size / self.unit), 1.0).astype(np.float32)
        self.service = [layout.observation_index(f"job/service_{one.name}") for one in layout.scenario.service]

    @property
    def compiled(self) -> CompiledPolicy:
        return self

    def act(self, obs: dict[str, np.ndarray]) -> np.ndarray:
        decides = obs["action_mask"][..., REJECT] == 1
        actions = np.zeros(decides.shape, np.int64)
        legal, table = obs["action_mask"][decides] == 1, obs["candidates"][decides]
        legal[:, HOLD] = False
        if self.distance is not None:
            service = obs["observation"][decides][:, self.service].argmax(axis=-1)
            serves = legal.copy()
            serves[:, REJECT] = False
            far = np.where(serves, self.distance[service], np.iinfo(np.int64).max)
            legal &= ~serves | (far == far.min(axis=1, keepdims=True))
        score = self.utility_weight * table[..., self.utility]
        if len(self.columns):
            x = table[..., self.columns] / self.unit
            score = score + (np.where(self.log, np.log1p(np.maximum(x, 0.0)), x) / self.top) @ self.weights
        actions[decides] = np.where(legal, score, -np.inf).argmax(axis=-1)
        return actions


class Flight(NamedTuple):
    outcomes: np.ndarray
    decisions: np.ndarray


class FlyingEnv(BatchEnv):
    """A BatchEnv that flies by its doors."""

    def __init__(self, scenario: Any, num_worlds: int, threads: int = 1) -> None:
        super().__init__(scenario, num_worlds, threads=threads, observe="candidates", skip_idle=True)

    def reset(self, seed: Any = None) -> Any:
        self.over = np.zeros(self.num_worlds, bool)
        return super().reset(seed)

    def fly(self, policy: Sequence[Any], until_s: float) -> Flight:
        policies = [one.compiled for one in policy]
        jobs, decisions = [np.zeros(0, self.last_step.outcomes().dtype)], np.zeros(self.num_worlds, np.int64)
        obs, now_s = self.observations(), np.zeros(self.num_worlds)
        while (~self.over & (now_s < until_s)).any():
            actions = np.concatenate(
                [one.act({k: v[b : b + 1] for k, v in obs.items()}) for b, one in enumerate(policies)]
            )
            decisions += np.where(self.over, 0, (obs["action_mask"][..., REJECT] == 1).sum(axis=1))
            obs, _, _, truncated, info = self.step(actions)
            ended, now_s = np.array(info["outcomes"]), np.array(info["time_s"])
            jobs.append(ended[~self.over[ended["world"]]])
            self.over |= truncated
        return Flight(np.concatenate(jobs), decisions)
