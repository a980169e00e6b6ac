"""HTML tables of the page: differences, metrics, services, decisions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from typing import TypeVar

from edge6g_env.scenario_services import FinetuneService, Service
from edge6g_env.spaces import Layout
from eval.comparison import OF_FINETUNE, OF_INFERENCE, PER_SERVICE, Comparison, decision_shares
from eval.metrics import BY_NAME, METRICS, Metric
from eval.report.numbers import DASH, cost_and_limit, has_room, plain_value, room, value_and_interval
from eval.statistics import AnyEstimate, bounds, clear_of_zero
from eval.summary import Summary, by_reward, costs_limited

T = TypeVar("T")
MOST_NODES = 40  # with a column of their own


def metric_tables(summary: Summary) -> str:
    """All metrics of all policies; those in which no policy differs from another are folded."""
    names = by_reward(summary)

    def cells(metric: Metric) -> Iterator[str]:
        for name in names:
            yield cell(value_and_interval(metric, summary["policies"][name]["metrics"][metric.name]))

    def same(metric: Metric) -> bool:
        return len({bounds(summary["policies"][name]["metrics"][metric.name]) for name in names}) == 1

    first = _room_row(summary, names) if has_room(summary) else ""
    return _tables(names, summary, cells, same if len(names) > 1 else lambda metric: False, first)


def _room_row(summary: Summary, names: Sequence[str]) -> str:
    meaning = "where the policy stands between the best rule (0) and clairvoyant (1)"
    cells = "".join(cell(room(summary["policies"][name]["room"])) for name in names)
    return f'<tr><th title="room: {meaning}">Room</th>{cells}</tr>\n'


def difference_tables(summary: Summary) -> str:
    """Paired differences to the best rule; those in which no policy differs from it are folded."""
    names = rivals(summary)

    def difference(name: str, metric: Metric) -> AnyEstimate:
        return (summary["policies"][name]["difference_to_best_rule"] or {})[metric.name]

    def cells(metric: Metric) -> Iterator[str]:
        for name in names:
            one = difference(name, metric)
            yield cell(value_and_interval(metric, one, signed=True), verdict(metric, one))

    def same(metric: Metric) -> bool:
        return all(x in (None, 0.0) for name in names for x in bounds(difference(name, metric)))

    return _tables(names, summary, cells, same)


def rivals(summary: Summary) -> list[str]:
    """The policies that have a difference to the best rule, best first."""
    return [name for name in by_reward(summary) if summary["policies"][name]["difference_to_best_rule"] is not None]


def limit_table(summary: Summary) -> str:
    """Reward and mean costs that have a limit, side by side: a row a policy, below a cost the limit with which it was trained."""
    costs = costs_limited(summary)
    rows = []
    for name in by_reward(summary):
        policy = summary["policies"][name]
        cells = cell(value_and_interval(BY_NAME["reward_per_job"], policy["metrics"]["reward_per_job"]))
        for cost in costs:
            limit = policy["limits"].get(cost)
            css = "" if limit is None else "worse" if limit["above_by"] else "better"
            cells += cell(cost_and_limit(summary, name, cost), css)
        rows.append(f"<tr>{_policy_head(summary, name)}{cells}</tr>\n")
    return html_table(["", "Reward per job", *(f"{escape(cost)} <small>a job</small>" for cost in costs)], rows)


def service_tables(comparison: Comparison) -> str:
    """A table a service: jobs, SLO, TTFT median and p95, TPOT, of fine-tuning the progress, reward; a row a policy."""
    summary = comparison.summary
    tables = []
    for service in comparison.services:
        columns = _columns(service)
        rows, heads = [], [_metric_name(BY_NAME[name]) for name in columns]
        for name in by_reward(summary):
            figures = summary["policies"][name]["services"][service.name]
            cells = "".join(cell((plain_value(BY_NAME[column], figures[column]),)) for column in columns)
            rows.append(f"<tr>{_policy_head(summary, name)}{cells}</tr>\n")
        tables.append(titled(_about(comparison, service.name), html_table(["", *heads], rows)))
    return "".join(tables)


def _columns(service: Service) -> list[str]:
    others = OF_INFERENCE if isinstance(service, FinetuneService) else OF_FINETUNE
    return [name for name in PER_SERVICE if name not in others]


def decision_tables(comparison: Comparison) -> str:
    """A heat map a service: how often each policy takes each value of each column of the action table, in %."""
    layout = Layout(comparison.scenario)
    return "".join(
        titled(escape(service.name), _heat_map(comparison, index, layout))
        for index, service in enumerate(comparison.services)
    )


def busy_table(comparison: Comparison) -> str:
    """Share of the episodes in which each node computed, in %, a row a policy; nodes of one device together where there are many."""
    nodes = comparison.scenario.nodes
    names = [f"node_{n}" for n in range(nodes.count)]
    devices = [nodes.device_of(n) for n in range(nodes.count)]
    if nodes.count > MOST_NODES:
        names = list(dict.fromkeys(devices))
        columns = [[n for n, device in enumerate(devices) if device == name] for name in names]
        heads = [f"{escape(name)} <small>{len(of)} nodes</small>" for name, of in zip(names, columns, strict=True)]
    else:
        columns = [[n] for n in range(nodes.count)]
        heads = [f"{name} <small>{escape(device)}</small>" for name, device in zip(names, devices, strict=True)]
    rows = []
    for name in by_reward(comparison.summary):
        share = comparison.busy_share[name]
        cells = "".join(_heat(float(share[of].mean()), False) for of in columns)
        rows.append(f"<tr>{_policy_head(comparison.summary, name)}{cells}</tr>\n")
    return html_table(["", *heads], rows).replace("<table>", '<table class="heat busy">')


def _heat_map(comparison: Comparison, service: int, layout: Layout) -> str:
    names = by_reward(comparison.summary)
    taken = {name: decision_shares(comparison.jobs_of(name, service), layout) for name in names}
    known = next((shares for shares in taken.values() if shares), None)
    if known is None:
        return '<p class="soft">No job of it was decided.</p>'
    groups = "".join(
        f'<th colspan="{len(values)}" class="group">{column.replace("_", " ") if column != "reject" else ""}</th>'
        for column, values in known.items()
    )
    heads = "".join(
        f'<th class="{"group" if first else ""}">{escape(value.replace("neighbour ", "n"))}</th>'
        for values in known.values()
        for first, value in _with_first(values)
    )
    rows = []
    for name in names:
        shares = taken[name]
        cells = (
            "".join(_heat(share, first) for values in shares.values() for first, share in _with_first(values.values()))
            if shares
            else f'<td colspan="{sum(map(len, known.values()))}">{DASH}</td>'
        )
        rows.append(f"<tr>{_policy_head(comparison.summary, name)}{cells}</tr>\n")
    head = f"<thead><tr><th></th>{groups}</tr><tr><th></th>{heads}</tr></thead>"
    return f'<div class="scroll"><table class="heat">{head}<tbody>\n{"".join(rows)}</tbody></table></div>'


def _with_first(values: Iterable[T]) -> Iterator[tuple[bool, T]]:
    return ((index == 0, value) for index, value in enumerate(values))


def _heat(share: float, first: bool) -> str:
    """A cell whose ground is as strong as the share; a share that is not 0 is never shown as 0."""
    percent = 100.0 * share
    text = "0" if share == 0.0 else "&lt;1" if percent < 0.5 else f"{percent:.0f}"
    return f'<td class="{"group" if first else ""}{"" if share else " none"}" style="--s:{share:.2f}">{text}</td>'


def _about(comparison: Comparison, name: str) -> str:
    service = next(one for one in comparison.services if one.name == name)
    ttft, tpot, deadline = service.goals
    goals = f"objectives TTFT {ttft}, TPOT {tpot}" if deadline == "-" else f"deadline {deadline}"
    return (
        f'{escape(name)} <small class="soft">{escape(service.facts[0])}; {goals}; '
        f"expires after {service.expire_s:g} s</small>"
    )


def _tables(
    names: Sequence[str],
    summary: Summary,
    cells: Callable[[Metric], Iterator[str]],
    same: Callable[[Metric], bool],
    first: str = "",
) -> str:
    """A table of the metrics in which something differs, below a row of another kind, and a folded one of the others."""
    shown = [metric for metric in METRICS if not same(metric)]
    folded = [metric for metric in METRICS if same(metric)]
    heads = ["", *(_policy_head(summary, name) for name in names)]

    def table(metrics: Sequence[Metric], *above: str) -> str:
        rows = (f"<tr>{_metric_head(metric)}{''.join(cells(metric))}</tr>\n" for metric in metrics)
        return html_table(heads, [*above, *rows])

    rest = ", ".join(metric.label for metric in folded)
    details = f"<details><summary>Nothing differs in {rest}</summary>{table(folded)}</details>" if folded else ""
    return (table(shown, first) if shown or first else "") + details


def html_table(heads: Sequence[str], rows: Sequence[str]) -> str:
    """A table that scrolls on its own; a head is its text or the whole cell, a row the whole of it."""
    head = "".join(text if text.startswith("<th") else f"<th>{text}</th>" for text in heads)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>\n{"".join(rows)}</tbody></table></div>\n'


def titled(title: str, content: str) -> str:
    """Content below a heading, both HTML."""
    return f"<h3>{title}</h3>{content}\n"


def _policy_head(summary: Summary, name: str) -> str:
    policy = summary["policies"][name]
    return f'<th class="{escape(policy["kind"])}{" privileged" if policy["privileged"] else ""}">{escape(name)}</th>'


def _metric_head(metric: Metric) -> str:
    return f'<th title="{escape(metric.name)}: {escape(metric.meaning)}">{_metric_name(metric)}</th>'


def _metric_name(metric: Metric) -> str:
    unit = "" if metric.display_unit in ("1", "jobs") else f" <small>{metric.display_unit}</small>"
    return metric.label + unit


def cell(texts: tuple[str, ...], css: str = "") -> str:
    """A cell: the first text, the others small below it."""
    interval = "".join(f"<small>{text}</small>" for text in texts[1:])
    return f'<td class="{css}">{texts[0]}{interval}</td>'


def verdict(metric: Metric, difference: AnyEstimate) -> str:
    """CSS class: `better` or `worse` if the interval is clear of 0, else `unclear`."""
    middle, _, _ = bounds(difference)
    if not clear_of_zero(difference) or middle is None or metric.unit == "jobs":
        return "unclear"
    return "better" if (middle > 0) == (metric.better == "higher") else "worse"
