"""`edge6g sweep` from the command line to the files, and the same from Python."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import edge6g.playing
import eval.sweep.plays
from agents.policy import Observation, make_rule
from edge6g_env.errors import UserError
from edge6g_env.scenario import Scenario, load_scenario
from edge6g_env.spaces import Layout
from eval.sweep import knees, play

LOAD = "arrivals.rate_jobs_s"
SHORT = {"time.episode_s": 24.0, "time.drain_s": 8.0}
SET = [word for key, value in SHORT.items() for word in ("--set", f"{key}={value}")]
TIMED = "decision_us_mean"


def sweep(run, out: Path, policies: str, *more: object):
    return run("sweep", "--scenario", "tiny", *SET, "--seeds", 3, "--policies", policies, "--out", out, *more)


def table(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "sweep.csv")


@pytest.mark.usefixtures("undrawn")
def test_a_grid_is_what_comparisons_of_its_settings_are(run, tmp_path: Path):
    """Each setting by `edge6g compare --set`: the same seeds, the same figures; and what else is written."""
    out = tmp_path / "sweep"
    vary = ("--vary", f"{LOAD}=1,4", "--vary", "actions.device_split=[0.0,1.0];[0.0,0.5,1.0]")
    ended = sweep(run, out, "jsq,random", *vary)
    assert ended.status == 0, ended.err
    names = {
        "run.json",
        "scenario.toml",
        "sweep.csv",
        "summary.json",
        "sweep.png",
        "sweep.svg",
        "report.html",
        "played",
    }
    assert {path.name for path in out.iterdir()} == names
    found = table(out)
    settings = [(load, cut) for load in (1, 4) for cut in ("[0.0, 1.0]", "[0.0, 0.5, 1.0]")]
    assert found.columns[:4].tolist() == [LOAD, "actions.device_split", "policy", "seed"]
    assert list(dict.fromkeys(found[[LOAD, "actions.device_split"]].itertuples(index=False, name=None))) == settings
    load, cut = settings[3]
    compared = tmp_path / "compare"
    again = ("--set", f"{LOAD}={load}", "--set", f"actions.device_split={cut}")
    ended = run(
        "compare", "--scenario", "tiny", *SET, *again, "--seeds", 3, "--policies", "jsq,random", "--out", compared
    )
    assert ended.status == 0, ended.err
    episodes = pd.read_csv(compared / "episodes.csv").drop(columns=TIMED)
    mine = found[(found[LOAD] == load) & (found["actions.device_split"] == cut)].reset_index(drop=True)
    pd.testing.assert_frame_equal(mine[episodes.columns], episodes, check_exact=True)
    summary = json.loads((out / "summary.json").read_text())
    of = json.loads((compared / "summary.json").read_text())
    setting = summary["settings"][3]
    assert setting["setting"] == {LOAD: load, "actions.device_split": cut}
    assert setting["best_rule"] == of["best_rule"]
    for policy, one in setting["policies"].items():
        for metric, estimate in one["metrics"].items():
            assert estimate == pytest.approx(of["policies"][policy]["metrics"][metric])
    assert len(summary["knees"]["policies"]) == 4
    page = (out / "report.html").read_text()
    assert "://" not in page.replace("http://www.w3.org/", "")
    for text in ("Knees", "What device_split changes", "edge6g sweep --scenario tiny"):
        assert text in page


OWN = """
from agents.policy import make_rule

class Mine:
    privileged, needs_candidates = False, True

    def __init__(self, layout):
        self.rule, self.wrong = make_rule("jsq", layout), layout.scenario.arrivals.rate_jobs_s > 5.0

    def act(self, obs, rng):
        return self.rule.act(obs, rng) - self.wrong

def make(layout):
    return Mine(layout)
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Code of one's own that does what `jsq` does, and what is illegal under a high load."""
    file = tmp_path_factory.mktemp("own") / "policy.py"
    file.write_text(OWN)
    return f"mine={file}:make"


