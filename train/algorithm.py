"""What the callbacks of Stable-Baselines3 need of a model, over an algorithm that plays whole episodes in a pool."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger

from eval.pools.pool import Pool


class OutOfTimeError(Exception):
    """The callback said no in the midst of a batch."""


Tensors = dict[str, torch.Tensor]


class Algorithm(ABC):
    """Learns batch by batch; `num_timesteps` counts the decisions of whole batches.

    A batch that does not come to its end leaves no trace: what is saved is the state after the last whole one, and whoever goes on plays
    it again, alike.
    """

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.logger: Logger | None = None
        self._at: tuple[int, Tensors] = 0, {}  # one attribute: an interrupt never comes between the two

    @abstractmethod
    def _advance(self) -> tuple[int, dict[str, float]]:
        """Play a batch and learn from it: its decisions and figures."""

    @abstractmethod
    def _tensors(self) -> Tensors:
        """All that going on needs, as it is now: copies."""

    @abstractmethod
    def _load(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Go on from _tensors; RuntimeError, ValueError or KeyError if they do not fit."""

    @property
    def ends_stage(self) -> bool:
        """Whether the last batch was the last of its stage: what the next one begins with is chosen by a validation."""
        return False

    @property
    def num_timesteps(self) -> int:
        """Decisions of the whole batches."""
        return self._at[0]

    @num_timesteps.setter
    def num_timesteps(self, decisions: int) -> None:
        self._at = decisions, self._at[1]

    def state_tensors(self) -> Tensors:
        """All that going on needs, as it was after the last whole batch."""
        return self._at[1] or self._tensors()

    def load_state(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Go on from state_tensors; RuntimeError, ValueError or KeyError if they do not fit."""
        self._load(tensors)
        self._at = self._at[0], {}

    def advance(self) -> None:
        """Play a batch and learn from it."""
        decisions, figures = self._advance()
        self._at = self._at[0] + decisions, self._tensors()
        if self.logger is not None:
            for name, value in figures.items():
                self.logger.record(f"train/{name}", value)
            self.logger.dump(self.num_timesteps)

    def set_logger(self, logger: Logger) -> None:
        """Where batches are told of."""
        self.logger = logger

    def get_env(self) -> None:
        """There is none that a callback could look at."""
        return None

    def close(self) -> None:
        """End whatever is played."""
        self.pool.close()

    def learn(self, total_timesteps: int, callback: BaseCallback, reset_num_timesteps: bool = False) -> Algorithm:
        """Learn until the callback says no, or at least total_timesteps more decisions were taken, as Stable-Baselines3 counts them."""
        until = self.num_timesteps + total_timesteps
        callback.init_callback(self)  # type: ignore[arg-type]
        callback.on_training_start(locals(), globals())

        def tick() -> None:
            if not callback.on_step():
                raise OutOfTimeError

        self._at = self._at[0], self.state_tensors()  # so that a first batch that is cut off leaves no trace either
        self.pool.tick = tick
        try:
            while self.num_timesteps < until:
                self.advance()
                callback.on_rollout_end()
        except OutOfTimeError:
            pass
        self.pool.tick = lambda: None
        callback.on_training_end()
        return self
