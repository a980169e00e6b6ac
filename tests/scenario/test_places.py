"""Nodes at given places: the same as a grid where they stand as on one, checked by real distances, refused with what would be right."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edge6g_env import load_scenario
from edge6g_env.build.places import bands_of, near_boxes_m, neighbours_of, node_positions_m, nodes_by_tile, tiles_of
from edge6g_env.scenario import Scenario

SITE = [[0.0, 0.0], [120.0, 30.0], [60.0, 210.0], [400.0, 180.0], [130.0, 40.0]]


def at(places: object, **more: object) -> Scenario:
    return load_scenario("tiny", **{"nodes.positions_m": places, **more})


def moved(places: np.ndarray, x_m: float, y_m: float) -> list[list[float]]:
    return (np.array(places) + np.array([x_m, y_m])).tolist()


@pytest.mark.parametrize("name", ["campus", "tiny", "dense-urban"])
def test_the_places_of_a_grid_make_the_same_area_and_neighbours(name):
    grid = load_scenario(name)
    given = load_scenario(name, **{"nodes.positions_m": moved(node_positions_m(grid), -1234.5, 99.25)})
    assert given.nodes.columns is given.nodes.spacing_m is None
    assert given.area_m == pytest.approx(grid.area_m, abs=1e-9)
    assert node_positions_m(given) == pytest.approx(node_positions_m(grid), abs=1e-9)
    if len(grid.radio.presets) == 1:
        assert (neighbours_of(given) == neighbours_of(grid)).all()
    assert given.fingerprint != grid.fingerprint
    assert load_scenario(given).to_toml() == given.to_toml()


def test_the_area_is_what_surrounds_the_places_and_half_of_the_median_nearest_distance():
    scenario = at(SITE)
    nearest = [min(math.dist(one, other) for other in SITE if other is not one) for one in SITE]
    margin_m = sorted(nearest)[2] / 2.0
    assert scenario.area_m == pytest.approx((400.0 + 2.0 * margin_m, 210.0 + 2.0 * margin_m))
    assert node_positions_m(scenario) == pytest.approx(np.array(SITE) + margin_m)
    given = at(moved(SITE, 5.0, 7.0), **{"nodes.area_m": [500.0, 300.0]})
    assert given.area_m == (500.0, 300.0)
    assert node_positions_m(given).tolist() == moved(SITE, 5.0, 7.0)  # from its corner
    assert at([[30, 40]], **{"nodes.area_m": [100, 50]}).area_m == (100.0, 50.0)


def test_neighbours_go_by_distance_and_bands_by_number():
    scenario = load_scenario(
        "dense-urban", **{"nodes.positions_m": SITE, "nodes.neighbours": 4, "radio.candidate_cells": 2}
    )
    for i, peers in enumerate(neighbours_of(scenario)):
        expected = sorted((j for j in range(5) if j != i), key=lambda j: math.dist(SITE[i], SITE[j]))
        assert peers.tolist() == expected
    assert len(scenario.radio.presets) == 2
    assert bands_of(scenario).tolist() == [0, 1, 0, 1, 0]


def test_an_override_puts_places_where_the_grid_was_and_a_grid_where_places_were():
    given = at(SITE)
    assert given.nodes.count == 5
    again = load_scenario(given, **{"nodes.columns": 2, "nodes.spacing_m": 50.0})
    assert again.nodes.positions_m is None
    assert again.area_m == (100.0, 150.0)
    assert at(SITE, **{"nodes.count": 5}) == given


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"positions_m": SITE, "count": 4}, "nodes: positions_m has 5 places and count = 4: give as many, or leave count away"),
        ({"positions_m": [*SITE, SITE[1]]}, "nodes: positions_m[1] and positions_m[5] are 0 m apart: nodes stand at least 1 m from each"),
        ({"positions_m": [[0, 0], [9, 0], [9.5, 0]]}, "nodes: positions_m[1] and positions_m[2] are 0.5 m apart"),
        ({"positions_m": SITE, "area_m": [300, 300]}, "nodes: positions_m[3] = [400, 180] lies outside of area_m = [300, 300], which"),
        ({"positions_m": moved(SITE, -1.0, 0.0), "area_m": [500, 300]}, "nodes: positions_m[0] = [-1, 0] lies outside of area_m = [500, 3"),
        ({"positions_m": SITE, "columns": 2}, "nodes: positions_m takes the place of columns: leave one or the other away"),
        ({"area_m": [300, 300]}, "nodes: area_m goes with positions_m: the area of a grid is that of its squares"),
        ({"positions_m": [[3, 4]]}, "nodes: area_m is missing: one place alone does not say how large the area is"),
        ({"positions_m": [[0, 0], [3, 4, 5]]}, "nodes.positions_m[1]: List should have at most 2 items"),
        ({"positions_m": [[0, 0], [3, "4"]]}, "nodes.positions_m[1][1] = '4': Input should be a number"),
        ({"positions_m": [[0, 0], [math.nan, 4]]}, "nodes.positions_m[1][0] = nan"),
        ({"positions_m": [[0, 0], [9e6, 0]]}, "nodes: positions_m: they lie in 1.8e+07 m x 9e+06 m, an area may have 1e+06 m a side"),
        ({"positions_m": [[0, 0], [4000, 0], [8000, 0]]}, "nodes.positions_m: links are up to "),
        ({"positions_m": 3}, "nodes.positions_m = 3: Input should be a list in [ ]"),
        ({"positions_m": SITE, "area_m": [500]}, "nodes.area_m: List should have at least 2 items"),
        ({"positions_m": SITE, "area_m": [500, 0]}, "nodes.area_m[1] = 0: Input should be greater than or equal to 1"),
    ],
)  # fmt: skip
def test_places_that_cannot_be_are_refused_with_what_would_be_right(overrides, said, refusal):
    lines = refusal("tiny", **{f"nodes.{key}": value for key, value in overrides.items()})
    assert any(line.startswith(f"tiny.toml: {said}") for line in lines), lines


def test_links_are_checked_by_real_distances(refusal):
    """A hall's formulas hold to 150 m (TR 38.901): four places in a row of 120 m are near enough, a fifth far away is not."""
    row = {"nodes.positions_m": [[0.0, 0.0], [40.0, 0.0], [80.0, 0.0], [120.0, 0.0]], "radio.environment": "InH-Office"}
    scenario = load_scenario("tiny", **row)
    rng = np.random.default_rng(0)
    points = rng.uniform(0.0, scenario.area_m, (2000, 2))
    d_m = np.sort(np.linalg.norm(points[:, None] - node_positions_m(scenario)[None], axis=2), axis=1)
    for cells in (1, 2, 4, 16):
        bound_m = scenario.nodes.longest_link_m(cells)
        assert d_m[:, min(cells, 4) - 1].max() <= bound_m <= d_m[:, min(cells, 4) - 1].max() * 1.15
    (line,) = refusal("tiny", **{**row, "nodes.positions_m": [*row["nodes.positions_m"], [300.0, 0.0]]})
    assert line.startswith("tiny.toml: nodes.positions_m: links are up to ")
    assert "from anywhere in the area, InH-Office is valid to 150 m" in line


