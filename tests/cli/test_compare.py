"""`edge6g compare` from the command line to the files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import edge6g.playing
import edge6g_env
import eval.episodes
from agents.policy import Observation, make_rule, rule_names
from edge6g_env.scenario import Scenario, load_scenario
from edge6g_env.spaces import Layout
from eval import EVALUATION_SEED
from eval.files import RunFolderError, begin_run, only_owner

FIXED_COLUMNS = [
    "policy", "seed", "reward_per_job", "slo_attainment", "goodput_jobs_per_s", "ttft_mean_s", "ttft_p95_s",
    "ttft_p99_s", "tpot_mean_s", "energy_j_per_job", "price_per_job", "air_bytes_per_job", "backhaul_bytes_per_job",
    "exposure_mean", "quality_mean", "rejected_share", "decision_us_mean", "jobs",
]  # fmt: skip
SEEDS = [EVALUATION_SEED, EVALUATION_SEED + 1, EVALUATION_SEED + 2]


def compare(run, out: Path, policies: str, *more: object):
    return run("compare", "--scenario", "tiny", "--seeds", 3, "--policies", policies, "--out", out, *more)


def test_compare_writes_every_file_and_says_where(run, tmp_path: Path):
    out = tmp_path / "compare"
    ended = compare(run, out, "local,greedy")
    assert ended.status == 0
    names = {"run.json", "scenario.toml", "episodes.csv", "jobs.csv.gz", "summary.json", "table.csv", "table.tex"}
    names |= {"comparison.png", "comparison.svg", "report.html", "tensorboard"}
    assert {path.name for path in out.iterdir()} == names
    for text in ("local", "greedy", f"tensorboard --logdir {out / 'tensorboard'}", str(out / "report.html")):
        assert text in ended.out
    episodes = pd.read_csv(out / "episodes.csv")
    assert episodes.columns[: len(FIXED_COLUMNS)].tolist() == FIXED_COLUMNS
    assert episodes.groupby("policy")["seed"].apply(list).to_dict() == {"greedy": SEEDS, "local": SEEDS}
    assert (episodes["jobs"] > 0).all()
    summary = json.loads((out / "summary.json").read_text())
    best = episodes.groupby("policy")["reward_per_job"].mean().idxmax()
    assert summary["best_rule"] == best
    difference = next(p for name, p in summary["policies"].items() if name != best)["difference_to_best_rule"]
    assert set(FIXED_COLUMNS[2:]) <= set(difference)
    assert all(path.is_file() for path in (out / "tensorboard").iterdir())
    jobs = pd.read_csv(out / "jobs.csv.gz")
    worth = jobs.groupby(["policy", "seed"])["worth"].mean()
    np.testing.assert_allclose(
        episodes.set_index(["policy", "seed"])["reward_per_job"],
        worth.reindex(episodes.set_index(["policy", "seed"]).index),
    )
    assert pd.read_csv(out / "table.csv")["policy"].tolist()[0] == max(
        summary["policies"], key=lambda name: summary["policies"][name]["metrics"]["reward_per_job"]["iqm"]
    )
    assert (
        f"edge6g compare --scenario tiny --seeds 3 --policies local,greedy --out {out}"
        in (out / "report.html").read_text()
    )


@pytest.mark.usefixtures("undrawn")
def test_an_earlier_run_is_replaced_only_when_told_to(run, tmp_path: Path):
    out = tmp_path / "compare"
    assert compare(run, out, "local").status == 0
    (out / "notes.txt").write_text("mine")
    refused = compare(run, out, "jsq")
    assert (refused.status, refused.err.count("\n")) == (2, 1)
    assert "holds another run" in refused.err
    assert pd.read_csv(out / "episodes.csv")["policy"].unique().tolist() == ["local"]
    assert compare(run, out, "jsq", "--overwrite").status == 0
    assert pd.read_csv(out / "episodes.csv")["policy"].unique().tolist() == ["jsq"]
    assert len(list((out / "tensorboard").iterdir())) == 1
    assert (out / "notes.txt").read_text() == "mine"


@pytest.mark.usefixtures("undrawn")
def test_overwrite_removes_all_that_the_earlier_run_made(run, tmp_path: Path):
    """A comparison in one scenario after one in several, and the other way round; what somebody else put there stays."""
    out, other = tmp_path / "compare", tmp_path / "other.toml"
    other.write_text(load_scenario("tiny").to_toml().replace('name = "tiny"', 'name = "other"'))
    short = (
        "--seeds",
        1,
        "--policies",
        "local",
        "--out",
        out,
        "--set",
        "time.episode_s=12.0",
        "--set",
        "time.drain_s=4.0",
    )
    for scenarios in ("tiny", f"tiny,{other}", "tiny"):
        ended = run("compare", "--scenario", scenarios, *short, "--overwrite")
        assert ended.status == 0, ended.err
        matrix = {"matrix.json", "matrix.csv", "matrix.md", "tiny", "other"}
        single = {"episodes.csv", "summary.json", "table.csv", "jobs.csv.gz", "tensorboard", "scenario.toml"}
        there = {path.name for path in out.iterdir()}
        assert (matrix <= there) == (single.isdisjoint(there)) == ("," in scenarios)
        assert single <= there or single.isdisjoint(there)
        (out / "notes.txt").write_text("mine")
    record = json.loads((out / "run.json").read_text())
    (out / "run.json").write_text(json.dumps({**record, "makes": ["../kept.txt", "..", 7, "notes"]}))
    (tmp_path / "kept.txt").write_text("mine")
    assert run("compare", "--scenario", "tiny", *short, "--overwrite").status == 0
    assert (tmp_path / "kept.txt").exists()
    assert (out / "notes.txt").read_text() == "mine"


@pytest.mark.usefixtures("undrawn")
def test_what_was_measured_is_kept_where_no_validation_seed_measures_a_job(run, tmp_path: Path, monkeypatch):
    def nothing(*_):
        raise eval.episodes.NothingMeasuredError("no job arrives there")

    monkeypatch.setattr("eval.compare._validated", nothing)
    ended = compare(run, tmp_path / "out", "local", "--keep", tmp_path / "results")
    assert ended.status == 0, ended.err
    assert "on validation seeds no job arrives there" in ended.err
    row = json.loads((tmp_path / "results" / "tiny.json").read_text())["rows"]["local"]
    assert row["validation"] is None
    assert pd.read_csv(tmp_path / "out" / "episodes.csv")["policy"].unique().tolist() == ["local"]


@pytest.mark.usefixtures("undrawn")
def test_a_place_for_results_that_is_none_is_said_before_anything_is_played(run, tmp_path: Path):
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        ended = run("compare", "--scenario", "tiny", "--policies", "local", "--keep", place, "--out", tmp_path / "out")
        assert (ended.status, ended.out) == (2, "")
        assert ended.err == f"edge6g: --keep {place}: {tmp_path / 'file'} is a file: name a folder for results\n"
        assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("undrawn")
def test_settings_reach_the_world(run, tmp_path: Path):
    compare(run, tmp_path / "calm", "local")
    compare(run, tmp_path / "busy", "local", "--set", "arrivals.rate_jobs_s=6.0")
    calm, busy = (pd.read_csv(tmp_path / name / "episodes.csv")["jobs"].sum() for name in ("calm", "busy"))
    assert 2.0 < busy / calm < 4.5  # three times the jobs, give or take


@pytest.mark.usefixtures("undrawn")
def test_another_seed_plays_other_worlds(run, tmp_path: Path):
    compare(run, tmp_path / "a", "local", "--seed", 3)
    assert pd.read_csv(tmp_path / "a" / "episodes.csv")["seed"].tolist() == [seed + 3 for seed in SEEDS]


@pytest.mark.usefixtures("undrawn")
def test_a_planner_is_marked_and_no_best_rule_and_a_short_horizon_is_warned_of(run, tmp_path: Path):
    planner = "clairvoyant:base=greedy:k=3:horizon_s=8"
    ended = compare(run, tmp_path / "out", f"local,mine={planner}", "--set", "time.episode_s=68")
    assert ended.status == 0
    assert ended.err.count("edge6g: warning: horizon_s = 8 of clairvoyant is shorter than the longest load") == 1
    assert "mine: privileged" in ended.out
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["best_rule"], summary["policies"]["mine"]["kind"]) == ("local", "planner")
    episodes = pd.read_csv(tmp_path / "out" / "episodes.csv")
    assert episodes[episodes["policy"] == "mine"]["seed"].tolist() == SEEDS
    refused = compare(run, tmp_path / "no", "clairvoyant:base=round-robin")
    assert refused.status == 2
    assert refused.err.startswith(
        "edge6g: clairvoyant goes on by its base policy within the kernel, and RoundRobin has no"
    )


class Learned:
    """A checkpoint that copies a rule: `local`, or the one that its folder's name ends with."""

    privileged, needs_candidates = False, True
    algo, trained_on = "copycat", "campus_v0"

    def __init__(self, folder: Path, scenario: Scenario) -> None:
        last = folder.name.rsplit("-", 1)[-1]
        self._rule = make_rule(last if last in rule_names() else "local", Layout(scenario))
        self.hparams = {"algo": "copycat", "seed": 3}

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        return self._rule.act(obs, rng)


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(edge6g.playing, "load_checkpoint", Learned)
    for name in ("x", "seed-local", "seed-greedy", "seed-jsq"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "checkpoint.json").write_text(name)
    return tmp_path / "runs"


