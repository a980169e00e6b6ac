"""Panels of a comparison: the difference to the best rule, the metrics, and times to the first token."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, PercentFormatter

from eval.comparison import Comparison, first_tokens
from eval.metrics import BY_NAME, Metric
from eval.report.numbers import REWARD, value_and_interval
from eval.statistics import AnyEstimate, bounds
from eval.summary import Summary, by_reward, is_looked_at

CHARTED = (
    "reward_per_job", "slo_attainment", "ttft_mean_s", "ttft_p95_s",
    "tpot_mean_s", "price_per_job", "energy_j_per_job", "backhaul_bytes_per_job",
)  # fmt: skip
CHART_COLUMNS = 4
LOG_FROM_RATIO = 30.0  # a chart whose largest value is this many times its smallest has a logarithmic axis
NEAR = 4.0  # a policy within so many times the reach of the nearest one is drawn to scale, the others are arrows
POINTS_OF_CURVE = 250

COLOURS = {"learned": "#d9480f", "own": "#1971c2", "rule": "#5b6b7f", "planner": "#862e9c"}
MUTED_COLOUR = "#9aa5b1"
RULE_COLOURS = ("#1c7ed6", "#2b8a3e", "#862e9c", "#0b7285", "#a61e4d", "#5c940d", "#495057", "#b08900")
LEARNED_COLOURS = ("#d9480f", "#f08c00", "#c92a2a")
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))


@contextmanager
def plain_style() -> Iterator[None]:
    """Matplotlib as it comes, whatever a user's matplotlibrc says; text is never taken for mathematics; the same figure, the same SVG."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"text.parse_math": False, "svg.hashsalt": "edge6g", "axes.axisbelow": True})
        yield


def figure_bytes(figure: Figure, kind: str, transparent: bool = False) -> bytes:
    """A figure as "png" or "svg"."""
    buffer = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else {}
    figure.savefig(buffer, format=kind, dpi=120, metadata=metadata, transparent=transparent)
    return buffer.getvalue()


def panel(draw: Callable[[Axes], None], size: tuple[float, float], margins: tuple[float, float, float, float]) -> bytes:
    """One panel as SVG for the page: text stays text, the ground is the page's.

    size: width and height; margins: left, right, bottom, top, all in inches. They are given, as a layout engine takes as long as all else.
    """
    (width, height), (left, right, bottom, top) = size, margins
    figure = Figure(figsize=size)
    place = (left / width, bottom / height, 1.0 - (left + right) / width, 1.0 - (bottom + top) / height)
    draw(figure.add_axes(place))
    with matplotlib.rc_context({"svg.fonttype": "none", "font.family": "sans-serif"}):
        return figure_bytes(figure, "svg", transparent=True)


def comparison_figure(summary: Summary, title: str) -> Figure:
    """The whole comparison: the difference to the best rule over the width, the metrics below it. Drawn under `plain_style`."""
    names, rows = by_reward(summary), -(-len(CHARTED) // CHART_COLUMNS)
    has_rivals = any(policy["difference_to_best_rule"] for policy in summary["policies"].values())
    height = 1.15 + 0.3 * len(names)
    figure = Figure(
        figsize=(14.0, 1.1 + (rows + has_rivals) * height), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08)
    )
    grid = figure.add_gridspec(rows + has_rivals, CHART_COLUMNS)
    if has_rivals:
        draw_difference(figure.add_subplot(grid[0, :]), summary)
    for index, name in enumerate(CHARTED):
        row, column = divmod(index, CHART_COLUMNS)
        ax = figure.add_subplot(grid[row + has_rivals, column])
        draw_metric(ax, summary, BY_NAME[name])
        ax.tick_params(axis="y", labelleft=column == 0)
    figure.suptitle(f"{title}: interquartile mean over {len(summary['seeds'])} seeds, 95 % interval", fontsize=13)
    figure.legend(handles=_legend(summary), loc="outside lower center", ncols=3, frameon=False, fontsize=10)
    return figure


# difference to the best rule --------------------------------------------------------------------------------------


