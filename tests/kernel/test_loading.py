"""Weights on their way: exact times from the disk, a neighbour that holds them or the backhaul; links shared with transfers; fallback."""

import numpy as np
import pytest

from benchmarks.queueing import processor_sharing_s
from edge6g_env import batch_env, costs
from edge6g_env.kernel.codes import DECODE, FINISHED, LINK, NODE_PREFILL
from tests.looking import Look, servers, values

MODEL, NAME, V = "llama-3.1-8b", "local, int8", 1
DISK, NEIGHBOUR, BACKHAUL = -1, 0, 1  # load_source of a node with one neighbour
DISK_BYTES_S, OVERHEAD_S = 1e9, 0.5
PAYLOAD_BYTES = 4e9  # of a prompt: its transfer takes half as long as a load
BYTES = costs.memory_bytes(MODEL, "int8")
OUTPUT = 20.0


FINE = {"time.n_substeps": 16}  # 1.25 ms


def make_pair(make_bench, make_service, xn_bytes_s=0.1e9, backhaul_bytes_s=0.1e9, payload_bytes=0.0, **more):
    """Two nodes with two UEs each, disks of 1 GB/s, wired links without delay and an air that takes no time."""
    bench = make_bench(
        ["l40s", "l4"],
        ues_a_node=4,
        services=[make_service(payload_bytes=payload_bytes)],
        **{
            "xn.rate_bit_s": 8.0 * xn_bytes_s,
            "backhaul.rate_bit_s": 8.0 * backhaul_bytes_s,
            "xn.delay_s": 0.0,
            "backhaul.delay_s": 0.0,
            "serving.load_overhead_s": OVERHEAD_S,
            **more,
        },
    )
    bench.set_disks(DISK_BYTES_S)
    bench.scale_bands(1e6)
    for seed in range(1, 50):
        bench.reset(seed)
        if min(len(bench.ues_of(node)) for node in (0, 1)) >= 2:
            bench.lengths(100.0, OUTPUT)
            return bench
    raise AssertionError("no two UEs at each node")


def serve(bench, node, name):
    """A job of a UE of the node from its arrival to its end, and time for a report."""
    bench.send({bench.ues_of(node)[0]: bench.now_s + 0.001})
    (job,) = bench.run(name, 1)
    assert job["phase"] == FINISHED
    for _ in range(20):
        bench.step()
    return job


def begin(bench, node, name, count=1):
    """Let `count` UEs of the node send a job, and step until they have left its queue; returns these jobs."""
    before = values(bench.jobs(), "number")
    bench.send(dict.fromkeys(bench.ues_of(node)[:count], bench.now_s + 0.001))
    while len(bench.jobs()) < len(before) + count:
        bench.step(name)
    return [job for job in bench.jobs() if job.number not in before]


def load_began_s(job):
    """Instant at which a job's load began: it came to an inbox without a queue."""
    assert job.stage == NODE_PREFILL
    return float(job.stage_s)


def load_ends_s(bench, node=0, v=V):
    """Step until the load of the node has ended; its end."""
    while bench.server(node).load_variant == v:
        assert bench.now_s < 200.0
        bench.step()
    return float(bench.variant(node, v).ready_s)


# --- from the disk ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("precision", "v"), [("fp16", 0), ("int8", 1), ("int4", 2)])
@pytest.mark.parametrize("n_substeps", [1, 2, 7])
def test_a_load_from_the_disk_takes_its_overhead_and_bytes_over_rate(
    make_bench, make_service, precision, v, n_substeps
):
    bench = make_pair(make_bench, make_service, **{"time.n_substeps": n_substeps})
    (job,) = begin(bench, 0, f"local, {precision}")
    bench.step()
    began_s = load_began_s(job)
    assert bench.server(0).load_source == DISK
    expected_s = OVERHEAD_S + costs.memory_bytes(MODEL, precision) / DISK_BYTES_S
    assert load_ends_s(bench, 0, v) - began_s == pytest.approx(expected_s, abs=1e-9)


def test_loads_at_one_node_follow_each_other(make_bench, make_service):
    """Two variants are asked for in one slot's time: the second load begins when the first ends, and has an overhead of its own."""
    bench = make_pair(make_bench, make_service)
    (job,) = begin(bench, 0, "local, int8")
    begin(bench, 0, "local, int4")
    bench.step()
    first_s = load_began_s(job) + OVERHEAD_S + BYTES / DISK_BYTES_S
    assert load_ends_s(bench) == pytest.approx(first_s, abs=1e-9)
    second_s = OVERHEAD_S + costs.memory_bytes(MODEL, "int4") / DISK_BYTES_S
    assert load_ends_s(bench, 0, 2) == pytest.approx(first_s + second_s, abs=1e-9)


