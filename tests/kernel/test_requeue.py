"""What becomes of jobs on parts that fail: back to their queue, onward, or waiting, and never lost."""

import numpy as np
import pytest

import edge6g_env
from edge6g_env import batch_env, costs
from edge6g_env.kernel import codes as k
from tests.looking import episodes, values
from tests.short import shortened

MODEL = "llama-3.1-8b"
XN_S, BACKHAUL_S = 0.001, 0.015
MEAN_S = {f"{kind}_{what}_s": s for kind in k.FAULT_KINDS for what, s in (("mtbf", 3.0), ("mttr", 1.0))}


def play(make_bench, name, prompt=300.0, output=200.0, *, later=None, devices=("l40s", "l4"), **more):
    """One job sent to node 0, decided as `name`, and as `later` after it came back; returns bench and outcome."""
    bench = make_bench(list(devices), **more)
    ue = bench.reset_with_ue()
    bench.lengths(prompt, output)
    bench.send({ue: 0.001})
    while not bench.outcomes:
        assert bench.now_s < 200.0
        back = bench.count("requeued") > 0
        choice = (later or name) if back else name
        mask = bench.obs["action_mask"][0, 0]
        bench.step(choice if mask[bench.action(choice)] else "hold")
    return bench, bench.outcomes[0]


def test_a_job_on_a_failed_node_is_put_back_with_its_age_and_its_tokens_and_finishes(make_bench, planned):
    """Served by the node when it is back: first token as if nothing had been, all tokens, once; later by the outage, the load of the
    weights and the recomputation."""
    start_s, end_s = 3.0101, 5.0
    bench, whole = play(make_bench, "local, int8")
    bench, job = play(make_bench, "local, int8", **planned(("node", start_s, end_s, [0])))
    assert whole["end_s"] > start_s > whole["arrival_s"] + whole["ttft_s"]
    assert (job["phase"], job["retries"], job["job"]) == (k.FINISHED, 1, whole["job"])
    assert job["arrival_s"] == whole["arrival_s"]
    assert job["ttft_s"] == pytest.approx(float(whole["ttft_s"]), rel=1e-9)
    again_s = float(costs.prefill_s(MODEL, "l40s", 350.0, "int8")) + costs.load_s(MODEL, "l40s", "int8")
    step_s = float(
        costs.decode_step_s(MODEL, "l40s", 350.0, 1.0, "int8")
    )  # the setup pass yields a token, as every one does
    gap_s = end_s - start_s + again_s - step_s
    assert whole["end_s"] + gap_s < job["end_s"] < whole["end_s"] + gap_s + 2 * bench.slot_s + 0.05
    assert bench.count("requeued") == bench.count("outages") == 1
    # prompt and what was generated are uploaded again, no token is delivered twice
    sent_again = (job["air_bytes"] - whole["air_bytes"]) / 4.0
    assert 300.0 < sent_again < 500.0
    assert job["price_usd"] > whole["price_usd"]


def test_tokens_that_were_delivered_are_those_of_the_same_world_without_the_fault(make_bench, planned):
    """At the instant of the failure, inside a substep, the job has what it would have had then."""
    start_s = 3.0137
    done = {}
    for faulty in (False, True):
        bench = make_bench(["l40s"], **(planned(("node", start_s, 9.0, [0])) if faulty else {}))
        bench.reset(1)
        bench.lengths(300.0, 400.0)
        bench.send({0: 0.001})
        bench.step(), bench.step("local, int8")
        (job,) = bench.jobs()
        while bench.now_s < start_s:
            before = bench.now_s, float(job.done_tokens)
            bench.step()
        after = bench.now_s, float(job.done_tokens)
        done[faulty] = np.interp(start_s, [before[0], after[0]], [before[1], after[1]]) if not faulty else after[1]
        if faulty:
            ingress, target = (bench.part(job, p) for p in (k.INGRESS, k.TARGET))
            assert (job.stage, target.node, ingress.state, ingress.kv_bytes) == (k.QUEUED, -1, k.ABSENT, 0.0)
            assert job.setup_tokens == 300.0 + job.done_tokens
    assert done[True] == np.floor(done[False])  # the token under way is lost
    assert 10.0 < done[True] < 390.0