def draw_difference(ax: Axes, summary: Summary) -> None:
    """Reward of each policy less that of the best rule, paired; to scale where it is near, an arrow at the edge where it is far."""
    names = by_reward(summary)
    differences = {name: _reward_difference(summary, name) for name in names}
    ax.axvline(0.0, color=MUTED_COLOUR, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    ax.set_xlim(zoomed([difference for difference in differences.values() if difference]))
    for y, name in enumerate(names):
        _draw_difference(ax, y, differences[name], _colour(summary, name), name == summary["best_rule"])
    _style_axis(ax, names, "Reward per job, less the best rule's", "paired by seed, better \N{RIGHTWARDS ARROW}")
    ax.xaxis.set_major_locator(MaxNLocator(6))


def zoomed(differences: list[AnyEstimate]) -> tuple[float, float]:
    """Ends of the axis: 0 and all policies within NEAR times the reach of the nearest that differs at all, with some room."""
    known = [[x for x in bounds(one) if x is not None] for one in differences if bounds(one)[0] is not None]
    reaches = sorted(reach for reach in (max(map(abs, ends)) for ends in known) if reach > 0.0)
    near = [x for ends in known if reaches and max(map(abs, ends)) <= NEAR * reaches[0] for x in ends]
    low, high = min([0.0, *near]), max([0.0, *near])
    room = 0.1 * (high - low) or 1.0
    return low - room, high + room


def _draw_difference(ax: Axes, y: int, difference: AnyEstimate | None, colour: str, is_best: bool) -> None:
    low_end, high_end = ax.get_xlim()
    text = "best rule" if is_best else ""
    if is_best:
        ax.plot(0.0, y, "o", color=colour, markerfacecolor="none", markersize=6, zorder=3)
    elif difference is not None and (middle := bounds(difference)[0]) is not None:
        low, high = difference["low"], difference["high"]
        if low_end <= middle <= high_end:
            if low is not None and high is not None:
                span = np.clip([low, high], low_end, high_end)
                ax.plot(span, [y, y], color=colour, linewidth=2.4, solid_capstyle="round", zorder=2)
            ax.plot(middle, y, "o", color=colour, markersize=6, zorder=3)
        else:
            edge, marker = (low_end, "<") if middle < low_end else (high_end, ">")
            inwards = low_end + high_end - 2.0 * edge
            ax.plot([edge + 0.12 * inwards, edge + 0.015 * inwards], [y, y], color=colour, linewidth=1.2, alpha=0.6)
            ax.plot(edge + 0.015 * inwards, y, marker, color=colour, markersize=8, zorder=3)
        text = " ".join(value_and_interval(REWARD, difference, signed=True))
    ax.text(1.02, y, text, transform=ax.get_yaxis_transform(), va="center", fontsize=9, color=colour)


def _reward_difference(summary: Summary, name: str) -> AnyEstimate | None:
    differences = summary["policies"][name]["difference_to_best_rule"]
    return differences["reward_per_job"] if differences else None


# metrics ----------------------------------------------------------------------------------------------------------


def draw_metric(ax: Axes, summary: Summary, metric: Metric) -> None:
    """One dot with its interval per policy, best reward on top; a dashed line through the best rule."""
    names = by_reward(summary)
    for y, name in enumerate(names):
        middle, low, high = bounds(summary["policies"][name]["metrics"][metric.name])
        colour = _colour(summary, name)
        if middle is None:
            continue
        if low is not None and high is not None:
            span = [low * metric.shown_scale, high * metric.shown_scale]
            ax.plot(span, [y, y], color=colour, linewidth=2.4, solid_capstyle="round", zorder=2)
        ax.plot(middle * metric.shown_scale, y, "o", color=colour, markersize=6, zorder=3)
        if name == summary["best_rule"]:
            ax.axvline(middle * metric.shown_scale, color=MUTED_COLOUR, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    logarithmic = _is_wide(summary, metric)
    unit = "" if metric.display_unit == "1" else f"{metric.display_unit}, "
    arrow = "\N{RIGHTWARDS ARROW}" if metric.better == "higher" else "\N{LEFTWARDS ARROW}"
    _style_axis(ax, names, metric.label, f"{unit}{'log scale, ' if logarithmic else ''}better {arrow}")
    if logarithmic:
        make_logarithmic(ax)
    else:
        ax.xaxis.set_major_locator(MaxNLocator(5))
        ax.margins(x=0.08)


def _style_axis(ax: Axes, names: list[str], title: str, label: str) -> None:
    ax.set_yticks(range(len(names)), names, fontsize=10)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_title(title, fontsize=11, fontweight="bold", loc="left")
    ax.set_xlabel(label, fontsize=9, color="#495057")
    ax.tick_params(length=0, labelsize=9)
    ax.tick_params(axis="y", labelsize=10)
    ax.grid(axis="x", color="#e9ecef", zorder=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.spines["bottom"].set_color("#ced4da")


def make_logarithmic(ax: Axes, which: Literal["x", "y"] = "x") -> None:
    """Of an axis whose figures lie far apart."""
    ax.set(**{f"{which}scale": "log"})
    axis = ax.xaxis if which == "x" else ax.yaxis
    axis.set_major_locator(LogLocator(numticks=5))
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def _is_wide(summary: Summary, metric: Metric) -> bool:
    known = [x for p in summary["policies"].values() for x in bounds(p["metrics"][metric.name]) if x is not None]
    return bool(known) and min(known) > 0 and max(known) / min(known) > LOG_FROM_RATIO


def _colour(summary: Summary, name: str) -> str:
    return COLOURS[summary["policies"][name]["kind"]]


def _legend(summary: Summary) -> list[Line2D]:
    kinds = {policy["kind"] for policy in summary["policies"].values()}
    handles = [
        Line2D([], [], color=colour, label=kind, marker="o", markersize=6, linewidth=2.4)
        for kind, colour in COLOURS.items()
        if kind in kinds
    ]
    if summary["best_rule"]:
        label = f"best rule: {summary['best_rule']}"
        handles.append(Line2D([], [], color=MUTED_COLOUR, linestyle=(0, (4, 3)), label=label))
    return handles


# times to the first token -----------------------------------------------------------------------------------------


def draw_first_tokens(ax: Axes, comparison: Comparison, service: int) -> None:
    """Share of all measured jobs of a service that have their first token by a time, a line a policy; the objective is upright."""
    one, names = comparison.services[service], by_reward(comparison.summary)
    curves = {name: first_tokens(comparison.jobs_of(name, service)) for name in names}
    known = [times for times, _ in curves.values() if len(times)]
    what, key = (
        ("objective", "ttft_slo_s") if one.objectives["deadline_s"] == 0.0 else ("deadline of the answer", "deadline_s")
    )
    goal_s = one.objectives[key]
    low_s = min([0.5 * goal_s, *(times[0] for times in known)])
    high_s = max([2.0 * goal_s, *(times[-1] for times in known)])
    styles = line_styles(comparison.summary)
    for name, (times_s, share) in curves.items():
        chosen = (
            np.unique(np.linspace(0, len(times_s) - 1, POINTS_OF_CURVE).astype(int))
            if len(times_s)
            else np.zeros(0, int)
        )
        x = np.concatenate([[low_s], times_s[chosen], [high_s]])
        y = np.concatenate([[0.0], share[chosen], [share[-1] if len(share) else 0.0]])
        ax.plot(x, y, label=name, **styles[name])
    ax.axvline(goal_s, color="#212529", linewidth=1.1, zorder=1)
    ax.set_title(f"{one.name}: {what} {goal_s:g} s", fontsize=11, fontweight="bold", loc="left")
    ax.set_xlim(low_s, high_s)
    make_logarithmic(ax)
    ax.set_ylim(0.0, 1.02)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.set_xlabel("time to first token, s, log scale", fontsize=9, color="#495057")
    ax.tick_params(length=0, labelsize=9)
    ax.grid(color="#e9ecef", zorder=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.spines["bottom"].set_color("#ced4da")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3, frameon=False, fontsize=8.5, handlelength=2.2)


def line_styles(summary: Summary) -> dict[str, dict]:
    """Colour, dashes and width of each policy's line; what a comparison is made for is warm and thick."""
    counts, styles = {True: 0, False: 0}, {}
    for name in by_reward(summary):
        looked_at = is_looked_at(summary, name)
        colours, number = (LEARNED_COLOURS if looked_at else RULE_COLOURS), counts[looked_at]
        dashes = DASHES[(number // len(colours)) % len(DASHES)]
        width = 2.4 if looked_at else 1.4
        styles[name] = {"color": colours[number % len(colours)], "linestyle": dashes, "linewidth": width}
        counts[looked_at] += 1
    return styles
