"""What a finished profile shows: errors of the fit, tokens per second, and how to use it."""

from __future__ import annotations

import json
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from edge6g_env import costs
from edge6g_env.costs import profiles
from edge6g_env.costs.specs import SHEET_PRECISIONS
from edge6g_env.profiler.fitting import PARTS, Error, Errors
from edge6g_env.profiler.run import Result

PROMPT_TOKENS, CONTEXT_TOKENS = 256, 512
UNQUIET = 0.15  # spread of the passes from which on a quieter hour is worth waiting for
FAR_OFF_PERCENT = 15.0  # mean error of whole steps at lengths not fitted; judgement


def show(result: Result, console: Console) -> None:
    """Print the table of errors, that of speeds, and what to write into a scenario."""
    console.print(_errors(result))
    console.print()
    console.print(_speeds(result))
    console.print()
    for line in _lines(result):
        console.print(line, highlight=False, soft_wrap=True)


def _errors(result: Result) -> Table:
    table = Table("error, %", *PARTS, box=None, pad_edge=False, title="fitted / held out: predicted against measured")
    for precision, parts in result.errors.items():
        table.add_row(precision, *(_cell(parts.get(part, {})) for part in PARTS))
    return table


def _cell(errors: dict[str, Error]) -> str:
    fit, held_out = (f"{errors[n].mean_percent:.1f}" if n in errors else "-" for n in ("fit", "held_out"))
    return f"{fit} / {held_out}"


def _speeds(result: Result) -> Table:
    heads = (f"prompt of {PROMPT_TOKENS}, tokens/s", f"decode after {CONTEXT_TOKENS}, tokens/s", "8 decodes, tokens/s")
    table = Table("model", "precision", *heads, box=None, pad_edge=False)
    for spec in result.models:
        for precision in result.errors:
            prompt = PROMPT_TOKENS / float(costs.prefill_s(spec, result.device, PROMPT_TOKENS, precision))
            steps_s = costs.decode_step_s(spec, result.device, CONTEXT_TOKENS, [1.0, 8.0], precision)
            table.add_row(spec.name, precision, f"{prompt:.0f}", f"{1.0 / steps_s[0]:.1f}", f"{8.0 / steps_s[1]:.1f}")
    return table


def _lines(result: Result) -> Iterator[str]:
    device, here = result.device, result.machine
    yield f"{here.processor}, {here.threads} threads, torch {here.torch}"
    yield (
        f"{device.mem_gb:.1f} GB of memory at {device.mem_bw_gbs:.1f} GB/s, disk {device.disk_read_gbs:.2f} GB/s, "
        f"{device.usd_per_hour:g} USD/h, {device.idle_w:g} to {device.tdp_w:g} W"
    )
    yield f"{result.timed} timings made, {result.reused} reused; the passes lie {100.0 * result.spread:.0f} % apart"
    if result.spread > UNQUIET:
        yield "other programs disturbed the timings: run it again with --fresh when the machine is quiet"
    yield from (f"{p}: steps are predicted {e:.0f} % off, do not rely on it" for p, e in _far_off(result.errors))
    yield f"{result.path}"
    yield from _scenario_lines(profiles.name_of(result.path), list(result.errors))


def _far_off(errors: Errors) -> Iterator[tuple[str, float]]:
    """Precisions whose whole steps, none of which was fitted, are predicted too far off, with the mean error in percent."""
    for precision, parts in errors.items():
        held_out = parts.get("whole step", {}).get("held_out")
        if held_out and held_out.mean_percent > FAR_OFF_PERCENT:
            yield precision, held_out.mean_percent


def _scenario_lines(name: str, precisions: list[str]) -> Iterator[str]:
    """Keys of a scenario that takes the device, as node alone where devices of devices.csv have its precisions."""
    shared = [p for p in precisions if p in SHEET_PRECISIONS]
    keys = ["nodes.devices = {0}"] if shared else ["nodes.devices = {0}", "ues.device = {1}", "cloud.device = {1}"]
    keys = [key.format(json.dumps([name]), json.dumps(name)) for key in keys]
    keys += [f"actions.precision = {json.dumps(shared or precisions)}"]
    keys += [f"actions.default_precision = {json.dumps((shared or precisions)[0])}"]
    yield f"in a scenario: {', '.join(keys)}"
    if shared and (alone := [p for p in precisions if p not in shared]):
        yield f"its times at {', '.join(alone)} are for scenarios whose UEs and cloud are profiled too: devices.csv has none"
