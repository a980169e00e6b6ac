"""`edge6g record`, and `compare --record`: files, refusals, what is said."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import eval.record.run
from agents.policy import rule_names
from eval.jobs import JOBS_FILE
from eval.record.run import FILES
from tests.cli.conftest import Run

SHORT = ("time.episode_s=6", "time.warmup_s=0", "time.drain_s=2", "arrivals.rate_jobs_s=6")
SET = [word for setting in SHORT for word in ("--set", setting)]
TINY = ("--scenario", "tiny", *SET)


def test_what_a_recording_leaves(run: Run, tmp_path: Path):
    """All files, of both policies on the same jobs; a GIF a policy; and the place of each is said."""
    out = tmp_path / "out"
    ended = run("record", *TINY, "--policies", "greedy,jsq", "--seed", "3", "--gif", "--out", out)
    assert ended.status == 0, ended.err
    gifs = ["replay.gif", "replay-2.gif"]
    assert {path.name for path in out.iterdir() if not path.name.startswith(".")} == {*FILES, *gifs, "run.json"}
    jobs = pd.read_csv(out / JOBS_FILE)
    assert set(jobs["seed"]) == {10_000_003}
    greedy, jsq = (jobs[jobs["policy"] == name] for name in ("greedy", "jsq"))
    assert greedy["job"].tolist() == jsq["job"].tolist()
    assert json.loads((out / "trace.json").read_text())["traceEvents"]
    assert np.array(Image.open(out / "nodes.png").convert("L")).std() > 10.0, "a picture, and no blank one"
    for name in gifs:
        with Image.open(out / name) as film:
            assert film.size == (800, 600)
            assert film.n_frames == 12, "two a second"
    for name in ("replay.html", "nodes.png", JOBS_FILE, "trace.json", *gifs):
        assert str(out / name) in ended.out
    assert f"{greedy['worth'].mean():.4f}" in ended.out
    assert json.loads((out / "run.json").read_text())["finished"] is True


def test_an_episode_without_a_job_is_recorded_as_it_is(run: Run, tmp_path: Path):
    ended = run(
        "record", *TINY, "--set", "arrivals.rate_jobs_s=1e-6", "--policies", "greedy", "--out", tmp_path / "out"
    )
    assert ended.status == 0, ended.err
    assert pd.read_csv(tmp_path / "out" / JOBS_FILE).empty
    assert ["greedy", "0"] in [line.split() for line in ended.out.splitlines()]
    assert json.loads((tmp_path / "out" / "run.json").read_text())["finished"] is True


def test_that_nothing_is_recorded_is_said(run: Run, tmp_path: Path):
    ended = run("compare", *TINY, "--policies", "greedy", "--seeds", "1", "--record", "--out", tmp_path / "out")
    assert ended.status == 0
    assert "nothing is recorded: there is no rule and another policy" in ended.err
    assert not (tmp_path / "out" / "record").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--policies", "greddy"), "greedy"),
        (("--policies", ""), "no policies"),
        (("--policies", "greedy,greedy"), "named twice"),
        (("--policies", "greedy", "jsq"), "commas"),
        (("--policies", ",".join(sorted(rule_names())[:9])), "at most 8"),
        (("--policies", "greedy", "--seed", "-1"), "--seed"),
    ],
)
def test_what_is_refused_leaves_nothing(run: Run, tmp_path: Path, words: tuple[str, ...], said: str):
    out = tmp_path / "out"
    ended = run("record", *TINY, *words, "--out", out)
    assert ended.status == 2
    assert said in ended.err
    assert not out.exists()


def test_an_earlier_run_stays_without_overwrite(run: Run, tmp_path: Path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    ended = run("record", *TINY, "--policies", "greedy", "--out", out)
    assert ended.status == 2
    assert [path.name for path in out.iterdir() if not path.name.startswith(".")] == ["notes.txt"]


def test_an_interrupted_one_goes_on_by_the_same_command(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    out, command = tmp_path / "out", ("record", *TINY, "--policies", "local", "--out", tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(eval.record.run, "record_episode", interrupted)
        assert run(*command).status == 130
    assert not (out / JOBS_FILE).exists()
    assert run(*command).status == 0
    assert (out / JOBS_FILE).exists()
    assert "--overwrite" in run(*command).err, "a finished one is not replaced"


def test_compare_records_where_its_policy_and_the_best_rule_differ_most(run: Run, tmp_path: Path):
    """And the command that it gives makes the same recording."""
    out = tmp_path / "out"
    ended = run("compare", *TINY, "--policies", "greedy,local", "--seeds", "3", "--record", "--out", out)
    assert ended.status == 0, ended.err
    summary = json.loads((out / "summary.json").read_text())
    found, episodes = summary["most_different"], pd.read_csv(out / "episodes.csv")
    table = episodes.pivot(index="seed", columns="policy", values="reward_per_job")
    apart = (table["greedy"] - table["local"]).abs()
    assert found["seed"] == apart.idxmax()
    assert {found["policy"], found["rule"]} == {"greedy", "local"}
    assert found["rule"] == summary["best_rule"]
    assert found["reward"] == pytest.approx(table.loc[found["seed"], found["policy"]])
    page = (out / "report.html").read_text()
    assert f"differ most on seed {found['seed']}" in page
    assert 'href="record/replay.html"' in page
    recorded = pd.read_csv(out / "record" / JOBS_FILE)
    rewards = recorded.groupby("policy")["worth"].mean()
    assert rewards[found["policy"]] == pytest.approx(found["reward"])
    assert rewards[found["rule"]] == pytest.approx(found["rule_reward"])
    words = shlex.split(found["command"])
    assert words[words.index("--scenario") + 1] == "tiny", "one that ships is called by its name"
    assert words[:2] == ["edge6g", "record"]
    assert run(*words[1:-1], tmp_path / "again").status == 0
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "again" / JOBS_FILE), recorded)
    for name, share in summary["busy_share"].items():
        assert len(share) == 3, name
        assert 0.0 < max(share) <= 1.0
    assert "Busy nodes" in page
