"""Policies of one's own from the command line: compared, marked, stopped at an illegal action, never run by what is only read."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
import pytest

import eval.episodes
from eval.files import read_object

CODE = """
import numpy as np
from agents.policy import make_rule

class Mine:
    privileged = {privileged}
    needs_candidates = True

    def __init__(self, layout):
        self.rule = make_rule("greedy", layout)

    def act(self, obs, rng):
        actions = self.rule.act(obs, rng)
        return {actions}

def make(layout):
    open({marker!r}, "a").write("ran")
    return Mine(layout)
"""
ILLEGAL = "np.where(obs['action_mask'].sum(axis=-1) > 1, 10_000, actions)"
TINY = ("--scenario", "tiny", "--seeds", 3, "--set", "time.episode_s=14", "--set", "time.drain_s=8")
SHORT = ("--set", "service.chat.expire_s=8", "--set", "service.assistant.expire_s=8", "--set", "time.warmup_s=1")


@pytest.fixture(autouse=True)
def in_a_new_place(undrawn: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """A file that is there when the code has run."""
    return tmp_path / "ran"


def write(path: Path, marker: Path, actions: str = "actions", privileged: bool = False) -> str:
    path.write_text(CODE.format(marker=str(marker), actions=actions, privileged=privileged))
    return f"{path}:make"


def compare(run, out: Path, policies: str, *more: object):
    return run("compare", *TINY, *SHORT, "--policies", policies, "--out", out, *more)


def test_code_is_compared_and_never_the_best_rule(run, tmp_path: Path, marker: Path):
    """It copies `greedy`, which is better than `local`: it is neither the best rule nor in the file of results as one that could be."""
    out, results = tmp_path / "out", tmp_path / "results"
    mine, sees = (write(tmp_path / f"{name}.py", marker, privileged=name == "sees") for name in ("mine", "sees"))
    ended = compare(run, out, f"local,mine={mine},other={sees}", "--keep", results)
    assert ended.status == 0, ended.err
    summary = json.loads((out / "summary.json").read_text())
    policies = summary["policies"]
    assert (summary["best_rule"], policies["mine"]["kind"]) == ("local", "own")
    assert policies["mine"]["difference_to_best_rule"]["reward_per_job"]["low"] > 0.0
    assert {name: one["privileged"] for name, one in policies.items()} == {"local": False, "mine": False, "other": True}
    for text in (ended.out, (out / "report.html").read_text()):
        assert "other: code of one&#x27;s own; privileged" in text.replace("one's", "one&#x27;s")
    kept = json.loads((results / "tiny.json").read_text())["rows"]
    assert (kept["mine"]["kind"], kept["mine"]["validation"], kept["mine"]["policy"]) == ("own", None, f"mine={mine}")
    assert (kept["other"]["privileged"], "privileged" in kept["mine"]) == (True, False)
    marker.unlink()
    ended = run("verify", *TINY[:2], *TINY[4:], *SHORT, "--results", results, "--row", "mine")
    assert (ended.status, marker.exists()) == (0, False)
    assert f"mine: not played, it is code of one's own: `edge6g compare --policies mine={mine}` runs it" in ended.out
    assert "0 of 1 rows agree; 1 not played" in ended.out


def test_a_results_file_runs_no_code_whatever_it_calls_it(run, tmp_path: Path, marker: Path):
    results = tmp_path / "results"
    assert compare(run, tmp_path / "out", "local", "--keep", results).status == 0
    whole = json.loads((results / "tiny.json").read_text())
    whole["rows"]["local"]["policy"] = write(tmp_path / "mine.py", marker)
    (results / "tiny.json").write_text(json.dumps(whole))
    ended = run("verify", *TINY[:2], *TINY[4:], *SHORT, "--results", results)
    assert (ended.status, marker.exists()) == (1, False)
    assert "names code, which runs only where the command line itself names it" in ended.out


def test_an_illegal_action_ends_the_run_and_what_was_played_is_kept(
    run, tmp_path: Path, marker: Path, monkeypatch: pytest.MonkeyPatch
):
    """The same command goes on when the code is mended; what is whole, code among it, is not played again."""
    out, play = tmp_path / "out", eval.episodes.run_episodes
    played: list[str] = []

    def noted(name: str, *arguments: object) -> object:
        episodes = play(name, *arguments)
        played.append(name)
        return episodes

    monkeypatch.setattr(eval.episodes, "run_episodes", noted)
    good, bad = write(tmp_path / "good.py", marker), write(tmp_path / "bad.py", marker, ILLEGAL)
    words = f"local,good={good},bad={bad}"
    ended = compare(run, out, words)
    assert (ended.status, ended.out) == (2, "")
    (said,) = [line for line in ended.err.splitlines() if line.startswith("edge6g: ")]
    assert said.startswith(f"edge6g: bad={bad}: node_")
    assert "chose action 10000 at" in said
    assert "s of the episode of seed 1000000" in said
    assert "what was played is kept: the same command goes on with the rest" in ended.err
    assert (played, read_object(out / "run.json")["finished"]) == (["local", "good"], False)
    write(tmp_path / "bad.py", marker)
    assert compare(run, out, words).status == 0
    assert played == ["local", "good", "bad"]
    rewards = pd.read_csv(out / "episodes.csv").pivot(index="seed", columns="policy", values="reward_per_job")
    assert rewards["bad"].tolist() == rewards["good"].tolist()


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("", "there is no 'make' in it"),
        ("def make(layout): return 3", "returned an object of int, which has no act(obs, rng)"),
        ("make = 3", "'make' is no function of a layout"),
    ],
)
@pytest.mark.parametrize("command", [("compare", "--policies"), ("usage", "--policy"), ("study", "--rules")])
def test_what_is_no_policy_is_one_sentence_and_nothing_is_left(run, tmp_path: Path, command, code: str, says: str):
    (tmp_path / "mine.py").write_text(code)
    name, option = command
    ended = run(name, "--scenario", "tiny", option, f"mine={tmp_path}/mine.py:make", "--out", tmp_path / "out")
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert ended.err.startswith(f"edge6g: mine={tmp_path}/mine.py:make")
    assert says in ended.err
    assert not (tmp_path / "out").exists()


def test_usage_looks_at_code(run, tmp_path: Path, marker: Path):
    """With a column frozen its mask is narrower, and it has to keep to that; a copy of a rule that does has the rule's usage."""
    word = f"mine={write(tmp_path / 'mine.py', marker)}"
    scenario = ("--scenario", "tiny", "--seeds", 1, *TINY[4:], *SHORT)
    grid = (
        "--set",
        "actions.device_split=[0.0, 1.0]",
        "--set",
        "actions.edge_split=[0.0]",
        "--set",
        'actions.precision=["int4"]',
    )
    mine, theirs = (
        run("usage", *scenario, *grid, "--policy", policy, "--out", tmp_path / name)
        for name, policy in (("a", word), ("b", "greedy"))
    )
    assert (mine.status, theirs.status) == (0, 0), mine.err
    found = [json.loads((tmp_path / name / "usage.json").read_text()) for name in ("a", "b")]
    assert found[0]["columns"] == found[1]["columns"]
