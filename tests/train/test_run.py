"""Whole training runs of seconds: folder, files, resume, refusals."""

import io
import json
import shutil
import tomllib
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

import train.learner
import train.run
import train.validation
from edge6g_env import load_scenario
from edge6g_env.errors import UserError
from eval.episodes import NothingMeasuredError
from eval.files import RunFolderError, only_owner
from tests.looking import seeds
from tests.train.small import SCORER, SEARCH, learner, same
from train import checkpoint
from train.checkpoint import (
    CheckpointError,
    Progress,
    hparams,
    load_policy,
    read_about,
    read_progress,
    read_record,
    read_tensors,
)
from train.learner import Learner
from train.ppo import RolloutError
from train.run import TrainingError
from train.seeds import world_seed
from train.setup import Setup
from train.trainers import TRAINERS
from train.validation import Validation, shown_rules, told

DECISIONS = 2_500
STEPS = {"n_steps": 16, "batch_size": 128}
SMALL = {"scorer": SCORER, "ppo": STEPS, "mappo": STEPS, "search": SEARCH}

ROOT = Path(__file__).parents[2]


@dataclass
class Ended:
    """A finished run: its folder and what it said."""

    out: Path
    said: str


def run(scenario, out, algo="scorer", decisions=DECISIONS, seed=3, num_worlds=8, minutes=None, threads=1, **options):
    console, worlds = Console(file=io.StringIO(), width=200), num_worlds if algo in ("ppo", "mappo") else None
    setup = Setup(
        (scenario,),
        algo,
        seed,
        minutes,
        decisions if minutes is None else None,
        SMALL.get(algo, {}),
        num_worlds=worlds,
        threads=threads,
    )
    train.run.train(setup, out, console=console, **options)
    return Ended(out, console.file.getvalue())


@pytest.fixture(scope="module", params=["scorer", "ppo"])
def trained(request, scenario, quick, tmp_path_factory):
    """A run of some seconds, by algorithm."""
    out = tmp_path_factory.mktemp("runs") / request.param
    return request.param, run(scenario, out, request.param, command="edge6g train --algo x")


def steps_of(out):
    """Updates that the optimizer has made."""
    return max(float(t) for name, t in read_tensors(out / checkpoint.TRAINER).items() if name.endswith(".step"))


def test_a_run_learns_and_says_so(trained, scenario):
    algo, ended = trained
    record = read_record(ended.out)
    assert record["algo"] == algo
    assert (record["scenario"], record["fingerprint"]) == (scenario.id, scenario.fingerprint)
    assert (record["trained_on"], record["changes"]) == (scenario.label, scenario.changes)
    assert record["decisions"] >= DECISIONS
    assert record["minutes"] > 0.0
    assert record["settings"] == {**TRAINERS[algo].defaults, **SMALL[algo]}
    assert record["runs"] == 1
    assert steps_of(ended.out) > 0
    assert f"best on the validation seeds: {told(record['validation_gain'], 'greedy')}" in ended.said
    tensors = read_tensors(ended.out / checkpoint.TRAINER)
    moved = [t for name, t in tensors.items() if name.startswith("b.net.correction")]
    assert all(bool((t != 0.0).any()) for t in moved)  # zero at the start
    assert bool(moved) == (algo == "scorer")


def test_the_policy_of_a_run_acts(trained, scenario, observations):
    _, ended = trained
    policy, rng = load_policy(ended.out, scenario), np.random.default_rng(0)
    assert policy.hparams == hparams(read_record(ended.out))
    assert {"algo", "seed", "learning_rate", "arrivals.rate_jobs_s"} <= set(policy.hparams)
    for obs in observations(scenario, 40):
        actions = policy.act(obs, rng)
        assert np.take_along_axis(obs["action_mask"], actions[..., None], -1).all()
        assert ((actions > 0) <= (obs["action_mask"].sum(-1) > 1)).all()


