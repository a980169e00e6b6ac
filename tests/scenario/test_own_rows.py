"""Devices and models of a scenario's own: as the package's rows, the scenario's alone, and refused with the key that is wrong."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edge6g_env
from edge6g_env import costs, load_scenario
from edge6g_env.build.services import cost_tables
from edge6g_env.costs import derived
from edge6g_env.costs.efficiency import DeviceFit
from edge6g_env.scenario_own import OwnDevice, OwnModel

CARD = {
    "name": "ward-card",
    "class": "edge",
    "fp16_tflops": 120.0,
    "mem_gb": 32.0,
    "mem_bw_gbs": 600.0,
    "tdp_w": 150.0,
    "host_link_gbs": 24.0,
    "usd_per_hour": 0.6,
}
MODEL = {
    "name": "clinic-3.1b",
    "layers": 28,
    "hidden": 3072,
    "ffn": 8192,
    "heads": 24,
    "kv_heads": 8,
    "vocab": 128256,
    "context": 131072,
    "modality": "text",
    "score01": 0.61,
}
MOE_KEYS = ("experts", "experts_active", "expert_ffn")


def owned(device: Any = None, model: Any = None, **more: Any) -> dict[str, Any]:
    """Overrides by which tiny's first node has the own card, and its assistant the own model."""
    of_nodes = {"nodes.devices": [CARD["name"], "l4"], "device": [{**CARD, **device}]} if device is not None else {}
    of_chat = {"service.assistant.model": MODEL["name"], "model": [{**MODEL, **model}]} if model is not None else {}
    return {**of_nodes, **of_chat, **more}


def rows(table: str) -> list[dict[str, str]]:
    text = (resources.files("edge6g_env.costs") / "data" / table).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def value(cell: str) -> Any:
    try:
        number = float(cell)
        return int(number) if number.is_integer() and "." not in cell else number
    except ValueError:
        return cell


@pytest.mark.parametrize("name", costs.tables.shipped_devices())
def test_a_row_of_devices_csv_gives_the_same_device_as_an_own_row(name: str):
    """Blank cells are keys that are left out; measurements are the package's, under its name only."""
    (row,) = (row for row in rows("devices.csv") if row["name"] == name)
    given = {key: value(cell) for key, cell in row.items() if cell and key not in ("source", "status")}
    shipped = costs.device(name)
    price = 1.25
    same = OwnDevice(**given, replace=True, usd_per_hour=price).spec()
    assert costs.fit_of(same) == costs.fit_of(shipped)
    for of in (same, OwnDevice(**{**given, "name": "mine"}, usd_per_hour=price).spec()):
        assert {key: getattr(of, key) for key in ("int8_tops", "fp8_tflops", "int4_tops", "host_link_gbs")} == {
            key: getattr(shipped, key) for key in ("int8_tops", "fp8_tflops", "int4_tops", "host_link_gbs")
        }
        assert (of.class_, of.mem_gb, of.idle_w, of.disk_read_gbs) == (
            shipped.class_,
            shipped.mem_gb,
            shipped.idle_w,
            shipped.disk_read_gbs,
        )
        assert of.shares_memory == shipped.shares_memory
        assert costs.accelerator_price_usd_per_s(of) == pytest.approx(price / 3600.0)
    assert costs.fit_of(OwnDevice(**{**given, "name": "mine"}, usd_per_hour=price).spec()) == DeviceFit()
    slower = OwnDevice(**{**given, "mem_bw_gbs": 0.5 * shipped.mem_bw_gbs}, replace=True, usd_per_hour=price).spec()
    assert costs.fit_of(slower) == DeviceFit()  # another card than the one that was measured


