"""Draft and verify: one job in an empty world against the public cost functions, several that share a node, and what is refused."""

import numpy as np
import pytest

from edge6g_env import costs, lone_job, radio
from edge6g_env.kernel.codes import ACTION_EFFECTS, DECODE, DEVICE_TOO_SMALL, FINISHED, NO_DRAFT

PROMPT, OUTPUT, ARRIVAL_S = 200.0, 129.0, 0.013
PHONE, CLOUD, CLOUD_BATCH = "phone-snapdragon-8gen3", "h100-80g", 32.0
MODEL, DRAFT = "qwen2.5-7b", "qwen2.5-0.5b"
XN_S, XN_BIT_S, BACKHAUL_S, BACKHAUL_BIT_S = 0.001, 1e10, 0.015, 1e9
GRID = {"actions.device_split": [0.0, "draft"], "actions.edge_split": [0.0], "serving.preload": [MODEL]}

CELL = radio.preset("fr1_3g5_micro")
DOWN_S = CELL.slot_s + CELL.processing_s  # what of the access latencies is not drawn
UP_S = CELL.k2_slots * CELL.slot_s + DOWN_S  # of a first message; those of a stream have a grant


def rate_bit_s(share, overhead):
    return CELL.max_layers * radio.spectral_efficiency(50.0) * CELL.bandwidth_hz * share * (1.0 - overhead)


UP_BIT_S = rate_bit_s(CELL.uplink_share, CELL.overhead_uplink)


@pytest.fixture(scope="module")
def bench_of(make_bench, make_service):
    """bench(devices, precision, draft_tokens, **more) with one service that has a draft."""

    def make(devices, precision="fp16", drafted=(4,), ues_a_node=1, **more):
        service = make_service(model=MODEL, draft=DRAFT, draft_precision="int4", draft_tokens=[*drafted])
        grid = {**GRID, "actions.precision": [precision], "actions.default_precision": precision}
        return make_bench([*devices], ues_a_node, services=[service], **{**grid, **more})

    return make


def warm(bench, prompt=PROMPT, output=OUTPUT):
    """Reset so that the first node serves a UE, whose device and node hold what they need; returns the UE."""
    bench.hold_all_models()
    ue = bench.reset_with_ue()
    bench.lengths(prompt, output)
    world = bench.batch.world
    world.ue["device_variant"][...] = world.service[0].draft
    world.ue["device_layers"][...] = costs.model(DRAFT).layers
    return ue


def decide(bench, ue, name):
    """Let a job arrive at the UE; returns the candidate of the action, by name, when it is to be decided."""
    bench.send({ue: ARRIVAL_S})
    while not bench.queue(0):
        bench.step()
    row = bench.obs["candidates"][0, 0, bench.action(name)]
    return {feature.name: float(value) for feature, value in zip(bench.batch.layout.candidates, row, strict=True)}


class Plan:
    """The closed form: rounds of k draft steps, their ids up, a verification and a token down; before the draft has the prompt, tokens of
    the target alone."""

    def __init__(self, route, node, precision, k, acceptance=0.65):
        self.k, self.precision, self.cloud = k, precision, route == "cloud"
        self.target = CLOUD if self.cloud else node
        self.batch = CLOUD_BATCH if self.cloud else 1.0
        delay_s, rate = (BACKHAUL_S, BACKHAUL_BIT_S) if self.cloud else (XN_S, XN_BIT_S)
        self.delay_s, self.rate = (0.0, np.inf) if route == "local" else (delay_s, rate)
        self.tokens = float(costs.tokens_per_round(acceptance, k))
        self.context = PROMPT + 0.5 * OUTPUT

    @property
    def verify_s(self):
        return float(costs.verify_step_s(MODEL, self.target, self.context, self.k, self.batch, self.precision))

    @property
    def plain_s(self):
        return float(costs.decode_step_s(MODEL, self.target, self.context, self.batch, self.precision))

    @property
    def round_s(self):
        device_s = self.k * float(costs.decode_step_s(DRAFT, PHONE, self.context, 1, "int4"))
        air_s = DOWN_S + 32.0 * self.k / UP_BIT_S + DOWN_S
        return device_s + air_s + self.verify_s + 2.0 * self.delay_s + 32.0 * self.k / self.rate

    @property
    def setup_s(self):
        """From the decision until the target has the first token."""
        way_s = UP_S + 32.0 * PROMPT / UP_BIT_S + self.delay_s + 32.0 * PROMPT / self.rate
        return way_s + float(costs.prefill_s(MODEL, self.target, PROMPT, self.precision))

    @property
    def alone(self):
        """Tokens until the draft has the prompt."""
        late_s = float(costs.prefill_s(DRAFT, PHONE, PROMPT, "int4")) - self.setup_s
        return max(0.0, late_s) / self.plain_s

    @property
    def tpot_s(self):
        drafted = OUTPUT - 1.0 - self.alone
        return (self.alone * self.plain_s + drafted * self.round_s / self.tokens) / (OUTPUT - 1.0)

    @property
    def accelerator_s(self):
        """Of the node: the prompt, tokens alone, verifications."""
        rounds = (OUTPUT - 1.0 - self.alone) / self.tokens
        prefill_s = float(costs.prefill_s(MODEL, self.target, PROMPT, self.precision))
        return prefill_s + self.alone * self.plain_s + rounds * self.verify_s


