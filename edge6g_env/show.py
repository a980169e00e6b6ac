"""Tables of facts and a scenario on the terminal, at any width."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from edge6g_env import capacity, costs
from edge6g_env.describe import Facts
from edge6g_env.device_split import name_of
from edge6g_env.scenario import Scenario
from edge6g_env.scenario_arrivals import BurstArrivals
from edge6g_env.scenario_faults import Faults
from edge6g_env.scenario_own import OwnDevice, OwnModel
from edge6g_env.spaces import Layout

GAP = 2
LEAST_PROSE = 12  # columns that a text at the end of a row needs


def show_facts(facts: Facts, console: Console) -> None:
    """A table if the terminal is wide enough, wrapping the last column if need be; else a short paragraph a row."""
    columns = list(zip(facts.heads, *facts.rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    room = console.width - GAP * (len(widths) - 1) - sum(widths[:-1])
    longest_word = max(len(word) for cell in columns[-1] for word in cell.split() or [""])
    if room >= min(widths[-1], max(LEAST_PROSE, longest_word)):
        console.print(_table(facts, room), highlight=False)
    else:
        for row in (facts.heads[:1], *facts.rows):
            _show_paragraph(facts.heads, row, console)
    if facts.note:
        _say(console, facts.note)


def _show_paragraph(heads: Sequence[str], row: Sequence[str], console: Console) -> None:
    """The name, and under it what is known; a row without a name goes on with what is above."""
    if row[0]:
        _say(console, row[0])
    told = (f"{head}: {cell}" for head, cell in zip(heads[1:], row[1:], strict=False) if cell)
    _say(console, "; ".join(told), "  ")


def _table(facts: Facts, last: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), collapse_padding=True)
    for n, head in enumerate(facts.heads):
        is_last = n == len(facts.heads) - 1
        table.add_column(head, no_wrap=not is_last, max_width=last if is_last else None, overflow="fold")
    for row in facts.rows:
        table.add_row(*map(Text, row))
    return table


def _say(console: Console, text: str, indent: str = "") -> None:
    width = max(console.width, len(indent) + 1)
    for line in textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def show_scenario(scenario: Scenario, console: Console) -> None:
    """Entities, actions and reward, services with their lengths, nodes with the models that they hold, and what may mislead."""
    _say(console, ": ".join(filter(None, [scenario.label, scenario.summary])))
    show_facts(Facts(("", ""), list(_facts(scenario, Layout(scenario)))), console)
    for facts in (_objectives(scenario), _lengths(scenario), _nodes(scenario), *_own_rows(scenario)):
        console.print()
        show_facts(facts, console)
    for warning in warnings(scenario):
        console.print()
        _say(console, f"Warning: {warning}")


def _facts(scenario: Scenario, layout: Layout) -> Iterator[tuple[str, str]]:
    nodes, ues, cloud, time, grid = scenario.nodes, scenario.ues, scenario.cloud, scenario.time, scenario.actions
    yield "nodes", f"{nodes.count}, {', '.join(nodes.devices)} in turn, {scenario.neighbours} neighbours each"
    yield "area", f"{scenario.area_m[0]:g} m x {scenario.area_m[1]:g} m, nodes {nodes.placed}"
    yield "UEs", f"{scenario.num_ues}, {ues.devices_in_words}, {ues.movement}"
    if scenario.ue_homes:
        yield "", f"each where its node is the nearest: {_listed(ues.per_node)}"
    yield "cloud", f"{cloud.device}, {cloud.concurrency} requests at a time, {scenario.backhaul.delay_s:g} s away"
    yield "radio", f"{scenario.radio.environment}, {', '.join(scenario.radio.presets)} in turn"
    if fixed := scenario.radio.fixed:
        rates = f"{fixed.uplink_bit_s:g} bit/s up after {fixed.uplink_access_s:g} s, {fixed.downlink_bit_s:g} down"
        yield "", f"fixed for a cell: {rates} after {fixed.downlink_access_s:g} s"
    yield from _faults(scenario.faults)
    yield from (("arrivals", text) for text in scenario.courses)
    yield "load", _load(scenario)
    yield "episode", f"{time.episode_s:g} s in slots of {1e3 * time.slot_s:g} ms, {time.warmup_s:g} s of them warm-up"
    yield "actions", f"{layout.num_actions}: hold, reject, local, {scenario.neighbours} neighbours, cloud, times"
    yield "", f"device split {', '.join(map(name_of, grid.device_split))}; edge split {_listed(grid.edge_split)}"
    yield "", f"precision {', '.join(grid.precision)} (default {grid.default_precision})"
    yield "observation", f"{len(layout.observation)} entries, {len(layout.candidates)} of each candidate"
    reward = scenario.reward
    value = "value x " if any(service.value != 1.0 for service in scenario.service) else ""
    late = "timeliness or progress" if scenario.finetune else "timeliness"
    yield (
        "reward",
        f"{value}quality x {late} - {reward.price_per_usd:g} x price (USD) - {reward.energy_per_j:g} x energy (J)",
    )
    yield "", f"rejected -{reward.rejected_cost:g}, expired -{reward.expired_cost:g}, failed -{reward.failed_cost:g}"


def _faults(faults: Faults) -> Iterator[tuple[str, str]]:
    from edge6g_env.kernel.codes import FAULT_KINDS

    for kind in FAULT_KINDS:
        mtbf_s, mttr_s = faults.mean_times_s(kind)
        if mtbf_s > 0.0:
            yield "faults", f"{kind}: up {mtbf_s:g} s, down {mttr_s:g} s on average"
    for outage in faults.outage:
        yield "outage", f"{outage.kind} {_listed(outage.nodes)}, {outage.start_s:g} to {outage.end_s:g} s"


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _load(scenario: Scenario) -> str:
    offered, most = sum(scenario.rates_jobs_s), capacity.most_jobs_s(scenario)
    if most == 0.0:
        return f"{offered:g} jobs/s offered; a model fits on none of the nodes"
    factor = _busy_factor(scenario, offered)
    busy = f" ({offered * factor / most:.0%} while all services are busy)" if factor > 1.0 else ""
    return (
        f"{offered:g} jobs/s offered, {offered / most:.0%}{busy} of the {most:.3g} that the nodes could compute at best "
        "(best batch and precision, every job where it is fastest, no loads, queues or links; without phones and cloud)"
    )


def _busy_factor(scenario: Scenario, offered_jobs_s: float) -> float:
    """Jobs a second while every service is in a burst, over their mean; 1 without bursts."""
    arrivals = scenario.arrivals
    if not isinstance(arrivals, BurstArrivals) or not scenario.drawn_ues:
        return 1.0
    return 1.0 + (arrivals.busy_factor - 1.0) * arrivals.rate_jobs_s / offered_jobs_s


def _objectives(scenario: Scenario) -> Facts:
    rows = [(one.name, *one.facts[:2], *one.goals, f"{one.expire_s:g} s") for one in scenario.service]
    return Facts(("service", "model", "privacy", "TTFT", "TPOT", "deadline", "expires"), rows)


def _lengths(scenario: Scenario) -> Facts:
    """Means of what a service's jobs bring; of fixed ones the lengths themselves."""
    rows = []
    for one, rate_jobs_s, share in zip(scenario.service, scenario.rates_jobs_s, scenario.shares, strict=True):
        prompt, output = (f"{mean:.0f}" if mean else "-" for mean in one.lengths()[:, 1:].mean(axis=0))
        payload = f"{one.payload_bytes / 1e3:g}" if one.payload_bytes else "-"
        rate = f"{rate_jobs_s:.3g}", f"{share:.0%}"
        rows.append(
            (one.name, *rate, prompt, output, payload, one.inputs_in_words(scenario.catalog) or "-", one.facts[2])
        )
    heads = ("service", "jobs/s", "share", "prompt", "output", "payload (kB)", "inputs", "lengths (tokens)")
    return Facts(heads, rows)


