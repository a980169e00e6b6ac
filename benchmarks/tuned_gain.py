"""What a rule with values earns over another, on validation seeds that no search has met: rewards, paired difference, its interval."""

from __future__ import annotations

import argparse

import numpy as np

from agents.policy import make_rule
from edge6g_env.scenario import load_scenario
from eval.pools.flights import Flights
from eval.statistics import paired_difference
from train.seeds import VALIDATION_SEED

FIRST = VALIDATION_SEED + 100  # behind those of learning curves and of the choices of `edge6g tune`


def main() -> None:
    """Print a line a scenario."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", default="campus", help="names with commas between (campus)")
    parser.add_argument("--rule", default="tuned", help="(tuned)")
    parser.add_argument("--over", default="restricted", help="(restricted)")
    parser.add_argument("--seeds", type=int, default=20, help="(20)")
    options = parser.parse_args()
    seeds = range(FIRST, FIRST + options.seeds)
    print(f"| scenario | `{options.rule}` | `{options.over}` | difference, {options.seeds} seeds |\n|---|---|---|---|")
    for name in options.scenario.split(","):
        flights = Flights(load_scenario(name))
        mine, theirs = (
            flights([make_rule(rule, flights.layout)], seeds).rewards[0] for rule in (options.rule, options.over)
        )
        of = paired_difference(
            dict(zip(seeds, mine.tolist(), strict=True)), dict(zip(seeds, theirs.tolist(), strict=True))
        )
        interval = f"{of['iqm']:+.4f} [{of['low']:+.4f}, {of['high']:+.4f}]"
        print(f"| {name} | {np.nanmean(mine):.4f} | {np.nanmean(theirs):.4f} | {interval} |", flush=True)


if __name__ == "__main__":
    main()
