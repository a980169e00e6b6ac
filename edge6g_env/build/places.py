"""Where the nodes stand, which band each has, who is whose neighbour, and which nodes are near a place; and what each UE is."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from edge6g_env.build._records import from_columns
from edge6g_env.costs.memory import usable_bytes
from edge6g_env.kernel.fields import DTYPES
from edge6g_env.scenario import Scenario


def node_positions_m(scenario: Scenario) -> np.ndarray:
    """float64 (N, 2): x, y of each node, from the south-west corner of the area."""
    return scenario.nodes.places_m


def bands_of(scenario: Scenario) -> np.ndarray:
    """int64 (N,): index of each node's band in `radio.presets`: in turn, of a grid along rows and columns, so that two bands make a
    chessboard."""
    index, nodes = np.arange(scenario.nodes.count), scenario.nodes
    if nodes.columns is not None:
        row, column = np.divmod(index, nodes.columns)
        index = column + row
    return index % len(scenario.radio.presets)


def neighbours_of(scenario: Scenario) -> np.ndarray:
    """int64 (N, K): the nearest other nodes, nearest first, ties by index."""
    position = node_positions_m(scenario)
    distance = np.hypot(*(position[:, None, :] - position[None, :, :]).transpose(2, 0, 1))
    np.fill_diagonal(distance, np.inf)
    return np.argsort(distance, axis=1, kind="stable")[:, : scenario.neighbours].astype(np.int64)


class Tiles(NamedTuple):
    """Squares that make up the area, by which the kernel finds the nodes near a place; see MOBILITY."""

    tile_columns: int
    tile_rows: int
    tile_m: float
    tile_reach: float


_ROUNDING = 1e-6  # of a side
_INSIDE_M = 1e-3


def tiles_of(scenario: Scenario) -> Tiles:
    """The squares of a grid, each with its node in the middle; of given places as many as nodes, about, whoever stands in them."""
    nodes = scenario.nodes
    if nodes.positions_m is None:
        return Tiles(*nodes.grid, 0.5 + _ROUNDING)
    width_m, height_m = nodes.sides_m
    side_m = max(math.sqrt(width_m * height_m / nodes.count), max(width_m, height_m) / nodes.count)
    return Tiles(math.ceil(width_m / side_m), math.ceil(height_m / side_m), side_m, 1.0 + _ROUNDING)


def nodes_by_tile(scenario: Scenario) -> tuple[np.ndarray, np.ndarray]:
    """World.tile and World.tile_node."""
    tiles = tiles_of(scenario)
    most = np.array([tiles.tile_columns, tiles.tile_rows]) - 1
    column, row = np.minimum((node_positions_m(scenario) / tiles.tile_m).astype(np.int64), most).T
    tile = row * tiles.tile_columns + column
    nodes = np.argsort(tile, kind="stable").astype(np.int64)
    count = tiles.tile_columns * tiles.tile_rows
    return np.searchsorted(tile[nodes], np.arange(count + 1)).astype(np.int64), nodes


def near_boxes_m(scenario: Scenario) -> np.ndarray:
    """float64 (N, 4): west, east, south, north end of the places in the area that are nearer to a node than to any other one.

    Mirrored in the borders, the nodes divide the plane such that the parts of the area's own ones end at the borders.
    """
    from scipy.spatial import Voronoi  # it takes a while, and only lists of UEs need it

    sides_m = np.array(scenario.nodes.sides_m)
    places = np.clip(node_positions_m(scenario), _INSIDE_M, sides_m - _INSIDE_M)  # nobody is his own image
    mirrored = [places]
    for axis, border in ((0, 0.0), (0, 1.0), (1, 0.0), (1, 1.0)):
        image = places.copy()
        image[:, axis] = 2.0 * border * sides_m[axis] - image[:, axis]
        mirrored.append(image)
    diagram = Voronoi(np.concatenate(mirrored))
    corners = [diagram.vertices[diagram.regions[diagram.point_region[i]]] for i in range(len(places))]
    low = np.clip([one.min(axis=0) - 2.0 * _INSIDE_M for one in corners], 0.0, sides_m)
    high = np.clip([one.max(axis=0) + 2.0 * _INSIDE_M for one in corners], 0.0, sides_m)
    return np.stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1]], axis=1)


def equipment(scenario: Scenario) -> np.recarray:
    """EQUIPMENT (U,)"""
    ues, count = scenario.ues, scenario.num_ues
    return from_columns(
        DTYPES["equipment"],
        accelerator=np.array([scenario.devices.index(ues.device_of(u)) for u in range(count)]),
        tx_power_w=np.array([ues.tx_power_of_w(u) for u in range(count)]),
        home=np.array(scenario.ue_homes or [-1] * count),
    )


def sites(scenario: Scenario) -> np.recarray:
    """SITE (N,)"""
    nodes = scenario.nodes
    own = [nodes.device_of(i) for i in range(nodes.count)]
    usable = [usable_bytes(scenario.device_spec(name), nodes.memory_of_gb(i)) for i, name in enumerate(own)]
    position = node_positions_m(scenario)
    box_m = near_boxes_m(scenario) if scenario.ue_homes else np.zeros((nodes.count, 4))
    return from_columns(
        DTYPES["site"],
        accelerator=np.array([scenario.devices.index(name) for name in own]),
        band=bands_of(scenario),
        x_m=position[:, 0],
        y_m=position[:, 1],
        usable_bytes=np.array(usable),
        **dict(zip(("west_m", "east_m", "south_m", "north_m"), box_m.T, strict=True)),
    )
