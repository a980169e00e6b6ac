"""The table of a study for the terminal, and its page in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

from eval.limits import in_words
from eval.report.numbers import REWARD, fixed, probability, room, value_and_interval
from eval.statistics import AnyEstimate
from train.studies.curves import PICTURE, TABLE
from train.studies.results import NOTE

HEADS = ("arm", "seeds", "reward", "over training seeds", "over worlds", "room", "picked run", "its gain over worlds")


def console_table(record: Mapping[str, Any]) -> Table:
    """A row an arm; gains are over the best rule."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1))
    for head in HEADS:
        table.add_column(head, justify="left" if head == "arm" else "right", overflow="fold")
    for name, arm in record["arms"].items():
        table.add_row(*("\n".join(cell) for cell in _cells(name, arm)))
    return table


def sentences(record: Mapping[str, Any]) -> list[str]:
    """What gains are over, the differences of arms, and which cells failed."""
    reference = record["best_rule"]
    lines = [
        f"gains are over {reference['name']}, the best rule on {reference['validation_seeds']} validation seeds, "
        f"{shown(reference['reward_per_job'])} here",
        *record["room"],
    ]
    for name, one in record["differences"].items():
        lines.append(
            f"{name} less {one['to']}: {shown(one['over_training_seeds'], True)} over training seeds, "
            f"{shown(one['over_worlds'], True)} over worlds"
        )
    for name, arm in record["arms"].items():
        chance = probability(arm["probability_of_improvement"])
        lines.append(f"{name}: probability of improvement over {reference['name']} {chance}")
        for cost, one in arm["limits"].items():
            picked = f"picked run {one['picked']:.4g}, above it by {one['picked_above_by']:.1%}"
            lines.append(f"{in_words(name, cost, one)}; {picked}")
    return lines + [f"failed: {name}: {why}" for name, why in record["failed"].items()]


def page(record: Mapping[str, Any]) -> str:
    """report.md: tables, curves, notes."""
    return "\n".join(_lines(record)) + "\n"


def _lines(record: Mapping[str, Any]) -> Iterator[str]:
    yield f"# {', '.join(record['arms'])} on {record['scenario']}\n"
    yield f"`{record['command']}`\n"
    budget, commit = record["budget"], record["commit"] or "unknown"
    yield f"{budget} a cell, {record['episodes']} evaluation seeds; {record['date'][:10]}, commit {commit}, {record['cores']} cores.\n"
    yield from _table(HEADS, ((" ".join(cell) for cell in _cells(*one)) for one in record["arms"].items()))
    yield ""
    yield from (f"- {line}" for line in sentences(record))
    yield f"\n{NOTE}\n"
    yield f"![learning curves]({PICTURE})\n"
    yield "Thin lines are training seeds, thick ones their means, on validation seeds; bands are Student's, at each place on its own."
    yield f"Their points are in {TABLE}. All metrics beside those of the rules: [compare/report.html](compare/report.html).\n"
    yield "## Cells\n"
    heads = ("cell", "decisions", "minutes", "CPU minutes", "validation", "reward", "gain")
    yield from _table(
        heads, (_cell(name, *one) for name, arm in record["arms"].items() for one in arm["cells"].items())
    )


def _cells(name: str, arm: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """A row of HEADS, each cell a value and perhaps its interval."""
    gain, picked = arm["gain_over_best_rule"], arm["picked"]
    return [
        (name,),
        (str(len(arm["cells"])),),
        value_and_interval(REWARD, arm["reward_per_job"]["over_training_seeds"]),
        value_and_interval(REWARD, gain["over_training_seeds"], signed=True),
        value_and_interval(REWARD, gain["over_worlds"], signed=True),
        room(arm["room"])[:1],
        (f"seed {picked['seed']}",),
        value_and_interval(REWARD, picked["gain_over_best_rule"], signed=True),
    ]


def _cell(name: str, seed: str, cell: Mapping[str, Any]) -> Iterator[str]:
    cpu = cell["cpu_minutes"]
    yield f"{name}/seed-{seed}"
    yield f"{cell['decisions']:,}"
    yield f"{cell['minutes']:.1f}"
    yield "" if cpu is None else f"{cpu:.1f}"
    yield f"{cell['validation_reward']:.4f}"
    yield f"{cell['reward_per_job']:.4f}"
    yield fixed(cell["gain_over_best_rule"], 4, signed=True)


def _table(heads: Sequence[str], rows: Iterator[Any]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|---{'|---:' * (len(heads) - 1)}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def shown(figure: AnyEstimate, signed: bool = False) -> str:
    """A figure of the reward with its interval."""
    return " ".join(value_and_interval(REWARD, figure, signed))
