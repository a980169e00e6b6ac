"""One job in an empty world: what happens, what the candidates predict, and a plain evaluation of the cost model agree."""

import pytest

from edge6g_env import costs, radio
from edge6g_env.kernel.codes import FINISHED

PROMPT, OUTPUT = 400.0, 40.0
PHONE, CLOUD = "phone-snapdragon-8gen3", "h100-80g"
MODEL = "llama-3.1-8b"
SMALL = "llama-3.2-3b"
OVERHEAD_S = {
    "card": (1.2e-4, 1e-5),
    "shared": (0.0, 0.0),
}  # costs: a tenth of 1.2 ms and 0.1 ms; phones and Jetsons none
XN_S, BACKHAUL_S = 0.001, 0.015


CELL = radio.preset("fr1_3g5_micro")
DOWN_S = CELL.slot_s + CELL.processing_s  # what of the access latencies is not drawn
UP_S = CELL.k2_slots * CELL.slot_s + DOWN_S


def air_rate_bit_s():
    """Top of the MCS table on all layers, without block errors."""
    share = CELL.uplink_share * (1.0 - CELL.overhead_uplink)
    return CELL.max_layers * radio.spectral_efficiency(50.0) * CELL.bandwidth_hz * share


class Plan:
    """A way through device, ingress and target, evaluated from the public functions of edge6g_env.costs."""

    def __init__(self, model, precision, *, s1=0.0, s2=0.0, ingress=None, target=None, in_cloud=False):
        self.model, self.precision, self.in_cloud = model, precision, in_cloud
        self.total = costs.model(model).layers
        self.first = round(s1 * self.total)
        last = self.total if target is None else self.first + round(s2 * (self.total - self.first))
        parts = [(PHONE, 0, self.first), (ingress, self.first, last), (target, last, self.total)]
        self.parts = [(device, low, high) for device, low, high in parts if high > low]
        self.cut_1, self.cut_2 = 0 < self.first < self.total, target is not None and last > self.first
        self.leaves, self.target = self.first < self.total, target

    def layer_s(self, device, new, context, batch=1.0):
        linear = costs.layer_time_s(self.model, device, new * batch, self.precision)
        return float(linear + costs.attention_time_s(self.model, device, new, context, batch))

    def extras_s(self, device, high, batch=1.0):
        """Engine and, with the last layer, head: what a whole pass costs beside its layers."""
        if high == self.total:
            step = costs.decode_step_s(self.model, device, 100.0, batch, self.precision)
            return float(step) - self.total * self.layer_s(device, 1.0, 100.0, batch)
        first, each = OVERHEAD_S["shared" if device == PHONE else "card"]
        return first + each * batch

    def pass_s(self, part, new, context, batch=1.0):
        device, low, high = part
        return (high - low) * self.layer_s(device, new, context, batch) + self.extras_s(device, high, batch)

    def boundary_bit(self, tokens):
        kind = "fp16" if self.precision == "fp16" else "int8"
        return 8.0 * float(costs.boundary_bytes(self.model, tokens, kind))

    def load_s(self, part):
        """Bytes of the part over the rate of a whole load; a second's start at nodes, none on the phone."""
        device, low, high = part
        if self.in_cloud and device == self.target:
            return 0.0
        whole = costs.memory_bytes(self.model, self.precision)
        rate = whole / (costs.load_s(self.model, device, self.precision) - 1.0)
        spec = costs.model(self.model)
        # Embedding, or head; one that is both stands at both ends of a model that is cut. int4 keeps it in fp16 (COSTS 4).
        ends = (1.0 if self.precision == "int8" else 2.0) * spec.vocab * spec.hidden
        layers = (whole - ends * (1 if spec.tied_embeddings else 2)) / self.total * (high - low)
        held = layers + ends * (low == 0) + ends * (high == self.total) - (ends if self._both(part, spec) else 0.0)
        return held / rate + (0.0 if device == PHONE else 1.0)

    def _both(self, part, spec):
        return spec.tied_embeddings and part[1] == 0 and part[2] == self.total

    def setup_s(self, cold):
        """From the decision to the first token at the UE."""
        time_s = 0.0
        for part in self.parts:
            time_s += self.pass_s(part, PROMPT, 0.0) + (self.load_s(part) if cold else 0.0)
        if self.leaves:
            bits = self.boundary_bit(PROMPT) if self.cut_1 else 32.0 * PROMPT
            time_s += UP_S + bits / air_rate_bit_s() + DOWN_S
        if self.target is not None:
            bits = self.boundary_bit(PROMPT) if self.cut_1 or self.cut_2 else 32.0 * PROMPT
            delay_s, rate = (BACKHAUL_S, 1e9) if self.in_cloud else (XN_S, 1e10)
            time_s += 2.0 * delay_s + bits / rate
        return time_s

    def token_s(self, context=PROMPT + 0.5 * OUTPUT):
        """One token through all parts and over all cuts."""
        time_s = 0.0
        for part in self.parts:
            batch = 32.0 if self.in_cloud and part[0] == self.target else 1.0
            time_s += self.pass_s(part, 1.0, context, batch)
        if self.cut_1:
            time_s += DOWN_S + self.boundary_bit(1) / air_rate_bit_s() + DOWN_S
        if self.target is not None and (self.cut_1 or self.cut_2):
            delay_s, rate = (BACKHAUL_S, 1e9) if self.in_cloud else (XN_S, 1e10)
            time_s += 2.0 * delay_s + self.boundary_bit(1) / rate
        return time_s


