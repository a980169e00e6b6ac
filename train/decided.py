"""A rollout buffer of decisions: most agents have nothing to decide in most steps, and their samples teach a policy nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from gymnasium import spaces
from sb3_contrib.common.maskable.buffers import MaskableDictRolloutBuffer, MaskableDictRolloutBufferSamples

Row = dict[str, np.ndarray]


class DecisionBuffer(MaskableDictRolloutBuffer):
    """Rewards and values of all agents in all steps, for their advantages; observations and actions of decisions, which are its samples.

    A decision is a choice among several legal actions. On campus one of eight agents has one in a step: an update takes an eighth of the
    time and memory, and advantages are normalised over decisions.
    """

    def __init__(self, buffer_size: int, observation_space: spaces.Dict, *arguments: Any, **options: Any) -> None:
        self._kept: list[Row] = []
        super().__init__(buffer_size, spaces.Dict({}), *arguments, **options)  # it keeps no observation itself

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self._kept = []

    def add(self, obs: Row, action: np.ndarray, *step: Any, action_masks: np.ndarray | None = None) -> None:  # type: ignore[override]
        """A step of all agents; `step`: reward, episode_start, value, log_prob."""
        assert action_masks is not None
        masks = action_masks.reshape(self.n_envs, self.mask_dims)
        agents = np.flatnonzero(masks.sum(axis=1) > 1)
        chosen = {"action": action[agents], "log_prob": step[-1].numpy()[agents], "masks": masks[agents]}
        place = {"agent": agents, "step": np.full(len(agents), self.pos)}
        self._kept.append({f"obs/{name}": array[agents] for name, array in obs.items()} | chosen | place)
        super().add({}, action, *step, action_masks=action_masks)

    @property
    def decisions(self) -> int:
        """Samples that there are."""
        return sum(len(row["agent"]) for row in self._kept)

    def get(self, batch_size: int | None = None) -> Iterator[MaskableDictRolloutBufferSamples]:  # type: ignore[override]
        """All decisions in random order, in batches of about batch_size, of equal size but for one."""
        if len(self._kept) > 1:
            self._kept = [{name: np.concatenate([row[name] for row in self._kept]) for name in self._kept[0]}]
        whole, total = self._kept[0], self.decisions
        parts = max(1, min(round(total / (batch_size or total)), total // 2))  # one alone has no spread
        for rows in np.array_split(np.random.permutation(total), parts):
            yield self._samples({name: array[rows] for name, array in whole.items()})

    def _samples(self, of: Row) -> MaskableDictRolloutBufferSamples:
        at = of["step"], of["agent"]
        return MaskableDictRolloutBufferSamples(
            observations={name[4:]: self.to_torch(array) for name, array in of.items() if name.startswith("obs/")},
            actions=self.to_torch(of["action"]),
            old_values=self.to_torch(self.values[at]),
            old_log_prob=self.to_torch(of["log_prob"]),
            advantages=self.to_torch(self.advantages[at]),
            returns=self.to_torch(self.returns[at]),
            action_masks=self.to_torch(of["masks"]),
        )
