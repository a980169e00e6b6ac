"""Records of models and devices: what may be left out, and rows as they come from a CSV file."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from edge6g_env import costs

SHAPE = ("layers", "hidden", "ffn", "heads", "kv_heads", "vocab", "head_dim", "tied_embeddings", "gated_mlp")
EXPERTS = ("experts", "experts_active", "expert_ffn")
DERIVED = ("params_total", "params_per_layer", "fp16_bytes", "kv_bytes_per_token_fp16", "boundary_bytes_per_token_fp16")
# Whisper's decoder layers hold a cross-attention that the shape does not say.
DECODERS = [name for name in costs.models() if not name.startswith("whisper")]


@pytest.mark.parametrize("name", DECODERS)
def test_what_is_left_out_follows_from_the_shape(name):
    """Within 0.03 % of the table: biases, and within 1 % with an encoder's projector."""
    known = costs.model(name)
    built = costs.ModelSpec("mine", **{f: getattr(known, f) for f in (*SHAPE, *EXPERTS)}, enc_params=known.enc_params)
    for field in DERIVED:
        tolerance = 0.01 if known.enc_params else 3e-4
        assert getattr(built, field) == pytest.approx(getattr(known, field), rel=tolerance), field


@pytest.mark.parametrize("file", ["models.csv", "moe.csv", "devices.csv"])
def test_a_row_makes_the_record_of_its_name(table, file):
    make, known = (costs.device_of_row, costs.device) if file == "devices.csv" else (costs.model_of_row, costs.model)
    for row in table(file):
        row = {**row, "another column": "7"}
        if file == "moe.csv":
            row |= {"params_total": "", "params_active": None}
        assert make(row) == known(row["name"])


@pytest.mark.parametrize("blank", [None, math.nan, "", "  ", np.float32("nan"), np.float64("nan")])
def test_blank_cells(blank):
    numbers = {"layers": 4, "hidden": 64, "ffn": 128, "heads": 4, "vocab": 100}
    spec = costs.ModelSpec("mine", **numbers, kv_heads=blank, head_dim=blank, params_total=blank, enc_layers=blank)
    assert (spec.kv_heads, spec.head_dim, spec.enc_layers) == (4, 16, 0)
    row = {"name": "card", "class": "edge", "fp16_tflops": "100", "int8_tops": blank, "fp8_tflops": blank}
    row |= {"int4_tops": blank, "mem_gb": 24, "mem_bw_gbs": np.float32(800), "idle_w": 20, "tdp_w": 200}
    card = costs.device_of_row({**row, "disk_read_gbs": 7, "host_link_gbs": blank})
    assert (card.int8_tops, card.host_link_gbs, card.shares_memory) == (None, None, True)
    assert card.fp16_tflops == 100.0


def test_defaults_follow_the_kind_of_device():
    """Display cards halve fp16 and reach all of it; cloud boards run whole layers below single products."""
    assert [n for n in costs.devices() if costs.device(n).halves_fp16] == ["rtx-4090"]
    linear_s = 2 * 218_103_808 * 8192 / 1e12
    share = {}
    for name in ("rtx-4090", "a40", "rtx-pro-6000"):
        spec = costs.device(name)
        unseen = costs.device_of_row({**vars(spec), "name": "unseen", "class": spec.class_, "fit": None})
        share[name] = linear_s / spec.fp16_tflops / float(costs.layer_time_s("llama-3.1-8b", unseen, 8192))
    assert share["a40"] < share["rtx-pro-6000"] < share["rtx-4090"]


@pytest.mark.parametrize("name", costs.models())
def test_every_shipped_model_has_an_encoder_time_unless_it_has_no_encoder(name):
    spec = costs.model(name)
    assert (costs.encoder_s(spec, "t4") > 0.0) == (spec.enc_layers > 0)


def test_a_published_total_of_experts_is_met(table):
    for row in table("moe.csv"):
        spec = costs.model(row["name"])
        assert spec.params_total == pytest.approx(float(row["params_total"]), rel=0.005)
        assert spec.params_active == pytest.approx(float(row["params_active"]), rel=0.02)


def test_a_price_below_0_is_refused():
    with pytest.raises(ValueError, match=r"DeviceSpec.usd_per_hour = -0.5 is out of range: at least 0"):
        replace(costs.device("l4"), usd_per_hour=-0.5)
