"""Observations drawn at random, with the flags and shares of candidates as the action table has them; rows said in words."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from agents.policy import Observation
from edge6g_env.kernel.codes import HOLD, LOCAL, NEIGHBOUR, REJECT
from edge6g_env.spaces import Layout

TIMES = ("ttft_s", "tpot_s", "load_s", "wait_s", "upload_s", "accelerator_s", "cloud_place_s", "cycle_s")
LATER = 20.0  # s, the longest of these times


def draw(layout: Layout, obs: Observation, rng: np.random.Generator, legal: float) -> None:
    """Fill the observations: times, shares and utilities of candidates, counts of nodes, services; each action legal with a chance."""
    table, shape = layout.action_table, obs["action_mask"].shape
    obs["action_mask"][...] = rng.random(shape) < legal
    obs["action_mask"][..., [HOLD, REJECT]] = 1
    for name in TIMES:
        set_candidates(layout, obs, name, LATER * rng.random(shape))
    for name in ("utility", "quality", "timeliness"):
        set_candidates(layout, obs, name, rng.random(shape))
    set_candidates(layout, obs, "sequences", rng.integers(0, 9, shape))
    route = table[:, 0]
    flags = {"is_reject": route == REJECT, "is_local": route == LOCAL, "is_cloud": route == layout.cloud_route}
    flags["is_neighbour"] = (route >= NEIGHBOUR) & ~flags["is_cloud"]
    for name, rows in flags.items():
        set_candidates(layout, obs, name, np.broadcast_to(rows, shape))
    for name in ("queue_jobs", "inbox_jobs", "sequences"):
        for place in ("node", *(f"neighbour_{n}" for n in range(1, layout.scenario.neighbours + 1))):
            set_entry(layout, obs, f"{place}/{name}", rng.integers(1, 9, shape[:2]))
    set_entry(layout, obs, "job/mean_output_tokens", 1.0 + 200.0 * rng.random(shape[:2]))
    set_entry(layout, obs, "job/value", 0.5 + rng.random(shape[:2]))
    which = rng.integers(0, len(layout.scenario.service), shape[:2])
    for s, service in enumerate(layout.scenario.service):
        set_entry(layout, obs, f"job/service_{service.name}", which == s)


def set_candidates(layout: Layout, obs: Observation, name: str, value: np.ndarray | float) -> None:
    obs["candidates"][..., layout.candidate_index(name)] = value


def set_entry(layout: Layout, obs: Observation, name: str, value: np.ndarray | float) -> None:
    obs["observation"][..., layout.observation_index(name)] = value


class Row:
    """One legal action of one job, as a test reads it."""

    def __init__(self, layout: Layout, obs: Observation, b: int, i: int, c: int) -> None:
        self.c, self._layout, self._own, self._of_job = c, layout, obs["candidates"][b, i, c], obs["observation"][b, i]
        self.words = layout.action_names[c].split(", ")
        self.where, self.precision = self.words[0], self.words[-1]
        self.on_device = next(
            (w.removesuffix(" on the device") for w in self.words if w.endswith("on the device")), "0"
        )
        self.at_ingress = next((w.split()[0] for w in self.words if w.endswith("at the ingress")), "0")

    def __getattr__(self, name: str) -> float:
        """An entry of the candidate."""
        return float(self._own[self._layout.candidate_index(name)])

    def job(self, name: str) -> float:
        """An entry of the job's."""
        return float(self._of_job[self._layout.observation_index(f"job/{name}")])

    @property
    def serves(self) -> bool:
        return self.where not in ("hold", "reject")


def jobs(layout: Layout, obs: Observation) -> Iterator[tuple[int, int, list[Row]]]:
    """World, node and legal actions but `hold` of each job."""
    for b, i in np.ndindex(obs["action_mask"].shape[:2]):
        yield b, i, [Row(layout, obs, b, i, int(c)) for c in np.flatnonzero(obs["action_mask"][b, i]) if c != HOLD]


def first_best(rows: list[Row], key) -> int:
    """The lowest row of highest key."""
    return max(rows, key=lambda row: (key(row), -row.c)).c
