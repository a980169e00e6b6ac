"""The report says what the summary and the jobs say, in one file; the tables for elsewhere say the same."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import matplotlib
import matplotlib.image
import pandas as pd
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from eval.comparison import Comparison
from eval.frames import table_frame
from eval.metrics import BY_NAME, METRIC_NAMES, METRICS
from eval.report import write_report
from eval.report.charts import draw_difference, draw_first_tokens, zoomed
from eval.report.console import console_table
from eval.report.export import latex, latex_table
from eval.report.numbers import difference_in_words, sentences, value, without_interval
from eval.report.tables import limit_table
from eval.statistics import Estimate
from eval.summary import Summary, summarise

MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"


def known(iqm: float | None, low: float | None = None, high: float | None = None) -> Estimate:
    return Estimate(iqm=iqm, low=low, high=high, mean=iqm, n=6)


@pytest.fixture
def page(report: Path) -> str:
    return (report / "report.html").read_text(encoding="utf-8")


def table_rows(page: str, heading: str) -> dict[str, list[str]]:
    """First words of each row of the first table under a heading -> texts of its cells."""
    body = page.split(heading, 1)[1].split("<tbody>", 1)[1].split("</tbody>", 1)[0]
    rows = {}
    for row in body.strip().splitlines():
        head = re.search(r"<th[^>]*>(.*?)(?: <small>|</th>)", row)
        assert head is not None
        rows[head[1]] = [re.sub("<[^>]+>", " ", cell).split("  ")[0] for cell in re.findall(r"<td.*?</td>", row)]
    return rows


def cells(page: str, heading: str, row: str) -> list[str]:
    return [" ".join(cell.split()) for cell in table_rows(page, heading)[row]]


def test_page_loads_nothing_and_is_written_with_its_tables_and_pictures(report: Path, page: str):
    assert not re.search(r"""(src|href)=["'](?!data:)|@import|url\(""", page)
    names = {"report.html", "comparison.png", "comparison.svg", "table.csv", "table.tex"}
    assert {path.name for path in report.iterdir()} == names
    height, width = matplotlib.image.imread(report / "comparison.png").shape[:2]
    assert width > 1_200
    assert height > 500
    assert (report / "comparison.svg").read_text(encoding="utf-8").startswith("<?xml")


def reward_text(summary: Summary, policy: str) -> str:
    reward = summary["policies"][policy]["metrics"]["reward_per_job"]
    return f"{reward['iqm']:.3f} [{reward['low']:.3f}, {reward['high']:.3f}]"


def test_page_shows_every_metric_best_policy_first_and_folds_those_without_a_difference(page: str, summary: Summary):
    assert set(table_rows(page, "<h2>All metrics")) == {"Reward per job"}
    best_first = ["scorer:x", "greedy", "local"]
    assert cells(page, "<h2>All metrics", "Reward per job") == [reward_text(summary, name) for name in best_first]
    folded = page.split("<h2>All metrics", 1)[1].split("<details>", 1)[1]
    assert set(table_rows(folded, "<summary>")) == {m.label for m in METRICS} - {"Reward per job"}
    assert cells(folded, "<summary>", "Price per 1000 jobs") == ["1,000 [1,000, 1,000]"] * 3
    assert cells(folded, "<summary>", "TPOT, mean") == [DASH] * 3


def test_page_marks_differences_that_are_clear_of_zero_and_folds_the_others(page: str):
    section = page.split("<h2>Paired difference to greedy", 1)[1].split("<h2>", 1)[0]
    reward = next(line for line in section.splitlines() if ">Reward per job<" in line)
    assert re.findall(r'<td class="(\w+)">([^<]+)', reward) == [("better", "+0.050"), ("worse", f"{MINUS}0.300")]
    shown, folded = section.split("<details>", 1)
    assert "Energy per job" not in shown
    same = next(line for line in folded.splitlines() if ">Energy per job" in line and "<td" in line)
    assert re.findall(r'<td class="(\w+)">([^<]+)', same) == [("unclear", "0"), ("unclear", "0")]


