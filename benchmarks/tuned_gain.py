"""What a rule with values earns over another, on validation seeds that no search has met: interquartile means, paired difference."""

from __future__ import annotations

import argparse

from agents.policy import make_rule
from edge6g_env.scenario import load_scenario
from eval.pools.flights import Flights
from eval.report.numbers import REWARD, value_and_interval
from eval.statistics import iqm, paired_difference
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
        cells = [name, f"{iqm(mine):.4f}", f"{iqm(theirs):.4f}", " ".join(value_and_interval(REWARD, of, signed=True))]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
