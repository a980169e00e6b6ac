"""`edge6g compare` from the command line to the files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import edge6g
from agents.policy import Observation, Policy, make_rule
from edge6g_env.scenario import Scenario
from edge6g_env.spaces import Layout
from eval import EVALUATION_SEED
from eval.files import RunFolderError, begin_run

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
    names = {"run.json", "episodes.csv", "summary.json", "comparison.png", "report.html", "tensorboard"}
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
    assert {path.name for path in (out / "tensorboard").iterdir()} == {"local", "greedy"}
    assert (
        f"edge6g compare --scenario tiny --seeds 3 --policies local,greedy --out {out}"
        in (out / "report.html").read_text()
    )


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
    assert [path.name for path in (out / "tensorboard").iterdir()] == ["jsq"]
    assert (out / "notes.txt").read_text() == "mine"


def test_settings_reach_the_world(run, tmp_path: Path):
    compare(run, tmp_path / "calm", "local")
    compare(run, tmp_path / "busy", "local", "--set", "arrivals.rate_jobs_s=6.0")
    calm, busy = (pd.read_csv(tmp_path / name / "episodes.csv")["jobs"].sum() for name in ("calm", "busy"))
    assert 2.0 < busy / calm < 4.5  # three times the jobs, give or take


def test_another_seed_plays_other_worlds(run, tmp_path: Path):
    compare(run, tmp_path / "a", "local", "--seed", 3)
    assert pd.read_csv(tmp_path / "a" / "episodes.csv")["seed"].tolist() == [seed + 3 for seed in SEEDS]


def test_the_folder_of_a_checkpoint_is_a_learned_policy(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Learned:
        privileged, needs_candidates, hparams = False, False, {"algo": "copycat"}

        def __init__(self, layout: Layout) -> None:
            self._rule = make_rule("local", layout)

        def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
            return self._rule.act(obs, rng)

    def load(folder: Path, scenario: Scenario) -> Policy:
        assert (folder, scenario.name) == (trained, "tiny")
        return Learned(Layout(scenario))

    trained = tmp_path / "trained"
    trained.mkdir()
    monkeypatch.setattr(edge6g, "_load_checkpoint", load)
    assert compare(run, tmp_path / "out", f"local,{trained}/").status == 0
    policies = json.loads((tmp_path / "out" / "summary.json").read_text())["policies"]
    assert {name: policy["kind"] for name, policy in policies.items()} == {"local": "rule", str(trained): "learned"}
    reward = policies[str(trained)]["difference_to_best_rule"]["reward_per_job"]
    assert (reward["iqm"], reward["low"], reward["high"]) == (0.0, 0.0, 0.0)


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
    assert json.loads((out / "run.json").read_text()) == {"kind": "compare", "command": "again"}
    assert not (out / "tensorboard").exists()
    assert (elsewhere / "keep").read_text() == "mine"