def test_a_failed_server_is_empty_and_loads_again(make_bench, planned):
    bench = make_bench(["l40s"], ues_a_node=3, **planned(("node", 8.0, 9.0, [0])))
    bench.reset(1)
    bench.lengths(300.0, 2000.0)
    bench.send({u: 0.001 + 1e-4 * u for u in range(3)})
    while bench.now_s < 7.97:
        bench.step("local, fp16")
    assert bench.server(0).weight_bytes > 0.0
    assert bench.server(0).n_admitted == 3
    bench.step()
    server = bench.server(0)
    assert bench.node(0).up == 0
    assert (server.weight_bytes, server.kv_bytes, server.n_admitted, server.n_inbox) == (0.0, 0.0, 0, 0)
    assert (bench.layers(0), bench.users()) == ({}, 0)
    bench.step()
    assert values(bench.queue(0), "number").tolist() == [0, 1, 2]
    while bench.now_s < 9.0 + costs.load_s(MODEL, "l40s", "fp16") - 2 * bench.slot_s:
        mask = bench.obs["action_mask"][0, 0]
        bench.step("local, fp16" if mask[bench.action("local, fp16")] else "hold")
        assert not bench.layers(0)  # nothing is resident before it is read again
    assert all(job["phase"] == k.FINISHED for job in bench.run("hold", 3))


def test_a_job_that_is_put_back_stands_before_all_that_came_after_it(make_bench, planned):
    bench = make_bench(["l40s"], ues_a_node=6, **planned(("node", 2.0, 9.0, [0])))
    bench.reset(1)
    bench.lengths(300.0, 2000.0)
    bench.send({u: 0.001 + 1e-4 * u for u in range(3)})
    for _ in range(5):
        bench.step("local, int8")
    bench.send({u: 0.5 + 1e-4 * u for u in range(3, 6)})
    while bench.now_s < 2.05:
        bench.step()
    assert values(bench.queue(0), "number").tolist() == [0, 1, 2, 3, 4, 5]
    age = bench.batch.layout.observation_index("job/age_s")
    assert bench.obs["observation"][0, 0, age] == pytest.approx(bench.now_s - 0.001, rel=1e-6)


@pytest.mark.parametrize("retries", [0, 1])
def test_a_job_fails_when_its_retries_are_used_up(make_bench, retries, planned):
    outages = [("node", 3.0, 3.5, [0]), ("node", 7.0, 7.5, [0])]
    bench, job = play(make_bench, "local, int8", 300.0, 5000.0, **planned(*outages, retries=retries))
    assert job["phase"] == k.FAILED
    assert job["end_s"] == outages[retries][1]
    assert job["retries"] == retries
    _, whole = play(make_bench, "local, int8")
    assert job["ttft_s"] == pytest.approx(
        float(whole["ttft_s"]), rel=1e-9
    )  # it had a first token before the first outage
    reward = bench.scenario.reward
    cost = reward.failed_cost + reward.price_per_usd * job["price_usd"] + reward.energy_per_j * job["energy_j"]
    assert job["worth"] == pytest.approx(-cost)
    counters = bench.batch.counters()
    assert (counters.failed[0], counters.in_flight[0]) == (1, 0)


@pytest.mark.parametrize(
    ("name", "kind", "delay_s"),
    [("neighbour 1, int8", "node", XN_S), ("cloud, int8", "cloud", BACKHAUL_S)],
)
def test_what_fails_at_the_target_is_known_at_the_ingress_after_the_way_back(make_bench, name, kind, delay_s, planned):
    nodes = [1] if kind == "node" else []
    _, job = play(make_bench, name, 300.0, 5000.0, **planned((kind, 5.0, 6.0, nodes), retries=0))
    assert job["phase"] == k.FAILED
    assert job["end_s"] == pytest.approx(5.0 + delay_s, abs=1e-12)


