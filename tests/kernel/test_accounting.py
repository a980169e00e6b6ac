"""Prices, bytes and joules of a job, recomputed from price list, data sheet and lengths."""

import csv
from importlib import resources

import numpy as np
import pytest

from edge6g_env import costs

MODEL, SMALL, CLOUD, PHONE = "llama-3.1-8b", "llama-3.2-3b", "h100-80g", "phone-snapdragon-8gen3"
PROMPT, OUTPUT = 300.0, 50.0


def usd(name, unit):
    """A price as prices.csv says, read here."""
    text = (resources.files("edge6g_env.costs") / "data" / "prices.csv").read_text(encoding="utf-8")
    (row,) = [r for r in csv.DictReader(text.splitlines()) if name in r["name"].split(";") and r["unit"] == unit][:1]
    return float(row["value"])


def lone_job(make_bench, make_service, name, model=MODEL, devices=("l40s",), **more):
    bench = make_bench(list(devices), services=[make_service(model=model)], **more)
    ue = bench.reset_with_ue()
    bench.lengths(PROMPT, OUTPUT)
    bench.send({ue: 0.001})
    (job,) = bench.run(name, 1)
    return bench, job


def busy_w(bench, device):
    """Watts of a 512-token prompt and of a step of eight sequences, by the cost model, mean over the scenario's variants."""
    scenario = bench.scenario
    pairs = [(m, p) for m in scenario.models for p in scenario.actions.precision]
    prefill = [costs.step_energy_j(m, device, 512, 0, 1, p) / costs.prefill_s(m, device, 512, p) for m, p in pairs]
    decode = [
        costs.step_energy_j(m, device, 8, 1000, 8, p) / costs.decode_step_s(m, device, 1000, 8, p) for m, p in pairs
    ]
    return float(np.mean(prefill)), float(np.mean(decode))


def test_price_of_a_cloud_job(make_bench, make_service):
    """Tokens by the list, and each byte where it goes: air, backhaul, out of the cloud."""
    _, job = lone_job(make_bench, make_service, "cloud, int8")
    tokens = costs.token_price_usd(MODEL)
    sent = 4.0 * (PROMPT + OUTPUT)
    air = usd("mobile network, all of it", "USD/GB") * 1e-9 * sent
    backhaul = usd("mobile backhaul and core", "USD/GB") * 1e-9 * sent
    egress = usd("cloud egress to internet", "USD/GB") * 1e-9 * 4.0 * OUTPUT
    assert job["air_bytes"] == pytest.approx(sent, rel=1e-9)
    assert job["backhaul_bytes"] == pytest.approx(sent, rel=1e-9)
    expected = PROMPT * tokens.in_usd + OUTPUT * tokens.out_usd + air + backhaul + egress
    assert job["price_usd"] == pytest.approx(expected, rel=1e-9)
    assert (job["exposure_device"], job["exposure_site"]) == (1.0, 1.0)


def test_price_and_energy_of_a_node_job(make_bench, make_service):
    """Accelerator seconds of the prompt and of each token's iteration, and the air's bytes; a second at the node's power."""
    bench, job = lone_job(make_bench, make_service, "local, int8")
    prefill_s = float(costs.prefill_s(MODEL, "l40s", PROMPT, "int8"))
    decode_s = (OUTPUT - 1.0) * float(costs.decode_step_s(MODEL, "l40s", PROMPT + OUTPUT / 2.0, 1.0, "int8"))
    air = usd("mobile network, all of it", "USD/GB") * 1e-9 * 4.0 * (PROMPT + OUTPUT)
    seconds = (prefill_s + decode_s) * costs.accelerator_price_usd_per_s("l40s")
    assert job["air_bytes"] == pytest.approx(4.0 * (PROMPT + OUTPUT), rel=1e-9)
    assert job["backhaul_bytes"] == 0.0
    assert job["price_usd"] == pytest.approx(seconds + air, rel=0.01)
    prefill_w, decode_w = busy_w(bench, "l40s")
    expected_j = prefill_s * prefill_w + decode_s * decode_w
    assert job["energy_j"] == pytest.approx(expected_j, rel=0.01)  # the upload of 1.2 kB takes microseconds


def test_price_and_energy_of_a_mixture_of_experts(make_bench, make_service):
    """A token reads a few of its experts, a prompt all of them: seconds are those of the cost model, far below the dense ones."""
    model, device = "qwen3-30b-a3b", "h100-80g"
    bench, job = lone_job(make_bench, make_service, "local, int4", model=model, devices=(device,))
    prefill_s = float(costs.prefill_s(model, device, PROMPT, "int4"))
    decode_s = (OUTPUT - 1.0) * float(costs.decode_step_s(model, device, PROMPT + OUTPUT / 2.0, 1.0, "int4"))
    air = usd("mobile network, all of it", "USD/GB") * 1e-9 * 4.0 * (PROMPT + OUTPUT)
    seconds = (prefill_s + decode_s) * costs.accelerator_price_usd_per_s(device)
    assert job["price_usd"] == pytest.approx(seconds + air, rel=0.01)
    prefill_w, decode_w = busy_w(bench, device)
    assert job["energy_j"] == pytest.approx(prefill_s * prefill_w + decode_s * decode_w, rel=0.01)
    assert decode_s < 0.5 * (OUTPUT - 1.0) * float(costs.decode_step_s("qwen3-32b", device, PROMPT, 1.0, "int4"))