# action, model, what it means. The ingress is an L40S, its neighbour an L4.
WAYS = {
    "local, fp16": (MODEL, {"ingress": "l40s"}),
    "local, int4": (MODEL, {"ingress": "l40s"}),
    "neighbour 1, int8": (MODEL, {"target": "l4"}),
    "cloud, int8": (MODEL, {"target": CLOUD, "in_cloud": True}),
    "local, 1 on the device, int4": (SMALL, {"s1": 1.0}),
    "local, 0.25 on the device, int8": (SMALL, {"s1": 0.25, "ingress": "l40s"}),
    "local, 0.5 on the device, fp16": (SMALL, {"s1": 0.5, "ingress": "l40s"}),
    "neighbour 1, 0.5 of the rest at the ingress, int8": (MODEL, {"s2": 0.5, "ingress": "l40s", "target": "l4"}),
    "neighbour 1, 0.25 on the device, 0.5 of the rest at the ingress, int8": (
        SMALL,
        {"s1": 0.25, "s2": 0.5, "ingress": "l40s", "target": "l4"},
    ),
    "cloud, 0.5 of the rest at the ingress, int8": (
        MODEL,
        {"s2": 0.5, "ingress": "l40s", "target": CLOUD, "in_cloud": True},
    ),
    "cloud, 0.25 on the device, int8": (SMALL, {"s1": 0.25, "target": CLOUD, "in_cloud": True}),
}


@pytest.fixture(scope="module")
def benches(make_bench, make_service):
    """Two nodes with one UE each, one bench a model."""
    return {model: make_bench(["l40s", "l4"], services=[make_service(model=model)]) for model in (MODEL, SMALL)}


def at_the_first_node(bench):
    """Reset until the first node serves a UE; returns the UE."""
    for seed in range(1, 50):
        bench.reset(seed)
        if ues := bench.ues_of(0):
            bench.lengths(PROMPT, OUTPUT)
            return ues[0]
    raise AssertionError("no UE at the first node")


@pytest.mark.parametrize("name", list(WAYS))
def test_a_lone_job_takes_the_time_of_the_cost_model(benches, name):
    """Cold, then warm: TTFT and TPOT within 1 % of the plain evaluation; what the candidate said within 3 % of what happened."""
    model, way = WAYS[name]
    bench, plan = benches[model], Plan(model, name.rsplit(", ", 1)[1], **way)
    ue = at_the_first_node(bench)
    arrival_s = 0.013
    for cold in (True, False):
        bench.send({ue: arrival_s})
        while not bench.queue(0):
            bench.step()
        seen = bench.obs["candidates"][0, 0, bench.action(name)]
        predicted = {
            key: seen[bench.batch.layout.candidate_index(key)] for key in ("ttft_s", "tpot_s", "load_s", "wait_s")
        }
        assert bench.obs["action_mask"][0, 0, bench.action(name)] == 1
        (job,) = bench.run(name, 1)
        assert job["phase"] == FINISHED
        ttft_s = bench.decided_s(arrival_s) - arrival_s + plan.setup_s(cold)
        assert job["ttft_s"] == pytest.approx(ttft_s, rel=0.01), f"cold {cold}"
        assert job["tpot_s"] == pytest.approx(plan.token_s(), rel=0.01), f"cold {cold}"
        assert job["end_s"] - arrival_s == pytest.approx(job["ttft_s"] + (OUTPUT - 1.0) * job["tpot_s"], rel=1e-9)
        # the candidate was shown at the end of the slot of arrival, where the decision is taken
        assert predicted["ttft_s"] == pytest.approx(job["ttft_s"], rel=0.03), f"cold {cold}"
        assert predicted["tpot_s"] == pytest.approx(job["tpot_s"], rel=0.03), f"cold {cold}"
        assert predicted["wait_s"] == pytest.approx(0.0, abs=1e-3)
        loads = sum(plan.load_s(part) for part in plan.parts) if cold else 0.0
        assert predicted["load_s"] == pytest.approx(loads, rel=0.01, abs=1e-6)
        arrival_s = bench.now_s + 3.013  # reports of the neighbour are fresh again, and its prefill share has faded
        bench.batch.world.node["device_jobs"][...] = 0  # no other is expected on the phone


