"""What a training run does beside learning: keep to its time, show progress, compare itself with the rules, keep the best."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext

import numpy as np
from rich.progress import Progress, TaskID
from stable_baselines3.common.callbacks import BaseCallback

from agents.policy import Policy
from edge6g_env.errors import UserError
from edge6g_env.scenario import Scenario
from eval.episodes import run_episodes
from eval.metrics import METRIC_NAMES
from eval.tensorboard import FlatLines

CURVES = ("reward_per_job", "slo_attainment", "ttft_mean_s", "ttft_p95_s", "tpot_mean_s", "price_per_job")
assert set(CURVES) <= set(METRIC_NAMES)


def _mean(values: np.ndarray) -> float:
    """Mean of the episodes that have the metric; NaN, which TensorBoard leaves out, if none has."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


class NothingMeasuredError(UserError):
    """Validation episodes without a measured job."""


class TimeBudget(BaseCallback):
    """Stops training after a number of seconds, and moves a progress bar."""

    def __init__(self, seconds: float, spent_s: float, bars: Progress, task: TaskID) -> None:
        super().__init__()
        self._seconds, self._spent_s, self._bars, self._task = seconds, spent_s, bars, task
        self._shown_s = 0.0
        self._begin_s = time.monotonic()

    def _on_training_start(self) -> None:
        self._begin_s = time.monotonic()

    @property
    def spent_s(self) -> float:
        """Seconds trained, those before a resume included."""
        return self._spent_s + time.monotonic() - self._begin_s

    def _on_step(self) -> bool:
        if self.spent_s - self._shown_s > 0.5:
            self._shown_s = self.spent_s
            rate = self.model.num_timesteps / max(self.spent_s, 1e-9)
            self._bars.update(self._task, completed=min(self.spent_s, self._seconds), rate=f"{rate:,.0f}/s")
        return self.spent_s < self._seconds


class Validation(BaseCallback):
    """Plays the policy and, once, the rules on seeds that training never sees: the learning curve, with the rules as flat lines.

    keep: called with the mean paired gain over the best rule whenever the policy was validated; it writes the checkpoint.
    """

    def __init__(
        self,
        scenario: Scenario,
        seeds: list[int],
        rules: Mapping[str, Callable],
        act: Callable[[], Policy],
        keep: Callable[[float, float], None],
        run_dir: str,
        period_s: float,
    ) -> None:
        super().__init__()
        self._scenario, self._seeds, self._rules, self._act, self._keep = scenario, seeds, rules, act, keep
        self._run_dir, self._period_s = run_dir, period_s
        self._lines: FlatLines | None = None

    def _play(self, name: str, make: Callable) -> dict[str, np.ndarray]:
        rows = run_episodes(name, make, self._scenario, self._seeds).rows
        return {metric: np.array([row[metric] for row in rows], float) for metric in CURVES}

    def _on_training_start(self) -> None:
        played = {name: self._play(name, make) for name, make in self._rules.items()}
        rewards = [curves["reward_per_job"] for curves in played.values()]
        if np.isnan(rewards).all(axis=1).any():
            raise NothingMeasuredError(
                "no job is measured in the validation episodes: the scenario has too few arrivals"
            )
        self._best = max(rewards, key=_mean)
        values = {name: {f"validation/{m}": _mean(curves[m]) for m in CURVES} for name, curves in played.items()}
        self._lines = FlatLines(self._run_dir, values)
        self.validate()

    def validate(self) -> None:
        """Play the policy once and write a point of its curve."""
        curves = self._play("learned", lambda _: self._act())
        for metric in CURVES:
            self.logger.record(f"validation/{metric}", _mean(curves[metric]))
        self.logger.dump(self.model.num_timesteps)
        if self._lines is not None:
            self._lines.write(self.model.num_timesteps)
        self._keep(_mean(curves["reward_per_job"]), _mean(curves["reward_per_job"] - self._best))
        self._last_s = time.monotonic()

    def _on_rollout_end(self) -> None:
        # Between collecting and updating, so that a point belongs to one set of weights.
        if time.monotonic() - self._last_s > self._period_s:
            self.validate()

    def _on_step(self) -> bool:
        return True

    def _on_training_end(self) -> None:
        self.validate()
        with self._lines or nullcontext():
            pass
