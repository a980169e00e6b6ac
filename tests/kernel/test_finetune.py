"""A fine-tuning job alone, under fixed rates and latencies: setup, steps, bytes, energy and price are those of closed forms made of
public cost functions, and candidates say the same."""

from __future__ import annotations

from typing import NamedTuple

import pytest

import edge6g_env
from edge6g_env import costs
from edge6g_env.spaces import cut_layer
from tests.kernel.test_unloaded import BACKHAUL, BACKHAUL_S, CLOUD, DOWN, DOWN_S, NODE, PEER, UP, UP_S, WORLD, XN, XN_S

DEVICE = "jetson-agx-orin-64g"
TUNED = {
    "name": "tune",
    "kind": "finetune",
    "model": "llama-3.2-3b",
    "privacy": "open",
    "share": 1.0,
    "expire_s": 3600.0,
    "exposure_cost": 0.0,
    "step_tokens": 512,
    "step_sequences": 2,
    "steps": 12,
    "lora_rank": 16,
    "payload_bytes": 3e5,
}


class Plan(NamedTuple):
    """Where the layers are trained."""

    route: str
    share: float
    privacy: str = "open"

    @property
    def action(self) -> str:
        return f"{self.route}{f', {self.share:g} on the device' if self.share else ''}, int8"

    @property
    def far(self) -> tuple[float, float] | None:
        """Rate and delay of the link to the server, if it is behind one."""
        return {"neighbour 1": (XN, XN_S), "cloud": (BACKHAUL, BACKHAUL_S)}.get(self.route)

    @property
    def server(self) -> str:
        return {"neighbour 1": PEER, "cloud": CLOUD}.get(self.route, NODE)


PLANS = [
    Plan("local", 0.0),
    Plan("local", 0.25),
    Plan("local", 0.5),
    Plan("local", 1.0),
    Plan("local", 0.25, "device"),
    Plan("local", 1.0, "device"),
    Plan("neighbour 1", 0.0),
    Plan("neighbour 1", 0.5),
    Plan("neighbour 1", 0.5, "device"),
    Plan("cloud", 0.0),
    Plan("cloud", 0.25),
    Plan("cloud", 0.25, "device"),
]


class Tuning(NamedTuple):
    """The closed forms of a plan."""

    plan: Plan
    service: dict[str, object]

    @property
    def model(self) -> str:
        return str(self.service["model"])

    @property
    def layers(self) -> int:
        return costs.model(self.model).layers

    @property
    def on_device(self) -> int:
        return cut_layer(self.plan.share, self.layers)

    @property
    def tokens(self) -> float:
        return float(self.service["step_tokens"] * self.service["step_sequences"])  # type: ignore[operator]

    @property
    def is_u(self) -> bool:
        return self.plan.privacy == "device" and 0 < self.on_device < self.layers

    @property
    def cut_bytes(self) -> float:
        return float(costs.boundary_bytes(self.model, self.tokens, "int8"))

    def step_of(self, device: str, layers: int | None) -> float:
        """T(x, k)"""
        shape = (self.service["step_tokens"], self.service["step_sequences"])
        more = {"rank": self.service["lora_rank"], "layers": layers}
        return float(costs.training_step_s(self.model, device, *shape, "int8", **more))

    def step_s(self) -> float:
        k, total, t, server = self.on_device, self.layers, self.step_of, self.plan.server
        if k == 0:
            return t(server, None)
        if k == total:
            return t(DEVICE, None)
        up_s, down_s, b = UP_S + 8.0 * self.cut_bytes / UP, DOWN_S + 8.0 * self.cut_bytes / DOWN, self.cut_bytes
        crossings = 4.0 if self.is_u else 2.0
        link_s = 0.0
        if self.plan.far:
            rate, delay_s = self.plan.far
            link_s = crossings * (delay_s + 8.0 * b / rate) + (0.0 if self.is_u else 32.0 * self.tokens / rate)
        if self.is_u:
            head_s = t(DEVICE, None) - t(DEVICE, total)
            return t(DEVICE, k) + head_s + t(server, total) - t(server, k) + 2.0 * (up_s + down_s) + link_s
        labels_s = 8.0 * 4.0 * self.tokens / UP
        return t(DEVICE, k) + up_s + labels_s + t(server, None) - t(server, k) + down_s + link_s

    def setup(self) -> tuple[float, float]:
        """(s, bytes over the air)"""
        if self.on_device > 0:
            size = costs.adapter_bytes(self.model, int(self.service["lora_rank"]), layers=self.on_device)  # type: ignore[call-overload]
            return DOWN_S + 8.0 * size / DOWN, size
        size = 4.0 * self.tokens * float(self.service["steps"]) + float(self.service["payload_bytes"])  # type: ignore[arg-type]
        link_s = self.plan.far[1] + 8.0 * size / self.plan.far[0] if self.plan.far else 0.0
        return UP_S + 8.0 * size / UP + link_s, size

    def step_bytes(self) -> float:
        """Over the air in a step."""
        if self.on_device in (0, self.layers):
            return 0.0
        return 4.0 * self.cut_bytes if self.is_u else 2.0 * self.cut_bytes + 4.0 * self.tokens


