"""What a policy chooses by load and by what is resident where it decides."""

from __future__ import annotations

import numpy as np
import pandas as pd

from agents.policy import Around, MakePolicy, Observation, Policy
from agents.rules._rows import service_entries, waiting
from edge6g_env.kernel.codes import REJECT
from edge6g_env.scenario import Scenario
from edge6g_env.spaces import Layout
from eval.decisions import columns_of
from eval.episodes import play_worlds

LOADS = ("light", "middle", "heavy")
RESIDENT = ("nothing", "a part", "all")
COLUMNS = ("policy", "service", "load", "jobs_from", "jobs_to", "resident", "decisions", "column", "value", "share")


class Noting(Around):
    """A policy whose decisions are noted in `decisions`: one int64 (n, 4) a step, columns service, action, jobs at the node, RESIDENT.

    Jobs at the node hold KV there or wait. Resident is what the node has of the service's default model, at the precision of which it
    has most.
    """

    def __init__(self, policy: Policy, layout: Layout, decisions: list[np.ndarray]) -> None:
        """decisions: what it adds to."""
        super().__init__(policy)
        self._decisions = decisions
        entry = layout.observation_index
        self._services, self._jobs = service_entries(layout), [entry("node/sequences"), entry("node/inbox_jobs")]
        self._resident = [entry(f"node/resident_{name}") for name in layout.scenario.actions.precision]

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """What the policy does; see Policy.act."""
        actions, decides = self._policy.act(obs, rng), waiting(obs)
        seen, share = obs["observation"][decides], obs["observation"][decides][:, self._resident].max(axis=-1)
        resident = np.where(share >= 1.0, 2, (share > 0.0) * 1)
        jobs = seen[:, self._jobs].sum(axis=-1)
        noted = [seen[:, self._services].argmax(axis=-1), actions[decides], jobs, resident]
        self._decisions.append(np.stack(noted, axis=-1).astype(np.int64))
        return actions


def noted(name: str, make: MakePolicy, scenario: Scenario, seeds: list[int]) -> np.ndarray:
    """Decisions of whole episodes, warm-up and drain too, int64 (n, 4): see Noting."""
    decisions: list[np.ndarray] = []
    play_worlds(name, lambda layout: Noting(make(layout), layout, decisions), scenario, seeds)
    return np.concatenate(decisions)


def classes_of(jobs: np.ndarray) -> np.ndarray:
    """Lowest number of jobs that is middle load, and that is heavy, int64 (2,): a third of the decisions each, as far as ties allow."""
    return (
        np.quantile(jobs, [1.0 / 3.0, 2.0 / 3.0], method="higher").astype(np.int64)
        if len(jobs)
        else np.zeros(2, np.int64)
    )


def situations(policy: str, decisions: np.ndarray, layout: Layout) -> pd.DataFrame:
    """Share of each value of each column of the action table (and of `reject`) in each situation that came; columns are COLUMNS.

    Shares of a column are of the decisions in which it means something; those of the route are of all, `reject` among them. Values that
    were not taken are left out. jobs_from, jobs_to: the load's class, both included.
    """
    rows: list[tuple[object, ...]] = []
    bounds = classes_of(decisions[:, 2])
    load = np.searchsorted(bounds, decisions[:, 2], side="right")
    for s, service in enumerate(layout.scenario.service):
        for at, load_name in enumerate(LOADS):
            for held, resident_name in enumerate(RESIDENT):
                here = (decisions[:, 0] == s) & (load == at) & (decisions[:, 3] == held)
                if here.any():
                    jobs = decisions[load == at, 2]
                    head = (policy, service.name, load_name, jobs.min(), jobs.max(), resident_name, int(here.sum()))
                    rows += [(*head, *choice) for choice in _choices(decisions[here, 1], layout)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _choices(actions: np.ndarray, layout: Layout) -> list[tuple[str, str, float]]:
    """(column, value, share) of the values that were taken."""
    chosen = []
    rejected = float(np.mean(layout.action_table[actions, 0] == REJECT))
    if rejected > 0.0:
        chosen.append(("route", "reject", rejected))
    for column in columns_of(layout):
        meant = actions[column.means[actions]]
        whole = len(actions) if column.name == "route" else max(1, len(meant))
        counts = np.bincount(column.numbers[meant], minlength=len(column.values))
        chosen += [
            (column.name, value, n / whole) for value, n in zip(column.values, counts.tolist(), strict=True) if n
        ]
    return chosen


def in_words(table: pd.DataFrame) -> str:
    """The table as Markdown, a line a situation: `value share %` of each column."""
    columns = list(dict.fromkeys(table["column"]))
    lines = [
        f"| policy | service | jobs there | resident | decisions | {' | '.join(columns)} |",
        "|---" * (5 + len(columns)) + "|",
    ]
    keys = ["policy", "service", "jobs_from", "jobs_to", "resident", "decisions"]
    for (policy, service, low, high, resident, count), of in table.groupby(keys, sort=False):
        jobs = f"{low}" if low == high else f"{low} to {high}"
        cells = [_cell(of[of["column"] == column].sort_values("share", ascending=False)) for column in columns]
        lines.append(f"| {policy} | {service} | {jobs} | {resident} | {count} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(values: pd.DataFrame) -> str:
    return ", ".join(
        f"{value} {100 * share:.0f}" for value, share in zip(values["value"], values["share"], strict=True)
    )
