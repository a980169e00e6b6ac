"""A job alone, under fixed rates and latencies: its times, energy and price are those of closed forms made of public cost functions, and
candidates say the same."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

import edge6g_env
from edge6g_env import costs
from edge6g_env.spaces import cut_layer

UP, DOWN, UP_S, DOWN_S = 4e7, 9e7, 0.006, 0.002
XN, XN_S, BACKHAUL, BACKHAUL_S = 1e9, 0.004, 3e8, 0.015
NODE, PEER, PHONE, CLOUD = "l40s", "l4", "phone-snapdragon-8gen3", "h100-80g"
WORLD = {
    "radio.fixed": {
        "uplink_bit_s": UP,
        "downlink_bit_s": DOWN,
        "uplink_access_s": UP_S,
        "downlink_access_s": DOWN_S,
    },
    "nodes": {"count": 2, "columns": 2, "devices": [NODE, PEER], "neighbours": 1},
    "xn": {"rate_bit_s": XN, "delay_s": XN_S, "delay_jitter": 0.0},
    "backhaul": {"rate_bit_s": BACKHAUL, "delay_s": BACKHAUL_S, "delay_jitter": 0.0},
    "serving.token_budget": 8192,
}
BATCH = 32.0
BACK_S = DOWN_S + 32.0 / DOWN  # of a token, over the air


class Job(NamedTuple):
    """What is asked for; a service's model on the devices above."""

    model: str
    precision: str
    prompt: int
    output: int

    @property
    def layers(self) -> int:
        return costs.model(self.model).layers

    @property
    def contexts(self) -> np.ndarray:
        """Cached tokens of each decode step: the setup pass has yielded the first token."""
        return self.prompt + np.arange(self.output - 1.0)

    def tables(self, device: str) -> costs.CostTables:
        return costs.kernel_tables([device], [(self.model, self.precision)])

    def layer_s(self, device: str, tokens: float, cached: float | np.ndarray) -> float | np.ndarray:
        """A layer of a pass of one sequence."""
        linear_s = costs.layer_time_s(self.model, device, tokens, self.precision)
        return linear_s + costs.attention_time_s(self.model, device, tokens, cached, 1.0, self.precision)

    def extras_s(self, device: str) -> float:
        """What a step has beside its layers: head and engine."""
        whole_s = costs.decode_step_s(self.model, device, 100.0, 1.0, self.precision)
        return float(whole_s - self.layers * self.layer_s(device, 1.0, 100.0))

    def engine_s(self, device: str) -> float:
        """What a part that is not the last has of it."""
        return float(self.tables(device).overhead_s.sum())

    def part_s(self, device: str, low: int, high: int, tokens: float, cached: float | np.ndarray) -> float | np.ndarray:
        """A pass through layers [low, high); nothing if there are none."""
        if high <= low:
            return 0.0
        more_s = self.extras_s(device) if high == self.layers else self.engine_s(device)
        return (high - low) * self.layer_s(device, tokens, cached) + more_s

    def cut_bytes(self, tokens: float) -> float:
        """Activations of tokens at a cut."""
        sent = "fp16" if self.precision == "fp16" else "int8"
        return float(costs.boundary_bytes(self.model, tokens, sent))


class Plan(NamedTuple):
    """Where the layers run: a share on the device, one of the rest at the node, what is left where the route leads."""

    route: str
    device_share: float
    edge_share: float

    def action(self, precision: str) -> str:
        device = f", {self.device_share:g} on the device" if self.device_share else ""
        edge = f", {self.edge_share:g} of the rest at the ingress" if self.edge_share else ""
        return f"{self.route}{device}{edge}, {precision}"

    def cuts(self, layers: int) -> tuple[int, int]:
        """Layers before the cut behind the device, and before the one behind the node."""
        first = cut_layer(self.device_share, layers)
        return first, layers if self.route == "local" else first + cut_layer(self.edge_share, layers - first)


def closed_form(job: Job, plan: Plan) -> tuple[float, float]:
    """(s from the decision to the first token, mean s of a token after it)."""
    (first, second), layers, n = plan.cuts(job.layers), job.layers, float(job.prompt)
    far, rate, delay_s = (CLOUD, BACKHAUL, BACKHAUL_S) if plan.route == "cloud" else (PEER, XN, XN_S)
    ttft_s = (
        job.part_s(PHONE, 0, first, n, 0.0)
        + job.part_s(NODE, first, second, n, 0.0)
        + job.part_s(far, second, layers, n, 0.0)
    )
    token_s = job.part_s(PHONE, 0, first, 1.0, job.contexts) + job.part_s(NODE, first, second, 1.0, job.contexts)
    if plan.route == "cloud":  # its batch is its own, at a mean context
        at, share = (job.prompt + 0.5 * job.output - 1.0, BATCH), (layers - second) / layers
        extras_s = costs.decode_step_s(job.model, CLOUD, *at, job.precision) - layers * (
            costs.layer_time_s(job.model, CLOUD, BATCH, job.precision)
            + costs.attention_time_s(job.model, CLOUD, 1.0, *at, job.precision)
        )
        whole_s = costs.decode_step_s(job.model, CLOUD, *at, job.precision)
        token_s = token_s + share * (whole_s - extras_s) + extras_s
    else:
        token_s = token_s + job.part_s(PEER, second, layers, 1.0, job.contexts)
    if first < layers:  # over the air: token ids, or what stands at the cut
        ttft_s += UP_S + 8.0 * (4.0 * n if first == 0 else job.cut_bytes(n)) / UP + BACK_S
    if 0 < first < layers:
        token_s = token_s + UP_S + 8.0 * job.cut_bytes(1.0) / UP + BACK_S
    if second < layers:  # over the link
        ttft_s += 2.0 * delay_s + 8.0 * (4.0 * n if second == 0 else job.cut_bytes(n)) / rate
    if 0 < second < layers:
        token_s = token_s + 2.0 * delay_s + 8.0 * job.cut_bytes(1.0) / rate
    return float(ttft_s), float(np.mean(token_s))


