"""Flights: batches of worlds that a compiled policy plays inside the kernel, from now to an instant, without Python between slots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edge6g_env._entry import Run, run_of
from edge6g_env.build.flight import of_policies
from edge6g_env.compiled import CompiledPolicy
from edge6g_env.errors import UserError
from edge6g_env.kernel import codes
from edge6g_env.kernel.fields import OUTCOME_DTYPE
from edge6g_env.kernel.handle import handle_of
from edge6g_env.spaces import Layout

if TYPE_CHECKING:
    from edge6g_env.batch import BatchEnv

_RECORDED_AT_ONCE = 256  # decisions of a world between two looks of Python, and no fewer than two slots can bring


@dataclass(frozen=True)
class Recorded:
    """n decisions of a flight, world by world in the order in which they were taken."""

    rows: np.ndarray
    """(n,) RECORDED (docs/state.md): who decided what when, place of the choice in the shortlist, its log-probability."""
    context: np.ndarray
    """float32 (n, D) scaled entries of the observation, those that the policy's network reads."""
    inputs: np.ndarray
    """float32 (n, R, E + 1) scaled entries of each candidate of the shortlist, and its regret; 0 behind n_shortlist."""


@dataclass(frozen=True)
class Flight:
    """What came of a flight; arrays over all B worlds, 0 and empty where a world did not fly."""

    worth: np.ndarray
    """float64 (B,) of the jobs that are counted: of those that ended, and with count_until_s, of the unfinished ones what they should
    be worth by their pace. Without count_until_s all jobs that ended, measured or not."""
    jobs: np.ndarray
    """int64 (B,) how many these are."""
    unfinished: np.ndarray
    """int64 (B,) jobs under way at the end; with count_until_s those of them that are counted."""
    decisions: np.ndarray
    """int64 (B,) jobs that were decided."""
    now_s: np.ndarray
    """float64 (B,) instant of the episode at which each world stands now."""
    ended: np.ndarray
    """bool (B,) worlds at the end of their episode."""
    outcomes: np.ndarray
    """(n,) OUTCOME (docs/state.md) of all jobs that ended, world by world in the order in which they did."""
    limit: np.ndarray
    """int64 (B,) number of the first job that is not counted; all are below it without count_until_s."""
    recorded: Recorded | None = None

    def by_job(self, field: str, empty: float = np.nan) -> np.ndarray:
        """(B, jobs) a field of the outcomes by number of the job, `empty` where none ended."""
        of, count = self.outcomes, int(self.outcomes["job"].max(initial=-1)) + 1
        table = np.full((len(self.worth), count), empty, np.result_type(of[field].dtype, type(empty)))
        table[of["world"], of["job"]] = of[field]
        return table

    @property
    def worth_by_job(self) -> np.ndarray:
        """float64 (B, jobs), NaN where none ended."""
        return self.by_job("worth")

    @property
    def phase_by_job(self) -> np.ndarray:
        """int64 (B, jobs), see PHASE_NAMES, -1 where none ended."""
        return self.by_job("phase", -1)

    def reward_per_job(self) -> np.ndarray:
        """float64 (B,) mean worth of the measured jobs that ended, as the metric of this name; NaN without any."""
        of = self.outcomes[self.outcomes["measured"] == 1]
        counts = np.bincount(of["world"], minlength=len(self.worth))
        with np.errstate(invalid="ignore"):
            return np.bincount(of["world"], of["worth"], len(self.worth)) / counts