def test_a_run_says_how_it_was_made(trained, scenario):
    algo, ended = trained
    made = json.loads((ended.out / "run.json").read_text())
    assert (made["kind"], made["command"], made["algo"], made["seed"]) == ("train", "edge6g train --algo x", algo, 3)
    assert (made["changes"], made["num_worlds"]) == (scenario.changes, 8 if algo == "ppo" else None)
    assert (made["minutes"], made["decisions"], made["settings"]) == (None, DECISIONS, SMALL[algo])
    assert load_scenario(ended.out / "scenario.toml") == scenario
    assert tomllib.loads((ended.out / "scenario.toml").read_text())["arrivals"]["rate_jobs_s"] == 8.0


def test_a_run_leaves_no_pickle_no_lock_and_nothing_half_written(trained):
    """JSON, safetensors (a JSON header after eight bytes of length), TOML, a table, a picture and event files; nothing else."""
    algo, ended = trained
    files = sorted(path for path in ended.out.rglob("*") if path.is_file())
    assert {path.name for path in files if path.parent == ended.out} == {
        "run.json",
        "scenario.toml",
        "validation.json",
        "checkpoint.json",
        "policy.safetensors",
        "trainer.safetensors",
        "learning_curve.csv",
        "learning_curve.png",
    }
    assert {path.parent.name for path in files if path.parent != ended.out} == {f"{algo}-s3", "best-rule"}
    for path in files:
        data = path.read_bytes()
        if path.suffix == ".json":
            json.loads(data)
        elif path.suffix == ".safetensors":
            length = int.from_bytes(data[:8], "little")
            assert isinstance(json.loads(data[8 : 8 + length]), dict)
        elif path.suffix == ".png":
            assert data.startswith(b"\x89PNG")
        else:  # the length at the head of a safetensors file may look like any of these
            assert not data.startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK"))


def test_a_resume_keeps_the_rows_with_which_it_began(scenario, quick, tmp_path):
    """Whatever `edge6g tune` has found since, or if its file is gone."""
    file, values, out = tmp_path / "own.toml", tmp_path / "own.tuned.json", tmp_path / "run"
    file.write_text(scenario.model_copy(update={"name": "own"}).to_toml())
    own = load_scenario(file)
    entry = json.loads((ROOT / "edge6g_env" / "scenarios" / "tiny.json").read_text())["tuned"]
    values.write_text(json.dumps({"tuned": {**entry, "fingerprint": own.fingerprint}}))

    def go_on(decisions, **options):
        setup = Setup((own,), "search", 3, decisions=decisions, settings={**SEARCH, "begin": "tuned"})
        train.run.train(setup, out, console=Console(file=io.StringIO()), **options)
        record = read_record(out)
        return record["decisions"], record["layout"]["rows"]

    began = go_on(300)
    assert began[1] == entry["values"]["rows"]
    values.write_text(
        json.dumps({"tuned": {**entry, "fingerprint": own.fingerprint, "values": {"rows": "all", "weights": {}}}})
    )
    again = go_on(began[0] + 300, resume=True)
    values.unlink()
    last = go_on(again[0] + 300, resume=True)
    assert began[0] < again[0] < last[0]
    assert began[1] == again[1] == last[1]


def test_resume_goes_on(trained, scenario, tmp_path):
    """On a copy: more decisions, more updates, the time before counted, a second run in the record, the rules not played again."""
    algo, ended = trained
    out = shutil.copytree(ended.out, tmp_path / "again")
    before, updates, rules = read_record(out), steps_of(out), (out / "validation.json").stat().st_mtime_ns
    most = before["decisions"] + 1_000
    run(scenario, out, algo, decisions=most, resume=True, command="edge6g train --resume")
    after = read_record(out)
    assert after["runs"] == before["runs"] + 1
    assert most <= after["decisions"] < most + 1_000  # those in all, but for a batch
    assert after["minutes"] > before["minutes"]
    assert steps_of(out) > updates
    assert after["validation_gain"] >= before["validation_gain"]
    assert (out / "validation.json").stat().st_mtime_ns == rules
    made = json.loads((out / "run.json").read_text())
    assert made["command"] == "edge6g train --algo x"
    assert [one["command"] for one in made["resumed"]] == ["edge6g train --resume"]


