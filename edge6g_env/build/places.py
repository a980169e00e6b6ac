"""Where the nodes stand, which band each has, and who is whose neighbour."""

from __future__ import annotations

import numpy as np

from edge6g_env.build._records import from_columns
from edge6g_env.costs.memory import usable_bytes
from edge6g_env.kernel.fields import DTYPES
from edge6g_env.scenario import Scenario


def node_positions_m(scenario: Scenario) -> np.ndarray:
    """float64 (N, 2): nodes at the centres of a grid's cells."""
    index = np.arange(scenario.nodes.count)
    cell = np.stack([index % scenario.nodes.columns, index // scenario.nodes.columns], axis=1)
    return (cell + 0.5) * scenario.nodes.spacing_m


def bands_of(scenario: Scenario) -> np.ndarray:
    """int64 (N,): index of each node's band in `radio.presets`, in turn along rows and columns: two bands make a chessboard."""
    row, column = np.divmod(np.arange(scenario.nodes.count), scenario.nodes.columns)
    return (column + row) % len(scenario.radio.presets)


def neighbours_of(scenario: Scenario) -> np.ndarray:
    """int64 (N, K): the nearest other nodes, nearest first, ties by index."""
    position = node_positions_m(scenario)
    distance = np.hypot(*(position[:, None, :] - position[None, :, :]).transpose(2, 0, 1))
    np.fill_diagonal(distance, np.inf)
    return np.argsort(distance, axis=1, kind="stable")[:, : scenario.neighbours].astype(np.int64)


def sites(scenario: Scenario) -> np.recarray:
    """SITE (N,)"""
    nodes = scenario.nodes
    own = [nodes.device_of(i) for i in range(nodes.count)]
    usable = [usable_bytes(scenario.device_spec(name), nodes.memory_of_gb(i)) for i, name in enumerate(own)]
    position = node_positions_m(scenario)
    return from_columns(
        DTYPES["site"],
        accelerator=np.array([scenario.devices.index(name) for name in own]),
        band=bands_of(scenario),
        x_m=position[:, 0],
        y_m=position[:, 1],
        usable_bytes=np.array(usable),
    )
