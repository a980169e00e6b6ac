"""Labels of decisions: what another choice would have brought the team, found by trying it in a copy of the world.

A batch of seeds is played by argmax, the base run. At some of its contested decisions a few distinct choices are forced, each in a copy
that goes on by the later decisions of the base run (train/stages/branches.py); the label of a choice is the team's gain over the base run,
by the terms of stage B. Which decisions are contested and which choices distinct is said where planners ask it
(agents/planners/choices.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from agents.planners.choices import Choices
from agents.planners.options import Options
from edge6g_env import CompiledPolicy
from edge6g_env.compiled import Observation
from edge6g_env.flight import Flight
from edge6g_env.scenario import Scenario
from eval.pools.flights import Flights
from eval.pools.pool import Hangar
from train.limits import Limit
from train.shortlisted import shortlisted
from train.stages import branches, credit
from train.stages.team import Terms, jobs_by_world, means_of_runs, priced_costs, recorded_choices


class Labelled(NamedTuple):
    """n decisions of base runs, in the order of seeds and time: all that were choices, some of them labelled."""

    context: np.ndarray  # float32 (n, D) scaled entries of the observation
    inputs: np.ndarray  # float32 (n, R, E + 1) scaled entries of each candidate and its regret, 0 behind the last
    candidates: np.ndarray  # int64 (n,) how many there are
    tried: np.ndarray  # bool (n, R) choices with a label, that of the base run among them; none where nothing was tried
    gain: np.ndarray  # float32 (n, R) labels: what the team gained over the base run, 0 for its own choice

    @classmethod
    def joined(cls, parts: Sequence[Labelled]) -> Labelled:
        """Those of all parts, in their order."""
        return cls(*(np.concatenate(column) for column in zip(*parts, strict=True)))


class Labels(NamedTuple):
    """What came of a part."""

    labelled: Labelled
    decisions: int
    """That were taken, those of all copies included."""
    rewards: np.ndarray
    """float64 (runs,) mean worth of the measured jobs of each base run; NaN without any."""
    costs: np.ndarray
    """float64 (limits, runs) mean cost of a measured job of each base run; NaN without any."""


class Contested(NamedTuple):
    """A decision of a base run whose choices are to be tried."""

    world: int
    node: int
    slot: int
    time_s: float
    job: int
    actions: np.ndarray  # int64 (k,) rows of the action table, the base run's first
    places: np.ndarray  # int64 (k,) of these in the shortlist


@dataclass(frozen=True)
class LabelPart:
    """Some seeds of a batch (eval.pools.pool.Part)."""

    scenario: Scenario
    policy: CompiledPolicy
    seeds: Sequence[int]
    most: int
    """Decisions of a seed that are labelled."""
    choices: int
    """Of a decision that are tried, the base run's among them."""
    terms: Terms
    limits: Sequence[Limit] = ()

    def __call__(self, hangar: Hangar) -> Labels:
        """Play the base runs and label some of their decisions."""
        flights = hangar.flights(self.scenario)
        flown, contested = self._base(flights)
        outcomes = np.concatenate([flight.outcomes for flight in flown])
        trial = _Trial(self, flights, flown, outcomes)
        rows, (context, inputs) = recorded_choices(flown)
        row_of = {key: row for row, key in enumerate(zip(rows["world"], rows["slot"], rows["node"], strict=True))}
        tried, gain = (np.zeros(inputs.shape[:2], kind) for kind in (bool, np.float32))
        for one, gains in trial.labels(self._chosen(contested)):
            row = row_of[one.world, one.slot, one.node]
            tried[row, one.places], gain[row, one.places[1:]] = True, gains
        labelled = Labelled(context, inputs, rows["n_shortlist"].astype(np.int64), tried, gain)
        taken = trial.decisions + int(sum(flight.decisions.sum() for flight in flown))
        return Labels(labelled, taken, *means_of_runs(outcomes, len(self.seeds), self.limits))

    def _base(self, flights: Flights) -> tuple[list[Flight], list[Contested]]:
        """The base runs in pieces, and their contested decisions that a measured job may gain from."""
        time, worlds = self.scenario.time, np.arange(len(self.seeds))
        env, choices = flights.env(len(self.seeds), "candidates"), Choices(flights.layout, self.choices, Options.gap)
        obs, last_s = env.reset(list(self.seeds)), time.episode_s - time.drain_s
        flown: list[Flight] = []
        found: list[Contested] = []
        flying = worlds
        while len(flying):
            seen = _contested(obs, flying, choices, self.policy)
            flight = env.fly(self.policy, last_s, worlds=flying, at_decision=True, record=True)
            assert flight.recorded is not None
            for row in flight.recorded.rows:
                if (key := (int(row["world"]), int(row["node"]))) in seen:
                    rows, candidates = seen[key]
                    mask = np.zeros(len(candidates), np.int8)
                    mask[rows] = 1
                    actions = choices.of(mask, candidates, int(row["action"]))
                    places = np.searchsorted(rows, actions)
                    at = int(row["slot"]), float(row["time_s"])
                    found.append(Contested(*key, *at, int(row["job"]), actions, places))
            flown.append(flight)
            flying = worlds[flight.now_s < last_s - time.slot_s / 2.0]
            obs = env.observations()
            flights.tick()
        flown.append(env.fly(self.policy, np.inf, record=True))
        return flown, [one for one in found if len(one.actions) > 1]

    def _chosen(self, contested: Sequence[Contested]) -> list[list[Contested]]:
        """Of each seed at most so many of its contested decisions, at random, in the order of time."""
        chosen = []
        for world, seed in enumerate(self.seeds):
            of_seed = [one for one in contested if one.world == world]
            places = np.random.default_rng(seed).permutation(len(of_seed))[: self.most]
            chosen.append([of_seed[place] for place in sorted(places.tolist())])
        return chosen


