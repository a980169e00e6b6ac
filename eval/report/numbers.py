"""How figures are written, and differences in words."""

from __future__ import annotations

from eval.metrics import BY_NAME, Metric
from eval.statistics import FEWEST_FOR_INTERVAL, Estimate, Summary, by_reward, clear_of_zero

DASH = "\N{EN DASH}"
REWARD = BY_NAME["reward_per_job"]


def decimals(size: float) -> int:
    """Decimals that show three digits of a number of this size, at most four decimals."""
    return next((count for limit, count in ((100, 0), (10, 1), (1, 2), (0.01, 3)) if size >= limit), 4)


def fixed(value: float, places: int, signed: bool = False) -> str:
    """A number with so many decimals, a true minus sign, and 0 for what rounds to it."""
    text = f"{value:{'+' if signed else ''},.{places}f}"
    return text.replace("-", "\N{MINUS SIGN}") if any(digit in text for digit in "123456789") else "0"


def value_and_interval(metric: Metric, estimate: Estimate, signed: bool = False) -> tuple[str, ...]:
    """IQM and, if there is one, "[low, high]", in the unit shown and with the same decimals; a dash if there is nothing."""
    scaled = [None if x is None else x * metric.shown_scale for x in bounds(estimate)]
    known = [x for x in scaled if x is not None]
    if not known:
        return (DASH,)
    whole = metric.shown_unit in ("", "jobs") and metric.unit == "jobs"
    places = 0 if whole else decimals(max(abs(x) for x in known) if signed else abs(known[0]))
    shown = [fixed(x, places, signed) for x in known]
    return (shown[0], f"[{shown[1]}, {shown[2]}]") if len(shown) == 3 else (shown[0],)


def value(metric: Metric, estimate: Estimate, signed: bool = False) -> str:
    """The IQM in the unit shown; a dash if there is none."""
    return value_and_interval(metric, estimate, signed)[0]


def plain_value(metric: Metric, number: float | None) -> str:
    """A figure that has no interval, in the unit shown; a dash if there is none."""
    return value(metric, Estimate(iqm=number, low=None, high=None, mean=number, n=1))


def bounds(estimate: Estimate) -> tuple[float | None, float | None, float | None]:
    """IQM, low and high."""
    return estimate["iqm"], estimate["low"], estimate["high"]


def difference_in_words(difference: Estimate, rule: str) -> str:
    """A difference of the reward: "0.068 below jsq, 95 % interval 0.051 to 0.085 below"."""
    iqm, low, high = bounds(difference)
    if iqm is None:
        return f"not to be set against {rule}"
    places = decimals(max(abs(x) for x in (iqm, low, high) if x is not None))
    size = fixed(abs(iqm), places)
    text = f"as good as {rule}" if size == "0" else f"{size} {_side(iqm)} {rule}"
    if low is None or high is None:
        return text
    if low > 0.0 or high < 0.0 or low == high:
        near, far = sorted((abs(low), abs(high)))
        same = "" if low == high == 0.0 else f" {_side(iqm)}"
        return f"{text}, 95 % interval {fixed(near, places)} to {fixed(far, places)}{same}"
    return f"{text}, 95 % interval {fixed(abs(low), places)} below to {fixed(high, places)} above"


def _side(number: float) -> str:
    return "above" if number > 0.0 else "below"


def room(estimate: Estimate | None) -> tuple[str, ...]:
    """Room and, if there is one, its interval, with two decimals, far away with none; a dash where it is not known."""
    known = [x for x in bounds(estimate) if x is not None] if estimate else []
    if not known:
        return (DASH,)
    shown = [fixed(x, 2 if abs(known[0]) < 10.0 else 0) for x in known]
    return (shown[0], f"[{shown[1]}, {shown[2]}]") if len(shown) == 3 else (shown[0],)


def has_room(summary: Summary) -> bool:
    """Whether room is known of any policy."""
    return any(policy["room"] is not None for policy in summary["policies"].values())


def room_in_words(summary: Summary) -> list[str]:
    """What room is measured by, or why there is none; nothing where nobody would expect it."""
    ends = summary["room"]
    if ends is None or summary["room_note"]:
        return [summary["room_note"]] if summary["room_note"] else []
    low, high = f"{ends['best_rule']} ({ends['best_rule_from']})", f"{ends['clairvoyant']} ({ends['clairvoyant_from']})"
    apart = " ".join(value_and_interval(REWARD, ends["span"]))
    chosen = f"the best rule on {ends['chosen_on']}"
    return [f"room: 0 is {low}, {chosen}, 1 is {high}, {apart} above it, on {ends['seeds']} seeds"]


def headline(summary: Summary) -> str:
    """One sentence on the best learned policy against the best rule; without one of them, on the best policy."""
    names, best = by_reward(summary), summary["best_rule"]
    first = next((name for name in names if summary["policies"][name]["kind"] == "learned"), names[0])
    differences = summary["policies"][first]["difference_to_best_rule"]
    if differences is None or best is None:
        return f"{names[0]} brings the most reward per job."
    reward = differences["reward_per_job"]
    if reward["low"] is None:
        verdict = "; without an interval the two are not told apart"
    else:
        verdict = "" if clear_of_zero(reward) else "; the two are not told apart"
    return f"{first}: reward per job {difference_in_words(reward, f'{best}, the best rule')}{verdict}."


def origins(summary: Summary, played_on: str) -> list[str]:
    """Where each checkpoint comes from: "scorer-0: trained on campus_v0; played on campus_v0, arrivals.rate_jobs_s = 12".

    Of a rule with values the same, where they were found in another scenario than it is played on; of a planner that it is privileged.
    """
    lines = []
    for name in by_reward(summary):
        policy = summary["policies"][name]
        if policy["kind"] == "learned":
            of = f" ({policy['checkpoints']} checkpoints)" if policy["checkpoints"] > 1 else ""
            lines.append(
                f"{name}{of}: trained on {policy['trained_on'] or 'an unknown scenario'}; played on {played_on}"
            )
        elif policy["kind"] == "planner":
            lines.append(f"{name}: privileged, it tries its choices in copies of the worlds, which no agent has")
        elif policy["trained_on"] not in (None, played_on):
            lines.append(f"{name}: values found in {policy['trained_on']}; played on {played_on}")
    return lines


def without_interval(summary: Summary) -> list[str]:
    """Why there are no intervals where there are none: too few seeds, or too few checkpoints of a group."""
    if len(summary["seeds"]) < FEWEST_FOR_INTERVAL:
        return [f"No intervals: they take {FEWEST_FOR_INTERVAL} seeds, here are {len(summary['seeds'])}"]
    return [
        f"{name}: no interval, one over training and evaluation seeds takes {FEWEST_FOR_INTERVAL} checkpoints"
        for name in by_reward(summary)
        if 1 < summary["policies"][name]["checkpoints"] < FEWEST_FOR_INTERVAL
    ]
