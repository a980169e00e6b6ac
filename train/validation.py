"""The policy and the rules on the validation seeds, in one scenario or several: what a learning curve is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

import edge6g_env
from agents.policy import Policy, make_rule
from agents.values import has_values, rules_with_values
from edge6g_env.errors import UserError
from edge6g_env.scenario import Scenario
from eval.episodes import measured_s, run_episodes
from eval.files import read_object, write_json_atomic
from eval.metrics import METRIC_NAMES, episode_metrics
from eval.pools.flights import Flights
from eval.report.numbers import difference_in_words
from eval.statistics import Estimate, iqm, paired_difference

CURVES = (
    "reward_per_job", "slo_attainment", "ttft_mean_s", "ttft_p95_s", "tpot_mean_s", "price_per_job", "energy_j_per_job", "exposure_mean",
)  # fmt: skip
assert set(CURVES) <= set(METRIC_NAMES)
RULES_FILE = "validation.json"
SHOWN_RULES = ("tuned", "static", "restricted", "greedy", "jsq", "local", "cloud", "random")
BEST_OF_EACH = "best rule of each"

Figures = Mapping[str, Sequence[float | None]]
"""Each of CURVES, one value a seed; None where an episode has none."""


class NothingMeasuredError(UserError):
    """Validation episodes without a measured job."""


class Validation:
    """Plays policies on the same seeds of one scenario."""

    def __init__(self, scenario: Scenario, seeds: Sequence[int], rules: Sequence[str], threads: int = 1) -> None:
        self._scenario, self.seeds, self._names = scenario, list(seeds), list(rules)
        self.rules: dict[str, Figures] = {}
        self._flights = Flights(scenario, threads)
        self.layout = self._flights.layout

    def play(self, name: str, policy: Policy) -> Figures:
        """A policy's figures; it plays in the kernel where it has a compiled form."""
        compiled = getattr(policy, "compiled", None)
        rows: Sequence[Mapping[str, object]]
        if compiled is None:
            rows = run_episodes(name, lambda _: policy, self._scenario, self.seeds).rows
        else:
            jobs, _ = self._flights.pairs([compiled] * len(self.seeds), self.seeds)
            of_world = (jobs[jobs["world"] == world] for world in range(len(self.seeds)))
            rows = [episode_metrics(of, measured_s(self._scenario), np.nan) for of in of_world]
        values = {metric: np.array([row[metric] for row in rows], float) for metric in CURVES}
        return {metric: [None if np.isnan(x) else float(x) for x in column] for metric, column in values.items()}

    def play_rules(self, file: Path) -> None:
        """The rules' figures, from `file` if an earlier run has left them there; NothingMeasuredError if no job is measured."""
        of = {"version": edge6g_env.__version__, "fingerprint": self._scenario.fingerprint, "seeds": self.seeds}
        kept = read_object(file)
        if kept.get("of") == of and list(kept.get("rules", ())) == self._names:
            self.rules = kept["rules"]
        else:
            self.rules = {name: self.play(name, make_rule(name, self.layout)) for name in self._names}
            write_json_atomic({"of": of, "rules": self.rules}, file)
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

    def __init__(self, scenarios: Sequence[Scenario], seeds: Sequence[int], threads: int = 1) -> None:
        self._each = [Validation(scenario, seeds, shown_rules(scenario), threads) for scenario in scenarios]
        self.layouts = [one.layout for one in self._each]
        self.seeds = list(seeds)
        self.rules: dict[str, Figures] = {}

    def play(self, name: str, policies: Sequence[Policy]) -> Figures:
        """Figures of a policy, of which there is one for each layout."""
        return _means([one.play(name, policy) for one, policy in zip(self._each, policies, strict=True)])

    def play_rules(self, folder: Path) -> None:
        """As of Validation; rules that not all scenarios have are left out, but count for the best of each."""
        for one, file in zip(self._each, rules_files(len(self._each)), strict=True):
            one.play_rules(folder / file)
        common = [name for name in self._each[0].rules if all(name in one.rules for one in self._each)]
        self.rules = {name: _means([one.rules[name] for one in self._each]) for name in common}
        if len(self._each) > 1:
            self.rules[BEST_OF_EACH] = _means([one.rules[one.best_rule] for one in self._each])

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


def shown_rules(scenario: Scenario) -> list[str]:
    """The rules that a learning curve is compared with; those with values where there are some for the scenario."""
    return [rule for rule in SHOWN_RULES if rule not in rules_with_values() or has_values(rule, scenario)]


def rules_files(count: int) -> list[str]:
    """Files of the rules' figures, one a scenario."""
    return [RULES_FILE, *(RULES_FILE.replace(".", f"-{n}.") for n in range(2, count + 1))]


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


def mean_of(values: Sequence[float | None]) -> float:
    """Plain mean of the seeds that have a value; NaN if none has."""
    known = [x for x in values if x is not None]
    return sum(known) / len(known) if known else np.nan


def told(gain: float, rule: str) -> str:
    """A difference in reward per job in words: "0.068 below jsq"."""
    return difference_in_words(Estimate(iqm=gain, low=None, high=None, mean=gain, n=1), rule)


def _by_seed(seeds: Sequence[int], values: Sequence[float | None]) -> dict[int, float]:
    return {seed: np.nan if x is None else x for seed, x in zip(seeds, values, strict=True)}
