"""Pictures and sound: what the encoder takes, where it runs, which tokens it adds, and what is sent in place of them."""

import numpy as np
import pytest

from edge6g_env import costs, radio
from edge6g_env.kernel.codes import FINISHED

PHONE, CLOUD, NODE, PEER = "phone-snapdragon-8gen3", "h100-80g", "l40s", "l4"
TEXT, OUTPUT, PAYLOAD_BYTES = 24.0, 20.0, 80_000.0
XN_S, BACKHAUL_S = 0.001, 0.015
BUDGET = {"serving.token_budget": 4096}
PICTURE, SOUND, TWO = ("llava-1.5-7b", 1), ("whisper-large-v3", 1), ("openvla-7b", 2)

CELL = radio.preset("fr1_3g5_micro")
DOWN_S = CELL.slot_s + CELL.processing_s  # what of the access latencies is not drawn
UP_S = CELL.k2_slots * CELL.slot_s + DOWN_S


def up_bit_s():
    """Top of the MCS table on all layers, without block errors."""
    share = CELL.uplink_share * (1.0 - CELL.overhead_uplink)
    return CELL.max_layers * radio.spectral_efficiency(50.0) * CELL.bandwidth_hz * share


class Forms:
    """Closed forms of one model at one precision, of public cost functions alone."""

    def __init__(self, model, inputs, precision):
        self.model, self.inputs, self.precision = model, inputs, precision
        self.layers = costs.model(model).layers
        tokens = inputs * costs.encoder_tokens(model)
        self.apart = tokens if model.startswith("whisper") else 0.0
        self.computed = TEXT + tokens - self.apart
        self.context = TEXT + tokens

    def encoder_s(self, device):
        return float(costs.encoder_s(self.model, device, self.precision, self.inputs))

    def layer_s(self, device, new, context):
        own = costs.layer_time_s(self.model, device, new, self.precision)
        return float(own + costs.attention_time_s(self.model, device, new, context, 1.0, self.precision))

    def extras_s(self, device):
        step_s = float(costs.decode_step_s(self.model, device, 100.0, 1.0, self.precision))
        return step_s - self.layers * self.layer_s(device, 1.0, 100.0)

    def prompt_s(self, device, low=0, high=None):
        """Layers [low, high) of the whole prompt in one pass; a part without head pays its engine only, next to nothing."""
        high = self.layers if high is None else high
        extras_s = self.extras_s(device) if high == self.layers else 0.0
        encoder_s = self.encoder_s(device) if low == 0 else 0.0
        return encoder_s + (high - low) * self.layer_s(device, self.computed, self.apart) + extras_s

    def cut_bytes(self, tokens):
        return float(costs.boundary_bytes(self.model, tokens, "fp16" if self.precision == "fp16" else "int8"))

    def times(self, name):
        """(seconds from the decision to the first token, bytes of the prompt over the air, over the link)."""
        raw_bytes, cut_bytes = 4.0 * TEXT + PAYLOAD_BYTES, self.cut_bytes(self.context)
        quarter, half = round(0.25 * self.layers), round(0.5 * self.layers)
        air_s, xn_s = UP_S + DOWN_S, 2.0 * XN_S
        if name.startswith("local, 1 on"):
            return self.prompt_s(PHONE), 0.0, 0.0
        if name.startswith("local, 0.25 on"):
            parts_s = self.prompt_s(PHONE, 0, quarter) + self.prompt_s(NODE, quarter)
            return parts_s + air_s + 8.0 * cut_bytes / up_bit_s(), cut_bytes, 0.0
        air_s += 8.0 * raw_bytes / up_bit_s()
        if name.startswith("local"):
            return self.prompt_s(NODE) + air_s, raw_bytes, 0.0
        if name.startswith("cloud"):
            return self.prompt_s(CLOUD) + air_s + 2.0 * BACKHAUL_S + 8.0 * raw_bytes / 1e9, raw_bytes, raw_bytes
        if "ingress" in name:
            parts_s = self.prompt_s(NODE, 0, half) + self.prompt_s(PEER, half)
            return parts_s + air_s + xn_s + 8.0 * cut_bytes / 1e10, raw_bytes, cut_bytes
        return self.prompt_s(PEER) + air_s + xn_s + 8.0 * raw_bytes / 1e10, raw_bytes, raw_bytes


