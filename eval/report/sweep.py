"""A sweep for the terminal, however narrow, and as a page with nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from eval.files import write_bytes_atomic, write_text_atomic
from eval.metrics import BY_NAME, Metric
from eval.report.charts import figure_bytes, plain_style
from eval.report.console import STYLES, table_width
from eval.report.numbers import REWARD, probability, value_and_interval
from eval.report.page import image
from eval.report.sweep_charts import entries, panels, sweep_figure
from eval.report.tables import cell, html_table, titled, verdict
from eval.report.template import POLICY, STYLE
from eval.statistics import Estimate
from eval.sweep.figures import SHOWN
from eval.sweep.knee import ATTAINED, LOAD
from eval.sweep.swept import NOTE, Swept
from eval.sweep.table import Setting, records
from eval.sweep.words import effects, knee_interval, knee_text, last_part, remarks, text

PICTURE = "sweep"  # .png and .svg
PANEL, MARGINS = (5.0, 3.1), (0.65, 0.15, 0.55, 0.35)  # inches
SLO = BY_NAME["slo_attainment"]

MARKS = "\N{CHECK MARK} better and \N{BALLOT X} worse, with an interval clear of 0; grey: not told apart."

SWEEP_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
$policy<title>$title: edge6g sweep</title>
$style
<style>.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; max-width: none; font-size: .9rem }
.legend svg { vertical-align: middle }
@media (prefers-color-scheme: dark) { .legend svg { filter: invert(.91) hue-rotate(180deg) } }</style>
</head><body>
<p class="soft">edge6g sweep</p>
<h1>$title</h1>
$answers
<dl>$facts</dl>
$knees
<h2>Charts</h2>
<p class="soft">Interquartile mean over the seeds, the band is its 95 % interval.$knees_drawn</p>
$legend
<div class="panels">$panels</div>
$changes
$groups
<h2>Figures of each setting</h2>
<p class="soft">Interquartile mean [95 % interval] over the seeds.</p>
$figures
<h2>What the intervals say</h2>
<p>$note</p>
<h2>Make it again</h2>
<pre>$command</pre>
<p class="soft">Every episode with all metrics is in sweep.csv, the scenario that the settings change in scenario.toml.</p>
</body></html>
"""


def write_report(swept: Swept, out: Path) -> None:
    """Write sweep.png, sweep.svg and report.html to a folder."""
    with plain_style():
        figure = sweep_figure(swept, swept.scenario.label)
        for kind in ("png", "svg"):
            write_bytes_atomic(out / f"{PICTURE}.{kind}", figure_bytes(figure, kind))
        write_text_atomic(out / "report.html", page(swept))


def page(swept: Swept) -> str:
    """The page as text; `charts.plain_style` must be on."""
    return Template(SWEEP_PAGE).substitute(
        policy=POLICY,
        style=STYLE,
        title=escape(swept.scenario.label),
        answers=_paragraphs("lead", effects(swept)) + _paragraphs("", remarks(swept)),
        facts="".join(f"<dt>{escape(name)}</dt><dd>{escape(said)}</dd>" for name, said in _facts(swept)),
        knees=_knee_table(swept),
        knees_drawn=f" Triangles: knees, where {100 * ATTAINED:.0f} % are kept no more, with their intervals, one below the other."
        if swept.knees is not None
        else "",
        panels="".join(image(one.draw, one.name, PANEL, MARGINS) for one in panels(swept)),
        legend=_legend(swept),
        changes="".join(_change_tables(swept)),
        groups=_group_table(swept),
        figures="".join(_figure_tables(swept)),
        note=escape(NOTE),
        command=escape(swept.made_by["command"]),
    )


def _paragraphs(css: str, lines: Sequence[str]) -> str:
    return "".join(f'<p class="{css}">{escape(line)}</p>\n' for line in lines)


