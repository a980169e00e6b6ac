"""What candidates expect of time still to come: turns at a node, places in the cloud, jobs that share a device."""

import math

import numpy as np
import pytest

from edge6g_env._jit import njit
from edge6g_env.kernel.codes import ADMITTED, DECODE, INGRESS
from tests.kernel.inner import device
from tests.looking import values

PROMPT = 256.0


# --- turns at a node -------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def beside(make_bench):
    """An L40S on which one job decodes whole at fp16, and a second of int8 comes whose first half the phone computes: the bench, the
    candidate of the second at its decision, and time per token of both in s."""
    bench, name = (
        make_bench(["l40s"], ues_a_node=2, **{"ues.device": "jetson-agx-orin-64g"}),
        "local, 0.5 on the device, int8",
    )
    bench.reset(1)
    bench.lengths(PROMPT, 3000.0)
    bench.send({0: 0.001})
    while not bench.jobs(DECODE):
        bench.step("local, fp16")
    bench.step()
    bench.send({1: bench.now_s + 0.001})
    bench.step()
    seen = bench.obs["candidates"][0, 0, bench.action(name)].copy()
    while len(bench.jobs(DECODE)) < 2:
        bench.step(name)
    bench.step()
    done, start_s = values(bench.jobs(), "done_tokens"), bench.now_s
    for _ in range(20):
        bench.step()
    return bench, seen, (bench.now_s - start_s) / (values(bench.jobs(), "done_tokens") - done)


def test_a_variant_whose_token_is_elsewhere_has_no_turn(beside):
    """The whole job takes its own iteration, and the other's for the share of time in which that one's token is at the node; that token
    waits for half an iteration of the first, and then takes its own."""
    bench, _, (whole_s, cut_s) = beside
    (iteration_s, cut_iteration_s), job = bench.batch.world.variant["iteration_s"][0, 0, :2], bench.jobs()[1]
    at_node_s = cut_iteration_s + 0.5 * iteration_s
    duty = float(bench.part(job, 0).duty)
    assert duty == pytest.approx(at_node_s / cut_s, rel=0.02)
    assert 0.1 < duty < 0.9
    assert whole_s == pytest.approx(iteration_s + duty * cut_iteration_s, rel=0.02)


def test_a_cut_beside_another_variant_takes_the_time_that_is_expected(beside):
    """That one's iterations were left out, which halved it."""
    bench, seen, (_, cut_s) = beside
    assert seen[bench.batch.layout.candidate_index("tpot_s")] == pytest.approx(cut_s, rel=0.06)


# --- memory at a node ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["local, int8", "local, 0.5 on the device, int8"])
def test_who_comes_behind_a_queue_for_memory_waits_for_all_of_it(make_bench, make_service, name):
    """Room for one sequence and a bit: one decodes, two wait, and a fourth, of a service with short answers, has two lives and what is left
    of the first before it. They last as long as those ones' tokens take on their whole way: more than the node's cycle where the model
    is cut."""
    services = [make_service(), make_service("brief", share=1e-12, trace="azure_code_2023")]
    bench = make_bench(["l40s", "l40s"], ues_a_node=8, services=services, **{"ues.device": "jetson-agx-orin-64g"})
    bench.reset(next(seed for seed in range(1, 50) if (bench.reset(seed), len(bench.ues_of(0)) >= 4)[1]))
    ues, mean = bench.ues_of(0), float(bench.service().mean_output_tokens)
    assert bench.service(1).mean_output_tokens < 0.2 * mean
    bench.lengths(PROMPT, mean)
    for n, u in enumerate(ues[:3]):
        bench.send({u: bench.now_s + 0.001})
        bench.step(name), bench.step(name)
        while n == 0 and not bench.jobs(DECODE):
            bench.step()
        if n == 0:
            bench.set_memory(float(bench.server().weight_bytes + 1.3 * bench.server().kv_bytes), 0)
    while bench.server().n_inbox < 2:
        bench.step()
    for _ in range(round(bench.scenario.time.report_period_s / bench.slot_s)):
        bench.step()
    bench.send({ues[3]: bench.now_s + 0.001})
    bench.step()
    bench.queue()[0].service = 1
    bench.step()
    server, back = bench.server(), bench.link(1, 0)
    wait_s = float(bench.obs["candidates"][0, 0, bench.action(name), bench.batch.layout.candidate_index("wait_s")])
    assert server.claimed_bytes == pytest.approx(2.0 * server.kv_bytes)
    assert (back.seen_claimed_bytes, back.seen_release_bytes_s) == (server.claimed_bytes, server.release_bytes_s)
    (fourth,), begin_s = bench.queue(), bench.now_s
    bench.step(name)
    while bench.part(fourth, INGRESS).state != ADMITTED:
        bench.step()
    assert bench.now_s - begin_s == pytest.approx(wait_s, rel=0.25)


# --- places in the cloud ---------------------------------------------------------------------------------------------------------------


