"""The cache of fits, and what an import costs."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge6g_env.costs import shipped_fits, tables

SLOW = 2.0


@pytest.fixture
def data(monkeypatch, tmp_path) -> Path:
    """A small data folder (the Arc B60's attention only) and an empty cache."""
    folder = tmp_path / "data"
    (folder / "measured").mkdir(parents=True)
    for name in ("devices.csv", "models.csv", "moe.csv", "measured/attention_arc-b60.csv"):
        shutil.copy(str(tables.DATA / name), folder / name)
    monkeypatch.setattr(tables, "DATA", folder)
    monkeypatch.setenv("EDGE6G_CACHE_DIR", str(tmp_path / "cache"))
    shipped_fits.fits.cache_clear()
    yield folder
    shipped_fits.fits.cache_clear()


def load():
    shipped_fits.fits.cache_clear()
    return shipped_fits.fits()


def forbid_fitting(monkeypatch):
    monkeypatch.setattr(shipped_fits, "_fit_all", lambda: pytest.fail("fitted again"))


def slow_down(file: Path) -> None:
    rows = list(csv.DictReader(file.read_text().splitlines()))
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, rows[0])
        writer.writeheader()
        writer.writerows({**row, "attn_ms": SLOW * float(row["attn_ms"])} for row in rows)


def test_the_second_load_reads_what_the_first_fitted(data, monkeypatch):
    first = load()
    forbid_fitting(monkeypatch)
    assert load() == first


def test_an_edited_table_is_fitted_anew(data):
    before = load()["arc-b60"].decode_attention["fp16"]
    slow_down(data / "measured" / "attention_arc-b60.csv")
    after = load()["arc-b60"].decode_attention["fp16"]
    assert after.eb == pytest.approx(before.eb / SLOW, rel=0.02)
    assert after.o_s == pytest.approx(before.o_s * SLOW, rel=0.02)


def test_an_edited_data_sheet_is_fitted_anew(data, monkeypatch):
    load()
    sheet = data / "devices.csv"
    sheet.write_text(sheet.read_text().replace("456.0", "457.0"))
    called = []
    monkeypatch.setattr(shipped_fits, "_fit_all", lambda: called.append(True) or {})
    load()
    assert called


@pytest.mark.parametrize("content", ["", "{", "[]", '{"arc-b60": {}}', '{"arc-b60": 3}', "\x00"])
def test_a_damaged_entry_is_replaced(data, monkeypatch, content):
    fitted = load()
    shipped_fits._cache_file().write_text(content)
    assert load() == fitted
    forbid_fitting(monkeypatch)
    assert load() == fitted


def test_a_cache_that_cannot_be_written_is_done_without(data, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("EDGE6G_CACHE_DIR", str(tmp_path / "file"))
    assert "arc-b60" in load()


def test_nothing_is_left_beside_the_entry(data):
    load()
    assert [path.suffix for path in shipped_fits._cache_file().parent.iterdir()] == [".json"]


def test_an_import_fits_nothing_and_loads_no_large_library(tmp_path):
    code = "import sys, edge6g_env.costs; print(*{'scipy.optimize', 'pandas', 'torch'} & set(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={"EDGE6G_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(Path(shipped_fits.__file__).parents[2]), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == ""
    assert not (tmp_path / "fits").exists()


def test_the_table_of_parameters_names_every_fitted_device(capsys):
    from edge6g_env.costs.__main__ import main

    main()
    printed = capsys.readouterr().out
    for name in shipped_fits.fits():
        assert name in printed
