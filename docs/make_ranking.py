"""Draws docs/ranking.png from the results that ship: `python docs/make_ranking.py`; --check says whether it is of these results."""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from PIL import Image

from edge6g_env.scenario import load_scenario
from eval.report.charts import COLOURS, plain_style
from eval.result_files import for_scenario, shipped_file

PICTURE = Path(__file__).resolve().parent / "ranking.png"
SCENARIOS = ("campus", "shard")
RULES = (
    "random",
    "cloud",
    "local",
    "round-robin",
    "jsq",
    "model-affinity",
    "neurosurgeon",
    "sed",
    "greedy",
    "static",
    "tuned",
)
LABELS = {"rule": "rule", "learned": "learned", "planner": "planner that knows the future"}
Row = tuple[str, str, list[float]]


def main() -> None:
    """Draw the picture, or check that it is the one that would be drawn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="draw nothing; exit status 1 if the picture is out of date"
    )
    options, panels = parser.parse_args(), {name: rows_of(name) for name in SCENARIOS}
    drawn = hashlib.sha256(json.dumps(panels).encode()).hexdigest()
    if not options.check:
        draw(panels, drawn)
    elif not PICTURE.is_file() or Image.open(PICTURE).info.get("Drawn") != drawn:
        raise SystemExit(f"{PICTURE.name} is out of date: python docs/make_ranking.py")


def rows_of(scenario: str) -> list[Row]:
    """(policy, kind, reward per job with its interval) of the rules that are drawn and of all that is no rule, the best one last."""
    results = for_scenario(shipped_file(scenario), load_scenario(scenario))
    rows = [
        (name, str(row["kind"]), [value for value in row["metrics"]["reward_per_job"] if value is not None])
        for name, row in results.rows.items()
        if name in RULES or row["kind"] != "rule"
    ]
    return sorted(rows, key=lambda row: row[2][0])


def draw(panels: dict[str, list[Row]], drawn: str) -> None:
    """A panel a scenario: a dot and an interval a policy."""
    most = max(map(len, panels.values()))
    with plain_style():
        figure, axes = plt.subplots(1, len(panels), figsize=(8.6, 0.9 + 0.26 * most), layout="constrained")
        for place, (name, rows) in zip(axes, panels.items(), strict=True):
            _panel(place, name, rows)
        kinds = [kind for kind in LABELS if any(row[1] == kind for rows in panels.values() for row in rows)]
        marks = [Line2D([], [], color=COLOURS[kind], marker="o", label=LABELS[kind]) for kind in kinds]
        figure.legend(handles=marks, loc="outside lower center", ncols=len(marks), frameon=False)
        figure.savefig(PICTURE, dpi=110, metadata={"Drawn": drawn})
        plt.close(figure)


def _panel(axes: Axes, scenario: str, rows: list[Row]) -> None:
    for y, (_, kind, (middle, low, high)) in enumerate(rows):
        axes.plot([low, high], [y, y], color=COLOURS[kind], linewidth=2.0, solid_capstyle="butt", alpha=0.5)
        axes.plot(middle, y, "o", color=COLOURS[kind], markersize=5.0)
    axes.set_yticks(range(len(rows)), [name for name, *_ in rows])
    for label, (_, kind, _) in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_color(COLOURS[kind])
    axes.set(title=scenario, xlabel="reward per job")
    axes.grid(axis="x", color="#dee2e6")
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    main()
