"""Answers against fine-tuning on the same accelerators, over `serving.train_share`.

    python benchmarks/train_shares.py --scenario finetune --policy greedy --seeds 20

Of an accelerator that decodes, `train_share` is for fine-tuning: each row is the whole scenario with another share, on the same seeds.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console

from agents.policy import MakePolicy, make_rule
from benchmarks.pages import write_for_page
from edge6g_env.kernel.codes import FINETUNE, INFERENCE
from edge6g_env.scenario import Scenario, load_scenario
from eval import evaluation_seeds
from eval.episodes import measured_s, run_policies
from eval.metrics import BY_NAME, episode_metrics
from eval.statistics import Estimate, estimate

TRAIN_SHARES = 0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9
OF_ANSWERS = "slo_attainment", "tpot_mean_s", "reward_per_job"
OF_TUNING = "progress_mean", "steps_per_s", "reward_per_job"


def curve(
    scenario: Scenario, make: MakePolicy, seeds: list[int], console: Console
) -> Iterator[tuple[float, list[Estimate]]]:
    """(train_share, estimates of OF_ANSWERS and OF_TUNING, of these jobs alone, and of the reward of all)."""
    for share in TRAIN_SHARES:
        played = load_scenario(scenario, **{"serving.train_share": share})
        jobs = run_policies({f"train_share {share:g}": make}, played, seeds, console)[f"train_share {share:g}"].jobs
        parts = (
            (jobs[jobs["kind"] == INFERENCE], OF_ANSWERS),
            (jobs[jobs["kind"] == FINETUNE], OF_TUNING),
            (jobs, ("reward_per_job",)),
        )
        yield share, [one for part, names in parts for one in _estimates(part, names, measured_s(played), seeds)]


def _estimates(jobs: np.ndarray, names: Sequence[str], window_s: float, seeds: list[int]) -> Iterator[Estimate]:
    rows = [episode_metrics(jobs[jobs["world"] == n], window_s, np.nan) for n in range(len(seeds))]
    yield from (estimate([BY_NAME[name].shown_scale * row[name] for row in rows]) for name in names)


def table(points: Iterator[tuple[float, list[Estimate]]]) -> Iterator[str]:
    """Lines of a table in Markdown."""
    heads = [
        f"{whose}{BY_NAME[name].label}{'' if BY_NAME[name].display_unit == '1' else f' ({BY_NAME[name].display_unit})'}"
        for whose, names in (("answers: ", OF_ANSWERS), ("fine-tuning: ", OF_TUNING), ("all: ", ("reward_per_job",)))
        for name in names
    ]
    yield f"| train_share | {' | '.join(heads)} |"
    yield "|---" * (len(heads) + 1) + "|"
    yield from (f"| {share:g} | {' | '.join(map(_cell, row))} |" for share, row in points)


def _cell(one: Estimate) -> str:
    digits = [
        f"{value:.3g}".replace("-", "\u2212") for value in (one["iqm"], one["low"], one["high"]) if value is not None
    ]
    return f"{digits[0]} [{digits[1]}, {digits[2]}]" if len(digits) == 3 else "".join(digits[:1])


def main() -> None:
    """Play and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", default="finetune", help="name or path (finetune)")
    parser.add_argument("--policy", default="greedy", help="rule that decides (greedy)")
    parser.add_argument("--seeds", type=int, default=20, help="evaluation episodes (20)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="Markdown, for docs/make_scenarios.py")
    options = parser.parse_args()
    scenario, seeds = load_scenario(options.scenario), evaluation_seeds(options.seeds)
    points = curve(scenario, partial(make_rule, options.policy), seeds, Console(stderr=True))
    command = f"python benchmarks/train_shares.py --scenario {options.scenario} --policy {options.policy} --seeds {options.seeds}"
    text = "\n".join([f"Interquartile mean over {len(seeds)} seeds [95 % interval], `{command}`:\n", *table(points)])
    print(text)
    if options.out:
        write_for_page(options.out, scenario, text)


if __name__ == "__main__":
    main()
