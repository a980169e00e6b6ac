"""Decisions a second of CPU time that `ppo` and `mappo` learn, in worlds of one scenario and in worlds of which each has values of its own.

    python benchmarks/varied_worlds.py --scenario campus --vary arrivals.rate_jobs_s=6:14 --decisions 20000

Both kinds take turns, `--repetitions` times, and the fastest of each counts: a machine with other work to do is slower, never faster.
"""

from __future__ import annotations

import argparse
import time

import torch
from rich.console import Console
from rich.table import Table
from stable_baselines3.common.callbacks import BaseCallback

from edge6g_env.scenario import load_scenario
from train.learner import Learner
from train.setup import Setup
from train.worlds import varied_of

FORMS = {"ppo": ("ppo", {}), "mappo": ("mappo", {}), "mappo, candidates=no": ("mappo", {"candidates": False})}


class Nothing(BaseCallback):
    """Of a training that is only timed."""

    def _on_step(self) -> bool:
        return True


def rate(setup: Setup) -> float:
    """Decisions a second of CPU time, updates included, the making of the worlds not."""
    learner = Learner(setup)
    begin_s = time.process_time()
    learner.model.learn(setup.most_decisions, callback=Nothing(), reset_num_timesteps=False)
    spent_s = time.process_time() - begin_s
    learner.close()
    return float(learner.model.num_timesteps) / spent_s


def main() -> None:
    """Time every form and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", default="campus", help="name or path (campus)")
    parser.add_argument("--vary", default="arrivals.rate_jobs_s=6:14", help="KEY=LOW:HIGH (arrivals.rate_jobs_s=6:14)")
    parser.add_argument("--decisions", type=int, default=20_000, help="of each training (20000)")
    parser.add_argument("--num-worlds", type=int, default=16, help="(16)")
    parser.add_argument("--repetitions", type=int, default=2, help="of which the fastest counts (2)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    scenarios = (load_scenario(options.scenario),)
    varied = varied_of([options.vary], scenarios)
    table = Table("algorithm", "one batch", "varied", "varied / one batch", box=None, pad_edge=False)
    for name, (algo, settings) in FORMS.items():
        kinds = [
            Setup(
                scenarios,
                algo,
                decisions=options.decisions,
                settings=settings,
                varied=of,
                num_worlds=options.num_worlds,
            )
            for of in ((), varied)
        ]
        one, other = (max(rates) for rates in zip(*(map(rate, kinds) for _ in range(options.repetitions)), strict=True))
        table.add_row(name, f"{one:,.0f}/s", f"{other:,.0f}/s", f"{other / one:.2f}")
    Console().print(f"{scenarios[0].label}, {options.num_worlds} worlds, --vary {options.vary}", highlight=False)
    Console().print(table)


if __name__ == "__main__":
    main()
