"""What was predicted of decisions beside what came: the utility of the candidate that was taken, and the worth that the job then had."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypedDict

import numpy as np
from rich import box
from rich.table import Table

from agents.policy import Around, MakePolicy, Observation, Policy
from edge6g_env.kernel.codes import EXPIRED, HOLD, LOCAL, NEIGHBOUR, REJECT
from edge6g_env.spaces import Layout, device_shares, drafts
from eval.decisions import columns_of
from eval.statistics import Interval, ratio_interval

NOTE = (
    "Predicted: mean utility of the candidate that was taken, at the decision that the job went by. Came: mean of what its decider got for "
    "it. Of measured jobs that were decided; a difference above 0 is a promise that was not kept, its 95 % interval is over the seeds. "
    "Cut off: jobs that the end of the episode ended, which count as expired; no forecast knows of it, and there are none where "
    "time.drain_s is as long as the longest expire_s."
)


class Forecast(TypedDict):
    """Decisions of one group: how many, their share, means of utility and worth, the mean difference with its interval, and the share of
    their jobs that the end of the episode cut off."""

    group: str
    value: str
    decisions: int
    share: float
    predicted: float
    came: float
    difference: float
    low: float | None
    high: float | None
    cut_off: float


class Group(NamedTuple):
    """A way to tell decisions apart: names of its values, and the number of each action's, -1 where it has none; int64 (C,)."""

    name: str
    values: list[str]
    numbers: np.ndarray


class Foreseeing(Around):
    """A policy that is shown candidates whether it reads them or not, so that what they promise can be noted."""

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self.needs_candidates = True

    @classmethod
    def made_by(cls, make: MakePolicy, layout: Layout) -> Foreseeing:
        """One around the policy that `make` makes."""
        return cls(make(layout))


class Promises:
    """Notes what the candidates that are taken promise, and finds it by the job's number."""

    def __init__(self, layout: Layout) -> None:
        self._utility = layout.candidate_index("utility")
        self._seen: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []  # world, job, utility

    def look(self, obs: Observation, actions: np.ndarray) -> np.ndarray | None:
        """Utility float64 (B, N) of each action before it is taken, NaN for hold; None without candidates."""
        if "candidates" not in obs:
            return None
        utility = np.take_along_axis(obs["candidates"][..., self._utility], actions[..., None], axis=-1)[..., 0]
        return np.where(actions == HOLD, np.nan, utility)

    def keep(self, promised: np.ndarray | None, jobs: np.ndarray, effects: np.ndarray, running: np.ndarray) -> None:
        """Note the decisions that were carried out; jobs, effects: int64 (B, N), `job` and `action_effect` of the step's info; running:
        bool (B,), worlds in their first episode, as job numbers begin anew with the next."""
        if promised is not None:
            worlds, agents = np.nonzero(np.isfinite(promised) & (jobs >= 0) & (effects == 0) & running[:, None])
            self._seen.append((worlds, jobs[worlds, agents], promised[worlds, agents]))

    def of(self, jobs: np.ndarray) -> np.ndarray:
        """What the last decision of each job promised, float64 (J,), NaN where none is known; jobs: rows of OUTCOME."""
        found = np.full(len(jobs), np.nan)
        if not self._seen:
            return found
        world, job, utility = (np.concatenate(part) for part in zip(*self._seen, strict=True))
        last = dict(zip(zip(world.tolist(), job.tolist(), strict=True), utility.tolist(), strict=True))
        keys = zip(jobs["world"].tolist(), jobs["job"].tolist(), strict=True)
        found[:] = [last.get(key, np.nan) for key in keys]
        return np.where(jobs["action"] >= 0, found, np.nan)