@pytest.mark.usefixtures("undrawn")
def test_the_folder_of_a_checkpoint_is_a_learned_policy(run, trained: Path, tmp_path: Path):
    ended = compare(
        run, tmp_path / "out", f"local,mine={trained}/x/,{trained}/seed-local", "--set", "arrivals.rate_jobs_s=3"
    )
    assert ended.status == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    kinds = {name: policy["kind"] for name, policy in summary["policies"].items()}
    assert kinds == {"local": "rule", "mine": "learned", "copycat:seed-local": "learned"}
    reward = summary["policies"]["mine"]["difference_to_best_rule"]["reward_per_job"]
    assert (reward["iqm"], reward["low"], reward["high"]) == (0.0, 0.0, 0.0)
    assert summary["policies"]["mine"]["trained_on"] == "campus_v0"
    assert summary["played_on"] == "tiny_v0, arrivals.rate_jobs_s = 3"
    assert {"version", "date", "commit", "command"} <= set(summary)
    for text in (ended.out, (tmp_path / "out" / "report.html").read_text()):
        assert "mine: trained on campus_v0; played on tiny_v0, arrivals.rate_jobs_s = 3" in text
    assert {path.name for path in (tmp_path / "out" / "tensorboard").iterdir() if path.is_dir()} == {
        "mine", "copycat-seed-local",
    }  # fmt: skip


