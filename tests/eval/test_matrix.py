"""The matrix says what its columns say: ranks of those that see what an agent sees, probes that come near, who is missing."""

from __future__ import annotations

import io
import json

import pandas as pd
import pytest
from rich.console import Console

from eval.matrix import Cell, Column, Matrix, Missing
from eval.report.matrix import console_tables, page
from eval.result_files import ResultRow, Results
from eval.statistics import Estimate
from eval.summary import Room


def known(iqm: float | None) -> Estimate:
    return Estimate(iqm=iqm, low=None, high=None, mean=iqm, n=8)


def column(label: str, rewards: dict[str, float], rooms: dict[str, float] | None = None) -> Column:
    kinds = {name: "planner" if name == "clairvoyant" else "rule" for name in rewards}
    ends = Room(
        best_rule="greedy",
        best_rule_from="this run",
        chosen_on="the same seeds",
        clairvoyant="clairvoyant",
        clairvoyant_from="this run",
        seeds=8,
        span=known(0.2),
    )
    found = {name: known(value) for name, value in (rooms or {}).items()}
    shown = {name: known(value) for name, value in rewards.items()}
    return Column(label, kinds, shown, found, ends if rooms else None, "greedy")


@pytest.fixture
def matrix() -> Matrix:
    one = column(
        "one", {"local": 0.2, "greedy": 0.6, "clairvoyant": 0.8, "probe-time": 0.5}, {"local": -2.0, "greedy": 0.0}
    )
    two = column("two", {"local": 0.70, "greedy": 0.71, "probe-time": 0.64, "jsq": 0.1})
    return Matrix([one, two], [Missing(policy="jsq", scenario="one", why="it has no queue")])


def test_ranks_are_of_those_that_see_what_an_agent_sees(matrix: Matrix):
    ranks = {
        name: [cell["rank"] if (cell := one.cell(name)) else None for one in matrix.columns] for name in matrix.policies
    }
    assert ranks == {
        "greedy": [1, 1], "local": [3, 2], "probe-time": [2, 3], "jsq": [None, 4], "clairvoyant": [None, None],
    }  # fmt: skip
    assert [matrix.mean_rank(name) for name in matrix.policies[:4]] == [1.0, 2.5, 2.5, 4.0]
    assert matrix.policies[-1] == "clairvoyant"
    assert matrix.columns[0].cell("jsq") is None


def test_a_probe_within_a_tenth_of_the_best_is_named(matrix: Matrix):
    """0.5 is 17 % below 0.6, 0.64 is 9.9 % below 0.71; below 0 a tenth of the size counts."""
    assert [one.near_probes for one in matrix.columns] == [[], ["probe-time"]]
    assert column("x", {"greedy": -1.0, "probe-time": -1.09}).near_probes == ["probe-time"]
    assert column("x", {"greedy": -1.0, "probe-time": -1.11}).near_probes == []
    assert column("x", {"greedy": 0.1, "probe-time": 0.5}).near_probes == ["probe-time"]
    assert "- probes within 10% of the best policy: two (probe-time)" in matrix.sentences()


def test_the_files_say_the_same(matrix: Matrix):
    record = json.loads(json.dumps(matrix.record(), allow_nan=False))
    frame = matrix.frame().set_index(["policy", "scenario"])
    for name, policy in record["policies"].items():
        for label, cell in policy["scenarios"].items():
            row = frame.loc[(name, label)]
            if cell is None:
                assert row[["reward_per_job", "rank", "room"]].isna().all()
                continue
            assert row["reward_per_job"] == cell["reward_per_job"]["iqm"]
            assert (None if pd.isna(row["rank"]) else row["rank"]) == cell["rank"]
            assert (None if pd.isna(row["room"]) else row["room"]) == (cell["room"]["iqm"] if cell["room"] else None)
    assert record["scenarios"]["one"]["room"]["span"]["iqm"] == 0.2
    assert record["missing"] == [{"policy": "jsq", "scenario": "one", "why": "it has no queue"}]


def test_the_markdown_has_a_table_of_rewards_and_one_of_room(matrix: Matrix):
    lines = matrix.markdown().splitlines()
    assert "| `greedy` | 0.600 (1) | 0.710 (1) | 1.0 |" in lines
    assert "| `jsq` |  | 0.100 (4) | 4.0 |" in lines
    assert "| `clairvoyant` | 0.800 |  |  |" in lines
    assert "| room | one |" in lines
    assert "| `local` | −2.00 |" in lines  # noqa: RUF001
    assert "- one: best rule greedy, clairvoyant +0.200 to it on 8 seeds" in lines
    assert "- jsq does not play in one: it has no queue" in lines


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_terminal_shows_every_cell_once(matrix: Matrix, width: int):
    wide = Matrix([column(f"scenario-{n}", {"greedy": 0.1 + 0.001 * n, "local": 0.05}) for n in range(9)])
    console = Console(width=width, record=True, file=io.StringIO())
    for table in console_tables(wide, width):
        console.print(table)
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= width
    assert [text.count(f"0.{100 + n} (1)") for n in range(9)] == [1] * 9
    assert text.count("mean") == 1


def test_the_page_loads_nothing_and_has_every_figure(matrix: Matrix):
    text = page(matrix, "edge6g compare --scenario 'one,<two>'")
    assert "://" not in text
    assert "&lt;two&gt;" in text
    for shown in ("0.710 (1)", "room −2.00", '<a href="one/report.html">one</a>', "it has no queue"):  # noqa: RUF001
        assert shown in text


def test_a_file_of_results_is_a_column():
    def row(kind: str, rewards: list[float], validated: float | None = None) -> ResultRow:
        validation = None if validated is None else {"seeds": 4, "reward_per_job": validated}
        figures = {"seeds": len(rewards), "rewards": rewards, "metrics": {}, "validation": validation, "made_by": {}}
        return ResultRow(policy="", kind=kind, identity="", **figures)

    found = Results(
        "tiny_v0",
        "0",
        {
            "greedy": row("rule", [0.1, 0.2, 0.3, 0.4], 0.3),
            "local": row("rule", [0.2, 0.3, 0.4, 0.5], 0.2),
            "clairvoyant": row("planner", [0.3, 0.5, 0.5], None),
        },
    )
    one = Column.of_results("tiny", found)
    assert (one.best_rule, one.ranked) == ("greedy", ["local", "greedy"])
    assert one.ends["seeds"] == 3
    cell: Cell | None = one.cell("local")
    assert cell["room"]["iqm"] == pytest.approx(0.3 / 0.7)  # over the three seeds that all have
    assert cell["reward_per_job"]["iqm"] == pytest.approx(0.35)