def test_the_time_of_a_decision_has_no_interval_and_no_verdict(
    tmp_path: Path, episodes: pd.DataFrame, comparison: Comparison
):
    slower = episodes.assign(decision_us_mean=episodes["policy"].map({"local": 1.0, "greedy": 50.0, "scorer:x": 90.0}))
    summary = summarise(slower)
    for name, policy in summary["policies"].items():
        policy["services"] = comparison.summary["policies"][name]["services"]
    write_report(tmp_path, replace(comparison, episodes=slower, summary=summary))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert cells(page, "<h2>All metrics", "Decision time") == ["90.0", "50.0", "1.00"]
    row = next(line for line in page.splitlines() if ">Decision time" in line and "+40" in line)
    assert re.findall(r'<td class="(\w+)">([^<]+)', row) == [("unclear", "+40.0"), ("unclear", f"{MINUS}49.0")]


def test_page_says_what_stands_behind_it(page: str):
    assert "scorer:x: reward per job 0.050 above greedy, the best rule, 95 % interval 0.050 to 0.050 above." in page
    assert "scorer:x: trained on campus_v0; played on tiny_v0, arrivals.rate_jobs_s = 3.0" in page
    assert "6 paired seeds (100 to 105), 500 measured jobs an episode" in page
    assert "at least 400 finished jobs, so 4 lie beyond it" in page
    assert "speaks of that checkpoint only" in page
    assert "<dt>changed</dt><dd>arrivals.rate_jobs_s = 3.0</dd>" in page
    assert "edge6g 9.8.7, commit abc123, 2026-01-02T03:04:05+00:00" in page
    assert "edge6g compare --policies &#x27;local,&lt;greedy&gt;&#x27; --seeds 6" in page
    assert "$" not in re.sub(r"base64,[^\"]+", "", page.split("<body>")[1])


def test_page_has_services_and_decisions_policy_by_policy(page: str):
    """Of the jobs by hand: the scorer finishes ten of ten, local five; all are chat, served locally."""
    chat = page.split("<h2>By service", 1)[1]
    assert cells(chat, "<h3>chat", "scorer:x") == ["10", "100", "0.550", "0.955", "50.0", "0.800"]
    assert cells(chat, "<h3>chat", "local") == ["10", "50.0", "0.500", "0.860", "50.0", "0.300"]
    assert cells(chat, "<h3>assistant", "local") == ["0", DASH, DASH, DASH, DASH, DASH]
    decisions = page.split("<h2>Decisions", 1)[1]
    assert cells(decisions, "<h3>chat", "greedy")[:5] == ["0", "100", "0", "0", "0"]
    assert cells(decisions, "<h3>chat", "greedy")[-1] == "100"
    assert "No job of it was decided." in decisions


def test_the_curve_of_first_tokens_counts_all_jobs(comparison: Comparison):
    ax = Figure().subplots()
    draw_first_tokens(ax, comparison, 0)
    lines = {line.get_label(): line.get_xydata() for line in ax.get_lines()}
    assert lines["greedy"][-1, 1] == 1.0
    assert lines["local"][-1, 1] == 0.5
    below = lines["local"][lines["local"][:, 0] <= 0.5 + 1e-9]
    assert below[-1, 1] == pytest.approx(0.3)  # first tokens at 0.1, 0.3, 0.5 s, of ten jobs
    objective = [line for line in ax.get_lines() if set(line.get_xdata()) == {2.0}]
    assert len(objective) == 1


def test_the_first_panel_zooms_on_what_is_near():
    near, far = known(0.02, 0.01, 0.03), known(-0.9, -1.0, -0.8)
    low, high = zoomed([near, far])
    assert -0.1 < low < 0.0
    assert 0.03 < high < 0.1
    assert zoomed([known(0.0, 0.0, 0.0), near])[1] == pytest.approx(
        high
    )  # equal to the best rule: says nothing of the scale
    for degenerate in ([], [known(None)], [known(0.0, 0.0, 0.0)]):
        low, high = zoomed(degenerate)
        assert low < 0.0 < high


