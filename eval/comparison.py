"""A comparison as a whole: what was played, what came out, and what each policy did for each service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from edge6g_env.kernel.codes import REJECT
from edge6g_env.scenario import Scenario
from edge6g_env.scenario_services import Service
from edge6g_env.spaces import Layout
from eval.decisions import columns_of, decided, shares
from eval.episodes import measured_s
from eval.metrics import episode_metrics
from eval.provenance import Provenance
from eval.record.different import MostDifferent
from eval.summary import Summary

OF_INFERENCE = ("ttft_p50_s", "ttft_p95_s", "tpot_mean_s")
OF_FINETUNE = ("progress_mean",)
PER_SERVICE = ("jobs", "slo_attainment", *OF_INFERENCE, *OF_FINETUNE, "reward_per_job")


@dataclass(frozen=True)
class Comparison:
    """What a report shows.

    jobs: by policy of the summary, the measured jobs of all its episodes, rows of OUTCOME (docs/state.md). busy_share: by policy float64
    (N,), the share of its episodes in which each node computed. different: where the policy and the best rule differ most, if it is known;
    recorded: what shows that episode, paths from the folder of the report.
    """

    scenario: Scenario
    episodes: pd.DataFrame
    jobs: Mapping[str, np.ndarray]
    summary: Summary
    made_by: Provenance
    busy_share: Mapping[str, np.ndarray] = field(default_factory=dict)
    different: MostDifferent | None = None
    recorded: tuple[str, ...] = ()

    def jobs_of(self, policy: str, service: int) -> np.ndarray:
        """The measured jobs of a service, by its index in the scenario."""
        jobs = self.jobs[policy]
        return jobs[jobs["service"] == service]

    @property
    def services(self) -> list[Service]:
        """Services of the scenario, in its order."""
        return list(self.scenario.service)


def by_service(jobs: np.ndarray, scenario: Scenario, episodes: int) -> dict[str, dict[str, float | None]]:
    """PER_SERVICE of each service, over the jobs of all episodes of a policy as if they were one; None where there is no value."""
    figures = {}
    for index, service in enumerate(scenario.service):
        mine = episode_metrics(jobs[jobs["service"] == index], episodes * measured_s(scenario), float("nan"))
        figures[service.name] = {name: None if np.isnan(mine[name]) else mine[name] for name in PER_SERVICE}
    return figures


def first_tokens(jobs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distribution of the time to first token over all jobs: times, s, rising, and the share that has its first token by then.

    A job that never had one counts below the line, so the share may end below 1; both are empty without jobs.
    """
    ttft_s = np.sort(jobs["ttft_s"][jobs["ttft_s"] >= 0.0])
    return ttft_s, np.arange(1, len(ttft_s) + 1) / max(1, len(jobs))


def decision_shares(jobs: np.ndarray, layout: Layout) -> dict[str, dict[str, float]] | None:
    """Column of the action table -> value -> its share of the decisions in which it means something; None if nothing was decided.

    The first is `reject`, the share of all decisions that turn the job away.
    """
    actions = decided(jobs)
    if not len(actions):
        return None
    rejected = float(np.mean(layout.action_table[actions, 0] == REJECT))
    taken = {
        column.name: dict(zip(column.values, shares(column, actions), strict=True)) for column in columns_of(layout)
    }
    return {"reject": {"reject": rejected}, **taken}
