"""`edge6g list` and `--version`: what there is to choose from, readable on any terminal."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pandas as pd
import pytest

import edge6g_env
from agents.planners.planner import MAKERS
from agents.policy import rule_class, rule_names
from edge6g_env import costs, radio, scenarios
from edge6g_env.trace_files import traces

NAMES = {
    "rules": rule_names,
    "planners": lambda: sorted(MAKERS),
    "devices": costs.devices,
    "models": costs.models,
    "traces": traces,
    "bands": radio.presets,
    "scenarios": scenarios,
}


def rows_of(out: str) -> dict[str, list[str]]:
    """First column -> the other cells of a wide table, which are two spaces apart."""
    lines = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in out.splitlines()]
    return {cells[0]: cells[1:] for cells in lines if len(cells) > 1}


@pytest.fixture
def listed(run, monkeypatch):
    def rows(what: str, columns: int = 300) -> dict[str, list[str]]:
        monkeypatch.setenv("COLUMNS", str(columns))
        ended = run("list", what)
        assert (ended.status, ended.err) == (0, "")
        return rows_of(ended.out)

    return rows


@pytest.mark.parametrize("what", NAMES)
def test_every_name_is_listed_once(listed, what: str):
    head, *names = listed(what)
    assert head == what.removesuffix("s")
    assert names == list(NAMES[what]())


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize("what", NAMES)
def test_nothing_is_wider_than_the_terminal_and_names_are_whole(run, monkeypatch, what: str, columns: int):
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = run("list", what).out.splitlines()
    assert max(len(line.rstrip()) for line in lines) <= columns
    firsts = [line.split()[0] for line in lines if line and not line.startswith(" ")]
    assert set(NAMES[what]()) <= set(firsts)


def test_a_rule_has_the_first_sentence_of_its_docstring(listed):
    for name, (sentence,) in list(listed("rules").items())[1:]:
        text = " ".join(str(rule_class(name).__doc__).split())
        assert text.startswith(sentence)
        assert sentence.endswith(".")


def test_a_device_says_its_memory_its_price_and_what_was_measured(listed):
    folder = resources.files("edge6g_env.costs") / "data"
    sheet = {row["name"]: row for row in csv.DictReader((folder / "devices.csv").read_text().splitlines())}
    measured = {path.name for path in (folder / "measured").iterdir()}
    for name, row in list(listed("devices").items())[1:]:
        assert (row[0], float(row[1])) == (sheet[name]["class"], float(sheet[name]["mem_gb"]))
        if row[3] == "-":
            with pytest.raises(ValueError, match="no price"):
                costs.accelerator_price_usd_per_s(name)
        else:
            assert float(row[3]) == pytest.approx(3600.0 * costs.accelerator_price_usd_per_s(name), rel=5e-3)
        files = [file for file in measured if f"_{name}.csv" in file or file.startswith(f"{name}__")]
        assert row[4].startswith("measured: ") or not files, name
    assert listed("devices")["l4"][4] == listed("devices")["phone-a17pro"][4] == "data sheet"


def test_a_model_says_its_size(listed):
    rows = listed("models")
    assert rows["llama-3.1-8b"][:3] == ["8.03", "32", "16.1"]
    assert rows["mixtral-8x7b"][0] == "46.7/12.9"
    for name in costs.models():
        assert float(rows[name][2]) == pytest.approx(costs.memory_bytes(name) / 1e9, rel=5e-3)


def test_a_trace_says_what_its_file_has(listed):
    for name, row in list(listed("traces").items())[1:]:
        table = pd.read_csv(Path(edge6g_env.__file__).parent / "traces" / f"{name}.csv")
        span_s = table["t_s"].max() - table["t_s"].min()
        means = table[["context_tokens", "generated_tokens"]].mean()
        assert [float(cell) for cell in row] == pytest.approx(
            [len(table), span_s, (len(table) - 1) / span_s, *means], rel=0.02
        )


def test_a_band_says_its_carrier_and_bandwidth(listed):
    rows = listed("bands")
    for name in radio.presets():
        one = radio.preset(name)
        assert rows[name][:3] == [one.band, f"{one.carrier_ghz:g}", f"{one.bandwidth_hz / 1e6:g}"]


def test_scenarios_without_a_command_is_the_same_list(run):
    assert run("scenarios") == run("list", "scenarios")


def test_another_list_is_refused_by_name(run):
    ended = run("list", "policies")
    assert (ended.status, ended.out) == (2, "")
    assert ended.err == (
        "edge6g: no list 'policies': there are rules, planners, devices, models, traces, bands, scenarios\n"
    )


def test_the_version_is_said_without_loading_anything():
    root = Path(edge6g_env.__file__).parents[1]
    code = "import sys, edge6g; sys.argv = ['edge6g', '--version']\ntry: edge6g.main()\nfinally: print('numba' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"edge6g {edge6g_env.__version__}\nFalse\n")


def test_list_without_a_word_names_the_words(run):
    ended = run("list")
    assert ended.status == 2
    assert "rules|planners|devices|models|traces|bands|scenarios" in ended.err
