"""The policy and the rules on the validation seeds, in one scenario or several: what a learning curve is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

import edge6g_env
from agents.policy import Policy, make_rule
from agents.values import has_values, rules_with_values
from edge6g_env import CompiledPolicy
from edge6g_env.scenario import Scenario
from edge6g_env.spaces import Layout
from eval.episodes import NothingMeasuredError, measured_s, run_episodes
from eval.files import numbered, read_object, write_json_atomic
from eval.metrics import METRIC_NAMES, episode_metrics
from eval.pools.pool import Hangar, Part, Pool, play, shares
from eval.report.numbers import difference_in_words
from eval.statistics import Estimate, iqm, paired_difference

CURVES = (
    "reward_per_job", "slo_attainment", "ttft_mean_s", "ttft_p95_s", "tpot_mean_s", "price_per_job", "energy_j_per_job", "exposure_mean",
)  # fmt: skip
assert set(CURVES) <= set(METRIC_NAMES)
# Of a validation inside the kernel, least and most. Between them as many as come to VALIDATION_JOBS: where an episode has few jobs, a few
# episodes choose by luck. Judgement, as is:
LEAST_AND_MOST = 16, 64
VALIDATION_JOBS = 20_000
RULES_FILE = "validation.json"
SHOWN_RULES = ("tuned", "static", "restricted", "greedy", "jsq", "local", "cloud", "random")
BEST_OF_EACH = "best rule of each"

Figures = Mapping[str, Sequence[float | None]]
"""Each of CURVES, one value a seed; None where an episode has none."""


class Played(NamedTuple):
    """Episodes of a policy."""

    figures: Figures
    decisions: int
    """That were taken; 0 if nobody counted, through the doors."""


@dataclass(frozen=True)
class ValidationPart:
    """A policy on some seeds (eval.pools.pool.Part)."""

    scenario: Scenario
    policy: str | CompiledPolicy
    """The name of a rule, or what plays."""
    seeds: Sequence[int]

    def __call__(self, hangar: Hangar) -> Played:
        """Play, in the kernel if there is a compiled form."""
        flights = hangar.flights(self.scenario)
        if isinstance(self.policy, str):
            rule = make_rule(self.policy, flights.layout)
            compiled: CompiledPolicy | None = getattr(rule, "compiled", None)
            if compiled is None:
                return Played(_through_the_doors(self.policy, rule, self.scenario, self.seeds), 0)
        else:
            compiled = self.policy
        jobs, decisions = flights.pairs([compiled] * len(self.seeds), self.seeds)
        of_world = (jobs[jobs["world"] == world] for world in range(len(self.seeds)))
        return Played(_figures([episode_metrics(of, measured_s(self.scenario), np.nan) for of in of_world]), decisions)


def _through_the_doors(name: str, policy: Policy, scenario: Scenario, seeds: Sequence[int]) -> Figures:
    return _figures(run_episodes(name, lambda _: policy, scenario, seeds).rows)


def _figures(rows: Sequence[Mapping[str, object]]) -> Figures:
    values = {metric: np.array([row[metric] for row in rows], float) for metric in CURVES}
    return {metric: [None if np.isnan(x) else float(x) for x in column] for metric, column in values.items()}


class Players:
    """Where validations are played: by several workers, or else here, while a single one goes on with the training."""

    def __init__(self, pool: Pool | None = None, threads: int = 1) -> None:
        """threads: that step the worlds here."""
        self._pool = pool if pool is not None and pool.workers > 1 else None
        self.workers = 1 if self._pool is None else self._pool.workers
        self._hangar = Hangar(threads)

    def play(self, parts: Sequence[Part]) -> list[Played]:
        """All parts, in their order."""
        return [part(self._hangar) for part in parts] if self._pool is None else play(self._pool, parts)


class Validation:
    """Plays policies on the same seeds of one scenario."""

    def __init__(
        self, scenario: Scenario, seeds: Sequence[int], rules: Sequence[str], players: Players | None = None
    ) -> None:
        self._scenario, self.seeds, self._names = scenario, list(seeds), list(rules)
        self._players = players or Players()
        self.rules: dict[str, Figures] = {}
        self.decisions = 0
        """That a rule took on all seeds."""
        self.layout = Layout(scenario)

    def play(self, name: str, policy: Policy) -> Figures:
        """A policy's figures; it plays in the kernel where it has a compiled form."""
        compiled = getattr(policy, "compiled", None)
        if compiled is None:
            return _through_the_doors(name, policy, self._scenario, self.seeds)
        pieces = shares(self.seeds, self._players.workers)
        played = self._players.play([ValidationPart(self._scenario, compiled, seeds) for seeds in pieces])
        return {metric: [x for one in played for x in one.figures[metric]] for metric in CURVES}

    def play_rules(self, file: Path) -> None:
        """The rules' figures, from `file` if an earlier run has left them there; NothingMeasuredError if no job is measured."""
        of = {"version": edge6g_env.__version__, "fingerprint": self._scenario.fingerprint, "seeds": self.seeds}
        kept = read_object(file)
        if kept.get("of") == of and list(kept.get("rules", ())) == self._names and "decisions" in kept:
            self.rules, self.decisions = kept["rules"], kept["decisions"]
        else:
            played = self._players.play([ValidationPart(self._scenario, name, self.seeds) for name in self._names])
            self.rules = {name: one.figures for name, one in zip(self._names, played, strict=True)}
            self.decisions = max(one.decisions for one in played)
            write_json_atomic({"of": of, "decisions": self.decisions, "rules": self.rules}, file)
        if any(np.isnan(middle(figures["reward_per_job"])) for figures in self.rules.values()):
            raise NothingMeasuredError(
                "no job is measured in the validation episodes: the scenario has too few arrivals"
            )

    @property
    def best_rule(self) -> str:
        """The rule with the highest reward per job."""
        return max(self.rules, key=lambda name: middle(self.rules[name]["reward_per_job"]))


