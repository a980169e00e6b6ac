"""The cost model against measured times; bounds are those of COSTS 3."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import cost_errors
from edge6g_env import costs
from edge6g_env.costs import efficiency, shipped_fits

# COSTS 3.3b: mean error in percent of a fit of this form on the shared rows.
GEMM_ERRORS = {
    ("a100-80g", "fp16"): 7.1,
    ("a100-80g", "int8"): 11.4,
    ("a100-80g", "int8-wo"): 10.2,
    ("a100-80g", "int4"): 12.2,
    ("l40s", "fp16"): 7.1,
    ("l40s", "fp8"): 9.4,
    ("l40s", "int8"): 7.9,
    ("l40s", "int8-wo"): 5.5,
    ("l40s", "int4"): 7.5,
    ("h100-80g", "fp16"): 6.5,
    ("h100-80g", "fp8"): 13.8,
    ("arc-b60", "fp16"): 9.7,
    ("arc-b60", "fp8"): 9.7,
}
LAYER_MODELS = {
    "a100-80g": ("codellama-34b", "llama-2-7b", "llama-3-8b", "phi-2", "qwen-72b"),
    "h100-80g": ("codellama-34b", "llama-2-7b", "phi-2", "qwen-72b"),
    "rtx-4090": ("llama-3.1-8b",),
}
LLAMA_2 = {f"{name}-{size}": f"llama-2-{size}" for name in ("llama-2", "vicuna", "vila") for size in ("7b", "13b")}


@pytest.fixture
def layer_rows(table):
    """Rows of whole layers (tp = 1) of one model on one device."""

    def read(device, model):
        prefix = device if device.startswith("rtx") else device.split("-")[0]
        return [row for row in table(f"measured/{prefix}__{model}.csv") if row["tp"] == "1"]

    return read


@pytest.fixture
def layer_error(column, error_percent, model_of):
    """Error of layer_time_s on rows of one model, percent."""

    def error(device, rows):
        predicted = costs.layer_time_s(model_of(rows[0]), device, column(rows, "tokens"))
        return error_percent(predicted, column(rows, "layer_ms") * 1e-3)

    return error


@pytest.fixture
def chat_error(table, column, error_percent):
    """Error of decode_step_s on the chat demo's rows with Llama-2 shapes, percent."""

    def error(name, device):
        rows = [r for r in table("measured/tinychat_edge.csv") if r["device"] == name and r["model"] in LLAMA_2]
        steps = [
            float(costs.decode_step_s(LLAMA_2[r["model"]], device, 500, 1, r["precision"].split("-")[0])) for r in rows
        ]
        return error_percent(np.array(steps), column(rows, "ms") * 1e-3)

    return error


@pytest.mark.parametrize(("device", "precision"), GEMM_ERRORS)
def test_products(table, column, error_percent, device, precision):
    rows = [row for row in table(f"measured/gemm_{device}.csv") if row["precision"] == precision]
    predicted = costs.gemm_time_s(device, *(column(rows, name) for name in "mnk"), precision)
    assert error_percent(predicted, column(rows, "gemm_us") * 1e-6) <= 1.3 * GEMM_ERRORS[device, precision]


@pytest.mark.parametrize("device", LAYER_MODELS)
def test_layers(layer_rows, layer_error, device):
    errors = [layer_error(device, layer_rows(device, model)) for model in LAYER_MODELS[device]]
    assert max(errors) <= 6.0
    assert np.mean(errors) <= 5.0


@pytest.mark.parametrize("held_out", LAYER_MODELS["a100-80g"])
def test_layers_of_a_model_that_the_fit_never_saw(layer_rows, layer_error, held_out):
    others = [m for m in LAYER_MODELS["a100-80g"] if m != held_out]
    spec = costs.fit_device([row for model in others for row in layer_rows("a100-80g", model)])
    assert layer_error(spec, layer_rows("a100-80g", held_out)) <= 8.0


@pytest.mark.parametrize("device", LAYER_MODELS)
def test_layers_from_the_data_sheet_alone(layer_rows, layer_error, device):
    sheet = replace(costs.device(device), name="never-measured")
    errors = [layer_error(sheet, layer_rows(device, model)) for model in LAYER_MODELS[device]]
    assert np.mean(errors) <= 10.0