def _nodes(scenario: Scenario) -> Facts:
    """A row for each device and model; what belongs to the device stands in its first row."""
    rows: list[tuple[str, ...]] = []
    before: tuple[str, ...] = ()
    for one in capacity.holdings(scenario):
        usd_per_hour = 3600.0 * costs.accelerator_price_usd_per_s(scenario.device_spec(one.device))
        own = (one.device, _shortened(one.nodes), f"{one.memory_gb:g}", f"{usd_per_hour:.3g}")
        loads = ("-" if load_s is None else f"{load_s:.1f}" for load_s in one.load_s.values())
        rows.append((*(own if own != before else ("", "", "", "")), one.weights, *loads))
        before = own
    heads = ("device", "nodes", "GB", "USD/h", "model", *scenario.actions.precision)
    return Facts(
        heads, rows, "Seconds to load a model from the node's disk at each precision; - where it does not fit."
    )


def _own_rows(scenario: Scenario) -> Iterator[Facts]:
    """What the rows of the scenario's own leave out, and what was taken for it."""
    own: list[OwnDevice | OwnModel] = [*scenario.device, *scenario.model]
    if rows := [(row.name, "; ".join(row.derived())) for row in own]:
        yield Facts(
            ("own row", "derived"),
            rows,
            "Not given in the scenario, but derived as for a row that ships (docs/site.md).",
        )


def _shortened(nodes: Sequence[int]) -> str:
    return ", ".join(map(str, nodes)) if len(nodes) <= 4 else f"{nodes[0]}, {nodes[1]}, .. ({len(nodes)})"


def warnings(scenario: Scenario) -> list[str]:
    """What makes figures of a scenario mean something else than they seem to."""
    longest, warmup_s = capacity.longest_load(scenario), scenario.time.warmup_s
    if longest is None or longest[0] <= warmup_s:
        return []
    return [
        f"time.warmup_s = {warmup_s:g} is shorter than the longest load, {longest[0]:.1f} s ({longest[1]}): "
        "jobs that wait for a model that nobody had loaded yet are among those that are measured."
    ]