def test_a_job_may_be_decided_anew_and_go_elsewhere(make_bench, planned):
    """From the failed node to its neighbour, from int8 to int4: it ends there long before the repair."""
    _, job = play(make_bench, "local, int8", later="neighbour 1, int4", **planned(("node", 3.0, 99.0, [0])))
    assert (job["phase"], job["retries"]) == (k.FINISHED, 1)
    assert job["end_s"] < 20.0
    assert job["quality"] == pytest.approx(float(costs.quality(MODEL, "int4")))


def test_a_job_sent_to_a_server_that_is_down_comes_back_and_brings_the_news(make_bench, planned):
    """The report is old: the target is legal. The job turns round at its door and the neighbour is refused from then on."""
    more = {"time.report_period_s": 1000.0, "xn.delay_s": 0.1}
    bench = make_bench(["l40s", "l4"], **more, **planned(("node", 0.01, 99.0, [1])))
    ue = bench.reset_with_ue()
    bench.lengths(300.0, 50.0)
    bench.send({ue: 0.001})
    name = "neighbour 1, int8"
    bench.step()
    sent_s = bench.now_s
    bench.step(name)
    assert not bench.queue(0)
    while not bench.queue(0):
        bench.step()
    assert sent_s + 0.2 < bench.now_s < sent_s + 0.2 + 2 * bench.slot_s
    assert bench.obs["action_mask"][0, 0, bench.action(name)] == 0
    assert bench.obs["observation"][0, 0, bench.batch.layout.observation_index("neighbour_1/up")] == 0.0
    assert bench.server(1).weight_bytes == 0.0
    (job,) = bench.run("local, int8", 1)
    assert (job["phase"], job["retries"]) == (k.FINISHED, 1)


@pytest.mark.parametrize(
    ("name", "kind", "exact"),
    [
        ("neighbour 1, int8", "xn", 0.02),
        ("neighbour 1, 0.5 of the rest at the ingress, int8", "xn", 0.02),
        ("cloud, int8", "backhaul", 1e-9),
    ],
)
def test_a_stream_waits_while_its_link_is_down(make_bench, name, kind, exact, planned):
    """Its last token comes later by just the outage; it is not put back, and pays nothing for the wait."""
    nodes = [0, 1] if kind == "xn" else [0]
    _, whole = play(make_bench, name, 300.0, 600.0)
    start_s = 0.5 * (whole["arrival_s"] + whole["ttft_s"] + whole["end_s"])
    _, job = play(make_bench, name, 300.0, 600.0, **planned((kind, start_s, start_s + 2.3456, nodes)))
    assert (job["phase"], job["retries"]) == (k.FINISHED, 0)
    assert job["ttft_s"] == whole["ttft_s"]
    assert job["end_s"] - whole["end_s"] == pytest.approx(2.3456, abs=exact)
    assert job["price_usd"] == pytest.approx(float(whole["price_usd"]), rel=0.01)


def test_a_stream_that_waits_gives_its_node_to_the_others(make_bench, planned):
    """Two streams on a small node, one over a link that fails: the other has the accelerator for itself meanwhile."""
    end_s = {}
    for faulty in (False, True):
        more = planned(("xn", 4.0, 90.0, [0, 1])) if faulty else {}
        bench = make_bench(["l40s", "jetson-agx-orin-64g"], ues_a_node=4, **more)
        for seed in range(1, 50):
            bench.reset(seed)
            if bench.ues_of(0) and bench.ues_of(1):
                break
        bench.lengths(300.0, 400.0)
        bench.send({bench.ues_of(0)[0]: 0.001, bench.ues_of(1)[0]: 0.0011})
        bench.step()
        actions = np.array([[bench.action("neighbour 1, int4"), bench.action("local, int4")]])
        bench.batch.step(actions)
        while not any(job["agent"] == 1 for job in bench.outcomes):
            assert bench.now_s < 80.0
            bench.step()
        end_s[faulty] = next(float(job["end_s"]) for job in bench.outcomes if job["agent"] == 1)
        if faulty:
            assert bench.server(1).n_admitted == 1  # the stream that waits keeps its KV
    assert end_s[True] < end_s[False] - 0.01