@pytest.mark.parametrize("device", LAYER_MODELS)
def test_layers_of_a_device_whose_measurements_made_no_default(layer_rows, layer_error, device):
    unseen = cost_errors.held_out(device)
    errors = [layer_error(unseen, layer_rows(device, model)) for model in LAYER_MODELS[device]]
    assert np.mean(errors) <= 10.0


def test_the_default_of_cloud_boards_is_the_mean_that_it_says():
    boards = [costs.fit_of(costs.device(name)).layer["fp16"] for name in ("a100-80g", "h100-80g")]
    known = [efficiency.EDGE_LAYER, *boards]
    for field, digits in (("ec", 0.01), ("eb", 0.01), ("o_s", 1e-6)):
        mean = np.mean([getattr(roofline, field) for roofline in known])
        assert getattr(efficiency.CLOUD_LAYER, field) == pytest.approx(mean, abs=digits)


@pytest.mark.parametrize("device", ["a100-80g", "h100-80g"])
def test_shards_of_tensor_parallelism_are_narrower_layers(table, device):
    """Shapes that no fit saw: COSTS 3.1 has 4.8 to 5.1 %, and 8 % as the goal for held-out shapes."""
    errors = []
    for model in LAYER_MODELS[device]:
        rows = table(f"measured/{device.split('-')[0]}__{model}.csv")
        for tp in {row["tp"] for row in rows} - {"1"}:
            errors.append(cost_errors.layer_errors([row for row in rows if row["tp"] == tp])[0])
    assert len(errors) >= 9
    assert max(errors) <= 8.0
    assert np.mean(errors) <= 5.1


@pytest.mark.parametrize("device", ["rtx-4090", "jetson-agx-orin-64g"])
def test_whole_decode_steps(chat_error, device):
    assert chat_error(device, device) <= 6.0


def test_a_device_outside_the_table_is_fitted_from_its_rows(table, chat_error):
    sheet = replace(costs.device("a40"), name="a6000", fp16_tflops=154.8, mem_bw_gbs=768.0)
    rows = [row for row in table("measured/tinychat_edge.csv") if row["device"] == "a6000"]
    fitted = costs.fit_device(rows, sheet)
    assert chat_error("a6000", fitted) <= 6.0
    assert chat_error("a6000", fitted) == pytest.approx(fitted.fit.errors["decode step"])


@pytest.mark.parametrize(
    ("device", "phase", "bound"),
    [
        ("a100-80g", "decode", 12),
        ("arc-b60", "decode", 12),
        ("rtx-4090", "decode", 12),
        ("h100-80g", "decode", 6),
        ("l40s", "decode", 6),
        ("a100-80g", "prefill", 7),
        ("arc-b60", "prefill", 15),
        ("rtx-4090", "prefill", 10),
        ("h100-80g", "prefill", 6),
        ("l40s", "prefill", 9),
    ],
)
def test_attention(column, error_percent, device, phase, bound):
    rows = [row for row in cost_errors.attention_files()[device] if row["phase"] == phase]
    predicted_s = cost_errors.attention_ms(rows, device) * 1e-3
    assert error_percent(predicted_s, column(rows, "attn_ms") * 1e-3) <= bound


def test_short_chunks_after_a_cached_context(column):
    """One walk over the context, whether 16 or 64 tokens are new: a ramp that adds up is 7 % off here and 40 % for 65 to 512."""
    rows = [row for row in cost_errors.attention_files()["rtx-4090"] if row["phase"] == "prefill"]
    new, cached = column(rows, "new_tokens"), column(rows, "kv_prior")
    off = cost_errors.attention_ms(rows, "rtx-4090") / column(rows, "attn_ms") - 1.0
    assert np.abs(off[new <= 64]).mean() <= 0.04
    assert np.abs(off[(new > 64) & (new <= 512) & (cached >= 1024)]).mean() <= 0.12


