"""`edge6g usage`: which decisions a policy takes, the reward lost when one column of them is frozen, and what was predicted and came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypedDict

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from agents.policy import MakePolicy
from agents.values import STATIC, has_values, how_to_find
from edge6g_env.kernel.codes import REJECT
from edge6g_env.scenario import Scenario
from edge6g_env.spaces import Layout
from eval import evaluation_seeds
from eval.by_service import ByService, best_numbers, frozen
from eval.compare import play
from eval.contenders import Contender, LoadCheckpoint, find_one
from eval.decisions import Column, columns_of, decided, shares
from eval.episodes import Episodes, NothingMeasuredError
from eval.files import only_owner, write_json_atomic
from eval.forecasts import NOTE as FORECASTS_NOTE
from eval.forecasts import Forecast, Foreseeing, forecast_table, forecasts
from eval.interrupted import abandoned_after, begin_or_go_on, end_run
from eval.kept import FOLDER as PLAYED
from eval.kept import Kept
from eval.provenance import SCENARIO_FILE, provenance, write_scenario
from eval.statistics import Estimate, clear_of_zero, estimate, paired_difference

MAKES = (SCENARIO_FILE, PLAYED, "usage.json")
NOTE = (
    "Shares are of the measured jobs that were decided; a split or precision is counted where the action has one. "
    "Frozen: only the legal actions with the value nearest to it, and those in which the column means nothing (reject; "
    "for the edge split: local), are left to the policy, so the share that has the value may be below 1. Reward lost: "
    "all columns free less the best constant, interquartile mean of the paired differences with its 95 % interval. The "
    "best constant is chosen on the same seeds, which favours it. By service: each service has the value with which it earned most a job "
    "when the column was frozen for all, played together, or the best constant where that earns more. The values of `static` were found on "
    "training seeds."
)


ALL_HEADS = ("free\n%", "frozen\n%", "frozen\nreward/job", "lost with\nthe best")


class Value(TypedDict):
    """One value of a column: its share of the decisions; when the column is frozen to it, its share and the reward."""

    value: str
    share: float
    share_frozen: float
    reward_frozen: Estimate


class ColumnUsage(TypedDict):
    """One column: its values, the best constant, the reward per job lost with it, and the same with one a service."""

    values: list[Value]
    best_constant: str
    reward_lost: Estimate
    by_service: ByService


class AgainstStatic(TypedDict):
    """The rule `static`: label of the scenario in which its values were found, its reward, and what is lost by it."""

    values_found_in: str
    reward: Estimate
    reward_lost: Estimate


class Usage(TypedDict):
    """usage.json."""

    note: str
    scenario: str
    played_on: str
    policy: str
    trained_on: str | None
    seeds: list[int]
    decisions: int
    rejected_share: float
    reward: Estimate
    columns: dict[str, ColumnUsage]
    static: AgainstStatic | str
    """A sentence that says why not, where `static` is not played."""
    forecasts: list[Forecast]


def usage(
    scenario: Scenario,
    policy: str,
    seeds: int,
    out: Path,
    *,
    seed: int = 0,
    overwrite: bool = False,
    load_checkpoint: LoadCheckpoint,
    command: str = "",
    console: Console | None = None,
) -> Usage:
    """Play `policy` freely and with each column frozen to each of its values, on the same seeds; write usage.json.

    Arguments and errors are those of `eval.compare.compare`.
    """
    contender = find_one(policy, scenario, load_checkpoint, "usage looks at one")
    numbers, columns = evaluation_seeds(seeds, seed), columns_of(Layout(scenario))
    reference = _static(contender, scenario, load_checkpoint)
    record = {**provenance(command, scenario), "policy": contender.name, "seeds": numbers}
    with only_owner(out), abandoned_after(NothingMeasuredError, out, MAKES):
        begin_or_go_on(out, "usage", MAKES, record, same=("fingerprint", "policy", "seeds"), overwrite=overwrite)
        write_scenario(scenario, out)
        free: dict[str, MakePolicy] = {contender.name: partial(Foreseeing.made_by, contender.make)}
        makers = {**free, **_frozen(contender.make, columns)}
        identities = dict.fromkeys(makers, contender.identity)
        if reference is not None:
            makers[STATIC], identities[STATIC] = reference.make, reference.identity
        played = play(makers, scenario, numbers, out, Kept(out, scenario, numbers, identities), console)
        by_service = _by_service(contender.make, columns, scenario, played)
        if by_service:
            makers = {name: make for name, (_, make) in by_service.items()}
            identities = {name: f"{contender.identity} {numbers}" for name, (numbers, _) in by_service.items()}
            kept = Kept(out, scenario, numbers, identities)
            played |= play(makers, scenario, numbers, out, kept, console)
        result = _summarise(scenario, contender, numbers, columns, played, {n: x for n, (x, _) in by_service.items()})
        result["static"] = _against_static(reference, played, contender, scenario)
        write_json_atomic(result, out / "usage.json")
        end_run(out, [PLAYED])
    return result


def _static(policy: Contender, scenario: Scenario, load_checkpoint: LoadCheckpoint) -> Contender | None:
    """The rule `static`, where it has values and is not itself what is looked at."""
    if STATIC in (policy.name, policy.algo) or not has_values(STATIC, scenario):
        return None
    return find_one(STATIC, scenario, load_checkpoint, "usage looks at one")


def _against_static(
    static: Contender | None, played: Mapping[str, Episodes], policy: Contender, scenario: Scenario
) -> AgainstStatic | str:
    if static is None:
        is_itself = STATIC in (policy.name, policy.algo)
        return "is the policy itself." if is_itself else f"has no values here, {how_to_find(STATIC, scenario)}."
    free, theirs = _rewards(played[policy.name]), _rewards(played[STATIC])
    return AgainstStatic(
        values_found_in=str(static.trained_on),
        reward=estimate(list(theirs.values())),
        reward_lost=paired_difference(free, theirs),
    )


def _frozen(make: MakePolicy, columns: Sequence[Column]) -> dict[str, MakePolicy]:
    return {
        _run_name(column, value): frozen(make, column, [number])
        for column in columns
        for number, value in enumerate(column.values)
    }


def _by_service(
    make: MakePolicy, columns: Sequence[Column], scenario: Scenario, played: Mapping[str, Episodes]
) -> dict[str, tuple[list[int], MakePolicy]]:
    """Name of a run -> number of the value of each service, and the policy; only of columns in which services differ."""
    runs = {}
    for column in columns:
        jobs = {n: played[_run_name(column, value)].jobs for n, value in enumerate(column.values)}
        numbers = best_numbers(jobs, scenario)
        if len(set(numbers)) > 1:
            runs[_by_service_name(column)] = numbers, frozen(make, column, numbers)
    return runs


def _by_service_name(column: Column) -> str:
    return f"{column.name} by service"


def _run_name(column: Column, value: str) -> str:
    return f"{column.name} = {value}"


def _summarise(
    scenario: Scenario,
    policy: Contender,
    seeds: list[int],
    columns: Sequence[Column],
    played: Mapping[str, Episodes],
    by_service: Mapping[str, list[int]],
) -> Usage:
    """by_service: name of a run -> number of each service's value."""
    layout, free = Layout(scenario), _rewards(played[policy.name])
    actions = decided(played[policy.name].jobs)
    rejected = float(np.mean(layout.action_table[actions, 0] == REJECT)) if len(actions) else 0.0
    return Usage(
        note=f"{NOTE} {FORECASTS_NOTE}",
        scenario=scenario.id,
        played_on=scenario.label,
        policy=policy.name,
        trained_on=policy.trained_on,
        seeds=seeds,
        decisions=len(actions),
        rejected_share=rejected,
        reward=estimate(list(free.values())),
        columns={column.name: _column(column, actions, free, played, scenario, by_service) for column in columns},
        static="",
        forecasts=forecasts(layout, played[policy.name].jobs, played[policy.name].promised),
    )


