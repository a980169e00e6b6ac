"""How figures are written, and differences in words."""

from __future__ import annotations

from eval.groups import OVER
from eval.limits import in_words
from eval.metrics import BY_NAME, Metric
from eval.record.different import MostDifferent
from eval.statistics import FEWEST_FOR_INTERVAL, AnyEstimate, Estimate, bounds, clear_of_zero
from eval.summary import Kind, Summary, by_reward, is_looked_at, mean_cost

DASH = "\N{EN DASH}"
REWARD = BY_NAME["reward_per_job"]


def decimals(size: float) -> int:
    """Decimals that show three digits of a number of this size, at most four decimals."""
    return next((count for limit, count in ((100, 0), (10, 1), (1, 2), (0.01, 3)) if size >= limit), 4)


def fixed(value: float, places: int, signed: bool = False) -> str:
    """A number with so many decimals, a true minus sign, and 0 for what rounds to it."""
    text = f"{value:{'+' if signed else ''},.{places}f}"
    return text.replace("-", "\N{MINUS SIGN}") if any(digit in text for digit in "123456789") else "0"


def value_and_interval(metric: Metric, estimate: AnyEstimate, signed: bool = False) -> tuple[str, ...]:
    """The middle and, if there is one, "[low, high]", in the unit shown and with the same decimals; a dash if there is nothing."""
    scaled = [None if x is None else x * metric.shown_scale for x in bounds(estimate)]
    known = [x for x in scaled if x is not None]
    if not known:
        return (DASH,)
    whole = metric.shown_unit in ("", "jobs") and metric.unit == "jobs"
    places = 0 if whole else decimals(max(abs(x) for x in known) if signed else abs(known[0]))
    shown = [fixed(x, places, signed) for x in known]
    return (shown[0], f"[{shown[1]}, {shown[2]}]") if len(shown) == 3 else (shown[0],)


def value(metric: Metric, estimate: AnyEstimate, signed: bool = False) -> str:
    """The middle in the unit shown; a dash if there is none."""
    return value_and_interval(metric, estimate, signed)[0]


def plain_value(metric: Metric, number: float | None) -> str:
    """A figure that has no interval, in the unit shown; a dash if there is none."""
    return value(metric, Estimate(iqm=number, low=None, high=None, mean=number, n=1))


def difference_in_words(difference: AnyEstimate, rule: str) -> str:
    """A difference of the reward: "0.068 below jsq, 95 % interval 0.051 to 0.085 below"."""
    middle, low, high = bounds(difference)
    if middle is None:
        return f"not to be set against {rule}"
    places = decimals(max(abs(x) for x in (middle, low, high) if x is not None))
    size = fixed(abs(middle), places)
    text = f"as good as {rule}" if size == "0" else f"{size} {_side(middle)} {rule}"
    if low is None or high is None:
        return text
    if low > 0.0 or high < 0.0 or low == high:
        near, far = sorted((abs(low), abs(high)))
        same = "" if low == high == 0.0 else f" {_side(middle)}"
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
    """One sentence on the best learned policy or code of one's own against the best rule; without one of them, on the best policy."""
    names, best = by_reward(summary), summary["best_rule"]
    first = next((name for name in names if is_looked_at(summary, name)), names[0])
    differences = summary["policies"][first]["difference_to_best_rule"]
    if differences is None or best is None:
        return f"{names[0]} brings the most reward per job."
    reward = differences["reward_per_job"]
    if reward["low"] is None:
        verdict = "; without an interval the two are not told apart"
    else:
        verdict = "" if clear_of_zero(reward) else "; the two are not told apart"
    return f"{first}: reward per job {difference_in_words(reward, f'{best}, the best rule')}{verdict}."


def different_in_words(different: MostDifferent) -> str:
    """Where the policy and the best rule differ most: "greedy and jsq differ most on seed 10000003: 0.71 and 0.58 per job"."""
    rewards = [different["reward"], different["rule_reward"]]
    places = decimals(max(map(abs, rewards)))
    shown = " and ".join(fixed(x, places) for x in rewards)
    names = f"{different['policy']} and {different['rule']}"
    return f"{names}, the best rule, differ most on seed {different['seed']}: reward per job {shown}"


