"""What a decision is credited with: its own job's worth, or what all jobs gain against a base run of the same seeds.

A job's worth moves with what others decide, so own credit walks to each job's selfish best response (docs/training.md). Arrivals, lengths
and channels do not depend on decisions: job n of a sampled run is job n of the base run, and the difference of the two is what the
sampled decisions changed.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from edge6g_env.kernel.codes import CUT, FINETUNE
from edge6g_env.scenario import Scenario


class Jobs(NamedTuple):
    """All jobs of an episode, by their running number: J of them."""

    worth: np.ndarray  # float64 (J,)
    arrival_s: np.ndarray  # float64 (J,)
    end_s: np.ndarray  # float64 (J,)
    service: np.ndarray  # int64 (J,)
    finetunes: np.ndarray  # bool (J,)


def jobs_of(scenario: Scenario, outcomes: np.ndarray, costs: np.ndarray | None = None) -> Jobs:
    """The jobs of one world's whole episode; outcomes: its rows of OUTCOME; costs: (rows,) taken off the worth of each.

    One that the end of the episode cut counts as expired, as the metrics count those that are measured.
    """
    worth = np.where(outcomes["phase"] == CUT, expired_worth(scenario, outcomes), outcomes["worth"])
    if costs is not None:
        worth = worth - costs
    order = np.argsort(outcomes["job"], kind="stable")
    if not np.array_equal(outcomes["job"][order], np.arange(len(order))):
        raise ValueError("outcomes of a whole episode have each job once")
    columns = (outcomes[name] for name in ("arrival_s", "end_s", "service"))
    return Jobs(*(column[order] for column in (worth, *columns, outcomes["kind"] == FINETUNE)))


def expired_worth(scenario: Scenario, outcomes: np.ndarray) -> np.ndarray:
    """Worth of jobs that end as expired, float64 (rows,), with the terms of kernel/ledger.py: of a task its credited steps stay."""
    reward, services = scenario.reward, scenario.service
    value, exposure_cost, on_site = (
        np.array(column)[outcomes["service"]]
        for column in (
            [one.value for one in services],
            [one.exposure_cost for one in services],
            [one.privacy == "site" for one in services],
        )
    )
    done, given_away = outcomes["progress"], np.where(on_site, outcomes["exposure_site"], outcomes["exposure_device"])
    spent = reward.price_per_usd * outcomes["price_usd"] + reward.energy_per_j * outcomes["energy_j"]
    lost = reward.expired_cost * (1.0 - done)
    return value * outcomes["quality"] * done - lost - spent - exposure_cost * given_away


def own(jobs: Jobs, job: np.ndarray) -> np.ndarray:
    """Worth of the jobs that were decided, float64 (n,); job: int64 (n,) their numbers."""
    return jobs.worth[job]


def team(base: Jobs, sampled: Jobs, job: np.ndarray, time_s: np.ndarray, horizon_s: float, share: float) -> np.ndarray:
    """What all jobs gained against the base run, float64 (n,), of n decisions of the sampled run about the jobs `job` at `time_s`.

    The decided job counts once. The others count by `share` if in either run they are under way at the decision or arrive at most
    `horizon_s` after it; a task of fine-tuning is under way until the last of its members has ended. Raises ValueError if the runs
    are not of the same jobs.
    """
    if not np.array_equal(base.arrival_s, sampled.arrival_s):
        raise ValueError("the runs must be of the same seed of one scenario: their jobs differ")
    gain = sampled.worth - base.worth
    end_s = _ends(sampled, np.maximum(base.end_s, sampled.end_s))
    # Under way or to come is: arrived before the horizon, less what had ended before the decision, all of which had arrived by then.
    arrived = _sum_below(sampled.arrival_s, gain, time_s + horizon_s, "right")
    ended = _sum_below(end_s, gain, time_s, "left")
    return gain[job] + share * (arrived - ended - gain[job])


def _ends(jobs: Jobs, end_s: np.ndarray) -> np.ndarray:
    """Ends of jobs, those of a task of fine-tuning all with its last: its members arrive together."""
    if not jobs.finetunes.any():
        return end_s
    end_s = end_s.copy()
    members = np.flatnonzero(jobs.finetunes)
    _, task = np.unique(np.stack([jobs.arrival_s[members], jobs.service[members]]), axis=1, return_inverse=True)
    last = np.full(task.max() + 1, -np.inf)
    np.maximum.at(last, task.ravel(), end_s[members])
    end_s[members] = last[task.ravel()]
    return end_s


def _sum_below(at: np.ndarray, values: np.ndarray, limits: np.ndarray, side: Literal["left", "right"]) -> np.ndarray:
    """Sum of the values whose place is below each limit, or not above it with side "right"; float64 as limits."""
    order = np.argsort(at, kind="stable")
    sums = np.concatenate([[0.0], np.cumsum(values[order])])
    return sums[np.searchsorted(at[order], limits, side)]