def test_a_stream_that_waits_holds_memory_and_nothing_else(make_bench, planned):
    bench = make_bench(["l40s", "l4"], **planned(("xn", 5.0, 99.0, [0, 1])))
    ue = bench.reset_with_ue()
    bench.lengths(300.0, 5000.0)
    bench.send({ue: 0.001})
    while bench.now_s < 5.1:
        bench.step("neighbour 1, int8")
    (job,), server = bench.jobs(), bench.server(1)
    done = float(job.done_tokens)
    for _ in range(5):
        bench.step()
    assert job.done_tokens == done > 10.0
    assert (server.n_admitted, server.cycle_s) == (1, 0.0)
    assert server.kv_bytes > 0.0
    for v in range(3):
        variant = bench.variant(1, v)
        assert (variant.tokens, variant.context_tokens, variant.share) == (0.0, 0.0, 0.0), v


def test_a_token_that_was_still_computed_when_its_place_failed_does_not_exist(make_bench, planned):
    """The cloud fails while it computes the prompt, then again while it computes it anew after some tokens."""
    prompt, prefill_s = 20_000.0, float(costs.prefill_s(MODEL, "h100-80g", 20_000.0, "fp16"))
    name = "cloud, fp16"
    _, whole = play(make_bench, name, prompt, 400.0)
    first_s = whole["arrival_s"] + whole["ttft_s"] - BACKHAUL_S - 0.5 * prefill_s  # half of the prompt is computed
    bench = make_bench(["l40s"], **planned(("cloud", first_s, first_s + 0.1), ("cloud", 4.0, 4.1), ("cloud", 4.5, 4.6)))
    assert 0.5 < prefill_s < 1.0
    ue = bench.reset_with_ue()
    bench.lengths(prompt, 400.0)
    bench.send({ue: 0.001})
    kept = {}
    while not bench.outcomes:
        assert bench.now_s < 60.0
        for job in bench.queue(0):
            kept.setdefault(
                int(job.retries), (float(job.done_tokens), float(job.setup_tokens), float(job.first_token_s))
            )
        bench.step(name if bench.obs["action_mask"][0, 0, bench.action(name)] else "hold")
    (ended,) = bench.outcomes
    assert kept[0] == kept[1] == (0.0, prompt, -1.0)
    assert 10.0 < kept[2][0] < 400.0
    assert kept[3] == pytest.approx((kept[2][0], prompt + np.floor(kept[2][0]), kept[2][2]))
    assert (ended["phase"], ended["retries"]) == (k.FINISHED, 3)
    assert kept[2][2] > first_s + 0.1 + prefill_s
    assert ended["arrival_s"] + ended["ttft_s"] == pytest.approx(kept[2][2])


def test_a_first_token_waits_for_the_repair(make_bench, planned):
    """The link fails while the neighbour computes the prompt: the token is there when the link is."""
    _, job = play(make_bench, "neighbour 1, int8", 4000.0, 20.0, **planned(("xn", 1.5, 12.0, [0, 1])))
    assert (job["phase"], job["retries"]) == (k.FINISHED, 0)
    downlink_s = job["arrival_s"] + job["ttft_s"] - 12.0
    assert XN_S < downlink_s < XN_S + 0.02


@pytest.mark.parametrize(("name", "kind"), [("neighbour 1, int8", "xn"), ("cloud, int8", "backhaul")])
def test_a_transfer_on_a_link_that_fails_goes_back_at_once(make_bench, name, kind, planned):
    """A slow link: 1,200 B take seconds. The ingress notices, the job is decided anew."""
    more = {f"{kind}.rate_bit_s": 2000.0}
    nodes = [0, 1] if kind == "xn" else [0]
    _, job = play(make_bench, name, later="local, int4", **more, **planned((kind, 2.0, 99.0, nodes)))
    assert (job["phase"], job["retries"]) == (k.FINISHED, 1)
    again_s = 2.0 + costs.load_s(MODEL, "l40s", "int4")
    assert again_s < job["arrival_s"] + job["ttft_s"] < again_s + 0.2
    _, job = play(make_bench, name, **more, **planned((kind, 2.0, 99.0, nodes), retries=0))
    assert (job["phase"], job["end_s"]) == (k.FAILED, 2.0)


