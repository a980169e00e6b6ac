"""Room: where a policy stands between the best rule (0) and `clairvoyant` (1), the planner that knows the future.

The best rule is the one that `eval/results/SCENARIO.json` has highest on validation seeds; without that file, the best of the run on its
own seeds. Rewards are those of the run for what it has played, else those of that file for the same seeds. Nothing is said where either
end is missing, where the file disagrees with what was played, or where the planner is not clear of the rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eval.result_files import Results, rounded
from eval.statistics import Estimate, estimate, iqm, share_of_span
from eval.summary import Room, Summary

CLAIRVOYANT = "clairvoyant"
THIS_RUN = "this run"
ON_VALIDATION, ON_THESE = "validation seeds", "the same seeds"

Rewards = Mapping[int, float]
"""Reward per job by seed."""


@dataclass(frozen=True)
class Played:
    """What one policy of a run earned. rewards: of a group of checkpoints their mean in each seed."""

    kind: str
    algo: str
    identity: str
    rewards: Rewards


@dataclass(frozen=True)
class Reference:
    """One end of the scale: whose rewards, and where they are from."""

    name: str
    rewards: Rewards
    source: str


def is_clairvoyant(name: str, algo: str = "") -> bool:
    """Whether a planner is that planner, with whatever options."""
    return CLAIRVOYANT in (algo, name.split(":")[0])


def add_room(summary: Summary, played: Mapping[str, Played], known: Results | None) -> None:
    """Fill `room` of a summary and of its policies; `room_note` says why there is none where one might expect it.

    known: what is known of the scenario from a file of results.
    """
    summary["room"], summary["room_note"], found = rooms(played, known, summary["seeds"])
    for name, policy in summary["policies"].items():
        policy["room"] = found.get(name)


def rooms(
    played: Mapping[str, Played], known: Results | None, seeds: Sequence[int]
) -> tuple[Room | None, str | None, dict[str, Estimate | None]]:
    """What room is measured by, why there is none where one might expect it, and the room of each policy that was played."""
    agreed, problem = _agreed(played, known)
    best, chosen_on = _best_rule(played, agreed, seeds)
    planner = _planner(played, agreed)
    if best is None or planner is None:
        return None, problem, {}
    both = [seed for seed in seeds if _has(best.rewards, seed) and _has(planner.rewards, seed)]
    if not both:
        return None, problem, {}
    low, high = ({seed: one.rewards[seed] for seed in both} for one in (best, planner))
    span = estimate([high[seed] - low[seed] for seed in both])
    ends = Room(
        best_rule=best.name,
        best_rule_from=best.source,
        chosen_on=chosen_on,
        clairvoyant=planner.name,
        clairvoyant_from=planner.source,
        seeds=len(both),
        span=span,
    )
    if not is_clear(span):
        return ends, f"No room: {planner.name} is not clear of {best.name}, the best rule, on {len(both)} seeds", {}
    return ends, problem, {name: of(one.rewards, low, high) for name, one in played.items()}


def of(mine: Rewards, low: Rewards, high: Rewards) -> Estimate | None:
    """Room of a policy over the seeds that all three have; None without one."""
    seeds = [seed for seed in low if _has(mine, seed) and _has(high, seed)]
    return share_of_span(*([one[seed] for seed in seeds] for one in (mine, low, high))) if seeds else None


def is_clear(span: Estimate) -> bool:
    """Whether the planner is above the rule, by an interval clear of 0: few seeds have none."""
    return span["low"] is not None and span["low"] > 0.0


def _has(rewards: Rewards, seed: int) -> bool:
    return seed in rewards and bool(np.isfinite(rewards[seed]))


def _agreed(played: Mapping[str, Played], known: Results | None) -> tuple[Results | None, str | None]:
    """The known results if they say the same of what was played in the run, else a sentence that they do not."""
    for name in known.rows if known else ():
        if known and name in played and played[name].identity == known.rows[name]["identity"]:
            theirs, mine = known.rewards(name), played[name].rewards
            seeds = [seed for seed in mine if seed in theirs]
            if rounded([mine[seed] for seed in seeds]) != rounded([theirs[seed] for seed in seeds]):
                return None, f"No room: {known.file} says otherwise of {name}; `edge6g verify` looks at every row"
    return known, None


def _best_rule(
    played: Mapping[str, Played], known: Results | None, seeds: Sequence[int]
) -> tuple[Reference | None, str]:
    """The best rule, and on which seeds it was chosen."""
    if known and (name := known.best_rule):
        return _reference(name, played, known), ON_VALIDATION
    names = {name for name, one in played.items() if one.kind == "rule"}
    names |= {name for name in (known.of_kind("rule") if known else ()) if name not in played}
    found = [_reference(name, played, known) for name in sorted(names)]
    whole = [one for one in found if all(_has(one.rewards, seed) for seed in seeds)]
    best = max(whole, key=lambda one: iqm([one.rewards[seed] for seed in seeds]), default=None)
    return best, ON_THESE


def _planner(played: Mapping[str, Played], known: Results | None) -> Reference | None:
    """`clairvoyant` of the run, of several the best; else that of the results."""
    mine = {n: one.rewards for n, one in played.items() if one.kind == "planner" and is_clairvoyant(n, one.algo)}
    theirs = {n: known.rewards(n) for n in known.of_kind("planner") if is_clairvoyant(n)} if known and not mine else {}
    found = mine or theirs
    if not found:
        return None
    name = max(found, key=lambda n: (len(found[n]), iqm(list(found[n].values()))))
    return Reference(name, found[name], THIS_RUN if mine or known is None else known.file)


def _reference(name: str, played: Mapping[str, Played], known: Results | None) -> Reference:
    """A rule as it was played in the run, unless it is another one of that name; else as results have it."""
    theirs = known.rows.get(name) if known else None
    if name in played and (theirs is None or played[name].identity == theirs["identity"]):
        return Reference(name, played[name].rewards, THIS_RUN)
    assert known is not None
    return Reference(name, known.rewards(name), known.file)