def _contested(
    obs: Observation, worlds: np.ndarray, choices: Choices, policy: CompiledPolicy
) -> dict[tuple[int, int], tuple[np.ndarray, np.ndarray]]:
    """Shortlist, rows of the action table, and candidates (C, F) of each contested decision that waits in the worlds, by world and node."""
    obs = {**obs, "action_mask": policy.allowed(obs)}
    found, seen = {}, shortlisted(obs, policy.top)
    for place, rows, legal in zip(seen.places.tolist(), seen.rows, seen.legal, strict=True):
        b, i = divmod(place, obs["action_mask"].shape[1])
        candidates = obs["candidates"][b, i]
        if b in worlds and choices.contested(obs["action_mask"][b, i], candidates):
            found[b, i] = rows[legal], candidates.copy()
    return found


class _Trial:
    """The base runs once more, up to each decision that is labelled, and copies of them beside."""

    def __init__(self, part: LabelPart, flights: Flights, flown: Sequence[Flight], outcomes: np.ndarray) -> None:
        self._part, self._flights, self.decisions = part, flights, 0
        self._script = branches.Script(np.concatenate([flight.recorded.rows for flight in flown if flight.recorded]))
        of_worlds = [outcomes[outcomes["world"] == world] for world in range(len(part.seeds))]
        self._rows = [of[np.argsort(of["job"], kind="stable")] for of in of_worlds]
        self._jobs = jobs_by_world(part.scenario, outcomes, len(part.seeds), part.limits)
        self._ended = np.zeros((len(part.seeds), max(map(len, of_worlds))), bool)

    def labels(self, chosen: Sequence[Sequence[Contested]]) -> list[tuple[Contested, np.ndarray]]:
        """Decisions of each world, and the label of each of their choices but the first."""
        seeds, beside = len(self._part.seeds), self._part.choices - 1
        env = self._flights.env(seeds * (1 + beside))
        env.reset([*self._part.seeds] * (1 + beside))
        found = []
        for turn in range(max(map(len, chosen), default=0)):
            now = [of[turn] for of in chosen if len(of) > turn]
            until_s = np.zeros(env.num_worlds)
            until_s[[one.world for one in now]] = [one.time_s for one in now]
            flight = env.fly(self._part.policy, until_s, worlds=[one.world for one in now])
            self._ended[flight.outcomes["world"], flight.outcomes["job"]] = True
            self.decisions += int(flight.decisions.sum())
            targets = [seeds + one.world * beside + n for one in now for n in range(len(one.actions) - 1)]
            each = [(one, action) for one in now for action in one.actions[1:].tolist()]
            env.clone(env, [one.world for one, _ in each], targets)
            copies = self._copies(env.num_agents, targets, each)
            outcomes, taken = branches.fly(env, self._part.policy, self._script, copies, self._flights.tick)
            self.decisions += taken
            gains = iter([self._gain(one, rows) for (one, _), rows in zip(each, outcomes, strict=True)])
            found += [(one, np.array([next(gains) for _ in one.actions[1:]])) for one in now]
        return found

    def _copies(self, nodes: int, targets: Sequence[int], each: Sequence[tuple[Contested, int]]) -> branches.Branches:
        first = np.full((len(each), nodes), -1)
        counted = np.zeros((len(each), self._ended.shape[1]), bool)
        for n, (one, action) in enumerate(each):
            jobs = self._jobs[one.world]
            first[n, one.node] = action
            counted[n, : len(jobs.worth)] = jobs.arrival_s <= one.time_s + self._part.terms.horizon_s
            counted[n] &= ~self._ended[one.world]
        return branches.Branches(np.array(targets), np.array([one.world for one, _ in each]), first, counted)

    def _gain(self, one: Contested, outcomes: np.ndarray) -> float:
        """Label of a choice whose copy came to these outcomes; what it did not play is as in the base run."""
        rows, terms = self._rows[one.world].copy(), self._part.terms
        rows[outcomes["job"]] = outcomes
        jobs = credit.jobs_of(self._part.scenario, rows, priced_costs(rows, self._part.limits))
        about, share = (np.array([one.job]), np.array([one.time_s])), 0.0 if terms.own else terms.share
        return float(credit.team(self._jobs[one.world], jobs, *about, terms.horizon_s, share)[0])