@pytest.mark.parametrize("name", [name for name in costs.models() if costs.model(name).modality == "text"])
def test_a_model_by_its_required_keys_and_flags_costs_what_the_shipped_one_costs(name: str):
    """The shape says all of bytes and times; moe.csv has neither ffn nor context."""
    known = costs.model(name)
    keys = [*("layers", "hidden", "heads", "kv_heads", "vocab", "modality"), *(MOE_KEYS if known.has_experts else ())]
    shape = {key: getattr(known, key) for key in keys}
    own = OwnModel(
        **shape,
        name="mine",
        ffn=known.ffn or 1,
        context=known.context or 1,
        head_dim=known.head_dim,
        score01=0.5,
        tied_embeddings=bool(known.tied_embeddings),
        gated_mlp=known.gated_mlp,
    ).spec()
    for precision in ("fp16", "int8", "int4"):
        assert costs.memory_bytes(own, precision) == pytest.approx(costs.memory_bytes(name, precision), rel=0.01)
        for device in ("l4", "jetson-agx-orin-64g"):
            step = costs.decode_step_s(own, device, 1000.0, 4.0, precision)
            assert step == pytest.approx(costs.decode_step_s(name, device, 1000.0, 4.0, precision), rel=0.01)
    assert costs.kv_bytes(own, 100) == costs.kv_bytes(name, 100)


def test_what_is_left_out_lies_where_the_shipped_rows_of_its_size_lie():
    own = OwnModel(**MODEL).spec()
    alike = ("llama-3.2-3b", "phi-2", "phi-3-mini-4k", "qwen3-4b")  # 2 to 5 billion parameters
    for precision in ("fp8", "int8", "int8-wo", "int4"):
        kept = [costs.relative_quality(name, precision) for name in alike]
        assert min(kept) <= costs.relative_quality(own, precision) <= max(kept)
    assert costs.relative_quality(own, "fp16") == costs.relative_quality(own, "bf16") == 1.0
    prices = [costs.token_price_usd(name) for name in alike]
    assert min(prices) <= costs.token_price_usd(own) <= max(prices)
    device = OwnDevice(**CARD).spec()
    assert 0.0 < device.idle_w < 0.3 * device.tdp_w
    shipped = [costs.device(name).disk_read_gbs for name in costs.devices()]
    assert min(shipped) <= device.disk_read_gbs <= max(shipped)


def test_what_is_given_is_taken():
    own = OwnModel(
        **MODEL,
        relative_quality={"int8": 0.99},
        scores={"mmlu_pro_5shot_pct": 52.0, "wer_ward_pct": 12.0},
        usd_per_million_input_tokens=0.4,
        usd_per_million_output_tokens=1.5,
        metric="ward01",
    ).spec()
    assert costs.relative_quality(own, "int8") == 0.99
    assert costs.score(own, "mmlu_pro_5shot_pct") == pytest.approx(0.52)
    assert costs.score(own, "wer_ward_pct") == pytest.approx(0.88)  # errors: what is left of 1
    assert costs.score(own) == costs.score(own, "ward01") == 0.61
    assert costs.token_price_usd(own) == pytest.approx((0.4e-6, 1.5e-6))
    assert costs.quality(own) == 1.0  # the best by a metric that no other model has
    with pytest.raises(costs.UnknownNameError):
        costs.score(own, "vqav2_pct")


def test_shipped_scores_are_read_by_the_rule_of_own_ones():
    """score01 of model_quality.csv follows from value by the metric's name."""
    for row in rows("model_quality.csv"):
        assert derived.score01(row["metric"], float(row["value"])) == pytest.approx(float(row["score01"]), abs=1e-9)


def test_quality_is_relative_to_the_best_model_that_the_scenario_knows():
    best = max(costs.score(name) for name in costs.models() if costs.model(name).modality == "text")
    for score01 in (0.5 * best, best, min(1.0, 1.1 * best)):
        scenario = load_scenario("tiny", **owned(model={"score01": score01, "tied_embeddings": True}))
        tables, top = cost_tables(scenario), max(best, score01)
        for v, (weights, precision) in enumerate(scenario.variants):
            spec = scenario.model_spec(weights)
            expected = costs.score(spec) / top * costs.relative_quality(spec, precision)
            assert tables.quality[v] == pytest.approx(expected)


