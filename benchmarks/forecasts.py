"""What was predicted of decisions beside what came, in several scenarios; `edge6g usage` has it too, beside what columns are worth.

python benchmarks/forecasts.py --scenarios campus,tiny,shard,rush --policy greedy --seeds 20
"""

from __future__ import annotations

import argparse
from functools import partial

from rich.console import Console

from agents.policy import make_rule
from edge6g_env.scenario import load_scenario
from edge6g_env.spaces import Layout
from eval import evaluation_seeds
from eval.episodes import play_worlds
from eval.forecasts import Foreseeing, forecast_table, forecasts


def main() -> None:
    """Play and print, a scenario at a time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenarios", default="campus,tiny,shard,rush")
    parser.add_argument("--policy", default="greedy", help="a rule")
    parser.add_argument("--seeds", type=int, default=20, help="evaluation episodes")
    options = parser.parse_args()
    console, seeds = Console(), evaluation_seeds(options.seeds)
    for name in options.scenarios.split(","):
        scenario = load_scenario(name)
        make = partial(Foreseeing.made_by, partial(make_rule, options.policy))
        jobs, promised, *_ = play_worlds(options.policy, make, scenario, seeds)
        console.print(f"\n{name}, {options.policy}, {options.seeds} seeds")
        console.print(forecast_table(forecasts(Layout(scenario), jobs, promised)))


if __name__ == "__main__":
    main()
