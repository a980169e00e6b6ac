"""Text and tables as editors and spreadsheets save them are read alike, or refused with file, line and what would be right."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest

import edge6g_env
from edge6g_env import costs, load_scenario
from edge6g_env._csv import read_csv
from edge6g_env._files import TextError, read_text
from edge6g_env.costs import profiles
from edge6g_env.trace_files import read_trace, traces

PACKAGE = Path(edge6g_env.__file__).parent
TABLES = sorted(PACKAGE.rglob("*.csv"))
PLAIN = 'name,value,note\na,0.5,"x, y"\nb,2,Zürich\nc,1e-3,"say ""hi"""\n'

SAVED = {
    "UTF-8 with a mark": lambda text: text.encode("utf-8-sig"),
    "UTF-16 LE": lambda text: "\ufeff".encode("utf-16-le") + text.encode("utf-16-le"),
    "UTF-16 BE": lambda text: "\ufeff".encode("utf-16-be") + text.encode("utf-16-be"),
    "UTF-32": lambda text: text.encode("utf-32"),
    "Windows": lambda text: text.replace("\n", "\r\n").encode(),
    "old Mac": lambda text: text.replace("\n", "\r").encode(),
    "no last line end": lambda text: text.rstrip("\n").encode(),
    "lines at the end": lambda text: (text + "\n\n  \n").encode(),
}


@pytest.mark.parametrize("saved", SAVED)
def test_text_is_the_same_however_it_is_saved(tmp_path: Path, saved: str):
    (tmp_path / "file").write_bytes(SAVED[saved](PLAIN))
    assert read_text(tmp_path / "file").strip() == PLAIN.strip()


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        ("a\nZürich\n".encode("latin-1"), 2, "no UTF-8 text: save the file as UTF-8"),
        (b"a\r\nb\rc\xff\n", 3, "save the file as UTF-8"),
        (b"a\nb\0c\n", 2, "a NUL"),
        ("a,b\n".encode("utf-16-le"), 1, "a NUL"),  # UTF-16 without its mark
        (b"\xff\xfea\0\n", 1, "no UTF-16-LE text"),
    ],
)
def test_other_bytes_are_refused_with_their_line(tmp_path: Path, content: bytes, line: int, said: str):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(TextError) as caught:
        read_text(path)
    assert str(caught.value).startswith(f"{path}: line {line}: ")
    assert said in str(caught.value)


TABLES_SAVED: dict[str, Callable[[str], bytes]] = {
    **SAVED,
    "commas at the end of lines": lambda text: text.replace("\n", ",,,\n").encode(),
    "rows of empty cells": lambda text: (text + ",,\n" * 3).encode(),
    "spaces around cells": lambda text: text.replace(",", " , ").replace('" , ', '",').encode(),
    "all in quotes": lambda text: quoted(text, ",").encode(),
    "German Excel": lambda text: quoted(text, ";").replace("0.5", "0,5").replace("1e-3", "0,001").encode("utf-8-sig"),
    "semicolons and points": lambda text: quoted(text, ";").encode(),
    "Excel's Unicode text": lambda text: quoted(text, "\t").replace("\n", "\r\n").encode("utf-16"),
}


def quoted(text: str, delimiter: str) -> str:
    rows = list(csv.reader(text.splitlines()))
    return "".join(delimiter.join('"' + cell.replace('"', '""') + '"' for cell in row) + "\n" for row in rows)