def flight_keys(seeds: Any, count: int, *others: np.ndarray) -> np.ndarray:
    """uint64 (count,) a random key for each seed and the numbers that go with it."""
    given = np.broadcast_to(np.asarray(seeds, np.int64), (count,))
    keys = np.full(count, 0x6E616C66, np.uint64)
    with np.errstate(over="ignore"):
        for numbers in (given, *others):
            keys = _mixed(keys + np.asarray(numbers).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    return keys


def _mixed(x: np.ndarray) -> np.ndarray:
    """kernel.rng.mix over an array."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def pieces(env: BatchEnv, policy: Any, count: int, **options: Any) -> Iterator[Flight]:
    """A whole episode in so many flights, so that between them an interrupt is seen and a bar moves; options: of `BatchEnv.fly`."""
    for piece in range(1, count + 1):
        until_s = np.inf if piece == count else env.scenario.time.episode_s * piece / count
        yield env.fly(policy, until_s, **options)


class Airfield:
    """Flies the worlds of a batch: arrays for policies of one shape, kept from flight to flight."""

    def __init__(self, env: BatchEnv) -> None:
        self._env = env
        self._shape: tuple[Any, ...] | None = None
        self._aboard: list[CompiledPolicy] = []
        self._handle: Any = None
        self._arrays: dict[str, Any] = {}
        self._run: Run

    def fly(self, policies: Sequence[CompiledPolicy], records: bool) -> tuple[np.ndarray, Recorded | None]:
        """Fly the worlds as their rows of World.flight ask; policies: one for all worlds, or one each. Returns outcomes and decisions."""
        self._board(policies, records)
        flight = self._env.world.flight.view(np.ndarray)
        outcomes: list[np.ndarray] = []
        recorded: list[tuple[np.ndarray, ...]] = []
        try:
            while True:
                self._env.run_all(self._run, codes.FLY)
                flying = flight["flies"] == 1
                each = (self._env.outcomes(b) for b in np.flatnonzero(flying).tolist())
                outcomes += [rows for rows in each if len(rows)]  # numpy takes long to join records, empty ones as well
                recorded += self._take_recorded(flight)
                flight["flies"][flight["over"] == 1] = 0
                if not flight["flies"].any():
                    break
        finally:
            flight["flies"] = 0
            self._take_recorded(flight)  # what an interrupt left
        ended = np.concatenate(outcomes) if outcomes else np.zeros(0, OUTCOME_DTYPE)
        ended = ended[np.argsort(ended["world"], kind="stable")]
        return ended, self._recorded(recorded) if records else None

    def _board(self, policies: Sequence[CompiledPolicy], records: bool) -> None:
        """Have the policies in the arrays, and each world know its own."""
        unique = {id(policy): policy for policy in policies}
        places = {key: place for place, key in enumerate(unique)}
        aboard = list(unique.values())
        shape = (aboard[0].shape, len(aboard), records)
        if shape != self._shape:
            self._shape = None  # until all of what follows is of one shape
            kept = max(_RECORDED_AT_ONCE, 2 * self._env.num_agents) if records else 0
            sizes = aboard[0].sizes._replace(policies=len(aboard), recorded=kept)
            self._arrays = of_policies(self._env.layout, self._env.num_worlds, sizes)
            self._handle = handle_of(self._env.world._replace(**self._arrays))
            self._run, self._shape, self._aboard = run_of(self._handle), shape, []
        if [*map(id, self._aboard)] != [*map(id, aboard)]:
            self._aboard = []  # until all have been written
            for place, policy in enumerate(aboard):
                policy.write(self._arrays, place)
            self._aboard = aboard
        own = [places[id(policy)] for policy in policies]
        self._env.world.flight["policy"] = own if len(own) > 1 else own[0]

    def _take_recorded(self, flight: np.ndarray) -> list[tuple[np.ndarray, ...]]:
        """Copies of the rows that each world has recorded; they may be written over then."""
        parts = []
        for b in np.flatnonzero(flight["n_recorded"]).tolist():
            count = int(flight["n_recorded"][b])
            names = ("recorded", "recorded_context", "recorded_inputs")
            parts.append(tuple(np.array(self._arrays[name][b, :count]) for name in names))
            self._arrays["recorded_inputs"][b, :count] = 0.0
        flight["n_recorded"] = 0
        return parts

    def _recorded(self, parts: list[tuple[np.ndarray, ...]]) -> Recorded:
        names = ("recorded", "recorded_context", "recorded_inputs")
        empty = tuple(np.array(self._arrays[name][0, :0]) for name in names)
        rows, context, inputs = (np.concatenate(column) for column in zip(empty, *parts, strict=True))
        order = np.argsort(rows["world"], kind="stable")
        return Recorded(rows[order].view(np.ndarray), context[order], inputs[order])


def compiled_of(policy: Any, num_worlds: int, layout: Layout) -> list[CompiledPolicy]:
    """The compiled policies of an argument of `BatchEnv.fly`: one for all worlds, or one each; UserError for anything else, and for one
    that was made for a layout that means something else."""
    several = [*policy] if isinstance(policy, Sequence) else [policy]
    found = [one if isinstance(one, CompiledPolicy) else getattr(one, "compiled", None) for one in several]
    for one, compiled in zip(several, found, strict=True):
        if not isinstance(compiled, CompiledPolicy):
            raise UserError(
                f"{type(one).__name__} has no compiled form: fly takes a CompiledPolicy or a policy with one in `compiled`, "
                "others play by step"
            )
    for own in {id(one.layout): one.layout for one in found if one is not None and one.layout is not layout}.values():
        if differs := own.difference(layout):
            what, there, here = differs
            raise UserError(
                f"policy: it was made for {own.scenario.label}, where {what} is {there}, and here it is {here}"
            )
    if isinstance(policy, Sequence) and len(found) != num_worlds:
        raise UserError(f"policy: {len(found)} of them, it must be one, or one for each of the {num_worlds} worlds")
    if len({compiled.shape for compiled in found if compiled is not None}) > 1:
        raise UserError(
            "policy: those that fly together must read the same entries and be of one size; weights and rows may differ"
        )
    return [compiled for compiled in found if compiled is not None]
