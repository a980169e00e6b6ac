"""The planners: at a decision the world is copied, a copy a choice, each goes on by a base policy, and the choice whose copy came to the
most is taken.

A rollout algorithm (Bertsekas, Tsitsiklis and Wu, 1997, Rollout algorithms for combinatorial optimization): one-step deviations from a base
policy, all else by it. What counts is the worth of all jobs that have arrived before the horizon, until they have ended: one that ended
only later would drop out whole if only those were counted that end before it.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np

from agents.planners.choices import Choices
from agents.planners.options import CLAIRVOYANT, ROLLOUT, Options, PlannerError, best_base, caution
from agents.policy import Compiled, Observation, Policy, first_sentence, make_rule, start
from agents.rules._rows import waiting
from edge6g_env.batch import BatchEnv
from edge6g_env.compiled import CompiledPolicy
from edge6g_env.errors import Caution
from edge6g_env.spaces import Layout

MOST_SEED = 2**62  # of a fresh future; a world takes a seed of 62 bits


@dataclass
class Effort:
    """What planning took since the planner was made."""

    decisions: int = 0
    planned: int = 0
    changed: int = 0
    """Decisions that were taken otherwise than by the base policy."""
    flights: int = 0
    """Copies that were played on."""
    flown_s: float = 0.0
    """Simulated seconds in them."""

    def to_dict(self) -> dict[str, float]:
        """Its numbers by name."""
        return asdict(self)


class Planner:
    """What both planners share: all but the futures in which choices are tried."""

    kind: ClassVar[str]
    privileged = True
    needs_candidates = True
    worlds_at_a_time = 1  # of an episode that takes so long, each is kept as soon as it is played

    def __init__(
        self, layout: Layout, base: Policy | CompiledPolicy | None = None, options: Options | None = None
    ) -> None:
        """base: goes on in the copies, and decides what is not planned; `options.best_base` if None.

        PlannerError for one without a compiled form. A Caution is warned of if the horizon is shorter than the longest load.
        """
        self.options, self.effort = options or Options(), Effort()
        base = Compiled(base) if isinstance(base, CompiledPolicy) else base
        self._layout, self._base = layout, base or make_rule(best_base(layout.scenario), layout)
        self._compiled = getattr(self._base, "compiled", None)
        if self._compiled is None:
            raise PlannerError(
                f"{self.kind} goes on by its base policy within the kernel, and {type(self._base).__name__} has no compiled form: "
                "greedy, static, restricted and tuned have one"
            )
        self._choices = Choices(layout, self.options.k, self.options.gap)
        self._horizon_s, self._drain_s = self.options.times_s(layout.scenario)
        time = layout.scenario.time
        self._measured_s = time.warmup_s, time.episode_s - time.drain_s
        self._env: BatchEnv | None = None
        if warning := caution(self.kind, self.options, layout.scenario):
            warnings.warn(warning, Caution, stacklevel=1)

    @property
    def futures(self) -> int:
        """Futures in which each choice is tried."""
        return 1

    def attach(self, env: BatchEnv) -> None:
        """Plan for the worlds of `env`, which `act` is shown from now on.

        PlannerError if they cannot be copied, or are of another scenario.
        """
        if not getattr(env, "copies_worlds", False):
            raise PlannerError(
                f"{self.kind} tries choices in copies of the worlds, and {_name(env)} cannot copy its own"
            )
        scenario = self._layout.scenario
        if env.scenario.fingerprint != scenario.fingerprint:
            raise PlannerError(
                f"{self.kind} was made for {scenario.label}, and these are worlds of {env.scenario.label}"
            )
        self._env = env
        threads = self.options.threads or env.threads
        self._copies = BatchEnv(env.scenario, self.options.k * self.futures, threads=threads)
        self._copies.reset(seed=0)

    def reset(self, num_worlds: int) -> None:
        """See agents.policy.start."""
        start(self._base, num_worlds)

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """Agents that decide in one slot are planned for one after the other; see Policy.act. PlannerError without worlds."""
        env = self._env
        if env is None:
            raise PlannerError(
                f"{self.kind} tries choices in copies of the worlds: hand it their BatchEnv by attach(env) first, no other door can copy "
                "its worlds"
            )
        actions = np.array(self._base.act(obs, rng))
        now_s = env.times_s()
        for b, i in np.argwhere(waiting(obs)).tolist():
            self.effort.decisions += 1
            rows = self._to_try(obs["action_mask"][b, i], obs["candidates"][b, i], actions[b, i], now_s[b])
            if len(rows) > 1:
                best = self._best(self._worths(env, b, i, rows, actions[b], now_s[b], rng))
                self.effort.planned += 1
                self.effort.changed += best > 0
                actions[b, i] = rows[best]
        return actions

    def _to_try(self, mask: np.ndarray, candidates: np.ndarray, own: int, now_s: float) -> np.ndarray:
        """Actions to try, `own`, that of the base policy, first; no other where the decision is its."""
        first_s, end_s = self._measured_s
        # Does some job that is measured arrive before the horizon?
        counts = first_s - self._horizon_s < now_s < end_s
        if not counts or (self.options.contested and not self._choices.contested(mask, candidates)):
            return np.array([own])
        return self._choices.of(mask, candidates, own)

    def _best(self, worths: np.ndarray) -> int:
        """Place of the choice to take; worths: float64 (futures, n) of all, the base policy's first."""
        return int(worths.mean(axis=0).argmax())

    def _worths(
        self,
        env: BatchEnv,
        b: int,
        i: int,
        rows: np.ndarray,
        actions: np.ndarray,
        now_s: float,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """What each of the actions `rows` of node i comes to, float64 (futures, n); actions: int64 (N,), of all nodes."""
        count = self.futures * len(rows)
        forced = np.tile(actions, (self._copies.num_worlds, 1))
        forced[:count, i] = np.tile(rows, self.futures)
        self._copies.clone(env, [b] * count, range(count))
        self._begin_futures(len(rows), rng)
        horizon_s = now_s + self._horizon_s
        flight = self._copies.fly(
            self._compiled,
            horizon_s + self._drain_s,
            worlds=range(count),
            forced=forced,
            count_until_s=min(horizon_s, self._measured_s[1]),
        )
        self.effort.flights += count
        self.effort.flown_s += float((flight.now_s[:count] - now_s).sum())
        return np.asarray(flight.worth[:count]).reshape(self.futures, len(rows))

    def _begin_futures(self, choices: int, rng: np.random.Generator) -> None:
        """Let what chance brings be another one in the copies, or not; copy n is of choice n % choices."""


class Clairvoyant(Planner):
    """Tries each choice in the future itself, which no agent knows: what one-step foresight reaches over its base policy.

    A reference that a policy may pass, no upper bound: only one decision at a time deviates from the base policy.
    """

    kind = CLAIRVOYANT


class Rollout(Planner):
    """Tries each choice in fresh futures, the same for all choices of a decision: arrivals, lengths, walks and channels are drawn anew.

    It knows the whole present, of which an agent sees a part.
    """

    kind = ROLLOUT

    @property
    def futures(self) -> int:
        """Futures in which each choice is tried."""
        return self.options.futures

    def _best(self, worths: np.ndarray) -> int:
        """The one that is better than the base policy's by most, less what chance may have brought: the highest of several noisy means
        looks better than it is."""
        gains = worths - worths[:, :1]
        errors = gains.std(axis=0, ddof=1) / math.sqrt(len(gains)) if len(gains) > 1 else np.zeros(gains.shape[1])
        return int((gains.mean(axis=0) - self.options.sure * errors).argmax())

    def _begin_futures(self, choices: int, rng: np.random.Generator) -> None:
        seeds = np.repeat(rng.integers(MOST_SEED, size=self.futures), choices)
        self._copies.redraw(range(len(seeds)), seeds)


MAKERS: dict[str, type[Planner]] = {planner.kind: planner for planner in (Clairvoyant, Rollout)}


def planners() -> list[tuple[str, ...]]:
    """(name, first sentence of its docstring) of both, sorted."""
    return [(name, first_sentence(planner.__doc__ or "")) for name, planner in sorted(MAKERS.items())]


def _name(door: object) -> str:
    return f"{type(door).__module__}.{type(door).__qualname__}"