def test_the_trainers_state_knows_its_progress(trained):
    """The pair cannot come apart: decisions and minutes stand in the file of the weights that they belong to."""
    _, ended = trained
    record, about = read_record(ended.out), read_about(ended.out / checkpoint.TRAINER)
    assert about == {name: record[name] for name in asdict(Progress())}
    kept = read_about(ended.out / checkpoint.POLICY)
    assert kept == {name: record[name] for name in ("validation_gain", "above_limits")}


def test_what_cannot_go_on_is_refused_and_stays_as_it_was(trained, scenario, tmp_path):
    algo, ended = trained
    other = {"scorer": "ppo", "ppo": "scorer"}[algo]
    before = {path: path.read_bytes() for path in ended.out.rglob("*") if path.is_file()}
    with pytest.raises(TrainingError, match=f"holds a run of {algo}: --algo {other}"):
        run(scenario, ended.out, other, resume=True)
    with pytest.raises(CheckpointError, match=r"holds a run on tiny_v0, .*: --resume cannot go on with campus_v0"):
        run(load_scenario("campus"), ended.out, algo, resume=True)
    with pytest.raises(CheckpointError, match=r"cannot go on with tiny_v0, .*reward.price_per_usd = 50"):
        run(load_scenario(scenario, **{"reward.price_per_usd": 50.0}), ended.out, algo, resume=True)
    with pytest.raises(
        TrainingError, match=r"nothing left to do: .* trained for \d\.\d\d minutes, --minutes 0\.0001 is"
    ):
        run(scenario, ended.out, algo, minutes=0.0001, resume=True)
    with pytest.raises(TrainingError, match=r"nothing left to do: .* has taken [\d,]+ decisions, --decisions 2500 are"):
        run(scenario, ended.out, algo, resume=True)
    with pytest.raises(RunFolderError, match="holds another run"):
        run(scenario, ended.out, algo)
    with only_owner(ended.out):
        for options in ({"resume": True}, {"overwrite": True}, {}):
            with pytest.raises(RunFolderError, match="another process works in"):
                run(scenario, ended.out, algo, decisions=10**6, **options)
    assert {path: path.read_bytes() for path in ended.out.rglob("*") if path.is_file()} == before
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        run(scenario, tmp_path / "none", algo, resume=True)
    assert not (tmp_path / "none").exists()


def test_foreign_tensors_are_refused(trained, scenario, tmp_path):
    algo, ended = trained
    out = shutil.copytree(ended.out, tmp_path / "again")
    shutil.copy(out / checkpoint.POLICY, out / checkpoint.TRAINER)
    with pytest.raises(CheckpointError, match="does not fit"):
        run(scenario, out, algo, decisions=10**6, resume=True)


def test_an_overwritten_run_leaves_nothing_of_itself(scenario, tmp_path, quick):
    run(scenario, tmp_path / "run", "ppo", seed=5, decisions=100)
    run(scenario, tmp_path / "run", "scorer", seed=6, decisions=100, overwrite=True)
    assert {path.name for path in (tmp_path / "run").iterdir() if path.is_dir()} == {"scorer-s6", "best-rule"}
    assert read_record(tmp_path / "run")["algo"] == "scorer"


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_anew(scenario, tmp_path, quick):
    out = tmp_path / "run"
    out.mkdir()
    (out / "run.json").write_text('{"kind": "train"}')
    (out / ".checkpoint.json.123.tmp").write_text("{")
    run(scenario, out, decisions=100, resume=True)
    assert read_record(out)["runs"] == 1
    assert not list(out.glob(".*"))


