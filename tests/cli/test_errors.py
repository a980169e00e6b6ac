"""Every error of a user is one clear sentence and status 2, never a traceback, and leaves nothing behind."""

from __future__ import annotations

import errno
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

import edge6g.playing
import eval.compare
from edge6g_env.errors import UserError

ROOT = Path(edge6g.__file__).parents[1]
COMPARE = ("compare", "--scenario", "tiny", "--seeds", 3)

CASES = {
    "scenario": ((*COMPARE, "--scenario", "kampus", "--policies", "local"), "no scenario 'kampus'", "mean campus"),
    "file": ((*COMPARE, "--scenario", "no/such.toml", "--policies", "local"), "no scenario file no/such.toml", ""),
    "policy": ((*COMPARE, "--policies", "local,greedi"), "no policy 'greedi'", "did you mean greedy?"),
    "folder": ((*COMPARE, "--policies", "runs/none"), "no policy 'runs/none'", "no such folder"),
    "twice": ((*COMPARE, "--policies", "local,jsq,local"), "policy local is named twice", ""),
    "none": ((*COMPARE, "--policies", ","), "no policies to compare", "greedy"),
    "seeds": ((*COMPARE, "--policies", "local", "--seeds", 0), "'--seeds'", "1"),
    "not a number": ((*COMPARE, "--policies", "local", "--seeds", "many"), "'--seeds'", "integer"),
    "seed": ((*COMPARE, "--policies", "local", "--seed", -1), "'--seed'", "0"),
    "range": ((*COMPARE, "--policies", "local", "--set", "time.slot_s=3"), "tiny.toml: time.slot_s", "0.05"),
    "key": ((*COMPARE, "--policies", "local", "--set", "time.slots=3"), "tiny.toml: time.slots", "mean slot_s"),
    "service": (
        (*COMPARE, "--policies", "local", "--set", "service.chatt.share=1"),
        "service has no chatt",
        "mean chat?",
    ),
    "prefix": ((*COMPARE, "--policies", "local", "--set", "arrivals.rate=3"), "arrivals.rate", "mean rate_jobs_s?"),
    "table": ((*COMPARE, "--policies", "local", "--set", "slot_s=0.01"), "tiny.toml: slot_s", "mean time.slot_s?"),
    "boolean": ((*COMPARE, "--policies", "local", "--set", "time.slot_s=true"), "time.slot_s = true", "a number"),
    "model": (("profile", "--model", "gpt-5"), "model = 'gpt-5' is not in the table", "known: "),
    "form": ((*COMPARE, "--policies", "local", "--set", "time.slot_s"), "--set time.slot_s", "KEY=VALUE"),
    "value": ((*COMPARE, "--policies", "local", "--set", "time.slot_s=[1"), "--set time.slot_s=[1", "TOML"),
    "usage": (("usage", "--policy", "gredy", "--scenario", "tiny"), "no policy 'gredy'", "did you mean greedy?"),
    "algorithm": (("train", "--algo", "dqn"), "no algorithm 'dqn'", "scorer, ppo"),
    "minutes": (("train", "--minutes", "0"), "'--minutes'", "0.01"),
    "train range": (("train", "--threads", "0"), "'--threads'", "1"),
    "both": (("train", "--resume", "--overwrite"), "--resume", "--overwrite"),
    "workers": (("train", "--workers", "0"), "'--workers'", "1"),
    "workers of ppo": (("train", "--algo", "ppo", "--workers", "2"), "--workers: ppo", "scorer, search take workers"),
    "ray of ppo": (("train", "--algo", "ppo", "--ray-address", "auto"), "--ray-address: ppo", "scorer, search"),
    "option": (("train", "--learning-rate", "1"), "--learning-rate", ""),
}


@pytest.mark.parametrize("case", CASES)
def test_a_user_error_is_one_sentence_and_status_2(run, tmp_path: Path, case: str):
    arguments, what, hint = CASES[case]
    ended = run(*arguments, "--out", tmp_path / "out")
    assert ended.status == 2
    assert ended.out == ""
    assert ended.err.startswith("edge6g: ")
    assert ended.err.count("\n") == 1
    assert what in ended.err
    assert hint in ended.err
    assert list(tmp_path.iterdir()) == []


def test_a_missing_option_and_an_unknown_command_are_named(run):
    assert run("compare", "--policies", "local") == (2, "", "edge6g: Missing option '--out'.\n")
    ended = run("frobnicate")
    assert (ended.status, ended.err) == (2, "edge6g: No such command 'frobnicate'.\n")


def test_each_problem_of_a_scenario_has_its_line(run, tmp_path: Path):
    ended = run("scenarios", "show", "tiny", "--set", "time.slot_s=3", "--set", "nodes.count=0")
    assert ended.status == 2
    assert [
        line for line in ended.err.splitlines() if "slot_s" in line or "nodes.count" in line
    ] == ended.err.splitlines()
    assert len(ended.err.splitlines()) == 2