def _column(
    column: Column,
    actions: np.ndarray,
    free: Mapping[int, float],
    played: Mapping[str, Episodes],
    scenario: Scenario,
    by_service: Mapping[str, list[int]],
) -> ColumnUsage:
    frozen = {value: _rewards(played[_run_name(column, value)]) for value in column.values}
    rewards = {value: estimate(list(rewards.values())) for value, rewards in frozen.items()}
    best = max(column.values, key=lambda value: _known(rewards[value]["iqm"]))
    free_shares = shares(column, actions)
    return ColumnUsage(
        values=[
            Value(
                value=value,
                share=free_shares[number],
                share_frozen=shares(column, decided(played[_run_name(column, value)].jobs))[number],
                reward_frozen=rewards[value],
            )
            for number, value in enumerate(column.values)
        ],
        best_constant=best,
        reward_lost=paired_difference(free, frozen[best]),
        by_service=_best_by_service(column, best, free, played, scenario, by_service),
    )


def _best_by_service(
    column: Column,
    best: str,
    free: Mapping[int, float],
    played: Mapping[str, Episodes],
    scenario: Scenario,
    by_service: Mapping[str, list[int]],
) -> ByService:
    """The services' own constants together, or the best constant for all where that earns more."""
    runs = {_run_name(column, best): [column.values.index(best)] * len(scenario.service)}
    runs |= {name: numbers for name, numbers in by_service.items() if name == _by_service_name(column)}
    run = max(runs, key=lambda name: _known(estimate(list(_rewards(played[name]).values()))["iqm"]))
    rewards = _rewards(played[run])
    values = {one.name: column.values[number] for one, number in zip(scenario.service, runs[run], strict=True)}
    lost = paired_difference(free, rewards)
    return ByService(values=values, reward=estimate(list(rewards.values())), reward_lost=lost)


def _known(value: float | None) -> float:
    return -np.inf if value is None else value


def _rewards(episodes: Episodes) -> dict[int, float]:
    return {int(str(row["seed"])): float(str(row["reward_per_job"])) for row in episodes.rows}