def _facts(swept: Swept) -> Iterator[tuple[str, str]]:
    made_by = swept.made_by
    yield "scenario", f"{swept.scenario.id}: {swept.scenario.summary}"
    for key in swept.keys:
        yield key, "; ".join(text(value) for value in swept.values(key))
    yield "policies", ", ".join(swept.policies)
    if swept.seeds:
        yield "seeds", f"{len(swept.seeds)}, {swept.seeds[0]} to {swept.seeds[-1]}, the same in all settings"
    commit = f", commit {made_by['commit']}" if made_by["commit"] else ""
    yield (
        "made by",
        f"edge6g {made_by['version']}{commit}, {made_by['date']}, {made_by['machine']}, {made_by['cores']} cores",
    )


def _legend(swept: Swept) -> str:
    """Lines as they are drawn, each with its name."""
    found = []
    for entry in entries(swept):
        dashes, width = entry.style["linestyle"], entry.style["linewidth"]
        pattern = "" if dashes == "-" else f' stroke-dasharray="{" ".join(f"{width * x:g}" for x in dashes[1])}"'
        line = f'<line x1="0" y1="5" x2="40" y2="5" stroke="{entry.style["color"]}" stroke-width="{width}"{pattern}/>'
        found.append(
            f'<span><svg width="40" height="10" aria-hidden="true">{line}</svg> {escape(entry.label)}</span>\n'
        )
    return f'<p class="legend">{"".join(found)}</p>'


# tables of the page -----------------------------------------------------------------------------------------------


def _knee_table(swept: Swept) -> str:
    if swept.knees is None:
        return ""
    others = [key for key in swept.keys if key != LOAD]
    rows = [
        f"<tr>{_head(swept, row['policy'])}{''.join(cell((escape(text(row[key])),)) for key in others)}"
        f"{cell((knee_text(row['knee_jobs_s']),))}{cell((knee_interval(row).strip(),))}</tr>\n"
        for row in records(swept.knees)
    ]
    told = (
        f"The largest load up to which at least {100 * ATTAINED:.0f} % of the measured jobs meet their objectives, as they do at "
        "every smaller load of the sweep, and its 95 % interval. Below lowest, above highest: the loads of the sweep do not bracket it."
    )
    heads = ["", *map(escape, map(last_part, others)), "knee <small>jobs/s</small>", "interval"]
    return f'<h2>Knees</h2>\n<p class="soft">{told}</p>\n{html_table(heads, rows)}'


def _change_tables(swept: Swept) -> Iterator[str]:
    """Of each key but the load what its values change, a row a policy and value, a column a place along the axis."""
    for key in (key for key in swept.keys if key != LOAD and len(swept.values(key)) > 1 and len(swept.differences)):
        mine = swept.differences[swept.differences["key"] == key]
        shown = [titled(BY_NAME[metric].label, _changes(swept, key, mine, BY_NAME[metric])) for metric in SHOWN]
        more = f"<details><summary>The other metrics</summary>{''.join(shown[1:])}</details>"
        told = (
            f"Less the figure with {last_part(key)} = {text(swept.values(key)[0])}, all else being the same, paired by seed: "
            f"interquartile mean [95 % interval]. {MARKS}"
        )
        yield f'<h2>What {escape(last_part(key))} changes</h2>\n<p class="soft">{escape(told)}</p>\n{shown[0]}{more}\n'


def _changes(swept: Swept, key: str, rows: pd.DataFrame, metric: Metric) -> str:
    along = swept.axis if swept.axis != key else None
    others = [other for other in swept.keys if other not in (key, along)]
    places = sorted(swept.values(along)) if along else [None]
    mine = rows[rows["metric"] == metric.name]
    lines = []
    for (policy, *setting), found in mine.groupby(["policy", key, *others], sort=False):
        at = {row[along] if along else None: row for row in records(found)}
        cells = "".join(_change(metric, at.get(place)) for place in places)
        lines.append(
            f"<tr>{_head(swept, str(policy))}{''.join(cell((escape(text(one)),)) for one in setting)}{cells}</tr>\n"
        )
    heads = ["", *(escape(last_part(one)) for one in (key, *others))]
    return html_table(
        [*heads, *([escape(f"{last_part(along)} {text(place)}") for place in places] if along else ["change"])], lines
    )


