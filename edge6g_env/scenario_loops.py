"""Loops and deadlines of a scenario: what no service can check on its own."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edge6g_env import radio
from edge6g_env.errors import UserError

if TYPE_CHECKING:
    from edge6g_env.scenario import Scenario

_ALL = 1e-6  # how exactly shares add up


def check(scenario: Scenario) -> None:
    """Shares add up, each loop has a UE and each of its jobs a row, deadlines can be met; UserError otherwise."""
    _check_shares(scenario)
    for service, ues in zip(scenario.service, scenario.loop_ues, strict=True):
        if service.loop_s is None:
            continue
        if scenario.arrivals.kind == "trace":
            raise UserError(
                f"service.{service.name}.period_s: arrivals.kind = 'trace' replays instants; loops go with 'poisson' or 'burst'"
            )
        if not ues:
            raise UserError(
                f"service.{service.name}.share = {service.share:g}: that is none of the UEs that are left of {scenario.num_ues}; "
                "a loop needs one"
            )
    _check_rows(scenario)
    _check_deadlines(scenario)


def _check_shares(scenario: Scenario) -> None:
    drawn = [service.share for service in scenario.service if service.loop_s is None]
    looped = [service.share for service in scenario.service if service.loop_s is not None]
    if drawn and abs(sum(drawn) - 1.0) > _ALL:
        of = "services without period_s" if looped else "services"
        raise UserError(f"the shares of the {of} must add up to 1, they add up to {sum(drawn):g}")
    if sum(looped) > 1.0 + _ALL:
        raise UserError(
            f"the shares of the services with period_s are shares of the UEs: they must add up to 1 at most, they add up to {sum(looped):g}"
        )


def _check_rows(scenario: Scenario) -> None:
    """The loops of all UEs may fall into one slot."""
    periods_s = [service.loop_s or math.inf for service in scenario.service]
    most = sum(
        len(ues) * (int(scenario.time.slot_s / period_s) + 1)
        for ues, period_s in zip(scenario.loop_ues, periods_s, strict=True)
    )
    rows = scenario.nodes.count * scenario.job_rows_per_node
    if most > rows:
        raise UserError(
            f"job_rows_per_node = {scenario.job_rows_per_node}: up to {most} jobs of loops come in a slot, and there are {rows} rows; "
            f"it must be at least {-(-most // scenario.nodes.count)}"
        )


def _check_deadlines(scenario: Scenario) -> None:
    access_s, name = _least_access_s(scenario)
    for service in scenario.inference:
        if service.deadline_s is not None and service.deadline_s < access_s:
            raise UserError(
                f"service.{service.name}.deadline_s = {service.deadline_s:g}: it must be at least {access_s:.3g}, the mean access latency "
                f"of {name} both ways"
            )


def _least_access_s(scenario: Scenario) -> tuple[float, str]:
    """Mean access latency of a first message up and one down in the quickest band, and whose it is."""
    latencies_s = {name: scenario.radio.access_s(radio.preset(name)) for name in scenario.radio.presets}
    least_s, name = min((first_s + down_s, name) for name, (first_s, _, down_s) in latencies_s.items())
    return least_s, "radio.fixed" if scenario.radio.fixed else name
