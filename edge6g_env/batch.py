"""`BatchEnv`: B independent worlds as arrays. Every other door is an adapter over it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from edge6g_env import _arguments
from edge6g_env._entry import Run, run_of
from edge6g_env._last_step import LastStep, Observation
from edge6g_env._state import state_of
from edge6g_env._threads import Threads
from edge6g_env.build import make_world
from edge6g_env.errors import UserError
from edge6g_env.flight import Airfield, Flight, compiled_of, flight_keys
from edge6g_env.kernel import codes, mobility
from edge6g_env.kernel.checks import VIOLATIONS
from edge6g_env.kernel.handle import handle_of
from edge6g_env.kernel.world import STATE_ARRAYS, World
from edge6g_env.scenario import Scenario, load_scenario
from edge6g_env.snapshot import Snapshot, look
from edge6g_env.spaces import Layout

_MANY_WORLDS = 1024  # from here on it is looked whether they fit into memory
_BY_KIND = (
    "observation",
    "action_mask",
    "candidates",
)  # arrays (2, B, ...); in all others of a world's state B comes first
_SCRATCH = ("known", "chunk_layer_s", "forecast", "undrafted")
_CONNECTIONS = (
    "last_step",
    "_handle",
    "_threads",
    "_run",
    "_airfield",
    "_rows",
)  # made by _connect; they point into the arrays of one BatchEnv


class Counters(NamedTuple):
    """Jobs of each world since its episode began, int64 (B,): arrived = finished + rejected + expired + failed + in_flight."""

    arrived: np.ndarray
    finished: np.ndarray
    rejected: np.ndarray
    expired: np.ndarray
    failed: np.ndarray
    in_flight: np.ndarray


class Statistics(NamedTuple):
    """What else happened in each world since its episode began, int64 (B,) but for the last."""

    preempted: np.ndarray  # sequences put back for want of KV memory
    put_back: np.ndarray  # training jobs put back because a sequence lacked memory
    handovers: np.ndarray  # changes of the serving cell
    ping_pongs: np.ndarray  # of them: back to the cell before within a second
    outages: np.ndarray  # failures of a part
    requeued: np.ndarray  # jobs put back in their queue after a fault
    busy_s: np.ndarray  # float64 (B, N): time in which each node's accelerator has computed prompts, training or tokens


class BatchEnv:
    """B worlds of a scenario, stepped together by the kernel; arrays in, arrays out.

    Observations are a dict of arrays `observation` float32 (B, N, D), `action_mask` int8 (B, N, C) and, with
    observe="candidates", `candidates` float32 (B, N, C, F). They are the environment's own buffers, valid until the next call.
    A world that ends is reset in the same step; its last observation is in `info["final_obs"]`.
    """

    copies_worlds = True
    """Whether its worlds can be cloned and fly: they have one scenario."""

    def __init__(
        self,
        scenario: str | Path | Scenario = "campus",
        num_worlds: int = 64,
        *,
        threads: int = 1,
        observe: str = "plain",
        skip_idle: bool = False,
        debug: bool = False,
        **overrides: Any,
    ) -> None:
        """scenario: a name, a path to a TOML file or a Scenario; overrides: see load_scenario.

        threads: worlds are spread over that many, at most one a world; observe: "plain" or "candidates"; skip_idle: a step
        runs on to the next slot in which some agent of the world has a job to decide, rewards summed; debug: check the invariants
        in every slot (slow).
        Raises ScenarioError for a scenario that is not accepted, UserError (a ValueError) for other arguments.
        """
        _arguments.refuse_foreign(overrides, worlds="num_worlds is the number of worlds of batch_env and sb3_vec_env")
        self.num_worlds, self.threads = _arguments.count("num_worlds", num_worlds), _arguments.count("threads", threads)
        self.observe = _arguments.choice("observe", observe, ("plain", "candidates"))
        self.skip_idle, self.debug = _arguments.flag("skip_idle", skip_idle), _arguments.flag("debug", debug)
        self.scenario = load_scenario(scenario, **overrides)
        self.layout, self.num_agents = self._make_layout(), self.scenario.nodes.count
        self.world, self._started, self._closed = self._make_world(), False, False
        self._episode_slots = int(self.world.time[0].episode_slots)
        self._landed = False  # a flight may have left worlds at the end of their episodes
        space = self.layout.state_space
        self._state_low, self._state_high = space.low, space.high
        self._num_actions = self.layout.num_actions
        self._connect()

    def _make_layout(self) -> Layout:
        return Layout(self.scenario)

    def _make_world(self) -> World:
        options = {"candidates": self.observe == "candidates", "debug": self.debug}
        if self.num_worlds >= _MANY_WORLDS:
            one = make_world(self.layout, 1, **options)
            _arguments.fits_memory(sum(getattr(one, name).nbytes for name in STATE_ARRAYS), self.num_worlds)
        return make_world(self.layout, self.num_worlds, **options)

    def __getstate__(self) -> dict[str, Any]:
        """All but what points into this object's memory: copies and pickles are independent, in the same state."""
        return {name: value for name, value in self.__dict__.items() if name not in _CONNECTIONS}

    def __copy__(self) -> Self:
        """As a deep copy: two that share worlds would step each other's."""
        return copy.deepcopy(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._connect()

    def _connect(self) -> None:
        """Make what the kernel takes, the threads (started when first needed), and the views."""
        self._handle = handle_of(self.world)
        self._rows = rows_of(self.world)
        self._threads = Threads(1 if self._closed else self.threads, self.num_worlds)
        self.last_step = LastStep(self.world, self.observe == "candidates")

    @cached_property
    def _run(self) -> Run:
        """The kernel on these worlds; compiled when first needed."""
        return run_of(self._handle)

    @cached_property
    def _fingerprint(self) -> str:
        return self.scenario.fingerprint

    @cached_property
    def _airfield(self) -> Airfield:
        return Airfield(self)

    @property
    def action_table(self) -> np.ndarray:
        """int64 (C, 5): route, device_split, edge_split, precision and model of each action, see spaces.ACTION_COLUMNS."""
        return self.layout.action_table

    @property
    def action_names(self) -> list[str]:
        """Each action in words."""
        return self.layout.action_names

    @property
    def observation_names(self) -> list[tuple[str, str, float, float]]:
        """(name, unit, low, high) of each entry of an observation."""
        return [(f.name, f.unit, f.low, f.high) for f in self.layout.observation]

    @property
    def candidate_names(self) -> list[tuple[str, str, float, float]]:
        """(name, unit, low, high) of each entry of a candidate."""
        return [(f.name, f.unit, f.low, f.high) for f in self.layout.candidates]

    @property
    def state_names(self) -> list[tuple[str, str, float, float]]:
        """(name, unit, low, high) of each entry of state()."""
        return [(f.name, f.unit, f.low, f.high) for f in self.layout.state]

    action_effects = codes.ACTION_EFFECTS
    reward_terms = codes.REWARD_TERMS
    cost_names = codes.COST_NAMES
    phases = codes.PHASE_NAMES

    def reset(self, seed: int | Sequence[int] | None = None) -> Observation:
        """Start a new episode in every world: world b has seed `seed + b`, or `seed[b]`; None goes on with the next episode."""
        nobody = np.zeros(self.num_worlds, bool)
        self.restart(~nobody, _arguments.seeds_of_worlds(seed, self.num_worlds), nobody)
        return self.observations()

    def restart(self, chosen: np.ndarray, seeds: np.ndarray, at_start: np.ndarray) -> None:
        """Start an episode in the worlds of `chosen`, bool (B,): the first of seeds[b], int64 (B,), or where that is -1 the next.

        at_start: bool (B,), worlds whose next episode the kernel has begun already, in the step that ended the one before.
        """
        if not self._started:
            entropy = int(np.random.SeedSequence().generate_state(1)[0])
            seeds = np.where(seeds < 0, entropy + np.arange(self.num_worlds), seeds)
        seeded = chosen & (seeds >= 0)
        self.last_step.step["seed"][seeded] = seeds[seeded]
        self.last_step.step["episode"][seeded] = 0
        self.last_step.step["episode"][chosen & ~seeded & ~at_start] += 1
        self.reset_worlds(chosen)

    def reset_worlds(self, chosen: np.ndarray) -> None:
        """Start the episode (seed, number) that stands in world.step in the worlds with chosen[b] == 1."""
        self.last_step.step["chosen"] = chosen
        self._run(0, self.num_worlds, codes.RESET)
        self._started = True

    def step(self, actions: np.ndarray) -> tuple[Observation, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One step of all worlds; actions int (B, N), rows of action_table.

        Returns observations, rewards float64 (B, N), terminated bool (B,), truncated bool (B,) and info: `decision` int8 (B, N),
        `job` int64 (B, N), the running number of the job that was decided, -1 for none, `action_effect` int64 (B, N), `reward_terms`
        float32 (B, N, terms), `costs` float32 (B, N, costs), `slots` int64 (B,),
        `time_s` float64 (B,), `outcomes` (rows, OUTCOME), `final_obs`. Raises UserError for actions of another form or outside
        the table, and leaves the worlds as they were.
        """
        last = self.advance(self.checked(actions))
        truncated = last.ended()
        info: dict[str, Any] = {**last.info(), "outcomes": last.outcomes()}
        if np.count_nonzero(truncated):
            info["final_obs"] = self.final_observations()
        return self.observations(), last.rewards.copy(), np.zeros(self.num_worlds, bool), truncated, info

    def advance(self, actions: Any) -> LastStep:
        """As `step`, for doors that hand out something else: they have checked the actions, and copy what they need from these views."""
        self._check_steps("step")
        self.world.actions[...] = actions
        self.run_all(self._run, self._step_task)
        return self.last_step

    def advance_but(self, actions: np.ndarray, skipped: np.ndarray) -> LastStep:
        """As `advance`, but the worlds of `skipped`, bool (B,), are put at the start of the episode that stands in them, reward 0,
        and their actions are not looked at; those of the others are checked here."""
        array = np.array(actions)
        if array.shape == self.world.actions.shape:
            array[skipped] = 0
        self.world.actions[...] = self.checked(array)
        self.reset_worlds(skipped)
        for b in np.flatnonzero(~skipped).tolist():
            self._run(b, b + 1, self._step_task)
        self._check_invariants()
        return self.last_step

    @property
    def _step_task(self) -> int:
        return codes.STEP_ON if self.skip_idle else codes.STEP

    def _check_steps(self, what: str) -> None:
        """RuntimeError before the first reset, and for a step in a world that a flight has left at the end of its episode."""
        if not self._started:
            raise RuntimeError(f"call reset before {what}")
        if self._landed:
            slots = [self.episode_slots(b) for b in range(self.num_worlds)]
            ended = np.flatnonzero(self.world.episode["slot"] >= slots)
            if what == "step" and len(ended):
                raise RuntimeError(f"a flight has ended the episode of world {ended[0]}: call reset before step")
            self._landed = bool(len(ended))

    def fly(
        self,
        policy: Any,
        until_s: float | Sequence[float] | np.ndarray,
        *,
        worlds: Sequence[int] | np.ndarray | None = None,
        forced: np.ndarray | None = None,
        at_decision: bool = False,
        count_until_s: float | Sequence[float] | np.ndarray | None = None,
        sample_seed: int | Sequence[int] | np.ndarray | None = None,
        record: bool = False,
    ) -> Flight:
        """Play a compiled policy inside the kernel until an instant of the episode, a number or one a world (B,); the decisions are
        those of `step`, to the bit. Never resets: at the end of an episode what is under way ends as in the metrics.

        policy: a CompiledPolicy, a policy that has one in `compiled`, or a list of either, one a world, made for a layout like this
        one. worlds: those that fly, None: all.
        forced: int64 (B, N) actions of the first slot, -1 the policy's. at_decision: stop at the next slot in which somebody has to decide.
        count_until_s: count the jobs that arrive before then, and stop when all of them have ended. sample_seed: draw decisions by
        softmax(beta x score), a seed or one a world; the number belongs to (seed, seed and episode of the world, node, slot). record: keep
        all decisions that the policy takes by scores.
        Afterwards observations() is of the new present. Raises UserError for a policy without a compiled form or of another layout, for a
        count_until_s in the past and for arguments of another form, RuntimeError before the first reset.
        """
        self._check_steps("fly")
        compiled, b = compiled_of(policy, self.num_worlds, self.layout), self.num_worlds
        flies = _arguments.some_worlds("worlds", worlds, b)
        until = _arguments.one_a_world("until_s", until_s, b)
        counted = None if count_until_s is None else _arguments.one_a_world("count_until_s", count_until_s, b)
        keys = None
        if sample_seed is not None:
            seeds = _arguments.integers("sample_seed", sample_seed, b)
            keys = flight_keys(seeds, b, self.last_step.step["seed"], self.last_step.step["episode"])
        if counted is not None and np.any(
            late := flies & (counted < self.world.episode["now_s"] - codes.SAME_INSTANT_S)
        ):
            world = int(np.flatnonzero(late)[0])
            now_s = self.world.episode["now_s"][world]
            raise UserError(
                f"count_until_s: {counted[world]:g} s, and world {world} is at {now_s:g} s: it must be no earlier"
            )
        first = np.asarray(-1 if forced is None else forced)
        if forced is not None:
            numbers = first.dtype.kind in "iu"
            self.checked(np.where(first == -1, 0, first) if numbers else first)
        self.world.forced[...] = np.maximum(first, -1)
        flight = self.world.flight.view(np.ndarray)
        flight[:] = np.zeros(1, flight.dtype)
        flight["flies"], flight["until_s"], flight["stops_at_decision"] = flies, until, at_decision
        flight["counts"], flight["count_until_s"] = counted is not None, 0.0 if counted is None else counted
        flight["limit"], flight["records"], flight["samples"] = -1, record, keys is not None
        flight["sample_key"] = 0 if keys is None else keys
        self._landed = True
        outcomes, recorded = self._airfield.fly(compiled, record)
        limit = np.where(flight["limit"] >= 0, flight["limit"], np.iinfo(np.int64).max)
        ended = outcomes[outcomes["job"] < limit[outcomes["world"]]]
        worth = np.bincount(ended["world"], ended["worth"], b) + flight["worth_left"]
        return Flight(
            worth=worth,
            jobs=np.bincount(ended["world"], minlength=b) + (flight["unfinished"] if counted is not None else 0),
            unfinished=flight["unfinished"].copy(),
            decisions=flight["decisions"].copy(),
            now_s=self.world.episode["now_s"].copy(),
            ended=self.world.episode["slot"] >= self.world.time[0].episode_slots,
            outcomes=outcomes,
            limit=limit,
            recorded=recorded,
        )

    def run_all(self, run: Run, task: int) -> None:
        """Have the threads do a task of the kernel (codes.STEP to LOOK) with all worlds; with debug, AssertionError as of `step`."""
        self._threads.run(run, task)
        self._check_invariants()

    def clone(self, source: BatchEnv, worlds: Sequence[int] | np.ndarray, targets: Sequence[int] | np.ndarray) -> None:
        """Put exact copies of worlds of `source`, which may be this batch, in the place of worlds of this one: worlds[n] to targets[n].

        Both are of one scenario, of any size; a world may go to many targets. All rows are read before any is written. Raises
        UserError, and leaves all as it was, for another scenario, for lists of different lengths, for a target that stands twice or
        worlds that are not there, RuntimeError before the first reset of either.
        """
        if not isinstance(source, BatchEnv):
            raise UserError(f"clone: the source must be a BatchEnv, it is a {type(source).__name__}")
        if not (self._started and source.started):
            raise RuntimeError("call reset before clone, of both batches")
        if not source.copies_worlds:
            raise UserError("clone: the worlds of the source vary, copies have one scenario: make a BatchEnv of each")
        if source._fingerprint != self._fingerprint:
            raise UserError(
                f"clone: the worlds are of {source.scenario.label}, they must be of this scenario with these settings: "
                f"{self.scenario.label}"
            )
        of = _arguments.worlds_in("worlds", worlds, source.num_worlds)
        to = _arguments.worlds_in("targets", targets, self.num_worlds)
        if len(of) != len(to) or len(np.unique(to)) != len(to):
            raise UserError(f"clone: {len(of)} worlds for {len(to)} targets, it must be as many, and no target twice")
        pairs = list(zip(to.tolist(), of.tolist(), strict=True))
        most = int(source.last_step.step["n_outcomes"][of].max(initial=0))
        for name, mine in self._rows.items():
            theirs = source._rows[name]
            if name == "outcome":
                mine, theirs = mine[:, :most], theirs[:, :most]
            elif mine.shape[1:] != theirs.shape[1:]:  # candidates, where only one of the two shows them
                continue
            if source is self:
                mine[to] = theirs[of]
            else:
                for target, world in pairs:
                    mine[target] = theirs[world]
        self.world.outcome["world"][to, :most] = to[:, None]
        self._landed = self._landed or source._landed
        if self.observe != source.observe:
            self.last_step.step["chosen"] = 0
            self.last_step.step["chosen"][to] = 1
            self._run(0, self.num_worlds, codes.LOOK)

    def redraw(self, worlds: Sequence[int] | np.ndarray, seeds: int | Sequence[int] | np.ndarray) -> None:
        """Give worlds another future, that of a seed, one for all or one each; what they are now stays. Equal presents with equal
        seeds have equal futures.

        Drawn anew: arrivals (a replay goes on at another time of its trace, a burst keeps its state, loops get another phase), lengths of
        answers given what is generated, and all later steps of walks, fading, shadowing, blockage, delays and unplanned faults. Raises
        UserError for worlds that are not there or stand twice and for seeds that are no integers or another number of them, RuntimeError
        before the first reset.
        """
        if not self._started:
            raise RuntimeError("call reset before redraw")
        of = _arguments.worlds_in("worlds", worlds, self.num_worlds)
        if len(np.unique(of)) != len(of):
            raise UserError(f"worlds: one stands twice in {worlds!r}, and a world has one future")
        given = _arguments.integers("seeds", seeds, len(of))
        step = self.last_step.step
        step["chosen"] = 0
        step["chosen"][of] = 1
        self.world.flight["sample_key"][of] = flight_keys(given, len(of), self.world.episode["slot"][of])
        self._run(0, self.num_worlds, codes.REDRAW)

    def _check_invariants(self) -> None:
        """With debug, AssertionError of the first world in which the kernel found one violated."""
        for b in np.flatnonzero(self.last_step.error).tolist() if self.debug else ():
            at_s, error = self.last_step.end_s[b], self.last_step.error[b]
            raise AssertionError(f"world {b}, step to {at_s:g} s: {VIOLATIONS[error]}")

    def checked(self, actions: np.ndarray) -> np.ndarray:
        """Actions as int64 (B, N); UserError if they are of another form or outside the table."""
        given = np.asarray(actions)
        if given.shape != self.world.actions.shape or given.dtype.kind not in "iu":
            raise UserError(
                f"actions must be integers of shape {self.world.actions.shape}, "
                f"they are {given.dtype} of shape {given.shape}"
            )
        array = np.ascontiguousarray(given, dtype=np.int64)
        unsigned = array.view(np.uint64).ravel()  # -1 is huge in it
        if unsigned[unsigned.argmax()] >= self._num_actions:
            b, i = np.argwhere((given < 0) | (given >= self._num_actions))[0]
            raise UserError(f"action of world {b}, node_{i} is {given[b, i]}: it must be in 0..{self._num_actions - 1}")
        return array

    def observations(self) -> Observation:
        """The present observations, the environment's own buffers."""
        return self.last_step.observations.copy()

    def final_observations(self) -> Observation:
        """The last observations of the worlds that ended in the last step, the environment's own buffers; others hold older ones."""
        return self.last_step.final_observations.copy()

    def outcomes(self, world: int | None = None) -> np.ndarray:
        """Jobs that ended in the last step, of one world or of all: rows of OUTCOME (docs/state.md), world by world."""
        return self.last_step.outcomes(world)

    def counters(self) -> Counters:
        """The six counters of each world, int64 (B,); in the step that ends an episode they are those of its last slot."""
        return Counters(*(np.array(self.world.last_tally[name]) for name in Counters._fields))

    def statistics(self) -> Statistics:
        """Preemptions, handovers, outages and the like of each world, int64 (B,), and how long each node has computed, float64 (B, N);
        as of `counters`."""
        counts = {name: np.array(self.world.last_tally[name]) for name in Statistics._fields[:-1]}
        busy_s = np.where(self.last_step.ended()[:, None], self.world.last_busy_s, self.world.node["busy_s"])
        return Statistics(**counts, busy_s=busy_s)

    def deciding(self) -> np.ndarray:
        """int64 (B, N): running number of the job that each node decides in the next step, -1 for none."""
        return self.last_step.deciding()

    def action_masks(self) -> np.ndarray:
        """bool (B, N, C): legal actions, a fresh array."""
        return self.last_step.observations["action_mask"].astype(bool)

    def state(self, worlds: slice = slice(None)) -> np.ndarray:
        """float32 (B, S): the whole world for a centralised critic, see state_names: what all agents observe, and what none does."""
        mobility.stand_ues(self._handle)
        return np.clip(state_of(self._seen(worlds), worlds), self._state_low, self._state_high).astype(np.float32)

    def _seen(self, worlds: slice) -> World:
        """The World with the tables that these worlds have."""
        return self.world

    def times_s(self) -> np.ndarray:
        """float64 (B,): time in the episode of each world, a fresh array."""
        return np.array(self.world.episode["now_s"])

    def slots(self) -> np.ndarray:
        """int64 (B,): slots that the episode of each world has had, a fresh array."""
        return np.array(self.world.episode["slot"])

    def seen(self, world: int) -> tuple[World, Any]:
        """The World with the tables that this world has, and what the kernel takes for it: for those who look from outside."""
        return self.world, self._handle

    def episode_slots(self, world: int) -> int:
        """Slots of the episode that a world plays."""
        return self._episode_slots

    def scenario_of(self, world: int) -> Scenario:
        """The scenario that a world is of."""
        return self.scenario

    def snapshot(self, world: int = 0) -> Snapshot:
        """A world as it stands, in named arrays: read-only copies. See edge6g_env.snapshot, and edge6g_env.scene for what never changes."""
        return look(self, world)

    def save_state(self, world: int | None = None) -> dict[str, np.ndarray]:
        """An exact copy of all worlds, or of one as of a batch of one: a dict of arrays that np.savez takes without pickling."""
        state = {name: np.array(array) for name, array in self._state_arrays(world)}
        state["started"] = np.array(self._started)
        state["fingerprint"] = np.array(self.scenario.fingerprint)
        return state

    def load_state(self, state: dict[str, np.ndarray], world: int | None = None) -> None:
        """Put the worlds, or one of them, back to a saved state; UserError, and nothing changed, if it is of another scenario or
        batch size."""
        if str(state.get("fingerprint")) != self.scenario.fingerprint:
            raise UserError("the saved state does not fit: it is not of this scenario with these settings")
        arrays = [*self._state_arrays(world), ("started", np.array(self._started))]
        for name, mine in arrays:
            if name not in state or state[name].shape != mine.shape or state[name].dtype != mine.dtype:
                raise UserError(f"the saved state does not fit: {name} differs in shape or type")
        if world is not None and not (self._started and state["started"]):
            raise UserError(
                "the state of one world is loaded after the first reset of all, and it must have been started, too"
            )
        for name, mine in arrays[:-1]:
            mine[...] = state[name]
        self._started = bool(state["started"])
        self._landed = True

    def _state_arrays(self, world: int | None) -> list[tuple[str, np.ndarray]]:
        """(name, array) of what makes the state; of one world views with B = 1. UserError for a world that is not there."""
        arrays = [(name, getattr(self.world, name)) for name in STATE_ARRAYS]
        if world is None:
            return arrays
        b = _arguments.one_world(world, self.num_worlds)
        one = slice(b, b + 1)
        return [(name, array[:, one] if name in _BY_KIND else array[one]) for name, array in arrays]

    @property
    def started(self) -> bool:
        """Whether there was a reset: the worlds hold an episode."""
        return self._started

    def close(self) -> None:
        """End the threads. Stepping goes on to work, with the same numbers, in the caller's thread alone; closing twice is fine."""
        self._closed = True
        self._threads.close()


def batch_env(scenario: str | Path | Scenario = "campus", num_worlds: int = 64, **options: Any) -> BatchEnv:
    """B worlds as arrays; see BatchEnv for the options and overrides."""
    return BatchEnv(scenario, num_worlds, **options)


def rows_of(world: World) -> dict[str, np.ndarray]:
    """(B, ...) views of all that makes the state of a world, without what is worked out anew before it is read, by name."""
    rows: dict[str, np.ndarray] = {}
    for name in STATE_ARRAYS:
        array = getattr(world, name).view(np.ndarray)
        if array.dtype.names:  # numpy copies records field by field
            array = array.view(np.dtype((np.void, array.itemsize)))
        if name in _BY_KIND:
            rows |= {f"{name}, {kind}": part for kind, part in enumerate(array)}
        elif name not in _SCRATCH:
            rows[name] = array
    return rows
