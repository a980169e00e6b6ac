"""A radio on the node's accelerator: it takes its share of the cell's load first, and every time there is so much longer."""

import numpy as np
import pytest

from edge6g_env import batch_env, costs, lone_job
from edge6g_env.kernel.codes import DECODE, DOWNLOAD, UPLINK

UP, DOWN, UP_S, DOWN_S = 2e7, 5e7, 0.007, 0.003
FIXED = {
    "radio.fixed": {"uplink_bit_s": UP, "downlink_bit_s": DOWN, "uplink_access_s": UP_S, "downlink_access_s": DOWN_S}
}
NODE, PEER, PHONE = "l40s", "l4", "phone-snapdragon-8gen3"
MODEL, DRAFT, PICTURES = "llama-3.1-8b", "qwen2.5-0.5b", "llava-1.5-7b"
XN_S = 0.001
PROMPT, OUTPUT = 300, 30
SHARES = [(0.0, 0.7), (0.5, 0.0), (0.5, 0.6), (0.9, 0.3), (0.9, 0.95)]  # ran_share, background_load


def sharing(share, load):
    return {"serving.ran_share": share, "radio.background_load": load}


def contexts(prompt=PROMPT):
    return prompt + np.arange(OUTPUT - 1.0)


def alone(action="local, int4", **more):
    """(the job, how long each of its legs took)"""
    job = lone_job("tiny", action, prompt_tokens=PROMPT, output_tokens=OUTPUT, **{**FIXED, **more})
    return job, {name: end_s - start_s for name, start_s, end_s in job.legs}


def assert_expected(job):
    for name in ("ttft_s", "tpot_s"):
        assert job.predicted[name] == pytest.approx(job.outcome[name], rel=0.03), name
    assert job.predicted["energy_j"] == pytest.approx(job.outcome["energy_j"], rel=0.03)
    assert job.predicted["price_musd"] == pytest.approx(1e3 * job.outcome["price_usd"], rel=0.03)


@pytest.mark.parametrize(("share", "load"), SHARES)
def test_prompt_and_tokens_take_so_much_longer(share, load):
    """The job's own upload, over when its prompt begins, does not count, nor do its tokens down; price and energy are of its own time."""
    job, took_s = alone(**sharing(share, load))
    prefill_s = float(costs.prefill_s(MODEL, NODE, PROMPT, "int4"))
    decode_s = costs.decode_step_s(MODEL, NODE, contexts(), 1, "int4").sum()
    assert took_s["ingress"] == pytest.approx(prefill_s / (1.0 - share * load), rel=0.01)
    assert took_s["decode"] == pytest.approx(decode_s / (1.0 - share * load), rel=0.01)
    usd = job.outcome["price_usd"] - job.outcome["air_bytes"] * costs.network_price_usd_per_byte("air")
    assert usd == pytest.approx((prefill_s + decode_s) * costs.accelerator_price_usd_per_s(NODE), rel=0.01)
    assert job.predicted["accelerator_s"] == pytest.approx(prefill_s + decode_s, rel=0.01)
    assert job.outcome["energy_j"] == pytest.approx(alone()[0].outcome["energy_j"], rel=0.01)
    assert_expected(job)


def half_s(node, tokens, cached, last):
    """A pass through half of the layers; the last half has the head, the first what the engine takes of a step."""
    layer_s = costs.layer_time_s(MODEL, node, tokens, "int4") + costs.attention_time_s(MODEL, node, tokens, cached)
    if not last:
        return 16 * layer_s + costs.kernel_tables([node], [(MODEL, "int4")]).overhead_s.sum()
    token_s = costs.layer_time_s(MODEL, node, 1.0, "int4") + costs.attention_time_s(MODEL, node, 1.0, 100.0)
    return 16 * layer_s + costs.decode_step_s(MODEL, node, 100.0, 1, "int4") - 32 * token_s


@pytest.mark.parametrize(("share", "load"), SHARES)
def test_so_do_both_parts_of_a_cut_model_and_not_what_lies_between(share, load):
    action = "neighbour 1, 0.5 of the rest at the ingress, int4"
    job, took_s = alone(action, **{"nodes.devices": [NODE, PEER], "xn.delay_jitter": 0.0, **sharing(share, load)})
    for leg, node in (("ingress", NODE), ("target", PEER)):
        prompt_s = float(half_s(node, PROMPT, 0.0, node == PEER))
        assert took_s[leg] == pytest.approx(prompt_s / (1.0 - share * load), rel=0.01)
    both_s = half_s(NODE, 1.0, contexts(), False) + half_s(PEER, 1.0, contexts(), True)
    token_s = both_s.mean() / (1.0 - share * load)
    token_s += 2.0 * XN_S + 8.0 * float(costs.boundary_bytes(MODEL, 1.0, "int8")) / 1e10
    assert took_s["decode"] / (OUTPUT - 1.0) == pytest.approx(token_s, rel=0.01)
    assert_expected(job)