@pytest.mark.usefixtures("undrawn")
def test_a_named_pattern_is_one_policy_over_checkpoints_and_seeds(run, trained: Path, tmp_path: Path):
    out = tmp_path / "out"
    assert compare(run, out, f"jsq,mine={trained}/seed-*").status == 0
    episodes = pd.read_csv(out / "episodes.csv")
    members = [f"mine/seed-{rule}" for rule in ("greedy", "jsq", "local")]
    assert set(episodes["policy"]) == {"jsq", *members} == set(pd.read_csv(out / "jobs.csv.gz")["policy"])
    summary = json.loads((out / "summary.json").read_text())
    group = summary["policies"]["mine"]
    assert (group["kind"], group["checkpoints"], set(summary["policies"])) == ("learned", 3, {"jsq", "mine"})
    rewards = episodes[episodes["policy"].isin(members)]["reward_per_job"]
    assert group["metrics"]["reward_per_job"]["mean"] == pytest.approx(rewards.mean())
    assert group["metrics"]["reward_per_job"]["n"] == episodes["seed"].nunique()
    assert "intervals are Student's over training seeds" in summary["note"]
    assert sum(service["jobs"] for service in group["services"].values()) == 3 * sum(
        service["jobs"] for service in summary["policies"]["jsq"]["services"].values()
    )


