"""The learning curve in the run's folder: `learning_curve.csv`, and `learning_curve.png` drawn from it."""

from __future__ import annotations

import io
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from edge6g_env._csv import Row, read_csv
from eval.files import write_bytes_atomic, write_csv_atomic

TABLE, PICTURE = "learning_curve.csv", "learning_curve.png"
_COLOUR = "#d9480f"


@dataclass(frozen=True)
class Point:
    """A validation: reward per job, and its paired difference to the best rule with an interval over the validation seeds; NaN: none."""

    decisions: int
    minutes: float
    reward_per_job: float
    gain_over_best_rule: float
    low: float
    high: float
    best_rule: str


class LearningCurve:
    """Points in order, kept in the folder's table."""

    def __init__(self, folder: Path, title: str, until: int) -> None:
        """Goes on with the table in `folder`, if there is one, as far as `until` decisions: what a kill left beyond is gone.

        Raises TextError, which names file and line, for a table that was made into something else.
        """
        self._folder, self._title = folder, title
        table = folder / TABLE
        points = map(_point, read_csv(table) if table.is_file() else [])
        self.points = [point for point in points if point.decisions <= until]

    @property
    def last_decisions(self) -> int | None:
        """Decisions at the last point."""
        return self.points[-1].decisions if self.points else None

    def add(self, point: Point) -> None:
        """Append a point and write the table."""
        self.points.append(point)
        write_csv_atomic(pd.DataFrame([asdict(point) for point in self.points]), self._folder / TABLE)

    def draw(self) -> None:
        """Write the picture."""
        if self.points:
            write_bytes_atomic(self._folder / PICTURE, _png(pd.DataFrame(map(asdict, self.points)), self._title))


def _point(row: Row) -> Point:
    decisions, minutes, reward = (row.number(name) for name in ("decisions", "minutes", "reward_per_job"))
    gain, low, high = (row.number(name) if row[name] else math.nan for name in ("gain_over_best_rule", "low", "high"))
    return Point(int(decisions), minutes, reward, gain, low, high, row["best_rule"])


def _png(points: pd.DataFrame, title: str) -> bytes:
    figure = Figure(figsize=(7.0, 3.6), layout="constrained")
    axes, rule = figure.subplots(), points["best_rule"].iloc[-1]
    x = points["decisions"]
    axes.axhline(0.0, color="#5b6b7f", linewidth=1.2, label=f"best rule: {rule}")
    axes.fill_between(x, points["low"], points["high"], color=_COLOUR, alpha=0.2, linewidth=0, label="95 % interval")
    axes.plot(x, points["gain_over_best_rule"], color=_COLOUR, marker="o", markersize=3, label="learned")
    axes.set_title(f"{title}, {points['minutes'].iloc[-1]:.1f} minutes", fontsize=10, loc="left")
    axes.set_xlabel("decisions")
    axes.set_ylabel(f"reward per job over {rule}")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.grid(color="#e9ecef")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()
