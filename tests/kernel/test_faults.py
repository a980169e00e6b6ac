"""Faults: when parts fail, what becomes of the jobs on them, what agents know of it."""

import numpy as np
import pytest
from scipy import stats

import edge6g_env
from edge6g_env import _jit, batch_env, costs
from edge6g_env.fault_parts import fault_parts, planned_outages
from edge6g_env.kernel import faults
from edge6g_env.kernel import world as k
from edge6g_env.kernel.handle import handle_of

MODEL = "llama-3.1-8b"
XN_S, BACKHAUL_S = 0.001, 0.015
QUIET = {"arrivals.kind": "poisson", "arrivals.rate_jobs_s": 1e-12}
MEAN_S = {
    **{f"{kind}_mtbf_s": 3.0 for kind in k.FAULT_KINDS},
    **{f"{kind}_mttr_s": 1.0 for kind in k.FAULT_KINDS},
}


def outage(kind, start_s, end_s, nodes=()):
    return {"kind": kind, "nodes": list(nodes), "start_s": start_s, "end_s": end_s}


def planned(*outages, retries=3):
    return {"faults": {"retries": retries, "outage": list(outages)}}


# --- when parts fail --------------------------------------------------------------------------------------------------


@_jit.njit
def history(w, b, until_s, out):
    """out[n]: instant and state (1 up) of every part after its n-th change; returns the number of changes."""
    faults.start_faults(w, b)
    out[0, 0], n = 0.0, 0
    while True:
        for p in range(w.fault.shape[1]):
            out[n, 1 + p] = w.fault[b, p].up
        n += 1
        if w.episode[b].next_fault_s > until_s or n == out.shape[0]:
            return n
        out[n, 0] = w.episode[b].next_fault_s
        faults.change_parts(w, b, w.episode[b].next_fault_s)


def long_history(until_s=20_000.0, seed=1, scenario="tiny", **more):
    batch = batch_env(scenario, 1, **QUIET, **more)
    batch.reset(seed)
    out = np.zeros((200_000, 1 + batch.world.fault.shape[1]))
    changes = history(handle_of(batch.world), 0, until_s, out)
    assert changes < len(out)
    return batch.world.fault[0].copy(), out[:changes, 0], out[:changes, 1:]


def test_times_up_and_down_are_exponential_and_their_share_is_that_of_the_means():
    mtbf_s, mttr_s, until_s = 3.0, 1.0, 20_000.0
    _, at_s, up = long_history(until_s, faults=MEAN_S)
    assert up.shape[1] == 3 + 3 + 3 + 1  # nodes, links, backhauls, cloud
    width_s = np.diff([*at_s, until_s])
    share = ((1.0 - up) * width_s[:, None]).sum(axis=0) / until_s
    # variance of the share over a long time T (Takacs 1957): 2 (m r)^2 / ((m + r)^3 T) for exponential times
    error = np.sqrt(2.0 * (mtbf_s * mttr_s) ** 2 / ((mtbf_s + mttr_s) ** 3 * until_s))
    assert share == pytest.approx(np.full(10, mttr_s / (mtbf_s + mttr_s)), abs=4.0 * error)
    for p in range(10):
        turn = np.flatnonzero(np.diff(up[:, p])) + 1
        stay_s, was_up = np.diff(at_s[turn]), up[turn[:-1], p] == 1
        assert stats.kstest(stay_s[was_up], "expon", args=(0.0, mtbf_s)).pvalue > 1e-4
        assert stats.kstest(stay_s[~was_up], "expon", args=(0.0, mttr_s)).pvalue > 1e-4
    # and parts know nothing of each other
    grid = np.searchsorted(at_s, np.arange(0.0, until_s, 10.0), side="right") - 1
    correlation = np.corrcoef(up[grid].T) - np.eye(10)
    assert np.abs(correlation).max() < 5.0 / np.sqrt(len(grid))


