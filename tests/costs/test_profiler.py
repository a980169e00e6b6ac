"""The host profiler: its layer computes a transformer, its cache loses nothing, its fit finds what is there, scenarios take its devices."""

from __future__ import annotations

import errno
import io
import itertools
import json
import math
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import Tensor

import edge6g_env
from edge6g_env import costs
from edge6g_env.costs import hosts, tables
from edge6g_env.costs.efficiency import ACTIVATIONS, DecodeAttention, DeviceFit, PrefillAttention, Residual, Roofline
from edge6g_env.costs.hosts import ProfileError
from edge6g_env.costs.specs import DeviceSpec, ModelSpec
from edge6g_env.profiler import fitting, machine, measurements, plan, products, report, session
from edge6g_env.profiler import layer as parts
from edge6g_env.profiler import run as profiler
from edge6g_env.profiler.fitting import Timed
from edge6g_env.profiler.layer import Cache, Layer
from edge6g_env.profiler.measurements import MOST_PASSES, PASSES, Measurements
from edge6g_env.profiler.products import PrecisionError
from edge6g_env.profiler.session import Costs

SPEC = ModelSpec("tiny-shape", layers=2, hidden=64, ffn=128, heads=4, kv_heads=2, vocab=256)
PRECISIONS = ["fp32", "bf16", "int8"]
QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def kernel() -> None:
    """Loaded from where it is kept, before a test has a cache folder of its own."""
    edge6g_env.batch_env("tiny", num_worlds=1).reset(seed=0)