# --- the fastest source ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("link_bytes_s", [0.5e9, 0.99e9, 1.01e9, 4e9])
def test_a_neighbour_that_holds_the_layers_is_the_source_if_its_link_gives_more_than_the_disk(
    make_bench, make_service, link_bytes_s
):
    bench = make_pair(make_bench, make_service, xn_bytes_s=link_bytes_s)
    serve(bench, 1, NAME)
    (job,) = begin(bench, 0, NAME)
    bench.step()
    fast = link_bytes_s > DISK_BYTES_S
    assert bench.server(0).load_source == (NEIGHBOUR if fast else DISK)
    rate = max(link_bytes_s, DISK_BYTES_S)
    assert load_ends_s(bench) - load_began_s(job) == pytest.approx(OVERHEAD_S + BYTES / rate, abs=1e-9)


@pytest.mark.parametrize("held", ["nothing", "another precision", "half of the layers"])
def test_a_neighbour_that_lacks_the_layers_is_no_source(make_bench, make_service, held):
    bench = make_pair(make_bench, make_service, xn_bytes_s=4e9)
    if held == "another precision":
        serve(bench, 1, "local, int4")
    if held == "half of the layers":
        serve(bench, 0, "neighbour 1, 0.5 of the rest at the ingress, int8")
    begin(bench, 0, NAME)
    bench.step()
    assert bench.server(0).load_source == DISK


def test_a_part_comes_from_a_neighbour_that_holds_the_whole(make_bench, make_service):
    """The first half of the layers for a split whose other half the neighbour computes."""
    bench = make_pair(make_bench, make_service, xn_bytes_s=4e9)
    serve(bench, 1, NAME)
    (job,) = begin(bench, 0, "neighbour 1, 0.5 of the rest at the ingress, int8")
    bench.step()
    assert bench.server(0).load_source == NEIGHBOUR
    began_s = load_began_s(job)
    took_s = load_ends_s(bench) - began_s
    assert took_s == pytest.approx(OVERHEAD_S + float(bench.server(0).weight_bytes) / 4e9, abs=1e-9)
    assert 0.4 * BYTES < bench.server(0).weight_bytes < 0.6 * BYTES


def test_a_node_knows_what_its_neighbour_holds_by_the_report_only(make_bench, make_service):
    """Before the next report the neighbour's new weights are not known: the disk is read."""
    bench = make_pair(make_bench, make_service, xn_bytes_s=4e9, **{"time.report_period_s": 400.0})
    serve(bench, 1, NAME)
    begin(bench, 0, NAME)
    bench.step()
    assert bench.server(0).load_source == DISK


def test_the_backhaul_is_the_source_if_it_is_the_fastest(make_bench, make_service):
    """2 GB/s over the backhaul; with a neighbour at 4 GB/s that holds the weights, that one."""
    for name, source, rate in (("local, int4", BACKHAUL, 2e9), (NAME, NEIGHBOUR, 4e9)):
        bench = make_pair(make_bench, make_service, xn_bytes_s=4e9, backhaul_bytes_s=2e9)
        serve(bench, 1, name)
        (job,) = begin(bench, 0, NAME)
        bench.step()
        assert bench.server(0).load_source == source
        assert load_ends_s(bench) - load_began_s(job) == pytest.approx(OVERHEAD_S + BYTES / rate, abs=1e-9)


# --- links are shared with transfers ---------------------------------------------------------------------------------------------------


def transfer_times_s(bench, jobs):
    """(began, ended) of the jobs' transfers; steps until all have ended, and gives the end of the load as well."""
    began, ended, load_end_s = {}, {}, None
    while len(ended) < len(jobs) or load_end_s is None:
        assert bench.now_s < 200.0
        for n, job in enumerate(jobs):
            if job.stage == LINK:
                began[n] = float(job.stage_s)
            elif n in began and n not in ended:
                ended[n] = float(job.stage_s)
        if load_end_s is None and bench.server(0).load_variant != V:
            load_end_s = float(bench.variant(0, V).ready_s)
        bench.step()
    return [began[n] for n in range(len(jobs))], [ended[n] for n in range(len(jobs))], load_end_s


