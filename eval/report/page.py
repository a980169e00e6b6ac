"""report.html: one page, nothing in it loaded from elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from functools import partial
from html import escape
from string import Template

from matplotlib.axes import Axes

from edge6g_env.scenario import Scenario
from edge6g_env.scenario_services import FinetuneService
from eval.comparison import Comparison
from eval.metrics import BY_NAME
from eval.report.charts import CHARTED, draw_difference, draw_first_tokens, draw_metric, panel
from eval.report.numbers import different_in_words, headline, sentences
from eval.report.tables import (
    busy_table,
    decision_tables,
    difference_tables,
    limit_table,
    metric_tables,
    rivals,
    service_tables,
)
from eval.report.template import PAGE
from eval.summary import Summary, costs_limited

PANEL_WIDTH, WIDE_PANEL_WIDTH = 4.6, 6.4  # inches, as all sizes here
LETTER, ROW, LEGEND_ROW = 0.088, 0.3, 0.18


def page(comparison: Comparison) -> str:
    """The page as text; `charts.plain_style` must be on."""
    summary = comparison.summary
    against = rivals(summary)
    return Template(PAGE).substitute(
        title=escape(comparison.scenario.label),
        headline=escape(headline(summary)),
        origins="".join(f"<p>{escape(line)}</p>" for line in sentences(summary, comparison.scenario.label)),
        basis=escape(_basis(comparison)),
        facts="".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in _facts(comparison)),
        difference_class="" if against else "absent",
        first_panel=_first_panel(summary) if against else "",
        best=escape(summary["best_rule"] or "none"),
        differences=difference_tables(summary) if against else "",
        limits_class="" if costs_limited(summary) else "absent",
        limits=limit_table(summary) if costs_limited(summary) else "",
        panels="".join(_metric_panels(summary)),
        first_tokens="".join(_first_token_panels(comparison)),
        services=service_tables(comparison),
        decisions=decision_tables(comparison),
        busy_class="" if comparison.busy_share else "absent",
        busy=busy_table(comparison) if comparison.busy_share else "",
        look=_look(comparison),
        metrics=metric_tables(summary),
        note=escape(summary["note"]),
        command=escape(comparison.made_by["command"]),
    )


def _look(comparison: Comparison) -> str:
    """The episode that is worth a look: its recording, or the command that makes one."""
    different = comparison.different
    if different is None:
        return ""
    links = ", ".join(f'<a href="{escape(path)}">{escape(path)}</a>' for path in comparison.recorded)
    made = f"<p>Recorded: {links}</p>" if links else "<p>What happened there, side by side:</p>"
    command = f"<pre>{escape(different['command'])}</pre>"
    return f"<h2>Look at it</h2>\n<p>{escape(different_in_words(different))}.</p>\n{made}\n{command}"


def _basis(comparison: Comparison) -> str:
    seeds, jobs = comparison.summary["seeds"], comparison.episodes["jobs"].mean()
    fewest = comparison.episodes["finished_jobs"].min()
    return (
        f"{len(seeds)} paired seeds ({seeds[0]} to {seeds[-1]}), {jobs:,.0f} measured jobs an episode. A p99 is read "
        f"from at least {fewest:,.0f} finished jobs, so {fewest / 100:,.0f} lie beyond it in the thinnest episode; p95 "
        "is the steadier figure."
    )


def _facts(comparison: Comparison) -> Iterator[tuple[str, str]]:
    """Name and text of what was played, and by what."""
    scenario, made_by = comparison.scenario, comparison.made_by
    yield "scenario", f"{scenario.id}: {scenario.summary}"
    changes = ", ".join(scenario.label.split(", ", 1)[1:])
    yield "changed", changes or "nothing"
    yield from _scenario_facts(scenario)
    commit = f", commit {made_by['commit']}" if made_by["commit"] else ""
    yield (
        "made by",
        f"edge6g {made_by['version']}{commit}, {made_by['date']}, {made_by['machine']}, {made_by['cores']} cores",
    )


def _scenario_facts(scenario: Scenario) -> Iterator[tuple[str, str]]:
    nodes, time = scenario.nodes, scenario.time
    yield (
        "nodes",
        f"{nodes.count}, {', '.join(nodes.devices)} in turn; {scenario.num_ues} UEs with {scenario.ues.devices_in_words}",
    )
    yield (
        "load",
        "; ".join(scenario.courses)
        + ": "
        + ", ".join(
            f"{share:.0%} {service.name}" for service, share in zip(scenario.service, scenario.shares, strict=True)
        ),
    )
    measured_to_s = time.episode_s - time.drain_s
    yield (
        "episode",
        f"{time.episode_s:g} s; jobs that arrive from {time.warmup_s:g} to {measured_to_s:g} s are measured",
    )


def _first_panel(summary: Summary) -> str:
    draw = partial(draw_difference, summary=summary)
    size = (WIDE_PANEL_WIDTH, 0.95 + ROW * len(summary["policies"]))
    return image(draw, "Difference to the best rule", size, (_names_width(summary), 1.75, 0.55, 0.4))


def _metric_panels(summary: Summary) -> Iterator[str]:
    size = (PANEL_WIDTH, 0.95 + ROW * len(summary["policies"]))
    for name in CHARTED:
        metric = BY_NAME[name]
        yield image(
            partial(draw_metric, summary=summary, metric=metric),
            metric.label,
            size,
            (_names_width(summary), 0.2, 0.55, 0.4),
        )


def _first_token_panels(comparison: Comparison) -> Iterator[str]:
    legend = LEGEND_ROW * -(-len(comparison.summary["policies"]) // 3)
    for index, service in enumerate(comparison.services):
        if isinstance(service, FinetuneService):
            continue  # it has no first token
        draw = partial(draw_first_tokens, comparison=comparison, service=index)
        yield image(
            draw, f"Time to first token of {service.name}", (PANEL_WIDTH, 3.0 + legend), (0.5, 0.15, 0.7 + legend, 0.35)
        )


def _names_width(summary: Summary) -> float:
    """Room for the names beside a panel; of longer ones a part is drawn, the tables have them whole."""
    return min(0.2 + LETTER * max(map(len, summary["policies"])), PANEL_WIDTH / 2)


def image(
    draw: Callable[[Axes], None], what: str, size: tuple[float, float], margins: tuple[float, float, float, float]
) -> str:
    """A panel as an image of the page; size and margins: see charts.panel."""
    data = base64.b64encode(panel(draw, size, margins)).decode("ascii")
    return f'<img alt="{escape(what)}, by policy" src="data:image/svg+xml;base64,{data}">\n'