SITE = """
extends = "tiny"

[[device]]
name = "ward-card"
class = "edge"
fp16_tflops = 120.0
mem_gb = 32.0
mem_bw_gbs = 600.0
tdp_w = 150.0
usd_per_hour = 0.6

[[model]]
name = "clinic-3b"
layers = 28
hidden = 3072
ffn = 8192
heads = 24
kv_heads = 8
vocab = 128256
context = 131072
modality = "text"
score01 = 0.61

[time]
episode_s = 24.0
drain_s = 8.0

[nodes]
devices = ["ward-card", "l4"]

[service.chat]
model = "clinic-3b"
trace = "requests.csv"
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """With a card, a model and a log of its own, whose files are gone when it is played."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "requests.csv").write_text("t_s,context_tokens,generated_tokens\n0.5,300,40\n2.0,64,7\n9.0,900,90\n")
    (folder / "site.toml").write_text(SITE)
    scenario = load_scenario(folder / "site.toml")
    (folder / "requests.csv").unlink()
    return scenario


@pytest.fixture(scope="module")
def alone(own: str, site: Scenario) -> pd.DataFrame:
    """A sweep that one thread of this process plays; a policy that draws, whose numbers depend on its seeds, among them."""
    return play(site, ["jsq", "random", "greedy", own], {LOAD: [1.0, 4.0]}, seeds=3)


def test_the_numbers_are_the_same_for_any_number_of_workers(alone: pd.DataFrame, own: str, site: Scenario):
    two = play(site, ["jsq", "random", "greedy", own], {LOAD: [1.0, 4.0]}, seeds=3, workers=2)
    pd.testing.assert_frame_equal(two.drop(columns=TIMED), alone.drop(columns=TIMED), check_exact=True)


def test_code_of_one_s_own_is_of_its_kind_and_plays_as_what_it_copies(alone: pd.DataFrame):
    mine, jsq = (alone[alone["policy"] == name].reset_index(drop=True) for name in ("mine", "jsq"))
    names = ["policy", "group", "kind", TIMED]
    pd.testing.assert_frame_equal(mine.drop(columns=names), jsq.drop(columns=names), check_exact=True)
    assert set(mine["kind"]) == {"own"}


@pytest.mark.usefixtures("undrawn")
def test_an_action_outside_the_mask_ends_a_sweep_with_what_was_played_kept(run, own: str, tmp_path: Path):
    out = tmp_path / "out"
    ended = sweep(run, out, f"local,{own}", "--vary", f"{LOAD}=4,8")
    assert ended.status == 2
    assert re.search(
        r"policy\.py:make: node_\d chose action -1 at [\d.]+ s of the episode of seed 1000000\d", ended.err
    )
    assert "the same command goes on with the rest" in ended.err
    assert list((out / "played").iterdir())
    assert not (out / "sweep.csv").exists()


def test_all_policies_meet_the_same_jobs_on_the_same_seeds_in_all_settings(alone: pd.DataFrame):
    assert alone.groupby([LOAD, "policy"])["seed"].apply(list).map(tuple).nunique() == 1
    assert (alone.groupby([LOAD, "seed"])["jobs"].nunique() == 1).all()
    assert len(knees(alone)) == 4