def test_jobs_that_wait_for_the_cloud_are_known_to_their_node(make_bench):
    """One place, a job at it and one that waits: the third expects two whole stays, and finds that less what has passed of the first."""
    bench, name = make_bench(["l4"], ues_a_node=4, **{"cloud.concurrency": 1}), "cloud, int4"
    column = bench.batch.layout.candidate_index
    bench.reset(1)
    bench.lengths(200.0, 200.0)
    bench.send({u: 0.001 + 0.3 * u for u in range(3)})
    expected, stays_s = [], []
    while len(expected) < 3:
        if bench.queue():
            row = bench.obs["candidates"][0, 0, bench.action(name)]
            expected.append(float(row[column("wait_s")]))
            stays_s.append(200.0 * float(row[column("tpot_s")]))
        bench.step(name)
    jobs = bench.run(name, 3 - len(bench.outcomes))
    first_token_s = [job["arrival_s"] + job["ttft_s"] for job in (*bench.outcomes[: 3 - len(jobs)], *jobs)]
    stay_s = first_token_s[2] - first_token_s[1]
    assert stays_s[0] == pytest.approx(stay_s, rel=0.1)
    assert expected == pytest.approx([0.0, stay_s, 2.0 * stay_s], rel=0.1)
    assert first_token_s[2] - first_token_s[0] == pytest.approx(expected[2], rel=0.1)


def test_a_wait_that_was_seen_gives_way_to_the_mean(make_bench):
    bench, name = make_bench(["l4"], ues_a_node=4, **{"cloud.concurrency": 1}), "cloud, int4"
    bench.reset(1)
    bench.lengths(200.0, 200.0)
    bench.send(dict.fromkeys(range(3), 0.001))
    bench.run(name, 3)
    node, column = bench.batch.world.node[0, 0], bench.batch.layout.candidate_index
    assert node.cloud_mean_wait_s == pytest.approx(0.5 * node.cloud_seen_wait_s, rel=0.1)  # 0, one stay, two
    for pause_s in (0.1, 4.0):
        bench.send({3: bench.now_s + pause_s})
        while not bench.queue():
            bench.step()
        row = bench.obs["candidates"][0, 0, bench.action(name)]
        compute_s = row[column("ttft_s")] - row[column("wait_s")]
        fresh = math.exp((node.cloud_seen_s - bench.now_s) / (200.0 * row[column("tpot_s")] + 0.5 * compute_s))
        mean_s, seen_s = node.cloud_mean_wait_s, node.cloud_seen_wait_s
        assert row[column("wait_s")] == pytest.approx(mean_s + fresh * (seen_s - mean_s), rel=0.05)
        bench.step("reject")


def test_neighbours_hear_of_jobs_in_the_cloud(make_bench):
    """A node without any of its own expects to wait behind those of its neighbour, once that has reported them."""
    bench, name = make_bench(["l4", "l4"], ues_a_node=8, **{"cloud.concurrency": 2}), "cloud, int4"
    for seed in range(1, 80):
        bench.reset(seed)
        if len(bench.ues_of(0)) >= 5 and bench.ues_of(1):
            break
    bench.lengths(200.0, 2000.0)
    bench.send(dict.fromkeys(bench.ues_of(0)[:5], 0.001))
    for _ in range(25):
        bench.step(name)
    assert bench.batch.world.link["seen_cloud"][0, 1, 0] == 5
    bench.send({bench.ues_of(1)[0]: bench.now_s + 0.001})
    bench.step()
    row, column = bench.obs["candidates"][0, 1, bench.action(name)], bench.batch.layout.candidate_index
    stay_s = 2000.0 * row[column("tpot_s")]
    assert row[column("wait_s")] == pytest.approx((5 - 2 + 1) * stay_s / 2, rel=0.02)


# --- jobs that share a device ----------------------------------------------------------------------------------------------------------


@njit
def sharing(others, load, part):
    return device._sharing(others, load, part)


@njit
def load_of(w, alone_s):
    return device._load(w, 0, w.job[0, 0], alone_s)


def sojourn(others, load, part, rng):
    """Time of a job of length `part` among `others` and those that come at rate `load`, all exponential with mean 1."""
    left, rest, now = list(rng.exponential(size=others)), part, 0.0
    arrival = rng.exponential() / load if load > 0.0 else math.inf
    while True:
        step = min(rest, min(left, default=math.inf)) * (len(left) + 1)
        if now + step > arrival:
            step = arrival - now
        share = step / (len(left) + 1)
        rest, now = rest - share, now + step
        if rest <= 1e-12:
            return now
        left = [one - share for one in left if one - share > 1e-12]
        if now >= arrival:
            left.append(rng.exponential())
            arrival = now + rng.exponential() / load


@pytest.mark.parametrize(
    ("others", "load", "part"),
    [(0, 0.0, 1.0), (1, 0.0, 1.0), (0, 0.5, 1.0), (2, 0.5, 1.0), (1, 0.9, 1.0), (1, 0.5, 0.2)],
)
def test_a_device_is_shared_as_a_queue_with_processor_sharing_is(others, load, part):
    rng = np.random.default_rng(1)
    simulated = np.mean([sojourn(others, load, part, rng) for _ in range(6000)])
    assert part * sharing(float(others), load, part) == pytest.approx(simulated, rel=0.05)


def test_the_load_of_a_device_is_the_rate_of_jobs_times_their_length(make_bench):
    """Of 2 UEs at a node; where it would be overrun jobs are turned away, so it is never more than full."""
    bench = make_bench(["l4"], ues_a_node=2)
    bench.reset(1)
    world, handle = bench.batch.world, bench.batch._handle
    world.episode["now_s"][0], world.node["device_jobs"][0, 0] = 100.0, 20
    assert load_of(handle, 3.0) == pytest.approx(20 / 100.0 / 2 * 3.0)
    assert load_of(handle, 1e3) == pytest.approx(1.0, rel=1e-5)
    assert sharing(1.0, load_of(handle, 1e3), 1.0) == pytest.approx(1.5 + 1.0, rel=1e-3)
    world.episode["now_s"][0] = 0.0
    assert load_of(handle, 0.5) == pytest.approx(20 / 10.0 / 2 * 0.5)