def test_long_prompts_go_in_chunks_of_the_budget(benches):
    """1,300 tokens at a budget of 512: three passes, each with the chunks before it as context (COSTS 3.2, 10)."""
    bench = benches[MODEL]
    ue = at_the_first_node(bench)
    bench.lengths(1300.0, 2.0)
    plan = Plan(MODEL, "fp16", ingress="l40s")
    part = plan.parts[0]
    prefill_s = sum(plan.pass_s(part, new, done) for new, done in ((512.0, 0.0), (512.0, 512.0), (276.0, 1024.0)))
    whole_s = float(costs.prefill_s(MODEL, "l40s", 1300.0))
    assert prefill_s > whole_s
    air_s = plan.setup_s(cold=False) - plan.pass_s(part, PROMPT, 0.0) + 32.0 * (1300.0 - PROMPT) / air_rate_bit_s()
    bench.send({ue: 0.013})
    (job,) = bench.run("local, fp16", 1)
    assert job["ttft_s"] == pytest.approx(
        bench.decided_s(0.013) - 0.013 + plan.load_s(part) + air_s + prefill_s, rel=0.01
    )


def test_a_job_of_one_token_has_no_time_per_token(benches):
    bench = benches[MODEL]
    ue = at_the_first_node(bench)
    bench.lengths(PROMPT, 1.0)
    bench.send({ue: 0.013})
    (job,) = bench.run("local, fp16", 1)
    assert job["tpot_s"] == -1.0
    assert job["end_s"] == pytest.approx(job["arrival_s"] + job["ttft_s"], abs=1e-9)
    assert job["slo_met"] == (job["ttft_s"] <= 2.0)


@pytest.mark.parametrize("slot_s", [0.01, 0.02, 0.05])
@pytest.mark.parametrize("n_substeps", [1, 2, 5])
def test_times_do_not_depend_on_slot_and_substep(make_bench, slot_s, n_substeps):
    """From the decision on, a lone job's times are the same to a thousandth: stages hand on their left-over time."""
    bench = make_bench(["l40s"], **{"time.slot_s": slot_s, "time.n_substeps": n_substeps})
    bench.reset(1)
    bench.lengths(PROMPT, OUTPUT)
    bench.send({0: 0.0451})
    (job,) = bench.run("local, fp16", 1)
    plan = Plan(MODEL, "fp16", ingress="l40s")
    waited_s = bench.decided_s(0.0451) - 0.0451
    assert job["ttft_s"] - waited_s == pytest.approx(plan.setup_s(cold=True), rel=2e-3)
    assert job["tpot_s"] == pytest.approx(plan.token_s(), rel=2e-3)


@pytest.mark.parametrize("n_substeps", [1, 2, 4, 5, 7])
def test_a_lone_upload_has_the_whole_band_from_its_first_byte(make_bench, make_service, n_substeps):
    """A slow band (a hundredth) makes a boundary's upload take seconds: exactly bits over rate, whatever the substep."""
    service = make_service(model=SMALL)
    bench = make_bench(["l40s"], services=[service], **{"time.n_substeps": n_substeps, "time.slot_s": 0.05})
    bench.scale_bands(1.0 / 20.0)
    bench.reset(1)
    bench.lengths(PROMPT, 2.0)
    plan = Plan(SMALL, "int8", s1=0.25, ingress="l40s")
    bench.send({0: 0.001})
    (job,) = bench.run("local, 0.25 on the device, int8", 1)
    bits = plan.boundary_bit(PROMPT)
    expected = bench.decided_s(0.001) - 0.001 + plan.setup_s(cold=True) + 19.0 * bits / air_rate_bit_s()
    assert job["ttft_s"] == pytest.approx(expected, abs=2e-3)


def test_two_uploads_share_the_band_and_one_after_the_other_does_not(make_bench, make_service):
    """Both send the same boundary: together each takes twice its time, apart the single one."""
    service = make_service(model=SMALL)
    name = "local, 0.25 on the device, int8"
    sent_s = {}
    for together in (True, False):
        bench = make_bench(["l40s"], ues_a_node=2, services=[service])
        bench.scale_bands(1.0 / 20.0)
        bench.reset(1)
        bench.lengths(PROMPT, 2.0)
        bench.node(0).n_queue = 0
        bench.send({0: 0.001, 1: 0.0012} if together else {0: 0.001, 1: 10.0})
        jobs = bench.run(name, 2)
        sent_s[together] = sorted(job["ttft_s"] for job in jobs)
    upload_s = 20.0 * Plan(SMALL, "int8", s1=0.25, ingress="l40s").boundary_bit(PROMPT) / air_rate_bit_s()
    # the later one of the two has waited a slot for its decision, and for the prompt of the earlier one
    assert sent_s[True][0] - sent_s[False][1] == pytest.approx(upload_s, rel=0.1)