def test_a_folder_of_something_else_stays_as_it_was(scenario, tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(RunFolderError, match="not of a run"):
        run(scenario, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(RunFolderError, match="is a file"):
        run(scenario, tmp_path / "thesis.tex")


def test_a_scenario_without_jobs_to_measure_is_refused(tmp_path, quick):
    with pytest.raises(NothingMeasuredError, match="no job is measured"):
        run(load_scenario("tiny", **{"arrivals.rate_jobs_s": 1e-6}), tmp_path / "run")


def test_every_run_of_ppo_meets_worlds_of_its_own(scenario, tmp_path, monkeypatch):
    """Seeds as the first reset of each run finds them; other numbers of worlds after a resume, too."""
    met = []

    def watched(self):
        self.model.env.reset()
        met.append(seeds(self.model.env.batch))
        raise KeyboardInterrupt

    monkeypatch.setattr(train.callbacks.Watch, "_on_training_start", watched)
    for out, seed, num_worlds, resume in (("a", 0, 4, False), ("b", 1, 4, False), ("a", 0, 2, True), ("a", 0, 6, True)):
        with pytest.raises(KeyboardInterrupt):
            run(scenario, tmp_path / out, "ppo", 10**6, seed, num_worlds, resume=resume)
    expected = [(0, 0, 4), (1, 0, 4), (0, 1, 2), (0, 2, 6)]
    assert met == [[world_seed(s, r, w) for w in range(n)] for s, r, n in expected]


def stopped_at(patch, owner, name, call):
    """Ctrl-C comes at so many calls of a method, before it does anything."""
    calls, method = count(1), getattr(owner, name)

    def stopping(self, *arguments, **options):
        if next(calls) == call:
            raise KeyboardInterrupt
        return method(self, *arguments, **options)

    patch.setattr(owner, name, stopping)


@pytest.mark.parametrize("algo", ["scorer", "search"])
def test_with_a_budget_in_decisions_a_run_is_the_same_however_it_comes_about(scenario, tmp_path, quick, algo):
    """By one thread or two; stopped amid a batch, when the validation that chooses what stage B begins with was just played, or in the
    last one, and gone on with: the same weights, validations and best policy."""
    run(scenario, tmp_path / "whole", algo)
    run(scenario, tmp_path / "two threads", algo, threads=2)
    validations = len(pd.read_csv(tmp_path / "whole" / "learning_curve.csv"))
    for name, *where in (
        ("amid a batch", train.callbacks.TimeBudget, "_on_step", 4),
        ("before a save", train.learner.Learner, "save", 3),
        ("in the last validation", train.learner.Learner, "takes", validations),
    ):
        with pytest.MonkeyPatch.context() as patch:
            stopped_at(patch, *where)
            with pytest.raises(KeyboardInterrupt):
                run(scenario, tmp_path / name, algo)
        assert (read_progress(tmp_path / name).decisions < DECISIONS) == (name != "in the last validation")
        run(scenario, tmp_path / name, algo, resume=True)
    whole = tmp_path / "whole"
    curve = pd.read_csv(whole / "learning_curve.csv").drop(columns="minutes")
    assert len(curve) > 3
    for out in tmp_path.iterdir():
        for file in (checkpoint.TRAINER, checkpoint.POLICY):
            assert same(read_tensors(out / file), read_tensors(whole / file)), (out, file)
        pd.testing.assert_frame_equal(pd.read_csv(out / "learning_curve.csv").drop(columns="minutes"), curve)
        assert read_progress(out).decisions == read_progress(whole).decisions
        assert read_progress(out).validation_gain == read_progress(whole).validation_gain


@pytest.mark.parametrize("algo", ["ppo", "mappo"])
def test_the_last_update_is_validated_and_an_interrupt_counts_what_was_learned(scenario, tmp_path, quick, algo):
    """A point shows the weights that its decisions made: the policy of a rollout's end has not seen it yet."""
    ended = run(scenario, tmp_path / "run", algo)
    curve = pd.read_csv(ended.out / "learning_curve.csv")
    assert curve["decisions"].iloc[-1] == read_progress(ended.out).decisions >= DECISIONS
    assert curve["decisions"].is_unique
    assert curve["reward_per_job"].iloc[0] != curve["reward_per_job"].iloc[-1]
    with pytest.MonkeyPatch.context() as patch:
        stopped_at(patch, train.callbacks.TimeBudget, "_on_step", 3)
        with pytest.raises(KeyboardInterrupt):
            run(scenario, tmp_path / "stopped", algo)
    assert read_progress(tmp_path / "stopped").decisions == 0  # amid the first rollout


def test_a_stage_that_had_no_batch_is_said(scenario, tmp_path, quick):
    """The first batch of stage A takes more than the budget of all."""
    ended = run(scenario, tmp_path / "run", decisions=10)
    assert "stage B had no batch" in " ".join(ended.said.split())


def test_a_rollout_leaves_no_minibatch_of_one(scenario, tmp_path):
    with pytest.raises(RolloutError, match="batch_size=23: it leaves a minibatch of one of the 24 rows"):
        Learner(Setup((scenario,), "ppo", decisions=100, settings={"n_steps": 8, "batch_size": 23}, num_worlds=1))


def test_part_of_a_checkpoint_is_no_run_that_begins_anew(trained, scenario):
    algo, ended = trained
    kept = (ended.out / checkpoint.RECORD).read_bytes()
    (ended.out / checkpoint.RECORD).unlink()
    try:
        with pytest.raises(CheckpointError):
            run(scenario, ended.out, algo, resume=True)
        assert (ended.out / checkpoint.TRAINER).exists()
    finally:
        (ended.out / checkpoint.RECORD).write_bytes(kept)


def test_a_curve_that_is_none_is_refused_before_anything_is_written(trained, scenario):
    algo, ended = trained
    table = ended.out / "learning_curve.csv"
    kept, before = table.read_bytes(), (ended.out / "run.json").read_bytes()
    table.write_text("hello\nworld\n")
    try:
        with pytest.raises(UserError, match=r"learning_curve\.csv"):
            run(scenario, ended.out, algo, resume=True, decisions=9_000)
    finally:
        table.write_bytes(kept)
    assert (ended.out / "run.json").read_bytes() == before


def test_a_run_ends_when_its_time_is_spent(scenario, tmp_path, quick):
    """By the clock, in the midst of a batch, which leaves no trace: decisions are those of whole batches."""
    ended = run(scenario, tmp_path / "run", minutes=0.001)
    record = read_record(ended.out)
    assert record["minutes"] >= 0.001
    other = learner(scenario, decisions=None, minutes=0.001)
    sums = [0]
    while sums[-1] < record["decisions"]:
        other.model.advance()
        sums.append(other.model.num_timesteps)
    other.close()
    assert record["decisions"] in sums


def test_validations_take_at_most_a_third_of_what_is_played(scenario, monkeypatch):
    """However small the budget is: two policies are validated."""
    monkeypatch.setattr(train.learner, "VALIDATIONS", 20)
    monkeypatch.setattr(train.learner, "APART", 4)
    learner = Learner(Setup((scenario,), "search", decisions=60_000))
    assert learner.decisions_between(100) == 3_000
    assert learner.decisions_between(5_000) == 20_000
    learner.close()


def test_ctrl_c_while_the_rules_are_played_leaves_a_run_that_goes_on(scenario, tmp_path, quick, monkeypatch):
    def interrupted(self, folder):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Validation, "play_rules", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(scenario, tmp_path / "run")
    assert read_progress(tmp_path / "run").validation_gain is None
    load_policy(tmp_path / "run", scenario)
    run(scenario, tmp_path / "run", decisions=100, resume=True)
    assert read_progress(tmp_path / "run").validation_gain is not None


@pytest.mark.parametrize(
    ("gain", "words"), [(-0.0681, "0.068 below jsq"), (0.012, "0.012 above jsq"), (0.0, "as good as jsq")]
)
def test_a_gain_is_told_in_words(gain, words):
    assert told(gain, "jsq") == words


def test_rules_with_values_are_shown_where_there_are_some(scenario, monkeypatch):
    monkeypatch.setattr(train.validation, "SHOWN_RULES", ("static", "restricted", "greedy"))
    assert shown_rules(scenario) == ["static", "restricted", "greedy"]
    assert shown_rules(scenario.model_copy(update={"name": "clinic"})) == ["greedy"]
