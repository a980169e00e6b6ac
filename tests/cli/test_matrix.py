"""`edge6g compare` in several scenarios: a folder each, one matrix, and it goes on where it was interrupted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import edge6g.playing
import eval.episodes
from agents.policy import Observation, make_rule
from edge6g_env.errors import UserError
from edge6g_env.scenario import Scenario, load_scenario
from edge6g_env.spaces import Layout
from eval.result_files import read

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture
def variants(tmp_path: Path) -> str:
    """Two short scenarios like `tiny`, the second of three times the load."""
    for name, rate in (("calm", 1.0), ("busy", 3.0)):
        changes = {"time.episode_s": 30.0, "time.drain_s": 10.0, "arrivals.rate_jobs_s": rate}
        text = load_scenario("tiny", **changes).to_toml()
        (tmp_path / f"{name}.toml").write_text(text.replace('name = "tiny"', f'name = "{name}"'))
    return f"{tmp_path}/calm.toml,{tmp_path}/busy.toml"


def compare(run, out: Path, scenarios: str, policies: str, *more: object):
    return run("compare", "--scenario", scenarios, "--seeds", 3, "--policies", policies, "--out", out, *more)


def test_two_variants_are_two_comparisons_and_a_matrix(run, variants: str, tmp_path: Path):
    out = tmp_path / "out"
    ended = compare(run, out, variants, "local,greedy", "--keep", tmp_path / "results")
    assert ended.status == 0, ended.err
    assert {path.name for path in out.iterdir()} == {
        "run.json", "calm", "busy", "matrix.json", "matrix.csv", "matrix.md", "report.html",
    }  # fmt: skip
    frame = pd.read_csv(out / "matrix.csv").set_index(["policy", "scenario"])
    record = json.loads((out / "matrix.json").read_text())
    for name in ("calm", "busy"):
        summary = json.loads((out / name / "summary.json").read_text())
        rewards = {policy: one["metrics"]["reward_per_job"]["iqm"] for policy, one in summary["policies"].items()}
        assert frame.xs(name, level="scenario")["reward_per_job"].to_dict() == pytest.approx(rewards)
        assert frame.loc[(summary["best_rule"], name), "rank"] == 1
        assert record["made_by"][name]["fingerprint"] == summary["fingerprint"]
        assert set(read(tmp_path / "results" / f"{name}.json").rows) == {"local", "greedy"}
        assert (out / name / "report.html").is_file()
    text = " ".join(ended.out.split())
    for shown in ("calm", "busy", "reward (rank)", str(out / "matrix.csv")):
        assert shown in text


def test_the_same_command_goes_on_where_it_was_interrupted(
    run, variants: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    out, whole, play = tmp_path / "out", tmp_path / "whole", eval.episodes.run_episodes
    played: list[tuple[str, str]] = []

    def once(name: str, make: object, scenario: Scenario, *arguments: object) -> object:
        if len(played) == 3:
            raise KeyboardInterrupt
        played.append((scenario.name, name))
        return play(name, make, scenario, *arguments)

    monkeypatch.setattr(eval.episodes, "run_episodes", once)
    stopped = compare(run, out, variants, "local,jsq")
    assert (stopped.status, "the same command goes on with the rest" in stopped.err) == (130, True)
    assert compare(run, out, variants, "local").err == (
        f"edge6g: {out} holds another run: choose another --out, or replace it with --overwrite\n"
    )
    played.append(("", ""))
    assert compare(run, out, variants, "local,jsq").status == 0
    assert played == [("calm", "local"), ("calm", "jsq"), ("busy", "local"), ("", ""), ("busy", "jsq")]
    assert not (out / "played").exists()
    assert compare(run, whole, variants, "local,jsq").status == 0
    assert (out / "matrix.csv").read_bytes() == (whole / "matrix.csv").read_bytes()
    for name in ("calm", "busy"):
        assert (out / name / "jobs.csv.gz").read_bytes() == (whole / name / "jobs.csv.gz").read_bytes()


class OnlyCalm:
    """A checkpoint that copies `local`; one whose folder is called so fits calm worlds only."""

    privileged, needs_candidates, algo = False, True, "copycat"

    def __init__(self, folder: Path, scenario: Scenario) -> None:
        if folder.name == "nowhere" or (folder.name == "calm-only" and scenario.name == "busy"):
            raise UserError(f"{folder.name} was trained without what {scenario.name} has")
        self._rule = make_rule("local", Layout(scenario))

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        return self._rule.act(obs, rng)


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(edge6g.playing, "load_checkpoint", OnlyCalm)
    for name in ("calm-only", "anywhere", "nowhere"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    return tmp_path / "runs"


def test_a_checkpoint_that_fits_only_some_is_said_and_leaves_its_cells_empty(
    run, variants: str, trained: Path, tmp_path: Path
):
    out = tmp_path / "out"
    ended = compare(run, out, variants, f"jsq,{trained}/calm-only,{trained}/anywhere,static")
    assert ended.status == 2  # static has no values for either
    assert ended.err.startswith("edge6g: static fits none of the scenarios; calm: ")
    assert not out.exists()
    ended = compare(run, out, variants, f"jsq,{trained}/calm-only,{trained}/anywhere")
    assert ended.status == 0, ended.err
    frame = pd.read_csv(out / "matrix.csv").set_index(["policy", "scenario"])
    assert frame["reward_per_job"].isna().to_dict() == {
        (policy, name): (policy, name) == ("copycat:calm-only", "busy")
        for policy in ("jsq", "copycat:calm-only", "copycat:anywhere")
        for name in ("calm", "busy")
    }
    why = f"{trained}/calm-only does not play in busy: calm-only was trained without what busy has"
    assert why in (out / "matrix.md").read_text()
    assert why in ended.out
    assert json.loads((out / "matrix.json").read_text())["missing"][0]["scenario"] == "busy"


def test_a_scenario_without_a_measured_job_is_left_empty_and_the_others_stay(run, variants: str, tmp_path: Path):
    out, quiet = tmp_path / "out", tmp_path / "quiet.toml"
    text = load_scenario("tiny", **{"arrivals.rate_jobs_s": 1e-6}).to_toml()
    quiet.write_text(text.replace('name = "tiny"', 'name = "quiet"'))
    ended = compare(run, out, f"{quiet},{variants}", "local,jsq")
    assert ended.status == 0, ended.err
    why = "jsq does not play in quiet: no job arrives in "
    assert why in (out / "matrix.md").read_text()
    frame = pd.read_csv(out / "matrix.csv").set_index(["policy", "scenario"])
    assert frame["reward_per_job"].isna().groupby("scenario").all().to_dict() == {
        "busy": False,
        "calm": False,
        "quiet": True,
    }
    assert not (out / "quiet").exists()
    assert {"calm", "busy"} <= {path.name for path in out.iterdir()}
    other = tmp_path / "still.toml"
    other.write_text(text.replace('name = "tiny"', 'name = "still"'))
    ended = compare(run, tmp_path / "none", f"{quiet},{other}", "local,jsq")
    assert (ended.status, ended.out) == (2, "")
    assert "edge6g: no job arrives in " in ended.err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("scenarios", "policies", "says"),
    [
        ("{both}", "runs/nowhere", "runs/nowhere fits none of the scenarios; calm: nowhere was trained without"),
        ("{both}", "greedi", "no policy 'greedi'"),
        (
            "{both},{both}",
            "greedy",
            "two scenarios are called busy: name it once, or give one of them another name in its TOML file",
        ),
        ("tiny,tinny", "greedy", "no scenario 'tinny'"),
    ],
)
def test_what_cannot_be_a_matrix_is_said(
    run, variants: str, trained: Path, tmp_path: Path, monkeypatch, scenarios: str, policies: str, says: str
):
    monkeypatch.chdir(tmp_path)
    ended = compare(run, tmp_path / "out", scenarios.format(both=variants), policies)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(f"edge6g: {says}")
    assert not (tmp_path / "out").exists()


def test_results_of_another_version_are_refused_before_anything_is_played(run, variants: str, tmp_path: Path):
    (tmp_path / "busy.json").write_text('{"scenario": "busy_v0", "fingerprint": "other", "rows": {}}')
    ended = compare(run, tmp_path / "out", variants, "local", "--keep", tmp_path)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("edge6g: busy.json is of another version of busy_v0, fingerprint other")
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "calm.json").exists()
