"""The probes: what each is blind to changes nothing that it does."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from agents.policy import Observation, make_rule, rule_class, start
from agents.rules._plans import static_plan
from edge6g_env.batch import BatchEnv
from edge6g_env.kernel.codes import LOCAL, NEIGHBOUR, REJECT
from edge6g_env.scenario import load_scenario
from edge6g_env.spaces import Layout, device_shares
from tests.made import made
from tests.scene import draw, first_best, jobs, set_candidates, set_entry


def test_no_neighbours_is_restricted_where_there_are_none(layout: Layout, obs: Observation, rng: np.random.Generator):
    probe, restricted = make_rule("probe-no-neighbours", layout), make_rule("restricted", layout)
    route = layout.action_table[:, 0]
    neighbours = (route >= NEIGHBOUR) & (route < layout.cloud_route)
    for _ in range(20):
        draw(layout, obs, rng, 0.6)
        actions = probe.act(obs, rng)
        assert not neighbours[actions].any()
        obs["action_mask"][..., neighbours] = 0
        assert (restricted.act(obs, rng) == actions).all()


def test_no_neighbours_reads_nothing_of_them(layout: Layout, obs: Observation, rng: np.random.Generator):
    probe = make_rule("probe-no-neighbours", layout)
    draw(layout, obs, rng, 0.6)
    before, route = probe.act(obs, rng), layout.action_table[:, 0]
    theirs = [n for n, feature in enumerate(layout.observation) if feature.name.startswith("neighbour_")]
    obs["observation"][..., theirs] = 7.0
    obs["candidates"][:, :, (route >= NEIGHBOUR) & (route < layout.cloud_route)] = 7.0
    assert (probe.act(obs, rng) == before).all()


def test_no_load_undoes_what_a_queue_does_to_a_forecast(layout: Layout, obs: Observation, rng: np.random.Generator):
    """A wait and an iteration of others at each node move timeliness and utility by the scenario's formula, and not the probe."""
    probe, greedy = make_rule("probe-no-load", layout), made("greedy", layout)
    at = layout.candidate_index
    shape, (ttft_slo_s, tpot_slo_s) = obs["action_mask"].shape, (2.0, 0.1)
    draw(layout, obs, rng, 0.7)
    set_entry(layout, obs, "job/ttft_slo_s", ttft_slo_s)
    set_entry(layout, obs, "job/tpot_slo_s", tpot_slo_s)
    value = obs["observation"][..., layout.observation_index("job/value"), None]
    table = layout.action_table
    node = (table[:, 0] >= LOCAL) & (table[:, 0] < layout.cloud_route) & (device_shares(layout.scenario, table) < 1.0)
    set_candidates(layout, obs, "target_share", node)
    ttft_s, tpot_s, costs = 4.0 * rng.random(shape), 0.2 * rng.random(shape), rng.random(shape)

    def forecast(wait_s: np.ndarray, cycle_s: np.ndarray) -> None:
        times = ("ttft_s", ttft_s + wait_s), ("tpot_s", tpot_s + cycle_s), ("wait_s", wait_s), ("cycle_s", cycle_s)
        for name, entry in times:
            set_candidates(layout, obs, name, entry)
        in_time = np.minimum(1.0, ttft_slo_s / (ttft_s + wait_s)) * np.minimum(1.0, tpot_slo_s / (tpot_s + cycle_s))
        set_candidates(layout, obs, "timeliness", in_time)
        set_candidates(layout, obs, "utility", value * obs["candidates"][..., at("quality")] * in_time - costs)
        obs["candidates"][..., REJECT, :] = 0.0
        obs["candidates"][..., REJECT, at("utility")] = -0.1

    nothing = np.zeros(shape)
    forecast(nothing, nothing)
    alone, free = probe.act(obs, rng), greedy.act(obs, rng)
    forecast(5.0 * rng.random(shape) * node, 0.3 * rng.random(shape) * node)
    busy = probe.act(obs, rng)
    assert (busy == alone).mean() >= 0.8  # float32
    utility = value * obs["candidates"][..., at("quality")]
    utility = utility * np.minimum(1.0, ttft_slo_s / ttft_s) * np.minimum(1.0, tpot_slo_s / tpot_s) - costs
    lost = np.take_along_axis(utility, alone[..., None], -1) - np.take_along_axis(utility, busy[..., None], -1)
    assert np.abs(lost).max() < 1e-5
    assert (greedy.act(obs, rng) != free).any()