def assert_shared(bench, rate_bytes_s, load_bytes_s_from, jobs):
    """The load and the transfers end when flows that share the link's rate equally do; a flow that begins or ends within a substep
    may disturb the others by the rest of it."""
    began, ended, load_end_s = transfer_times_s(bench, jobs)
    starts = np.array([load_bytes_s_from, *began])
    work_s = np.array([BYTES, *[PAYLOAD_BYTES + 400.0] * len(jobs)]) / rate_bytes_s
    order = np.argsort(starts, kind="stable")
    exact = np.empty(starts.size)
    exact[order] = starts[order] + processor_sharing_s(starts[order], work_s[order])
    within = 2.0 * starts.size * bench.slot_s / bench.scenario.time.n_substeps
    assert within < 0.02 * (exact - starts).min()
    assert load_end_s == pytest.approx(exact[0], abs=within)
    assert ended == pytest.approx(exact[1:].tolist(), abs=within)
    alone = starts + work_s
    assert (exact > alone + 0.1).sum() >= 2  # they do get in each other's way


@pytest.mark.parametrize("transfers", [1, 2])
@pytest.mark.parametrize("load_first", [True, False])
def test_a_load_and_jobs_on_the_same_link_share_its_rate(make_bench, make_service, transfers, load_first):
    """Jobs of the neighbour's UEs bring 4 GB each to the node that loads 8 GB from there, at 4 GB/s in all; the first bytes are those
    of the load, or those of the jobs while the load has its overhead."""
    bench = make_pair(make_bench, make_service, xn_bytes_s=4e9, payload_bytes=PAYLOAD_BYTES, **FINE)
    serve(bench, 1, NAME)
    (job,) = begin(bench, 0, NAME)
    bench.step()
    load_start_s = load_began_s(job) + OVERHEAD_S
    while load_first and bench.now_s < load_start_s:
        bench.step()
    jobs = begin(bench, 1, "neighbour 1, int8", transfers)
    assert (bench.now_s > load_start_s) == load_first
    assert bench.server(0).load_source == NEIGHBOUR
    assert_shared(bench, 4e9, load_start_s, jobs)


def test_a_load_that_begins_beside_a_transfer_has_its_share_from_the_first_byte(make_bench, make_service):
    """In the middle of a substep of 50 ms: half of the link's rate for the rest of it, as a transfer has that begins there."""
    coarse = {"time.slot_s": 0.05, "time.n_substeps": 1}
    bench = make_pair(make_bench, make_service, xn_bytes_s=4e9, payload_bytes=PAYLOAD_BYTES, **coarse)
    serve(bench, 1, NAME)
    (job,) = begin(bench, 0, NAME)
    bench.step()
    start_s = load_began_s(job) + OVERHEAD_S
    begin(bench, 1, "neighbour 1, int8")
    while bench.now_s < start_s:
        bench.step()
    came_bytes = BYTES - float(bench.server(0).load_left_bytes)
    assert 0.005 < bench.now_s - start_s < bench.slot_s
    assert came_bytes == pytest.approx((bench.now_s - start_s) * 0.5 * 4e9, rel=1e-9)


def test_a_load_over_the_other_direction_of_a_link_disturbs_nobody(make_bench, make_service):
    """Full duplex: jobs from the loading node to the neighbour have a direction of their own."""
    bench = make_pair(make_bench, make_service, xn_bytes_s=4e9, payload_bytes=PAYLOAD_BYTES, **FINE)
    serve(bench, 1, NAME)
    (job,) = begin(bench, 0, NAME)
    bench.step()
    load_start_s = load_began_s(job)
    began, ended, load_end_s = transfer_times_s(bench, begin(bench, 0, "neighbour 1, int8"))
    assert load_end_s - load_start_s == pytest.approx(OVERHEAD_S + BYTES / 4e9, abs=1e-9)
    assert ended[0] - began[0] == pytest.approx((PAYLOAD_BYTES + 400.0) / 4e9, abs=0.02)


def test_a_load_and_jobs_to_the_cloud_share_the_backhaul(make_bench, make_service):
    bench = make_pair(make_bench, make_service, backhaul_bytes_s=4e9, payload_bytes=PAYLOAD_BYTES, **FINE)
    (job,) = begin(bench, 0, NAME)
    bench.step()
    assert bench.server(0).load_source == BACKHAUL
    jobs = begin(bench, 0, "cloud, int8", 2)
    assert_shared(bench, 4e9, load_began_s(job) + OVERHEAD_S, jobs)