@pytest.mark.parametrize(("share", "load"), SHARES[1:4])
def test_so_does_a_verification(share, load):
    k, draft = (
        4,
        {"model": "qwen2.5-7b", "draft": DRAFT, "draft_precision": "int4", "draft_tokens": [4], "privacy": "open"},
    )
    job, took_s = alone(
        "local, draft on the device, int4",
        **{f"service.chat.{key}": value for key, value in draft.items()},
        **{"actions.device_split": [0.0, 0.5, "draft"], "radio.fixed.uplink_bit_s": 4e4, **sharing(share, load)},
    )
    context = PROMPT + 0.5 * OUTPUT
    assert costs.prefill_s(DRAFT, PHONE, PROMPT, "int4") < took_s["uplink"]  # the draft has the prompt first
    round_s = k * costs.decode_step_s(DRAFT, PHONE, context, 1, "int4") + UP_S + 32.0 * k / 4e4 + DOWN_S + 32.0 / DOWN
    round_s += costs.verify_step_s("qwen2.5-7b", NODE, context, k, 1, "int4") / (1.0 - share * load)
    token_s = float(round_s / costs.tokens_per_round(0.65, k))
    assert took_s["decode"] / (OUTPUT - 1.0) == pytest.approx(token_s, rel=0.01)
    assert_expected(job)


@pytest.mark.parametrize(("share", "load"), SHARES[1:4])
def test_so_does_an_encoder(share, load):
    lengths = {"trace": None, "prompt_tokens": PROMPT, "output_tokens": OUTPUT}
    pictures = {"model": PICTURES, "inputs": 1, "payload_bytes": 80_000.0, **lengths}
    more = {f"service.chat.{key}": value for key, value in pictures.items()} | {"serving.token_budget": 4096}
    job, took_s = alone(**more, **sharing(share, load))
    tokens = PROMPT + costs.encoder_tokens(PICTURES)
    prompt_s = float(costs.encoder_s(PICTURES, NODE, "int4", 1) + costs.prefill_s(PICTURES, NODE, tokens, "int4"))
    assert took_s["ingress"] == pytest.approx(prompt_s / (1.0 - share * load), rel=0.01)
    assert_expected(job)


# --- the load ---------------------------------------------------------------------------------------------------------------------------

SHARE, LOAD = 0.6, 0.5
ALONE, BESIDE = 1.0 / (1.0 - SHARE * LOAD), 1.0 / (1.0 - SHARE)
LONG = 60_000.0  # tokens of a prompt whose upload takes 0.1 s


@pytest.fixture(scope="module")
def bench(make_bench):
    """Two nodes that have all weights; one substep a slot, so that a slot has the load that it begins with."""
    more = {"time.slot_s": 0.005, "time.n_substeps": 1, "time.report_period_s": 1000.0, "serving.token_budget": 2048}
    made = make_bench([NODE, PEER], ues_a_node=3, drawn=True, **FIXED, **more, **sharing(SHARE, LOAD))
    made.hold_all_models()
    return made


def at_the_first(bench):
    for seed in range(1, 100):
        bench.reset(seed)
        if len(bench.ues_of(0)) >= 2 and bench.ues_of(1):
            return bench.ues_of(0)[:2]
    raise AssertionError("no seed puts two UEs at the first node and one at the second")


def send(bench, u, prompt, output=2000.0):
    """Have a job come at UE u in the next slot, and be decided about in the one after it."""
    bench.lengths(prompt, output)
    bench.send({u: bench.now_s + 0.001})


def until(bench, there):
    while not there():
        assert bench.now_s < 60.0
        bench.step("local, int4")


def decoding(bench, u):
    send(bench, u, PROMPT)
    until(bench, lambda: bench.jobs(DECODE))
    bench.step()
    return bench.jobs(DECODE)[0]


def token_s(bench, job):
    """Time a token in the next slot."""
    before, at_s = float(job.done_tokens), bench.now_s
    bench.step("local, int4")
    return (bench.now_s - at_s) / (float(job.done_tokens) - before)


def test_tokens_come_slower_while_a_prompt_is_sent_in_the_cell(bench):
    """At full load while somebody sends, and no longer; the other cell has a load of its own."""
    one, other = at_the_first(bench)
    job = decoding(bench, one)
    step_s = float(costs.decode_step_s(MODEL, NODE, PROMPT + 5.0, 1, "int4"))
    assert token_s(bench, job) == pytest.approx(ALONE * step_s, rel=0.01)
    send(bench, other, LONG)
    until(bench, lambda: bench.node(0).n_senders)
    seen = [token_s(bench, job) for _ in range(5)]
    assert (bench.node(0).ran_load, bench.node(1).ran_load) == (1.0, LOAD)
    assert seen == pytest.approx([BESIDE * step_s] * 5, rel=0.01)
    until(bench, lambda: not bench.jobs(UPLINK))
    bench.step()
    assert bench.node(0).ran_load == LOAD


