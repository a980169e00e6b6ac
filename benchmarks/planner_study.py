"""What a planner's settings are worth: reward less its base policy's on the same seeds, and the CPU time of an episode.

    python benchmarks/planner_study.py --scenario campus --words clairvoyant,clairvoyant:horizon_s=8 --seeds 4 --out study.json

Each word is a planner as `edge6g compare --policies` takes it, without a name. Episodes are kept in --out as they are played, so that the
same command goes on after an interruption, and one with more words or seeds plays what is new. Validation seeds (5,000,000 and up) unless
--evaluation asks for those of a comparison. With --plot FILE.png, the gain of each word over its base is drawn.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from agents.planners.options import asked, best_base
from agents.planners.planner import Planner
from edge6g_env._files import read_json
from edge6g_env.scenario import Scenario, load_scenario
from edge6g_env.spaces import Layout
from eval import EVALUATION_SEED
from eval.contenders import find_rows
from eval.episodes import play_worlds
from eval.files import write_json_atomic
from eval.kept import code_digest
from eval.statistics import Estimate, estimate
from train.checkpoint import load_policy
from train.seeds import VALIDATION_SEED

Played = dict[str, Any]
"""reward, cpu_s and what the planner did (`Effort`) of one episode."""


def play(word: str, scenario: Scenario, seed: int) -> Played:
    """One episode of a policy."""
    made = find_rows([word], scenario, load_policy)[0].members[0].make(Layout(scenario))
    begin_s = time.process_time()
    jobs, *_ = play_worlds(word, lambda layout: made, scenario, [seed])
    cpu_s = time.process_time() - begin_s
    effort = made.effort.to_dict() if isinstance(made, Planner) else {}
    return {"reward": float(jobs["worth"].mean()), "cpu_s": cpu_s, **effort}


def study(scenario: Scenario, words: list[str], seeds: list[int], out: Path) -> dict[str, dict[int, Played]]:
    """Word -> seed -> episode, of the planners and of their base policies; seed by seed, so that an unfinished one has all words."""
    kept: dict[str, dict[str, Played]] = read_json(out) if out.exists() else {}
    every = dict.fromkeys([*(base_of(word, scenario) for word in words), *words])
    of = {word: kept.setdefault(_key(scenario, word), {}) for word in every}
    for seed in seeds:
        for word, mine in of.items():
            if str(seed) not in mine:
                mine[str(seed)] = play(word, scenario, seed)
                write_json_atomic(kept, out)
                print(scenario.name, word, seed, json.dumps(mine[str(seed)]), flush=True)
    return {word: {seed: mine[str(seed)] for seed in seeds} for word, mine in of.items()}


def _key(scenario: Scenario, word: str) -> str:
    """By what an episode is found again: all that decides it."""
    (row,) = find_rows([word], scenario, load_policy)
    return " ".join([code_digest()[:16], scenario.fingerprint, row.identity, word])


def base_of(word: str, scenario: Scenario) -> str:
    """Word of the policy by which a planner goes on."""
    wanted = asked(word)
    if wanted is None:
        raise SystemExit(f"{word} is no planner")
    return wanted.base or best_base(scenario)


def gain(played: Mapping[str, Mapping[int, Played]], word: str, base: str) -> Estimate:
    """Reward of a planner less its base's, seed by seed."""
    return estimate([one["reward"] - played[base][seed]["reward"] for seed, one in played[word].items()])


def table(played: Mapping[str, Mapping[int, Played]], scenario: Scenario, words: list[str]) -> Iterator[str]:
    """Lines of a table in Markdown."""
    yield "| planner | reward | less its base | decisions planned / changed | CPU s an episode |"
    yield "|---|---|---|---|---|"
    for word in played:
        rows = list(played[word].values())
        reward = estimate([one["reward"] for one in rows])
        cells = [f"`{word}`", _words(reward), "", "", f"{np.mean([one['cpu_s'] for one in rows]):.1f}"]
        if word in words:
            shares = [
                100.0 * np.mean([one[what] / one["decisions"] for one in rows]) for what in ("planned", "changed")
            ]
            cells[2] = _words(gain(played, word, base_of(word, scenario)), signed=True)
            cells[3] = " / ".join(f"{share:.1f} %" for share in shares)
        yield f"| {' | '.join(cells)} |"


def _words(one: Estimate, signed: bool = False) -> str:
    numbers = [
        f"{value:{'+' if signed else ''}.4f}" for value in (one["iqm"], one["low"], one["high"]) if value is not None
    ]
    text = f"{numbers[0]} [{numbers[1]}, {numbers[2]}]" if len(numbers) == 3 else numbers[0]
    return f"{text}, n = {one['n']}".replace("-", "\u2212")


def plot(played: Mapping[str, Mapping[int, Played]], scenario: Scenario, words: list[str], file: Path) -> None:
    """The gain of each planner over its base, with its interval, and each seed as a dot."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(7.5, 1.0 + 0.4 * len(words)), layout="constrained")
    for place, word in enumerate(words):
        base = base_of(word, scenario)
        one = gain(played, word, base)
        dots = [row["reward"] - played[base][seed]["reward"] for seed, row in played[word].items()]
        ax.plot(dots, [place] * len(dots), ".", color="#9aa5b1", markersize=5)
        if one["low"] is not None and one["high"] is not None:
            ax.hlines(place, one["low"], one["high"], color="#7048e8", linewidth=2.4)
        ax.plot(one["iqm"] or 0.0, place, "o", color="#7048e8", markersize=6)
    ax.axvline(0.0, color="#495057", linewidth=1.0)
    ax.set_yticks(range(len(words)), words)
    ax.invert_yaxis()
    figure.supxlabel(
        f"reward per job less its base's, {scenario.name}, {len(played[words[0]])} seeds", fontsize="medium"
    )
    figure.savefig(file, dpi=120)


def main() -> None:
    """Play what is not kept, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", default="campus", help="name or path (campus)")
    parser.add_argument("--words", default="clairvoyant", help="planners, with commas between (clairvoyant)")
    parser.add_argument("--seeds", type=int, default=4, help="episodes of each (4)")
    parser.add_argument("--evaluation", action="store_true", help="the seeds of a comparison")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSON file of what was played")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="picture of the gains")
    options = parser.parse_args()
    scenario, words = load_scenario(options.scenario), options.words.split(",")
    first = EVALUATION_SEED if options.evaluation else VALIDATION_SEED
    played = study(scenario, words, list(range(first, first + options.seeds)), options.out)
    print("\n".join(table(played, scenario, words)))
    if options.plot:
        plot(played, scenario, words, options.plot)


if __name__ == "__main__":
    main()
