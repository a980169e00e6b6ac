"""What the length of a slot does: a rule's figures with half the slot, and with half the substep, on the same seeds.

Random numbers belong to UEs, jobs and links, not to slots, so the worlds of a seed share arrivals, lengths and paths whatever the slot.
"Half slot" keeps the substep, where the slot has several and half of it is not below the shortest slot of a scenario; "half
substep" keeps the slot. Changes are those of the mean over seeds, with the 95 % t-interval of the
paired differences, both relative to the mean before. A job waits half a slot for its decision on average: `ttft_decided_mean_s` is the mean
time from the decision to the first token, of finished jobs that were decided once, which that does not move.
"""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from scipy import stats

from agents.policy import make_rule
from edge6g_env.kernel.codes import FINISHED
from edge6g_env.scenario import Scenario, load_scenario
from eval import evaluation_seeds
from eval.episodes import run_policies

SHORTEST_SLOT_S = 0.005  # scenario.Time
METRICS = ("ttft_mean_s", "ttft_decided_mean_s", "tpot_mean_s", "reward_per_job", "progress_mean")


def main() -> None:
    """Play the three kinds of worlds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", default="campus", help="name or path (campus)")
    parser.add_argument("--rule", default="greedy", help="rule that decides (greedy)")
    parser.add_argument("--seeds", type=int, default=128, help="episodes of each kind (128)")
    options = parser.parse_args()
    scenario = load_scenario(options.scenario)
    slot_s, substeps = scenario.time.slot_s, scenario.time.n_substeps
    kinds = {"half substep": load_scenario(scenario, **{"time.n_substeps": 2 * substeps})}
    if substeps > 1 and slot_s / 2 >= SHORTEST_SLOT_S:
        half_slot = {"time.slot_s": slot_s / 2, "time.n_substeps": substeps // 2}
        kinds = {"half slot": load_scenario(scenario, **half_slot), **kinds}
    base = play(scenario, options.rule, options.seeds)
    table = Table("change", "metric", "before", "after", "change %", "95 % interval", box=None, pad_edge=False)
    for kind, changed in kinds.items():
        after = play(changed, options.rule, options.seeds)
        for metric in (name for name in METRICS if base[name].notna().all()):  # nothing may be tuned
            change, half = relative_change(base[metric], after[metric])
            numbers = f"{base[metric].mean():.4f}", f"{after[metric].mean():.4f}", f"{change:+.2f}"
            table.add_row(kind, metric, *numbers, f"[{change - half:+.2f}, {change + half:+.2f}]")
    what = f"{scenario.id}, {options.rule}, {options.seeds} seeds, slot {1e3 * slot_s:g} ms of {substeps} substeps"
    Console().print(what, highlight=False)
    Console().print(table)


def play(scenario: Scenario, rule: str, seeds: int) -> pd.DataFrame:
    """One episode a seed, a row each, with the columns of episodes.csv and `ttft_decided_mean_s`."""
    numbers = evaluation_seeds(seeds)
    played = run_policies({rule: partial(make_rule, rule)}, scenario, numbers, Console(stderr=True))[rule]
    return pd.DataFrame(played.rows).assign(ttft_decided_mean_s=ttft_decided_mean_s(played.jobs, scenario, seeds))


def ttft_decided_mean_s(jobs: np.ndarray, scenario: Scenario, seeds: int) -> np.ndarray:
    """Mean time from the decision to the first token by episode, float64 (seeds,), of finished jobs that no fault brought back."""
    once = jobs[(jobs["phase"] == FINISHED) & (jobs["retries"] == 0)]
    from_decision_s = once["arrival_s"] + once["ttft_s"] - once["slot"] * scenario.time.slot_s
    return np.bincount(once["world"], from_decision_s, seeds) / np.bincount(once["world"], minlength=seeds)


def relative_change(before: pd.Series, after: pd.Series) -> tuple[float, float]:
    """Change of the mean and half the width of its 95 % interval, in % of the mean before."""
    difference = 100.0 * (after - before).to_numpy() / before.mean()
    n = len(difference)
    half = float(stats.t.ppf(0.975, n - 1)) * difference.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    return float(difference.mean()), float(half)


if __name__ == "__main__":
    main()
