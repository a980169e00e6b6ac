"""Room stands beside the reward wherever a comparison is shown, with the same figures."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from eval.comparison import Comparison
from eval.frames import table_frame
from eval.report.charts import plain_style
from eval.report.console import console_table
from eval.report.export import latex_table
from eval.report.numbers import DASH, room, room_in_words
from eval.report.page import page
from eval.statistics import Estimate
from eval.summary import Room, Summary
from eval.tensorboard import markdown_table, write_comparison

ROOMS = {"greedy": (0.0, 0.0, 0.0), "scorer:x": (0.25, 0.125, 0.5), "local": (-1.5, -2.0, -1.0)}
SHOWN = {
    "greedy": "0 [0, 0]",
    "scorer:x": "0.25 [0.12, 0.50]",
    "local": "\N{MINUS SIGN}1.50 [\N{MINUS SIGN}2.00, \N{MINUS SIGN}1.00]",
}
WORDS = (
    "room: 0 is greedy (this run), the best rule on validation seeds, 1 is clairvoyant (results/tiny.json), "
    "0.200 [0.100, 0.300] above it, on 6 seeds"
)


def known(iqm: float, low: float, high: float) -> Estimate:
    return Estimate(iqm=iqm, low=low, high=high, mean=iqm, n=6)


@pytest.fixture
def with_room(comparison: Comparison, summary: Summary) -> Comparison:
    summary["room"] = Room(
        best_rule="greedy",
        best_rule_from="this run",
        chosen_on="validation seeds",
        clairvoyant="clairvoyant",
        clairvoyant_from="results/tiny.json",
        seeds=6,
        span=known(0.2, 0.1, 0.3),
    )
    for name, figures in ROOMS.items():
        summary["policies"][name]["room"] = known(*figures)
    return replace(comparison, summary=summary)


def test_what_it_is_measured_by_is_said(with_room: Comparison):
    assert room_in_words(with_room.summary) == [WORDS]
    assert {name: " ".join(room(one["room"])) for name, one in with_room.summary["policies"].items()} == SHOWN


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_terminal_has_a_column_of_it(with_room: Comparison, width: int):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(console_table(with_room.summary, width))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= width
    for name, shown in SHOWN.items():
        line = next(line for line in text.splitlines() if line.startswith(f"{name} "))
        assert line.split()[2] == shown.split()[0]


def test_the_page_has_a_row_of_it_above_the_metrics(with_room: Comparison):
    with plain_style():
        text = page(with_room)
    assert WORDS in text
    row = next(line for line in text.splitlines() if re.search(r"<th[^>]*>Room</th>", line))
    cells = [" ".join(re.sub("<[^>]+>", " ", cell).split()) for cell in re.findall(r"<td.*?</td>", row)]
    assert cells == [SHOWN[name] for name in ("scorer:x", "greedy", "local")]


def test_the_tables_for_elsewhere_have_it(with_room: Comparison):
    frame = table_frame(with_room.summary).set_index("policy")
    for name, figures in ROOMS.items():
        assert tuple(frame.loc[name, ["room", "room_low", "room_high"]]) == figures
    rows = [line for line in latex_table(with_room).splitlines() if line.endswith(r"\\")]
    assert rows[0].endswith(r"& Room \\")
    assert rows[1].startswith("scorer:x & ")
    assert rows[1].endswith(r"& 0.25 \\")
    assert f"| {SHOWN['local']} |" in next(x for x in markdown_table(with_room).splitlines() if x.startswith("| local"))


def test_tensorboard_has_it_beside_the_hyperparameters(with_room: Comparison, report: Path, tmp_path: Path):
    (tmp_path / "comparison.png").write_bytes((report / "comparison.png").read_bytes())
    write_comparison(tmp_path, with_room, {"scorer:x": {"algo": "scorer"}})
    events = EventAccumulator(str(tmp_path / "tensorboard" / "scorer-x"))
    events.Reload()
    assert events.Scalars("values/room")[0].value == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("value", "shown"), [(-9.876, "\N{MINUS SIGN}9.88"), (-12.5, "\N{MINUS SIGN}12"), (0.001, "0")]
)
def test_what_is_far_has_no_decimals(value: float, shown: str):
    assert room(known(value, value, value))[0] == shown


def test_without_room_nothing_speaks_of_it(comparison: Comparison):
    assert "room" not in table_head(comparison)
    assert "Room" not in latex_table(comparison)
    assert table_frame(comparison.summary)["room"].isna().all()
    assert f"| {DASH} |" in markdown_table(comparison)


def table_head(comparison: Comparison) -> str:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(console_table(comparison.summary, 120))
    return console.export_text()