def _change(metric: Metric, row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "<td></td>"
    found = _estimate(row, "difference")
    return cell(value_and_interval(metric, found, signed=True), verdict(metric, found))


def _group_table(swept: Swept) -> str:
    """Of each group of checkpoints the gain over the best rule of a setting, and how probable one is."""
    rows = []
    for row in swept.improvements:
        gain = _estimate(row, "difference", "difference_")
        chance = probability(_estimate(row, "improvement", "improvement_"))
        cells = [*(cell((escape(text(row[key])),)) for key in swept.keys), cell((escape(row["best_rule"]),))]
        cells += [cell(value_and_interval(REWARD, gain, signed=True), verdict(REWARD, gain)), cell((chance,))]
        rows.append(f"<tr>{_head(swept, row['policy'])}{''.join(cells)}</tr>\n")
    heads = ["", *map(escape, map(last_part, swept.keys)), "best rule", "gain over it", "probability of improvement"]
    told = "Means over training seeds with Student's 95 % intervals. The probability is how often a training seed earns more in a world."
    return f'<h2>Groups of checkpoints</h2>\n<p class="soft">{told}</p>\n{html_table(heads, rows)}' if rows else ""


def _figure_tables(swept: Swept) -> Iterator[str]:
    for number, name in enumerate(SHOWN):
        metric = BY_NAME[name]
        unit = "" if metric.display_unit == "1" else f", {metric.display_unit}"
        content = _figures(swept, metric)
        yield content if number == 0 else f"<details><summary>{metric.label}{unit}</summary>{content}</details>\n"


def _figures(swept: Swept, metric: Metric) -> str:
    """A row a setting, a column a policy."""
    found = _by_setting(swept, metric)
    rows = []
    for setting in swept.settings:
        heads = [escape(text(value)) for value in setting]
        cells = "".join(
            cell(value_and_interval(metric, one)) if (one := found.get((setting, policy))) else "<td></td>"
            for policy in swept.policies
        )
        rows.append(f"<tr><th>{heads[0]}</th>{''.join(cell((head,)) for head in heads[1:])}{cells}</tr>\n")
    return html_table(
        [*map(escape, map(last_part, swept.keys)), *(_head(swept, policy) for policy in swept.policies)], rows
    )


def _by_setting(swept: Swept, metric: Metric) -> dict[tuple[Setting, str], Estimate]:
    rows = records(swept.estimates[swept.estimates["metric"] == metric.name])
    return {(tuple(row[key] for key in swept.keys), row["policy"]): _estimate(row, "middle") for row in rows}


def _estimate(row: Mapping[str, Any], middle: str, before: str = "") -> Estimate:
    return Estimate(iqm=row[middle], low=row[f"{before}low"], high=row[f"{before}high"], mean=row["mean"], n=row["n"])


def _head(swept: Swept, policy: str) -> str:
    known = swept.policies[policy]
    return f'<th class="{escape(known.kind)}{" privileged" if known.privileged else ""}">{escape(policy)}</th>'


# terminal ---------------------------------------------------------------------------------------------------------


def console_tables(swept: Swept, width: int) -> Iterator[Table]:
    """Tables of as many policies each as the terminal has columns for: reward, below it the share of jobs within their objectives."""
    left = list(swept.policies)
    while left:
        count = next((n for n in range(len(left), 1, -1) if table_width(_table(swept, left[:n])) <= width), 1)
        yield _table(swept, left[:count])
        left = left[count:]


def _table(swept: Swept, policies: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for key in swept.keys:
        table.add_column(f"{last_part(key)}\n", overflow="fold")
    for policy in policies:
        table.add_column(
            Text(f"{policy}\nreward, SLO"), justify="right", no_wrap=True, style=STYLES[swept.policies[policy].kind]
        )
    rewards, shares = _by_setting(swept, REWARD), _by_setting(swept, SLO)
    for setting in swept.settings:
        cells = []
        for policy in policies:
            place = setting, policy
            shown = (
                (value_and_interval(REWARD, rewards[place])[0], value_and_interval(SLO, shares[place])[0])
                if place in rewards
                else ()
            )
            cells.append(f"{', '.join(shown)} %" if shown else "")
        table.add_row(*(Text(text(value)) for value in setting), *cells)
    return table
