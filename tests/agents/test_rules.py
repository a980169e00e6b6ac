"""The law of each rule, on observations made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from agents.policy import Observation, make_rule, rule_names, start
from edge6g_env.kernel.codes import HOLD, LOCAL, NEIGHBOUR, REJECT
from edge6g_env.spaces import Layout
from tests.made import made

ROUTE, DEVICE_SPLIT, EDGE_SPLIT, PRECISION = range(4)


def act(name: str, layout: Layout, obs: Observation, rng: np.random.Generator) -> np.ndarray:
    policy = made(name, layout)
    start(policy, len(obs["action_mask"]))
    return policy.act(obs, rng)


def routes(name: str, layout: Layout, obs: Observation, rng: np.random.Generator) -> np.ndarray:
    return layout.action_table[act(name, layout, obs, rng), ROUTE]


def put(obs: Observation, layout: Layout, name: str, value: float) -> None:
    obs["observation"][..., layout.observation_index(name)] = value


def test_greedy_takes_the_legal_candidate_of_highest_utility(
    layout: Layout, obs: Observation, rng: np.random.Generator
):
    utility = layout.candidate_index("utility")
    obs["candidates"][..., utility] = rng.random(obs["action_mask"].shape)
    obs["action_mask"][...] = rng.random(obs["action_mask"].shape) < 0.2
    obs["action_mask"][..., [HOLD, REJECT]] = 1
    actions = act("greedy", layout, obs, rng)
    for b, i in np.ndindex(actions.shape):
        legal = np.flatnonzero(obs["action_mask"][b, i])
        assert actions[b, i] == max(legal, key=lambda c: obs["candidates"][b, i, c, utility])


def test_greedy_breaks_ties_by_the_lowest_index(layout: Layout, obs: Observation, rng: np.random.Generator):
    obs["candidates"][..., [9, 5, 40], layout.candidate_index("utility")] = 1.0
    assert (act("greedy", layout, obs, rng) == 5).all()


def test_greedy_does_not_mistake_the_zeros_of_illegal_rows_for_utility(
    layout: Layout, obs: Observation, rng: np.random.Generator
):
    obs["candidates"][..., :7, layout.candidate_index("utility")] = -3.0
    obs["candidates"][..., 4, layout.candidate_index("utility")] = -2.0
    obs["action_mask"][..., 7:] = 0
    assert (act("greedy", layout, obs, rng) == 4).all()


@pytest.mark.parametrize(
    ("own", "peers", "route"),
    [
        ((5, 2, 3), ((1, 1, 1, 0), (4, 4, 4, 0)), NEIGHBOUR),
        ((5, 2, 3), ((1, 1, 1, 3), (1, 1, 0, 3)), NEIGHBOUR + 1),
        ((1, 0, 0), ((0, 0, 0, 0), (0, 0, 0, 0)), LOCAL),  # only the job itself waits here
        ((3, 0, 0), ((0, 0, 1, 0), (0, 1, 0, 0)), NEIGHBOUR),  # two others here, one at each neighbour
        ((2, 0, 1), ((0, 0, 0, 2), (0, 2, 0, 0)), LOCAL),  # a tie stays
    ],
)
def test_jsq_goes_where_the_fewest_jobs_are(
    layout: Layout, obs: Observation, rng: np.random.Generator, own: tuple, peers: tuple, route: int
):
    for part, value in zip(("queue_jobs", "inbox_jobs", "sequences"), own, strict=True):
        put(obs, layout, f"node/{part}", value)
    for n, jobs in enumerate(peers, start=1):
        for part, value in zip(("queue_jobs", "inbox_jobs", "sequences", "sent_since"), jobs, strict=True):
            put(obs, layout, f"neighbour_{n}/{part}", value)
    assert (routes("jsq", layout, obs, rng) == route).all()


def test_jsq_never_goes_to_a_neighbour_that_does_not_exist(layout: Layout, obs: Observation, rng: np.random.Generator):
    put(obs, layout, "node/sequences", 50.0)
    put(obs, layout, "neighbour_2/sequences", 40.0)
    put(obs, layout, "neighbour_1/exists", 0.0)
    assert (routes("jsq", layout, obs, rng) == NEIGHBOUR + 1).all()


def test_local_and_cloud_keep_to_their_route(layout: Layout, obs: Observation, rng: np.random.Generator):
    assert (routes("local", layout, obs, rng) == LOCAL).all()
    assert (routes("cloud", layout, obs, rng) == layout.cloud_route).all()


def test_defaults_are_the_smallest_splits_and_the_default_precision(
    layout: Layout, obs: Observation, rng: np.random.Generator
):
    grid = layout.scenario.actions
    row = layout.action_table[act("cloud", layout, obs, rng)[0, 0]]
    assert row.tolist() == [layout.cloud_route, 0, 0, grid.precision.index("int4"), 0]


def test_the_smallest_legal_split_and_the_next_precision_are_taken(
    layout: Layout, obs: Observation, rng: np.random.Generator
):
    table, grid = layout.action_table, layout.scenario.actions
    last = len(grid.precision) - 1
    assert grid.precision[last] == grid.default_precision  # the next one is the first
    obs["action_mask"][..., (table[:, DEVICE_SPLIT] < 2) & (table[:, ROUTE] >= LOCAL)] = 0
    obs["action_mask"][..., (table[:, EDGE_SPLIT] < 1) & (table[:, ROUTE] == layout.cloud_route)] = 0
    obs["action_mask"][..., (table[:, PRECISION] == last) & (table[:, DEVICE_SPLIT] == 2)] = 0
    assert table[act("cloud", layout, obs, rng)[0, 0]].tolist() == [layout.cloud_route, 2, 1, 0, 0]


def test_a_route_without_a_legal_row_becomes_local_then_another_place_then_reject(
    layout: Layout, obs: Observation, rng: np.random.Generator
):
    route, mask = layout.action_table[:, ROUTE], obs["action_mask"]
    mask[..., route == layout.cloud_route] = 0
    assert (routes("cloud", layout, obs, rng) == LOCAL).all()
    mask[..., route == LOCAL] = 0
    assert (routes("cloud", layout, obs, rng) == NEIGHBOUR).all()
    mask[..., route > REJECT] = 0
    assert (routes("cloud", layout, obs, rng) == REJECT).all()


def test_random_is_uniform_over_legal_actions_without_hold(layout: Layout, obs: Observation, rng: np.random.Generator):
    legal, draws = [HOLD, REJECT, 4, 17, layout.num_actions - 1], 4_000
    shape = (draws, layout.scenario.nodes.count, layout.num_actions)
    mask = np.zeros(shape, np.int8)
    mask[..., legal] = 1
    actions = act("random", layout, {**obs, "action_mask": mask}, rng)
    chosen, counts = np.unique(actions, return_counts=True)
    assert chosen.tolist() == legal[1:]
    expected = actions.size / len(chosen)
    assert np.abs(counts - expected).max() < 5.0 * np.sqrt(expected)


def test_round_robin_takes_turns_and_waits_for_agents_without_a_job(
    layout: Layout, obs: Observation, rng: np.random.Generator
):
    policy = make_rule("round-robin", layout)
    start(policy, 2)
    obs["action_mask"][1, 2, REJECT:] = 0
    table = layout.action_table
    seen = [table[policy.act(obs, rng), ROUTE] for _ in range(5)]
    assert [int(step[0, 0]) for step in seen] == [LOCAL, NEIGHBOUR, NEIGHBOUR + 1, layout.cloud_route, LOCAL]
    assert {int(step[1, 2]) for step in seen} == {HOLD}
    obs["action_mask"][1, 2, REJECT:] = 1
    assert table[policy.act(obs, rng), ROUTE][1].tolist() == [NEIGHBOUR, NEIGHBOUR, LOCAL]
    start(policy, 2)
    assert (table[policy.act(obs, rng), ROUTE] == LOCAL).all()


def test_round_robin_refuses_a_batch_that_it_was_not_reset_for(
    layout: Layout, obs: Observation, rng: np.random.Generator
):
    policy = make_rule("round-robin", layout)
    start(policy, 5)
    with pytest.raises(ValueError, match="reset for 5 worlds, the batch has 2"):
        policy.act(obs, rng)


@pytest.mark.parametrize("name", rule_names())
def test_without_a_job_every_rule_holds(name: str, layout: Layout, obs: Observation, rng: np.random.Generator):
    obs["action_mask"][..., REJECT:] = 0
    actions = act(name, layout, obs, rng)
    assert actions.dtype == np.int64
    assert actions.shape == obs["action_mask"].shape[:2]
    assert (actions == HOLD).all()
