"""A comparison to look at: a chart (PNG), one self-contained HTML page, and a table for the terminal."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from html import escape
from pathlib import Path
from string import Template

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import LogFormatter, LogLocator, MaxNLocator, NullFormatter
from rich import box
from rich.table import Table

from eval.files import write_bytes_atomic, write_text_atomic
from eval.metrics import BY_NAME, METRICS, Metric
from eval.statistics import Estimate, Summary, by_reward, clear_of_zero

CHARTED = (
    "reward_per_job", "slo_attainment", "ttft_mean_s", "ttft_p95_s",
    "tpot_mean_s", "price_per_job", "energy_j_per_job", "backhaul_bytes_per_job",
)  # fmt: skip
CHART_COLUMNS = 4
LOG_FROM_RATIO = 30.0  # a chart whose largest value is this many times its smallest has a logarithmic axis

RULE_COLOUR, LEARNED_COLOUR, MUTED_COLOUR = "#5b6b7f", "#d9480f", "#9aa5b1"


def write_report(out_dir: Path | str, episodes: pd.DataFrame, summary: Summary, title: str, command: str) -> None:
    """Write comparison.png and report.html (the chart inside, nothing loaded from elsewhere) to `out_dir`.

    title: what is compared, "campus" say; command: the line that makes the comparison again.
    """
    image = _chart_png(summary, title)
    write_bytes_atomic(Path(out_dir) / "comparison.png", image)
    write_text_atomic(Path(out_dir) / "report.html", _page(image, episodes, summary, title, command))


def console_table(summary: Summary) -> Table:
    """Policies, best first: reward with its interval, the main metrics, the paired difference to the best rule."""
    best = summary["best_rule"]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0)
    table.add_column("policy", overflow="fold")
    against = f"reward less\n{best}'s [95 %]" if best else "reward less\nbest rule's"
    for head in (
        "reward/job\n[95 %]",
        "SLO\n%",
        "TTFT\nmean s",
        "TTFT\np95 s",
        "TPOT\nms",
        "USD/\n1000",
        "J/job",
        against,
    ):
        table.add_column(head, justify="right", no_wrap=True)
    columns = ("slo_attainment", "ttft_mean_s", "ttft_p95_s", "tpot_mean_s", "price_per_job", "energy_j_per_job")
    for name in by_reward(summary):
        policy = summary["policies"][name]
        reward = _value_and_interval(BY_NAME["reward_per_job"], policy["metrics"]["reward_per_job"])
        values = (_value(BY_NAME[column], policy["metrics"][column]) for column in columns)
        style = "bold bright_green" if policy["kind"] == "learned" else ""
        table.add_row(name, "\n".join(reward), *values, "\n".join(_reward_difference(summary, name)), style=style)
    return table


def _reward_difference(summary: Summary, name: str) -> tuple[str, ...]:
    if name == summary["best_rule"]:
        return ("best rule",)
    differences = summary["policies"][name]["difference_to_best_rule"]
    if differences is None:
        return ("",)
    return _value_and_interval(BY_NAME["reward_per_job"], differences["reward_per_job"], signed=True)


# numbers ------------------------------------------------------------------------------------------------------


def _decimals(size: float) -> int:
    """Decimals that show three digits of a number of this size, at most four decimals."""
    return next((decimals for limit, decimals in ((100, 0), (10, 1), (1, 2), (0.01, 3)) if size >= limit), 4)


def _format(value: float, decimals: int, signed: bool) -> str:
    text = f"{value:{'+' if signed else ''},.{decimals}f}"
    return text.replace("-", "\N{MINUS SIGN}") if any(digit in text for digit in "123456789") else "0"


def _value(metric: Metric, estimate: Estimate, signed: bool = False) -> str:
    """The IQM in the unit shown; a dash if there is none."""
    return _value_and_interval(metric, estimate, signed)[0]


def _value_and_interval(metric: Metric, estimate: Estimate, signed: bool = False) -> tuple[str, ...]:
    """IQM and, if there is one, "[low, high]", all with the same decimals."""
    scaled = [None if x is None else x * metric.shown_scale for x in _bounds(estimate)]
    known = [x for x in scaled if x is not None]
    if not known:
        return ("\N{EN DASH}",)
    whole = metric.shown_unit in ("", "jobs") and metric.unit == "jobs"
    decimals = 0 if whole else _decimals(max(abs(x) for x in known) if signed else abs(known[0]))
    shown = [_format(x, decimals, signed) for x in known]
    return (shown[0], f"[{shown[1]}, {shown[2]}]") if len(shown) == 3 else (shown[0],)


def _bounds(estimate: Estimate) -> tuple[float | None, float | None, float | None]:
    return estimate["iqm"], estimate["low"], estimate["high"]


# chart --------------------------------------------------------------------------------------------------------


def _chart_png(summary: Summary, title: str) -> bytes:
    names = by_reward(summary)
    rows = -(-len(CHARTED) // CHART_COLUMNS)
    figure = Figure(
        figsize=(14.0, 1.1 + rows * (1.15 + 0.3 * len(names))), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08)
    )
    axes = figure.subplots(rows, CHART_COLUMNS, sharey=True).flat
    for ax, name in zip(axes, CHARTED, strict=True):
        _draw_metric(ax, summary, names, BY_NAME[name])
    figure.suptitle(f"{title}: interquartile mean over {len(summary['seeds'])} seeds, 95 % interval", fontsize=13)
    figure.legend(handles=_legend(summary), loc="outside lower center", ncols=3, frameon=False, fontsize=10)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()


def _draw_metric(ax: Axes, summary: Summary, names: list[str], metric: Metric) -> None:
    """One dot with its interval per policy, best reward on top; a dashed line through the best rule."""
    for y, name in enumerate(names):
        policy = summary["policies"][name]
        iqm, low, high = _bounds(policy["metrics"][metric.name])
        colour = _colour(summary, name)
        if iqm is None:
            continue
        if low is not None and high is not None:
            span = [low * metric.shown_scale, high * metric.shown_scale]
            ax.plot(span, [y, y], color=colour, linewidth=2.4, solid_capstyle="round", zorder=2)
        ax.plot(iqm * metric.shown_scale, y, "o", color=colour, markersize=6, zorder=3)
        if name == summary["best_rule"]:
            ax.axvline(iqm * metric.shown_scale, color=MUTED_COLOUR, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    _style_axis(ax, names, metric, _is_wide(summary, metric))


def _style_axis(ax: Axes, names: list[str], metric: Metric, logarithmic: bool) -> None:
    ax.set_yticks(range(len(names)), names, fontsize=10)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_title(metric.label, fontsize=11, fontweight="bold", loc="left")
    unit = "" if metric.display_unit == "1" else f"{metric.display_unit}, "
    arrow = "\N{RIGHTWARDS ARROW}" if metric.better == "higher" else "\N{LEFTWARDS ARROW}"
    ax.set_xlabel(f"{unit}{'log scale, ' if logarithmic else ''}better {arrow}", fontsize=9, color="#495057")
    if logarithmic:
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(numticks=5))
        ax.xaxis.set_major_formatter(LogFormatter())
        ax.xaxis.set_minor_formatter(NullFormatter())
    else:
        ax.xaxis.set_major_locator(MaxNLocator(5))
        ax.margins(x=0.08)
    ax.tick_params(length=0, labelsize=9)
    ax.tick_params(axis="y", labelsize=10)
    ax.grid(axis="x", color="#e9ecef", zorder=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.spines["bottom"].set_color("#ced4da")


def _is_wide(summary: Summary, metric: Metric) -> bool:
    bounds = [x for p in summary["policies"].values() for x in _bounds(p["metrics"][metric.name]) if x is not None]
    return bool(bounds) and min(bounds) > 0 and max(bounds) / min(bounds) > LOG_FROM_RATIO


def _colour(summary: Summary, name: str) -> str:
    return LEARNED_COLOUR if summary["policies"][name]["kind"] == "learned" else RULE_COLOUR


def _legend(summary: Summary) -> list[Line2D]:
    kinds = {policy["kind"] for policy in summary["policies"].values()}
    colours = {"learned": LEARNED_COLOUR, "rule": RULE_COLOUR}
    handles = [
        Line2D([], [], color=colour, label=kind, marker="o", markersize=6, linewidth=2.4)
        for kind, colour in colours.items()
        if kind in kinds
    ]
    if summary["best_rule"]:
        label = f"best rule: {summary['best_rule']}"
        handles.append(Line2D([], [], color=MUTED_COLOUR, linestyle=(0, (4, 3)), label=label))
    return handles


# page ---------------------------------------------------------------------------------------------------------


def _page(image: bytes, episodes: pd.DataFrame, summary: Summary, title: str, command: str) -> str:
    names, best = by_reward(summary), summary["best_rule"]
    rivals = [name for name in names if summary["policies"][name]["difference_to_best_rule"] is not None]
    return Template(PAGE).substitute(
        title=escape(title),
        headline=escape(_headline(summary, names)),
        basis=escape(_basis(episodes, summary)),
        image=base64.b64encode(image).decode("ascii"),
        metrics="".join(_metric_rows(summary, names)),
        names=_heads(summary, names),
        best=escape(best or "none"),
        differences="".join(_difference_rows(summary, rivals)),
        rivals=_heads(summary, rivals),
        difference_class="" if rivals else "absent",
        note=escape(summary["note"]),
        command=escape(command),
    )


def _headline(summary: Summary, names: list[str]) -> str:
    """One sentence on the best learned policy against the best rule; without one of them, on the best policy."""
    best = summary["best_rule"]
    first = next((name for name in names if summary["policies"][name]["kind"] == "learned"), names[0])
    differences = summary["policies"][first]["difference_to_best_rule"]
    if differences is None:
        return f"{names[0]} brings the most reward per job."
    reward = differences["reward_per_job"]
    text = " ".join(_value_and_interval(BY_NAME["reward_per_job"], reward, signed=True))
    verdict = "clear of 0" if clear_of_zero(reward) else "not clear of 0"
    return f"{first} against {best}, the best rule: {text} reward per job, {verdict}."


def _basis(episodes: pd.DataFrame, summary: Summary) -> str:
    seeds, jobs = summary["seeds"], episodes["jobs"].mean()
    fewest = episodes["finished_jobs"].min()
    return (
        f"{len(seeds)} paired seeds ({seeds[0]} to {seeds[-1]}), {jobs:,.0f} measured jobs an episode. A p99 is read "
        f"from at least {fewest:,.0f} finished jobs, so {fewest / 100:,.0f} lie beyond it in the thinnest episode; p95 "
        "is the steadier figure."
    )


def _heads(summary: Summary, names: list[str]) -> str:
    return "".join(f'<th class="{summary["policies"][name]["kind"]}">{escape(name)}</th>' for name in names)


def _metric_rows(summary: Summary, names: list[str]) -> Iterator[str]:
    for metric in METRICS:
        cells = [_value_and_interval(metric, summary["policies"][name]["metrics"][metric.name]) for name in names]
        yield _row_head(metric) + "".join(_cell(cell, "") for cell in cells) + "</tr>\n"


def _difference_rows(summary: Summary, rivals: list[str]) -> Iterator[str]:
    for metric in METRICS:
        cells = []
        for name in rivals:
            difference = (summary["policies"][name]["difference_to_best_rule"] or {})[metric.name]
            cells.append(_cell(_value_and_interval(metric, difference, signed=True), _verdict(metric, difference)))
        yield _row_head(metric) + "".join(cells) + "</tr>\n"


def _verdict(metric: Metric, difference: Estimate) -> str:
    """CSS class: `better` or `worse` if the interval is clear of 0, else `unclear`."""
    if not clear_of_zero(difference) or difference["iqm"] is None or metric.unit == "jobs":
        return "unclear"
    return "better" if (difference["iqm"] > 0) == (metric.better == "higher") else "worse"


def _row_head(metric: Metric) -> str:
    unit = "" if metric.display_unit == "1" else f" <small>{metric.display_unit}</small>"
    return f'<tr><th title="{escape(metric.name)}: {escape(metric.meaning)}">{metric.label}{unit}</th>'


def _cell(texts: tuple[str, ...], css: str) -> str:
    interval = "".join(f"<small>{text}</small>" for text in texts[1:])
    return f'<td class="{css}">{texts[0]}{interval}</td>'


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title: edge6g comparison</title>
<style>
:root { color-scheme: light dark; --ink: #212529; --soft: #6c757d; --line: #dee2e6; --page: #fff; --card: #f8f9fa;
  --learned: #c2410c; --better: #2b8a3e; --worse: #c92a2a }
@media (prefers-color-scheme: dark) { :root { --ink: #e9ecef; --soft: #9aa5b1; --line: #373d44; --page: #16191d;
  --card: #1f2429; --learned: #ff922b; --better: #69db7c; --worse: #ff8787 } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 1240px;
  margin: 2.5rem auto; padding: 0 1.5rem }
h1 { font-size: 1.7rem; margin: 0 }
h2 { font-size: 1.15rem; margin: 2.4rem 0 .3rem }
p { margin: .3rem 0; max-width: 60rem }
.lead { font-size: 1.1rem; margin: .4rem 0 }
.soft, small { color: var(--soft) }
img { width: 100%; background: #fff; border-radius: 8px; border: 1px solid var(--line); margin-top: 1rem }
.scroll { overflow-x: auto; margin-top: .8rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100% }
th, td { text-align: right; padding: .32rem .7rem; border-bottom: 1px solid var(--line); white-space: nowrap;
  vertical-align: top }
th:first-child { text-align: left; position: sticky; left: 0; background: var(--page); font-weight: 500 }
thead th { border-bottom: 2px solid var(--line); font-weight: 600 }
th.learned { color: var(--learned) }
td small { display: block; font-size: .76rem; line-height: 1.15; font-weight: 400 }
tbody tr:hover td { background: var(--card) }
td.better { color: var(--better); font-weight: 600 }
td.worse { color: var(--worse) }
td.unclear { color: var(--soft) }
td.better::before { content: "\\2713\\00a0" }
td.worse::before { content: "\\2717\\00a0" }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem;
  white-space: pre-wrap }
.absent { display: none }
</style></head><body>
<p class="soft">edge6g comparison</p>
<h1>$title</h1>
<p class="lead">$headline</p>
<p class="soft">$basis</p>
<img alt="Interquartile mean and 95 % interval of each policy, by metric" src="data:image/png;base64,$image">
<section class="$difference_class">
<h2>Paired difference to $best, the best rule</h2>
<p class="soft">Policy less $best, seed by seed: interquartile mean [95 % interval]. \u2713 better and \u2717 worse,
with an interval clear of 0; grey: not told apart.</p>
<div class="scroll"><table><thead><tr><th></th>$rivals</tr></thead><tbody>
$differences</tbody></table></div>
</section>
<h2>All metrics</h2>
<p class="soft">Interquartile mean [95 % interval] over the seeds. Hold the pointer over a name for its meaning.</p>
<div class="scroll"><table><thead><tr><th></th>$names</tr></thead><tbody>
$metrics</tbody></table></div>
<h2>What the intervals say</h2>
<p>$note</p>
<h2>Make it again</h2>
<pre>$command</pre>
</body></html>
"""