@pytest.fixture
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty folders for profiles and measurements; fewer points, and hardly any time for each."""
    monkeypatch.setenv("EDGE6G_PROFILE_DIR", str(tmp_path / "profiles"))
    monkeypatch.setenv("EDGE6G_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(session, "PASS_S", 1e-4)
    monkeypatch.setattr(machine, "READ_BYTES", 2**16)
    monkeypatch.setattr(machine, "DISK_BYTES", 2**20)
    monkeypatch.setattr(plan, "FIT_TOKENS", (1, 2, 4, 8, 16))
    monkeypatch.setattr(plan, "HELD_OUT_TOKENS", (3, 12))
    return tmp_path / "profiles"


def profile(**options: object) -> profiler.Result:
    return profiler.profile([SPEC], PRECISIONS, "my-laptop", console=QUIET, **options)  # type: ignore[arg-type]


# --- the layer -----------------------------------------------------------------------------------------------------------------


def layer_of(spec: ModelSpec, precision: str = "fp32") -> tuple[Layer, dict[str, Tensor]]:
    weights = parts.layer_weights(spec, torch.Generator().manual_seed(1))
    weights = {name: 10.0 * w for name, w in weights.items()}
    return Layer(spec, precision, weights), weights


def empty_cache(spec: ModelSpec, batch: int, tokens: int) -> Cache:
    return Cache(*(torch.full((batch, spec.kv_heads, tokens, spec.head_dim), math.nan) for _ in range(2)))


def forward(layer: Layer, spec: ModelSpec, x: Tensor, batch: int, cached: int, cache: Cache) -> Tensor:
    new = len(x) // batch
    rotary = parts.rotation(spec, cached, new, torch.float32)
    heads = layer.heads(x, rotary, batch)
    return layer.finish(x, parts.attend(heads, cache, cached, parts.query_blocks(new, cached, torch.float32)))


def norm(x: np.ndarray) -> np.ndarray:
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + np.finfo(np.float32).eps)


def plain_layer(spec: ModelSpec, weights: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """One sequence (n, hidden) through a layer, in float64, head by head and position by position."""
    n, d, half = len(x), spec.head_dim, spec.head_dim // 2
    angle = np.arange(n)[:, None] * 10_000.0 ** (-np.arange(half) / half)

    def rotated(v: np.ndarray) -> np.ndarray:
        turned = (v[:, :half] + 1j * v[:, half:]) * np.exp(1j * angle)
        return np.concatenate([turned.real, turned.imag], axis=1)

    columns = norm(x) @ weights["qkv"].T
    every = [columns[:, i * d : (i + 1) * d] for i in range(spec.heads + 2 * spec.kv_heads)]
    keys, values = every[spec.heads : -spec.kv_heads], every[-spec.kv_heads :]
    out = []
    for h in range(spec.heads):
        group = h // (spec.heads // spec.kv_heads)
        scores = rotated(every[h]) @ rotated(keys[group]).T / math.sqrt(d)
        scores[np.triu_indices(n, 1)] = -np.inf
        share = np.exp(scores - scores.max(axis=1, keepdims=True))
        out.append(share / share.sum(axis=1, keepdims=True) @ values[group])
    x = x + np.concatenate(out, axis=1) @ weights["out"].T
    up = norm(x) @ weights["up"].T
    if spec.gated_mlp:
        gate, up = np.split(up, 2, axis=1)
        return x + (gate / (1.0 + np.exp(-gate)) * up) @ weights["down"].T
    erf = torch.erf(torch.from_numpy(up / math.sqrt(2.0))).numpy()
    return x + (up * 0.5 * (1.0 + erf)) @ weights["down"].T


@pytest.mark.parametrize(
    "spec", [SPEC, replace(SPEC, gated_mlp=0, params_per_layer=0, kv_heads=4)], ids=["gated, groups", "plain"]
)
def test_a_layer_is_the_transformer_of_the_formulas(spec: ModelSpec):
    layer, weights = layer_of(spec)
    x = torch.randn(2, 70, spec.hidden, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        found = forward(layer, spec, x.view(140, -1), 2, 0, empty_cache(spec, 2, 70)).view(2, 70, -1)
    plain = {name: w.double().numpy() for name, w in weights.items()}
    for sequence, rows in zip(x, found, strict=True):
        expected = plain_layer(spec, plain, sequence.double().numpy())
        np.testing.assert_allclose(rows.numpy(), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("pieces", [(70,), (1,) * 70, (33, 37), (64, 1, 5)])
def test_a_prompt_in_pieces_and_its_decodes_equal_the_whole(pieces: tuple[int, ...]):
    layer, _ = layer_of(SPEC)
    x = torch.randn(70, SPEC.hidden, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        whole = forward(layer, SPEC, x, 1, 0, empty_cache(SPEC, 1, 70))
        cache, starts = empty_cache(SPEC, 1, 70), itertools.accumulate(pieces, initial=0)
        found = [forward(layer, SPEC, x[s : s + n], 1, s, cache) for s, n in zip(starts, pieces, strict=False)]
    torch.testing.assert_close(torch.cat(found), whole, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("precision", ACTIVATIONS)
def test_a_product_is_that_of_its_weights_rounded_to_the_precision(precision: str):
    try:
        products.check_precision(precision)
    except PrecisionError as error:
        pytest.skip(str(error))
    generator = torch.Generator().manual_seed(4)
    weight, x = torch.randn(96, 256, generator=generator), torch.randn(5, 256, generator=generator)
    with torch.inference_mode():
        product = products.make_product(weight, precision)
        found = product(x.to(products.activation_dtype(precision))).float()
    off = float((found - x @ weight.t()).norm() / (x @ weight.t()).norm())
    worst = {"fp32": 1e-5, "fp16": 2e-3, "bf16": 1e-2, "int8": 3e-2, "int8-wo": 2e-2, "int4": 0.15}
    assert off < worst[precision]
    assert precision == "fp32" or off > 1e-5  # it really is rounded


def test_a_precision_that_the_machine_lacks_or_gets_wrong_is_named(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> products.Product:
        raise RuntimeError("no kernel\nsecond line")

    monkeypatch.setattr(products, "make_product", refuse)
    with pytest.raises(PrecisionError, match=r"cannot multiply at int8 on this CPU: no kernel$"):
        products.check_precision("int8")
    monkeypatch.setattr(products, "make_product", lambda w, _: lambda x: x @ w.t() * 2.0)
    with pytest.raises(PrecisionError, match="multiplies wrongly at fp32"):
        products.check_precision("fp32")


# --- the cache -----------------------------------------------------------------------------------------------------------------


def test_a_second_run_times_nothing_and_finds_the_same(profiles: Path, clock: Callable):
    calls = clock()
    first = profile()
    assert first.timed == len(calls) > 0
    assert first.reused == 0
    again = clock(stop_at=0)
    second = profile()
    assert (second.timed, second.reused, len(again)) == (0, first.timed, 0)
    assert second.device == first.device
    assert second.errors == first.errors
    assert hosts.find("my-laptop").digest == hosts.find(str(first.path)).digest


def test_fresh_times_everything_anew(profiles: Path, clock: Callable):
    clock()
    first = profile()
    calls = clock()
    second = profile(fresh=True)
    assert second.timed == len(calls) == first.timed
    assert second.reused == 0


@pytest.mark.parametrize("stop_at", [1, 40, 200])
def test_after_ctrl_c_a_run_goes_on_where_it_stopped(profiles: Path, clock: Callable, stop_at: int):
    clock(stop_at)
    with pytest.raises(KeyboardInterrupt):
        profile()
    assert hosts.names() == ()
    calls = clock()
    result = profile()
    assert result.reused == stop_at
    assert result.timed == len(calls)
    clock()
    assert result.timed + result.reused == profile(fresh=True).timed


def test_another_precision_or_thread_count_times_only_what_is_new(profiles: Path, clock: Callable):
    clock()
    first = profiler.profile([SPEC], PRECISIONS[:2], "my-laptop", console=QUIET)
    more = clock()
    second = profile()
    assert (second.reused, second.timed) == (first.timed, len(more))
    assert 0 < len(more) < first.timed
    calls = clock()
    assert profile(threads=torch.get_num_threads() + 1).timed == len(calls) == first.timed + second.timed


def test_torch_has_its_threads_back(profiles: Path, clock: Callable):
    before = torch.get_num_threads()
    clock(stop_at=5)
    with pytest.raises(KeyboardInterrupt):
        profile(threads=before + 1)
    assert torch.get_num_threads() == before


def test_measurements_survive_a_torn_line_and_count_the_middle_pass(profiles: Path):
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
def test_a_point_is_timed_until_its_passes_agree(profiles: Path, passes: tuple[float, ...], more: int):
    times = Measurements(["a"])
    for time_s in passes:
        times.add("x", time_s)
    added = 0
    for turn in range(MOST_PASSES):
        if not times.is_known("x", turn):
            times.add("x", min(passes))
            added += 1
    assert added == more


def test_a_busy_machine_is_timed_more_often(profiles: Path, clock: Callable):
    clock()
    quiet = profile()
    clock(growth=1.01)
    busy = profile(fresh=True)
    clock(growth=1.0001)
    steady = profile(fresh=True)
    assert quiet.timed == steady.timed < busy.timed <= quiet.timed * MOST_PASSES / PASSES


def test_a_profile_not_to_be_relied_on_says_so(profiles: Path, clock: Callable):
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


def test_edited_code_of_the_layer_measures_anew(profiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    before = Measurements(["a"])._file
    for name in measurements._SOURCES:
        (tmp_path / name).write_text("edited")
    monkeypatch.setattr(measurements, "__file__", str(tmp_path / "measurements.py"))
    assert Measurements(["a"])._file != before


def test_points_that_take_too_long_are_left_out_but_the_fit_has_enough(profiles: Path, clock: Callable, monkeypatch):
    clock()
    monkeypatch.setattr(session, "LONGEST_CALL_S", 0.0)
    monkeypatch.setattr(session, "LONGEST_STEP_S", 0.0)
    fewest = profile()
    found = {part for parts_ in fewest.errors.values() for part, e in parts_.items() if "fit" in e}
    assert found == {"layer", "decode attention", "prefill attention", "head"}
    rows = hosts.find("my-laptop").content["rows"]
    for kind in ("layer_ms", "head_ms"):
        assert (
            sum(kind in r and r["precision"] == "int8" and not r["held_out"] for r in rows) == session.FEWEST_FIT_POINTS
        )


# --- the fit -------------------------------------------------------------------------------------------------------------------

HOST = DeviceSpec(
    "host", "edge", 0.1, 0.2, None, None, 16.0, 20.0, 5.0, 45.0, 1.0, None,
    measured_tflops={"fp32": 0.1, "bf16": 0.01, "int8": 0.2}, usd_per_hour=0.5,
)  # fmt: skip
JUMP = Residual((1.0, 2.0, 512.0), (1.0, 1.8, 1.0))  # a kernel that is slow for small batches
TRUTH = replace(
    HOST,
    fit=DeviceFit(
        layer={"fp32": Roofline(0.9, 0.7, 1e-4, 2.0), "bf16": Roofline(1.1, 0.5, 2e-4, 3.0), "int8": Roofline(0.8, 0.6, 5e-5, 2.5)},
        decode_attention={"fp32": DecodeAttention(0.5, 3e-5, 1.2), "bf16": DecodeAttention(0.3, 4e-5, 1.2)},
        prefill_attention={"fp32": PrefillAttention(0.4, 0.0, 5e-5, 40.0), "bf16": PrefillAttention(0.3, 0.0, 5e-5, 60.0)},
        head={p: Roofline(0.8, 0.8, 1e-4, 2.0) for p in PRECISIONS},
        residual={"layer fp32": JUMP, **{f"head {p}": Residual((1.0,), (1.0,)) for p in PRECISIONS}},
    ),
)  # fmt: skip
MODEL = costs.model("qwen2.5-0.5b")


def timed_by(device: DeviceSpec, precisions: list[str] = PRECISIONS) -> list[Timed]:
    """Every point with the time that a device of known parameters takes; heads from their products, whose time is no line."""
    found = []
    for precision in precisions:
        for point in itertools.chain(*plan.points_of(MODEL).values()):
            one = Timed(MODEL, precision, point, 0.0)
            if point.kind == "step":
                attention_s = costs.attention_time_s(MODEL, device, point.new, point.cached, point.batch, precision)
                linear_s = costs.layer_time_s(MODEL, device, point.batch * point.new, precision)
                time_s = float(linear_s + attention_s)
            else:
                time_s = fitting._PREDICTED[point.kind](device, one)
            found.append(one._replace(time_s=time_s))
    return found


@pytest.fixture(scope="module")
def fitted() -> tuple[DeviceSpec, fitting.Errors]:
    timed = timed_by(TRUTH)
    device = fitting.fit_profile(HOST, [fitting.row_of(one, "host") for one in timed])
    return device, fitting.errors_of(device, timed)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_fit_finds_the_machine_that_made_the_times(fitted: tuple[DeviceSpec, fitting.Errors], precision: str):
    errors = fitted[1][precision]
    assert errors["layer"]["fit"].mean_percent < 1e-6
    for part in fitting.PARTS:
        assert errors[part]["held_out"].mean_percent < 3.0, part
    assert errors["whole step"]["held_out"].points == len(plan.STEPS)


def test_the_jump_of_a_kernel_stays_in_the_fit(fitted: tuple[DeviceSpec, fitting.Errors]):
    """No roofline has it; predictions are exact where it was timed, near elsewhere."""
    at = np.array([1.0, 2.0, 3.0, 4.0])
    expected, found = (costs.layer_time_s(MODEL, d, at, "fp32") for d in (TRUTH, fitted[0]))
    np.testing.assert_allclose(found[[0, 1, 3]], expected[[0, 1, 3]], rtol=1e-9)
    assert found[1] / found[0] > 1.5
    assert found[2] == pytest.approx(expected[2], rel=0.03)


def test_steps_of_half_the_times_are_predicted_twice_too_long(fitted: tuple[DeviceSpec, fitting.Errors]):
    timed = [t._replace(time_s=0.5 * t.time_s) for t in timed_by(fitted[0])]
    errors = fitting.errors_of(fitted[0], timed)["bf16"]
    for part, error in ((p, e) for p, e in errors.items() if p != "head"):
        assert error["held_out"].mean_percent == pytest.approx(100.0), part
        assert error["held_out"].worst_percent == pytest.approx(100.0), part


def test_rows_are_those_of_the_measured_tables():
    """The columns that costs.fit_device takes, with the precision that a thing really has: attention that of the activations."""
    rows = [fitting.row_of(one, "host") for one in timed_by(TRUTH, ["int8"])]
    by_kind = {next(k for k in row if k.endswith("_ms")): row for row in rows}
    names = {"device", "model", "hidden", "ffn", "heads", "kv_heads", "gated", "tp", "tokens", "layer_ms"}
    assert names <= set(by_kind["layer_ms"])
    assert {"q_heads", "kv_heads", "head_dim", "phase", "batch", "new_tokens", "kv_prior", "attn_ms"} <= set(
        by_kind["attn_ms"]
    )
    assert [by_kind[k]["precision"] for k in ("layer_ms", "attn_ms", "head_ms")] == ["int8", "fp32", "int8"]
    fit = costs.fit_device([row for row in rows if not row["held_out"]], HOST).fit
    assert list(fit.layer) == ["int8"]
    assert list(fit.decode_attention) == ["fp32"]


# --- the profile as a device ---------------------------------------------------------------------------------------------------


def write(name: str, device: DeviceSpec = TRUTH) -> Path:
    """A profile of a machine of known parameters in the user's folder."""
    sheet = {key: getattr(device, key) for key in device.__dataclass_fields__ if key not in ("name", "fit")}
    content = {"format": hosts.FORMAT, "device": sheet, "fit": costs.fit_of(device).to_dict(), "host": {}, "rows": []}
    path = hosts.path_of(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def test_a_profile_is_found_by_name_and_by_path(profiles: Path, tmp_path: Path):
    path = write("my-laptop")
    assert costs.devices()[-1] == "my-laptop"
    assert costs.device("my-laptop") == costs.device(str(path)) == replace(TRUTH, name="my-laptop")
    path.rename(tmp_path / "moved.json")
    assert "my-laptop" not in costs.devices()
    assert costs.device(str(tmp_path / "moved.json")).fit == TRUTH.fit
    with pytest.raises(ValueError, match="device = 'my-laptop' is not in the table"):
        costs.device("my-laptop")


def test_a_profile_that_was_written_anew_is_read_anew(profiles: Path):
    write("my-laptop")
    before = tables.profile_digest("my-laptop")
    write("my-laptop", replace(TRUTH, usd_per_hour=0.75))
    assert costs.device("my-laptop").usd_per_hour == 0.75
    assert tables.profile_digest("my-laptop") != before


def test_a_shipped_device_is_never_hidden_by_a_profile(profiles: Path):
    write("l4")
    assert not costs.device("l4").is_profiled
    assert costs.devices().count("l4") == 1
    assert costs.accelerator_price_usd_per_s("l4") == costs.price("l4", "gpu_rent").value / 3600.0


@pytest.mark.parametrize(
    ("text", "why"),
    [("{", "line 1"), ("[]", "not a profile"), ('{"format": 9}', "format is 9"), ('{"format": 1}', "lacks 'device'")],
)
def test_a_damaged_profile_says_what_to_do(profiles: Path, text: str, why: str):
    write("my-laptop").write_text(text)
    with pytest.raises(ProfileError, match=rf"(?s)my-laptop.json is not a profile.*{why}|{why}.*edge6g profile"):
        costs.device("my-laptop")


@pytest.mark.parametrize(
    ("part", "why"),
    [
        (("fit", "head", "int8"), "part of what belongs to int8"),
        (("fit", "residual", "head int8"), "part of what belongs to int8"),
        (("device", "measured_tflops", "int8"), "part of what belongs to int8"),
        (("device", "measured_tflops"), "it has no precision|part of what belongs to fp32"),
    ],
)
def test_a_profile_that_lacks_a_part_is_refused_when_read(profiles: Path, part: tuple[str, ...], why: str):
    content = json.loads(write("my-laptop").read_text())
    *folders, name = part
    inner = content
    for folder in folders:
        inner = inner[folder]
    del inner[name]
    hosts.path_of("my-laptop").write_text(json.dumps(content))
    with pytest.raises(ProfileError, match=rf"my-laptop.json is not a profile.*({why})"):
        costs.device("my-laptop")


@pytest.mark.parametrize("cell", [math.nan, math.inf, -1.0, "1", None])
def test_a_profile_with_a_cell_that_is_no_number_is_refused_when_read(profiles: Path, cell: object):
    content = json.loads(write("my-laptop").read_text())
    content["fit"]["layer"]["int8"]["ec"] = cell
    hosts.path_of("my-laptop").write_text(json.dumps(content))
    with pytest.raises(ProfileError, match=r"my-laptop.json is not a profile"):
        costs.device("my-laptop")


def test_a_path_without_a_file_is_said_to_be_missing(profiles: Path):
    with pytest.raises(ProfileError, match=r"device = 'runs/mine.json': there is no such file"):
        costs.decode_step_s(MODEL, "runs/mine.json", 500, 2, "int8")


def test_a_profile_has_the_precisions_that_were_measured(profiles: Path):
    write("my-laptop")
    assert costs.device("my-laptop").precisions == ("fp32", "bf16", "fp16", "int8")
    step_s = {p: float(costs.decode_step_s(MODEL, "my-laptop", 500, 2, p)) for p in ("fp32", "bf16", "fp16", "int8")}
    assert step_s["fp16"] == step_s["bf16"]
    assert len(set(step_s.values())) == 3
    for call in (
        lambda: costs.decode_step_s(MODEL, "my-laptop", 500, 2, "int4"),
        lambda: costs.gemm_time_s("my-laptop", 1, 2, 3, "int4"),
        lambda: costs.kernel_tables(["my-laptop"], [(MODEL, "int4")]),
    ):
        with pytest.raises(
            ValueError, match="device = 'my-laptop' has no times at int4: it has fp32, bf16, fp16, int8"
        ):
            call()
    with pytest.raises(ValueError, match="device = 'l4' has no times at fp32"):
        costs.layer_time_s(MODEL, "l4", 1, "fp32")


def test_bf16_is_fp16_to_a_data_sheet_and_fp32_takes_twice_the_room():
    for name in tables.shipped_devices():
        both = [costs.decode_step_s("llama-3.2-1b", name, 700, [1, 16], p).tolist() for p in ("fp16", "bf16")]
        assert both[0] == both[1], name
    for quantity in (
        costs.memory_bytes,
        lambda m, p: float(costs.kv_bytes(m, 100, p)),
        lambda m, p: float(costs.boundary_bytes(m, 9, p)),
    ):
        assert quantity(MODEL, "fp32") == 2.0 * quantity(MODEL, "bf16") == 2.0 * quantity(MODEL, "fp16")
    assert costs.quality(MODEL, "fp32") == costs.quality(MODEL, "bf16") == costs.quality(MODEL, "fp16")


def test_the_kernels_tables_of_a_profile_are_those_of_the_functions(profiles: Path):
    write("my-laptop")
    variants = [(MODEL, p) for p in PRECISIONS]
    table = costs.kernel_tables(["my-laptop", TRUTH], variants)
    for v, (_, precision) in enumerate(variants):
        grid = costs.TOKEN_GRID[16:]  # from 2 tokens on: a prompt
        ramp_s = [costs.attention_prefill_s(table.attention_prefill[0, v], n, 700.0) for n in grid.tolist()]
        layer_s = costs.layer_time_s(MODEL, TRUTH, grid, precision)
        whole_s = layer_s + costs.attention_time_s(MODEL, TRUTH, grid, 700, 1, precision)
        np.testing.assert_allclose(table.layer_s[0, v, 16:] + ramp_s, whole_s, rtol=1e-12)
        first_s = float(costs.layer_time_s(MODEL, TRUTH, 1, precision))
        assert (
            first_s < table.layer_s[0, v, 0] < 1.01 * first_s
        )  # what a new token of a prompt adds, small beside a layer
        read = costs.attention_decode_s(table.attention_decode[0, v], 4 * 301.0)
        assert read == pytest.approx(float(costs.attention_time_s(MODEL, TRUTH, 1, 300, 4, precision)), rel=1e-12)
    np.testing.assert_array_equal(table.head_s[0], table.head_s[1])
    assert (table.overhead_s == 0.0).all()  # the timed layers have it
    assert table.kv_bytes_per_token_layer.tolist() == [2 * 512.0, 512.0, 512.0]
    assert table.usable_bytes[0] == 0.6 * 16e9
    assert costs.accelerator_price_usd_per_s("my-laptop") == costs.accelerator_price_usd_per_s(TRUTH) == 0.5 / 3600.0


# --- scenarios -----------------------------------------------------------------------------------------------------------------

LAPTOPS = {
    "nodes.devices": ["my-laptop", "l4"],
    "ues.device": "my-laptop",
    "actions.precision": ["bf16", "int8"],
    "actions.default_precision": "int8",
}


def test_a_scenario_takes_a_profile_as_node_and_as_ue_and_steps(kernel: None, profiles: Path):
    path = write("my-laptop")
    scenario = edge6g_env.load_scenario("tiny", **LAPTOPS)
    env = edge6g_env.batch_env(scenario, num_worlds=2, skip_idle=True)
    obs, rng = env.reset(seed=0), np.random.default_rng(0)
    for _ in range(150):
        legal = obs["action_mask"] * rng.random(obs["action_mask"].shape)
        obs, rewards, *_ = env.step(legal.argmax(axis=-1))
        assert np.isfinite(rewards).all()
    counters = env.counters()
    assert counters.finished.sum() > 0
    device = env.world.device
    assert device["usd_s"][0] == 0.5 / 3600.0
    edge6g_env.load_scenario("tiny", **{**LAPTOPS, "nodes.devices": [str(path)]})


def test_the_fingerprint_of_a_scenario_holds_its_profiles(profiles: Path):
    write("my-laptop")
    before, shipped = (edge6g_env.load_scenario("tiny", **options).fingerprint for options in (LAPTOPS, {}))
    write("my-laptop", replace(TRUTH, idle_w=6.0))
    assert edge6g_env.load_scenario("tiny", **LAPTOPS).fingerprint != before
    assert edge6g_env.load_scenario("tiny").fingerprint == shipped


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"nodes.devices": ["my-laptop"]},
            "nodes.devices: my-laptop has no times at int4, only at fp32, bf16, fp16, int8",
        ),
        ({"ues.device": "my-laptop"}, "ues.device: my-laptop has no times at int4.*actions.precision.*edge6g profile"),
        (
            {"actions.precision": ["fp32"], "actions.default_precision": "fp32"},
            "nodes.devices: .* has no times at fp32",
        ),
        ({"nodes.devices": ["my-lapto"]}, "nodes.devices: no 'my-lapto'; did you mean my-laptop"),
        ({"nodes.devices": ["none/such.json"]}, "nodes.devices: no file 'none/such.json'"),
        ({"cloud.device": "broken"}, "broken.json is not a profile"),
    ],
)
def test_a_scenario_says_what_a_profile_lacks(profiles: Path, options: dict[str, object], message: str):
    write("my-laptop")
    write("broken").write_text("{}")
    with pytest.raises(edge6g_env.ScenarioError, match=message):
        edge6g_env.load_scenario("tiny", **options)


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
    profiles: Path, clock: Callable, monkeypatch, case: str
):
    models, precisions, out, options, message = REFUSED[case]
    monkeypatch.setattr(machine, "_memory_bytes", lambda: 8_000_000_000)
    clock(stop_at=0)
    with pytest.raises(ProfileError, match=message):
        profiler.profile(models, precisions, out, console=QUIET, **options)
    assert not profiles.exists()


