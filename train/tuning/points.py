"""Points of a search for the values of `static` and `restricted`: where it starts, and what lies beside a point."""

from __future__ import annotations

from collections.abc import Iterator

from agents.values import RESTRICTED, STATIC, Value, all_choices, choices
from edge6g_env.scenario import Scenario
from train.tuning.descent import Point


def starts(rule: str, scenario: Scenario) -> Iterator[tuple[str, Point]]:
    """No cut, and each precision everywhere; where there are families, the smallest and the largest models at the default one, too."""
    every = {service.name: choices(scenario, service) for service in scenario.service}
    if rule == RESTRICTED:
        grid = all_choices(scenario)
        for precision in grid["precision"]:
            whole = [share for share in grid["device_split"] if share in (0.0, 1.0)]
            point = {**grid, "device_split": whole, "edge_split": [0.0], "precision": [precision]}
            yield f"no cuts, {precision}", point
        yield "all values", grid  # last: of equal ends the first is taken, the one with fewer values
        return
    cuts = {"device_split": 0.0, "edge_split": 0.0}
    for precision in scenario.actions.precision:
        yield (
            precision,
            {one.name: {**cuts, "precision": precision, "model": one.default} for one in scenario.service},
        )
    if any(len(grid["model"]) > 1 for grid in every.values()):
        default = scenario.actions.default_precision
        for which, index in (("smallest", 0), ("largest", -1)):
            of = {name: {**cuts, "precision": default, "model": grid["model"][index]} for name, grid in every.items()}
            yield f"{default}, {which} models", of


def coordinates(rule: str, scenario: Scenario, point: Point) -> Iterator[tuple[str, list[Point]]]:
    """(name, the points that differ from this one in that coordinate alone)."""
    yield from (_of_static if rule == STATIC else _of_restricted)(scenario, point)


def _of_static(scenario: Scenario, point: Point) -> Iterator[tuple[str, list[Point]]]:
    """Each column of each service, with all its other values; the whole model on the device is none."""
    for service in scenario.service:
        mine = point[service.name]
        for column, grid in choices(scenario, service).items():
            others = [value for value in grid if value != mine[column] and (column, value) != ("device_split", 1.0)]
            if others:
                points = [{**point, service.name: {**mine, column: value}} for value in others]
                yield f"{service.name} {column}", points


def _of_restricted(scenario: Scenario, point: Point) -> Iterator[tuple[str, list[Point]]]:
    """Each column, with one value more or less, or one alone."""
    free = {model for one in scenario.service if len(of := choices(scenario, one)["model"]) > 1 for model in of}
    for column, grid in all_choices(scenario).items():
        mine: list[Value] = point[column]
        movable = [value for value in grid if column != "model" or value in free]
        fixed = [value for value in grid if value not in movable]
        toggled = [[one for one in grid if (one in mine) != (one == value)] for value in movable]
        alone = [[one for one in grid if one == value or one in fixed] for value in movable]
        others = {tuple(subset): subset for subset in (*toggled, *alone) if set(subset) - set(fixed) and subset != mine}
        if others:
            yield column, [{**point, column: subset} for subset in others.values()]
