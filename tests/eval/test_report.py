"""The report says what the summary says, in one file."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import matplotlib.image
import pandas as pd
import pytest
from rich.console import Console

from eval.metrics import METRICS
from eval.report import console_table, write_report
from eval.statistics import Summary, summarise

COMMAND = "edge6g compare --policies 'local,<greedy>' --seeds 6"


@pytest.fixture
def page(tmp_path: Path, episodes: pd.DataFrame, summary: Summary) -> str:
    write_report(tmp_path, episodes, summary, "campus", COMMAND)
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def table_rows(page: str, heading: str) -> dict[str, list[str]]:
    """First words of each row of the table under a heading -> texts of its cells."""
    body = page.split(heading, 1)[1].split("<tbody>", 1)[1].split("</tbody>", 1)[0]
    rows = {}
    for row in body.strip().splitlines():
        head = re.search(r"<th[^>]*>(.*?)(?: <small>|</th>)", row)
        assert head is not None
        rows[head[1]] = [re.sub("<[^>]+>", " ", cell).split("  ")[0] for cell in re.findall(r"<td.*?</td>", row)]
    return rows


def cells(page: str, heading: str, row: str) -> list[str]:
    return [" ".join(cell.split()) for cell in table_rows(page, heading)[row]]


def test_page_loads_nothing_and_holds_the_chart(tmp_path: Path, page: str):
    png = (tmp_path / "comparison.png").read_bytes()
    assert base64.b64encode(png).decode() in page
    assert not re.search(r"""(src|href)=["'](?!data:)|@import|url\(""", page)
    height, width = matplotlib.image.imread(io.BytesIO(png)).shape[:2]
    assert width > 1_200
    assert height > 500


def reward_text(summary: Summary, policy: str) -> str:
    reward = summary["policies"][policy]["metrics"]["reward_per_job"]
    return f"{reward['iqm']:.3f} [{reward['low']:.3f}, {reward['high']:.3f}]"


def test_page_shows_every_metric_best_policy_first(page: str, summary: Summary):
    assert set(table_rows(page, "<h2>All metrics")) == {metric.label for metric in METRICS}
    best_first = ["runs/scorer", "greedy", "local"]
    assert cells(page, "<h2>All metrics", "Reward per job") == [reward_text(summary, name) for name in best_first]
    assert cells(page, "<h2>All metrics", "Price per 1000 jobs") == ["1,000 [1,000, 1,000]"] * 3
    assert cells(page, "<h2>All metrics", "TPOT, mean") == ["\N{EN DASH}"] * 3


def test_page_marks_differences_that_are_clear_of_zero(page: str):
    section = page.split("<h2>Paired difference to greedy", 1)[1]
    reward = next(line for line in section.splitlines() if ">Reward per job<" in line)
    assert re.findall(r'<td class="(\w+)">([^<]+)', reward) == [("better", "+0.050"), ("worse", "\N{MINUS SIGN}0.300")]
    same = next(line for line in section.splitlines() if ">Energy per job" in line)
    assert re.findall(r'<td class="(\w+)">([^<]+)', same) == [("unclear", "0"), ("unclear", "0")]


def test_page_says_what_stands_behind_it(page: str, summary: Summary):
    assert "runs/scorer against greedy, the best rule: +0.050 [+0.050, +0.050] reward per job, clear of 0." in page
    assert "6 paired seeds (100 to 105), 500 measured jobs an episode" in page
    assert "at least 400 finished jobs, so 4 lie beyond it" in page
    assert "speaks of that checkpoint only" in page
    assert "edge6g compare --policies &#x27;local,&lt;greedy&gt;&#x27; --seeds 6" in page
    assert "$" not in page.split("<body>")[1].split("base64,")[0]


def test_page_of_one_policy_has_no_differences(tmp_path: Path, episodes: pd.DataFrame):
    alone = episodes[episodes["policy"] == "local"].head(2)
    write_report(tmp_path, alone, summarise(alone, ["local"], []), "campus", COMMAND)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<section class="absent">' in page
    assert "local brings the most reward per job." in page
    assert cells(page, "<h2>All metrics", "Reward per job") == ["0.050"]


def test_console_table_fits_a_terminal_and_shows_the_difference(summary: Summary):
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(console_table(summary))
    text = console.export_text()
    assert "\N{HORIZONTAL ELLIPSIS}" not in text
    value, interval = reward_text(summary, "runs/scorer").split(" ", 1)
    lines = [line.split() for line in text.splitlines()]
    first = lines.index(next(line for line in lines if line[:2] == ["runs/scorer", value]))
    assert lines[first][-1] == "+0.050"
    assert " ".join(lines[first + 1]) == f"{interval} [+0.050, +0.050]"
    assert re.search(r"greedy +0\.550 .* best rule\n", text)
    assert text.index("runs/scorer") < text.index("greedy ") < text.index("local ")
