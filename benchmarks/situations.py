"""What is chosen by load and by what is resident, shares in %: routes, cuts, precisions and models of each service.

    python benchmarks/situations.py --scenario shard --policies greedy,static --seeds 20 --out situations.csv

A situation is the load of the node that decides (jobs that hold KV or wait there: three classes with about as many decisions each) and what
it holds of the service's default model, at any precision. `--weights` adds what benchmarks/room.py found, `--last` with its agreement.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from agents.policy import MakePolicy, make_rule
from benchmarks.pages import write_for_page
from benchmarks.room import Linear, agreed
from edge6g_env.scenario import load_scenario
from edge6g_env.spaces import Layout
from eval import evaluation_seeds
from eval.files import write_csv_atomic
from eval.situations import in_words, noted, situations


def main() -> None:
    """Play, print the table, write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", default="shard")
    parser.add_argument("--policies", default="greedy,static")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="of benchmarks/room.py --out")
    parser.add_argument("--last", metavar="SERVICE=NODES", help="its agreement")
    parser.add_argument("--seeds", type=int, default=20, help="evaluation episodes")
    parser.add_argument("--out", type=Path, metavar="FILE", help="CSV, or .md for the scenario's page")
    options = parser.parse_args()
    scenario = load_scenario(options.scenario)
    layout, seeds = Layout(scenario), evaluation_seeds(options.seeds)
    makes: dict[str, MakePolicy] = {name: partial(make_rule, name) for name in options.policies.split(",")}
    if options.weights:
        weights = np.array(json.loads(options.weights.read_text(encoding="utf-8")))
        makes["searched"] = partial(Linear, weights=weights, allowed=agreed(layout, options.last))
    table = pd.concat([situations(name, noted(name, make, scenario, seeds), layout) for name, make in makes.items()])
    words = in_words(table)
    print(words)
    if options.out and options.out.suffix == ".md":
        command = f"python benchmarks/situations.py --scenario {scenario.name} --policies {options.policies} --seeds {options.seeds}"
        folded = f"<details><summary>What is chosen by load and by what is resident, `{command}`</summary>\n\n{words}\n\n</details>"
        write_for_page(options.out, scenario, folded)
    elif options.out:
        write_csv_atomic(table, options.out)


if __name__ == "__main__":
    main()
