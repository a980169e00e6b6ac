"""`edge6g profile` as a user meets it: the tables, the status, what stays after Ctrl-C."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge6g_env.costs import profiles, tables
from edge6g_env.costs.efficiency import ACTIVATIONS
from edge6g_env.costs.specs import ModelSpec
from edge6g_env.profiler import machine, plan, session

SPEC = ModelSpec("tiny-shape", layers=2, hidden=64, ffn=128, heads=4, kv_heads=2, vocab=256)
COMMAND = ("profile", "--model", "tiny-shape", "--precision", "fp32,int8", "--out", "my-laptop")


@pytest.fixture(autouse=True)
def _small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tiny model among the others, few points, folders of the test."""
    monkeypatch.setenv("EDGE6G_PROFILE_DIR", str(tmp_path / "profiles"))
    monkeypatch.setenv("EDGE6G_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(session, "PASS_S", 1e-4)
    monkeypatch.setattr(machine, "DISK_BYTES", 2**20)
    monkeypatch.setattr(plan, "FIT_TOKENS", (1, 2, 4, 8, 16))
    monkeypatch.setitem(tables._models(), "tiny-shape", SPEC)


def test_it_shows_errors_speeds_and_how_to_use_the_profile(run, tmp_path: Path):
    ended = run(*COMMAND)
    assert ended.status == 0
    rows = {line.split()[0]: line for line in ended.out.splitlines() if line.startswith(("fp32 ", "int8 "))}
    assert set(rows) == {"fp32", "int8"}
    assert all(row.count("/") == 5 for row in rows.values())
    assert "its times at fp32 are for scenarios whose UEs and cloud are profiled too" in ended.out
    assert "tiny-shape: pass 3 of 3" in ended.err
    assert profiles.names() == ("my-laptop",)


@pytest.mark.parametrize("precisions", ["fp32,int8", "bf16", "fp32"])
def test_the_keys_that_it_shows_make_a_scenario(run, clock, precisions: str):
    clock()
    shown = run(*COMMAND, "--precision", precisions).out.partition("in a scenario: ")[2].splitlines()[0]
    settings = [word for key in re.split(r", (?=[a-z])", shown) for word in ("--set", key.replace(" = ", "="))]
    ended = run("scenarios", "show", "tiny", *settings)
    assert ended.status == 0, ended.err
    assert f"precision {'int8' if 'int8' in precisions else precisions} (default" in ended.out


def test_a_second_run_reuses_and_fresh_does_not(run, clock):
    clock()
    made = run(*COMMAND).out.partition(" timings made")[0].split()[-1]
    assert f"\n0 timings made, {made} reused" in run(*COMMAND).out
    assert " timings made, 0 reused" in run(*COMMAND, "--fresh").out


def test_ctrl_c_ends_with_130_and_keeps_what_was_timed(run, clock):
    clock(stop_at=30)
    ended = run(*COMMAND)
    assert ended.status == 130
    assert "30 timings are kept: the same command goes on from there" in ended.err
    assert profiles.names() == ()
    clock()
    assert ", 30 reused" in run(*COMMAND).out


def test_price_and_power_change_without_timing_anything(run, clock):
    clock()
    run(*COMMAND)
    ended = run(*COMMAND, "--usd-per-hour", "0.5", "--idle-watts", "2", "--full-watts", "20")
    assert "0.5 USD/h, 2 to 20 W" in ended.out
    assert "\n0 timings made" in ended.out


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("--model", "gpt-5"), "model = 'gpt-5'"),
        (("--model", ","), "no model to profile"),
        (("--precision", "fp8"), "no profile can have precision 'fp8': there are fp32, "),
        (("--out", "l4"), "l4 is a device of the tables"),
        (("--threads", "0"), "'--threads'"),
        (("--usd-per-hour", "-1"), "price must be finite and at least 0"),
    ],
)
def test_a_user_error_is_one_sentence_and_status_2(run, tmp_path: Path, arguments: tuple[str, ...], what: str):
    ended = run(*COMMAND, *arguments)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("edge6g: ")
    assert ended.err.count("\n") == 1
    assert what in ended.err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EDGE6G_PROFILE_DIR", str(tmp_path / "file" / "profiles"))
    ended = run(*COMMAND)
    assert ended.status == 2
    assert str(tmp_path / "file") in ended.err


def test_the_help_has_the_limits_and_values_that_hold(run):
    parts = " ".join(run("profile", "--help").out.split()).split(" --")
    options = {part.split()[0]: part for part in parts}
    fixed = session.Costs()
    named = {"usd-per-hour": fixed.usd_per_hour, "idle-watts": fixed.idle_w, "full-watts": fixed.full_w}
    for name, value in named.items():
        assert f"at least {'that' if name == 'full-watts' else '0'}" in options[name]
        assert f"{value:g} if left out" in options[name]
        assert run(*COMMAND, f"--{name}", -1.0).status == 2
    for precision in ACTIVATIONS:
        assert f" {precision}," in options["precision"]
    assert "1<=x<=1024" in options["threads"]


def test_a_folder_that_cannot_be_written_is_said_before_anything_is_timed(run):
    ended = run(*COMMAND[:-1], "/proc/mine.json")
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("edge6g: /proc: nothing can be written there")
    assert ended.err.count("\n") == 1
