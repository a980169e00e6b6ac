"""Whole training runs of seconds: folder, files, resume, Ctrl-C, refusals."""

import io
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import eval
import train.run
from edge6g_env import load_scenario
from eval.files import RunFolderError
from train import TRAINING_SEEDS, VALIDATION_SEED, checkpoint
from train.callbacks import TimeBudget
from train.checkpoint import CheckpointError, load_policy, read_record, read_tensors
from train.run import TrainingError

SECONDS = 3.0


@dataclass
class Ended:
    """A finished run: its folder and what it said."""

    out: Path
    said: str


def run(scenario, out, algo, seconds=SECONDS, **options):
    console = Console(file=io.StringIO(), width=200)
    train.run.train(scenario, algo, seconds / 60.0, 3, out, num_worlds=8, console=console, **options)
    return Ended(out, console.file.getvalue())


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Two validation episodes and one rule, so that a run is mostly training."""
    monkeypatch.setattr(train.run, "VALIDATION_EPISODES", 2, raising=False)
    monkeypatch.setattr(train.run, "SHOWN_RULES", ("greedy",), raising=False)


@pytest.fixture(scope="module", params=["scorer", "ppo"])
def trained(request, scenario, tmp_path_factory):
    """A run of some seconds, by algorithm."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train.run, "VALIDATION_EPISODES", 2, raising=False)
        patch.setattr(train.run, "SHOWN_RULES", ("greedy",), raising=False)
        patch.setitem(train.run.SCORER_SETTINGS, "batch_decisions", 256)
        return request.param, run(scenario, tmp_path_factory.mktemp("runs") / request.param, request.param)


def steps_of(out):
    """Updates that the optimizer has made."""
    return max(float(t) for name, t in read_tensors(out / checkpoint.TRAINER).items() if name.endswith(".step"))


def test_a_run_learns_and_says_so(trained, scenario):
    algo, ended = trained
    record = read_record(ended.out)
    assert record["algo"] == algo
    assert (record["scenario"], record["fingerprint"]) == (scenario.id, scenario.fingerprint)
    assert record["decisions"] > 100
    assert record["minutes"] * 60.0 >= SECONDS
    assert record["runs"] == 1
    assert steps_of(ended.out) > 0
    assert "decisions" in ended.said
    tensors = read_tensors(ended.out / checkpoint.TRAINER)
    moved = [t for name, t in tensors.items() if name.startswith("network.") and "correction" in name]
    assert all(bool((t != 0.0).any()) for t in moved)  # zero at the start
    assert bool(moved) == (algo == "scorer")


def test_the_policy_of_a_run_acts(trained, scenario, observations):
    _, ended = trained
    policy, rng = load_policy(ended.out, scenario), np.random.default_rng(0)
    for obs in observations(scenario, 40):
        actions = policy.act(obs, rng)
        assert np.take_along_axis(obs["action_mask"], actions[..., None], -1).all()
        assert ((actions > 0) <= (obs["action_mask"].sum(-1) > 1)).all()


def test_a_run_leaves_no_pickle(trained):
    """JSON, safetensors (a JSON header after eight bytes of length) and event files; nothing else."""
    _, ended = trained
    files = sorted(path for path in ended.out.rglob("*") if path.is_file())
    assert {path.name for path in files if "tensorboard" not in path.parts} == {
        "run.json",
        "checkpoint.json",
        "policy.safetensors",
        "trainer.safetensors",
    }
    for path in files:
        data = path.read_bytes()
        if path.suffix == ".json":
            json.loads(data)
        elif path.suffix == ".safetensors":
            length = int.from_bytes(data[:8], "little")
            assert isinstance(json.loads(data[8 : 8 + length]), dict)
        else:
            assert path.name.startswith("events.out.tfevents.")
        assert not data.startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK"))


def test_resume_goes_on(trained, scenario, tmp_path):
    """On a copy: more decisions, more updates, the time before counted, and a second run in the record."""
    algo, ended = trained
    out = shutil.copytree(ended.out, tmp_path / "again")
    before, updates = read_record(out), steps_of(out)
    run(scenario, out, algo, seconds=SECONDS + 3.0, resume=True)
    after = read_record(out)
    assert after["runs"] == before["runs"] + 1
    assert after["decisions"] > before["decisions"]
    assert after["minutes"] > before["minutes"]
    assert after["minutes"] * 60.0 >= SECONDS + 3.0 - 1e-6
    assert steps_of(out) >= updates
    assert after["validation_gain"] >= before["validation_gain"]


def test_a_resume_of_something_else_is_refused(trained, scenario, tmp_path):
    algo, ended = trained
    other = {"scorer": "ppo", "ppo": "scorer"}[algo]
    with pytest.raises(TrainingError, match=f"holds a run of {algo}: --algo {other}"):
        run(scenario, ended.out, other, resume=True)
    with pytest.raises(CheckpointError, match="it cannot act on campus_v0"):
        run(load_scenario("campus"), ended.out, algo, resume=True)
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        run(scenario, tmp_path / "none", algo, resume=True)
    with pytest.raises(RunFolderError, match="holds another run"):
        run(scenario, ended.out, algo)


def test_ctrl_c_keeps_the_checkpoint(scenario, tmp_path, monkeypatch):
    """Interrupted from a callback: the interrupt goes on to the caller, the run can be resumed."""
    steps = 0

    def interrupt(self):
        nonlocal steps
        steps += 1
        if steps > 300:
            raise KeyboardInterrupt
        return True

    with monkeypatch.context() as patch:
        patch.setattr(TimeBudget, "_on_step", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(scenario, tmp_path / "cut", "scorer", seconds=600.0)
    record = read_record(tmp_path / "cut")
    assert record["decisions"] > 0
    assert load_policy(tmp_path / "cut", scenario) is not None
    run(scenario, tmp_path / "cut", "scorer", seconds=record["minutes"] * 60.0 + 2.0, resume=True)
    after = read_record(tmp_path / "cut")
    assert after["runs"] == 2
    assert after["decisions"] > record["decisions"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"algo": "dqn"}, "no algorithm 'dqn': there are scorer, ppo"),
        ({"minutes": 0.0}, "minutes must be above 0"),
        ({"minutes": float("nan")}, "minutes must be above 0"),
        ({"seed": -1}, "seed must be in 0..4999, it is -1"),
        ({"seed": 5000}, "seed must be in 0..4999, it is 5000"),
        ({"num_worlds": 0}, "num_worlds must be in 1..1000, it is 0"),
    ],
)
def test_what_cannot_start_is_refused_and_leaves_nothing(scenario, tmp_path, changes, message):
    arguments = {"algo": "scorer", "minutes": 1.0, "seed": 0, "num_worlds": None, **changes}
    with pytest.raises(TrainingError, match=message):
        train.run.train(scenario, out=tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()


def test_training_validation_and_evaluation_seeds_never_meet():
    last_training = (VALIDATION_SEED // TRAINING_SEEDS - 1) * TRAINING_SEEDS + TRAINING_SEEDS - 1
    assert last_training < VALIDATION_SEED
    assert VALIDATION_SEED + 1000 < eval.EVALUATION_SEED