def test_no_load_of_a_deadline_counts_the_whole_answer(layout: Layout, obs: Observation, rng: np.random.Generator):
    """Of two nodes that are too late by their queues, the one that would be in time alone: 1 s + 99 x 10 ms before 2 s."""
    draw(layout, obs, rng, 1.0)
    plan = static_plan(layout)["chat"]
    set_entry(layout, obs, "job/service_chat", 1.0)
    set_entry(layout, obs, "job/service_assistant", 0.0)
    for name, value in (("deadline_s", 2.0), ("mean_output_tokens", 100.0), ("value", 1.0), ("ttft_slo_s", 9.0)):
        set_entry(layout, obs, f"job/{name}", value)
    set_candidates(layout, obs, "utility", -5.0)
    first, second = (
        next(c for c, name in enumerate(layout.action_names) if name == f"{where}, {plan['precision']}")
        for where in ("local", "neighbour 1")
    )
    for row, ttft_s, tpot_s, wait_s in ((first, 8.0, 0.03, 7.0), (second, 3.0, 0.01, 0.0)):
        entries = {"ttft_s": ttft_s, "tpot_s": tpot_s, "wait_s": wait_s, "cycle_s": 0.02 if row == first else 0.0}
        entries |= {"target_share": 1.0, "quality": 1.0, "timeliness": 0.2 if row == first else 0.5}
        for name, value in (entries | {"utility": entries["timeliness"]}).items():
            obs["candidates"][..., row, layout.candidate_index(name)] = value
    assert (made("greedy", layout).act(obs, rng) == second).all()
    assert (make_rule("probe-no-load", layout).act(obs, rng) == first).all()


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_no_channel_keeps_to_its_share(share: float, layout: Layout, obs: Observation, rng: np.random.Generator):
    names = [service.name for service in layout.scenario.service]
    policy = made("probe-no-channel", layout, **{f"device_share_{name}": share for name in names})
    shares = device_shares(layout.scenario, layout.action_table)
    nearest = min(layout.scenario.actions.device_split, key=lambda one: abs(one - share))
    for _ in range(10):
        draw(layout, obs, rng, 1.0)
        actions = policy.act(obs, rng)
        assert (np.isin(actions, [REJECT]) | (shares[actions] == nearest)).all()
        for b, i, rows in jobs(layout, obs):
            (name,) = [one for one in names if rows[0].job(f"service_{one}") == 1.0]
            plan = static_plan(layout)[name]
            own = [
                row
                for row in rows
                if row.where == "reject"
                or (
                    row.on_device == f"{nearest:g}"
                    and row.precision == plan["precision"]
                    and (row.where == "local" or row.at_ingress == f"{plan['edge_split']:g}")
                )
            ]
            assert actions[b, i] == first_best(own, lambda row: row.utility)


PLACES = ("device", "local", "neighbour", "cloud")


def test_time_sends_its_shares_in_turn_whatever_it_sees(layout: Layout, obs: Observation, rng: np.random.Generator):
    """Over 400 turns every place has its share to within a job or two, neighbours alike; a second play is the same."""
    weights = {"device": 0.2, "local": 0.4, "neighbour": 0.1, "cloud": 0.3}
    values = {f"{place}_{s.name}": weight for s in layout.scenario.service for place, weight in weights.items()}
    policy = made("probe-time", layout, **values)
    whole = device_shares(layout.scenario, layout.action_table) == 1.0
    draw(layout, obs, rng, 1.0)
    plays = []
    for _ in range(2):
        start(policy, len(obs["action_mask"]))
        plays.append([])
        for _ in range(400):
            theirs = [n for n, f in enumerate(layout.observation) if not f.name.startswith("job/")]
            obs["observation"][..., theirs] = rng.random((*obs["observation"].shape[:2], len(theirs)))
            obs["candidates"][...] = rng.random(obs["candidates"].shape)
            plays[-1].append(policy.act(obs, rng))
    assert (np.array(plays[0]) == np.array(plays[1])).all()
    route = layout.action_table[:, 0]
    counts = Counter(np.where(whole, 0, route)[np.array(plays[0])[:, 0, 0]].tolist())
    assert counts[0] == pytest.approx(400 * 0.2, abs=3)
    assert counts[LOCAL] == pytest.approx(400 * 0.4, abs=3)
    assert counts[layout.cloud_route] == pytest.approx(400 * 0.3, abs=3)
    assert counts[NEIGHBOUR] == pytest.approx(400 * 0.05, abs=3)
    assert abs(counts[NEIGHBOUR] - counts[NEIGHBOUR + 1]) <= 1


def test_time_keeps_the_share_of_neighbours_that_are_not_there():
    layout = Layout(load_scenario("tiny", **{"nodes.count": 1, "nodes.columns": 1, "nodes.neighbours": 0}))
    values = {f"{place}_{s.name}": float(place == "neighbour") for s in layout.scenario.service for place in PLACES}
    policy = rule_class("probe-time")(layout, values=values)
    env, rng = BatchEnv(layout.scenario, 2), np.random.default_rng(0)
    obs, routes = env.reset(seed=0), []
    start(policy, 2)
    for _ in range(400):
        actions = policy.act(obs, rng)
        waits = obs["action_mask"][..., REJECT] == 1
        routes += layout.action_table[actions[waits], 0].tolist()
        obs = env.step(actions)[0]
    assert len(routes) > 3
    assert {*routes} == {LOCAL}


def test_time_takes_the_plan_of_static_at_its_place(layout: Layout, obs: Observation, rng: np.random.Generator):
    draw(layout, obs, rng, 1.0)
    values = {f"{place}_{s.name}": float(place == "local") for s in layout.scenario.service for place in PLACES}
    policy = made("probe-time", layout, **values)
    start(policy, len(obs["action_mask"]))
    actions = policy.act(obs, rng)
    for b, i, rows in jobs(layout, obs):
        (name,) = [s.name for s in layout.scenario.service if rows[0].job(f"service_{s.name}") == 1.0]
        plan, taken = static_plan(layout)[name], next(row for row in rows if row.c == actions[b, i])
        assert (taken.where, taken.precision, taken.on_device) == (
            "local",
            plan["precision"],
            f"{plan['device_split']:g}",
        )


def test_time_refuses_a_batch_that_it_was_not_reset_for(layout: Layout, obs: Observation, rng: np.random.Generator):
    policy = made("probe-time", layout)
    start(policy, 5)
    with pytest.raises(ValueError, match="reset for 5 worlds, the batch has 2"):
        policy.act(obs, rng)