def test_the_share_that_is_down_is_the_same_from_the_start():
    """Stationary: of 2,000 worlds as many have a given part down at the first instant as later."""
    batch = batch_env("tiny", 2000, **QUIET, faults=MEAN_S)
    batch.reset(1)
    down = 1.0 - batch.world.fault["up"].mean(axis=0)
    assert down == pytest.approx(np.full(10, 0.25), abs=4.5 * np.sqrt(0.25 * 0.75 / 2000))


def changes_of(batch, actions, until_s):
    """{(world, kind, node, peer, change): next instant} as seen after each slot until until_s."""
    obs, seen = batch.reset(3), {}
    while float(batch.world.episode["now_s"][0]) < until_s - 1e-9:
        obs, *_ = batch.step(actions(obs))
        for b in range(batch.num_worlds):
            for part in batch.world.fault[b]:
                address = (b, *(int(part[name]) for name in ("kind", "node", "peer", "changes")))
                seen[address] = (float(part["next_s"]), int(part["broken"]))
    return seen


def test_instants_depend_on_no_slot_no_decision_no_load_and_no_other_part(legal):
    hold = {}
    rng = np.random.default_rng(0)

    def holding(obs):
        return np.zeros(obs["action_mask"].shape[:2], np.int64)

    def at_random(obs):
        return legal(obs["action_mask"], rng)

    plain = batch_env("tiny", 2, faults=MEAN_S)
    hold = changes_of(plain, holding, 10.0)
    others = [
        (batch_env("tiny", 2, faults=MEAN_S), at_random),
        (batch_env("tiny", 2, faults=MEAN_S, **{"time.slot_s": 0.05, "time.n_substeps": 1}), at_random),
        (batch_env("tiny", 2, faults=MEAN_S, **{"arrivals.rate_jobs_s": 20.0}), at_random),
        (batch_env("tiny", 2, faults={name: MEAN_S[name] for name in ("node_mtbf_s", "node_mttr_s")}), at_random),
        (batch_env("tiny", 2, faults=MEAN_S, **{"nodes.neighbours": 1}), at_random),
    ]
    for other, act in others:
        seen = changes_of(other, act, 10.0)
        both = hold.keys() & seen.keys()
        assert len(both) > 0.7 * len(seen)  # a part may change twice in a slot
        assert {address: hold[address] for address in both} == {address: seen[address] for address in both}


def test_seeds_and_episodes_have_their_own_faults():
    parts, at_s, _ = long_history(100.0, seed=1, faults=MEAN_S)
    _, again_s, _ = long_history(100.0, seed=1, faults=MEAN_S)
    _, other_s, _ = long_history(100.0, seed=2, faults=MEAN_S)
    assert np.array_equal(at_s, again_s)
    assert not np.isin(at_s[1:], other_s).any()
    assert len(np.unique(parts["owner"])) == len(parts)


def test_planned_outages_come_at_their_instants_and_add_up(make_bench):
    """Two overlapping ones of node 1, one of the link, and what chance does beside them."""
    mine = planned(
        outage("node", 0.333, 0.777, [1]),
        outage("node", 0.5, 1.001, [0, 1]),
        outage("xn", 0.25, 0.26, [0, 1]),
        outage("node", 1.2, 1.3, [0]),
        outage("node", 1.3, 1.4, [0]),
    )
    bench = make_bench(["l4", "l4"], **mine)
    bench.reset(1)
    for _ in range(80):
        bench.step()
        now_s = bench.now_s
        up = bench.world.node["up"][0].tolist()
        assert up == [not (0.5 <= now_s < 1.001 or 1.2 <= now_s < 1.4), not 0.333 <= now_s < 1.001], now_s
        assert bench.world.link["up"][0, 0, 0] == (not 0.25 <= now_s < 0.26)
    assert bench.world.episode["outages"][0] == 1 + 1 + 1 + 1  # back to back is one


