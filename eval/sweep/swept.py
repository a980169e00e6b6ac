"""A sweep as a whole: what was played, and what its report shows of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from edge6g_env.scenario import Scenario
from eval.provenance import Provenance
from eval.statistics import CONFIDENCE, RESAMPLES
from eval.sweep.figures import differences, estimates
from eval.sweep.knee import ATTAINED, LOAD, knee_in_words, knees
from eval.sweep.table import REASON, Known, Setting, policies_of, records, settings_of, varied_keys

NOTE = (
    "Figures are interquartile means over the evaluation seeds with 95 % percentile-bootstrap intervals. All policies meet the same seeds "
    "in all settings, so differences, to the best rule of a setting and between settings, are paired by seed. The best rule is chosen on "
    "the same seeds, which favours it. A knee is of means, on straight lines between the loads that were played; its interval draws the "
    "seeds again. The figures of a group of checkpoints are those of a policy that earns in each seed what they earn there in the mean, "
    "its differences are means over training seeds with Student's intervals over them; a single checkpoint's interval speaks of that "
    "checkpoint only. Nothing is corrected for the number of settings, metrics and policies."
)


@dataclass(frozen=True)
class Swept:
    """What a sweep has to show.

    scenario: what the settings change; frame: the table of the sweep; trained_on: of policies the scenario that they were trained in, or a
    rule's values found in, where it is known.
    """

    scenario: Scenario
    frame: pd.DataFrame
    trained_on: Mapping[str, str | None]
    made_by: Provenance

    @cached_property
    def keys(self) -> list[str]:
        """Those that vary."""
        return varied_keys(self.frame)

    @cached_property
    def settings(self) -> list[Setting]:
        """In the order in which they were asked for."""
        return settings_of(self.frame)

    @cached_property
    def policies(self) -> dict[str, Known]:
        """What is known of each, in the order in which they were asked for."""
        return policies_of(self.frame)

    @cached_property
    def seeds(self) -> list[int]:
        """Evaluation seeds."""
        return sorted(int(seed) for seed in self.frame["seed"].dropna().unique())

    @cached_property
    def estimates(self) -> pd.DataFrame:
        """See figures.estimates."""
        return estimates(self.frame)

    @cached_property
    def differences(self) -> pd.DataFrame:
        """See figures.differences."""
        return differences(self.frame)

    @cached_property
    def knees(self) -> pd.DataFrame | None:
        """See knee.knees; None where the load does not vary."""
        return knees(self.frame) if LOAD in self.keys else None

    @cached_property
    def axis(self) -> str | None:
        """The key along which figures are drawn: the load, else the first one of several numbers; None where there is none."""
        numeric = [key for key in self.keys if self._is_numeric(key)]
        return LOAD if LOAD in numeric else numeric[0] if numeric else None

    def values(self, key: str) -> list[Any]:
        """Values of a key, each once, in order."""
        place = self.keys.index(key)
        return list(dict.fromkeys(setting[place] for setting in self.settings))

    def _is_numeric(self, key: str) -> bool:
        values = self.values(key)
        return len(values) > 1 and all(isinstance(value, int | float) for value in values)

    @cached_property
    def unfit(self) -> list[tuple[str, Setting, str]]:
        """Policies that do not fit a setting, and why."""
        rows = self.frame[self.frame[REASON].notna()]
        return [
            (policy, tuple(setting), reason)
            for policy, reason, *setting in rows[["policy", REASON, *self.keys]].itertuples(index=False, name=None)
        ]

    @cached_property
    def improvements(self) -> list[dict[str, Any]]:
        """Rows of `estimates` of groups of checkpoints that have a best rule beside them: their reward."""
        return records(self.estimates[self.estimates["improvement"].notna()])

    def record(self) -> dict[str, Any]:
        """summary.json."""
        return {
            **self.made_by,
            "note": NOTE,
            "confidence": CONFIDENCE,
            "resamples": RESAMPLES,
            "vary": {key: self.values(key) for key in self.keys},
            "seeds": self.seeds,
            "settings": [self._setting(setting) for setting in self.settings],
            "differences": [self._difference(row) for row in records(self.differences)],
            "knees": self._knees(),
        }

    def named(self, setting: Sequence[Any]) -> dict[str, Any]:
        """A setting by key."""
        return dict(zip(self.keys, setting, strict=True))

    def _setting(self, setting: Setting) -> dict[str, Any]:
        policies: dict[str, Any] = {}
        best_rule = None
        for row in self._of_settings[setting]:
            best_rule, metric = row["best_rule"], row["metric"]
            one = policies.setdefault(
                row["policy"],
                {"kind": row["kind"], "checkpoints": row["checkpoints"], "metrics": {}, "difference_to_best_rule": {}},
            )
            one["metrics"][metric] = self._estimate(row, "middle", "", ("mean", "n"))
            one["difference_to_best_rule"][metric] = self._estimate(row, "difference", "difference_")
            if row["improvement"] is not None:
                one["probability_of_improvement"] = self._estimate(row, "improvement", "improvement_")
        reasons = {policy: why for policy, where, why in self.unfit if where == setting}
        return {"setting": self.named(setting), "best_rule": best_rule, "policies": policies, "unfit": reasons}

    def _estimate(self, row: Mapping[str, Any], middle: str, before: str, more: Sequence[str] = ()) -> dict[str, Any]:
        """As in summary.json of a comparison: the middle is an interquartile mean, of a group the mean."""
        name = "mean" if row["checkpoints"] > 1 else "iqm"
        others = {name: row[name] for name in more}
        return others | {name: row[middle], "low": row[f"{before}low"], "high": row[f"{before}high"]}

    @cached_property
    def _of_settings(self) -> dict[Setting, list[dict[str, Any]]]:
        found: dict[Setting, list[dict[str, Any]]] = {setting: [] for setting in self.settings}
        for row in records(self.estimates):
            found[tuple(row[key] for key in self.keys)].append(row)
        return found

    def _difference(self, row: Mapping[str, Any]) -> dict[str, Any]:
        figures = ("difference", "low", "high", "mean", "n")
        return {
            "policy": row["policy"],
            "metric": row["metric"],
            "setting": {key: row[key] for key in self.keys},
            "less": {row["key"]: row["reference"]},
            **{name: row[name] for name in figures},
        }

    def _knees(self) -> dict[str, Any] | None:
        if self.knees is None:
            return None
        others = [key for key in self.keys if key != LOAD]
        ends = {"jobs_s": "knee_jobs_s", "low": "low_jobs_s", "high": "high_jobs_s"}
        return {
            "slo_attainment": ATTAINED,
            "policies": [
                {
                    "policy": row["policy"],
                    "setting": {key: row[key] for key in others},
                    **{name: knee_in_words(row[column]) for name, column in ends.items()},
                }
                for row in records(self.knees)
            ],
        }