def test_two_scenarios_in_one_process_give_one_name_different_values():
    """The rows are the scenario's: neither sees the other's, and the package's tables stay as they are."""
    before = costs.devices(), costs.models(), costs.device("l4")
    small = {"layers": 14}
    one = load_scenario("tiny", **owned(device={}, model={}))
    two = load_scenario("tiny", **owned(device={"mem_bw_gbs": 300.0, "usd_per_hour": 1.2}, model=small))
    shared = load_scenario("tiny", **owned(device={"name": "l4", "replace": True}, **{"nodes.devices": ["l4"]}))
    worlds = [edge6g_env.batch_env(scenario, 1).world for scenario in (one, two, one)]
    assert len({one.fingerprint, two.fingerprint, shared.fingerprint, load_scenario("tiny").fingerprint}) == 4
    v = one.variants.index((MODEL["name"], "fp16"))
    assert [world.model.layers[v] for world in worlds] == [28, 14, 28]
    d = one.devices.index(CARD["name"])
    assert [float(world.device.usd_s[d]) for world in worlds] == pytest.approx([0.6 / 3600, 1.2 / 3600, 0.6 / 3600])
    assert (worlds[1].cost[d] > worlds[0].cost[d]).any()
    assert np.array_equal(worlds[0].cost, worlds[2].cost)
    assert shared.device_spec("l4").mem_gb == CARD["mem_gb"]
    assert (costs.devices(), costs.models(), costs.device("l4")) == before
    with pytest.raises(edge6g_env.ScenarioError, match=r"nodes\.devices: no 'ward-card'"):
        load_scenario("tiny", **{"nodes.devices": ["ward-card"]})


def test_an_own_model_answers_jobs_and_a_replaced_device_changes_the_trajectory():
    rewards = []
    for given in (owned(device={}, model={}), owned(device={"mem_bw_gbs": 200.0}, model={}), {}):
        env = edge6g_env.batch_env("tiny", 1, **given)
        env.reset(seed=5)
        local = np.flatnonzero([name.startswith("local") for name in env.action_names])
        total = 0.0
        for _ in range(600):
            mask = env.world.action_mask[0][0][:, local]
            choice = np.where(mask.any(axis=1), local[mask.argmax(axis=1)], 0)
            total += float(env.step(choice[None])[1].sum())
        rewards.append(total)
    assert len(set(rewards)) == 3


def test_to_toml_writes_own_rows_out_and_the_fingerprint_is_of_contents(tmp_path: Path):
    scenario = load_scenario("tiny", **owned(device={}, model={"scores": {"mmlu_pro_5shot_pct": 30.0}}))
    path = tmp_path / "flat.toml"
    path.write_text(scenario.to_toml(), encoding="utf-8")
    data = tomllib.loads(path.read_text())
    assert data["device"][0].items() >= CARD.items()
    assert data["model"][0].items() >= MODEL.items()
    assert load_scenario(path) == scenario
    assert load_scenario(path).fingerprint == scenario.fingerprint
    dearer = load_scenario(path, **{"device.ward-card.usd_per_hour": 0.7})
    better = load_scenario(path, **{"model.clinic-3.1b.score01": 0.7})
    assert len({scenario.fingerprint, dearer.fingerprint, better.fingerprint}) == 3
    assert "device" not in tomllib.loads(load_scenario("tiny").to_toml())


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("device", {"mem_bw_gbs": 0.0}, "device.ward-card.mem_bw_gbs = 0.0: Input should be greater than 0"),
    ("device", {"mem_bw_gbs": None}, "device.ward-card.mem_bw_gbs: missing"),
    ("device", {"class": "server"}, "device.ward-card.class = 'server': Input should be 'ue', 'edge' or 'cloud'"),
    ("device", {"idle_w": 200.0}, "device.ward-card: idle_w = 200 must be at most tdp_w = 150"),
    ("device", {"mem_gb": 0.001}, "device.ward-card.mem_gb = 0.001: "),
    ("device", {"mem_bw": 3.0}, "device.ward-card.mem_bw: unknown key; did you mean mem_bw_gbs?"),
    ("device", {"name": "l4"}, "the package has a device l4: choose another name, or say replace = true"),
    ("device", {"replace": True}, "replace = true, but the package has no device ward-card"),
    ("device", {"name": "l44", "replace": True}, "the package has no device l44; did you mean l4"),
    ("device", {"name": "Ward Card"}, "String should match pattern '^[a-z0-9][a-z0-9._-]*$'"),
    ("device", {"name": "card.json"}, "one that ends in .json is the path of a profile"),
    ("model", {"vocab": None}, "model.clinic-3.1b.vocab: missing"),
    ("model", {"kv_heads": 5}, "model.clinic-3.1b: kv_heads = 5 is out of range: a divisor of heads = 24"),
    ("model", {"layers": 0}, "model.clinic-3.1b.layers = 0: Input should be greater than or equal to 1"),
    ("model", {"modality": "txt"}, "model.clinic-3.1b.modality = 'txt'"),
    ("model", {"score01": 61.0}, "model.clinic-3.1b.score01 = 61.0: Input should be less than or equal to 1"),
    ("model", {"params_total": 7}, "model.clinic-3.1b: params_total = 7: must be at least what its layers have, 28"),
    ("model", {"relative_quality": {"int7": 0.9}}, "model.clinic-3.1b.relative_quality.int7"),
    ("model", {"scores": {"mmlu": 0.5}}, "model.clinic-3.1b.scores.mmlu"),
    ("model", {"experts": 8}, "experts_active = 0 is out of range: above 0"),
    ("model", {"name": "qwen3-8b"}, "the package has a model qwen3-8b: choose another name, or say replace = true"),
    ("model", {"context": 100}, "tokens are more than the context of clinic-3.1b, 100"),
]


