"""The table of a comparison for the terminal, however narrow."""

from __future__ import annotations

import io

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from eval.metrics import BY_NAME
from eval.report.numbers import REWARD, cost_and_limit, has_room, room, value, value_and_interval
from eval.summary import Summary, by_reward, costs_limited

HEADS = {
    "slo_attainment": "SLO\n%",
    "ttft_mean_s": "TTFT\nmean s",
    "ttft_p95_s": "TTFT\np95 s",
    "tpot_mean_s": "TPOT\nms",
    "price_per_job": "USD/\n1000",
    "energy_j_per_job": "J/job",
}
STYLES = {"rule": "", "planner": "magenta", "learned": "bold bright_green", "own": "bold bright_cyan"}
LEAST_FIRST = ("energy_j_per_job", "ttft_mean_s", "price_per_job", "tpot_mean_s", "ttft_p95_s", "slo_attainment")


def console_table(summary: Summary, width: int = 80) -> Table:
    """Policies, best first: reward, costs that have a limit, room, the main metrics, the paired difference to the best rule, each with its
    interval.

    width: columns of the terminal; what has no room goes, the least important first: metrics, the interval of the reward, that of the
    difference, the difference.
    """
    columns = list(HEADS)
    table = _table(summary, columns, reward_lines=2, difference_lines=2)
    steps = [*((name, 2, 2) for name in LEAST_FIRST), ("", 1, 2), ("", 1, 1), ("", 1, 0)]
    for dropped, reward_lines, difference_lines in steps:
        if table_width(table) <= width:
            break
        columns = [name for name in columns if name != dropped]
        table = _table(summary, columns, reward_lines, difference_lines)
    return table


def _table(summary: Summary, columns: list[str], reward_lines: int, difference_lines: int) -> Table:
    """reward_lines, difference_lines: 2 with the interval, 1 without, 0 not at all."""
    best = summary["best_rule"]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0)
    table.add_column("policy", overflow="fold")
    interval = "\n[95 %]" if reward_lines == 2 else ""
    against = (
        f"reward less\n{best}'s{' [95 %]' if difference_lines == 2 else ''}" if best else "reward less\nbest rule's"
    )
    has, limited = has_room(summary), costs_limited(summary)
    heads = [f"reward/job{interval}", *limited, *(["room"] if has else []), *(HEADS[name] for name in columns)]
    heads += [against] if difference_lines else []
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for name in by_reward(summary):
        policy = summary["policies"][name]
        cells = ["\n".join(value_and_interval(REWARD, policy["metrics"]["reward_per_job"])[:reward_lines])]
        cells += ["\n".join(cost_and_limit(summary, name, cost)) for cost in limited]
        cells += [room(policy["room"])[0]] if has else []
        cells += [value(BY_NAME[column], policy["metrics"][column]) for column in columns]
        if difference_lines:
            cells.append("\n".join(_difference(summary, name)[:difference_lines]))
        table.add_row(Text(name), *cells, style=STYLES[policy["kind"]])
    return table


def _difference(summary: Summary, name: str) -> tuple[str, ...]:
    if name == summary["best_rule"]:
        return ("best rule",)
    differences = summary["policies"][name]["difference_to_best_rule"]
    return ("",) if differences is None else value_and_interval(REWARD, differences["reward_per_job"], signed=True)


def table_width(table: Table) -> int:
    """Columns that a table takes if nothing is folded."""
    return Console(width=10_000, file=io.StringIO()).measure(table).maximum
