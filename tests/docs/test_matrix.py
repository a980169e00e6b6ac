"""docs/matrix.md is the page of the results that ship, and says what they say."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from edge6g_env.scenario import load_scenario
from eval import VALIDATION_SEED
from eval.result_files import ResultRow, ResultsError, Training, keep

ROOT = Path(__file__).parents[2]
REWARDS = {"greedy": 0.5, "local": 0.25, "probe-time": 0.48, "clairvoyant": 0.75}


@pytest.fixture
def make_matrix() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_matrix", ROOT / "docs" / "make_matrix.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def row(name: str) -> ResultRow:
    planner = name == "clairvoyant"
    return ResultRow(
        policy=name,
        kind="planner" if planner else "rule",
        identity=f"rule {name}",
        seeds=4,
        rewards=[REWARDS[name] + ease for ease in (0.0, 0.1, 0.2, 0.3)],
        metrics={},
        validation=None
        if planner
        else {"first_seed": VALIDATION_SEED, "seeds": 4, "reward_per_job": 0.9 if name == "local" else 0.8},
        made_by=dict.fromkeys(("command", "version", "commit", "date", "numpy", "numba"), "as it was"),
    )


@pytest.fixture
def results(make_matrix: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results of `tiny` alone, with known figures; the best rule on validation seeds is `local`."""
    monkeypatch.setattr(make_matrix, "shipped_file", lambda name: tmp_path / f"{name}.json")
    keep(tmp_path, load_scenario("tiny"), {name: row(name) for name in REWARDS})
    return tmp_path


def test_the_page_is_up_to_date():
    done = subprocess.run([sys.executable, "docs/make_matrix.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_page_says_what_the_results_say(make_matrix: ModuleType, results: Path):
    lines = make_matrix.page().splitlines()
    for line in (
        "| `greedy` | 0.650 (1) | 1.0 |",
        "| `clairvoyant` | 0.900 |  |",
        "| tiny | `local` 0.400 | +0.500 [+0.500, +0.500] | 4 | `greedy` 0.650 |",
        "| `greedy` | 0.50 |",  # half of the way from local to clairvoyant
        "| `clairvoyant` | 1.00 |",
        "| `probe-time` | \N{MINUS SIGN}3 |",  # 0.63 against 0.65
        "Within 10%: tiny (probe-time).",
    ):
        assert line in lines
    assert any(line.startswith("No results yet: azure, ") and "tiny" not in line for line in lines)


def test_the_page_says_how_a_learned_row_was_trained(make_matrix: ModuleType, results: Path):
    assert "## Learned" not in make_matrix.page()
    training = Training(
        command="edge6g study", algo="scorer", options="--algo scorer", seeds=[0, 1], decisions=[1000, 2000], minutes=[10.0, 10.2],
        cpu_minutes=[20.0, None], rewards=[0.5, 0.25], validation=[0.4, 0.3],
    )  # fmt: skip
    keep(results, load_scenario("tiny"), {"scorer": {**row("greedy"), "kind": "learned", "training": training}})
    lines = make_matrix.page().splitlines()
    assert "| tiny | `scorer` | scorer | `--algo scorer` | 0, 1 | 1,500 | 10.1 | 20.0 | 0.5000, 0.2500 |" in lines


def test_a_page_of_other_results_is_out_of_date(
    make_matrix: ModuleType, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(make_matrix, "PAGE", tmp_path / "docs" / "matrix.md")
    monkeypatch.setattr(sys, "argv", ["make_matrix.py"])
    (tmp_path / "docs").mkdir()
    make_matrix.main()
    monkeypatch.setattr(sys, "argv", ["make_matrix.py", "--check"])
    make_matrix.main()
    keep(results, load_scenario("tiny"), {"jsq": row("greedy") | {"rewards": [0.1] * 4}})
    with pytest.raises(SystemExit, match=r"matrix\.md is out of date: python docs/make_matrix\.py"):
        make_matrix.main()


def test_results_of_another_version_make_no_page(make_matrix: ModuleType, results: Path):
    text = (results / "tiny.json").read_text()
    (results / "tiny.json").write_text(text.replace(load_scenario("tiny").fingerprint, "0" * 16))
    with pytest.raises(ResultsError, match="another version of tiny_v0"):
        make_matrix.page()