def test_an_outage_that_runs_when_the_episode_starts_is_known_in_its_first_observation(make_bench):
    bench = make_bench(["l4", "l4"], **planned(outage("node", 0.0, 0.1, [0]), outage("backhaul", 0.0, 0.1, [1])))
    bench.reset(1)
    names = [name for name, *_ in bench.batch.observation_names]
    seen = [dict(zip(names, row.tolist(), strict=True)) for row in bench.obs["observation"][0]]
    assert [(s["node/up"], s["node/backhaul_up"], s["neighbour_1/up"]) for s in seen] == [(0, 1, 1), (1, 0, 0)]


def test_a_link_is_one_part_that_both_ends_find():
    """In a row of four with one neighbour each, 2 lists 1 but 1 lists 0: the link 1-2 is there once, and 2 sees it fail."""
    more = {"nodes.count": 4, "nodes.columns": 4, "nodes.neighbours": 1}
    batch = batch_env(
        "tiny", 1, **QUIET, **more, **planned(outage("xn", 0.05, 1.0, [0, 1]), outage("xn", 0.1, 2.0, [1, 2]))
    )
    assert [(part["node"], part["peer"]) for part in batch.world.fault[0]] == [(0, 1), (1, 2)]
    batch.reset(1)
    for _ in range(4):
        batch.step(np.zeros((1, 4), np.int64))
    assert batch.world.link["up"][0, :, 0].tolist() == [0, 0, 1, 1]
    for _ in range(2):
        batch.step(np.zeros((1, 4), np.int64))
    assert batch.world.link["up"][0, :, 0].tolist() == [0, 0, 0, 1]


def test_only_what_can_fail_is_a_part():
    plain = edge6g_env.load_scenario("tiny")
    peers = np.array([[1, 2], [0, 2], [1, 0]])
    assert len(fault_parts(plain, peers)) == len(planned_outages(plain, fault_parts(plain, peers))) == 0
    some = edge6g_env.load_scenario(
        "tiny", faults={"cloud_mtbf_s": 5.0, "cloud_mttr_s": 1.0, "outage": [outage("xn", 1, 2, [0, 2])]}
    )
    assert [tuple(part)[:3] for part in fault_parts(some, peers)] == [(k.XN_FAULT, 0, 2), (k.CLOUD_FAULT, -1, -1)]
    with pytest.raises(edge6g_env.ScenarioError, match=r"faults.outage\[0\].nodes: no Xn link joins two of \[0, 2\]"):
        batch_env("tiny", 1, **{"nodes.neighbours": 1}, **planned(outage("xn", 1, 2, [0, 2])))


# --- what becomes of the jobs -----------------------------------------------------------------------------------------


def with_ues_at_both(bench):
    """Reset to the first seed in which node 0 serves a UE; returns that UE."""
    for seed in range(1, 50):
        bench.reset(seed)
        if ues := bench.ues_of(0):
            return ues[0]
    raise AssertionError("no UE at node 0")


def play(make_bench, name, prompt=300.0, output=200.0, *, later=None, devices=("l40s", "l4"), **more):
    """One job sent to node 0, decided as `name`, and as `later` after it came back; returns bench and outcome."""
    bench = make_bench(list(devices), **more)
    ue = with_ues_at_both(bench)
    bench.lengths(prompt, output)
    bench.send({ue: 0.001})
    while not bench.outcomes:
        assert bench.now_s < 200.0
        back = bench.world.episode["requeued"][0] > 0
        choice = (later or name) if back else name
        mask = bench.obs["action_mask"][0, 0]
        bench.step(choice if mask[bench.action(choice)] else "hold")
    return bench, bench.outcomes[0]