# what is shown ------------------------------------------------------------------------------------------------


def show(result: Usage, out: Path, console: Console) -> None:
    """Print the table, a sentence on what is never used or worth nothing, and where usage.json is."""
    console.print(usage_table(result, console.width))
    console.print()
    console.print(forecast_table(result["forecasts"]))
    console.print()
    for sentence in findings(result):
        console.print(sentence, highlight=False, markup=False, emoji=False)
    console.print(f"\n{out / 'usage.json'}", soft_wrap=True, highlight=False, markup=False, emoji=False)


def usage_table(result: Usage, width: int = 80) -> Table:
    """One row a value: its share, its share and the reward when frozen to it; on the best constant, the reward lost.

    width: columns of the terminal; where they do not suffice the share when frozen goes, then the interval, then the reward when frozen.
    """
    from eval.report.console import table_width  # imports matplotlib, which takes seconds: errors come before

    heads = list(ALL_HEADS)
    table = _table(result, heads, lines=2)
    for dropped, lines in ((heads[1], 2), ("", 1), (heads[2], 1)):
        if table_width(table) > width:
            heads = [head for head in heads if head != dropped]
            table = _table(result, heads, lines)
    return table


def _table(result: Usage, heads: Sequence[str], lines: int) -> Table:
    """lines: 2 with the interval of the reward lost, 1 without."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0)
    for head in ("column ", "value"):
        table.add_column(head, no_wrap=True)
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for name, column in result["columns"].items():
        for index, value in enumerate(column["values"]):
            is_best = value["value"] == column["best_constant"]
            lost = "\n".join(_interval(column["reward_lost"]).split(" ", 1)[:lines]) if is_best else ""
            shares = [f"{100 * share:.1f}" for share in (value["share"], value["share_frozen"])]
            cells = dict(zip(ALL_HEADS, [*shares, _number(value["reward_frozen"]["iqm"]), lost], strict=True))
            table.add_row(name if index == 0 else "", value["value"], *(cells[head] for head in heads))
        table.add_section()
    return table


def findings(result: Usage) -> list[str]:
    """Sentences: what the policy earns, which values it never takes, which columns are worth nothing."""
    origin = f" (trained on {result['trained_on']})" if result["trained_on"] else ""
    sentences = [
        f"{result['policy']}{origin} on {result['played_on']}, all columns free: {_interval(result['reward'])} reward per job "
        f"over {len(result['seeds'])} seeds, {result['decisions']:,} decisions, "
        f"{100 * result['rejected_share']:.1f} % of them reject."
    ]
    for name, column in result["columns"].items():
        never = [value["value"] for value in column["values"] if value["share"] == 0.0]
        if never:
            sentences.append(f"{name}: never {', '.join(never)}.")
        sentences += _finding(name, column)
        if len(set(column["by_service"]["values"].values())) > 1:
            chosen = ", ".join(f"{service} {value}" for service, value in column["by_service"]["values"].items())
            lost = _interval(column["by_service"]["reward_lost"])
            sentences.append(f"{name} by service ({chosen}): {lost} is lost.")
    return [*sentences, _against_static_in_words(result)]


def _against_static_in_words(result: Usage) -> str:
    """What the free choice is worth over `static`, or why that is not said."""
    static = result["static"]
    if isinstance(static, str):
        return f"{STATIC} {static}"
    found = static["values_found_in"]
    origin = "" if found == result["played_on"] else f", values found in {found}"
    lost = f"{_interval(static['reward_lost'])} is lost when it decides in place of {result['policy']}"
    return f"{STATIC}{origin}: {_interval(static['reward'])} reward per job, {lost}."


def _finding(name: str, column: ColumnUsage) -> list[str]:
    """What is to be said of a column that the policy could do without."""
    lost, best = column["reward_lost"], column["best_constant"]
    reach = next(value["share_frozen"] for value in column["values"] if value["value"] == best)
    constant = (
        best if reach == 1.0 else f"{best}, or the nearest legal value ({100 * (1.0 - reach):.1f} % of its decisions)"
    )
    if lost["low"] is None:
        return [
            f"{name}: {_number(lost['iqm'])} is lost when it is always {constant}, on too few seeds for an interval."
        ]
    if not clear_of_zero(lost):
        return [f"{name}: no loss is seen when it is always {constant}: {_interval(lost)}."]
    if (lost["iqm"] or 0.0) < 0.0:
        return [f"{name}: always {constant} would be better, the loss is {_interval(lost)}."]
    return [f"{name}: {_interval(lost)} is lost when it is always {constant}."]


def _number(value: float | None) -> str:
    return "\N{EN DASH}" if value is None else f"{value:.4f}".replace("-", "\N{MINUS SIGN}")


def _interval(value: Estimate) -> str:
    if value["low"] is None:
        return _number(value["iqm"])
    return f"{_number(value['iqm'])} [{_number(value['low'])}, {_number(value['high'])}]"
