"""Charts of a sweep: a metric along the axis, a line with its band a policy and setting; knees; what a value of a key changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation
from numpy.typing import NDArray

from eval.metrics import BY_NAME, Metric
from eval.report.charts import (
    DASHES,
    LEARNED_COLOURS,
    LOG_FROM_RATIO,
    MUTED_COLOUR,
    RULE_COLOURS,
    make_logarithmic,
)
from eval.sweep.figures import REWARD, SHOWN
from eval.sweep.knee import ATTAINED, LOAD
from eval.sweep.swept import Swept
from eval.sweep.table import records
from eval.sweep.words import axis_label, in_short, last_part, text

COLUMNS = 3
PANEL_INCHES = (4.7, 3.3)
LEGEND_LETTERS = 150  # that a row of the legend has room for
KNEE_POINTS = 7.0  # between two knees, one below the other
DODGE = 0.5  # of the distance of two places without order, over which the policies are spread


@dataclass(frozen=True)
class Entry:
    """A policy in one combination of the keys that are not along the axis, as the legend has it."""

    label: str
    style: Mapping[str, Any]
    """Colour, dashes and width of its line."""


@dataclass(frozen=True)
class Line:
    """Figures of a policy in one combination of the keys that are not along the axis."""

    style: Mapping[str, Any]
    x: NDArray[np.float64]
    middle: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True)
class Panel:
    """What is drawn, and how it is called in words."""

    name: str
    draw: Callable[[Axes], None]


def panels(swept: Swept) -> list[Panel]:
    """Reward, what each key changes of it, the other metrics."""
    found = [Panel(BY_NAME[name].label, partial(draw_metric, swept=swept, metric=BY_NAME[name])) for name in SHOWN]
    changed = [
        Panel(f"Reward, change by {last_part(key)}", partial(draw_change, swept=swept, key=key))
        for key in swept.keys
        if swept.axis not in (None, key) and len(swept.values(key)) > 1
    ]
    return [found[0], *changed, *found[1:]]


def sweep_figure(swept: Swept, title: str) -> Figure:
    """The whole sweep, drawn under `charts.plain_style`."""
    drawn = panels(swept)
    rows = -(-len(drawn) // COLUMNS)
    figure = Figure(
        figsize=(COLUMNS * PANEL_INCHES[0], 0.9 + rows * PANEL_INCHES[1]),
        layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1),
    )
    grid = figure.add_gridspec(rows, COLUMNS)
    for place, one in enumerate(drawn):
        ax = figure.add_subplot(grid[divmod(place, COLUMNS)])
        one.draw(ax)
    figure.suptitle(f"{title}: interquartile mean over {len(swept.seeds)} seeds, 95 % interval", fontsize=13)
    handles = [Line2D([], [], label=entry.label, **entry.style) for entry in entries(swept)]
    columns = max(1, min(len(handles), LEGEND_LETTERS // max(len(entry.label) + 6 for entry in entries(swept))))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=10, handlelength=3.2
    )
    return figure


def draw_metric(ax: Axes, swept: Swept, metric: Metric) -> None:
    """A metric of every policy and setting; in the panel of the objectives the knees."""
    mine = swept.estimates[swept.estimates["metric"] == metric.name]
    lines = list(_lines(swept, mine, ["middle", "low", "high"], metric.shown_scale))
    _draw(ax, swept, lines)
    if metric.name == "slo_attainment" and swept.knees is not None:
        _draw_knees(ax, swept, ATTAINED * metric.shown_scale)
    arrow = "\N{UPWARDS ARROW}" if metric.better == "higher" else "\N{DOWNWARDS ARROW}"
    unit = "" if metric.display_unit == "1" else f"{metric.display_unit}, "
    _style(ax, swept, metric.label, f"{unit}better {arrow}")
    if _is_wide(lines):
        make_logarithmic(ax, "y")


def draw_change(ax: Axes, swept: Swept, key: str) -> None:
    """Reward with each value of a key less that with its first one, paired by seed."""
    found = swept.differences
    mine = found[(found["metric"] == REWARD) & (found["key"] == key)]
    ax.axhline(0.0, color=MUTED_COLOUR, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    _draw(ax, swept, list(_lines(swept, mine, ["difference", "low", "high"], 1.0)))
    first = text(swept.values(key)[0])
    _style(ax, swept, "Reward per job, change", f"less {last_part(key)} = {first}, better \N{UPWARDS ARROW}")


def entries(swept: Swept) -> list[Entry]:
    """The legend of all panels."""
    others = _others(swept)
    labels = {key: in_short(dict(zip(others, key[1], strict=True))) for key in _styles(swept, others)}
    return [
        Entry(", ".join(filter(None, [policy, labels[policy, setting]])), style)
        for (policy, setting), style in _styles(swept, others).items()
    ]


def _others(swept: Swept) -> list[str]:
    """Keys that are not along the axis."""
    return [key for key in swept.keys if key != (swept.axis or swept.keys[0])]


def _lines(swept: Swept, rows: pd.DataFrame, columns: Sequence[str], scale: float) -> Iterator[Line]:
    axis, places = swept.axis or swept.keys[0], _places(swept)
    others = _others(swept)
    styles = _styles(swept, others)
    for (policy, *setting), mine in rows.groupby(["policy", *others], sort=False):
        by_value = mine.set_index(axis)[list(columns)].astype(float).reindex(list(places)) * scale
        yield Line(styles[str(policy), tuple(setting)], np.array(list(places.values())), *by_value.to_numpy().T)


def _places(swept: Swept) -> dict[Any, float]:
    """Value along the axis -> where it is drawn: numbers where they are, all else one beside the other."""
    if swept.axis:
        return {value: float(value) for value in sorted(swept.values(swept.axis))}
    return {value: float(place) for place, value in enumerate(swept.values(swept.keys[0]))}


def _styles(swept: Swept, others: Sequence[str]) -> dict[tuple[str, tuple[Any, ...]], dict[str, Any]]:
    """Colour by policy, what is looked for warm and thick; dashes by setting."""
    places = [swept.keys.index(key) for key in others]
    settings = list(dict.fromkeys(tuple(setting[place] for place in places) for setting in swept.settings))
    counts, styles = {True: 0, False: 0}, {}
    for policy, known in swept.policies.items():
        looked_at = known.is_looked_at
        colours = LEARNED_COLOURS if looked_at else RULE_COLOURS
        for number, setting in enumerate(settings):
            styles[policy, setting] = {
                "color": colours[counts[looked_at] % len(colours)],
                "linestyle": DASHES[number % len(DASHES)],
                "linewidth": 2.4 if looked_at else 1.6,
            }
        counts[looked_at] += 1
    return styles


def _draw(ax: Axes, swept: Swept, lines: Sequence[Line]) -> None:
    for number, line in enumerate(lines):
        colour = line.style["color"]
        if swept.axis:
            ax.fill_between(line.x, line.low, line.high, color=colour, alpha=0.15, linewidth=0, zorder=2)
            ax.plot(line.x, line.middle, marker="o", markersize=3.5, zorder=3, **line.style)
        else:
            x = line.x + DODGE * ((number + 0.5) / len(lines) - 0.5)
            ax.vlines(x, line.low, line.high, colors=colour, linewidth=2.4, zorder=2)
            ax.plot(x, line.middle, "o", color=colour, markersize=6, zorder=3)


def _draw_knees(ax: Axes, swept: Swept, share: float) -> None:
    """Triangles where curves fall below the share, on their intervals, one below the other; none where the loads do not bracket a knee."""
    assert swept.knees is not None
    others = [key for key in swept.keys if key != LOAD]
    styles, loads = _styles(swept, others), swept.values(LOAD)
    ax.axhline(share, color=MUTED_COLOUR, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    rows = [row for row in records(swept.knees) if row["knee_jobs_s"] is not None and np.isfinite(row["knee_jobs_s"])]
    for number, row in enumerate(rows):
        style = styles[row["policy"], tuple(row[key] for key in others)]
        lower = ScaledTranslation(0.0, -KNEE_POINTS * number / 72.0, ax.figure.dpi_scale_trans)
        knee = {"color": style["color"], "transform": ax.transData + lower}
        if row["low_jobs_s"] is not None:
            ends = np.clip([row["low_jobs_s"], row["high_jobs_s"]], min(loads), max(loads))
            ax.plot(ends, [share, share], linewidth=1.8, linestyle=style["linestyle"], zorder=4, **knee)
        ax.plot(row["knee_jobs_s"], share, "v", markersize=7, markeredgecolor="white", zorder=5, **knee)


def _style(ax: Axes, swept: Swept, title: str, label: str) -> None:
    axis = swept.axis or swept.keys[0]
    ax.set_title(title, fontsize=11, fontweight="bold", loc="left")
    ax.set_xlabel(axis_label(axis), fontsize=9, color="#495057")
    ax.set_ylabel(label, fontsize=9, color="#495057")
    ax.tick_params(length=0, labelsize=9)
    ax.grid(color="#e9ecef", zorder=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.spines["bottom"].set_color("#ced4da")
    ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    places = _places(swept)
    if swept.axis is None:
        ax.set_xticks(list(places.values()), [text(value) for value in places])
        ax.set_xlim(-0.6, len(places) - 0.4)
    elif min(places) > 0 and max(places) / min(places) > LOG_FROM_RATIO:
        make_logarithmic(ax, "x")


def _is_wide(lines: Sequence[Line]) -> bool:
    values = np.concatenate([np.concatenate([line.low, line.middle, line.high]) for line in lines] or [np.zeros(0)])
    known = values[np.isfinite(values)]
    return bool(len(known)) and known.min() > 0.0 and known.max() / known.min() > LOG_FROM_RATIO