# --- a source that is lost -------------------------------------------------------------------------------------------------------------

FAULT_S = 30.0


def load_through(make_bench, make_service, kind, nodes, source):
    """A load under way over a link of 2 GB/s when a part fails at FAULT_S; (its end, its first byte)."""
    outage = [{"kind": kind, "nodes": nodes, "start_s": FAULT_S, "end_s": 900.0}]
    rates = {"xn_bytes_s": 2e9} if source == NEIGHBOUR else {"backhaul_bytes_s": 2e9}
    bench = make_pair(make_bench, make_service, **rates, **{"faults.outage": outage})
    if source == NEIGHBOUR:
        serve(bench, 1, NAME)
    while bench.now_s < FAULT_S - 2.0:
        bench.step()
    (job,) = begin(bench, 0, NAME)
    bench.step()
    first_byte_s = load_began_s(job) + OVERHEAD_S
    assert bench.server(0).load_source == source
    end_s = load_ends_s(bench)
    assert bench.server(0).load_source == DISK
    return bench, end_s, first_byte_s


@pytest.mark.parametrize(
    ("kind", "nodes", "source"),
    [("xn", [0, 1], NEIGHBOUR), ("node", [1], NEIGHBOUR), ("backhaul", [0], BACKHAUL)],
)
def test_a_load_goes_on_from_the_disk_when_its_link_or_neighbour_fails(make_bench, make_service, kind, nodes, source):
    """At the instant of the fault: what came until then stays."""
    bench, end_s, first_byte_s = load_through(make_bench, make_service, kind, nodes, source)
    left_bytes = BYTES - (FAULT_S - first_byte_s) * 2e9
    assert left_bytes > 0.5 * BYTES
    assert end_s == pytest.approx(FAULT_S + left_bytes / DISK_BYTES_S, abs=1e-6)
    (job,) = bench.run("hold", 1)
    assert job["phase"] == FINISHED


def test_a_load_goes_on_from_the_disk_when_the_neighbour_evicts_the_weights(make_bench, make_service):
    """A job of another precision at the neighbour, which has room for one only, while the load is on its way."""
    bench = make_pair(make_bench, make_service, xn_bytes_s=2e9)
    bench.set_memory(1.2 * BYTES, 1)
    serve(bench, 1, NAME)
    (job,) = begin(bench, 0, NAME)
    bench.step()
    first_byte_s = load_began_s(job) + OVERHEAD_S
    for _ in range(50):
        bench.step()
    assert bench.server(0).load_source == NEIGHBOUR
    (other,) = begin(bench, 1, "local, int4")
    bench.step()
    evicted_s = load_began_s(other)
    assert bench.variant(1, V).high == 0
    left_bytes = BYTES - (evicted_s - first_byte_s) * 2e9
    within = 2.0 * bench.slot_s / bench.scenario.time.n_substeps
    assert load_ends_s(bench) == pytest.approx(evicted_s + left_bytes / DISK_BYTES_S, abs=within)


def test_a_source_that_is_known_to_be_down_is_not_taken(make_bench, make_service):
    outage = [{"kind": "xn", "nodes": [0, 1], "start_s": FAULT_S, "end_s": 900.0}]
    bench = make_pair(make_bench, make_service, xn_bytes_s=4e9, **{"faults.outage": outage})
    serve(bench, 1, NAME)
    while bench.now_s < FAULT_S:
        bench.step()
    begin(bench, 0, NAME)
    bench.step()
    assert bench.server(0).load_source == DISK


# --- what an agent is told -------------------------------------------------------------------------------------------------------------

SOURCES = {"disk": {}, "neighbour": {"xn_bytes_s": 4e9}, "backhaul": {"backhaul_bytes_s": 4e9}}


def told(bench):
    """A new job at node 0: its number and what the candidate says of load and first token; then it is sent there."""
    bench.send({bench.ues_of(0)[0]: bench.now_s + 0.001})
    bench.step()
    seen, layout = bench.obs["candidates"][0, 0, bench.action(NAME)], bench.batch.layout
    number = int(bench.batch.deciding()[0, 0])
    load_s, ttft_s = (float(seen[layout.candidate_index(key)]) for key in ("load_s", "ttft_s"))
    said_s = bench.now_s
    bench.step(NAME)
    return number, said_s, load_s, ttft_s