def test_bytes_on_their_way_down_count_and_tokens_do_not(bench):
    """Downloads belong to no kind that ships: one is put there."""
    one, other = at_the_first(bench)
    first, second = decoding(bench, one), None
    send(bench, other, PROMPT)
    until(bench, lambda: len(bench.jobs(DECODE)) == 2)
    bench.step()
    assert bench.node(0).ran_load == LOAD  # two streams of tokens
    second = bench.jobs(DECODE)[1]
    second.done_tokens, second.left_bytes, second.stage = second.output_tokens, 1e6, DOWNLOAD
    second.clock_s, second.stage_s = bench.now_s, bench.now_s - 1.0
    bench.step()
    step_s = float(costs.decode_step_s(MODEL, NODE, float(first.prompt_tokens + first.done_tokens), 1, "int4"))
    assert token_s(bench, first) == pytest.approx(BESIDE * step_s, rel=0.01)
    assert bench.node(0).ran_load == 1.0


def chunk_end_s(bench, tokens, cached, stretch):
    """When the chunk that runs at the first node ends; it has so many tokens and is stretched so much."""
    server, own_s = bench.server(0), float(costs.prefill_s(MODEL, NODE, tokens, "int4", cached_tokens=cached))
    assert server.chunk_tokens == tokens
    assert server.chunk_s == pytest.approx(stretch * own_s, rel=0.01)
    return float(server.chunk_end_s)


def test_a_chunk_that_began_alone_is_not_stretched_by_an_upload(bench):
    one, other = at_the_first(bench)
    send(bench, one, 2000.0)
    until(bench, lambda: bench.server(0).chunk_job >= 0)
    end_s = chunk_end_s(bench, 2000.0, 0.0, ALONE)
    send(bench, other, LONG)
    until(bench, lambda: bench.node(0).n_senders)
    assert bench.node(0).ran_load == 1.0
    assert chunk_end_s(bench, 2000.0, 0.0, ALONE) == end_s > bench.now_s
    until(bench, lambda: bench.jobs(DECODE))
    assert bench.server(0).prefill_free_s == end_s


def test_a_chunk_that_began_beside_an_upload_keeps_that_load(bench):
    """Until it is over; the next chunk of the prompt begins when the upload has arrived."""
    one, other = at_the_first(bench)
    send(bench, other, LONG)
    until(bench, lambda: bench.node(0).n_senders)
    send(bench, one, 4000.0)
    until(bench, lambda: bench.server(0).chunk_job >= 0)
    end_s = chunk_end_s(bench, 2048.0, 0.0, BESIDE)
    until(bench, lambda: not bench.node(0).n_senders)
    assert bench.node(0).ran_load == LOAD
    assert chunk_end_s(bench, 2048.0, 0.0, BESIDE) == end_s > bench.now_s
    until(bench, lambda: bench.server(0).chunk_end_s > end_s)
    assert chunk_end_s(bench, 4000.0 - 2048.0, 2048.0, ALONE) - end_s == pytest.approx(bench.server(0).chunk_s)


# --- what agents see --------------------------------------------------------------------------------------------------------------------


def test_the_load_is_seen_from_the_start_with_and_without_a_share():
    for share in (0.0, 0.7):
        env = batch_env("tiny", 1, **sharing(share, 0.25))
        seen = env.reset(1)["observation"][0]
        names = [name for name, *_ in env.observation_names if name.endswith("/ran_load")]
        assert names == ["node/ran_load", "neighbour_1/ran_load", "neighbour_2/ran_load"]
        assert (seen[:, [env.layout.observation_index(name) for name in names]] == 0.25).all()


def test_its_own_load_is_known_now_and_a_neighbours_as_reported(bench):
    """Prompts are sent in both cells, after the only report."""
    one, other = at_the_first(bench)
    bench.lengths(LONG, OUTPUT)
    bench.send(dict.fromkeys((other, bench.ues_of(1)[0]), 0.001))
    until(bench, lambda: bench.node(0).n_senders and bench.node(1).n_senders)
    send(bench, one, PROMPT, OUTPUT)
    until(bench, lambda: bench.queue(0))
    assert (bench.node(1).ran_load, bench.link(0, 0).seen_ran_load) == (1.0, LOAD)
    for action, node, stretch in (("local, int4", NODE, BESIDE), ("neighbour 1, int4", PEER, ALONE)):
        row = bench.obs["candidates"][0, 0, bench.action(action)]
        expected_s = stretch * float(costs.decode_step_s(MODEL, node, PROMPT + 0.5 * OUTPUT, 1, "int4"))
        assert row[bench.batch.layout.candidate_index("tpot_s")] == pytest.approx(expected_s, rel=0.01)
