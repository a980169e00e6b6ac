"""The policy and the rules on the validation seeds: what a learning curve is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

import edge6g_env
from agents.policy import Policy, make_rule
from edge6g_env.errors import UserError
from edge6g_env.scenario import Scenario
from eval.episodes import measured_s, run_episodes
from eval.files import read_object, write_json_atomic
from eval.metrics import METRIC_NAMES, episode_metrics
from eval.report.numbers import difference_in_words
from eval.statistics import Estimate, iqm, paired_difference
from train.flights import Flights

CURVES = ("reward_per_job", "slo_attainment", "ttft_mean_s", "ttft_p95_s", "tpot_mean_s", "price_per_job")
assert set(CURVES) <= set(METRIC_NAMES)
RULES_FILE = "validation.json"

Figures = Mapping[str, Sequence[float | None]]
"""Each of CURVES, one value a seed; None where an episode has none."""


class NothingMeasuredError(UserError):
    """Validation episodes without a measured job."""


class Validation:
    """Plays policies on the same seeds, and compares them with the best rule there."""

    def __init__(self, scenario: Scenario, seeds: Sequence[int], rules: Sequence[str]) -> None:
        self._scenario, self.seeds, self._names = scenario, list(seeds), list(rules)
        self.rules: dict[str, Figures] = {}
        self._flights = Flights(scenario)
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

    def play_rules(self, folder: Path) -> None:
        """The rules' figures, from `folder` if an earlier run has left them there; NothingMeasuredError if no job is measured."""
        of = {"version": edge6g_env.__version__, "fingerprint": self._scenario.fingerprint, "seeds": self.seeds}
        kept = read_object(folder / RULES_FILE)
        if kept.get("of") == of and list(kept.get("rules", ())) == self._names:
            self.rules = kept["rules"]
        else:
            self.rules = {name: self.play(name, make_rule(name, self.layout)) for name in self._names}
            write_json_atomic({"of": of, "rules": self.rules}, folder / RULES_FILE)
        if any(np.isnan(middle(figures["reward_per_job"])) for figures in self.rules.values()):
            raise NothingMeasuredError(
                "no job is measured in the validation episodes: the scenario has too few arrivals"
            )

    @property
    def best_rule(self) -> str:
        """The rule with the highest reward per job."""
        return max(self.rules, key=lambda name: middle(self.rules[name]["reward_per_job"]))

    def gain(self, figures: Figures, rule: str) -> Estimate:
        """Reward per job over a rule's, seed by seed."""
        mine, theirs = (_by_seed(self.seeds, of["reward_per_job"]) for of in (figures, self.rules[rule]))
        return paired_difference(mine, theirs)

    def table(self) -> str:
        """The rules' figures as Markdown, best first."""
        order = sorted(self.rules, key=lambda name: -middle(self.rules[name]["reward_per_job"]))
        rows = [
            f"| {name} | " + " | ".join(f"{middle(self.rules[name][m]):.4g}" for m in CURVES) + " |" for name in order
        ]
        return "\n".join([f"| rule | {' | '.join(CURVES)} |", "|---" * (1 + len(CURVES)) + "|", *rows])


def middle(values: Sequence[float | None]) -> float:
    """Interquartile mean of the seeds that have a value; NaN, which TensorBoard leaves out, if none has."""
    return iqm([np.nan if x is None else x for x in values])


def told(gain: float, rule: str) -> str:
    """A difference in reward per job in words: "0.068 below jsq"."""
    return difference_in_words(Estimate(iqm=gain, low=None, high=None, mean=gain, n=1), rule)


def _by_seed(seeds: Sequence[int], values: Sequence[float | None]) -> dict[int, float]:
    return {seed: np.nan if x is None else x for seed, x in zip(seeds, values, strict=True)}
