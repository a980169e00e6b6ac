"""A run that is killed, between any two writes or from outside, goes on from where its last validation was."""

import gc
import multiprocessing
import os
import signal
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

import edge6g
import edge6g_env._files
import train.learner
import train.run
import train.validation
from eval.files import RunFolderError, only_owner
from eval.stopping import Terminated
from tests.train.small import SCORER, learner
from train import checkpoint
from train.checkpoint import load_policy, read_about, read_progress, read_record, read_tensors
from train.setup import Setup

FORK = multiprocessing.get_context(
    "fork"
)  # a child has everything imported and compiled; a new process takes seconds for it
LONGEST_S = 240.0  # of any wait, on a busy machine


def command_line(words, said):
    """`edge6g` with those words, in a child; what it says goes to a file."""
    gc.freeze()  # what the parent has made is not looked through, page by page copied, over and over
    sys.argv, sys.stderr = ["edge6g", *words], Path(said).open("w")  # noqa: SIM115
    train.run.VALIDATION_EPISODES, train.validation.SHOWN_RULES = {"scorer": (3, 3)}, ("greedy",)
    train.learner.VALIDATIONS, train.learner.APART = 10_000, 0  # of ten minutes: one after every batch or two
    edge6g.main()


def started(out, *more):
    episodes = ("--set", "time.episode_s=8.0", "--set", "time.drain_s=3.0", "--set", "time.warmup_s=1.0")
    episodes += ("--with", "stage_a=0", "--with", "seeds=2", "--with", "draws=2", "--with", "minibatch=128")
    words = ["train", "--scenario", "tiny", *episodes, "--out", str(out), *more]
    process = FORK.Process(target=command_line, args=(words, out.parent / "said.txt"))
    process.start()
    return process


def wait_for(condition, process):
    """Until the condition holds: a process that ends before it has failed."""
    end_s = time.monotonic() + LONGEST_S
    while not condition():
        assert process.is_alive(), process.exitcode
        assert time.monotonic() < end_s
        time.sleep(0.02)


def asked(scenario, decisions=100_000):
    return Setup((scenario,), "scorer", decisions=decisions, settings=SCORER)


def validations(out):
    try:
        return len(pd.read_csv(out / "learning_curve.csv"))
    except FileNotFoundError:
        return 0


def steps(folder):
    """Steps of each tag in the order in which they were written, over all event files of a TensorBoard run."""
    seen = {}
    for path in sorted(folder.glob("events.*")):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                seen.setdefault(value.tag, []).append(event.step)
    return seen


def assert_curves_go_on(out):
    """No step comes twice or goes back, in TensorBoard and in the table."""
    for run in ("scorer-s0", "best-rule"):
        seen = {tag: at for tag, at in steps(out / run).items() if tag.startswith(("validation/", "workings/"))}
        assert "validation/gain_over_best_rule" in seen
        for tag, at in seen.items():
            assert at == sorted(set(at)), tag
    table = pd.read_csv(out / "learning_curve.csv")
    assert table["decisions"].is_monotonic_increasing
    assert table["decisions"].is_unique
    assert table["minutes"].is_monotonic_increasing


def ended(process):
    """Its exit status; one that does not end by itself has failed."""
    process.join(LONGEST_S)
    if process.is_alive():
        process.kill()
        process.join()
        pytest.fail(f"still running after {LONGEST_S:g} s")
    return process.exitcode


@pytest.fixture
def warm(scenario):
    """What the children need is compiled and loaded here, once."""
    one = learner(scenario, settings={"stage_a": 0.0})
    one.model.advance()
    one.close()


def test_kill_and_sigterm_and_resume(tmp_path, warm):
    """SIGKILL amid a run, a resume that SIGTERM ends with status 143, another one that comes to its end."""
    out, said = tmp_path / "run", tmp_path / "said.txt"
    first = started(out, "--minutes", "10")
    wait_for(lambda: validations(out) >= 2, first)
    for way in ("--overwrite", "--resume"):
        assert ended(started(out, "--minutes", "20", way)) == 2
        assert "another process works in" in said.read_text()
    first.kill()
    assert ended(first) == -signal.SIGKILL
    killed, points = read_progress(out), pd.read_csv(out / "learning_curve.csv")
    assert killed.decisions >= points["decisions"].iloc[-1]  # the table comes after the checkpoint
    load_policy(out)

    second = started(out, "--minutes", "10", "--resume")
    wait_for(lambda: validations(out) >= len(points) + 2, second)
    os.kill(second.pid, signal.SIGTERM)
    assert ended(second) == 143
    assert "--resume goes on with it" in said.read_text()
    assert "Traceback" not in said.read_text()
    stopped = read_progress(out)
    assert stopped.runs == 2
    assert stopped.decisions > killed.decisions
    assert stopped.minutes > killed.minutes

    assert ended(started(out, "--minutes", str(stopped.minutes + 0.02), "--resume")) == 0
    assert read_progress(out).decisions >= stopped.decisions
    assert read_record(out)["runs"] == 3
    assert_curves_go_on(out)
    assert ended(started(out, "--minutes", "0.01", "--resume")) == 2
    assert "nothing left to do" in said.read_text()