class Validations:
    """The same in several scenarios: each seed's figures are the means over the scenarios, the best rule is that of each."""

    def __init__(self, scenarios: Sequence[Scenario], seeds: Sequence[int], players: Players | None = None) -> None:
        players = players or Players()
        self._each = [Validation(scenario, seeds, shown_rules(scenario), players) for scenario in scenarios]
        self.layouts = [one.layout for one in self._each]
        self.seeds = list(seeds)
        self.rules: dict[str, Figures] = {}

    def play(self, name: str, policies: Sequence[Policy]) -> Figures:
        """Figures of a policy, of which there is one for each layout."""
        return _means([one.play(name, policy) for one, policy in zip(self._each, policies, strict=True)])

    def play_rules(self, folder: Path) -> None:
        """As of Validation; rules that not all scenarios have are left out, but count for the best of each."""
        for one, file in zip(self._each, numbered(RULES_FILE, len(self._each)), strict=True):
            one.play_rules(folder / file)
        common = [name for name in self._each[0].rules if all(name in one.rules for one in self._each)]
        self.rules = {name: _means([one.rules[name] for one in self._each]) for name in common}
        if len(self._each) > 1:
            self.rules[BEST_OF_EACH] = _means([one.rules[one.best_rule] for one in self._each])

    @property
    def decisions(self) -> int:
        """That a rule took on all seeds of all scenarios."""
        return sum(one.decisions for one in self._each)

    @property
    def best_rule(self) -> str:
        """The rule with the highest reward per job; of several scenarios the best of each together."""
        return BEST_OF_EACH if len(self._each) > 1 else self._each[0].best_rule

    def gain(self, figures: Figures, rule: str) -> Estimate:
        """Reward per job over a rule's, seed by seed."""
        mine, theirs = (_by_seed(self.seeds, of["reward_per_job"]) for of in (figures, self.rules[rule]))
        return paired_difference(mine, theirs)

    def table(self) -> str:
        """The rules' figures as Markdown, best first."""
        return table(self.rules)


def episodes_of(scenarios: Sequence[Scenario], least: int, most: int) -> int:
    """On how many seeds a policy is validated, in each scenario."""
    jobs = sum(sum(scenario.rates_jobs_s) * scenario.time.episode_s for scenario in scenarios)
    return min(max(least, round(VALIDATION_JOBS * len(scenarios) / jobs)), most)


def shown_rules(scenario: Scenario) -> list[str]:
    """The rules that a learning curve is compared with; those with values where there are some for the scenario."""
    return [rule for rule in SHOWN_RULES if rule not in rules_with_values() or has_values(rule, scenario)]


def _means(of_scenarios: Sequence[Figures]) -> Figures:
    """Mean of each seed over scenarios; None where one has none."""

    def mean(values: Sequence[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return sum(known) / len(values) if len(known) == len(values) else None

    return {metric: [*map(mean, zip(*(of[metric] for of in of_scenarios), strict=True))] for metric in CURVES}


def middle(values: Sequence[float | None]) -> float:
    """Interquartile mean of the seeds that have a value; NaN, which TensorBoard leaves out, if none has."""
    return iqm([np.nan if x is None else x for x in values])


def table(rules: Mapping[str, Figures]) -> str:
    """Figures of rules as Markdown, best first."""
    order = sorted(rules, key=lambda name: -middle(rules[name]["reward_per_job"]))
    rows = [f"| {name} | " + " | ".join(f"{middle(rules[name][m]):.4g}" for m in CURVES) + " |" for name in order]
    return "\n".join([f"| rule | {' | '.join(CURVES)} |", "|---" * (1 + len(CURVES)) + "|", *rows])


def told(gain: float, rule: str) -> str:
    """A difference in reward per job in words: "0.068 below jsq"."""
    return difference_in_words(Estimate(iqm=gain, low=None, high=None, mean=gain, n=1), rule)


def _by_seed(seeds: Sequence[int], values: Sequence[float | None]) -> dict[int, float]:
    return {seed: np.nan if x is None else x for seed, x in zip(seeds, values, strict=True)}