def groups_of(layout: Layout) -> list[Group]:
    """By kind (route, neighbours as one, and cut), then by every column of the action table that is no cut."""
    grid, (route, _, edge_split) = layout.scenario.actions, layout.action_table.T[:3]
    device, edge = device_shares(layout.scenario, layout.action_table), np.array(grid.edge_split)[edge_split] > 0.0
    cuts = ["uncut", "cut at the edge", "cut at the device", "cut at both", "whole on the device", "drafted"]
    cut = np.where(device >= 1.0, 4, 2 * (device > 0.0) + (edge & (route >= NEIGHBOUR)))
    cut[drafts(layout.scenario, layout.action_table)] = 5
    to = np.where(route == LOCAL, 0, np.where(route < NEIGHBOUR + layout.scenario.neighbours, 1, 2))
    kinds = [f"{where}, {how}" for where in ("local", "neighbour", "cloud") for how in cuts]
    runs = route >= LOCAL
    return [
        Group("kind", ["reject", *kinds], np.where(runs, 1 + len(cuts) * to + cut, np.where(route == REJECT, 0, -1))),
        Group("cut", cuts, np.where(runs, cut, -1)),
        *(
            Group(column.name, column.values, np.where(column.means, column.numbers, -1))
            for column in columns_of(layout)
            if column.name not in ("device_split", "edge_split")
        ),
    ]


def _cut_off(layout: Layout, jobs: np.ndarray) -> np.ndarray:
    """Whether the end of the episode ended each job before its time, bool (J,)."""
    lives_s = np.array([service.expire_s for service in layout.scenario.service])[jobs["service"]]
    early = jobs["end_s"] < jobs["arrival_s"] + lives_s - layout.scenario.time.slot_s
    return (jobs["phase"] == EXPIRED) & early


def forecasts(layout: Layout, jobs: np.ndarray, promised: np.ndarray) -> list[Forecast]:
    """Predicted beside came of every group of decisions that has any, and of all.

    jobs: (J,) rows of OUTCOME whose `world` is the index of the seed; promised: float64 (J,), NaN for jobs that were never decided.
    """
    known = np.isfinite(promised)
    jobs, promised = jobs[known], promised[known]
    if not len(jobs):
        return []
    names, cut = [service.name for service in layout.scenario.service], _cut_off(layout, jobs)
    found = [_forecast("all", "all", jobs, promised, cut, np.ones(len(jobs), bool))]
    for group in groups_of(layout):
        numbers = group.numbers[jobs["action"]]
        found += [
            _forecast(group.name, value, jobs, promised, cut, numbers == n) for n, value in enumerate(group.values)
        ]
    found += [_forecast("service", name, jobs, promised, cut, jobs["service"] == n) for n, name in enumerate(names)]
    return [row for row in found if row["decisions"]]


def _forecast(
    group: str, value: str, jobs: np.ndarray, promised: np.ndarray, cut: np.ndarray, mine: np.ndarray
) -> Forecast:
    predicted, came, count = promised[mine], jobs["worth"][mine], int(mine.sum())
    low, high = _interval(jobs["world"], predicted - came, mine) or (None, None)
    means = [float(values.mean()) if count else 0.0 for values in (predicted, came, predicted - came)]
    return Forecast(
        group=group, value=value, decisions=count, share=count / len(jobs), predicted=means[0], came=means[1], difference=means[2],
        low=low, high=high, cut_off=float(cut[mine].mean()) if count else 0.0,
    )  # fmt: skip


def _interval(worlds: np.ndarray, differences: np.ndarray, mine: np.ndarray) -> Interval | None:
    """Of the mean difference; a seed brings all its decisions with it."""
    places = worlds[mine]
    totals = np.bincount(places, weights=differences, minlength=worlds.max() + 1)
    return ratio_interval(totals, np.bincount(places, minlength=len(totals)))


def forecast_table(rows: list[Forecast]) -> Table:
    """One row a group of decisions."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0)
    table.add_column("decisions ", no_wrap=True)
    for head in ("%", "predicted", "came", "difference", "cut off %"):
        table.add_column(head, justify="right", no_wrap=True)
    for last, row in _with_last(rows):
        numbers = [f" {row[name]:.3f}".replace("-", "\N{MINUS SIGN}") for name in ("predicted", "came", "difference")]
        table.add_row(
            row["value"], f"{100.0 * row['share']:.1f}", *numbers, f"  {100.0 * row['cut_off']:.1f}", end_section=last
        )
    return table


def _with_last(rows: list[Forecast]) -> Iterator[tuple[bool, Forecast]]:
    """(whether the row is the last of its group, row)."""
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        yield following is None or following["group"] != row["group"], row