def test_a_policy_that_is_far_is_an_arrow_with_its_figure(summary: Summary):
    summary["policies"]["local"]["difference_to_best_rule"]["reward_per_job"] = known(-9.0, -9.5, -8.5)
    ax = Figure().subplots()
    draw_difference(ax, summary)
    arrows = [line for line in ax.get_lines() if line.get_marker() == "<"]
    low, high = ax.get_xlim()
    assert [0.0 < (line.get_xdata()[0] - low) / (high - low) < 0.05 for line in arrows] == [
        True
    ]  # inside, at the left edge
    assert {f"{MINUS}9.00 [{MINUS}9.50, {MINUS}8.50]", "best rule"} <= {text.get_text() for text in ax.texts}


def test_page_of_one_policy_has_no_differences(tmp_path: Path, comparison: Comparison):
    alone = comparison.episodes[comparison.episodes["policy"] == "local"].head(2)
    summary = summarise(alone)
    summary["policies"]["local"]["services"] = comparison.summary["policies"]["local"]["services"]
    write_report(tmp_path, replace(comparison, episodes=alone, summary=summary))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<section class="absent">' in page
    assert "local brings the most reward per job." in page
    assert cells(page, "<h2>All metrics", "Reward per job") == ["0.050"]


def test_a_users_matplotlib_settings_change_nothing(tmp_path: Path, report: Path, comparison: Comparison):
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black", "svg.fonttype": "none"}):
        write_report(tmp_path, comparison)
    for name in ("comparison.png", "comparison.svg", "report.html"):
        assert (report / name).read_bytes() == (tmp_path / name).read_bytes()


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_console_table_fits_the_terminal_and_shows_the_difference(summary: Summary, width: int):
    summary["policies"]["round-robin"] = summary["policies"].pop("local")
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(console_table(summary, width))
    text = console.export_text()
    assert "\N{HORIZONTAL ELLIPSIS}" not in text
    assert max(map(len, text.splitlines())) <= width
    lines = [line.split() for line in text.splitlines()]
    value, interval = reward_text(summary, "scorer:x").split(" ", 1)
    first = lines.index(next(line for line in lines if line[:2] == ["scorer:x", value]))
    assert lines[first][-1] == "+0.050"
    assert " ".join(lines[first + 1]).endswith("[+0.050, +0.050]")
    assert ("J/job" in text, interval in text) == (width >= 80, width >= 60)
    assert re.search(r"greedy +0\.550 .*best rule\n", text)
    assert text.index("scorer:x") < text.index("greedy ") < text.index("round-robin ")


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (known(-0.068, -0.085, -0.051), "0.068 below jsq, 95 % interval 0.051 to 0.085 below"),
        (known(0.0123, 0.0011, 0.02), "0.012 above jsq, 95 % interval 0.001 to 0.020 above"),
        (known(-0.01, -0.03, 0.02), "0.010 below jsq, 95 % interval 0.030 below to 0.020 above"),
        (known(0.25), "0.250 above jsq"),
        (known(0.0, 0.0, 0.0), "as good as jsq, 95 % interval 0 to 0"),
        (known(None), "not to be set against jsq"),
    ],
)
def test_a_difference_is_said_without_a_sign(difference: Estimate, words: str):
    assert difference_in_words(difference, "jsq") == words


def test_the_csv_has_the_units_and_figures_of_the_summary(comparison: Comparison, summary: Summary):
    table = table_frame(comparison.summary, comparison.scenario.label).set_index("policy")
    assert list(table.index) == ["scorer:x", "greedy", "local"]
    assert table.loc["scorer:x", ["trained_on", "played_on"]].tolist() == [
        "campus_v0",
        "tiny_v0, arrivals.rate_jobs_s = 3.0",
    ]
    for name, policy in summary["policies"].items():
        reward = policy["metrics"]["reward_per_job"]
        assert table.loc[name, ["reward_per_job", "reward_per_job_low", "reward_per_job_high"]].tolist() == [
            reward[key] for key in ("iqm", "low", "high")
        ]
    assert table.loc["local", "reward_per_job_difference"] == pytest.approx(-0.30)
    assert pd.isna(table.loc["greedy", "reward_per_job_difference"])


