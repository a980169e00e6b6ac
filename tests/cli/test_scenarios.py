"""`edge6g scenarios`: the list and the page of one."""

from __future__ import annotations

import json
import re

import pytest

from edge6g_env import costs
from edge6g_env.capacity import most_jobs_s
from edge6g_env.scenario import load_scenario, scenarios
from edge6g_env.scenario_schema import schema
from edge6g_env.spaces import Layout
from tests.tuners import TEAM, services_with


@pytest.mark.parametrize("name", scenarios())
def test_a_scenario_is_shown_with_its_services_and_actions(run, monkeypatch, name: str):
    monkeypatch.setenv("COLUMNS", "160")
    ended, scenario = run("scenarios", "show", name), load_scenario(name)
    assert ended.status == 0
    assert f"actions      {Layout(scenario).num_actions}:" in ended.out
    for service in scenario.service:
        assert f"\n{service.name} " in ended.out


def test_settings_are_shown_as_overridden(run):
    ended = run("scenarios", "show", "tiny", "--set", "nodes.count=5", "--set", "ues.device=phone-snapdragon-8gen3")
    assert ended.status == 0
    assert "nodes        5, " in ended.out


def test_bursts_are_shown_with_both_rates_and_the_load_while_all_are_busy(run):
    """One second in five busy, at six times the calm rate: half of the mean and three times it."""
    bursts = {"kind": "burst", "burst_ratio": 6.0, "calm_s": 40.0, "burst_s": 10.0}
    settings = [part for key, value in bursts.items() for part in ("--set", f"arrivals.{key}={value}")]
    out = " ".join(run("scenarios", "show", "tiny", *settings).out.split())
    assert "2 jobs/s, each service in bursts: 3 x its mean rate for 10 s, 0.5 x for 40 s on average" in out
    mean, busy = re.search(r"(\d+)% \((\d+)% while all services are busy\)", out).groups()
    assert int(busy) == pytest.approx(3.0 * int(mean), abs=2.0)


def test_lengths_that_are_always_the_same_are_shown(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    lines = [line.split() for line in run("scenarios", "show", "robotics").out.splitlines() if "always these" in line]
    services = [one for one in load_scenario("robotics").service if one.trace is None]
    assert [line[0] for line in lines] == [service.name for service in services]
    for line, service in zip(lines, services, strict=True):
        shown = [str(service.prompt_tokens), str(service.output_tokens), f"{service.payload_bytes / 1e3:g}"]
        assert line[3:6] == shown


def test_loops_are_shown_with_their_ues_period_and_deadline(run):
    scenario = load_scenario("robotics")
    out = [" ".join(line.split()) for line in run("scenarios", "show", "robotics").out.splitlines()]
    for service, ues in zip(scenario.service, scenario.loop_ues, strict=True):
        if ues:
            assert f"arrivals {service.name}: {len(ues)} UEs, each every {service.period_s:g} s" in out
            assert any(line.startswith(f"{service.name} openvla-7b site - - {service.deadline_s:g} s") for line in out)
    assert any(f"{sum(scenario.rates_jobs_s):g} jobs/s offered" in line for line in out)


def test_fine_tuning_is_shown_with_its_steps(run, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "160")
    file = tmp_path / "tuned.toml"
    file.write_text(load_scenario("tiny", service=services_with(**TEAM)).to_toml())
    out = [" ".join(line.split()) for line in run("scenarios", "show", str(file)).out.splitlines()]
    assert "tuner llama-3.2-3b open - - 60 s 60 s" in out
    assert "tuner 0.4 20% - - - - 50 steps of 4 x 384, LoRA rank 8 of q,v; 3 UEs, averaged every 10" in out
    assert any(line.startswith("reward quality x timeliness or progress - ") for line in out)


def test_nodes_are_shown_with_what_they_hold_and_the_load_with_what_they_compute(run):
    scenario, out = load_scenario("campus"), run("scenarios", "show", "campus").out
    assert f"9 jobs/s offered, {9.0 / most_jobs_s(scenario):.0%} of the {most_jobs_s(scenario):.3g}" in " ".join(
        out.split()
    )
    table = out.split("\ndevice ")[1].splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in table[1:] if line and not line.startswith(" ")}
    for device in scenario.nodes.devices:
        assert f"{costs.device(device).mem_gb:g}" in rows[device]
    assert sum("llama-3.2-3b" in line for line in table) == len(set(scenario.nodes.devices))
    assert "Warning" not in out


def test_a_warm_up_that_is_too_short_is_said(run):
    out = " ".join(run("scenarios", "show", "campus", "--set", "time.warmup_s=3").out.split())
    assert "Warning: time.warmup_s = 3 is shorter than the longest load, 9.0 s (llama-3.1-8b at fp16" in out


@pytest.mark.parametrize("columns", [30, 60, 80])
@pytest.mark.parametrize("name", ["tiny", "dense-urban", "blackout"])
def test_a_narrow_terminal_loses_no_word(run, monkeypatch, name: str, columns: int):
    """Nothing is wider than the terminal, and every word of the wide page is there, whole or wrapped between words."""
    monkeypatch.setenv("COLUMNS", "400")
    words = {word.strip(",;:()") for word in run("scenarios", "show", name).out.split()}
    monkeypatch.setenv("COLUMNS", str(columns))
    out = run("scenarios", "show", name).out
    assert max(len(line.rstrip()) for line in out.splitlines()) <= columns
    assert words - {word.strip(",;:()") for word in out.split()} == set()


def test_the_schema_of_the_files_is_printed(run):
    ended = run("scenarios", "schema")
    assert ended.status == 0
    assert json.loads(ended.out) == json.loads(json.dumps(schema()))


def test_without_a_command_the_help_is_shown(run):
    ended = run()
    assert ended.status == 0
    assert "scenarios" in ended.out