def test_a_job_on_a_failed_node_is_put_back_with_its_age_and_its_tokens_and_finishes(make_bench):
    """Served by the node when it is back: first token as if nothing had been, all tokens, once; later by the outage, the load of the
    weights and the recomputation."""
    start_s, end_s = 3.0101, 5.0
    bench, whole = play(make_bench, "local, int8")
    bench, job = play(make_bench, "local, int8", **planned(outage("node", start_s, end_s, [0])))
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
    assert bench.world.episode["requeued"][0] == bench.world.episode["outages"][0] == 1
    # prompt and what was generated are uploaded again, no token is delivered twice
    sent_again = (job["air_bytes"] - whole["air_bytes"]) / 4.0
    assert 300.0 < sent_again < 500.0
    assert job["price_usd"] > whole["price_usd"]


def test_tokens_that_were_delivered_are_those_of_the_same_world_without_the_fault(make_bench):
    """At the instant of the failure, inside a substep, the job has what it would have had then."""
    start_s = 3.0137
    done = {}
    for faulty in (False, True):
        bench = make_bench(["l40s"], **(planned(outage("node", start_s, 9.0, [0])) if faulty else {}))
        bench.reset(1)
        bench.lengths(300.0, 400.0)
        bench.send({0: 0.001})
        bench.step(), bench.step("local, int8")
        while bench.now_s < start_s:
            before = bench.now_s, float(bench.world.job["done_tokens"][0, 0])
            bench.step()
        after = bench.now_s, float(bench.world.job["done_tokens"][0, 0])
        done[faulty] = np.interp(start_s, [before[0], after[0]], [before[1], after[1]]) if not faulty else after[1]
        job = bench.world.job[0, 0]
        if faulty:
            assert (job.stage, job.target, job.users_0, job.kv_0_bytes) == (k.QUEUED, -1, 0, 0.0)
            assert job.setup_tokens == 300.0 + np.floor(job.done_tokens)
    assert done[True] == pytest.approx(done[False], rel=1e-4)
    assert 10.0 < done[True] < 390.0


def test_a_failed_server_is_empty_and_loads_again(make_bench):
    bench = make_bench(["l40s"], ues_a_node=3, **planned(outage("node", 8.0, 9.0, [0])))
    bench.reset(1)
    bench.lengths(300.0, 2000.0)
    bench.send({u: 0.001 + 1e-4 * u for u in range(3)})
    while bench.now_s < 7.97:
        bench.step("local, fp16")
    assert bench.world.node["weight_bytes"][0, 0] > 0.0
    assert bench.world.node["n_admitted"][0, 0] == 3
    bench.step()
    node, variant = bench.world.node[0, 0], bench.world.variant[0, 0]
    assert (node.weight_bytes, node.kv_bytes, node.n_admitted, node.n_inbox, node.up) == (0.0, 0.0, 0, 0, 0)
    assert (variant["high"] == 0).all()
    assert (variant["users"] == 0).all()
    bench.step()
    assert bench.world.job["number"][0, bench.world.places[0, 0, k.DISPATCH, : int(node.n_queue)]].tolist() == [0, 1, 2]
    while bench.now_s < 9.0 + costs.load_s(MODEL, "l40s", "fp16") - 2 * bench.slot_s:
        mask = bench.obs["action_mask"][0, 0]
        bench.step("local, fp16" if mask[bench.action("local, fp16")] else "hold")
        assert (variant["high"] == 0).all()  # nothing is resident before it is read again
    assert all(job["phase"] == k.FINISHED for job in bench.run("hold", 3))


def test_a_job_that_is_put_back_stands_before_all_that_came_after_it(make_bench):
    bench = make_bench(["l40s"], ues_a_node=6, **planned(outage("node", 2.0, 9.0, [0])))
    bench.reset(1)
    bench.lengths(300.0, 2000.0)
    bench.send({u: 0.001 + 1e-4 * u for u in range(3)})
    for _ in range(5):
        bench.step("local, int8")
    bench.send({u: 0.5 + 1e-4 * u for u in range(3, 6)})
    while bench.now_s < 2.05:
        bench.step()
    queue = bench.world.places[0, 0, k.DISPATCH, : int(bench.world.node["n_queue"][0, 0])]
    assert bench.world.job["number"][0, queue].tolist() == [0, 1, 2, 3, 4, 5]
    age = bench.batch.layout.observation_index("job/age_s")
    assert bench.obs["observation"][0, 0, age] == pytest.approx(bench.now_s - 0.001, rel=1e-6)