def test_short_chunks_after_longer_contexts_than_the_fit_saw(table, column, error_percent):
    """Fitted on at most 1024 cached tokens, asked about up to 16384."""
    rows = [row for row in table("measured/rtx-4090__attention.csv") if row["phase"] == "prefill"]
    cached = column(rows, "kv_prior")
    spec = costs.fit_device([row for row, c in zip(rows, cached, strict=True) if c <= 1024.0])
    unseen = [row for row in rows if float(row["kv_prior"]) > 1024.0 and float(row["new_tokens"]) <= 64.0]
    assert len(unseen) >= 12
    assert error_percent(cost_errors.attention_ms(unseen, spec), column(unseen, "attn_ms")) <= 6.0


# The default is derived from the four other measured cards; bounds are judgement.
BLIND = {
    "decode": {"a100-80g": 15, "arc-b60": 30, "h100-80g": 22, "l40s": 15, "rtx-4090": 20},
    "prefill": {"a100-80g": 22, "arc-b60": 25, "h100-80g": 30, "l40s": 20, "rtx-4090": 60},
}


@pytest.mark.parametrize(("phase", "device"), [(phase, name) for phase, bounds in BLIND.items() for name in bounds])
def test_attention_of_a_card_without_measurements(column, error_percent, phase, device):
    rows = [row for row in cost_errors.attention_files()[device] if row["phase"] == phase]
    predicted_ms = cost_errors.attention_ms(rows, cost_errors.blind(device))
    assert error_percent(predicted_ms, column(rows, "attn_ms")) <= BLIND[phase][device]


def test_the_defaults_of_attention_are_the_means_of_the_measured_cards():
    assert {name for name, fit in shipped_fits.fits().items() if fit.prefill_attention} == set(BLIND["prefill"])
    decode, default = cost_errors.decode_without(None), efficiency.DEFAULT_DECODE_ATTENTION
    assert (default.eb, default.o_s, default.p) == pytest.approx((decode.eb, decode.o_s, decode.p), rel=0.01)
    for name in ("l4", "rtx-4090"):
        sheet = costs.device(name)
        mean = cost_errors.prefill_without(None, sheet)
        default = efficiency.default_prefill_attention(sheet.fp16_tflops * 1e12, sheet.halves_fp16)
        assert (default.ec, default.n0, default.p) == pytest.approx((mean.ec, mean.n0, mean.p), rel=0.01)
    assert pytest.approx(9e-6) == efficiency.PREFILL_O_S


@pytest.mark.parametrize("device", ["h100-80g", "l40s"])
@pytest.mark.parametrize("held_out", ["8", "32"])
def test_attention_of_heads_that_the_fit_never_saw(column, error_percent, device, held_out):
    """Fitted on the rows of the other number of query heads alone, a factor of four away; the bound is judgement."""
    rows = cost_errors.attention_files()[device]
    spec = costs.fit_device([row for row in rows if row["q_heads"] != held_out])
    for phase in ("decode", "prefill"):
        own = [row for row in rows if row["q_heads"] == held_out and row["phase"] == phase]
        error = error_percent(cost_errors.attention_ms(own, spec), column(own, "attn_ms"))
        assert error <= 10.0, (phase, error)


@pytest.mark.parametrize("device", ["a100-80g", "h100-80g", "l40s", "rtx-4090"])
def test_weight_only_prefill_is_within_the_measured_band(device):
    """COSTS 5: 4 % less to 7 % more than fp16 (l40s, a100)."""
    for precision in ("int8-wo", "int4"):
        ratio = costs.layer_time_s("llama-3.1-8b", device, 4096, precision) / costs.layer_time_s(
            "llama-3.1-8b", device, 4096
        )
        assert 0.94 <= ratio <= 1.10, (precision, ratio)


def test_output_head(table, column, error_percent):
    rows = [row for row in table("measured/rtx-4090__head_overhead.csv") if float(row["batch"]) <= 128]
    head_s = costs.kernel_tables(["rtx-4090"], [("llama-3.1-8b", "fp16")]).head_s[0, 0]
    measured = (column(rows, "lm_head_ms") + column(rows, "sampler_ms")) * 1e-3
    assert error_percent(head_s[0] + head_s[1] * column(rows, "batch"), measured) <= 10.0