CASES = [
    ("local", "l4", "fp16", 4),
    ("local", "l40s", "int4", 2),
    ("local", "jetson-agx-orin-64g", "fp16", 8),
    ("neighbour 1", "l4", "fp16", 1),
    ("cloud", "l4", "int8", 4),
]


@pytest.mark.parametrize(("route", "node", "precision", "k"), CASES)
def test_a_drafted_token_takes_the_time_of_the_closed_form(bench_of, route, node, precision, k):
    """TTFT and token time within 1 %, as the candidate says within 3 %; accelerator seconds are those of the verifications."""
    devices = ["l40s", node] if route == "neighbour 1" else [node]
    bench, plan = bench_of(devices, precision, [k]), Plan(route, node, precision, k)
    ue, name = warm(bench), f"{route}, draft on the device, {precision}"
    seen = decide(bench, ue, name)
    assert seen["is_draft"] == 1.0
    assert seen["device_share"] == 0.0
    (job,) = bench.run(name, 1)
    assert job["phase"] == FINISHED
    ttft_s = bench.decided_s(ARRIVAL_S) - ARRIVAL_S + plan.setup_s + DOWN_S + plan.delay_s
    assert job["ttft_s"] == pytest.approx(ttft_s, rel=0.01)
    assert job["tpot_s"] == pytest.approx(plan.tpot_s, rel=0.01)
    assert seen["ttft_s"] == pytest.approx(job["ttft_s"], rel=0.03)
    assert seen["tpot_s"] == pytest.approx(job["tpot_s"], rel=0.03)
    assert seen["energy_j"] == pytest.approx(job["energy_j"], rel=0.03)
    assert seen["price_musd"] == pytest.approx(1e3 * job["price_usd"], rel=0.03)
    assert seen["air_mb"] == pytest.approx(job["air_bytes"] / 1e6, rel=0.03)
    if plan.cloud:  # by the list, tokens in and tokens delivered
        price = costs.token_price_usd(MODEL)
        assert job["price_usd"] == pytest.approx(PROMPT * price.in_usd + OUTPUT * price.out_usd, rel=0.02)
    else:
        air_usd = job["air_bytes"] * costs.network_price_usd_per_byte("air")
        seconds = (job["price_usd"] - air_usd) / costs.accelerator_price_usd_per_s(node)
        assert seconds == pytest.approx(plan.accelerator_s, rel=0.01)
        assert seen["accelerator_s"] == pytest.approx(seconds, rel=0.03)


@pytest.mark.parametrize(("slot_s", "n_substeps"), [(0.01, 1), (0.05, 1), (0.05, 5)])
def test_drafted_tokens_do_not_depend_on_slot_and_substep(bench_of, slot_s, n_substeps):
    bench = bench_of(["l4"], "fp16", [4], **{"time.slot_s": slot_s, "time.n_substeps": n_substeps})
    ue, name, plan = warm(bench), "local, draft on the device, fp16", Plan("local", "l4", "fp16", 4)
    decide(bench, ue, name)
    assert bench.run(name, 1)[0]["tpot_s"] == pytest.approx(plan.tpot_s, rel=0.01)