@pytest.mark.parametrize("retries", [0, 1])
def test_a_job_fails_when_its_retries_are_used_up(make_bench, retries):
    outages = [outage("node", 3.0, 3.5, [0]), outage("node", 7.0, 7.5, [0])]
    bench, job = play(make_bench, "local, int8", 300.0, 5000.0, **planned(*outages, retries=retries))
    assert job["phase"] == k.FAILED
    assert job["end_s"] == outages[retries]["start_s"]
    assert job["retries"] == retries
    assert job["ttft_s"] == -1.0
    reward = bench.scenario.reward
    cost = reward.failed_cost + reward.price_per_usd * job["price_usd"] + reward.energy_per_j * job["energy_j"]
    assert job["worth"] == pytest.approx(-cost)
    counters = bench.batch.counters()
    assert (counters.failed[0], counters.in_flight[0]) == (1, 0)


@pytest.mark.parametrize(
    ("name", "kind", "delay_s"),
    [("neighbour 1, int8", "node", XN_S), ("cloud, int8", "cloud", BACKHAUL_S)],
)
def test_what_fails_at_the_target_is_known_at_the_ingress_after_the_way_back(make_bench, name, kind, delay_s):
    nodes = [1] if kind == "node" else []
    _, job = play(make_bench, name, 300.0, 5000.0, **planned(outage(kind, 5.0, 6.0, nodes), retries=0))
    assert job["phase"] == k.FAILED
    assert job["end_s"] == pytest.approx(5.0 + delay_s, abs=1e-12)


def test_a_job_may_be_decided_anew_and_go_elsewhere(make_bench):
    """From the failed node to its neighbour, from int8 to int4: it ends there long before the repair."""
    _, job = play(make_bench, "local, int8", later="neighbour 1, int4", **planned(outage("node", 3.0, 99.0, [0])))
    assert (job["phase"], job["retries"]) == (k.FINISHED, 1)
    assert job["end_s"] < 20.0
    assert job["quality"] == pytest.approx(float(costs.quality(MODEL, "int4")))


def test_a_job_sent_to_a_server_that_is_down_comes_back_and_brings_the_news(make_bench):
    """The report is old: the target is legal. The job turns round at its door and the neighbour is refused from then on."""
    more = {"time.report_period_s": 1000.0, "xn.delay_s": 0.1}
    bench = make_bench(["l40s", "l4"], **more, **planned(outage("node", 0.01, 99.0, [1])))
    ue = with_ues_at_both(bench)
    bench.lengths(300.0, 50.0)
    bench.send({ue: 0.001})
    name = "neighbour 1, int8"
    bench.step()
    sent_s = bench.now_s
    bench.step(name)
    assert bench.world.node["n_queue"][0, 0] == 0
    while bench.world.node["n_queue"][0, 0] == 0:
        bench.step()
    assert sent_s + 0.2 < bench.now_s < sent_s + 0.2 + 2 * bench.slot_s
    assert bench.obs["action_mask"][0, 0, bench.action(name)] == 0
    assert bench.obs["observation"][0, 0, bench.batch.layout.observation_index("neighbour_1/up")] == 0.0
    assert bench.world.node["weight_bytes"][0, 1] == 0.0
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
def test_a_stream_waits_while_its_link_is_down(make_bench, name, kind, exact):
    """Its last token comes later by just the outage; it is not put back, and pays nothing for the wait."""
    nodes = [0, 1] if kind == "xn" else [0]
    _, whole = play(make_bench, name, 300.0, 600.0)
    start_s = 0.5 * (whole["arrival_s"] + whole["ttft_s"] + whole["end_s"])
    _, job = play(make_bench, name, 300.0, 600.0, **planned(outage(kind, start_s, start_s + 2.3456, nodes)))
    assert (job["phase"], job["retries"]) == (k.FINISHED, 0)
    assert job["ttft_s"] == whole["ttft_s"]
    assert job["end_s"] - whole["end_s"] == pytest.approx(2.3456, abs=exact)
    assert job["price_usd"] == pytest.approx(float(whole["price_usd"]), rel=0.01)


