"""`edge6g scenarios`: the list and the page of one."""

from __future__ import annotations

import pytest

from edge6g_env.scenario import load_scenario, scenarios
from edge6g_env.spaces import Layout


def test_all_scenarios_are_listed(run):
    ended = run("scenarios")
    assert ended.status == 0
    assert [line.split()[0] for line in ended.out.splitlines() if not line.startswith(" ")][1:] == scenarios()


@pytest.mark.parametrize("name", scenarios())
def test_a_scenario_is_shown_with_its_services_and_actions(run, name: str):
    ended, scenario = run("scenarios", "show", name), load_scenario(name)
    assert ended.status == 0
    assert f"actions      {Layout(scenario).num_actions}:" in ended.out
    for service in scenario.service:
        assert f"\n{service.name} " in ended.out


def test_settings_are_shown_as_overridden(run):
    ended = run("scenarios", "show", "tiny", "--set", "nodes.count=5", "--set", "ues.device=phone-snapdragon-8gen3")
    assert ended.status == 0
    assert "nodes        5, " in ended.out


def test_without_a_command_the_help_is_shown(run):
    ended = run()
    assert ended.status == 0
    assert "scenarios" in ended.out
