"""Files appear whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from eval import files


def test_writers_make_the_folder_and_round_trip(tmp_path: Path):
    folder = tmp_path / "runs" / "x"
    files.write_text_atomic(folder / "a.txt", "µ\n")
    files.write_json_atomic({"low": None, "n": 3}, folder / "a.json")
    files.write_csv_atomic(pd.DataFrame({"policy": ["greedy"], "x": [np.nan], "y": [0.1]}), folder / "a.csv")
    assert (folder / "a.txt").read_bytes() == "µ\n".encode()
    assert json.loads((folder / "a.json").read_text()) == {"low": None, "n": 3}
    assert (folder / "a.csv").read_text() == "policy,x,y\ngreedy,,0.1\n"
    assert sorted(path.name for path in folder.iterdir()) == ["a.csv", "a.json", "a.txt"]


@pytest.mark.parametrize(("bad", "error"), [({"x": float("nan")}, ValueError), ({"x": object()}, TypeError)])
def test_a_failed_serialisation_leaves_the_old_file(tmp_path: Path, bad: object, error: type[Exception]):
    path = tmp_path / "summary.json"
    files.write_json_atomic({"x": 1}, path)
    with pytest.raises(error):
        files.write_json_atomic(bad, path)
    assert json.loads(path.read_text()) == {"x": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_replace_leaves_the_old_file_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "report.html"
    files.write_text_atomic(path, "old")

    def refuse(source: object, target: object) -> None:
        raise PermissionError("in use")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(PermissionError):
        files.write_text_atomic(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
