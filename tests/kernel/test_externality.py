"""What a candidate costs the others: each entry by its meaning, from the state and the public cost functions."""

import numpy as np
import pytest

from edge6g_env import BatchEnv, costs
from edge6g_env.kernel import codes

BITS = ("fp16", "int8", "int4")


class Decision:
    """A job that a node decides, and its candidates by name."""

    def __init__(self, env, b, i):
        self.env, self.b, self.i, self.world = env, b, i, env.world
        obs = env.observations()
        self.legal = np.flatnonzero(obs["action_mask"][b, i] == 1)
        self.entries = {one.name: obs["candidates"][b, i, :, n] for n, one in enumerate(env.layout.candidates)}
        self.seen = {one.name: obs["observation"][b, i, n] for n, one in enumerate(env.layout.observation)}
        self.job = self.world.job[b, self.world.node[b, i].head]
        self.service = env.scenario.service[int(self.job.service)]

    def actions(self):
        """(row, route, device split, edge split, precision) of the legal ones that serve the job."""
        grid = self.env.scenario.actions
        for c in self.legal:
            route, d, e, p, _ = self.env.action_table[c]
            if route > codes.REJECT:
                yield c, route, grid.device_split[d], grid.edge_split[e], str(grid.precision[p])

    def __getitem__(self, name):
        return self.entries[name]


@pytest.fixture(scope="module", params=["campus", "tiny", "shard", "finetune"])
def decisions(request):
    env = BatchEnv(request.param, 4, observe="candidates")
    env.reset(seed=1)
    found, rng = [], np.random.default_rng(0)
    while len(found) < 60:
        obs = env.observations()
        heads = [(b, i) for b, i in np.argwhere(obs["action_mask"][..., codes.REJECT] == 1)]
        if heads and env.world.episode["now_s"][0] > 5.0:
            # A decision keeps views: it is looked at before the next step.
            found.append([check(Decision(env, b, i)) for b, i in heads])
        mask = obs["action_mask"] == 1
        mask[..., codes.REJECT] = False
        env.step(np.where(mask, rng.random(mask.shape), -1.0).argmax(axis=-1))
    return [figures for some in found for figures in some]


def whole_copies(decision, model):
    """Nodes that hold all layers of the model at some precision, as far as the node knows."""
    world, b, i, precisions = decision.world, decision.b, decision.i, len(decision.env.scenario.actions.precision)
    first, layers = model * precisions, int(world.model[model * precisions].layers)
    held = [world.variant[b, i], *world.seen[b, i]]
    return sum(any(one[v].high - one[v].low >= layers for v in range(first, first + precisions)) for one in held)


def check(decision):
    """Compare all that has a plain meaning; returns figures about the decision for tests over many."""
    d, world = decision, decision.world
    scenario, loads, slower = d.env.scenario, 0, 0
    peers = scenario.neighbours
    for c, route, device, edge, precision in d.actions():
        loading = [d[f"load_{name}"][c] for name in BITS]
        assert [d[f"is_{name}"][c] for name in BITS] == [float(name == precision) for name in BITS]
        assert d["is_partial_cut"][c] == float(device not in ("draft",) and 0.0 < device < 1.0)
        assert sum(loading) in (0.0, 1.0)
        assert (
            d["slowdown_over_80ms"][c] <= d["slowdown_over_30ms"][c] <= d["slowdown"][c] <= d["sequences"][c] + 1e-6
            or edge
        )
        if sum(loading):
            assert d[f"load_{precision}"][c] == 1.0
            assert d["load_s"][c] > 0.0
            model = int(world.choice[int(d.job.service), d.env.action_table[c, 4]].weights)
            assert d["load_copies"][c] == whole_copies(d, model)
            assert d["load_near_copy"][c] == float(d["load_copies"][c] > 0)
            assert d["kept_prefill_s"][c] == 0.0 or edge
            shares = dict(zip((one.name for one in scenario.service), scenario.shares, strict=True))
            assert d["load_service_share"][c] == pytest.approx(shares[d.service.name], rel=1e-5)
            loads += 1
        else:
            assert d["load_prefill_s"][c] == d["load_copies"][c] == d["load_evicts"][c] == d["load_token_s"][c] == 0.0
        if device == 1.0:
            names = (
                "slowdown",
                "prefill_decoding_s",
                "prefill_waiting_s",
                "kept_prefill_s",
                "need_share",
                "node_ue_share",
                "node_memory_gb",
            )
            assert all(d[name][c] == 0.0 for name in names)
        elif route == codes.NEIGHBOUR + peers:
            tokens = world.service[int(d.job.service)].steps or d.seen["job/mean_output_tokens"]
            assert d["cloud_place_s"][c] == pytest.approx(min(1e3, d["tpot_s"][c] * tokens), rel=1e-4)
            waits = d.seen["node/cloud_wait_s"]
            assert d["cloud_place_wait_s2"][c] == pytest.approx(min(1e4, d["cloud_place_s"][c] * waits), rel=1e-4)
            assert d["cloud_waits"][c] == float(waits > 0.0)
        elif edge == 0.0:
            node = d.i if route == codes.LOCAL else int(world.neighbour[d.i, route - codes.NEIGHBOUR])
            assert d["node_memory_gb"][c] == pytest.approx(world.site[node].usable_bytes / 1e9, rel=1e-5)
            assert d["cloud_place_s"][c] == 0.0
            ues = world.node["n_ues"][d.b, d.i]
            if route != codes.LOCAL:
                ues = world.link["seen_ues"][d.b, d.i, route - codes.NEIGHBOUR]
            more = ues / world.ue.shape[1] - 1 / len(world.site)
            assert d["node_ue_share"][c] == pytest.approx(more, abs=1e-6)
            prefill_s = d["load_prefill_s"][c] + d["kept_prefill_s"][c]
            assert d["prefill_decoding_s"][c] == pytest.approx(d["sequences"][c] * prefill_s, rel=1e-4)
            peer = "node" if route == codes.LOCAL else f"neighbour_{route - codes.NEIGHBOUR + 1}"
            prompts = d.seen[f"{peer}/inbox_jobs"] + d.seen.get(f"{peer}/sent_since", 0.0)
            assert d["prefill_waiting_s"][c] == pytest.approx(prompts * prefill_s, rel=1e-4)
            slower += d["slowdown"][c] > 0.0
            if d.service.kind == "inference" and device == 0.0:
                check_alone(d, c, node, precision, prefill_s)
    return loads, slower


