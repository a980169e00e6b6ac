"""What a weight on one entry of a candidate brings beside those of `tuned`: a first look before a search.

    python benchmarks/one_weight.py --scenario shard --entry node_ue_share --weights -0.1,-0.3,-1

Whole episodes inside the kernel on training seeds; interquartile means of the reward, and of its paired difference to `tuned` as it ships.
"""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Table

from agents.values import TUNED, compiled_rows, tuned
from edge6g_env.scenario import load_scenario
from eval.pools.flights import Flights
from eval.report.numbers import REWARD, value_and_interval
from eval.statistics import estimate, iqm

FIRST_SEED = 400_000  # of training worlds


def main() -> None:
    """Play each weight and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", default="shard", help="name or path (shard)")
    parser.add_argument("--entry", default="node_ue_share", help="of a candidate (node_ue_share)")
    parser.add_argument("--weights", default="-0.1,-0.3,-1", help="put in the place of its own, with commas between")
    parser.add_argument("--seeds", type=int, default=24, help="episodes of each (24)")
    options = parser.parse_args()
    scenario = load_scenario(options.scenario)
    values, flights = tuned(TUNED, scenario).values, Flights(scenario)
    layout = flights.layout
    seeds = [FIRST_SEED + n for n in range(options.seeds)]
    base = flights([compiled_rows(layout, values["rows"], values["weights"])], seeds).rewards[0]
    table = Table(
        options.entry, "reward per job", f"less {TUNED} [95 %]", title=f"{scenario.label}, {len(seeds)} seeds"
    )
    table.add_row(f"{values['weights'].get(options.entry, 0.0):g}", f"{iqm(base):.4f}", "")
    for weight in map(float, options.weights.split(",")):
        rows = compiled_rows(layout, values["rows"], {**values["weights"], options.entry: weight})
        rewards = flights([rows], seeds).rewards[0]
        more = estimate((rewards - base).tolist())
        table.add_row(f"{weight:g}", f"{iqm(rewards):.4f}", " ".join(value_and_interval(REWARD, more, signed=True)))
    Console().print(table)


if __name__ == "__main__":
    main()