@pytest.mark.parametrize("saved", TABLES_SAVED)
def test_a_table_is_the_same_however_it_is_saved(tmp_path: Path, saved: str):
    path = tmp_path / "table.csv"
    path.write_bytes(TABLES_SAVED[saved](PLAIN.replace("x, y", "x y") if saved == "spaces around cells" else PLAIN))
    rows = read_csv(path)
    assert [row["name"] for row in rows] == ["a", "b", "c"]
    assert [row.number("value") for row in rows] == [0.5, 2.0, 1e-3]
    assert [row["note"] for row in rows][1:] == ["Zürich", 'say "hi"']
    assert all(list(row) == ["name", "value", "note"] for row in rows)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "table.csv: the table is empty"),
        ("\n ,,\n", "table.csv: the table is empty"),
        ("a,b\n1,2,3\n", "table.csv, line 2: 3 cells, the header names 2"),
        ("a,,b\n1,2,3\n", "table.csv: column 2 of the header has no name"),
        ("a,b,a\n1,2,3\n", "table.csv: the header names a twice"),
        ('a,b\n1,"2\n', "table.csv, line 2: "),
        ("a;b\n0,5;x\n1.5;y\n", "a decimal comma in line 2, a point in line 3"),
    ],
)
def test_what_is_no_table_is_refused_by_name(tmp_path: Path, text: str, said: str):
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(TextError) as caught:
        read_csv(tmp_path / "table.csv")
    assert said in str(caught.value)


@pytest.mark.parametrize("cell", ["x", "", "nan", "inf", "1,234", "1 000", "0x1"])
def test_a_cell_that_is_no_number_is_named(tmp_path: Path, cell: str):
    (tmp_path / "table.csv").write_text(f'a,b\n\n1,"{cell}"\n')
    (row,) = read_csv(tmp_path / "table.csv")
    with pytest.raises(TextError, match=r"table.csv, line 3: b = '.*': must be a number"):
        row.number("b")
    with pytest.raises(TextError, match=r"table.csv, line 3: there is no column c: the header has a, b"):
        row.number("c")


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.name)
def test_a_shipped_table_reads_as_with_the_reader_of_python(path: Path):
    with path.open(encoding="utf-8", newline="") as file:
        expected = [{name: (cell or "").strip() for name, cell in row.items()} for row in csv.DictReader(file)]
    assert [dict(row) for row in read_csv(path)] == expected


@pytest.mark.parametrize("saved", [name for name in SAVED if name != "UTF-32"])
def test_a_scenario_and_a_profile_are_the_same_however_they_are_saved(tmp_path: Path, saved: str, monkeypatch):
    shipped = resources.files("edge6g_env") / "scenarios" / "tiny.toml"
    (tmp_path / "mine.toml").write_bytes(SAVED[saved](shipped.read_text(encoding="utf-8")))
    assert load_scenario(tmp_path / "mine.toml") == load_scenario("tiny")
    (tmp_path / "mine.json").write_bytes(SAVED[saved](json.dumps({"format": 0})))
    with pytest.raises(costs.ProfileError, match="its format is 0"):
        profiles.find(str(tmp_path / "mine.json"))


@pytest.mark.parametrize("content", ["name = 'Zürich'".encode("latin-1"), b"name = 'a\0'", b"\xff\xfe\x00"])
def test_a_scenario_in_other_bytes_is_refused_with_its_line(tmp_path: Path, content: bytes):
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(edge6g_env.ScenarioError, match=rf"^cannot read {path}: line 1: "):
        load_scenario(path)


def test_a_trace_is_checked_row_by_row(tmp_path: Path, monkeypatch):
    from edge6g_env import trace_files

    assert {"azure_code_2023", "azure_conv_2023"} <= set(traces())
    assert math.isclose(read_trace("azure_conv_2023")[:, 1].mean(), 1237, abs_tol=1)  # traces/README.md
    monkeypatch.setattr(trace_files, "_FOLDER", tmp_path)
    head = "t_s,context_tokens,generated_tokens\n"
    for name, text, said in (
        ("empty", head, "no rows"),
        ("back", head + "0,1,1\n2,1,1\n1,1,1\n", "back.csv, line 4: t_s falls"),
        ("none", head + "0,1,1\n2,0,1\n", "none.csv, line 3: context_tokens and generated_tokens must be at least 1"),
        ("columns", "t_s,prompt\n0,1\n", "there is no column context_tokens"),
    ):
        (tmp_path / f"{name}.csv").write_text(text)
        with pytest.raises(TextError, match=said):
            read_trace(name)
    assert trace_files.traces() == ["back", "columns", "empty", "none"]
