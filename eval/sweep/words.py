"""What a sweep says, in sentences: knees, what each value of a key brings and from where on, who does not fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

import pandas as pd

from eval.report.numbers import decimals, fixed, origin, probability
from eval.statistics import FEWEST_FOR_INTERVAL, MeanEstimate
from eval.sweep.figures import REWARD
from eval.sweep.knee import ATTAINED, LOAD, knee_in_words
from eval.sweep.swept import Swept
from eval.sweep.table import records

VERDICTS = {1: "more reward", 0: "not told apart", -1: "less reward"}


def sentences(swept: Swept) -> list[str]:
    """All of them, what was asked for first."""
    return [*effects(swept), *knee_sentences(swept), *improvements(swept), *remarks(swept)]


def remarks(swept: Swept) -> list[str]:
    """What has to be known of the policies and intervals."""
    return [*origins(swept), *unfit(swept), *without_interval(swept)]


def in_short(setting: Mapping[str, Any]) -> str:
    """Keys, by their last parts, and values as they stand in the table."""
    return ", ".join(f"{last_part(key)} = {text(value)}" for key, value in setting.items())


def last_part(key: str) -> str:
    """Of a dotted key: "rate_jobs_s"; of a service its name too: "chat.model"."""
    parts = key.split(".")
    return ".".join(parts[-2:]) if len(parts) > 2 else parts[-1]


def text(value: Any) -> str:
    """A value as it stands in the table."""
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def effects(swept: Swept) -> list[str]:
    """Of each policy and value of a key how its reward differs from that with the key's first value, and where along the axis."""
    found: list[str] = []
    rewards = swept.differences[swept.differences["metric"] == REWARD] if len(swept.differences) else swept.differences
    for key in (key for key in swept.keys if key != LOAD and len(rewards)):
        along = swept.axis if swept.axis != key else None
        fixed_keys = [other for other in swept.keys if other not in (key, along)]
        mine = rewards[rewards["key"] == key]
        for (policy, value, *at), rows in mine.groupby(["policy", key, *fixed_keys], sort=False):
            setting = in_short(dict(zip(fixed_keys, at, strict=True)))
            head = ", ".join(filter(None, [str(policy), setting]))
            against = f"{last_part(key)} = {text(value)} against {text(rows['reference'].iloc[0])}"
            found.append(f"{head}: {against}: {', '.join(_verdicts(rows, along))}")
    return found


def _verdicts(rows: pd.DataFrame, along: str | None) -> Iterator[str]:
    """ "more reward from 2 to 8 jobs/s (by up to 0.012)" for each run of neighbours along the axis that say the same."""
    marked = [(_sign(row), row) for row in records(rows.sort_values(along) if along else rows)]
    for sign, run in groupby(marked, key=lambda one: one[0]):
        alike = [row for _, row in run]
        most = max(abs(row["difference"]) for row in alike) if sign else 0.0
        size = f" (by {'up to ' if len(alike) > 1 else ''}{fixed(most, decimals(most))})" if sign else ""
        yield f"{VERDICTS[sign]}{_where(along, [row[along] for row in alike]) if along else ''}{size}"


def _sign(row: Mapping[str, Any]) -> int:
    """1 where the interval is above 0, -1 where it is below, else 0."""
    low, high = row["low"], row["high"]
    if low is None or high is None:
        return 0
    return 1 if low > 0.0 else -1 if high < 0.0 else 0


def _where(along: str, places: list[Any]) -> str:
    """ " from 2 to 8 jobs/s", " at max_batch = 16"."""
    span = text(places[0]) if len(places) == 1 else f"{text(places[0])} to {text(places[-1])}"
    before = "at" if len(places) == 1 else "from"
    return f" {before} {span} jobs/s" if along == LOAD else f" {before} {last_part(along)} = {span}"


def knee_sentences(swept: Swept) -> list[str]:
    """Up to which load each policy keeps its objectives; those of which the same is said stand together."""
    if swept.knees is None:
        return []
    others = [key for key in swept.keys if key != LOAD]
    loads = sorted(swept.values(LOAD))
    found: dict[str, list[str]] = {}
    for row in records(swept.knees):
        setting = in_short({key: row[key] for key in others})
        said = f"{_kept(row['knee_jobs_s'], loads)}{knee_interval(row)}"
        found.setdefault(said, []).append(", ".join(filter(None, [row["policy"], setting])))
    return [f"{'; '.join(of)}: {said}" for said, of in found.items()]


def _kept(knee_jobs_s: float | None, loads: list[float]) -> str:
    share = f"{100 * ATTAINED:.0f} % of the jobs within their objectives"
    if knee_jobs_s is None:
        return "no knee, it has no figures at one of the loads"
    if knee_jobs_s == float("inf"):
        return f"{share} up to {text(loads[-1])} jobs/s at least, the knee is above"
    if knee_jobs_s == float("-inf"):
        return f"less than {share} at {text(loads[0])} jobs/s already, the knee is below"
    return f"{share} up to {fixed(knee_jobs_s, decimals(knee_jobs_s))} jobs/s"


def knee_interval(row: Mapping[str, Any]) -> str:
    """ " [3.2, above highest]", nothing where there is none or it has no length."""
    low, high = row["low_jobs_s"], row["high_jobs_s"]
    if low is None or (low == high and low in (float("inf"), float("-inf"))):
        return ""
    return f" [{knee_text(low)}, {knee_text(high)}]"


def knee_text(knee_jobs_s: float | None) -> str:
    """A knee, or an end of its interval, in a table."""
    found = knee_in_words(knee_jobs_s)
    return "\N{EN DASH}" if found is None else found if isinstance(found, str) else fixed(found, decimals(found))


def improvements(swept: Swept) -> list[str]:
    """Of each group of checkpoints how probably it earns more than the best rule of a setting."""
    return [
        f"{row['policy']}, {in_short({key: row[key] for key in swept.keys})}: probability of improvement over {row['best_rule']} "
        f"{probability(_improvement(row))}"
        for row in swept.improvements
    ]


def _improvement(row: Mapping[str, Any]) -> MeanEstimate:
    return MeanEstimate(mean=row["improvement"], low=row["improvement_low"], high=row["improvement_high"], n=row["n"])


def origins(swept: Swept) -> list[str]:
    """Where policies come from, and which see more than an agent sees."""
    found = (
        origin(name, one.kind, one.privileged, one.checkpoints, swept.trained_on.get(name), swept.scenario.label)
        for name, one in swept.policies.items()
    )
    return [line for line in found if line]


def unfit(swept: Swept) -> list[str]:
    """Who does not fit which setting, and why."""
    return [
        f"{policy} does not play with {in_short(swept.named(setting))}: {why}" for policy, setting, why in swept.unfit
    ]


def without_interval(swept: Swept) -> list[str]:
    """Why there are no intervals where there are none."""
    if len(swept.seeds) < FEWEST_FOR_INTERVAL:
        return [f"No intervals: they take {FEWEST_FOR_INTERVAL} seeds, here are {len(swept.seeds)}"]
    return []


def axis_label(key: str) -> str:
    """Of the axis along which figures are drawn."""
    return "load, jobs/s" if key == LOAD else key