WAYS = [
    (PICTURE, "local, fp16"),
    (PICTURE, "local, 0.25 on the device, int8"),
    (PICTURE, "cloud, int4"),
    (PICTURE, "neighbour 1, 0.5 of the rest at the ingress, int8"),
    (TWO, "neighbour 1, int4"),
    (SOUND, "local, fp16"),
    (SOUND, "local, 0.25 on the device, fp16"),
    (SOUND, "local, 1 on the device, int4"),
    (SOUND, "neighbour 1, 0.5 of the rest at the ingress, fp16"),
    (SOUND, "cloud, fp16"),
]


@pytest.fixture(scope="module")
def benches(make_bench, make_service):
    """A bench a model, made when it is asked for: an L40S and an L4 with a UE each."""
    made = {}

    def bench(model, inputs, payload_bytes=PAYLOAD_BYTES, text=TEXT, **more):
        key = (model, inputs, payload_bytes, text, *more.items())
        if key not in made:
            fixed = {"trace": None, "prompt_tokens": int(text), "output_tokens": int(OUTPUT)}
            service = make_service(model=model, inputs=inputs, payload_bytes=payload_bytes, **fixed)
            made[key] = make_bench([NODE, PEER], services=[service], **{**BUDGET, **more})
        return made[key]

    return bench


def served(bench, name, cold=False):
    """(job, its candidate) of a lone job with warm weights that is decided as `name`."""
    ue = bench.reset_with_ue()
    for again in (True,) if cold else (False, True):
        sent_s = bench.now_s + 3.013
        bench.send({ue: sent_s})
        while not bench.queue(0):
            bench.step()
        seen = bench.obs["candidates"][0, 0, bench.action(name)].copy()
        (job,) = bench.run(name, 1)
        assert job["phase"] == FINISHED
        if not again:
            bench.batch.world.node["device_jobs"][...] = 0  # no other is expected on the phone
    names = [feature.name for feature in bench.batch.layout.candidates]
    return job, dict(zip(names, seen, strict=True)), bench.decided_s(sent_s) - sent_s


@pytest.mark.parametrize(("what", "name"), WAYS)
def test_a_lone_job_with_inputs_takes_the_closed_form(benches, what, name):
    """TTFT within 1 %, with the bytes that were sent exactly; what the candidate said within 3 % of what happened."""
    form = Forms(*what, name.rsplit(", ", 1)[1])
    job, candidate, waited_s = served(benches(*what), name)
    setup_s, air_bytes, link_bytes = form.times(name)
    assert job["ttft_s"] - waited_s == pytest.approx(setup_s, rel=0.01)
    assert job["prompt_tokens"] == form.context
    messages = OUTPUT - 1.0 if "on the device" in name else 0.0
    if not name.startswith("local, 1 on"):
        assert job["air_bytes"] == pytest.approx(air_bytes + 4.0 * OUTPUT + messages * form.cut_bytes(1.0), rel=1e-9)
    else:
        assert job["air_bytes"] == 0.0
    if name.startswith("cloud"):
        assert job["backhaul_bytes"] == pytest.approx(link_bytes + 4.0 * OUTPUT, rel=1e-9)
    assert candidate["ttft_s"] == pytest.approx(job["ttft_s"], rel=0.03)
    assert candidate["tpot_s"] == pytest.approx(job["tpot_s"], rel=0.03)
    assert 1e6 * candidate["air_mb"] == pytest.approx(job["air_bytes"], rel=0.1)


@pytest.mark.parametrize("what", [PICTURE, SOUND])
def test_tokens_are_generated_with_the_whole_context(benches, what):
    """Pictures' tokens and sound's frames are read by every token: a decode step at their mean context."""
    form = Forms(*what, "fp16")
    job, _, _ = served(benches(*what), "local, fp16")
    step_s = float(costs.decode_step_s(form.model, NODE, form.context + 0.5 * OUTPUT, 1.0, "fp16"))
    assert job["tpot_s"] == pytest.approx(step_s, rel=0.01)


