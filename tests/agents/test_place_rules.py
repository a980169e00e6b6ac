"""Rules that choose a place and take the usual row there: which place, on observations made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from agents.policy import Observation
from edge6g_env.kernel.codes import LOCAL, NEIGHBOUR
from edge6g_env.spaces import Layout
from tests.made import made
from tests.scene import draw, first_best, jobs, set_candidates, set_entry

ROUTE = 0
PLACES = ("node", "neighbour_1", "neighbour_2")


def put_jobs(layout: Layout, obs: Observation, *counts: float) -> None:
    """Jobs at the own node, beside the one that is decided, and at the neighbours."""
    for k, (place, count) in enumerate(zip(PLACES, counts, strict=True)):
        set_entry(layout, obs, f"{place}/queue_jobs", count + (k == 0))
        for part in ("inbox_jobs", "sequences"):
            set_entry(layout, obs, f"{place}/{part}", 0.0)


def many(obs: Observation, times: int) -> Observation:
    """The same worlds over and over."""
    return {name: np.repeat(value, times, axis=0) for name, value in obs.items()}


def test_power_of_two_takes_the_shorter_of_two_drawn_queues(layout: Layout, obs: Observation, rng: np.random.Generator):
    """Of three queues of different lengths the longest is never taken, the shortest by two of three pairs."""
    put_jobs(layout, obs, 4, 1, 7)
    routes = layout.action_table[made("power-of-two", layout).act(many(obs, 1_000), rng), ROUTE]
    assert set(np.unique(routes)) == {LOCAL, NEIGHBOUR}
    assert (routes == NEIGHBOUR).mean() == pytest.approx(2.0 / 3.0, abs=5.0 * np.sqrt(2.0 / 9.0 / routes.size))


def test_power_of_two_breaks_ties_evenly_and_draws_no_neighbour_that_does_not_exist(
    layout: Layout, obs: Observation, rng: np.random.Generator
):
    put_jobs(layout, obs, 3, 3, 0)
    set_entry(layout, obs, "neighbour_2/exists", 0.0)
    routes = layout.action_table[made("power-of-two", layout).act(many(obs, 1_000), rng), ROUTE]
    assert (routes == LOCAL).mean() == pytest.approx(0.5, abs=5.0 * np.sqrt(0.25 / routes.size))
    assert (routes <= NEIGHBOUR).all()


def test_device_first_leaves_the_device_only_where_it_must(layout: Layout, obs: Observation, rng: np.random.Generator):
    policy, names = made("device-first", layout), layout.action_names
    whole = [c for c, name in enumerate(names) if "1 on the device" in name]
    assert set(policy.act(obs, rng).ravel()) == {names.index("local, 1 on the device, int4")}
    obs["action_mask"][..., names.index("local, 1 on the device, int4")] = 0  # it cannot hold that
    assert np.isin(policy.act(obs, rng), whole).all()
    obs["action_mask"][..., whole] = 0
    assert set(policy.act(obs, rng).ravel()) == {names.index("local, int4")}


@pytest.mark.parametrize("legal", [1.0, 0.4])
def test_model_affinity_goes_where_the_weights_are_and_then_where_fewest_jobs_are(
    legal: float, layout: Layout, obs: Observation, rng: np.random.Generator
):
    policy, counts = made("model-affinity", layout), (5.0, 2.0, 9.0)
    there = {"local": 5.0, "neighbour 1": 2.0, "neighbour 2": 9.0}
    split = {f"{share:g}": n for n, share in enumerate(layout.scenario.actions.device_split)}
    cut = {f"{share:g}": n for n, share in enumerate(layout.scenario.actions.edge_split)}
    for _ in range(10):
        draw(layout, obs, rng, legal)
        put_jobs(layout, obs, *counts)
        load_s = rng.choice([0.0, 1.5], obs["action_mask"].shape)
        set_candidates(layout, obs, "load_s", load_s)
        actions = policy.act(obs, rng)
        for b, i, rows in jobs(layout, obs):
            at_nodes = [row for row in rows if row.where in there]
            if at_nodes:
                steps = {row.c: split[row.on_device] + cut[row.at_ingress] for row in at_nodes}
                few = [row for row in at_nodes if steps[row.c] == min(steps.values())]
                assert actions[b, i] == first_best(few, lambda row: (-row.load_s, -there[row.where]))


@pytest.mark.parametrize(
    ("weights", "place"),
    [
        ((1.0, 0.0, 0.0), 1),  # fewest jobs: 4, 0, 8
        ((0.0, 1.0, 0.0), 2),  # most free memory: 0.3, 0.2, 0.6
        ((0.0, 0.0, 1.0), 0),  # weights: 1, 0.5, 0
        ((1.0, 1.0, 1.0), 0),  # 0.5 + 0.3 + 1 before 1 + 0.2 + 0.5 and 0 + 0.6 + 0
        ((2.0, 1.0, 1.0), 1),  # 1 + 0.3 + 1 behind 2 + 0.2 + 0.5
        ((0.0, 3.0, 1.0), 0),  # 0.9 + 1 before 0.6 + 0.5 and 1.8
        ((0.0, 3.0, 0.5), 2),
    ],
)
def test_llm_d_adds_up_its_scores(
    weights: tuple[float, ...], place: int, layout: Layout, obs: Observation, rng: np.random.Generator
):
    put_jobs(layout, obs, 4, 0, 8)
    set_entry(layout, obs, "node/kv_share", 0.5)
    set_entry(layout, obs, "node/weight_share", 0.2)
    for name, free, resident in (("node", None, 1.0), ("neighbour_1", 0.2, 0.5), ("neighbour_2", 0.6, 0.0)):
        if free is not None:
            set_entry(layout, obs, f"{name}/free_share", free)
        set_entry(layout, obs, f"{name}/resident_int4", resident)
    named = dict(zip(("queue_weight", "kv_weight", "residency_weight"), weights, strict=True))
    actions = made("llm-d", layout, **named).act(obs, rng)
    assert (layout.action_table[actions, ROUTE] == LOCAL + place).all()


def test_llm_d_stays_where_all_are_equal_and_ignores_neighbours_that_do_not_exist(
    layout: Layout, obs: Observation, rng: np.random.Generator
):
    put_jobs(layout, obs, 3, 3, 3)
    set_entry(layout, obs, "node/weight_share", 1.0)
    assert (layout.action_table[made("llm-d", layout).act(obs, rng), ROUTE] == LOCAL).all()
    put_jobs(layout, obs, 30, 0, 0)
    set_entry(layout, obs, "neighbour_1/exists", 0.0)
    assert (layout.action_table[made("llm-d", layout).act(obs, rng), ROUTE] == NEIGHBOUR + 1).all()