@pytest.fixture(scope="module")
def play():
    kept = {}

    def run(plan, **changes):
        key = (plan, *sorted(changes.items()))
        if key not in kept:
            service = {**TUNED, "privacy": plan.privacy, **changes}
            options = {**WORLD, "ues.device": DEVICE, "actions.device_split": [0.0, 0.25, 0.5, 1.0]}
            options["time"] = {"warmup_s": 0.0, "drain_s": TUNED["expire_s"], "episode_s": 3700.0}
            scenario = edge6g_env.load_scenario("tiny", service=[service], **options)
            kept[key] = edge6g_env.lone_job(scenario, plan.action), Tuning(plan, service)
        return kept[key]

    return run


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: f"{plan.privacy} {plan.action}")
@pytest.mark.parametrize("changes", [{}, {"steps": 3, "step_tokens": 2048, "checkpointing": True}], ids=str)
def test_a_job_takes_its_setup_and_its_steps(play, plan, changes):
    found, tuning = play(plan, **changes)
    (setup_s, _), step_s, steps = tuning.setup(), tuning.step_s(), tuning.service["steps"]
    assert found.outcome["end_s"] - found.decided_s == pytest.approx(setup_s + steps * step_s, rel=0.01)
    assert found.outcome["progress"] == 1.0
    assert found.outcome["slo_met"] == 1
    assert found.predicted["ttft_s"] - found.decided_s == pytest.approx(setup_s, rel=0.03)
    assert found.predicted["tpot_s"] == pytest.approx(step_s, rel=0.03)
    assert found.predicted["progress"] == 1.0


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: f"{plan.privacy} {plan.action}")
def test_bytes_are_exact(play, plan):
    found, tuning = play(plan)
    air_bytes = tuning.setup()[1] + tuning.service["steps"] * tuning.step_bytes()
    assert found.outcome["air_bytes"] == pytest.approx(air_bytes, abs=0.5)
    over_backhaul = tuning.setup()[1] if tuning.on_device == 0 else tuning.service["steps"] * tuning.step_bytes()
    assert found.outcome["backhaul_bytes"] == pytest.approx(over_backhaul if plan.route == "cloud" else 0.0, abs=0.5)
    assert 1e6 * found.predicted["air_mb"] == pytest.approx(air_bytes, rel=1e-5)
    assert 1e6 * found.predicted["backhaul_mb"] == pytest.approx(found.outcome["backhaul_bytes"], rel=1e-5)


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: f"{plan.privacy} {plan.action}")
def test_candidates_know_energy_and_price(play, plan):
    found, _ = play(plan)
    assert found.predicted["energy_j"] == pytest.approx(found.outcome["energy_j"], rel=0.03)
    assert found.predicted["price_musd"] == pytest.approx(1e3 * found.outcome["price_usd"], rel=0.03)


def test_labels_give_the_text_away_and_a_u_shape_what_its_depth_does(play):
    exposed = {plan: play(plan)[0].outcome["exposure_device"] for plan in PLANS}
    for plan, share in exposed.items():
        tuning = Tuning(plan, TUNED)
        if plan.share == 1.0:
            assert share == 0.0
        elif plan.privacy == "open":
            assert share == 1.0
        else:
            assert share == pytest.approx(float(costs.exposure(tuning.on_device / tuning.layers, "int8")), rel=1e-9)
        reached = play(plan)[0].outcome["exposure_site"]
        assert reached == (share if plan.route == "cloud" else 0.0)


def test_of_a_job_that_ends_too_early_whole_steps_are_foreseen(play):
    """It runs out of time in the middle of a step: neither the forecast nor the end counts that one."""
    plan = Plan("local", 0.25)
    _, whole = play(plan)
    expire_s = whole.setup()[0] + 5.5 * whole.step_s()
    found, _ = play(plan, expire_s=expire_s)
    assert found.outcome["progress"] == pytest.approx(5.0 / 12.0)
    assert found.predicted["progress"] == pytest.approx(5.0 / 12.0)


def test_what_waits_for_the_cloud_has_given_nothing_to_it(make_bench):
    """Its accelerators are taken; a job that expires meanwhile has sent nothing, nor did anybody there see anything."""
    tuned = {**TUNED, "expire_s": 5.0, "steps": 2000}
    clock = {"time.drain_s": 5.0, "time.episode_s": 20.0}
    bench = make_bench(["l4"], services=[tuned], ues_a_node=2, **clock, **{"cloud.concurrency": 8, "cloud.batch": 8})
    bench.reset(1)
    bench.send({0: 0.001, 1: 0.002})
    first, second = sorted(bench.run("cloud, 0.25 on the device, int8", 2), key=lambda job: job["job"])
    assert first["exposure_site"] > 0.0
    assert first["backhaul_bytes"] > 0.0
    assert (second["exposure_site"], second["backhaul_bytes"]) == (0.0, 0.0)


def test_the_cloud_is_paid_by_the_second(play):
    """For the whole accelerator from the first step to the last, whatever it does."""
    for plan in (Plan("cloud", 0.0), Plan("cloud", 0.25)):
        found, tuning = play(plan)
        held_s = tuning.service["steps"] * tuning.step_s()
        usd = held_s * costs.accelerator_price_usd_per_s(CLOUD)
        usd += found.outcome["air_bytes"] * costs.network_price_usd_per_byte("air")
        usd += found.outcome["backhaul_bytes"] * costs.network_price_usd_per_byte("backhaul")
        egress = tuning.service["steps"] * tuning.cut_bytes if plan.share else 0.0
        usd += egress * costs.network_price_usd_per_byte("cloud_egress")
        assert found.outcome["price_usd"] == pytest.approx(usd, rel=0.01)