@pytest.mark.parametrize("source", list(SOURCES))
def test_the_candidate_says_how_long_the_load_and_the_first_token_will_take(make_bench, make_service, source):
    """Of a load that is still to begin, and, to a second job, of the one under way: within 3 % when nothing comes between."""
    bench = make_pair(make_bench, make_service, **SOURCES[source])
    if source == "neighbour":
        serve(bench, 1, NAME)
    first, begun_s, load_s, first_ttft_s = told(bench)
    whole_s = OVERHEAD_S + BYTES / (DISK_BYTES_S if source == "disk" else 4e9)
    assert load_s == pytest.approx(whole_s, rel=0.03)
    while bench.now_s < begun_s + 0.6 * whole_s:
        bench.step()
    second, said_s, load_s, second_ttft_s = told(bench)
    assert load_s == pytest.approx(begun_s + whole_s - said_s, rel=0.03)
    ttft_s = {int(job["job"]): float(job["ttft_s"]) for job in bench.run("hold", 2)}
    assert ttft_s[first] == pytest.approx(first_ttft_s, rel=0.03)
    assert ttft_s[second] == pytest.approx(second_ttft_s, rel=0.03)


# --- what is there from the start ------------------------------------------------------------------------------------------------------

SMALL = "llama-3.2-3b"


@pytest.mark.parametrize(
    ("sizes", "held"), [(1.5, {SMALL}), (1.95, {SMALL}), (2.05, {MODEL}), (2.7, {MODEL}), (2.9, {MODEL, SMALL})]
)
def test_preloaded_models_are_resident_while_half_of_the_memory_stays(make_bench, make_service, sizes, held):
    """At the default precision, int4, one after the other; memory in sizes of the first, the second has 0.39 of it. A job of what is
    held loads nothing."""
    services = [make_service("a", MODEL, 0.5), make_service("b", SMALL, 0.5)]
    bench = make_bench(["l40s"], services=services, **{"serving.preload": [MODEL, SMALL]})
    bench.set_memory(sizes * costs.memory_bytes(MODEL, "int4"))
    bench.reset(1)
    int4 = bench.scenario.actions.precision.index("int4")
    whole = {3 * bench.scenario.weights.index(name) + int4: (0, costs.model(name).layers) for name in held}
    assert bench.layers(0) == whole
    expected_bytes = sum(costs.memory_bytes(name, "int4") for name in held)
    assert bench.server(0).weight_bytes == pytest.approx(expected_bytes, abs=1.0)
    bench.shares(1.0, 0.0)
    bench.lengths(100.0, OUTPUT)
    bench.send({0: 0.001})
    (job,) = bench.run("local, int4", 1)
    assert (job["ttft_s"] < 0.5) == (MODEL in held)


# --- invariants ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", ["tiny", "campus"])
def test_memory_holds_and_loads_end_under_random_decisions_and_faults(scenario, legal):
    """debug=True checks memory and its sums in every slot while weights come from everywhere and everything fails."""
    faults = {f"faults.{kind}_mtbf_s": 20.0 for kind in ("node", "xn", "backhaul")}
    faults |= {f"faults.{kind}_mttr_s": 2.0 for kind in ("node", "xn", "backhaul")}
    fast = {"xn.rate_bit_s": 8e10, "backhaul.rate_bit_s": 5e10, "serving.load_overhead_s": 0.1}
    short = {"time.episode_s": 30.0, "time.warmup_s": 0.0, "time.drain_s": 0.0}
    batch, rng = batch_env(scenario, 2, debug=True, **faults, **fast, **short), np.random.default_rng(2)
    obs, server, sources, busy = batch.reset(3), servers(batch), set(), 0
    for _ in range(1490):
        obs, *_ = batch.step(legal(obs["action_mask"], rng))
        loading = server["load_variant"] >= 0
        sources |= set(np.sign(server["load_source"][loading]).tolist()) | set(server["load_source"][loading].tolist())
        assert (server["load_left_bytes"][~loading] == 0.0).all()
        assert (server["load_left_bytes"][loading] <= server["weight_bytes"][loading] + 1.0).all()
        busy += int(loading.sum())
    assert busy > 100
    neighbours = batch.scenario.neighbours
    assert {DISK, neighbours} <= sources  # the disk and the backhaul
    assert any(0 <= source < neighbours for source in sources)
    assert any(Look(batch, b).jobs(DECODE) for b in range(2))
