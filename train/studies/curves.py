"""Learning curves of a study: the mean of an arm's training seeds with Student's band, as table, picture and TensorBoard runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter
from numpy.typing import NDArray
from torch.utils.tensorboard import SummaryWriter

from eval.files import remove, write_bytes_atomic, write_csv_atomic
from eval.report.charts import LEARNED_COLOURS, RULE_COLOURS, figure_bytes, plain_style
from eval.statistics import FEWEST_FOR_STUDENT, student_interval
from train.curves import GAIN, GAIN_HIGH, GAIN_LOW
from train.learning_curve import Point

TABLE, PICTURE, BOARD = "learning_curves.csv", "learning_curves.png", "tensorboard"
COLOURS = (LEARNED_COLOURS[0], *RULE_COLOURS, *LEARNED_COLOURS[1:])  # neighbours are far apart
FEW = 10  # places of a curve that are marked, as one alone would not be seen
MARGIN = (
    0.15  # of the span of the single curves that is left above and below; bands may be far wider, and are cut there
)


@dataclass(frozen=True)
class Curve:
    """Gain over the best rule on validation seeds, an arm.

    decisions: float64 (X,), rising, where any of the training seeds was validated, as far as all of them have come; gains: float64
    (seeds, X), between two validations on the straight line; minutes: likewise, the mean of the seeds, (X,).
    """

    decisions: NDArray[np.float64]
    gains: NDArray[np.float64]
    minutes: NDArray[np.float64]

    @property
    def mean(self) -> NDArray[np.float64]:
        """Over the training seeds, (X,)."""
        return self.gains.mean(axis=0)

    @property
    def band(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Student's 95 % interval of the mean at each place on its own, low and high, (X,); NaN of one training seed, of no width where all
        are alike, as at a common start."""
        several = len(self.gains) >= FEWEST_FOR_STUDENT
        alike = self.gains[0] if several else np.full(len(self.decisions), np.nan)
        found = [student_interval(column) or (value, value) for column, value in zip(self.gains.T, alike, strict=True)]
        low, high = np.array(found, float).reshape(-1, 2).T
        return low, high


def curve_of(seeds: Sequence[Sequence[Point]]) -> Curve | None:
    """The curve of an arm from the validations of its training seeds, those without a gain left out; None if one has none."""
    known = [[point for point in points if np.isfinite(point.gain_over_best_rule)] for points in seeds]
    if not known or not all(known):
        return None
    begin = max(points[0].decisions for points in known)
    end = min(points[-1].decisions for points in known)
    places = sorted({point.decisions for points in known for point in points if begin <= point.decisions <= end})
    x = np.array(places, float)
    decisions = [[point.decisions for point in points] for points in known]
    gains = [[point.gain_over_best_rule for point in points] for points in known]
    minutes = [[point.minutes for point in points] for points in known]
    rows = [np.interp(x, at, of) for at, of in zip(decisions, gains, strict=True)]
    spent = [np.interp(x, at, of) for at, of in zip(decisions, minutes, strict=True)]
    return Curve(x, np.array(rows), np.mean(spent, axis=0)) if places else None


def write_curves(study: Path, title: str, curves: Mapping[str, Curve]) -> None:
    """Write table, picture and TensorBoard runs of arms, by name."""
    write_csv_atomic(_frame(curves), study / TABLE)
    with plain_style():
        write_bytes_atomic(study / PICTURE, figure_bytes(_figure(title, curves), "png"))
    remove(study / BOARD)  # one that goes on has more points, and TensorBoard would show both
    for name, curve in curves.items():
        _write_board(study / BOARD / name, curve)


def _frame(curves: Mapping[str, Curve]) -> pd.DataFrame:
    columns = ("arm", "decisions", "minutes", "training_seeds", "gain_over_best_rule", "low", "high")
    rows: list[tuple[object, ...]] = []
    for name, curve in curves.items():
        for x, minutes, mean, low, high in zip(curve.decisions, curve.minutes, curve.mean, *curve.band, strict=True):
            rows.append((name, int(x), round(float(minutes), 3), len(curve.gains), mean, low, high))
    return pd.DataFrame(rows, columns=list(columns))


def _figure(title: str, curves: Mapping[str, Curve]) -> Figure:
    figure = Figure(figsize=(8.0, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.axhline(0.0, color="#5b6b7f", linewidth=1.2, label="best rule on the validation seeds")
    for (name, curve), colour in zip(curves.items(), _colours(len(curves)), strict=True):
        _draw(axes, name, curve, colour)
    if curves:
        low, high = (end([end(curve.gains) for curve in curves.values()] + [0.0]) for end in (np.min, np.max))
        room = MARGIN * max(float(high - low), 1e-3)
        axes.set_ylim(float(low) - room, float(high) + room)
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlabel("decisions")
    axes.set_ylabel("reward per job over the best rule")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.grid(color="#e9ecef")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    return figure


def _draw(axes: Axes, name: str, curve: Curve, colour: str) -> None:
    low, high = curve.band
    count = len(curve.gains)
    for gains in curve.gains:
        axes.plot(curve.decisions, gains, color=colour, linewidth=0.6, alpha=0.5)
    axes.fill_between(curve.decisions, low, high, color=colour, alpha=0.15, linewidth=0)
    band = ", 95 % band" if count > 1 else ""
    label = f"{name}: mean of {count} training seed{'' if count == 1 else 's'}{band}"
    marker = "o" if len(curve.decisions) <= FEW else ""
    axes.plot(curve.decisions, curve.mean, color=colour, linewidth=2.0, marker=marker, markersize=3.5, label=label)


def _colours(count: int) -> list[str]:
    return [COLOURS[index % len(COLOURS)] for index in range(count)]


def _write_board(folder: Path, curve: Curve) -> None:
    """The tags of a training run's curve (`train.curves`), so that TensorBoard draws both in one chart."""
    with SummaryWriter(log_dir=str(folder)) as writer:
        writer.add_custom_scalars({"validation": {"gain over the best rule": ["Margin", [GAIN, GAIN_LOW, GAIN_HIGH]]}})
        for x, mean, low, high in zip(curve.decisions, curve.mean, *curve.band, strict=True):
            for tag, value in ((GAIN, mean), (GAIN_LOW, low), (GAIN_HIGH, high)):
                if np.isfinite(value):
                    writer.add_scalar(tag, float(value), int(x))