def test_a_stream_that_waits_gives_its_node_to_the_others(make_bench):
    """Two streams on a small node, one over a link that fails: the other has the accelerator for itself meanwhile."""
    end_s = {}
    for faulty in (False, True):
        more = planned(outage("xn", 4.0, 90.0, [0, 1])) if faulty else {}
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
            assert bench.world.node["n_admitted"][0, 1] == 1  # the stream that waits keeps its KV
    assert end_s[True] < end_s[False] - 0.01


def test_a_first_token_waits_for_the_repair(make_bench):
    """The link fails while the neighbour computes the prompt: the token is there when the link is."""
    _, job = play(make_bench, "neighbour 1, int8", 4000.0, 20.0, **planned(outage("xn", 1.5, 12.0, [0, 1])))
    assert (job["phase"], job["retries"]) == (k.FINISHED, 0)
    downlink_s = job["arrival_s"] + job["ttft_s"] - 12.0
    assert XN_S < downlink_s < XN_S + 0.02


@pytest.mark.parametrize(("name", "kind"), [("neighbour 1, int8", "xn"), ("cloud, int8", "backhaul")])
def test_a_transfer_on_a_link_that_fails_goes_back_at_once(make_bench, name, kind):
    """A slow link: 1,200 B take seconds. The ingress notices, the job is decided anew."""
    more = {f"{kind}.rate_bit_s": 2000.0}
    nodes = [0, 1] if kind == "xn" else [0]
    _, job = play(make_bench, name, later="local, int4", **more, **planned(outage(kind, 2.0, 99.0, nodes)))
    assert (job["phase"], job["retries"]) == (k.FINISHED, 1)
    again_s = 2.0 + costs.load_s(MODEL, "l40s", "int4")
    assert again_s < job["arrival_s"] + job["ttft_s"] < again_s + 0.2
    _, job = play(make_bench, name, **more, **planned(outage(kind, 2.0, 99.0, nodes), retries=0))
    assert (job["phase"], job["end_s"]) == (k.FAILED, 2.0)


def test_a_job_whose_data_come_to_a_failed_node_is_put_back_then(make_bench, make_service):
    """The radio stays up: a phone goes on with its layers and sends; the server is down when its activations come."""
    service = make_service(model="llama-3.2-3b")
    name = "local, 0.25 on the device, int4"
    more = {"services": [service], "devices": ("l40s",)}
    bench, job = play(
        make_bench, name, later="local, 1 on the device, int4", **more, **planned(outage("node", 0.03, 99.0, [0]))
    )
    assert (job["phase"], job["retries"]) == (k.FINISHED, 1)
    assert bench.world.ue["device_jobs"].sum() == 0
    assert job["air_bytes"] > 0.0  # it had sent before the server was missed


