"""Worlds that stand in one batch and differ in values: each is of a scenario of its own, another one in every episode."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, NoReturn

import numpy as np

from edge6g_env._entry import Run, run_of
from edge6g_env._last_step import LastStep
from edge6g_env.batch import BatchEnv, rows_of
from edge6g_env.build import make_world
from edge6g_env.errors import UserError
from edge6g_env.kernel.handle import handle_of
from edge6g_env.kernel.world import World
from edge6g_env.scenario import Scenario
from edge6g_env.spaces import Layout, WidestLayout

_TABLES = World._fields[: World._fields.index("flight")]  # what a scenario decides, and worlds of one share
_TOLD = (
    "step",
    "result",
    "decision",
    "last_tally",
    "last_busy_s",
)  # arrays of what the last step left, which a reset begins anew


Found = tuple[str, str, str] | None


def difference(one: Scenario, other: Scenario) -> Found:
    """What keeps worlds of two scenarios from standing in one batch, in words: what it is, in the one and in the other; None: nothing."""
    layouts = Layout(one), Layout(other)
    return _of_layouts(*layouts) or _of_sizes(*(make_world(of, 1, candidates=False, debug=False) for of in layouts))


def _of_layouts(one: Layout, other: Layout) -> Found:
    """The first of agents, UEs, observation and actions that is not the same; `state()` is made of these."""
    for what, of in (("agents", "nodes.count"), ("UEs", "num_ues")):
        mine, theirs = (attrgetter(of)(layout.scenario) for layout in (one, other))
        if mine != theirs:
            return f"the number of {what}", str(mine), str(theirs)
    return one.difference(other)


def _of_sizes(one: World, other: World) -> Found:
    """The first array that has another size for a world."""
    theirs = rows_of(other)
    for name, mine in rows_of(one).items():
        if mine.shape[1:] != theirs[name].shape[1:]:
            return f"the size of {name!r} in a world", str(mine.shape[1:]), str(theirs[name].shape[1:])
    return None


class VariedBatch(BatchEnv):
    """B worlds of one layout, each in the scenario that belongs to its seed and the number of its episode.

    To the bit a world is that of a BatchEnv of this scenario with this seed in this episode. It is stepped, through the doors too; it
    cannot fly or be cloned. `scenario` is the first one, `layout` has ranges that are wide enough for all.
    """

    copies_worlds = False

    def __init__(
        self,
        scenarios: Sequence[Scenario],
        scenario_of: Callable[[int, int], Scenario],
        num_worlds: int = 64,
        *,
        threads: int = 1,
        observe: str = "plain",
        skip_idle: bool = False,
        debug: bool = False,
    ) -> None:
        """scenarios: whose ranges hold those of all; scenario_of: of a seed and the number of an episode, from 0, the same whenever it
        is asked; the rest: see BatchEnv.

        Raises UserError for scenarios that differ in more than values; so does whatever begins an episode in such a one.
        """
        self._scenarios, self._scenario_of = tuple(scenarios), scenario_of
        self._runs: dict[int, Run] = {}
        self._seen_by: dict[int, tuple[World, Any, Scenario]] = {}
        super().__init__(
            self._scenarios[0], num_worlds, threads=threads, observe=observe, skip_idle=skip_idle, debug=debug
        )

    def _make_layout(self) -> Layout:
        first, *others = map(Layout, self._scenarios)
        for other in others:
            _refuse(_of_layouts(first, other), self.scenario, other.scenario)
        return WidestLayout(self.scenario, tuple(others))

    def _make_world(self) -> World:
        world = super()._make_world()
        self._time = np.repeat(world.time, self.num_worlds)  # (B,)
        self._site = np.tile(world.site, (self.num_worlds, 1))  # (B, N)
        return world

    def _connect(self) -> None:
        super()._connect()
        self._runs, self._seen_by = {}, {}
        if self._started:
            self._fit(range(self.num_worlds))

    def __getstate__(self) -> dict[str, Any]:
        """See BatchEnv."""
        return {name: value for name, value in super().__getstate__().items() if name not in ("_runs", "_seen_by")}

    @property
    def _run(self) -> Run:
        return self._run_each

    def _run_each(self, first: int, end: int, task: int) -> None:
        """A task of the kernel, world by world, with the tables of each; one without has not begun."""
        for b in range(first, end):
            if b in self._runs:
                self._runs[b](b, b + 1, task)

    def _fit(self, worlds: Iterable[int]) -> None:
        """Give worlds the tables of the episodes that stand in them; nothing is given where one of them does not fit."""
        found_of: dict[int, tuple[World, World, Scenario]] = {}
        for b in worlds:
            layout = Layout(self._scenario_at(self.last_step.step[b]))
            made = make_world(layout, 1, candidates=self.observe == "candidates", debug=self.debug)
            found = _of_layouts(self.layout, layout) or _of_sizes(self.world, made)
            _refuse(found, self.scenario, layout.scenario)
            tables = {name: getattr(made, name) for name in _TABLES}
            found_of[b] = made, self.world._replace(**tables), layout.scenario
        for b, (made, world, scenario) in found_of.items():
            self._time[b], self._site[b] = made.time[0], made.site
            self._seen_by[b] = world, handle_of(world), scenario
            self._runs[b] = run_of(self._seen_by[b][1])

    def _scenario_at(self, step: np.void) -> Scenario:
        return self._scenario_of(int(step["seed"]), int(step["episode"]))

    def _seen(self, worlds: slice) -> World:
        time, site = (array[worlds].view(np.recarray) for array in (self._time, self._site))
        return self.world._replace(time=time, site=site)

    def seen(self, world: int) -> tuple[World, Any]:
        """See BatchEnv."""
        return self._seen_by[world][:2]

    def episode_slots(self, world: int) -> int:
        """See BatchEnv."""
        return int(self._time["episode_slots"][world])

    def scenario_of(self, world: int) -> Scenario:
        """See BatchEnv."""
        return self._seen_by[world][2] if self._started else self.scenario

    def restart(self, chosen: np.ndarray, seeds: np.ndarray, at_start: np.ndarray) -> None:
        """See BatchEnv; a scenario that does not fit leaves all as it was."""
        before = np.array(self.last_step.step)
        try:
            super().restart(chosen, seeds, at_start)
        except BaseException:
            self.last_step.step[...] = before
            raise

    def reset_worlds(self, chosen: np.ndarray) -> None:
        """See BatchEnv."""
        self._fit(np.flatnonzero(chosen).tolist())
        super().reset_worlds(chosen)

    def advance(self, actions: Any) -> LastStep:
        """See BatchEnv; a world whose episode has ended begins the next one in another scenario."""
        last = super().advance(actions)
        ended = last.ended()
        if ended.any():
            told = [np.array(getattr(self.world, name)[ended]) for name in _TOLD]
            self.reset_worlds(ended)
            for name, rows in zip(_TOLD, told, strict=True):
                getattr(self.world, name)[ended] = rows
        return last

    def save_state(self, world: int | None = None) -> dict[str, np.ndarray]:
        """See BatchEnv."""
        state = super().save_state(world)
        return {**state, "fingerprint": np.array(self._drawn(state["step"]))}

    def load_state(self, state: dict[str, np.ndarray], world: int | None = None) -> None:
        """See BatchEnv; a world's scenario must be that of its seed and episode here, too."""
        step = state.get("step")
        if (
            step is None
            or step.dtype != self.last_step.step.dtype
            or str(state.get("fingerprint")) != self._drawn(step)
        ):
            raise UserError("the saved state does not fit: it is not of worlds that vary as these do")
        super().load_state({**state, "fingerprint": np.array(self.scenario.fingerprint)}, world)
        if self._started:
            self._fit(range(self.num_worlds) if world is None else [world])

    def _drawn(self, steps: np.ndarray) -> str:
        """Fingerprints of the scenarios of some worlds."""
        return "+".join(self._scenario_at(step).fingerprint for step in steps.view(np.ndarray))

    def fly(self, *arguments: Any, **options: Any) -> NoReturn:
        """UserError: a flight has one scenario."""
        raise UserError("worlds that vary do not fly: make a BatchEnv of each scenario")

    def clone(self, *arguments: Any, **options: Any) -> NoReturn:
        """UserError: copies have one scenario."""
        raise UserError("worlds that vary are not cloned: make a BatchEnv of each scenario")


def _refuse(found: Found, one: Scenario, other: Scenario) -> None:
    """UserError if something differs between worlds of two scenarios."""
    if found is not None:
        what, here, there = found
        raise UserError(
            f"worlds of one batch differ in values alone: {what} is {here} in {one.label}, {there} in {other.label}"
        )
