"""Services of fine-tuning: what their tables say, what the kernel gets to know of a step, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge6g_env import capacity, costs, load_scenario
from edge6g_env.build import make_world
from edge6g_env.kernel import codes, legs
from edge6g_env.scenario import Scenario
from edge6g_env.spaces import Layout
from tests.tuners import MODEL, RANK, SEQUENCES, STEPS, TEAM, TOKENS, TUNER, services_with


def tuned(more: dict[str, Any] | None = None, **keys: Any) -> Scenario:
    return load_scenario("tiny", service=services_with(**keys), **(more or {}))


def test_the_kinds_are_numbered_as_the_kernel_has_them():
    assert [legs.KINDS.index(kind) for kind in ("inference", "finetune")] == [codes.INFERENCE, codes.FINETUNE]


def test_a_service_of_fine_tuning_is_read_written_and_overridden():
    scenario = load_scenario(tuned(), **{f"service.tuner.{key}": value for key, value in TEAM.items()})
    assert [one.name for one in scenario.finetune] == ["tuner"]
    assert [one.name for one in scenario.inference] == ["chat"]
    assert scenario.weights == scenario.models == ["llama-3.1-8b", MODEL]
    assert scenario.finetune[0].participants == 3
    assert load_scenario(scenario) == scenario
    again = load_scenario(
        scenario,
        **{
            "service.chat.kind": "finetune",
            **{f"service.chat.{key}": TUNER[key] for key in ("step_tokens", "steps", "lora_rank")},
        },
    )
    assert not again.inference
    assert [one.model for one in again.finetune] == ["llama-3.1-8b", MODEL]


def test_what_the_kernel_knows_of_a_service():
    for keys, expected in (({}, (1, 0.0, 0.0)), (TEAM, (3, 10.0, 5.0)), ({**TEAM, "participants": 1}, (1, 0.0, 0.0))):
        row = make_world(Layout(tuned(**keys)), 1, candidates=False, debug=False).service[1]
        assert (row.participants, row.aggregate_every, row.round_timeout_s) == expected
        assert (row.kind, row.step_tokens, row.step_sequences, row.steps) == (codes.FINETUNE, TOKENS, SEQUENCES, STEPS)
        assert (row.ttft_slo_s, row.tpot_slo_s, row.deadline_s, row.period_s, row.mean_output_tokens) == (0.0,) * 5
        assert (row.model, row.draft, row.exposure_cost, row.value) == (1, -1, 0.1, 1.0)


@pytest.mark.parametrize(("privacy", "u_shape"), [("open", 0), ("site", 0), ("device", 1)])
def test_labels_of_a_private_service_stay_on_the_device(privacy: str, u_shape: int):
    world = make_world(Layout(tuned(privacy=privacy)), 1, candidates=False, debug=False)
    assert world.service["u_shape"].tolist() == [0, u_shape]
    assert codes.PRIVACY_NAMES[world.service["privacy"][1]] == privacy


@pytest.mark.parametrize("checkpointing", [True, False])
@pytest.mark.parametrize("targets", ["q,v", "all-linear"])
def test_bytes_of_a_step_are_those_of_the_closed_forms(checkpointing: bool, targets: str):
    scenario = tuned(checkpointing=checkpointing, lora_targets=targets)
    sizes = make_world(Layout(scenario), 1, candidates=False, debug=False).tuning
    spec, n = costs.model(MODEL), TOKENS * SEQUENCES
    for v, (weights, precision) in enumerate(scenario.variants):
        row = sizes[1, v]
        if weights != MODEL:
            assert not any(row[name] for name in sizes.dtype.names)
            continue
        for j in (1, 7, spec.layers):
            kept = 2.0 * n * spec.hidden * j + 34.0 * n * spec.hidden if checkpointing else 34.0 * n * spec.hidden * j
            state = 16.0 * costs.adapter_params(MODEL, RANK, targets, layers=j) + kept
            assert j * row.state_bytes + row.step_bytes == pytest.approx(state, rel=1e-12)
            assert j * row.adapter_bytes == costs.adapter_bytes(MODEL, RANK, targets, layers=j)
        whole = costs.memory_bytes(MODEL, precision) + spec.layers * row.state_bytes + row.step_bytes
        options: dict[str, Any] = {"rank": RANK, "targets": targets, "checkpointing": checkpointing}
        assert whole == pytest.approx(float(costs.training_memory_bytes(MODEL, n, precision, **options)))
    assert not sizes[0].tobytes().strip(b"\0")


@pytest.mark.parametrize(("model", "tied"), [(MODEL, True), ("llama-3.1-8b", False)])
def test_a_loss_on_the_device_takes_logits_and_the_head_unless_it_is_the_embedding(model: str, tied: bool):
    scenario, spec = tuned(model=model), costs.model(model)
    assert spec.tied_embeddings == tied
    v = scenario.variants.index((model, "fp16"))
    logits = 4.0 * TOKENS * SEQUENCES * spec.vocab
    row = make_world(Layout(scenario), 1, candidates=False, debug=False).tuning[1, v]
    assert row.head_bytes == pytest.approx(logits + (0.0 if tied else 2.0 * spec.vocab * spec.hidden))


@pytest.mark.parametrize("checkpointing", [True, False])
def test_times_of_a_step_add_up_to_that_of_the_cost_model(checkpointing: bool):
    scenario, layers = tuned(checkpointing=checkpointing), costs.model(MODEL).layers
    world = make_world(Layout(scenario), 1, candidates=False, debug=False)
    assert not world.tuning_s[0].any()
    for d, device in enumerate(scenario.devices):
        for v, (weights, precision) in enumerate(scenario.variants):
            forward_s, backward_s, head_s = world.tuning_s[1, d, v]
            if weights != MODEL:
                assert forward_s == backward_s == head_s == 0.0
                continue

            def step_s(device: str = device, precision: str = precision, **more: Any) -> float:
                options = {"rank": RANK, "checkpointing": checkpointing, **more}
                return float(costs.training_step_s(MODEL, device, TOKENS, SEQUENCES, precision, **options))

            for k in (1, 5, layers):
                assert k * (forward_s + backward_s) == pytest.approx(step_s(layers=k), rel=1e-12)
            assert layers * (forward_s + backward_s) + head_s == pytest.approx(step_s(), rel=1e-12)
            adapter_s = step_s(rank=2 * RANK, layers=1) - step_s(layers=1)  # of 6 n P, two are forward
            layer_s = costs.layer_time_s(MODEL, device, TOKENS * SEQUENCES, precision)
            attention_s = costs.attention_time_s(MODEL, device, TOKENS, 0.0, SEQUENCES, precision)
            assert forward_s == pytest.approx(float(layer_s + attention_s) + adapter_s / 3.0, rel=1e-9)


def test_a_tuned_model_is_one_of_the_nodes_without_an_adapter_there():
    choice = make_world(Layout(tuned()), 1, candidates=False, debug=False).choice
    assert choice["weights"].tolist() == [[0], [1]]
    assert choice["adapter"].tolist() == [[-1], [-1]]
    assert choice["score"].tolist() == choice["quality_factor"].tolist() == [[1.0], [1.0]]


def test_an_accelerator_of_the_cloud_is_rented_where_something_may_be_tuned_there():
    price = costs.accelerator_price_usd_per_s("h100-80g")
    for keys, usd_s in (
        ({}, price),
        ({"privacy": "device"}, price),
        ({"privacy": "site"}, 0.0),
        ({"cloud": False}, 0.0),
    ):
        for batch, concurrency, places in ((32.0, 4, 4), (2.0, 64, 2)):
            more = {"cloud.batch": batch, "cloud.concurrency": concurrency}
            cloud = make_world(Layout(tuned(more, **keys)), 1, candidates=False, debug=False).cloud[0]
            assert (cloud.usd_s, cloud.accelerator_places) == (usd_s, places)


def test_a_cloud_device_without_a_price_is_refused_where_it_would_be_rented(refusal):
    unpriced = next(name for name in costs.devices() if not _has_price(name))
    more = {"cloud.device": unpriced, "actions.precision": ["int4"]}
    (line,) = refusal("tiny", service=services_with(), **more)
    assert line.startswith("tiny.toml: cloud.device: ")
    assert "prices.csv" in line
    assert tuned(more, privacy="site").cloud.device == unpriced


def _has_price(device: str) -> bool:
    try:
        costs.accelerator_price_usd_per_s(device)
    except costs.UnknownNameError:
        return False
    return True


NO_TEXT = "with kind = 'finetune' its lengths are step_tokens, step_sequences and steps"
DEADLINE = "with kind = 'finetune' its deadline is expire_s"


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"prompt_tokens": 400}, f".prompt_tokens = 400: {NO_TEXT}"),
        ({"trace": "azure_conv_2023"}, f".trace = 'azure_conv_2023': {NO_TEXT}"),
        ({"draft": "llama-3.2-1b"}, ".draft = 'llama-3.2-1b': with kind = 'finetune' there is nothing to draft"),
        ({"models": [MODEL, "llama-3.1-8b"]}, ".models: with kind = 'finetune' it tunes one model, named by model"),
        ({"inputs": 1}, ".inputs = 1: with kind = 'finetune' pictures are tuned by their tokens, which step_tokens"),
        ({"deadline_s": 9.0}, f".deadline_s = 9.0: {DEADLINE}"),
        ({"ttft_slo_s": 1.0}, f".ttft_slo_s = 1.0: {DEADLINE}"),
        ({"period_s": 1.0}, ".period_s = 1.0: with kind = 'finetune' its tasks are drawn"),
        ({"own_weights": True}, ".own_weights = true: with kind = 'finetune' the base weights are shared"),
        ({"stepps": 3}, ".stepps: unknown key; did you mean steps?"),
        *(({key: None}, f".{key}: missing") for key in ("step_tokens", "steps", "lora_rank", "model", "expire_s")),
        ({"step_tokens": 0}, ".step_tokens = 0: Input should be greater than or equal to 1"),
        ({"steps": 2.5}, ".steps = 2.5: Input should be a whole number"),
        ({"participants": 0}, ".participants = 0: Input should be greater than or equal to 1"),
        ({**TEAM, "aggregate_every": None}, ": aggregate_every is missing, and participants = 3 needs it"),
        ({**TEAM, "round_timeout_s": None}, ": round_timeout_s is missing, and participants = 3 needs it"),
        ({**TEAM, "round_timeout_s": 0.0}, ".round_timeout_s = 0.0: Input should be greater than 0"),
        ({**TEAM, "aggregate_every": 51}, ": aggregate_every = 51 must be at most steps = 50"),
        ({**TEAM, "participants": 5}, ".participants = 5: it must be at most ues.per_node = 4"),
        ({"expire_s": 60.5}, ".expire_s = 60.5: it must be at most time.drain_s = 60"),
        ({"model": "phi-2", "lora_targets": "q,gate"}, ".lora_targets: targets = 'gate'"),
        ({"model": "phi-2", "step_tokens": 2049}, ".step_tokens = 2049: it must be at most the context of phi-2, 2048"),
    ],
)  # fmt: skip
def test_bad_keys_are_named_with_what_would_be_right(keys: dict[str, Any], line: str, refusal):
    (found,) = refusal("tiny", service=services_with(**keys))
    assert found.startswith(f"tiny.toml: service.tuner{line}")


@pytest.mark.parametrize("share", [-0.1, 0.95])
def test_the_share_of_training_has_bounds(share: float, refusal):
    (line,) = refusal("tiny", **{"serving.train_share": share})
    assert line.startswith(f"tiny.toml: serving.train_share = {share}: Input should be ")
    assert load_scenario("tiny").serving.train_share == 0.3


def test_a_service_of_fine_tuning_has_no_instants_to_replay(refusal):
    (line,) = refusal("tiny", service=services_with(), **{"arrivals.kind": "trace"})
    assert line == "tiny.toml: arrivals.kind = 'trace' needs a trace for every service"


def room_bytes(j: int, n: int, low: int = 0, precision: str = "int4") -> float:
    """Weights of j layers from `low` on, and what a step holds of them."""
    spec = costs.model(MODEL)
    private = 16.0 * costs.adapter_params(MODEL, RANK, layers=j) + (2.0 * j + 34.0) * n * spec.hidden if j else 0.0
    return capacity.part_bytes(MODEL, precision, low, low + j) + private


@pytest.mark.parametrize("privacy", ["site", "device"])
def test_a_job_that_fits_nowhere_is_refused(privacy: str, refusal):
    """Only whole at a node, or with half of the layers on the device: the largest step that fits is taken, a longer one is not."""
    spec = costs.model(MODEL)
    half, usable = spec.layers // 2, 0.9 * 48e9
    device_split = [0.0] if privacy == "site" else [0.0, 0.5]
    phone = 0.6 * costs.device("phone-snapdragon-8gen3").mem_gb * 1e9

    def fits(n: int) -> bool:
        if privacy == "site":
            return room_bytes(spec.layers, n) <= usable
        here = room_bytes(half, n) + 4.0 * n * spec.vocab
        return here <= phone and room_bytes(spec.layers - half, n, half) <= usable

    longest = max(n for n in range(256, 262_144, 256) if fits(n))
    grid = {"actions.device_split": device_split, "actions.precision": ["int4"]}
    keys = {"privacy": privacy, "step_tokens": 256}
    assert tuned(grid, **keys, step_sequences=longest // 256)
    (line,) = refusal("tiny", service=services_with(**keys, step_sequences=longest // 256 + 1), **grid)
    assert line.startswith(
        f"tiny.toml: service.tuner.model: {MODEL} fits nowhere, with a step of {longest + 256} tokens"
    )


def test_raw_data_of_a_private_service_need_a_cut(refusal):
    services = services_with(privacy="device", step_tokens=8, step_sequences=1)
    (line,) = refusal("tiny", service=services, **{"actions.device_split": [0.0]})
    assert line.startswith(f"tiny.toml: service.tuner.model: {MODEL} fits nowhere")
    load_scenario("tiny", service=services, **{"actions.device_split": [0.0, 0.125]})


def test_a_task_takes_the_accelerator_for_all_steps_of_its_members():
    scenario = tuned(**TEAM)
    least_s = capacity.accelerator_s(scenario, scenario.service[1], "l4")
    each_s = [
        float(costs.training_step_s(MODEL, "l4", TOKENS, SEQUENCES, p, rank=RANK)) for p in scenario.actions.precision
    ]
    assert least_s == pytest.approx(3 * STEPS * min(each_s))
    large = tuned(step_tokens=24_576)
    assert capacity.accelerator_s(large, large.service[1], "l4") == np.inf
    assert capacity.accelerator_s(large, large.service[1], "l40s") < np.inf
    jobs_s = capacity.most_jobs_s(scenario)
    assert 0.0 < jobs_s < capacity.most_jobs_s(tuned(steps=1))


def test_a_job_that_only_the_cloud_can_hold_is_taken_unless_its_labels_stay_on_the_site(refusal):
    """40 x 2,048 tokens fit beside the weights into 80 GB, not into 16 GB."""
    keys = {"step_tokens": 2048, "step_sequences": 40}
    n = keys["step_tokens"] * keys["step_sequences"]
    assert 16e9 < room_bytes(costs.model(MODEL).layers, n) < 0.9 * 80e9

    def over(privacy: str, cloud: bool = True) -> dict[str, Any]:
        services = services_with(**keys, privacy=privacy, cloud=cloud)
        services[0]["model"] = MODEL
        return {"service": services, "nodes.memory_gb": 16.0, "actions.device_split": [0.0]}

    assert load_scenario("tiny", **over("open")).finetune[0].may_use_cloud
    for more in (over("site"), over("open", cloud=False)):
        (line,) = refusal("tiny", **more)
        assert line.startswith(f"tiny.toml: service.tuner.model: {MODEL} fits nowhere")


@pytest.mark.parametrize("privacy", ["open", "device"])
def test_ranges_of_candidates_have_room_for_all_that_a_job_sends_and_pays(privacy: str):
    """625 rounds of eight steps, at the widest activations, through the dearest networks."""
    prices = {"air_usd_per_gb": 1.0, "backhaul_usd_per_gb": 2.0, "egress_usd_per_gb": 3.0}
    keys = {**TEAM, "aggregate_every": 8, "privacy": privacy, "steps": 5000}
    layout, n = Layout(tuned({"prices": prices}, **keys)), SEQUENCES * TOKENS
    ways = 4 if privacy == "device" else 2
    sent = 5000 * (ways * costs.boundary_bytes(MODEL, n) + 4 * n) + (1 + 2 * 625) * costs.adapter_bytes(MODEL, RANK)
    high = {feature.name: feature.high for feature in layout.candidates}
    assert high["air_mb"] == high["backhaul_mb"] == pytest.approx(float(sent) / 1e6)
    seconds_usd = 60.0 * max(costs.accelerator_price_usd_per_s(name) for name in ("l40s", "l4", "h100-80g"))
    assert high["price_musd"] == pytest.approx(6.0 * float(sent) / 1e6 + 1e3 * seconds_usd)
    assert layout.candidates[layout.candidate_index("utility")].low < -100.0 * high["price_musd"] / 1e3
    plain = {feature.name: feature.high for feature in Layout(load_scenario("tiny")).candidates}
    assert (plain["air_mb"], plain["price_musd"], plain["energy_j"]) == (1e4, 1e3, 1e5)