def test_the_profile_of_another_machine_is_not_replaced(
    profiles: Path, clock: Callable, monkeypatch: pytest.MonkeyPatch
):
    clock()
    profile()
    monkeypatch.setattr(machine, "_processor", lambda: "Abacus 3000")
    with pytest.raises(ProfileError, match=r"my-laptop.json is the profile of a .*, this is a Abacus 3000"):
        profile()


@pytest.mark.parametrize("host", [None, [], {"processor": None}])
def test_a_profile_that_does_not_name_its_machine_is_replaced(profiles: Path, clock: Callable, host: object):
    clock()
    path = profile().path
    path.write_text(json.dumps({**json.loads(path.read_text()), "host": host}))
    profile()
    assert json.loads(path.read_text())["host"]["torch"] == torch.__version__


def test_what_is_no_profile_is_replaced_in_the_users_folder_only(profiles: Path, clock: Callable, tmp_path: Path):
    clock()
    write("my-laptop").write_text("{")
    assert costs.device(profile().path.stem).is_profiled
    (tmp_path / "package.json").write_text("{}")
    with pytest.raises(ProfileError, match=r"package.json is there and is no profile: delete it, or choose another"):
        profiler.profile([SPEC], PRECISIONS, str(tmp_path / "package.json"), console=QUIET)
    assert (tmp_path / "package.json").read_text() == "{}"


