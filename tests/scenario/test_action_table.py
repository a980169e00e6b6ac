"""The action table: every combination once, each with its name, and layers that follow the shares."""

import numpy as np
import pytest

import edge6g_env
from edge6g_env import costs, load_scenario
from edge6g_env.device_split import DRAFT
from edge6g_env.kernel import codes as k
from edge6g_env.spaces import Layout, action_layers, cut_layer


@pytest.fixture(params=edge6g_env.scenarios())
def layout(request):
    return Layout(load_scenario(request.param))


def test_hold_is_row_0_reject_row_1_and_rows_are_distinct(layout):
    table = layout.action_table
    assert table.shape == (layout.num_actions, 5)
    assert table.dtype == np.int64
    assert table[0].tolist() == [k.HOLD, 0, 0, 0, 0]
    assert table[1].tolist() == [k.REJECT, 0, 0, 0, 0]
    assert len({tuple(row) for row in table.tolist()}) == len(table)
    assert len(set(layout.action_names)) == len(layout.action_names) == len(table)


def test_every_meaningful_combination_is_there(layout):
    """Counted by hand: local takes no edge split, nor does a draft; a whole model on the device goes with local only."""
    grid = layout.scenario.actions
    inside = [split for split in grid.device_split if split != DRAFT and split < 1.0]
    local = len(grid.device_split)
    beyond = (layout.scenario.neighbours + 1) * (len(inside) * len(grid.edge_split) + (DRAFT in grid.device_split))
    assert layout.num_actions == 2 + (local + beyond) * len(grid.precision) * layout.scenario.most_models
    routes = set(layout.action_table[:, 0].tolist())
    assert routes == set(range(layout.cloud_route + 1))


def test_what_means_nothing_in_a_row_is_0(layout):
    table, grid = layout.action_table, layout.scenario.actions
    local = table[:, 0] == k.LOCAL
    assert (table[local, 2] == 0).all()
    beyond = table[:, 0] > k.LOCAL
    assert all(grid.device_split[d] != 1.0 for d in table[beyond, 1])
    drafts = [grid.device_split[d] == DRAFT for d in table[:, 1]]
    assert (table[drafts, 2] == 0).all()


def test_names_say_the_row(layout):
    grid = layout.scenario.actions
    for row, name in zip(layout.action_table, layout.action_names, strict=True):
        route, d, e, p, m = row.tolist()
        if route <= k.REJECT:
            assert name == ("hold", "reject")[route]
            continue
        if layout.scenario.most_models > 1:
            name, _, model = name.rpartition(", ")
            assert model == f"model {m + 1}"
        where, *middle, precision = name.split(", ")
        neighbour = f"neighbour {route - k.NEIGHBOUR + 1}"
        assert where == ("local" if route == k.LOCAL else "cloud" if route == layout.cloud_route else neighbour)
        assert precision == grid.precision[p]
        split = grid.device_split[d]
        words = [f"{split if split == DRAFT else format(split, 'g')} on the device"] if d else []
        words += [f"{grid.edge_split[e]:g} of the rest at the ingress"] if e else []
        assert middle == words


def test_layers_of_an_action_add_up(layout):
    scenario = layout.scenario
    totals = [costs.model(name).layers for name in scenario.models for _ in scenario.actions.precision]
    layers = action_layers(scenario, layout.action_table, totals)
    assert layers.shape == (layout.num_actions, len(totals), 2)
    for c, (route, d, e, *_) in enumerate(layout.action_table):
        if route < k.LOCAL:
            assert (layers[c] == 0).all()
            continue
        for v, total in enumerate(totals):
            first, second = layers[c, v]
            split = scenario.actions.device_split[d]
            share = 0.0 if split == DRAFT else split
            assert abs(first - share * total) <= 0.5 + 1e-9 or first in (1, total - 1)
            assert 0 <= first <= second <= total
            assert (first == 0) == (share == 0.0)
            assert (first == total) == (share == 1.0)
            if route == k.LOCAL:
                assert second == total
            else:
                assert (second == first) == (scenario.actions.edge_split[e] == 0.0)
                assert second < total  # a target has something to do


@pytest.mark.parametrize(
    ("share", "layers", "expected"),
    [
        (0.0, 32, 0),
        (1.0, 32, 32),
        (0.5, 32, 16),
        (0.125, 28, 4),
        (0.01, 32, 1),
        (0.99, 32, 31),
        (0.25, 2, 1),
        (0.75, 2, 1),
    ],
)
def test_a_share_is_at_least_a_layer_and_leaves_one(share, layers, expected):
    assert cut_layer(share, layers) == expected


def test_entries_have_names_units_and_ranges(layout):
    for features in (layout.observation, layout.candidates):
        names = [feature.name for feature in features]
        assert len(set(names)) == len(names)
        assert all(feature.unit and feature.low < feature.high for feature in features)
        assert all(feature.scale in ("linear", "log") for feature in features)
        assert all(feature.low == 0.0 for feature in features if feature.scale == "log")
    assert layout.candidates[-1].name == "utility"
    with pytest.raises(KeyError, match="no entry"):
        layout.observation_index("node/qwertz")


def test_a_space_has_the_shapes_of_the_names(layout):
    space = layout.agent_space(candidates=True)
    assert space["observation"].shape == (len(layout.observation),)
    assert space["action_mask"].shape == (layout.num_actions,)
    assert space["candidates"].shape == (layout.num_actions, len(layout.candidates))
    assert set(layout.agent_space(candidates=False).spaces) == {"observation", "action_mask"}
