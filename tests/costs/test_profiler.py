"""A run of the host profiler: its cache loses nothing, what it cannot do is said before anything is timed."""

from __future__ import annotations

import errno
import io
import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console

from edge6g_env import costs
from edge6g_env.costs import profiles
from edge6g_env.costs.efficiency import ACTIVATIONS
from edge6g_env.costs.profiles import ProfileError
from edge6g_env.costs.specs import ModelSpec
from edge6g_env.profiler import fitting, machine, measurements, report, session
from edge6g_env.profiler import run as profiler
from edge6g_env.profiler.measurements import MOST_PASSES, PASSES, Measurements
from edge6g_env.profiler.session import Costs

SPEC = ModelSpec("tiny-shape", layers=2, hidden=64, ffn=128, heads=4, kv_heads=2, vocab=256)
PRECISIONS = ["fp32", "bf16", "int8"]
QUIET = Console(quiet=True)


def profile(**options: object) -> profiler.Result:
    return profiler.profile([SPEC], PRECISIONS, "my-laptop", console=QUIET, **options)  # type: ignore[arg-type]


# --- the cache -----------------------------------------------------------------------------------------------------------------


def test_a_second_run_times_nothing_and_finds_the_same(profile_folder: Path, clock: Callable):
    calls = clock()
    first = profile()
    assert first.timed == len(calls) > 0
    assert first.reused == 0
    again = clock(stop_at=0)
    second = profile()
    assert (second.timed, second.reused, len(again)) == (0, first.timed, 0)
    assert second.device == first.device
    assert second.errors == first.errors
    assert profiles.find("my-laptop").digest == profiles.find(str(first.path)).digest


def test_fresh_times_everything_anew(profile_folder: Path, clock: Callable):
    clock()
    first = profile()
    calls = clock()
    second = profile(fresh=True)
    assert second.timed == len(calls) == first.timed
    assert second.reused == 0


@pytest.mark.parametrize("stop_at", [1, 40, 200])
def test_after_ctrl_c_a_run_goes_on_where_it_stopped(profile_folder: Path, clock: Callable, stop_at: int):
    clock(stop_at)
    with pytest.raises(KeyboardInterrupt):
        profile()
    assert profiles.names() == ()
    calls = clock()
    result = profile()
    assert result.reused == stop_at
    assert result.timed == len(calls)
    clock()
    assert result.timed + result.reused == profile(fresh=True).timed


def test_another_precision_or_thread_count_times_only_what_is_new(profile_folder: Path, clock: Callable):
    clock()
    first = profiler.profile([SPEC], PRECISIONS[:2], "my-laptop", console=QUIET)
    more = clock()
    second = profile()
    assert (second.reused, second.timed) == (first.timed, len(more))
    assert 0 < len(more) < first.timed
    calls = clock()
    assert profile(threads=torch.get_num_threads() + 1).timed == len(calls) == first.timed + second.timed


def test_torch_has_its_threads_back(profile_folder: Path, clock: Callable):
    before = torch.get_num_threads()
    clock(stop_at=5)
    with pytest.raises(KeyboardInterrupt):
        profile(threads=before + 1)
    assert torch.get_num_threads() == before


def test_measurements_survive_a_torn_line_and_count_the_middle_pass(profile_folder: Path):
    times = Measurements(["a"])
    for time_s in (3.0, 2.0, 4.0):
        times.add("x", time_s)
    times.add("y", 5.0)
    with times._file.open("a") as file:
        file.write('["y", 1')
    again = Measurements(["a"])
    assert (again.passes("x"), again.time_s("x"), again.first_s("x")) == (3, 3.0, 3.0)
    assert again.spread("x") == pytest.approx(0.5)
    assert (again.passes("y"), again.time_s("y"), again.time_s("z")) == (1, 5.0, None)
    assert Measurements(["b"]).passes("x") == 0
    assert Measurements(["a"], fresh=True).passes("x") == 0
    assert Measurements(["a"]).passes("x") == 0


