"""What a study found: each arm's reward and gain over the best rule, with intervals that say what they are over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.groups import group_estimate, probability_of_improvement
from eval.limits import beside, excess
from eval.result_files import DIGITS, Training
from eval.statistics import MeanEstimate, estimate, iqm, welch_interval
from eval.summary import Summary
from train.limits import Limit
from train.studies.arms import Arm, Cell
from train.studies.cells import Account

NOTE = (
    "Over training seeds: Student's 95 % interval of the mean, each training seed by its mean over the evaluation worlds: what another "
    "training would be expected to bring on these worlds. Over worlds: 95 % percentile bootstrap over the evaluation seeds of the "
    "interquartile mean, each world by the mean of the training seeds: what these trainings would bring on other worlds. Over both: "
    "training and evaluation seeds are drawn again (from three training seeds on, rather too narrow below ten). Probability of "
    "improvement: how often a training seed earns more than the best rule in a world, half of the ties, with Student's interval over "
    "training seeds. The picked run is the one with the highest reward on the validation seeds, with limits the one that breaks them "
    "least there; its interval is over worlds and speaks of that run alone. Differences are paired by world. The best rule is the one "
    "with the highest reward on the validation seeds. Nothing is corrected for the number of arms."
)


@dataclass(frozen=True)
class Trained:
    """The cells of an arm and how they did on validation seeds.

    validation: reward per job, float64 (training seeds, validation seeds), NaN where no job is measured; broken: by training seed the share
    by which the mean cost of a job is above the limit that is broken most, 0 where all are met.
    """

    cells: Sequence[Cell]
    accounts: Sequence[Account]
    limits: Sequence[Limit]
    validation: NDArray[np.float64]
    broken: Sequence[float]

    @cached_property
    def validated(self) -> list[float]:
        """IQM of the reward on the validation seeds, by training seed."""
        return [iqm(row) for row in self.validation]

    @property
    def picked(self) -> int:
        """Index of the training seed that breaks limits least, of those the one with the highest reward: the first of equal ones."""
        return max(range(len(self.cells)), key=lambda index: (-self.broken[index], self.validated[index]))


@dataclass(frozen=True)
class ArmResult:
    """An arm as it was trained and played.

    rewards: per job, float64 (training seeds, evaluation seeds); best_rule: of the best rule, (evaluation seeds,); evaluation seeds without
    a measured job are left out by who makes this. costs: by name (`train.limits`) the mean cost of a job, shape as of rewards.
    """

    arm: Arm
    trained: Trained
    rewards: NDArray[np.float64]
    best_rule: NDArray[np.float64]
    costs: Mapping[str, NDArray[np.float64]]

    @cached_property
    def gains(self) -> NDArray[np.float64]:
        """Reward less the best rule's, by training and evaluation seed."""
        return self.rewards - self.best_rule

    def record(self, summary: Summary) -> dict[str, Any]:
        """Its part of study.json. summary: of the comparison, which has its rooms."""
        room, picked = (summary["policies"][name]["room"] for name in (self.arm.name, self.arm.picked))
        return {
            "algo": self.arm.algo,
            "options": list(self.arm.options),
            "reward_per_job": group_estimate(self.rewards),
            "gain_over_best_rule": group_estimate(self.gains),
            "probability_of_improvement": probability_of_improvement(self.gains),
            "room": room,
            "picked": {
                "seed": self.trained.cells[self.trained.picked].seed,
                "reward_per_job": estimate(self.rewards[self.trained.picked]),
                "gain_over_best_rule": estimate(self.gains[self.trained.picked]),
                "room": picked,
            },
            "limits": {limit.cost: self._limit(limit) for limit in self.trained.limits},
            "cells": {str(cell.seed): self._cell(index) for index, cell in enumerate(self.trained.cells)},
        }

    def _limit(self, limit: Limit) -> dict[str, Any]:
        """A limit beside the mean cost of a job in the evaluation worlds."""
        costs = self.costs[limit.cost]
        picked = float(np.nanmean(costs[self.trained.picked]))
        return {**beside(limit.most, costs), "picked": picked, "picked_above_by": excess(limit.most, picked)}

    def _cell(self, index: int) -> dict[str, Any]:
        progress, account = self.trained.cells[index].progress, self.trained.accounts[index]
        return {
            "folder": str(self.trained.cells[index].folder),
            "decisions": progress.decisions,
            "minutes": progress.minutes,
            "cpu_minutes": cpu_minutes(account),
            "runs": progress.runs,
            "validation_above_limits": self.trained.broken[index],
            "validation_reward": self.trained.validated[index],
            "reward_per_job": float(self.rewards[index].mean()),
            "gain_over_best_rule": float(self.gains[index].mean()),
        }

    def training(self, command: str, indices: Sequence[int]) -> Training:
        """How those of its training seeds were trained, for a row of results."""
        progress = [self.trained.cells[index].progress for index in indices]
        cpu = [cpu_minutes(self.trained.accounts[index]) for index in indices]
        return Training(
            command=command,
            algo=self.arm.algo,
            options=" ".join(self.arm.options),
            seeds=[self.trained.cells[index].seed for index in indices],
            decisions=[one.decisions for one in progress],
            minutes=[round(one.minutes, 2) for one in progress],
            cpu_minutes=[None if one is None else round(one, 2) for one in cpu],
            rewards=[round(float(self.rewards[index].mean()), DIGITS) for index in indices],
            validation=[round(self.trained.validated[index], DIGITS) for index in indices],
        )


def cpu_minutes(account: Account) -> float | None:
    """CPU time of a cell's processes, None where none was watched to its end."""
    return account.cpu_s / 60.0 if account.processes else None


def difference(mine: ArmResult, other: ArmResult) -> dict[str, Any]:
    """Reward of an arm less that of another: over training seeds by Welch's interval, over worlds paired."""
    a, b = mine.rewards.mean(axis=1), other.rewards.mean(axis=1)
    low, high = welch_interval(a, b) or (None, None)
    return {
        "over_training_seeds": MeanEstimate(mean=float(a.mean() - b.mean()), low=low, high=high, n=min(len(a), len(b))),
        "over_worlds": estimate(mine.rewards.mean(axis=0) - other.rewards.mean(axis=0)),
    }
