"""Which worlds a run trains on, and what an early or odd end leaves behind."""

import io
import json

import numpy as np
import pytest
from rich.console import Console

import train.run
from edge6g_env import load_scenario
from train import TRAINING_SEEDS, checkpoint
from train.callbacks import NothingMeasuredError, Validation
from train.checkpoint import CheckpointError, hparams, load_policy, read_record


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(train.run, "VALIDATION_EPISODES", 2)
    monkeypatch.setattr(train.run, "SHOWN_RULES", ("greedy",))


def start(scenario, out, seconds=2.0, seed=3, algo="scorer", **options):
    console = Console(file=io.StringIO())
    train.run.train(scenario, algo, seconds / 60.0, seed, out, num_worlds=4, console=console, **options)


@pytest.fixture
def worlds(monkeypatch):
    """Seeds of the worlds of every training environment, as its first reset finds them."""
    seen = []
    learn = train.run._Run.learn

    def watched(self, *args):
        self.model.env.reset()
        seen.append(np.array(self.model.env.batch.world.episode["seed"]).tolist())
        return learn(self, *args)

    monkeypatch.setattr(train.run._Run, "learn", watched)
    return seen


@pytest.mark.parametrize("algo", ["scorer", "ppo"])
def test_training_seeds_share_no_world_and_a_resume_meets_new_ones(algo, scenario, tmp_path, worlds):
    start(scenario, tmp_path / "a", seed=0, algo=algo)
    start(scenario, tmp_path / "b", seed=1, algo=algo)
    start(scenario, tmp_path / "a", seconds=4.0, seed=0, algo=algo, resume=True)
    first, second, resumed = worlds
    assert first == [0, 1, 2, 3]
    assert second == [TRAINING_SEEDS + n for n in range(4)]
    assert resumed == [4, 5, 6, 7]


def test_ctrl_c_while_the_rules_are_played_leaves_a_run_that_goes_on(scenario, tmp_path, monkeypatch):
    def interrupted(self):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Validation, "_on_training_start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            start(scenario, tmp_path / "run")
    assert read_record(tmp_path / "run")["validation_gain"] is None
    load_policy(tmp_path / "run", scenario)
    start(scenario, tmp_path / "run", seconds=2.0, resume=True)
    assert read_record(tmp_path / "run")["validation_gain"] is not None


def test_a_scenario_without_jobs_to_measure_is_refused(tmp_path):
    scenario = load_scenario("tiny", **{"arrivals.rate_jobs_s": 1e-6})
    with pytest.raises(NothingMeasuredError, match="no job is measured"):
        start(scenario, tmp_path / "run")


def test_a_damaged_record_and_foreign_tensors_are_refused(scenario, tmp_path):
    out = tmp_path / "run"
    start(scenario, out)
    assert {"algo", "seed", "learning_rate", "beta"} <= set(hparams(read_record(out)))
    assert load_policy(out, scenario).hparams == hparams(read_record(out))
    (out / checkpoint.TRAINER).write_bytes((out / checkpoint.POLICY).read_bytes())
    with pytest.raises(CheckpointError, match="does not fit"):
        start(scenario, out, seconds=4.0, resume=True)
    (out / checkpoint.RECORD).write_text(json.dumps({"format": 1}))
    with pytest.raises(CheckpointError, match="damaged"):
        load_policy(out, scenario)