@pytest.mark.parametrize(
    ("passes", "more"),
    [
        ((1.0, 1.0), 1),
        ((2.0, 1.0, 1.02), 0),
        ((1.0, 1.04, 1.1), 1),
        ((1.0, 2.0, 3.0, 0.99), 0),
        ((6.0, 5.0, 4.0, 3.0, 2.0, 1.0), 0),
    ],
)
def test_a_point_is_timed_until_its_passes_agree(profile_folder: Path, passes: tuple[float, ...], more: int):
    times = Measurements(["a"])
    for time_s in passes:
        times.add("x", time_s)
    added = 0
    for turn in range(MOST_PASSES):
        if not times.is_known("x", turn):
            times.add("x", min(passes))
            added += 1
    assert added == more


def test_a_busy_machine_is_timed_more_often(profile_folder: Path, clock: Callable):
    clock()
    quiet = profile()
    clock(growth=1.01)
    busy = profile(fresh=True)
    clock(growth=1.0001)
    steady = profile(fresh=True)
    assert quiet.timed == steady.timed < busy.timed <= quiet.timed * MOST_PASSES / PASSES


def test_a_profile_not_to_be_relied_on_says_so(profile_folder: Path, clock: Callable):
    clock()
    good = profile()
    bad_part = {"held_out": fitting.Error(mean_percent=16.0, worst_percent=40.0, points=8)}
    bad = good._replace(errors={p: {**e, "whole step": bad_part} for p, e in good.errors.items()}, spread=0.2)
    shown = []
    for result in (good, bad):
        console = Console(record=True, quiet=False, file=io.StringIO(), width=120)
        report.show(result, console)
        shown.append(console.export_text())
    for said in ("steps are predicted 16 % off", "other programs disturbed the timings"):
        assert [said in text for text in shown] == [False, True]