def sentences(summary: Summary, played_on: str) -> list[str]:
    """What stands beside the figures, wherever they are shown."""
    return [
        *room_in_words(summary),
        *limits_in_words(summary),
        *groups_in_words(summary),
        *origins(summary, played_on),
        *without_interval(summary),
    ]


def limits_in_words(summary: Summary) -> list[str]:
    """The limits with which policies were trained, beside what their jobs cost."""
    policies = summary["policies"]
    return [in_words(name, *one) for name in by_reward(summary) for one in policies[name]["limits"].items()]


def cost_and_limit(summary: Summary, name: str, cost: str) -> tuple[str, ...]:
    """Mean cost of a job of a policy and, if it was trained with a limit, this."""
    mean, limit = mean_cost(summary, name, cost), summary["policies"][name]["limits"].get(cost)
    return (DASH if mean is None else f"{mean:.3g}", *([f"limit {limit['most']:g}"] if limit else []))


def groups_in_words(summary: Summary) -> list[str]:
    """The gain of each group of checkpoints over the best rule, by what its interval is over, and how probable one is."""
    lines = []
    for name in by_reward(summary):
        group = summary["policies"][name]["group"]
        if group is None or group["gain_over_best_rule"] is None or group["probability_of_improvement"] is None:
            continue
        gains = (
            f"{' '.join(value_and_interval(REWARD, estimate, signed=True))} {over.replace('_', ' ')}"
            for over, estimate in ((over, group["gain_over_best_rule"][over]) for over in OVER)
        )
        chance = probability(group["probability_of_improvement"])
        lines.append(f"{name} less {summary['best_rule']}: {', '.join(gains)}; probability of improvement {chance}")
    return lines


def probability(estimate: AnyEstimate) -> str:
    """A probability with its interval, two decimals."""
    middle, low, high = bounds(estimate)
    if middle is None:
        return DASH
    return f"{middle:.2f}" + ("" if low is None or high is None else f" [{low:.2f}, {high:.2f}]")


def origins(summary: Summary, played_on: str) -> list[str]:
    """Where each checkpoint comes from: "scorer-0: trained on campus_v0; played on campus_v0, arrivals.rate_jobs_s = 12".

    Of a rule with values the same, where they were found in another scenario than it is played on; of a planner that it is privileged; of
    code of one's own that it is, and whether it is privileged.
    """
    policies = ((name, summary["policies"][name]) for name in by_reward(summary))
    found = (
        origin(name, one["kind"], one["privileged"], one["checkpoints"], one["trained_on"], played_on)
        for name, one in policies
    )
    return [line for line in found if line]


def origin(
    name: str, kind: Kind, privileged: bool, checkpoints: int, trained_on: str | None, played_on: str
) -> str | None:
    """The sentence about one policy, see `origins`; None where there is nothing to say."""
    if kind == "learned":
        of = f" ({checkpoints} checkpoints)" if checkpoints > 1 else ""
        return f"{name}{of}: trained on {trained_on or 'an unknown scenario'}; played on {played_on}"
    if kind == "own":
        return f"{name}: code of one's own{'; privileged, it sees more than an agent sees' if privileged else ''}"
    if kind == "planner":
        return f"{name}: privileged, it tries its choices in copies of the worlds, which no agent has"
    return (
        f"{name}: values found in {trained_on}; played on {played_on}" if trained_on not in (None, played_on) else None
    )


def without_interval(summary: Summary) -> list[str]:
    """Why there are no intervals over seeds where there are none."""
    if len(summary["seeds"]) >= FEWEST_FOR_INTERVAL:
        return []
    return [f"No intervals over seeds: they take {FEWEST_FOR_INTERVAL}, here are {len(summary['seeds'])}"]