@pytest.mark.parametrize("name", ["local, fp16", "local, 0.5 on the device, int8", "cloud, int8"])
def test_a_picture_costs_its_encoder_beside_its_tokens_as_text(benches, name):
    """The same tokens as text, and as many bytes: what is between the two is the encoder's time and energy where layer 0 runs, and the
    accelerator's price of it at a node."""
    model, tokens = PICTURE[0], float(costs.encoder_tokens(PICTURE[0]))
    device = {"local, fp16": NODE, "cloud, int8": CLOUD}.get(name, PHONE)
    encoder_s = Forms(*PICTURE, name.rsplit(", ", 1)[1]).encoder_s(device)
    picture, seen, _ = served(benches(*PICTURE, payload_bytes=4.0 * tokens), name)
    bench = benches(model, 0, payload_bytes=0.0, text=TEXT + tokens)
    text, seen_of_text, _ = served(bench, name)
    d = bench.scenario.devices.index(device)
    power_w, usd_s = (float(bench.batch.world.device[field][d]) for field in ("prefill_w", "usd_s"))
    assert encoder_s > 1e-3
    assert picture["ttft_s"] - text["ttft_s"] == pytest.approx(encoder_s, rel=1e-6)
    assert picture["energy_j"] - text["energy_j"] == pytest.approx(encoder_s * power_w, rel=1e-4)
    assert picture["price_usd"] - text["price_usd"] == pytest.approx(encoder_s * usd_s, rel=1e-4, abs=1e-11)
    assert seen["ttft_s"] - seen_of_text["ttft_s"] == pytest.approx(encoder_s, rel=1e-3)
    assert seen["energy_j"] - seen_of_text["energy_j"] == pytest.approx(encoder_s * power_w, rel=1e-3)
    price_usd = 1e-3 * (seen["price_musd"] - seen_of_text["price_musd"])
    assert price_usd == pytest.approx(encoder_s * usd_s, rel=1e-3, abs=1e-9)
    assert seen["accelerator_s"] - seen_of_text["accelerator_s"] == pytest.approx(
        encoder_s if device == NODE else 0.0, rel=1e-3, abs=1e-6
    )


def test_the_encoder_runs_with_the_first_chunk_only(benches):
    """Two pictures and a budget of 512: three chunks, each with the ones before it as context, and the encoder once."""
    form = Forms("llava-1.5-7b", 2, "fp16")
    job, candidate, waited_s = served(benches("llava-1.5-7b", 2, **{"serving.token_budget": 512}), "local, fp16")
    done, chunks_s = 0.0, 0.0
    while done < form.computed:
        new = min(512.0, form.computed - done)
        chunks_s += form.layers * form.layer_s(NODE, new, done) + form.extras_s(NODE)
        done += new
    air_s = UP_S + DOWN_S + 8.0 * (4.0 * TEXT + PAYLOAD_BYTES) / up_bit_s()
    assert job["ttft_s"] - waited_s == pytest.approx(form.encoder_s(NODE) + chunks_s + air_s, rel=0.01)
    assert candidate["ttft_s"] == pytest.approx(job["ttft_s"], rel=0.03)


def test_a_cloud_charges_frames_as_input_tokens(benches):
    job, candidate, _ = served(benches(*SOUND), "cloud, fp16")
    price = costs.token_price_usd(SOUND[0])
    backhaul, egress, air = (costs.network_price_usd_per_byte(name) for name in ("backhaul", "cloud_egress", "air"))
    tokens_usd = (TEXT + 1500.0) * price.in_usd + OUTPUT * price.out_usd
    bytes_usd = job["backhaul_bytes"] * backhaul + 4.0 * OUTPUT * egress + job["air_bytes"] * air
    assert job["price_usd"] == pytest.approx(tokens_usd + bytes_usd, rel=1e-9)
    assert 1e-3 * candidate["price_musd"] == pytest.approx(job["price_usd"], rel=1e-3)


def test_frames_are_held_while_an_answer_is_made(benches):
    """KV of text, frames and the expected answer, at the node until the last token."""
    bench, form = benches(*SOUND), Forms(*SOUND, "fp16")
    ue = bench.reset_with_ue()
    bench.send({ue: 0.013})
    held = []
    while not bench.outcomes:
        bench.step("local, fp16")
        held.append(float(bench.batch.world.server["kv_bytes"][0, 0]))
    assert max(held) == pytest.approx(float(costs.kv_bytes(SOUND[0], form.context + OUTPUT, "fp16")), rel=1e-9)
    assert held[-1] == 0.0


def test_agents_see_how_many_inputs_a_job_has(benches):
    bench = benches(*TWO)
    ue = bench.reset_with_ue()
    bench.send({ue: 0.013})
    while not bench.queue(0):
        bench.step()
    look = bench.batch.layout.observation_index
    assert bench.obs["observation"][0, 0, look("job/inputs")] == 2.0
    assert bench.obs["observation"][0, 0, look("job/prompt_tokens")] == TEXT + 512.0
    assert np.all(bench.obs["observation"][0, 1, look("job/inputs")] == 0.0)