@pytest.mark.usefixtures("undrawn")
def test_what_is_played_stays_and_more_may_be_asked_for(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out, whole, play_chunk = tmp_path / "out", tmp_path / "whole", eval.sweep.plays.play_chunk
    played: list[tuple[str, float]] = []
    most = [3]

    def once(name: str, make: object, scenario: Scenario, *arguments: object, **options: object) -> object:
        if len(played) == most[0]:
            raise KeyboardInterrupt
        played.append((name, scenario.arrivals.rate_jobs_s))
        return play_chunk(name, make, scenario, *arguments, **options)

    monkeypatch.setattr(eval.sweep.plays, "play_chunk", once)
    stopped = sweep(run, out, "local,jsq", "--vary", f"{LOAD}=1,4")
    assert (stopped.status, "the same command goes on with the rest" in stopped.err) == (130, True)
    assert set(played) < {(name, load) for name in ("local", "jsq") for load in (1, 4)}
    most[0] = 99
    ended = sweep(run, out, "local,jsq", "--vary", f"{LOAD}=1,4")
    assert ended.status == 0, ended.err
    assert "3 of 4 parts are there" in ended.err
    assert len(played) == len(set(played)) == 4
    assert sweep(run, out, "local,cloud,jsq", "--vary", f"{LOAD}=2,4,1").status == 0
    assert len(played) == len(set(played)) == 9
    assert sweep(run, whole, "local,cloud,jsq", "--vary", f"{LOAD}=2,4,1").status == 0
    pd.testing.assert_frame_equal(table(out).drop(columns=TIMED), table(whole).drop(columns=TIMED), check_exact=True)
    for left_out, says in (
        (("local,jsq", "--vary", f"{LOAD}=2,4,1"), "holds a sweep with policy cloud: "),
        (("local,cloud,jsq", "--vary", f"{LOAD}=2,4"), f"holds a sweep with {LOAD} = 1: "),
        (("local,cloud,jsq", "--vary", "xn.delay_s=0.1"), f"holds a sweep over {LOAD}: "),
        (("local,cloud,jsq", "--vary", f"{LOAD}=2,4,1", "--seeds", 2), "holds a sweep with seed 10000002: "),
        (("local,cloud,jsq", "--vary", f"{LOAD}=2,4,1", "--set", "xn.delay_s=0.1"), "of tiny_v0 with other values: "),
    ):
        ended = sweep(run, out, *left_out)
        assert (ended.status, ended.out) == (2, "")
        assert says in ended.err
    assert sweep(run, out, "local", "--vary", f"{LOAD}=2", "--overwrite").status == 0
    assert len(table(out)) == 3
    assert len(list((out / "played").iterdir())) == 1


class Copycat:
    """A checkpoint that copies `local`; one whose folder is called `calm` fits few jobs only."""

    privileged, needs_candidates, algo, trained_on = False, True, "copycat", "campus_v0"

    def __init__(self, folder: Path, scenario: Scenario) -> None:
        if folder.name == "nowhere" or (folder.name == "calm" and scenario.arrivals.rate_jobs_s > 2.0):
            raise UserError(f"{folder.name} was trained without what {scenario.label} has")
        self._rule = make_rule("local", Layout(scenario))

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        return self._rule.act(obs, rng)


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(edge6g.playing, "load_checkpoint", Copycat)
    for name in ("calm", "anywhere", "nowhere"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    return tmp_path / "runs"


@pytest.mark.usefixtures("undrawn")
def test_a_policy_that_does_not_fit_a_setting_is_an_empty_row_with_the_reason(run, trained: Path, tmp_path: Path):
    out = tmp_path / "out"
    ended = sweep(run, out, f"local,{trained}/calm,g={trained}/*where", "--vary", f"{LOAD}=1,4")
    assert ended.status == 2
    assert ended.err.startswith(
        f"edge6g: g={trained}/*where fits none of the scenarios; {LOAD} = 1: nowhere was trained"
    )
    assert not out.exists()
    ended = sweep(run, out, f"local,{trained}/calm,g={trained}/any*", "--vary", f"{LOAD}=1,4")
    assert ended.status == 0, ended.err
    found = table(out)
    (empty,) = found[found["reason"].notna()].to_dict("records")
    assert (empty[LOAD], empty["policy"], empty["kind"]) == (4, "copycat:calm", "learned")
    assert "calm was trained without what" in empty["reason"]
    assert pd.isna([empty[name] for name in ("seed", "reward_per_job", "jobs")]).all()
    assert len(found) == 5 * 3 + 1
    assert "copycat:calm does not play with rate_jobs_s = 4: calm was trained without" in ended.out
    assert "copycat:calm: no knee" in ended.out
    assert "copycat:calm: trained on campus_v0" in ended.out
    summary = json.loads((out / "summary.json").read_text())
    assert list(summary["settings"][1]["policies"]) == ["local", "g"]
    assert "calm was trained" in summary["settings"][1]["unfit"]["copycat:calm"]


@pytest.mark.usefixtures("undrawn")
def test_a_sweep_without_a_load_or_without_numbers_has_no_knees(run, tmp_path: Path):
    vary = ("--vary", "service.chat.model=llama-3.2-1b,llama-3.2-3b", "--vary", "service.chat.privacy=site,open")
    ended = sweep(run, tmp_path / "out", "jsq", *vary)
    assert ended.status == 0, ended.err
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["knees"] is None
    assert "Knees" not in (tmp_path / "out" / "report.html").read_text()
    assert "jsq, chat.privacy = site: chat.model = llama-3.2-3b against llama-3.2-1b: " in ended.out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--vary", f"{LOAD}=6:14"), "a range is what `edge6g train` draws"),
        (("--vary", LOAD), "it has no values"),
        (("--vary", f"{LOAD}=2", "--vary", f"{LOAD}=3"), "stands twice"),
        (("--vary", f"{LOAD}=2,2"), "are the same scenario"),
        (("--vary", "arrivals.rate=2"), "arrivals.rate: unknown key"),
        (("--vary", f"{LOAD}=2", "--set", "arrivals.rate=2"), "arrivals.rate: unknown key"),
        (
            ("--vary", f"{LOAD}=2", "more"),
            "--policies takes one list with commas between, not blanks: --policies jsq,more",
        ),
        (("--vary", f"{LOAD}=2", "--workers", 0), "Invalid value for '--workers'"),
        (("--vary", f"{LOAD}=2", "--policies", "gredy"), "no policy 'gredy'"),
        (("--vary", f"{LOAD}=2", "--policies", ","), "no policies"),
        (("--vary", f"{LOAD}=2", "--policies", "jsq,jsq"), "policy jsq is named twice"),
        ((), "Missing option '--vary'"),
    ],
)
def test_what_cannot_be_swept_is_said_and_leaves_nothing(run, tmp_path: Path, words: tuple[object, ...], says: str):
    ended = sweep(run, tmp_path / "out", "jsq", *words)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("edge6g: ")
    assert says in ended.err
    assert ended.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_sweep_in_which_nothing_is_measured_leaves_nothing(run, tmp_path: Path):
    ended = sweep(run, tmp_path / "out", "jsq", "--vary", f"{LOAD}=1e-6,2e-6")
    assert ended.status == 2
    assert "no job arrives in" in ended.err
    assert not list(tmp_path.glob("out/*"))


def test_ctrl_c_ends_workers_in_order_and_keeps_what_was_played(tmp_path: Path):
    out = tmp_path / "out"
    words = ["sweep", "--scenario", "tiny", *SET, "--seeds", "32", "--policies", "jsq,random", "--workers", "2"]
    loads = ",".join(str(load) for load in range(2, 30))
    command = [sys.executable, "-P", "-m", "edge6g", *words, "--vary", f"{LOAD}={loads}", "--out", str(out)]
    environment = {**os.environ, "PYTHONPATH": str(Path(edge6g.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    parent = subprocess.Popen(command, env=environment, start_new_session=True, **pipes)
    end_s = time.monotonic() + 240.0
    while not any(out.glob("played/*")):
        assert parent.poll() is None, parent.communicate()[1]
        assert time.monotonic() < end_s
        time.sleep(0.05)
    os.killpg(parent.pid, signal.SIGINT)
    printed, said = parent.communicate(timeout=60.0)  # whoever is left keeps the pipe open
    assert (parent.returncode, printed) == (130, "")
    assert said.count("Traceback") == 0
    assert "stopped: the same command goes on with the rest" in said
    assert not (out / "sweep.csv").exists()