def test_the_latex_table_has_a_row_a_policy_with_as_many_cells_as_columns(comparison: Comparison):
    text = latex_table(comparison)
    columns = re.search(r"\\begin\{tabular\}\{(l r*|lr*)\}", text)
    assert columns is not None
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert [row.split(" & ")[0] for row in rows] == ["Policy", "scorer:x", "greedy", "local"]
    assert {row.count(" & ") + 1 for row in rows} == {len(columns[1])}
    heads = rows[0].removesuffix(r" \\").split(" & ")
    first = comparison.summary["policies"]["scorer:x"]["metrics"]
    cells = dict(zip(heads, rows[1].removesuffix(r" \\").split(" & "), strict=True))
    assert cells["TTFT p50, s"] == latex(value(BY_NAME["ttft_p50_s"], first["ttft_p50_s"]))
    assert cells["TTFT p95, s"] == latex(value(BY_NAME["ttft_p95_s"], first["ttft_p95_s"]))
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    assert body.isascii()
    assert "$-$0.300" in body


@pytest.mark.parametrize("seeds", [2, 3])
def test_it_says_why_there_is_no_interval(seeds: int):
    frame = pd.DataFrame(
        [
            {"policy": "jsq", "kind": "rule", "seed": seed, **dict.fromkeys(METRIC_NAMES, 1.0 + seed)}
            for seed in range(seeds)
        ]
    )
    summary = summarise(frame)
    few = seeds < 3
    assert without_interval(summary) == (["No intervals over seeds: they take 3, here are 2"] if few else [])
    assert (summary["policies"]["jsq"]["metrics"]["reward_per_job"]["low"] is None) == few


def test_latex_escapes_what_it_would_take_for_a_command():
    assert latex("a_b & 50 % of {x} #1 ~ ^ \\ $") == (
        r"a\_b \& 50 \% of \{x\} \#1 \textasciitilde{} \textasciicircum{} \textbackslash{} \$"
    )


@pytest.fixture
def limited(episodes: pd.DataFrame) -> Summary:
    """One checkpoint with two limits, of which it breaks one: 15 % of its jobs miss, as of all others."""
    return summarise(episodes.assign(slo_attainment=0.85), {"scorer:x": {"slo_miss": 0.1, "energy_j": 2.0}})


def test_reward_and_limits_stand_side_by_side_in_the_page(limited: Summary):
    table = limit_table(limited)
    heads = [re.sub("<[^>]+>", "", head) for head in re.findall(r"<th>(.*?)</th>", table)]
    assert heads == ["", "Reward per job", "slo_miss a job", "energy_j a job"]
    rows = table_rows(f"<h2>{table}", "<h2>")
    shown = {name: [cell.strip() for cell in cells[1:]] for name, cells in rows.items()}
    assert shown["scorer:x"] == ["0.15 limit 0.1", "1 limit 2"]
    assert shown["local"] == ["0.15", "1"]
    own = next(line for line in table.splitlines() if ">scorer:x<" in line)
    assert re.findall(r'<td class="(\w*)">', own) == ["", "worse", "better"]


def test_reward_and_limits_stand_side_by_side_in_the_terminal(limited: Summary):
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(console_table(limited, 120))
    lines = [line.split() for line in console.export_text().splitlines()]
    assert [word for line in lines[:2] for word in line if word in ("slo_miss", "energy_j")] == ["slo_miss", "energy_j"]
    first = next(n for n, line in enumerate(lines) if line[:1] == ["scorer:x"])
    assert lines[first][2:4] == ["0.15", "1"]
    assert " ".join(lines[first + 1]).find("limit 0.1 limit 2") > 0
    said = sentences(limited, "tiny_v0")
    assert "scorer:x: slo_miss 0.15 over worlds, limit 0.1, above it by 50.0%" in said
    assert "scorer:x: energy_j 1 over worlds, limit 2, above it by 0.0%" in said


def test_without_limits_there_is_no_table_of_them(page: str):
    assert re.search(r'<section class="absent">\s*<h2>Reward and limits', page)