def test_the_forecast_of_a_job_that_was_put_back_is_kept(make_bench):
    """Its first token is past, the gap counts among its tokens: what the candidate says is what comes."""
    bench = make_bench(["l40s", "l4"], **planned(outage("node", 3.0, 99.0, [0])))
    ue = with_ues_at_both(bench)
    bench.lengths(300.0, 200.0)
    bench.send({ue: 0.001})
    while bench.world.episode["requeued"][0] == 0:
        bench.step("local, int8")
    name, index = "neighbour 1, int8", bench.batch.layout.candidate_index
    row = bench.obs["candidates"][0, 0, bench.action(name)].copy()
    done = bench.obs["observation"][0, 0, bench.batch.layout.observation_index("job/done_tokens")]
    assert 10.0 < done < 190.0
    (job,) = bench.run(name, 1)
    assert row[index("ttft_s")] == pytest.approx(float(job["ttft_s"]), rel=1e-5)
    assert row[index("tpot_s")] == pytest.approx(float(job["tpot_s"]), rel=0.03)


# --- what agents know, and what they may do ---------------------------------------------------------------------------


def refused(bench, node):
    """{route name: effects} of the actions of a node that are refused for a fault, as the kernel reports them."""
    table, k_routes = bench.batch.action_table, {}
    state = bench.batch.save_state()
    for c in range(len(table)):
        bench.batch.load_state(state)
        actions = np.zeros((1, bench.batch.num_agents), np.int64)
        actions[0, node] = c
        *_, info = bench.batch.step(actions)
        effect = bench.batch.action_effects[int(info["action_effect"][0, node])]
        assert (effect == "done") == (state["action_mask"][0, 0, node, c] == 1)
        if effect != "done":
            k_routes.setdefault(effect, set()).add(bench.batch.action_names[c].split(",")[0])
    bench.batch.load_state(state)
    return k_routes


@pytest.mark.parametrize(
    ("kind", "nodes", "expected"),
    [
        ("node", [0], {"refused: the node is down": {"local", "neighbour 1", "cloud"}}),
        ("xn", [0, 1], {"refused: the link is down": {"neighbour 1"}}),
        ("backhaul", [0], {"refused: the backhaul is down": {"cloud"}}),
        ("node", [1], {"refused: the neighbour is reported down": {"neighbour 1"}}),
        ("cloud", [], {"refused: the cloud is reported down": {"cloud"}}),
        ("xn", [1, 2], {}),
        ("backhaul", [1], {}),
    ],
)
def test_what_is_known_to_be_down_is_refused(make_bench, make_service, kind, nodes, expected):
    """Its own parts at once, a neighbour's server and the cloud by the last report; of others it knows nothing."""
    service = make_service(model="llama-3.2-3b")
    more = {"nodes.neighbours": 1, "time.report_period_s": 0.02}
    bench = make_bench(["l40s"] * 3, services=[service], **planned(outage(kind, 0.01, 99.0, nodes)), **more)
    ue = with_ues_at_both(bench)
    bench.lengths(100.0, 20.0)
    bench.send({ue: 0.001})
    bench.step()
    found = refused(bench, 0)
    assert found == expected
    mask, names = bench.obs["action_mask"][0, 0], bench.batch.action_names
    if nodes == [0] and kind == "node":  # what needs no layer at the server stays legal
        legal = {names[c] for c in np.flatnonzero(mask)}
        assert {"local, 1 on the device, int4", "neighbour 1, int4", "cloud, int4"} <= legal
        assert not any("at the ingress" in name for name in legal)


def test_reports_do_not_cross_a_link_that_is_down(make_bench):
    """Their age grows, and so does that of what is known of the cloud behind a backhaul that is down."""
    outages = [outage("xn", 1.01, 3.0, [0, 1]), outage("backhaul", 1.01, 3.0, [0]), outage("cloud", 2.0, 5.0)]
    bench = make_bench(
        ["l4", "l4"], **planned(*outages, outage("node", 1.5, 2.5, [1])), **{"time.report_period_s": 0.2}
    )
    bench.reset(1)
    index = bench.batch.layout.observation_index
    columns = [
        index(name) for name in ("neighbour_1/report_age_s", "neighbour_1/up", "neighbour_1/link_up", "node/cloud_up")
    ]
    for _ in range(200):
        bench.step()
        age_s, up, link_up, cloud_up = bench.obs["observation"][0, 0, columns]
        now_s, cut = bench.now_s, 1.01 <= bench.now_s < 3.0
        last_s = 1.0 if cut else 0.2 * np.floor(now_s / 0.2 + 1e-9)
        assert age_s == pytest.approx(now_s - last_s, abs=1e-5)
        assert link_up == (not cut)
        assert up == 1.0  # node 1 fails and is back while nobody can tell node 0
        assert cloud_up == (not 3.0 <= last_s < 5.0)