def test_cells_count_the_ues_that_they_serve_and_report_them():
    env = BatchEnv("campus", 2, **{"ues.speed_min_m_s": 5.0, "ues.speed_max_m_s": 15.0})
    env.reset(seed=4)
    world, nodes, reports = env.world, env.num_agents, 0
    for _ in range(1500):
        env.step(np.zeros((2, nodes), np.int64))
        serving = np.stack([np.bincount(world.ue["node"][b], minlength=nodes) for b in range(2)])
        assert np.array_equal(world.node["n_ues"], serving)
        fresh = np.abs(world.link["report_s"] - world.episode["now_s"][:, None, None]) < 1e-9
        assert np.array_equal(world.link["seen_ues"][fresh], serving[:, world.neighbour][fresh])
        reports += fresh.sum()
    assert reports > 1000
    assert world.tally["handovers"].min() > 5


def check_alone(d, c, node, precision, prefill_s):
    """A whole model at a node: its prompt by the public cost functions, chunks and overheads apart; its memory to the byte."""
    scenario, job = d.env.scenario, d.job
    model = d.service.family[d.env.action_table[c, 4]]
    device = scenario.devices[int(d.world.site[node].accelerator)]
    if not d.service.inputs:
        longer = prefill_s / float(costs.prefill_s(model, device, job.setup_tokens, precision))
        # Long prompts come in chunks: each later one is a pass of its own, and reads what is cached.
        assert 0.98 < longer < (1.02 if job.setup_tokens <= scenario.serving.token_budget else 2.0)
    free = d.world.server[d.b, d.i].free_bytes
    if node == d.i and d[f"load_{precision}"][c] == 0.0:
        v = int(d.world.choice[int(job.service), d.env.action_table[c, 4]].weights) * len(scenario.actions.precision)
        v += [str(p) for p in scenario.actions.precision].index(precision)
        row = d.world.model[v]
        tokens = job.setup_tokens + max(
            d.world.service[int(job.service)].mean_output_tokens - job.done_tokens, 16.0 if job.done_tokens else 0.0
        )
        need = row.kv_bytes * row.layers * tokens
        check_slowdown(d, c, v, model, device, precision, tokens)
        assert d["need_share"][c] == pytest.approx(min(1e3, need / max(free, 1e6)), rel=1e-4)


def check_slowdown(d, c, v, model, device, precision, tokens):
    """At the own node: what an iteration takes longer with the job in it, for all who decode there, over the cycle then."""
    server, variant = d.world.server[d.b, d.i], d.world.variant[d.b, d.i, v]
    if variant.tokens != variant.decoders or variant.tokens != int(
        variant.tokens
    ):  # drafts or parts of a model run there, too
        return
    output = tokens - d.job.setup_tokens
    context, n = d.job.setup_tokens + 0.5 * output, float(variant.tokens)
    iteration_s = [float(costs.decode_step_s(model, device, context, max(k, 1.0), precision)) for k in (n + 1.0, n)]
    load = d.env.scenario.serving.ran_share * d.world.node[d.b, d.i].ran_load
    added_s = (iteration_s[0] - (iteration_s[1] if n else 0.0)) / (1.0 - load)
    expected = server.n_admitted * added_s / (server.cycle_s + added_s)
    assert d["slowdown"][c] == pytest.approx(expected, rel=0.02, abs=1e-3)
    assert (d["slowdown_over_30ms"][c] > 0.0) == (expected > 0.0 and server.cycle_s + added_s > 0.03)


def test_entries_are_what_their_names_say(decisions):
    """The comparisons are in `check`, which has met loads and nodes at work."""
    assert sum(loads for loads, _ in decisions) > 0
    assert sum(slower for _, slower in decisions) > 0
