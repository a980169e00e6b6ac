"""`edge6g study` from the command line: what it refuses, and one study with trainings of seconds."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from edge6g.errors import CommandError
from edge6g.training import train_options
from train.checkpoint import read_record

SHORT = ("--set", "time.episode_s=8.0", "--set", "time.drain_s=3.0", "--set", "arrivals.rate_jobs_s=8.0")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--seeds", 1), "Invalid value for '--seeds': "),
        (("--algo", "dqn"), "no algorithm 'dqn': there are scorer, "),
        (("--variant", "own=--with credt=own"), "credt"),
        (("--variant", "own=--limit slo_mis=0.1"), "slo_mis"),
        (("--variant", "wide=--vary foo=1:2"), "foo"),
        (("--options", "--vary nodes.count=1"), "--vary nodes.count=1: it must be KEY=LOW:HIGH"),
        (("--algo", ","), "no algorithm to train: there are scorer, "),
        (("--algo", "search,search"), "search is there twice: each algorithm and variant has a name of its own"),
        (("--minutes", 1, "--decisions", 1000), "--minutes and --decisions are two ways to say how long to train"),
        (("--variant", "wide"), "--variant wide: must be NAME=OPTIONS"),
        (("--variant", "greedy=--threads 2"), "--variant greedy=--threads 2: 'greedy' cannot name one: "),
        (("--variant", "a/b=--threads 2"), "'a/b' cannot name one"),
        (("--variant", "x-picked=--threads 2"), "'x-picked' cannot name one"),
        (("--variant", "wide=--threads"), "'--threads' requires an argument"),
        (("--variant", "wide=--threads none"), "Invalid value for '--threads'"),
        (("--variant", "wide=--wide 2"), "No such option: --wide"),
        (("--variant", "wide=two"), "unexpected extra argument"),
        (("--variant", "wide=--seed 3"), "wide: --seed is the study's own option"),
        (("--variant", "wide=--minutes 3"), "wide: --minutes is the study's own option"),
        (("--options=--out elsewhere",), "--out is the study's own option"),
        (("--options=--help",), "--help is no option to train with"),
        (("--options", "'"), "--options ': No closing quotation"),
        (("--variant", "wide=--algo dqn"), "no algorithm 'dqn'"),
        (("--rules", "gredy"), "no policy 'gredy'"),
        (("--scenario", "tinny"), "tinny"),
        # What only a training itself refuses: before the first cell, not after hours.
        (("--variant", "b=--algo ppo --limit slo_miss=0.1"), "--limit: ppo keeps no limits"),
        (("--variant", "b=--algo scorer --with stage_a=1"), "stage_a = 1: it must be a share of the budget"),
        (("--variant", "b=--algo search --with population=1"), "population"),
        (("--variant", "b=--algo ppo --vary nodes.count=2:4"), "nodes.count"),
        (("--variant", "b=--algo search --num-worlds 4"), "--num-worlds is for ppo, mappo"),
        (("--algo", "ppo", "--options", "--workers 2"), "--workers: ppo steps its worlds in one process"),
        (("--seed", 1_000_000), "Invalid value for '--seed'"),
    ],
)
def test_what_cannot_be_studied_is_said_and_leaves_nothing(run, tmp_path: Path, words: tuple[object, ...], says: str):
    ended = run("study", "--scenario", "tiny", "--out", tmp_path / "study", *words)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("edge6g: ")
    assert says in ended.err
    assert ended.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_options_of_train_are_read_as_it_reads_them():
    assert train_options(["--algo", "ppo", "--threads", "2"]) == {"algo": "ppo", "threads": 2}
    with pytest.raises(CommandError, match="edge6g train --threads 0: Invalid value for '--threads'"):
        train_options(["--threads", "0"])


def test_a_study_of_seconds(run, tmp_path: Path):
    """Two seeds of `ppo` are trained by `edge6g train`, as their records say, and compared."""
    out = tmp_path / "study"
    words = ("study", "--scenario", "tiny", *SHORT, "--algo", "ppo", "--seeds", 2, "--seed", 4, "--minutes", 0.01)
    ended = run(*words, "--options", "--num-worlds 4", "--jobs", 2, "--episodes", 3, "--rules", "local", "--out", out)
    assert ended.status == 0, ended.err
    record = json.loads((out / "study.json").read_text())
    for seed in (4, 5):
        made = read_record(out / "ppo" / f"seed-{seed}")
        assert (made["algo"], made["seed"], made["trained_on"]) == ("ppo", seed, record_label(out))
        assert made["minutes"] >= 0.01
        assert record["arms"]["ppo"]["cells"][str(seed)]["cpu_minutes"] > 0.0
    policies = {"local", "ppo/seed-4", "ppo/seed-5", "ppo-picked"}
    assert set(pd.read_csv(out / "compare" / "episodes.csv")["policy"]) == policies
    for said in ("gains are over", str(out / "report.md")):
        assert said in " ".join(ended.out.split())
    assert "over training seeds" in (out / "report.md").read_text(encoding="utf-8")


def record_label(out: Path) -> str:
    """What was played, as the comparison says."""
    return json.loads((out / "compare" / "summary.json").read_text())["played_on"]
