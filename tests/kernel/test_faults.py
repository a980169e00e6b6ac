"""When parts fail, and what agents know of it."""

import numpy as np
import pytest
from scipy import stats

import edge6g_env
from edge6g_env import _jit, batch_env
from edge6g_env.build.faults import fault_parts, planned_outages
from edge6g_env.kernel import codes as k
from tests.kernel.inner import faults
from tests.looking import Look, fault_records

QUIET = {"arrivals.kind": "poisson", "arrivals.rate_jobs_s": 1e-12}
MEAN_S = {f"{kind}_{what}_s": s for kind in k.FAULT_KINDS for what, s in (("mtbf", 3.0), ("mttr", 1.0))}


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
    parts = fault_records(batch)
    out = np.zeros((200_000, 1 + parts.shape[1]))
    changes = history(batch._handle, 0, until_s, out)
    assert changes < len(out)
    return parts[0].copy(), out[:changes, 0], out[:changes, 1:]


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
    down = 1.0 - fault_records(batch)["up"].mean(axis=0)
    assert down == pytest.approx(np.full(10, 0.25), abs=4.5 * np.sqrt(0.25 * 0.75 / 2000))


def changes_of(batch, actions, until_s):
    """{(world, kind, node, peer, change): next instant} as seen after each slot until until_s."""
    obs, seen = batch.reset(3), {}
    while batch.times_s()[0] < until_s - 1e-9:
        obs, *_ = batch.step(actions(obs))
        for b in range(batch.num_worlds):
            for part in fault_records(batch)[b]:
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


def test_planned_outages_come_at_their_instants_and_add_up(make_bench, planned):
    """Two overlapping ones of node 1, one of the link, and what chance does beside them."""
    mine = planned(
        ("node", 0.333, 0.777, [1]),
        ("node", 0.5, 1.001, [0, 1]),
        ("xn", 0.25, 0.26, [0, 1]),
        ("node", 1.2, 1.3, [0]),
        ("node", 1.3, 1.4, [0]),
    )
    bench = make_bench(["l4", "l4"], **mine)
    bench.reset(1)
    for _ in range(80):
        bench.step()
        now_s = bench.now_s
        up = [bench.node(i).up for i in (0, 1)]
        assert up == [not (0.5 <= now_s < 1.001 or 1.2 <= now_s < 1.4), not 0.333 <= now_s < 1.001], now_s
        assert bench.link(0, 0).up == (not 0.25 <= now_s < 0.26)
    assert bench.count("outages") == 1 + 1 + 1 + 1  # back to back is one


def test_an_outage_that_runs_when_the_episode_starts_is_known_where_it_is_in_its_first_observation(make_bench, planned):
    """A neighbour hears of it with the next report."""
    bench = make_bench(["l4", "l4"], **planned(("node", 0.0, 0.1, [0]), ("backhaul", 0.0, 0.1, [1])))
    bench.reset(1)
    names = [name for name, *_ in bench.batch.observation_names]
    seen = [dict(zip(names, row.tolist(), strict=True)) for row in bench.obs["observation"][0]]
    assert [(s["node/up"], s["node/backhaul_up"], s["neighbour_1/up"]) for s in seen] == [(0, 1, 1), (1, 0, 1)]


def test_a_link_is_one_part_that_both_ends_find(planned):
    """In a row of four with one neighbour each, 2 lists 1 but 1 lists 0: the link 1-2 is there once, and 2 sees it fail."""
    more = {"nodes.count": 4, "nodes.columns": 4, "nodes.neighbours": 1}
    batch = batch_env("tiny", 1, **QUIET, **more, **planned(("xn", 0.05, 1.0, [0, 1]), ("xn", 0.1, 2.0, [1, 2])))
    look = Look(batch)
    batch.reset(1)
    assert [(part["node"], part["peer"]) for part in fault_records(batch)[0]] == [(0, 1), (1, 2)]
    for _ in range(4):
        batch.step(np.zeros((1, 4), np.int64))
    assert [look.link(i).up for i in range(4)] == [0, 0, 1, 1]
    for _ in range(2):
        batch.step(np.zeros((1, 4), np.int64))
    assert [look.link(i).up for i in range(4)] == [0, 0, 0, 1]


def test_only_what_can_fail_is_a_part(planned):
    plain = edge6g_env.load_scenario("tiny")
    peers = np.array([[1, 2], [0, 2], [1, 0]])
    assert len(fault_parts(plain, peers)) == len(planned_outages(plain, fault_parts(plain, peers))) == 0
    some = planned(("xn", 1, 2, [0, 2]))["faults"] | {"cloud_mtbf_s": 5.0, "cloud_mttr_s": 1.0}
    some = edge6g_env.load_scenario("tiny", faults=some)
    assert [tuple(part)[:3] for part in fault_parts(some, peers)] == [(k.XN_FAULT, 0, 2), (k.CLOUD_FAULT, -1, -1)]
    with pytest.raises(edge6g_env.ScenarioError, match=r"faults.outage\[0\].nodes: no Xn link joins two of \[0, 2\]"):
        batch_env("tiny", 1, **{"nodes.neighbours": 1}, **planned(("xn", 1, 2, [0, 2])))


def refused(bench, node):
    """{why: routes} of the actions of a node that are refused, as the kernel reports them one by one."""
    table, found = bench.batch.action_table, {}
    state = bench.batch.save_state()
    for c in range(len(table)):
        bench.batch.load_state(state)
        actions = np.zeros((1, bench.batch.num_agents), np.int64)
        actions[0, node] = c
        *_, info = bench.batch.step(actions)
        effect = bench.batch.action_effects[int(info["action_effect"][0, node])]
        assert (effect == "done") == (state["action_mask"][0, 0, node, c] == 1)
        if effect != "done":
            found.setdefault(effect, set()).add(bench.batch.action_names[c].split(",")[0])
    bench.batch.load_state(state)
    return found


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
def test_what_is_known_to_be_down_is_refused(make_bench, make_service, kind, nodes, expected, planned):
    """Its own parts at once, a neighbour's server and the cloud by the last report; of others it knows nothing."""
    service = make_service(model="llama-3.2-3b")
    more = {"nodes.neighbours": 1, "time.report_period_s": 0.02}
    bench = make_bench(["l40s"] * 3, services=[service], **planned((kind, 0.01, 99.0, nodes)), **more)
    ue = bench.reset_with_ue()
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


def test_reports_do_not_cross_a_link_that_is_down(make_bench, planned):
    """Their age grows, and so does that of what is known of the cloud behind a backhaul that is down."""
    outages = [("xn", 1.01, 3.0, [0, 1]), ("backhaul", 1.01, 3.0, [0]), ("cloud", 2.0, 5.0)]
    bench = make_bench(["l4", "l4"], **planned(*outages, ("node", 1.5, 2.5, [1])), **{"time.report_period_s": 0.2})
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
    ue = bench.reset_with_ue()
    bench.lengths(100.0, 20.0)
    bench.send({ue: 0.001})
    bench.step()
    shown = []
    state = bench.batch.save_state()
    for up in (1, 0):
        bench.batch.load_state(state)
        bench.node(1).up, bench.episode.cloud_up = up, up
        obs, *_ = bench.batch.step(np.zeros((1, 2), np.int64))
        shown.append({name: part[0, 0].copy() for name, part in obs.items()})
    for name, part in shown[0].items():
        assert np.array_equal(part, shown[1][name]), name
