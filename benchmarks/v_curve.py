"""The V curve of `drift-plus-penalty`: what a larger weight of utility earns, and how long jobs wait for it; on validation seeds.

Theory (Neely 2010, theorem 4.8): utility within O(1/V) of the best, backlogs O(V), for backlogs of which each decision sees the true ones.
"""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from agents.policy import rule_class
from edge6g_env.scenario import load_scenario
from eval.episodes import run_policies
from eval.statistics import bootstrap_interval, iqm
from train.seeds import VALIDATION_SEED

RULE = "drift-plus-penalty"
WEIGHTS_S2 = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 10_000.0)
SHOWN = {"ttft_mean_s": "TTFT, s", "ttft_p95_s": "p95, s", "tpot_mean_s": "TPOT, s", "rejected_share": "rejected"}


def main() -> None:
    """Play every V and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", default="campus", help="name or path (campus)")
    parser.add_argument("--seeds", type=int, default=16, help="episodes of each V (16)")
    options = parser.parse_args()
    scenario, seeds = load_scenario(options.scenario), [VALIDATION_SEED + n for n in range(options.seeds)]
    make = {f"{v:g}": partial(rule_class(RULE), values={"v_s2": v}) for v in WEIGHTS_S2}
    played = run_policies(make, scenario, seeds, Console(stderr=True))
    table = Table("V, s^2", "reward per job", "95 % interval", *SHOWN.values(), box=None, pad_edge=False)
    for v, episodes in played.items():
        rows = pd.DataFrame(episodes.rows)
        interval = bootstrap_interval(rows["reward_per_job"])
        means = [f"{np.nanmean(rows[name]):.3f}" for name in SHOWN]
        shown = "" if interval is None else "[{:.4f}, {:.4f}]".format(*interval)
        table.add_row(v, f"{iqm(rows['reward_per_job']):.4f}", shown, *means)
    Console().print(f"{scenario.label}, {RULE}, {len(seeds)} validation seeds from {VALIDATION_SEED}", highlight=False)
    Console().print(table)


if __name__ == "__main__":
    main()