def test_a_job_whose_data_come_to_a_failed_node_is_put_back_then(make_bench, make_service, planned):
    """The radio stays up: a phone goes on with its layers and sends; the server is down when its activations come."""
    service = make_service(model="llama-3.2-3b")
    name = "local, 0.25 on the device, int4"
    more = {"services": [service], "devices": ("l40s",)}
    bench, job = play(
        make_bench, name, later="local, 1 on the device, int4", **more, **planned(("node", 0.03, 99.0, [0]))
    )
    assert (job["phase"], job["retries"]) == (k.FINISHED, 1)
    assert bench.ue(0).device_jobs == 0
    assert job["air_bytes"] > 0.0  # it had sent before the server was missed


def test_the_forecast_of_a_job_that_was_put_back_is_kept(make_bench, planned):
    """Its first token is past, the gap counts among its tokens: what the candidate says is what comes."""
    bench = make_bench(["l40s", "l4"], **planned(("node", 3.0, 99.0, [0])))
    ue = bench.reset_with_ue()
    bench.lengths(300.0, 200.0)
    bench.send({ue: 0.001})
    while bench.count("requeued") == 0:
        bench.step("local, int8")
    name, index = "neighbour 1, int8", bench.batch.layout.candidate_index
    row = bench.obs["candidates"][0, 0, bench.action(name)].copy()
    done = bench.obs["observation"][0, 0, bench.batch.layout.observation_index("job/done_tokens")]
    assert 10.0 < done < 190.0
    (job,) = bench.run(name, 1)
    assert row[index("ttft_s")] == pytest.approx(float(job["ttft_s"]), rel=1e-5)
    assert row[index("tpot_s")] == pytest.approx(float(job["tpot_s"]), rel=0.03)


@pytest.mark.parametrize("scenario", edge6g_env.scenarios())
@pytest.mark.parametrize("retries", [0, 3])
@pytest.mark.parametrize("rate", [10.0, 60.0])
def test_no_job_is_lost_whatever_fails(scenario, retries, rate, legal):
    """Everything fails every few seconds. debug=True asserts rows, memory, users, empty servers and an empty cloud in every slot."""
    more = {"arrivals.kind": "poisson", "arrivals.rate_jobs_s": rate, "faults": {"retries": retries, **MEAN_S}}
    batch, rng = batch_env(scenario, 2, debug=True, **shortened(scenario, 4.0), **more), np.random.default_rng(4)
    obs, ended, put_back = batch.reset(4), {}, 0
    for slot in range(390):
        obs, *_, truncated, info = batch.step(legal(obs["action_mask"], rng))
        n = batch.counters()
        assert (n.arrived == n.finished + n.rejected + n.expired + n.failed + n.in_flight).all(), (slot, n)
        for job in info["outcomes"]:
            address = (
                int(job["world"]),
                int(episodes(batch)[job["world"]] - truncated[job["world"]]),
                int(job["job"]),
            )
            assert address not in ended, "a job ended twice"
            ended[address] = int(job["phase"])
            put_back += int(job["retries"])
    assert list(ended.values()).count(k.FAILED) > 0 or retries
    assert (put_back > 0) == (retries > 0)


def test_a_queue_without_room_keeps_nobody_from_coming_back(make_bench, planned):
    """64 wait, three come back: they stay under way until a place is free, and are not lost."""
    bench = make_bench(["l40s"], ues_a_node=70, **planned(("node", 2.0, 99.0, [0])), job_rows_per_node=128)
    bench.reset(1)
    bench.lengths(300.0, 2000.0)
    bench.send({u: 0.001 + 1e-4 * u for u in range(3)})
    for _ in range(5):
        bench.step("local, int8")
    bench.send({u: 0.5 + 1e-4 * u for u in range(3, 67)})
    while bench.now_s < 2.2:
        bench.step()
    assert len(bench.queue(0)) == 64
    assert len(bench.jobs(k.RETURN)) == 3
    for _ in range(6):
        bench.step("reject")
    assert not bench.jobs()
    rejected = [int(job["job"]) for job in bench.outcomes]
    assert len(rejected) == 6
    assert set(rejected) >= {0, 1, 2}