@pytest.mark.parametrize("content", [b"slot_s = ", b"\xff\xfe", b""])
def test_a_scenario_file_that_cannot_be_read_is_named(run, tmp_path: Path, content: bytes):
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    ended = run("scenarios", "show", path)
    assert ended.status == 2
    assert all("mine.toml" in line for line in ended.err.splitlines())
    assert "Traceback" not in ended.err


def test_a_checkpoint_that_is_refused_is_said_in_its_words(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class OtherScenarioError(UserError):
        pass

    def refuse(folder: Path, scenario: object) -> None:
        raise OtherScenarioError(f"{folder.name} was trained on campus_v0")

    monkeypatch.setattr(edge6g.playing, "load_checkpoint", refuse)
    (tmp_path / "trained").mkdir()
    ended = run(*COMPARE, "--policies", tmp_path / "trained", "--out", tmp_path / "out")
    assert ended == (2, "", "edge6g: trained was trained on campus_v0\n")
    assert not (tmp_path / "out").exists()


def test_ctrl_c_is_a_short_line_and_status_130(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(eval.compare, "run_policies", interrupt)
    ended = run(*COMPARE, "--policies", "local", "--out", tmp_path / "out")
    assert ended == (130, "", "edge6g: stopped\n")


def test_a_bug_is_not_taken_for_an_error_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def fail(*arguments: object) -> None:
        raise ValueError("shapes do not fit")

    monkeypatch.setattr(eval.compare, "run_policies", fail)
    monkeypatch.setattr(
        sys, "argv", ["edge6g", *map(str, COMPARE), "--policies", "local", "--out", str(tmp_path / "out")]
    )
    with pytest.raises(ValueError, match="shapes do not fit"):
        edge6g.main()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/data/runs/x"), "/data/runs/x: Permission denied"),
        (OSError(errno.ENOSPC, "No space left on device", "/data/x"), "/data/x: No space left on device"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "Disk quota exceeded"),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "runs"), "runs: Is a directory"),
        (OSError("could not get source code"), None),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), None),
        (FileNotFoundError(errno.ENOENT, "No such file", str(ROOT / "edge6g_env/costs/data/gone.csv")), None),
        (FileNotFoundError(errno.ENOENT, "No such file", str(Path(sys.prefix) / "lib/gone.so")), None),
    ],
)
def test_of_errors_of_the_system_those_about_a_users_files_are_a_sentence(run, monkeypatch, tmp_path, error, said):
    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(eval.compare, "run_policies", fail)
    command = (*COMPARE, "--policies", "local", "--out", tmp_path / "out")
    if said is not None:
        assert run(*command) == (2, "", f"edge6g: {said}\n")
        return
    monkeypatch.setattr(sys, "argv", ["edge6g", *map(str, command)])
    with pytest.raises(type(error)):
        edge6g.main()


def test_a_service_is_set_by_its_name(run):
    ended = run(
        "scenarios", "show", "tiny", "--set", "service.chat.ttft_slo_s=0.5", "--set", "service.chat.model=llama-3.2-3b"
    )
    assert ended.status == 0
    chat = [line for line in ended.out.splitlines() if line.startswith("chat ")]
    assert any("llama-3.2-3b" in line for line in chat)
    assert any("0.5 s" in line for line in chat)


def test_without_a_home_there_are_no_profiles_and_their_folder_is_asked_for(run, monkeypatch):
    def nobody(number: int) -> None:
        raise KeyError(number)

    for name in ("EDGE6G_PROFILE_DIR", "XDG_DATA_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    assert run("scenarios", "show", "tiny").status == 0
    assert "did you mean l4?" in run("scenarios", "show", "tiny", "--set", 'nodes.devices=["l44"]').err
    ended = run("profile", "--out", "mine", "--model", "qwen2.5-0.5b")
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("edge6g: there is no home folder for profiles: set EDGE6G_PROFILE_DIR")


def test_a_foreign_package_under_one_of_our_names_is_said(tmp_path: Path):
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "__init__.py").write_text("")
    ended = _python(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import edge6g; edge6g.main()", "scenarios")
    assert ended.returncode == 2
    assert ended.stderr.startswith("edge6g: edge6g needs its own package 'agents'")
    assert str(tmp_path) in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_help_imports_nothing_heavy():
    ended = _python(
        "import atexit, edge6g, sys; atexit.register(lambda: print(sorted(sys.modules))); edge6g.main()", "--help"
    )
    assert ended.returncode == 0
    assert "compare" in ended.stdout
    assert not [name for name in ("torch", "numba", "pandas", "matplotlib", "numpy") if f"'{name}'" in ended.stdout]


def _python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment, check=False
    )