def test_another_nodes_server_and_the_cloud_are_hidden_until_a_report(make_bench):
    bench = make_bench(["l4", "l4"], **{"time.report_period_s": 1000.0})
    ue = with_ues_at_both(bench)
    bench.lengths(100.0, 20.0)
    bench.send({ue: 0.001})
    bench.step()
    shown = []
    state = bench.batch.save_state()
    for up in (1, 0):
        bench.batch.load_state(state)
        bench.world.node["up"][0, 1], bench.world.episode["cloud_up"][0] = up, up
        obs, *_ = bench.batch.step(np.zeros((1, 2), np.int64))
        shown.append({name: part[0, 0].copy() for name, part in obs.items()})
    for name, part in shown[0].items():
        assert np.array_equal(part, shown[1][name]), name


# --- nothing is lost --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", edge6g_env.scenarios())
@pytest.mark.parametrize("retries", [0, 3])
@pytest.mark.parametrize("rate", [10.0, 60.0])
def test_no_job_is_lost_whatever_fails(scenario, retries, rate, legal):
    """Everything fails every few seconds. debug=True asserts rows, memory, users, empty servers and an empty cloud in every slot."""
    short = {"time.episode_s": 4.0, "time.warmup_s": 0.0, "time.drain_s": 0.0}
    more = {"arrivals.kind": "poisson", "arrivals.rate_jobs_s": rate, "faults": {"retries": retries, **MEAN_S}}
    batch, rng = batch_env(scenario, 2, debug=True, **short, **more), np.random.default_rng(4)
    obs, ended, put_back = batch.reset(4), {}, 0
    for slot in range(390):
        obs, *_, truncated, info = batch.step(legal(obs["action_mask"], rng))
        n = batch.counters()
        assert (n.arrived == n.finished + n.rejected + n.expired + n.failed + n.in_flight).all(), (slot, n)
        for job in info["outcomes"]:
            address = (
                int(job["world"]),
                int(batch.world.episode["episode"][job["world"]] - truncated[job["world"]]),
                int(job["job"]),
            )
            assert address not in ended, "a job ended twice"
            ended[address] = int(job["phase"])
            put_back += int(job["retries"])
    assert list(ended.values()).count(k.FAILED) > 0 or retries
    assert (put_back > 0) == (retries > 0)


def test_a_queue_without_room_keeps_nobody_from_coming_back(make_bench):
    """64 wait, three come back: they stay under way until a place is free, and are not lost."""
    bench = make_bench(["l40s"], ues_a_node=70, **planned(outage("node", 2.0, 99.0, [0])), job_rows_per_node=128)
    bench.reset(1)
    bench.lengths(300.0, 2000.0)
    bench.send({u: 0.001 + 1e-4 * u for u in range(3)})
    for _ in range(5):
        bench.step("local, int8")
    bench.send({u: 0.5 + 1e-4 * u for u in range(3, 67)})
    while bench.now_s < 2.2:
        bench.step()
    assert bench.world.node["n_queue"][0, 0] == 64
    assert (bench.world.job["stage"][0, bench.live()] == k.RETURN).sum() == 3
    for _ in range(6):
        bench.step("reject")
    assert len(bench.live()) == 0
    rejected = [int(job["job"]) for job in bench.outcomes]
    assert len(rejected) == 6
    assert set(rejected) >= {0, 1, 2}