@contextmanager
def killed_at(monkeypatch, number):
    """Nothing is written any more from a write on: what a kill leaves there, its temporary file too."""
    written = []

    class Killed(BaseException):
        pass

    def replace(source, target, move=os.replace):
        written.append(target)
        if len(written) > number:
            raise Killed
        move(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(edge6g_env._files.os, "replace", replace)
        yield Killed


@pytest.mark.parametrize("number", range(4))
def test_any_prefix_of_the_writes_of_a_checkpoint_is_a_checkpoint(scenario, tmp_path, monkeypatch, number):
    """Two checkpoints, the second cut off after some of its files: progress and weights are both of one of them."""
    one = learner(scenario, settings={"stage_a": 0.0})
    one.best = 0.1
    one.save(tmp_path, 60.0, policy=True)
    bias, states = one.model.net.correction.bias, {}
    states[0, 1.0] = bias.item()
    with killed_at(monkeypatch, number) as killed:
        bias.data += 1.0
        one.model.num_timesteps, one.best = 500, 0.2
        states[500, 2.0] = bias.item()
        try:
            one.save(tmp_path, 120.0, policy=True)
        except killed:
            assert number < 3
    again = learner(scenario, settings={"stage_a": 0.0})
    again.load(tmp_path)
    progress = read_progress(tmp_path)
    assert states[progress.decisions, progress.minutes] == again.model.net.correction.bias.item()
    assert read_about(tmp_path / checkpoint.TRAINER)["decisions"] == progress.decisions == (500 if number >= 2 else 0)
    kept = read_tensors(tmp_path / checkpoint.POLICY)["correction.bias"]
    assert again.best == (0.2 if number >= 1 else 0.1)  # of the policy that is kept, whatever the trainer's state knows
    assert float(kept) == (1.0 if number >= 1 else 0.0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_a_finaliser_swallows_ends_the_run_at_the_next_step(
    scenario, tmp_path, quick, monkeypatch, number
):
    """Python prints what a finaliser raises and goes on; the run must not."""
    out, learnt = tmp_path / "run", []

    class Finalised:
        def __del__(self):
            os.kill(os.getpid(), number)
            time.sleep(0.001)  # the handler runs here

    def step(self):
        learnt.append(self.model.num_timesteps)
        if len(learnt) == 10:
            Finalised()
        return True

    with monkeypatch.context() as patch:
        patch.setattr(train.callbacks.Watch, "_on_step", step)
        with pytest.raises(KeyboardInterrupt) as raised:
            train.run.train(asked(scenario), out)
    assert raised.type is (Terminated if number == signal.SIGTERM else KeyboardInterrupt)
    assert len(learnt) == 10
    assert read_progress(out).runs == 1
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == (
        signal.SIG_DFL,
        signal.default_int_handler,
    )


def test_ctrl_c_closes_the_files_and_keeps_what_was_learned(scenario, tmp_path, quick, monkeypatch):
    """Interrupted from a callback: the interrupt goes on to the caller, the run can be resumed, no event file stays open."""
    out, learnt = tmp_path / "run", []

    def interrupt(self):
        learnt.append(self.model.num_timesteps)
        if len(learnt) > 12:
            raise Terminated
        return True

    with monkeypatch.context() as patch:
        patch.setattr(train.callbacks.TimeBudget, "_on_step", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train.run.train(asked(scenario), out)
    open_files = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if _is_link(fd)]
    assert not [name for name in open_files if str(out) in name]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    progress = read_progress(out)
    assert progress.decisions == learnt[-1]
    train.run.train(asked(scenario, progress.decisions + 1_000), out, resume=True)
    after = read_progress(out)
    assert (after.runs, after.decisions > progress.decisions) == (2, True)
    assert_curves_go_on(out)


def _is_link(fd):
    return os.path.islink(f"/proc/self/fd/{fd}")


def test_a_folder_is_held_by_one_and_let_go(tmp_path):
    with only_owner(tmp_path / "run"):
        with pytest.raises(RunFolderError, match="another process works in"), only_owner(tmp_path / "run"):
            pass
        with only_owner(tmp_path / "other"):
            pass
    with only_owner(tmp_path / "run"):
        (tmp_path / "run" / "kept").touch()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["kept"]
    assert not (tmp_path / "other").exists()  # it was made for the lock, and nothing has come into it