@pytest.mark.parametrize(
    ("node", "precision", "k"), [("l4", "fp16", 4), ("l40s", "int4", 1), ("jetson-agx-orin-64g", "int8", 8)]
)
def test_a_lone_job_at_fixed_rates_drafts_as_public_functions_say(node, precision, k):
    """(k draft steps + a_u + 32 k/U + verify_step_s + a_d + 32/D) / tokens_per_round, and a TTFT without draft in it, within 1 %."""
    up_bit_s, down_bit_s, up_s, down_s = 2e4, 1e5, 0.004, 0.002
    fixed = {
        "uplink_bit_s": up_bit_s,
        "downlink_bit_s": down_bit_s,
        "uplink_access_s": up_s,
        "downlink_access_s": down_s,
    }
    draft = {"model": MODEL, "draft": DRAFT, "draft_precision": "int4", "draft_tokens": [k], "privacy": "open"}
    job = lone_job(
        "tiny",
        f"local, draft on the device, {precision}",
        prompt_tokens=64,
        output_tokens=128,
        **{f"service.chat.{key}": value for key, value in draft.items()},
        **{"actions.device_split": [0.0, 0.5, "draft"], "nodes.devices": [node], "radio.fixed": fixed},
    )
    prefill_s, context = costs.prefill_s(MODEL, node, 64, precision), 64.0 + 0.5 * 128
    assert costs.prefill_s(DRAFT, PHONE, 64, "int4") < up_s + 32.0 * 64 / up_bit_s  # the draft has the prompt first
    ttft_s = job.decided_s + up_s + 32.0 * 64 / up_bit_s + float(prefill_s) + down_s + 32.0 / down_bit_s
    round_s = k * costs.decode_step_s(DRAFT, PHONE, context, 1, "int4") + up_s + 32.0 * k / up_bit_s
    round_s += costs.verify_step_s(MODEL, node, context, k, 1, precision) + down_s + 32.0 / down_bit_s
    token_s = float(round_s) / float(costs.tokens_per_round(0.65, k))
    assert job.outcome["ttft_s"] == pytest.approx(ttft_s, rel=0.01)
    assert job.outcome["tpot_s"] == pytest.approx(token_s, rel=0.01)
    assert job.predicted["ttft_s"] == pytest.approx(job.outcome["ttft_s"], rel=0.03)
    assert job.predicted["tpot_s"] == pytest.approx(job.outcome["tpot_s"], rel=0.03)
    assert [name for name, *_ in job.legs] == ["uplink", "ingress", "decode", "downlink"]


def test_bytes_of_a_drafted_job(bench_of):
    """The prompt's ids, k ids up and a token down for each round, one token down for what came before."""
    bench = bench_of(["jetson-agx-orin-64g"], "fp16", [4])
    ue, name = warm(bench), "local, draft on the device, fp16"
    decide(bench, ue, name)
    (job,) = bench.run(name, 1)
    rounds = (OUTPUT - 1.0) / float(costs.tokens_per_round(0.65, 4))
    assert job["air_bytes"] == pytest.approx(4.0 * (PROMPT + 1.0 + rounds * 5.0), rel=1e-9)
    assert (job["exposure_device"], job["exposure_site"]) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("node", "precision", "gains"),
    [
        ("l4", "fp16", True),
        ("jetson-agx-orin-64g", "fp16", True),
        ("l40s", "int4", False),
    ],
)
def test_drafts_pay_where_the_target_reads_weights_slowly(bench_of, node, precision, gains):
    """In time on L4 and AGX Orin at fp16, not on an L40S at int4; in accelerator seconds a token everywhere (SLED, arXiv 2506.09397:
    2.2 times the throughput)."""
    found = {}
    for k in (0, 1, 2, 4):
        bench, how = bench_of([node], precision, [max(k, 1)]), "draft on the device, " if k else ""
        ue, name = warm(bench), f"local, {how}{precision}"
        busy_s = decide(bench, ue, name)["accelerator_s"]
        found[k] = bench.run(name, 1)[0]["tpot_s"], busy_s
    plain_s, busy_s = found.pop(0)
    assert (min(tpot_s for tpot_s, _ in found.values()) < plain_s) == gains
    assert all(drafted_s < busy_s for _, drafted_s in found.values())
    assert 1.8 < busy_s / found[4][1] < 3.0