def test_a_job_on_the_device_is_free_and_sends_nothing(make_bench, make_service):
    bench, job = lone_job(make_bench, make_service, "local, 1 on the device, int4", model=SMALL)
    assert job["air_bytes"] == job["backhaul_bytes"] == job["price_usd"] == 0.0
    assert (job["exposure_device"], job["exposure_site"]) == (0.0, 0.0)
    prefill_s = float(costs.prefill_s(SMALL, PHONE, PROMPT, "int4"))
    decode_s = (OUTPUT - 1.0) * float(costs.decode_step_s(SMALL, PHONE, PROMPT + OUTPUT / 2.0, 1.0, "int4"))
    prefill_w, decode_w = busy_w(bench, PHONE)
    assert job["energy_j"] == pytest.approx(prefill_s * prefill_w + decode_s * decode_w, rel=0.01)


@pytest.mark.parametrize(("precision", "sent_as"), [("fp16", "fp16"), ("int8", "int8"), ("int4", "int8")])
def test_a_cut_behind_the_device_sends_activations(make_bench, make_service, precision, sent_as):
    """The prompt's boundary and, for every token after the first, the boundary of one; token ids come back."""
    name = f"local, 0.25 on the device, {precision}"
    _, job = lone_job(make_bench, make_service, name, model=SMALL)
    boundary = float(costs.boundary_bytes(SMALL, PROMPT + OUTPUT - 1.0, sent_as))
    assert job["air_bytes"] == pytest.approx(boundary + 4.0 * OUTPUT, rel=1e-9)
    assert 0.0 < job["exposure_device"] < 1.0


def test_a_cut_before_the_cloud_sends_activations_over_the_backhaul(make_bench, make_service):
    name = "cloud, 0.5 of the rest at the ingress, int8"
    _, job = lone_job(make_bench, make_service, name)
    boundary = float(costs.boundary_bytes(MODEL, PROMPT + OUTPUT - 1.0, "int8"))
    assert job["air_bytes"] == pytest.approx(4.0 * (PROMPT + OUTPUT), rel=1e-9)
    assert job["backhaul_bytes"] == pytest.approx(boundary + 4.0 * OUTPUT, rel=1e-9)
    tokens = costs.token_price_usd(MODEL)
    cloud = 0.5 * (PROMPT * tokens.in_usd + OUTPUT * tokens.out_usd)  # half of the layers, half of the price
    assert job["price_usd"] > cloud


def test_the_upload_draws_the_transmitters_power(make_bench, make_service):
    """A slow band: the energy over that of a fast one is the time on air at the transmitter's watts."""
    energy_j, air_s = {}, {}
    for factor in (1.0, 20.0):
        bench = make_bench(["l40s"], services=[make_service(model=SMALL)])
        bench.scale_bands(1.0 / factor)
        bench.reset(1)
        bench.lengths(PROMPT, 1.0)
        bench.send({0: 0.001})
        (job,) = bench.run("local, 0.25 on the device, fp16", 1)
        energy_j[factor], air_s[factor] = job["energy_j"], job["ttft_s"]
    (watts,) = bench.scenario.ues.tx_power_w
    assert energy_j[20.0] - energy_j[1.0] == pytest.approx(watts * (air_s[20.0] - air_s[1.0]), rel=0.02)
    assert air_s[20.0] - air_s[1.0] > 0.1


def test_a_batch_shares_the_price_of_its_iterations(make_bench):
    """Eight equal jobs together pay for the iterations once: much less than eight times one job, and exactly their time."""
    bench = make_bench(["l40s"], ues_a_node=8)
    price = {}
    for jobs in (1, 8):
        bench.reset(1)
        bench.lengths(32.0, 300.0)
        bench.send({u: 0.001 + 1e-5 * u for u in range(jobs)})
        ended = bench.run("local, fp16", jobs)
        price[jobs] = sum(job["price_usd"] for job in ended)
    assert price[8] < 1.5 * price[1]
    step_s = float(costs.decode_step_s(MODEL, "l40s", 32.0 + 150.0, 8.0, "fp16"))
    assert price[8] == pytest.approx(300.0 * step_s * costs.accelerator_price_usd_per_s("l40s"), rel=0.15)
