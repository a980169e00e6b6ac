"""What a training run does beside learning: keep to its time, show progress, compare itself with the rules, keep the best."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

from rich.progress import Progress, TaskID
from stable_baselines3.common.callbacks import BaseCallback

from eval.statistics import Estimate, mean_of
from eval.stopping import Interrupts
from train.checkpoint import hparams
from train.curves import ABOVE_LIMITS, GAIN, GAIN_HIGH, GAIN_LOW, TensorBoardCurves
from train.learner import Learner
from train.learning_curve import LearningCurve, Point
from train.limits import above as limits_above
from train.setup import Setup
from train.validation import CURVES, Figures, Validations, middle, told


class TimeBudget(BaseCallback):
    """Stops training when its time is spent or it was interrupted, and moves a progress bar."""

    def __init__(self, setup: Setup, spent_s: float, interrupts: Interrupts, bars: Progress, task: TaskID) -> None:
        super().__init__()
        self._setup, self._earlier_s, self._interrupts = setup, spent_s, interrupts
        self._bars, self._task = bars, task
        self._shown_s = 0.0
        self._begin_s = time.monotonic()

    def begin(self) -> None:
        """The clock runs from here on: the kernel is compiled, the rules have been played."""
        self._begin_s = time.monotonic()

    @property
    def spent_s(self) -> float:
        """Seconds trained, those before a resume included."""
        return self._earlier_s + time.monotonic() - self._begin_s

    def _on_step(self) -> bool:
        self._interrupts.check()
        spent_s = self.spent_s
        seconds = self._setup.seconds
        if spent_s - self._shown_s > 0.5 or spent_s >= seconds:
            self._shown_s = spent_s
            rate, decisions = self.model.num_timesteps / max(spent_s, 1e-9), self._setup.decisions
            share = spent_s / seconds if decisions is None else self.model.num_timesteps / decisions
            self._bars.update(self._task, completed=min(share, 1.0), rate=f"{rate:,.0f}/s")
        return spent_s < seconds


class Watch(BaseCallback):
    """Validates the learner now and then: a point of its curve, and its checkpoint."""

    def __init__(
        self,
        learner: Learner,
        validation: Validations,
        folder: Path,
        budget: TimeBudget,
        curve: LearningCurve,
        board: TensorBoardCurves,
        say: Callable[[str], None],
    ) -> None:
        super().__init__()
        self._learner, self._validation, self._folder, self._budget = learner, validation, folder, budget
        self._curve, self._board, self._say = curve, board, say

    def _on_training_start(self) -> None:
        self._validation.play_rules(self._folder)
        self._budget.begin()
        if not self._curve.points:
            self._board.describe(hparams(self._learner.facts), self._validation.table())
            self.validate()
        else:
            self._validate_if_due()  # an interrupt may have come before

    def validate(self) -> None:
        """Play the policy once: first its checkpoint, then what shows it."""
        rule = self._validation.best_rule
        of_layouts = [self._learner.policies(layout) for layout in self._validation.layouts]
        played = [self._validation.play("learned", policies) for policies in zip(*of_layouts, strict=True)]
        gains = [_known(self._validation.gain(figures, rule)) for figures in played]
        limits = self._learner.setup.limits
        above = [limits_above(limits, {name: mean_of(of[name]) for name in CURVES}) for of in played]
        index = max(range(len(gains)), key=lambda i: (-above[i], gains[i][0]))
        figures, (value, low, high) = played[index], gains[index]
        spent_s, steps = self._budget.spent_s, self._learner.model.num_timesteps
        better = self._learner.takes(value, above[index])
        self._learner.save(self._folder, spent_s, policy=better, index=index)
        reward = middle(figures["reward_per_job"])
        self._curve.add(Point(steps, spent_s / 60.0, reward, value, low, high, rule))
        tags = {GAIN: value, GAIN_LOW: low, GAIN_HIGH: high}
        self._show(figures, tags | ({ABOVE_LIMITS: above[index]} if limits else {}), steps)
        self._curve.draw()
        over = f", limits broken by {above[index]:.0%}" if above[index] else ", limits met" if limits else ""
        self._say(f"{reward:.3f} reward per job, {told(value, rule)}{over}")

    def _show(self, figures: Figures, gains: dict[str, float], steps: int) -> None:
        """TensorBoard's points: gains, each metric, and the gain over every rule."""
        rule, rules = self._validation.best_rule, self._validation.rules
        over = {f"validation_gain_over/{name}": self._validation.gain(figures, name)["iqm"] for name in rules}
        known = {tag: x for tag, x in over.items() if x is not None}
        metrics, best = ({f"validation/{m}": middle(of[m]) for m in CURVES} for of in (figures, rules[rule]))
        self._board.validated({**gains, **metrics, **known}, {**dict.fromkeys([*gains, *known], 0.0), **best}, steps)
        self._board.flush()

    def _on_rollout_start(self) -> None:
        # Where rollouts are updated by as they end, so that a point shows all that it says was learned.
        if self._learns_by_rollouts:
            self._validate_if_due()

    def _on_rollout_end(self) -> None:
        # Between two batches, so that a point belongs to one set of weights.
        if not self._learns_by_rollouts:
            self._validate_if_due()

    @property
    def _learns_by_rollouts(self) -> bool:
        return hasattr(self._learner.model, "learned_timesteps")

    def _validate_if_due(self) -> None:
        model = self._learner.model
        since = model.num_timesteps - (self._curve.last_decisions or 0)
        if since >= self._learner.decisions_between(self._validation.decisions) or (
            since and getattr(model, "ends_stage", False)
        ):
            self.validate()

    def _on_step(self) -> bool:
        return True

    def _on_training_end(self) -> None:
        if self._curve.last_decisions != self._learner.model.num_timesteps:
            self.validate()


def _known(gain: Estimate) -> tuple[float, float, float]:
    """A gain and its interval, NaN where there is none."""
    value, low, high = (math.nan if x is None else x for x in (gain["iqm"], gain["low"], gain["high"]))
    return value, low, high