def test_a_folder_that_cannot_be_written_is_named_before_anything_is_timed(
    profiles: Path, clock: Callable, monkeypatch: pytest.MonkeyPatch
):
    calls = clock()
    real = tempfile.TemporaryFile

    def refuse(*, dir: Path) -> object:
        if dir == profiles:
            raise PermissionError(errno.EACCES, "Permission denied", f"{dir}/tmp")
        return real(dir=dir)

    monkeypatch.setattr(profiler.tempfile, "TemporaryFile", refuse)
    with pytest.raises(PermissionError, match="nothing can be written there") as refused:
        profile()
    assert (refused.value.filename, calls) == (str(profiles), [])


def test_a_model_named_twice_is_timed_once_and_two_of_one_name_are_two(profiles: Path, clock: Callable):
    calls = clock()
    profiler.profile([SPEC, SPEC], PRECISIONS, "my-laptop", console=QUIET)
    once = len(calls)
    assert profile().models == [SPEC]
    assert len(calls) == once
    wider = replace(SPEC, ffn=256, params_per_layer=0, params_total=0, fp16_bytes=0)
    profiler.profile([SPEC, wider], PRECISIONS, "both", console=QUIET)
    assert len(calls) == 2 * once
    assert {row["ffn"] for row in hosts.find("both").content["rows"] if "layer_ms" in row} == {128, 256}


# --- all of it, with the real clock --------------------------------------------------------------------------------------------


def test_a_profile_of_this_machine(profiles: Path):
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
