"""The table [nodes] of a scenario: devices, memory, and where the nodes stand, on a grid or at given places."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field, model_validator

from edge6g_env.errors import MissingKeyError, UserError
from edge6g_env.scenario_tables import Positive, Table, in_a_list, left_out

_LEAST_APART_M = 1.0
_GRID = ("columns", "spacing_m")
_MOST_M = 1e6
_SAMPLES = 64  # a side of the area, where the longest link is looked for

Coordinate = Annotated[float, Field(ge=-1e7, le=1e7)]
Side = Annotated[float, Field(ge=1.0, le=_MOST_M)]


class Nodes(Table):
    """Edge nodes on a grid, or at given places: devices are given out in turn.
    Acts: build/places.py
    """

    replaces: ClassVar[dict[str, tuple[str, ...]]] = {
        "positions_m": (*_GRID, "count"),
        **dict.fromkeys(_GRID, ("positions_m", "area_m")),
    }
    """What an override of a key leaves behind."""
    worked_out: ClassVar[tuple[str, ...]] = ("count",)

    count: Annotated[int, Field(ge=1, le=1024)]
    """How many. Where places are given, as many as these if it is left out."""
    columns: Annotated[int, Field(ge=1)] | None = None
    """Of a grid: nodes in each row, one after another.
    Default: none: nodes have columns and spacing_m, or positions_m"""
    spacing_m: Annotated[float, Field(ge=1.0, le=1e5)] | None = None
    """From node to node of a grid, which stand in the middle of squares that make up the area.
    Default: none: nodes have columns and spacing_m, or positions_m
    Acts: scenario_nodes.py"""
    positions_m: (
        Annotated[list[Annotated[list[Coordinate], Field(min_length=2, max_length=2)]], Field(min_length=1)] | None
    ) = left_out()
    """In place of a grid: [x, y] of each node, to the east and to the north.
    Default: none: nodes have columns and spacing_m, or positions_m"""
    area_m: Annotated[list[Side], Field(min_length=2, max_length=2)] | None = left_out()
    """Width and height of the area, where places are given, which then count from its south-west corner.
    Default: what surrounds all places, and half of the median distance to the nearest other one around that"""
    devices: Annotated[list[str], Field(min_length=1)]
    """Their accelerators, given out in turn (`edge6g list devices`, or own ones)."""
    memory_gb: Annotated[list[Positive], Field(min_length=1), in_a_list(Positive)] | None = None
    """Memory of the nodes: a number, or one a device, given out with them. The same share of it is usable.
    Default: that of the data sheet
    Acts: kernel/places/memory.py"""
    neighbours: Annotated[int, Field(ge=0, le=8)]
    """Nearest others that a node can send to."""

    @model_validator(mode="before")
    @classmethod
    def _counts_places(cls, data: Any) -> Any:
        places = data.get("positions_m") if isinstance(data, Mapping) else None
        return {"count": len(places), **data} if isinstance(places, list) else data

    @model_validator(mode="after")
    def _has_memory_for_each(self) -> Nodes:
        if self.memory_gb and len(self.memory_gb) not in (1, len(self.devices)):
            raise UserError(f"memory_gb must be one number, or one a device, {len(self.devices)}")
        return self

    @model_validator(mode="after")
    def _stands_somewhere(self) -> Nodes:
        given = [key for key in _GRID if getattr(self, key) is not None]
        if self.positions_m is not None:
            if given:
                raise UserError(f"positions_m takes the place of {' and '.join(given)}: leave one or the other away")
            self._check_places(len(self.positions_m))
        elif len(given) < len(_GRID):
            raise MissingKeyError(next(key for key in _GRID if key not in given))
        elif self.area_m is not None:
            raise UserError("area_m goes with positions_m: the area of a grid is that of its squares")
        return self

    def _check_places(self, places: int) -> None:
        """As many as nodes, none at that of another or outside of the area; UserError otherwise."""
        if places != self.count:
            raise UserError(
                f"positions_m has {places} places and count = {self.count}: give as many, or leave count away"
            )
        if places == 1 and self.area_m is None:
            raise UserError(
                "area_m is missing: one place alone does not say how large the area is, as [400.0, 300.0] does"
            )
        if places > 1:
            nearest_m, nearest = _nearest(self.positions_m)
            one = int(nearest_m.argmin())
            if nearest_m[one] < _LEAST_APART_M:
                raise UserError(
                    f"positions_m[{one}] and positions_m[{nearest[one]}] are {nearest_m[one]:g} m apart: nodes stand at least "
                    f"{_LEAST_APART_M:g} m from each other"
                )
        width_m, height_m = self.sides_m
        if max(width_m, height_m) > _MOST_M:
            raise UserError(
                f"positions_m: they lie in {width_m:g} m x {height_m:g} m, an area may have {_MOST_M:g} m a side"
            )
        for i, (x_m, y_m) in enumerate(self.places_m):
            if not (0.0 <= x_m <= width_m and 0.0 <= y_m <= height_m):
                raise UserError(
                    f"positions_m[{i}] = [{x_m:g}, {y_m:g}] lies outside of area_m = [{width_m:g}, {height_m:g}], which begins at [0, 0]"
                )

    def device_of(self, i: int) -> str:
        """Device of node i."""
        return self.devices[i % len(self.devices)]

    def memory_of_gb(self, i: int) -> float | None:
        """Memory of node i where it is not that of the data sheet."""
        return self.memory_gb[i % len(self.devices) % len(self.memory_gb)] if self.memory_gb else None

    @property
    def grid(self) -> tuple[int, int, float]:
        """(columns, rows, spacing in m) of a grid, whose last row need not be full."""
        assert self.columns is not None
        assert self.spacing_m is not None
        return min(self.columns, self.count), -(-self.count // self.columns), self.spacing_m

    @property
    def places_in_words(self) -> str:
        """Where they stand, in words."""
        return "nodes at given places" if self.spacing_m is None else f"nodes {self.spacing_m:g} m apart"

    @property
    def places_m(self) -> np.ndarray:
        """float64 (N, 2): x, y of each node, from the south-west corner of the area."""
        if self.positions_m is None:
            index, (columns, _, spacing_m) = np.arange(self.count), self.grid
            return (np.stack([index % columns, index // columns], axis=1) + 0.5) * spacing_m
        places = np.array(self.positions_m)
        return places if self.area_m is not None else places - places.min(axis=0) + self._margin_m

    @property
    def sides_m(self) -> tuple[float, float]:
        """Width, west to east, and height of the area, in m."""
        if self.positions_m is None:
            columns, rows, spacing_m = self.grid
            return columns * spacing_m, rows * spacing_m
        width_m, height_m = self.area_m or np.ptp(self.positions_m, axis=0) + 2.0 * self._margin_m
        return float(width_m), float(height_m)

    @property
    def _margin_m(self) -> float:
        return 0.5 * float(np.median(_nearest(self.positions_m)[0]))

    def longest_link_m(self, cells: int) -> float:
        """No less than the distance from anywhere in the area to the nearest `cells` nodes, or to all of them."""
        across_m = float(np.hypot(*self.sides_m))
        if self.positions_m is None:
            return min(across_m, (cells + 1) * self.grid[2])
        from scipy.spatial import KDTree

        x_m, y_m = (np.linspace(0.0, side_m, _SAMPLES + 1) for side_m in self.sides_m)
        points = np.stack(np.meshgrid(x_m, y_m), axis=-1).reshape(-1, 2)
        distance_m, _ = KDTree(self.places_m).query(points, k=[min(cells, self.count)])
        return min(across_m, float(distance_m.max()) + 0.5 * across_m / _SAMPLES)  # no place is farther from a sample


def _nearest(positions_m: Any) -> tuple[np.ndarray, np.ndarray]:
    """(distance in m, index) of the nearest other place to each one."""
    from scipy.spatial import KDTree  # it takes a while, and grids need none

    distance_m, index = KDTree(positions_m).query(positions_m, k=2)
    itself = index[:, 0] == np.arange(len(index))
    return distance_m[:, 1], np.where(itself, index[:, 1], index[:, 0])
