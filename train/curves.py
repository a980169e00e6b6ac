"""The learning curve as TensorBoard runs: the learner, and a flat line through the best rule."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from stable_baselines3.common.logger import KVWriter
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams as hparams_summaries

from eval.contenders import HParam

BEST_RULE = "best-rule"  # the run that is the zero line
GAIN, GAIN_LOW, GAIN_HIGH = (f"validation/gain_over_best_rule{end}" for end in ("", "_low", "_high"))
ABOVE_LIMITS = "validation/above_limits"
WORKINGS = "workings"  # TensorBoard sorts groups by name: what the trainers log comes after "validation"


def run_name(algo: str, seed: int) -> str:
    """Folder of a learner's event files, which is the end of its name in TensorBoard: "scorer-s0"."""
    return f"{algo}-s{seed}"


class _Scalar(NamedTuple):
    writer: SummaryWriter
    tag: str
    value: float
    step: int
    time_s: float


class TensorBoardCurves(KVWriter):
    """Scalars of a training run. They are held back until the checkpoint that has their steps is on the disk: a run that was killed and
    goes on from there never goes back in its steps, and writes no point twice.
    """

    def __init__(self, folder: Path, algo: str, seed: int) -> None:
        self._learner = SummaryWriter(log_dir=str(folder / run_name(algo, seed)))
        self._best_rule = SummaryWriter(log_dir=str(folder / BEST_RULE))
        self._held: list[_Scalar] = []

    def describe(self, hparams: Mapping[str, HParam], rules: str) -> None:
        """Once a run: hyperparameters beside the gain, the rules' figures as a table (Markdown), the gain with its band."""
        for record in hparams_summaries(dict(hparams), {GAIN: 0.0}):  # into the run itself: add_hparams makes another
            self._learner._get_file_writer().add_summary(record)
        self._learner.add_text("rules on the validation seeds", rules)
        margin = {"gain over the best rule": ["Margin", [GAIN, GAIN_LOW, GAIN_HIGH]]}
        self._learner.add_custom_scalars({"validation": margin})
        self._learner.flush()

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        """What Stable-Baselines3's logger has to say."""
        numbers = {key: float(x) for key, x in key_values.items() if isinstance(x, int | float | np.number)}
        self._hold(self._learner, {f"{WORKINGS}/{key.split('/')[-1]}": x for key, x in numbers.items()}, step)

    def validated(self, learner: Mapping[str, float], best_rule: Mapping[str, float], step: int) -> None:
        """A point of each curve, by tag; NaN is left out."""
        self._hold(self._learner, learner, step)
        self._hold(self._best_rule, best_rule, step)

    def _hold(self, writer: SummaryWriter, values: Mapping[str, float], step: int) -> None:
        self._held += [_Scalar(writer, tag, x, step, time.time()) for tag, x in values.items() if not np.isnan(x)]

    def flush(self) -> None:
        """Write what was held back: its checkpoint is on the disk."""
        while self._held:  # one by one: an interrupt in between leaves none behind that is written
            scalar = self._held.pop(0)
            scalar.writer.add_scalar(scalar.tag, scalar.value, scalar.step, walltime=scalar.time_s)
        self._learner.flush()
        self._best_rule.flush()

    def close(self) -> None:
        """Close the files, without what has no checkpoint; may be called twice."""
        self._learner.close()
        self._best_rule.close()