@pytest.mark.parametrize(("what", "changed", "said"), REFUSED)
def test_a_row_that_cannot_be_is_refused_with_its_key(
    what: str, changed: dict[str, Any], said: str, refusal: Callable[..., list[str]]
):
    given = owned(**{what: changed})
    (row,) = given[what]
    given[what] = [{key: value for key, value in row.items() if value is not None}]
    (line,) = refusal("tiny", **given)
    assert line.startswith("tiny.toml: ")
    assert said in line


def test_two_rows_of_one_name_are_refused(refusal: Callable[..., list[str]]):
    assert refusal("tiny", device=[CARD, CARD]) == ["tiny.toml: two devices have the name ward-card"]
    assert refusal("tiny", model=[MODEL, MODEL]) == ["tiny.toml: two models have the name clinic-3.1b"]


def test_an_own_model_has_no_acceptance_whatever_its_name(refusal: Callable[..., list[str]]):
    """draft.csv speaks of the package's models."""
    drafted = {
        "service.chat.model": "qwen2.5-7b",
        "service.chat.draft": "qwen2.5-0.5b",
        "service.chat.draft_precision": "int4",
    }
    load_scenario("tiny", **drafted)
    known = costs.model("qwen2.5-0.5b")
    shape = {key: getattr(known, key) for key in ("layers", "hidden", "ffn", "heads", "kv_heads", "vocab", "context")}
    mine = {**MODEL, **shape, "name": known.name, "replace": True}
    (line,) = refusal("tiny", **drafted, model=[mine])
    assert "draft.csv has no row of the pair qwen2.5-7b, qwen2.5-0.5b" in line


def test_scores_of_own_models_serve_as_a_family_metric(refusal: Callable[..., list[str]]):
    models = [{**MODEL, "name": f"ward-{n}", "scores": {"ward_pct": 40.0 + 20 * n}} for n in range(2)]
    family = {
        "service.chat.models": ["ward-0", "ward-1"],
        "service.chat.default_model": "ward-0",
        "service.chat.quality_metric": "ward_pct",
    }
    scenario = load_scenario("tiny", model=models, **family)
    assert [scenario.service[0].score(scenario.model_spec(f"ward-{n}")) for n in range(2)] == [0.4, 0.6]
    del models[1]["scores"]
    (line,) = refusal("tiny", model=models, **family)
    assert "no such score of ward-1" in line