def test_edited_code_of_the_layer_measures_anew(profile_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    before = Measurements(["a"])._file
    for name in measurements._SOURCES:
        (tmp_path / name).write_text("edited")
    monkeypatch.setattr(measurements, "__file__", str(tmp_path / "measurements.py"))
    assert Measurements(["a"])._file != before


def test_points_that_take_too_long_are_left_out_but_the_fit_has_enough(
    profile_folder: Path, clock: Callable, monkeypatch
):
    clock()
    monkeypatch.setattr(session, "LONGEST_CALL_S", 0.0)
    monkeypatch.setattr(session, "LONGEST_STEP_S", 0.0)
    fewest = profile()
    found = {part for parts_ in fewest.errors.values() for part, e in parts_.items() if "fit" in e}
    assert found == {"layer", "decode attention", "prefill attention", "head"}
    rows = profiles.find("my-laptop").content["rows"]
    for kind in ("layer_ms", "head_ms"):
        assert (
            sum(kind in r and r["precision"] == "int8" and not r["held_out"] for r in rows) == session.FEWEST_FIT_POINTS
        )


# --- what cannot be profiled ---------------------------------------------------------------------------------------------------

REFUSED = {
    "no such model": (["qwen2.5-0.6b"], PRECISIONS, "x", {}, "model = 'qwen2.5-0.6b'.*did you mean"),
    "experts": (["olmoe-1b-7b"], PRECISIONS, "x", {}, "olmoe-1b-7b is a mixture of experts"),
    "too large": (["llama-2-70b"], PRECISIONS, "x", {}, "llama-2-70b is too large .* GB"),
    "no model": ([], PRECISIONS, "x", {}, "no model to profile"),
    "too large at all together": (
        ["qwen3-4b"],
        list(ACTIVATIONS),
        "x",
        {},
        "qwen3-4b is too large .* at fp32, fp16, bf16",
    ),
    "threads": ([SPEC], PRECISIONS, "x", {"threads": 0}, "threads must be at least 1, it is 0"),
    "no precision": ([SPEC], [], "x", {}, "no precision to profile: name some of fp32"),
    "fp8": ([SPEC], ["fp32", "fp8"], "x", {}, "no profile can have precision 'fp8'"),
    "a device": ([SPEC], PRECISIONS, "l4", {}, "l4 is a device of the tables"),
    "a device as a path": ([SPEC], PRECISIONS, "here/l4.json", {}, "l4 is a device of the tables"),
    "name": ([SPEC], PRECISIONS, "My Laptop", {}, "no profile can be called 'My Laptop'"),
    "folder": ([SPEC], PRECISIONS, "runs/mine", {}, "no profile can be called 'runs/mine'.*ends in .json"),
    "price": ([SPEC], PRECISIONS, "x", {"fixed": Costs(usd_per_hour=-1.0)}, "price must be finite and at least 0"),
    "power": ([SPEC], PRECISIONS, "x", {"fixed": Costs(idle_w=50.0)}, "power must be finite and above 0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_profiled_is_refused_before_anything_is_timed(
    profile_folder: Path, clock: Callable, monkeypatch, case: str
):
    models, precisions, out, options, message = REFUSED[case]
    monkeypatch.setattr(machine, "_memory_bytes", lambda: 8_000_000_000)
    clock(stop_at=0)
    with pytest.raises(ProfileError, match=message):
        profiler.profile(models, precisions, out, console=QUIET, **options)
    assert not profile_folder.exists()


def test_the_profile_of_another_machine_is_not_replaced(
    profile_folder: Path, clock: Callable, monkeypatch: pytest.MonkeyPatch
):
    clock()
    profile()
    monkeypatch.setattr(machine, "_processor", lambda: "Abacus 3000")
    with pytest.raises(ProfileError, match=r"my-laptop.json is the profile of a .*, this is a Abacus 3000"):
        profile()


@pytest.mark.parametrize("host", [None, [], {"processor": None}])
def test_a_profile_that_does_not_name_its_machine_is_replaced(profile_folder: Path, clock: Callable, host: object):
    clock()
    path = profile().path
    path.write_text(json.dumps({**json.loads(path.read_text()), "host": host}))
    profile()
    assert json.loads(path.read_text())["host"]["torch"] == torch.__version__


def test_what_is_no_profile_is_replaced_in_the_users_folder_only(profile_folder: Path, clock: Callable, tmp_path: Path):
    clock()
    profile_folder.mkdir()
    (profile_folder / "my-laptop.json").write_text("{")
    assert costs.device(profile().path.stem).is_profiled
    (tmp_path / "package.json").write_text("{}")
    with pytest.raises(ProfileError, match=r"package.json is there and is no profile: delete it, or choose another"):
        profiler.profile([SPEC], PRECISIONS, str(tmp_path / "package.json"), console=QUIET)
    assert (tmp_path / "package.json").read_text() == "{}"


def test_a_folder_that_cannot_be_written_is_named_before_anything_is_timed(
    profile_folder: Path, clock: Callable, monkeypatch: pytest.MonkeyPatch
):
    calls = clock()
    real = tempfile.TemporaryFile

    def refuse(*, dir: Path) -> object:
        if dir == profile_folder:
            raise PermissionError(errno.EACCES, "Permission denied", f"{dir}/tmp")
        return real(dir=dir)

    monkeypatch.setattr(profiler.tempfile, "TemporaryFile", refuse)
    with pytest.raises(PermissionError, match="nothing can be written there") as refused:
        profile()
    assert (refused.value.filename, calls) == (str(profile_folder), [])


def test_a_model_named_twice_is_timed_once_and_two_of_one_name_are_two(profile_folder: Path, clock: Callable):
    calls = clock()
    profiler.profile([SPEC, SPEC], PRECISIONS, "my-laptop", console=QUIET)
    once = len(calls)
    assert profile().models == [SPEC]
    assert len(calls) == once
    wider = replace(SPEC, ffn=256, params_per_layer=0, params_total=0, fp16_bytes=0)
    profiler.profile([SPEC, wider], PRECISIONS, "both", console=QUIET)
    assert len(calls) == 2 * once
    assert {row["ffn"] for row in profiles.find("both").content["rows"] if "layer_ms" in row} == {128, 256}


# --- all of it, with the real clock --------------------------------------------------------------------------------------------


def test_a_profile_of_this_machine(profile_folder: Path):
    result = profile(fixed=Costs(0.2, 3.0, 30.0))
    content = json.loads(result.path.read_text())
    device = costs.device("my-laptop")
    assert content["host"]["torch"] == torch.__version__
    assert content["models"] == ["tiny-shape"]
    assert set(content["errors_percent"]) == set(PRECISIONS)
    assert all(row[k] > 0.0 for row in content["rows"] for k in row if k.endswith("_ms"))
    assert (device.usd_per_hour, device.idle_w, device.tdp_w) == (0.2, 3.0, 30.0)
    assert device == result.device
    for precision in PRECISIONS:
        times_s = costs.layer_time_s(SPEC, device, [1.0, 16.0, 3000.0], precision)
        assert (times_s > 0.0).all()
        assert times_s[2] > times_s[1]
