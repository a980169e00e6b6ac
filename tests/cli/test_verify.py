"""`edge6g compare --keep` and `edge6g verify`: what is kept is played again and agrees; a changed digit is found."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import edge6g.playing
from agents.policy import make_rule
from edge6g_env.scenario import load_scenario
from edge6g_env.spaces import Layout
from eval import EVALUATION_SEED
from eval.compare import _candidates
from eval.result_files import keep, read

POLICIES = ("local", "random", "static")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def kept(run, folder: Path, undrawn: None) -> Path:
    """A folder with the results of three rules on three seeds; they are played once."""
    if not (folder / "results" / "tiny.json").exists():
        where = ("--out", folder / "out", "--keep", folder / "results")
        ended = run("compare", "--scenario", "tiny", "--seeds", 3, "--policies", ",".join(POLICIES), *where)
        assert ended.status == 0, ended.err
    return folder


def verify(run, results: Path, *more: object):
    return run("verify", "--scenario", "tiny", "--results", results, *more)


def test_what_is_kept_is_what_was_played(kept: Path):
    found = read(kept / "results" / "tiny.json")
    episodes = pd.read_csv(kept / "out" / "episodes.csv").set_index(["policy", "seed"])["reward_per_job"]
    assert set(found.rows) == set(POLICIES)
    for name in POLICIES:
        assert found.rewards(name) == episodes[name].round(6).to_dict()
        assert found.rows[name]["validation"]["seeds"] == 3
    assert found.best_rule == "static"


def test_every_row_agrees_with_itself(run, kept: Path):
    ended = verify(run, kept / "results")
    assert (ended.status, ended.out.splitlines()[-1]) == (0, "3 of 3 rows agree")
    assert "tiny: local: agrees on 3 seeds" in ended.out


def test_one_that_draws_agrees_on_some_of_its_seeds(run, kept: Path):
    ended = verify(run, kept / "results", "--row", "random,local", "--seeds", 2)
    assert ended.status == 0
    assert "tiny: random: agrees on 2 seeds" in ended.out
    assert "tiny: local: agrees on 2 seeds" in ended.out


def test_a_changed_digit_is_found(run, kept: Path, tmp_path: Path):
    content = json.loads((kept / "results" / "tiny.json").read_text())
    reward = content["rows"]["local"]["rewards"][1]
    content["rows"]["local"]["rewards"][1] = round(reward + 1e-6, 6)
    (tmp_path / "tiny.json").write_text(json.dumps(content))
    ended = verify(run, tmp_path)
    assert (ended.status, ended.out.splitlines()[-1]) == (1, "2 of 3 rows agree")
    assert (
        f"tiny: local: 1 of 3 seeds differ, first {EVALUATION_SEED + 1}: {reward} now, {reward + 1e-6:.6f}" in ended.out
    )
    assert verify(run, tmp_path, "--row", "local", "--seeds", 1).status == 0  # the digit is in the second


def test_what_cannot_be_played_any_more_does_not_agree(run, kept: Path, tmp_path: Path):
    content = json.loads((kept / "results" / "tiny.json").read_text())
    local = content["rows"]["local"]
    content["rows"] = {
        "mine": local | {"policy": "mine=gone"},
        "kept": local | {"policy": "kept=runs/gone", "kind": "learned"},
        "tuned": local | {"policy": "tuned=runs/gone.json"},
        "clairvoyant": local | {"policy": "clairvoyant:base=runs/gone", "kind": "planner"},
    }
    (tmp_path / "tiny.json").write_text(json.dumps(content))
    ended = verify(run, tmp_path)
    assert (ended.status, ended.out.splitlines()[-1]) == (1, "0 of 4 rows agree; 3 not played")
    assert "tiny: mine: cannot be played: no policy 'gone'" in ended.out
    assert "tiny: kept: not played, runs/gone is not at hand" in ended.out
    assert "tiny: tuned: not played, runs/gone.json is not at hand" in ended.out
    assert "tiny: clairvoyant: not played, runs/gone is not at hand" in ended.out


def test_nothing_to_verify_is_said(run, kept: Path, tmp_path: Path):
    content = json.loads((kept / "results" / "tiny.json").read_text())
    (tmp_path / "mine.json").write_text(json.dumps(content))
    ended = run("verify", "--results", tmp_path)
    assert (
        ended.err == f"edge6g: {tmp_path} has mine.json, of no scenario that ships: say --scenario path/to/FILE.toml\n"
    )
    (tmp_path / "tiny.json").write_text(json.dumps({**content, "rows": {}}))
    ended = verify(run, tmp_path)
    assert (ended.status, ended.err) == (2, "edge6g: tiny.json has no rows: there is nothing to play\n")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--row", "locl"), "tiny.json has no row 'locl': there are static, local, random; did you mean local?"),
        (("--row", "local,nobody"), "tiny.json has no row 'nobody'"),
        (("--set", "arrivals.rate_jobs_s=3"), "tiny.json is of another version of tiny_v0"),
        (("--scenario", "campus"), "no results of campus are in"),
        (("--scenario", ""), "no scenario '': there are "),
    ],
)
def test_what_cannot_be_verified_is_said(run, kept: Path, more: tuple[str, ...], says: str):
    ended = verify(run, kept / "results", *more)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(f"edge6g: {says}")


def test_a_folder_without_results_is_said(run, tmp_path: Path):
    ended = run("verify", "--results", tmp_path)
    assert (ended.status, ended.err) == (
        2, f"edge6g: no results are in {tmp_path}: `edge6g compare --keep` writes them\n",
    )  # fmt: skip


def test_only_what_is_clearly_worse_on_the_first_seeds_is_no_candidate():
    """A difference of 1 with a standard error of 0.1 is clear, of 0.2 with 0.1 is not; the best stays."""
    noise = 0.1 * np.sqrt(6) * np.array([1, -1, 1, -1, 1, -1]) / np.sqrt(6 / 5)  # standard error 0.1
    rewards = {"best": np.zeros(6), "near": -0.2 + noise, "far": -1.0 + noise}
    assert _candidates(["far", "near", "best"], {name: list(one) for name, one in rewards.items()}) == ["near", "best"]
    assert _candidates(["far", "best"], {}) == ["far", "best"]


def test_a_learned_row_is_played_where_its_checkpoints_are_at_hand(run, kept: Path, tmp_path: Path, monkeypatch):
    """A group's rewards are the means of its members; without the folders it neither agrees nor differs, and what trains it is said."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        edge6g.playing, "load_checkpoint", lambda folder, scenario: make_rule(folder.name, Layout(scenario))
    )
    results = read(kept / "results" / "tiny.json")
    mean = [
        round((a + b) / 2.0, 6) for a, b in zip(*(results.rows[n]["rewards"] for n in ("local", "static")), strict=True)
    ]
    training = {
        "command": "edge6g study --algo copycat --out runs/study",
        "algo": "copycat",
        "options": "",
        "seeds": [0, 1],
    }
    training |= {name: [0, 0] for name in ("decisions", "minutes", "cpu_minutes", "rewards", "validation")}
    group = {
        **results.rows["local"],
        "policy": "copycat=runs/*",
        "kind": "learned",
        "rewards": mean,
        "training": training,
    }
    keep(tmp_path / "results", load_scenario("tiny"), {"copycat": group, "local": results.rows["local"]})
    ended = verify(run, tmp_path / "results")
    assert (ended.status, ended.out.splitlines()[-1]) == (0, "1 of 2 rows agree; 1 not played")
    assert f"not at hand; they were trained by: {training['command']}" in ended.out
    for rule in ("local", "static"):
        (tmp_path / "runs" / rule).mkdir(parents=True)
    assert verify(run, tmp_path / "results").out.splitlines()[-1] == "2 of 2 rows agree"
    keep(
        tmp_path / "results",
        load_scenario("tiny"),
        {"copycat": group | {"rewards": [mean[0], mean[1] + 1e-6, mean[2]]}},
    )
    ended = verify(run, tmp_path / "results", "--row", "copycat")
    assert (ended.status, ended.out.splitlines()[-1]) == (1, "0 of 1 rows agree")
    assert "1 of 3 seeds differ, first 10000001" in ended.out