@pytest.mark.usefixtures("undrawn")
def test_an_interrupted_comparison_goes_on_with_what_is_missing(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out, whole, play = tmp_path / "out", tmp_path / "whole", eval.episodes.run_episodes
    played: list[str] = []

    def once(name: str, *arguments: object) -> object:
        if name == "jsq" and played == ["local"]:
            raise KeyboardInterrupt
        played.append(name)
        return play(name, *arguments)

    monkeypatch.setattr(eval.episodes, "run_episodes", once)
    stopped = compare(run, out, "local,jsq")
    assert stopped.status == 130
    assert "the same command goes on with the rest" in stopped.err
    assert compare(run, out, "local").err.startswith(f"edge6g: {out} holds another run")
    played.append("elsewhere")
    assert compare(run, out, "local,jsq").status == 0
    assert played == ["local", "elsewhere", "jsq"]
    assert "holds another run" in compare(run, out, "local,jsq").err
    assert not (out / "played").exists()
    assert compare(run, whole, "local,jsq").status == 0
    assert (out / "jobs.csv.gz").read_bytes() == (whole / "jobs.csv.gz").read_bytes()
    mine, other = (pd.read_csv(folder / "episodes.csv").drop(columns="decision_us_mean") for folder in (out, whole))
    pd.testing.assert_frame_equal(mine, other)


@pytest.mark.parametrize("command", [("compare", "--policies"), ("usage", "--policy")])
def test_no_measured_job_is_said_and_nothing_is_left(run, tmp_path: Path, command: tuple[str, str]):
    name, option = command
    settings = ("--scenario", "tiny", "--seeds", 2, "--set", "arrivals.rate_jobs_s=0.0001")
    ended = run(name, *settings, option, "local", "--out", tmp_path / "out")
    assert (ended.status, ended.out) == (2, "")
    assert "edge6g: no job arrives in 4 to 20 s, where jobs are measured" in ended.err
    assert not (tmp_path / "out").exists()


def test_blanks_between_policies_are_said(run, tmp_path: Path):
    ended = run("compare", "--policies", "local", "jsq", "--out", tmp_path / "out")
    assert ended.status == 2
    assert "with commas between, not blanks: --policies local,jsq" in ended.err
    ended = run("usage", "--policy", "local", "jsq", "--out", tmp_path / "out")
    assert (ended.status, "takes one policy" in ended.err) == (2, True)


@pytest.mark.usefixtures("undrawn")
def test_the_scenario_beside_the_results_is_the_one_that_was_played(run, tmp_path: Path):
    out = tmp_path / "out"
    assert compare(run, out, "local", "--set", "arrivals.rate_jobs_s=3").status == 0
    record = json.loads((out / "run.json").read_text())
    assert record["changes"] == {"arrivals.rate_jobs_s": 3}
    assert load_scenario(out / "scenario.toml").fingerprint == record["fingerprint"]
    assert (record["kind"], record["version"], record["finished"]) == ("compare", edge6g_env.__version__, True)
    assert {"command", "commit", "date", "machine", "cores"} <= set(record)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_something_else_is_never_touched(tmp_path: Path, overwrite: bool):
    (tmp_path / "episodes.csv").write_text("mine")
    with pytest.raises(RunFolderError, match="not of a run"):
        begin_run(tmp_path, "compare", ["episodes.csv"], {}, overwrite=overwrite)
    begin_run(tmp_path / "trained", "train", ["checkpoint"], {}, overwrite=False)
    with pytest.raises(RunFolderError, match="a run of `edge6g train`"):
        begin_run(tmp_path / "trained", "compare", ["checkpoint"], {}, overwrite=overwrite)
    with pytest.raises(RunFolderError, match="is a file"):
        begin_run(tmp_path / "episodes.csv", "compare", [], {}, overwrite=overwrite)
    assert (tmp_path / "episodes.csv").read_text() == "mine"


def test_a_link_is_removed_and_what_it_leads_to_stays(tmp_path: Path):
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "keep").write_text("mine")
    begin_run(out, "compare", ["tensorboard"], {}, overwrite=False)
    (out / "tensorboard").symlink_to(elsewhere)
    begin_run(out, "compare", ["tensorboard"], {"command": "again"}, overwrite=True)
    assert json.loads((out / "run.json").read_text()) == {
        "kind": "compare",
        "command": "again",
        "makes": ["tensorboard"],
    }
    assert not (out / "tensorboard").exists()
    assert (elsewhere / "keep").read_text() == "mine"


def test_a_second_comparison_in_the_same_folder_is_refused_while_the_first_goes_on(run, tmp_path: Path):
    out = tmp_path / "out"
    with only_owner(out):
        ended = compare(run, out, "local")
    assert (ended.status, ended.out) == (2, "")
    assert ended.err == f"edge6g: another process works in {out}: wait until it ends, or choose another --out\n"
    assert not out.exists()