PLANS = [
    Plan("local", 0.0, 0.0),
    Plan("local", 0.25, 0.0),
    Plan("local", 0.5, 0.0),
    Plan("local", 1.0, 0.0),
    Plan("neighbour 1", 0.0, 0.0),
    Plan("neighbour 1", 0.0, 0.25),
    Plan("neighbour 1", 0.0, 0.5),
    Plan("neighbour 1", 0.25, 0.0),
    Plan("neighbour 1", 0.25, 0.5),
    Plan("cloud", 0.0, 0.0),
    Plan("cloud", 0.0, 0.5),
    Plan("cloud", 0.5, 0.0),
    Plan("cloud", 0.25, 0.25),
]
JOBS = [Job("llama-3.2-3b", "int4", 700, 50), Job("qwen2.5-0.5b", "fp16", 120, 9), Job("llama-3.2-3b", "int8", 2500, 3)]


@pytest.fixture(scope="module")
def play(make_service):
    """The lone job of a plan: a service whose text may go anywhere."""
    kept = {}

    def run(job, plan, **more):
        key = (job, plan, *more.items())
        if key not in kept:
            options = {**WORLD, "actions.device_split": [0.0, 0.25, 0.5, 1.0], **more}
            scenario = edge6g_env.load_scenario("tiny", service=[make_service(model=job.model)], **options)
            action = plan.action(job.precision)
            kept[key] = edge6g_env.lone_job(scenario, action, prompt_tokens=job.prompt, output_tokens=job.output)
        return kept[key]

    return run


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.action("p"))
@pytest.mark.parametrize("job", JOBS, ids=lambda job: f"{job.model} {job.precision}")
def test_times_are_those_of_the_closed_form(play, job, plan):
    found, (ttft_s, token_s) = play(job, plan), closed_form(job, plan)
    assert found.outcome["ttft_s"] - found.decided_s == pytest.approx(ttft_s, rel=0.01)
    assert found.outcome["tpot_s"] == pytest.approx(token_s, rel=0.01)
    assert found.predicted["ttft_s"] - found.decided_s == pytest.approx(ttft_s, rel=0.03)
    assert found.predicted["tpot_s"] == pytest.approx(token_s, rel=0.03)


@pytest.mark.parametrize("time", [{"slot_s": 0.005}, {"slot_s": 0.05, "n_substeps": 1}], ids=str)
@pytest.mark.parametrize("plan", PLANS[1:9:3], ids=lambda plan: plan.action("p"))
def test_whatever_the_slot(play, plan, time):
    job = JOBS[0]
    found, (ttft_s, token_s) = (
        play(job, plan, **{f"time.{key}": value for key, value in time.items()}),
        closed_form(job, plan),
    )
    assert found.outcome["ttft_s"] - found.decided_s == pytest.approx(ttft_s, rel=0.01)
    assert found.outcome["tpot_s"] == pytest.approx(token_s, rel=0.01)


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.action("p"))
@pytest.mark.parametrize("job", JOBS, ids=lambda job: f"{job.model} {job.precision}")
def test_candidates_pay_for_as_many_tokens_as_the_job(play, job, plan):
    """The setup pass yields the first token, so one less is decoded; with three tokens an extra one would be half as much again."""
    found = play(job, plan)
    for feature, field, scale in (
        ("energy_j", "energy_j", 1.0),
        ("price_musd", "price_usd", 1e-3),
        ("air_mb", "air_bytes", 1e6),
        ("backhaul_mb", "backhaul_bytes", 1e6),
    ):
        assert scale * found.predicted[feature] == pytest.approx(found.outcome[field], rel=0.01), feature


@pytest.mark.parametrize("job", JOBS, ids=lambda job: f"{job.model} {job.precision}")
def test_energy_and_price_of_a_node_are_those_of_its_seconds(play, job):
    found, grid = play(job, PLANS[0]), edge6g_env.load_scenario("tiny").actions.precision
    tables = costs.kernel_tables(
        [NODE], [(job.model, p) for p in grid]
    )  # its power is a mean over what the scenario has
    prefill_s = costs.prefill_s(job.model, NODE, job.prompt, job.precision)
    decode_s = costs.decode_step_s(job.model, NODE, job.contexts, 1.0, job.precision).sum()
    prefill_w, decode_w = tables.busy_w[0]
    sending_j = 8.0 * 4.0 * job.prompt / UP * edge6g_env.load_scenario("tiny").ues.tx_power_w[0]
    assert found.outcome["energy_j"] == pytest.approx(prefill_s * prefill_w + decode_s * decode_w + sending_j, rel=0.01)
    air_bytes = 4.0 * (job.prompt + job.output)
    usd = (prefill_s + decode_s) * costs.accelerator_price_usd_per_s(NODE)
    assert found.outcome["price_usd"] == pytest.approx(
        usd + air_bytes * costs.network_price_usd_per_byte("air"), rel=0.01
    )
    assert found.outcome["air_bytes"] == pytest.approx(air_bytes, rel=1e-9)


def test_a_model_that_fits_one_device_is_served_faster_unsplit(play):
    for job in JOBS:
        whole = play(job, PLANS[0]).outcome
        for plan in PLANS[5:7]:
            cut = play(job, plan).outcome
            assert whole["ttft_s"] < cut["ttft_s"]
            assert whole["tpot_s"] < cut["tpot_s"]