@pytest.mark.parametrize("seed", range(4))
def test_every_node_is_in_its_tile_and_no_nearer_than_the_count_of_tiles_says(seed):
    rng = np.random.default_rng(seed)
    places = rng.uniform(0.0, 1.0, (40, 2)) ** 3 * [2000.0, [30.0, 900.0][seed % 2]] + [
        [0.0, 2.0 * n] for n in range(40)
    ]
    scenario = at(places.tolist(), **{"nodes.neighbours": 3})
    tiles, (first, by_tile) = tiles_of(scenario), nodes_by_tile(scenario)
    assert sorted(by_tile) == list(range(40))
    assert first[0] == 0
    assert first[-1] == 40
    assert tiles.tile_columns * tiles.tile_m >= scenario.area_m[0]
    assert tiles.tile_rows * tiles.tile_m >= scenario.area_m[1]
    for t in range(len(first) - 1):
        row, column = divmod(t, tiles.tile_columns)
        for i in by_tile[first[t] : first[t + 1]]:
            x_m, y_m = node_positions_m(scenario)[i] / tiles.tile_m
            assert column <= x_m <= column + 1
            assert row <= y_m <= row + 1


@pytest.mark.parametrize(
    "places", [SITE, [[0.0, 0.0], [400.0, 0.0]], [[0.0, 0.0], [0.0, 90.0], [300.0, 200.0], [150.0, 100.0]]]
)
def test_the_box_of_a_node_holds_all_that_is_near_to_it_and_little_else(places):
    low, high = np.min(places, axis=0), np.max(places, axis=0)
    for scenario in (at(places), at(moved(places, *-low), **{"nodes.area_m": np.maximum(high - low, 60.0).tolist()})):
        positions = node_positions_m(scenario)
        points = np.random.default_rng(1).uniform(0.0, scenario.area_m, (40_000, 2))
        nearest = np.linalg.norm(points[:, None] - positions[None], axis=2).argmin(axis=1)
        for i, (west_m, east_m, south_m, north_m) in enumerate(near_boxes_m(scenario)):
            own = points[nearest == i]
            assert (own >= [west_m, south_m]).all()
            assert (own <= [east_m, north_m]).all()
            assert own.min(axis=0) == pytest.approx([west_m, south_m], abs=0.03 * max(scenario.area_m))
            assert own.max(axis=0) == pytest.approx([east_m, north_m], abs=0.03 * max(scenario.area_m))
