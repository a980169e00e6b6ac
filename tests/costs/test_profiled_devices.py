"""Profiles as devices: the fit finds what is there, a file says what it lacks, scenarios take them."""

from __future__ import annotations

import itertools
import json
import math
import pwd
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import edge6g_env
from edge6g_env import costs
from edge6g_env.costs import profiles, tables
from edge6g_env.costs.efficiency import DecodeAttention, DeviceFit, PrefillAttention, Residual, Roofline
from edge6g_env.costs.profiles import ProfileError
from edge6g_env.costs.specs import DeviceSpec
from edge6g_env.profiler import fitting, plan
from edge6g_env.profiler.fitting import Timed
from tests.looking import Look

PRECISIONS = ["fp32", "bf16", "int8"]


@pytest.fixture(scope="module")
def kernel() -> None:
    """Loaded from where it is kept, before a test has a cache folder of its own."""
    edge6g_env.batch_env("tiny", num_worlds=1).reset(seed=0)


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
    content = {
        "format": profiles.FORMAT,
        "device": sheet,
        "fit": costs.fit_of(device).to_dict(),
        "host": {},
        "rows": [],
    }
    path = profiles.path_of(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def test_a_profile_is_found_by_name_and_by_path(profile_folder: Path, tmp_path: Path):
    path = write("my-laptop")
    assert costs.devices()[-1] == "my-laptop"
    assert costs.device("my-laptop") == costs.device(str(path)) == replace(TRUTH, name="my-laptop")
    path.rename(tmp_path / "moved.json")
    assert "my-laptop" not in costs.devices()
    assert costs.device(str(tmp_path / "moved.json")).fit == TRUTH.fit
    with pytest.raises(ValueError, match="device = 'my-laptop' is not in the table"):
        costs.device("my-laptop")


def test_a_scenario_names_a_profile_of_the_users_folder_others_by_their_path(profile_folder: Path, tmp_path: Path):
    path, elsewhere = write("my-laptop"), tmp_path / "my-laptop.json"
    assert (profiles.name_of(path), profiles.name_of(elsewhere)) == ("my-laptop", str(elsewhere))


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"EDGE6G_PROFILE_DIR": "/mine"}, "/mine"),
        ({"EDGE6G_PROFILE_DIR": "~/mine"}, "/home/me/mine"),
        ({"XDG_DATA_HOME": "/data"}, "/data/edge6g/profiles"),
    ],
)
def test_the_folder_of_profiles(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], folder: str):
    for name, value in {"EDGE6G_PROFILE_DIR": "", "HOME": "/home/me", **environment}.items():
        monkeypatch.setenv(name, value)
    assert profiles.folder() == Path(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="the folder of XDG's specification")
def test_the_folder_of_profiles_without_settings(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/home/me")
    for name in ("EDGE6G_PROFILE_DIR", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert profiles.folder() == Path("/home/me/.local/share/edge6g/profiles")


@pytest.mark.parametrize("chosen", ["", "~/mine"])
@pytest.mark.parametrize("left", ["~/.local/share/edge6g", None])
def test_without_a_home_no_folder_is_called_tilde(monkeypatch: pytest.MonkeyPatch, chosen: str, left: str | None):
    """Versions of platformdirs differ: some leave the ~ in the path, some raise."""

    def nobody(number: int) -> None:
        raise KeyError(number)

    for name in ("XDG_DATA_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("EDGE6G_PROFILE_DIR", chosen)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    if left:
        monkeypatch.setattr(profiles, "user_data_path", lambda _name: Path(left))
    with pytest.raises(ProfileError, match="there is no home folder for profiles: set EDGE6G_PROFILE_DIR"):
        profiles.folder()
    assert profiles.name_of(Path("here/mine.json")) == "here/mine.json"  # a profile by its path needs no folder


def test_a_profile_that_was_written_anew_is_read_anew(profile_folder: Path):
    write("my-laptop")
    before = tables.profile_digest("my-laptop")
    write("my-laptop", replace(TRUTH, usd_per_hour=0.75))
    assert costs.device("my-laptop").usd_per_hour == 0.75
    assert tables.profile_digest("my-laptop") != before


def test_a_shipped_device_is_never_hidden_by_a_profile(profile_folder: Path):
    write("l4")
    assert not costs.device("l4").is_profiled
    assert costs.devices().count("l4") == 1
    assert costs.accelerator_price_usd_per_s("l4") == costs.price("l4", "gpu_rent").value / 3600.0


@pytest.mark.parametrize(
    ("text", "why"),
    [("{", "line 1"), ("[]", "not a profile"), ('{"format": 9}', "format is 9"), ('{"format": 1}', "lacks 'device'")],
)
def test_a_damaged_profile_says_what_to_do(profile_folder: Path, text: str, why: str):
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
def test_a_profile_that_lacks_a_part_is_refused_when_read(profile_folder: Path, part: tuple[str, ...], why: str):
    content = json.loads(write("my-laptop").read_text())
    *folders, name = part
    inner = content
    for folder in folders:
        inner = inner[folder]
    del inner[name]
    profiles.path_of("my-laptop").write_text(json.dumps(content))
    with pytest.raises(ProfileError, match=rf"my-laptop.json is not a profile.*({why})"):
        costs.device("my-laptop")


@pytest.mark.parametrize("cell", [math.nan, math.inf, -1.0, "1", None])
def test_a_profile_with_a_cell_that_is_no_number_is_refused_when_read(profile_folder: Path, cell: object):
    content = json.loads(write("my-laptop").read_text())
    content["fit"]["layer"]["int8"]["ec"] = cell
    profiles.path_of("my-laptop").write_text(json.dumps(content))
    with pytest.raises(
        ProfileError, match=r"my-laptop.json is not a profile: DeviceFit.layer\['int8'\]\['ec'\] = .* is"
    ):
        costs.device("my-laptop")


def test_a_path_without_a_file_is_said_to_be_missing(profile_folder: Path):
    with pytest.raises(ProfileError, match=r"device = 'runs/mine.json': there is no such file"):
        costs.decode_step_s(MODEL, "runs/mine.json", 500, 2, "int8")


def test_a_profile_has_the_precisions_that_were_measured(profile_folder: Path):
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


def test_the_kernels_tables_of_a_profile_are_those_of_the_functions(profile_folder: Path):
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


def test_a_scenario_takes_a_profile_as_node_and_as_ue_and_steps(kernel: None, profile_folder: Path):
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
    assert Look(env).phone().usd_s == 0.5 / 3600.0
    edge6g_env.load_scenario("tiny", **{**LAPTOPS, "nodes.devices": [str(path)]})


def test_the_fingerprint_of_a_scenario_holds_its_profiles(profile_folder: Path):
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
def test_a_scenario_says_what_a_profile_lacks(profile_folder: Path, options: dict[str, object], message: str):
    write("my-laptop")
    write("broken").write_text("{}")
    with pytest.raises(edge6g_env.ScenarioError, match=message):
        edge6g_env.load_scenario("tiny", **options)