def test_a_draft_beats_a_cut_where_a_round_trip_dominates(make_bench, make_service):
    """Both cross the air, one once a round and the other once a token."""
    service = make_service(model=MODEL, draft=DRAFT, draft_precision="int4", draft_tokens=[4])
    grid = {
        **GRID,
        "actions.device_split": [0.0, 0.125, "draft"],
        "actions.precision": ["int4"],
        "actions.default_precision": "int4",
    }
    bench, tpot_s = make_bench(["l4"], services=[service], **grid), []
    for how in ("0.125", "draft"):
        ue, name = warm(bench, output=33.0), f"local, {how} on the device, int4"
        bench.bands["uplink_stream_s"][...] = bench.bands["downlink_access_s"][...] = 0.05
        if how != "draft":
            bench.batch.world.ue["device_variant"][...] = -1
        decide(bench, ue, name)
        tpot_s.append(bench.run(name, 1)[0]["tpot_s"])
    assert tpot_s[0] > 0.1 > tpot_s[1]


def test_the_number_of_drafted_tokens_is_that_of_the_highest_utility(bench_of):
    """The candidate of several numbers is that of the best one alone, and the job drafts by it."""
    name, utility = "local, draft on the device, fp16", {}
    for k in (1, 2, 4, 8):
        bench = bench_of(["l4"], "fp16", [k])
        utility[k] = decide(bench, warm(bench), name)["utility"]
    bench = bench_of(["l4"], "fp16", [1, 2, 4, 8])
    ue, best = warm(bench), max(utility, key=utility.get)
    assert decide(bench, ue, name)["utility"] == pytest.approx(utility[best], rel=1e-6)
    assert len({*np.round([*utility.values()], 6)}) == 4
    bench.step(name)
    while not (jobs := [job for job in bench.jobs(DECODE) if job.pass_tokens > 1.0]):
        bench.step()
    assert jobs[0].pass_tokens == best + 1
    assert jobs[0].pass_yield == float(costs.tokens_per_round(0.65, best))


def test_what_drafting_jobs_pay_is_what_the_accelerator_did(bench_of):
    """Jobs that draft and jobs that do not share a node: nobody's second is paid twice, and none is free while all decode."""
    bench = bench_of(["l4"], "fp16", [4], ues_a_node=8)
    warm(bench)
    bench.send({u: ARRIVAL_S + 1e-4 * u for u in range(8)})
    began_s, jobs = bench.decided_s(ARRIVAL_S), []
    while len(jobs) < 8:
        drafts = bench.batch.deciding()[0, 0] % 2 == 1
        jobs += [*bench.step("local, draft on the device, fp16" if drafts else "local, fp16")]
    paid_s = 0.0
    for job in jobs:
        air_usd = job["air_bytes"] * costs.network_price_usd_per_byte("air")
        paid_s += (job["price_usd"] - air_usd) / costs.accelerator_price_usd_per_s("l4")
    assert 0.5 * (bench.now_s - began_s) < paid_s < bench.now_s - began_s


def test_a_device_without_room_and_a_model_without_pair_have_no_draft(make_bench, make_service):
    family = make_service(models=["qwen2.5-1.5b", MODEL], default_model=MODEL, draft=DRAFT, draft_precision="int4")
    family.pop("model")
    bench = make_bench(
        ["l40s"], services=[family], **{**GRID, "actions.precision": ["int4"], "actions.default_precision": "int4"}
    )
    ue = warm(bench)
    decide(bench, ue, "local, draft on the device, int4, model 2")
    small, large = (bench.action(f"local, draft on the device, int4, model {m}") for m in (1, 2))
    assert bench.obs["action_mask"][0, 0, [small, large]].tolist() == [0, 1]
    *_, info = bench.batch.step(np.array([[small]]))
    assert ACTION_EFFECTS[info["action_effect"][0, 0]] == ACTION_EFFECTS[NO_DRAFT]
    bench.phone().usable_bytes = 1e6
    bench.batch.world.node["mask_job"][...] = -1
    bench.step()
    assert bench.obs["action_mask"][0, 0, large] == 0
    *_, info = bench.batch.step(np.array([[large]]))
    assert info["action_effect"][0, 0] == DEVICE_TOO_SMALL
