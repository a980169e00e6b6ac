"""A log of one's own from command to command: what trains, compares or studies on it leaves folders that stand for themselves."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import pytest

from edge6g_env import load_scenario
from edge6g_env.trace_files import copies
from train.checkpoint import read_progress

LOG = "t_s,context_tokens,generated_tokens\n" + "".join(f"{n},{50 + 7 * n},{5 + n}\n" for n in range(40))
SHORT = ("time.episode_s=8.0", "time.warmup_s=1.0", "time.drain_s=3.0", "arrivals.rate_jobs_s=8.0")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """tiny with a log of its own for chat, in a folder `site`."""
    text = (resources.files("edge6g_env") / "scenarios" / "tiny.toml").read_text(encoding="utf-8")
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "requests.csv").write_text(LOG)
    (folder / "site.toml").write_text(text.replace('trace = "azure_conv_2023"', 'trace = "requests.csv"', 1))
    return folder / "site.toml"


def lines(file: Path) -> list[list[float]]:
    return load_scenario(file).service[0].lengths().tolist()


def test_a_training_goes_on_and_its_checkpoint_acts_without_the_log(run, site, tmp_path):
    out, words = tmp_path / "run", [word for one in SHORT for word in ("--set", one)]
    search = ("train", "--algo", "search", "--out", out)
    ended = run(*search, "--scenario", site, "--decisions", 300, *words)
    assert ended.status == 0, ended.err
    recorded = load_scenario(out / "scenario.toml")
    assert recorded.fingerprint == json.loads((out / "run.json").read_text())["fingerprint"]
    assert recorded == load_scenario(site, **{key: float(value) for key, value in (one.split("=") for one in SHORT)})
    assert lines(out / "scenario.toml") == lines(site)
    (site.parent / "requests.csv").rename(site.parent / "gone.csv")
    ended = run(*search, "--scenario", site, "--decisions", 6000, "--resume", *words)
    assert (ended.status, "there is no such file" in ended.err) == (2, True)
    ended = run(*search, "--scenario", out / "scenario.toml", "--decisions", 6000, "--resume")
    assert ended.status == 0, ended.err
    assert read_progress(out).decisions >= 6000
    other = tmp_path / "other.toml"
    other.write_text(
        load_scenario("tiny", name="other", time={"episode_s": 8.0, "warmup_s": 1.0, "drain_s": 3.0}).to_toml()
    )
    matrix, both = tmp_path / "matrix", f"{out / 'scenario.toml'},{other}"
    ended = run("compare", "--scenario", both, "--policies", f"local,mine={out}", "--seeds", 1, "--out", matrix)
    assert ended.status == 0, ended.err
    assert lines(matrix / "tiny" / "scenario.toml") == lines(out / "scenario.toml")
    assert [path.name for path in copies(matrix / "tiny")] == [path.name for path in copies(out)]
    assert copies(matrix) == copies(matrix / "other") == []


def test_what_replaces_a_run_takes_its_copies_along(run, site, tmp_path):
    out = tmp_path / "usage"
    words = (
        "--policy",
        "local",
        "--seeds",
        1,
        "--out",
        out,
        "--set",
        "time.episode_s=8.0",
        "--set",
        "time.drain_s=3.0",
    )
    assert run("usage", "--scenario", site, *words).status == 0
    assert len(copies(out)) == 1
    (out / "notes-12345678.csv").write_text("mine")  # no copy: it says another hash
    assert run("usage", "--scenario", "tiny", "--overwrite", *words).status == 0
    assert copies(out) == []
    assert (out / "notes-12345678.csv").read_text() == "mine"
