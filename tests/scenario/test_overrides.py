"""Overrides: what they may address, what is said about those that miss, and that no value is taken for one of another kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edge6g_env
from edge6g_env import load_scenario
from edge6g_env.errors import UserError
from edge6g_env.scenario import Scenario
from tests.looking import Look


@pytest.mark.parametrize(
    "given",
    [
        {"service.chat.ttft_slo_s": 0.5},
        {"service.0.ttft_slo_s": 0.5},
        {"service[0].ttft_slo_s": 0.5},
        {"service": {"chat": {"ttft_slo_s": 0.5}}},
    ],
)
def test_a_table_of_a_list_is_addressed_by_name_or_number(given: dict[str, Any]):
    plain, scenario = load_scenario("tiny"), load_scenario("tiny", **given)
    assert [service.ttft_slo_s for service in scenario.service] == [0.5, plain.service[1].ttft_slo_s]
    assert scenario.service[1] == plain.service[1]
    assert scenario.service[0].model_copy(update={"ttft_slo_s": plain.service[0].ttft_slo_s}) == plain.service[0]
    (key,) = given
    assert list(scenario.changes) == ["service.chat.ttft_slo_s" if key == "service" else key]
    assert scenario.label == f"tiny_v0, {next(iter(scenario.changes))} = 0.5"


def test_tables_without_names_have_numbers():
    scenario = load_scenario("blackout")
    changed = load_scenario("blackout", **{"faults.outage.0.end_s": scenario.faults.outage[0].end_s + 1.0})
    assert changed.faults.outage[0].end_s == scenario.faults.outage[0].end_s + 1.0
    assert changed.faults.outage[1:] == scenario.faults.outage[1:]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("service.chatt.share", "did you mean chat?"),
        ("service.qqq.share", "there are chat, assistant"),
        ("service.2.share", "service has no 2"),
        ("service.share", "say which, as service.chat.share"),
        ("service.chat", "name one of its keys"),
        ("service.chat.ttft", "did you mean ttft_slo_s?"),
        ("arrivals.rate", "did you mean rate_jobs_s?"),
        ("arrival.rate_jobs_s", "did you mean arrivals?"),
        ("clock.slot_s", "did you mean time.slot_s?"),
        ("slot_s", "did you mean time.slot_s?"),
        ("nodes.slot_s", "did you mean time.slot_s?"),
        ("ttft_slo_s", "did you mean service.NAME.ttft_slo_s?"),
        ("cloud.delay_jitter", "did you mean xn.delay_jitter or backhaul.delay_jitter?"),
        ("radio.handover", "did you mean handover_hysteresis_db or handover_interruption_s?"),
        ("ues.max_speed_m_s", "did you mean speed_m"),
        ("nodes.devices.0", "nodes.devices is not a table"),
    ],
)
def test_a_key_that_misses_is_told_the_nearest(key: str, said: str, refusal):
    (line,) = refusal("tiny", **{key: 1})
    assert line.startswith("tiny.toml: ")
    assert said in line


def numbers(data: Any, above: str = "") -> list[tuple[str, Any]]:
    """(dotted key, value) of every number and boolean of a scenario."""
    if isinstance(data, dict):
        return [found for key, value in data.items() for found in numbers(value, f"{above}.{key}".strip("."))]
    if isinstance(data, list) and data and isinstance(data[0], dict):
        return [found for n, value in enumerate(data) for found in numbers(value, f"{above}.{n}")]
    return [(above, data)] if isinstance(data, int | float) else []


MAY_BE_LISTS = {"ues.per_node", "ues.tx_power_w"}  # of one number, which is the number


@pytest.mark.parametrize("name", ["tiny", "blackout"])
def test_booleans_and_texts_are_no_numbers_and_numbers_no_booleans(name: str, refusal):
    found = numbers(load_scenario(name).model_dump(mode="json"))
    assert len(found) > 60
    for key, value in found:
        listed = [str(value)] if key in MAY_BE_LISTS else [value]
        for other in (1, 0, "true") if isinstance(value, bool) else (True, str(value), listed):
            (line,) = refusal(name, **{key: other})
            assert "Input should be " in line, (key, other)
        assert "a table" in refusal(name, **{key: {"x": value}})[0], key
        if isinstance(value, int) and not isinstance(value, bool):
            assert f"write {value}" in refusal(name, **{key: float(value)})[0], key


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("time.slot_s", True, "time.slot_s = true: Input should be a number, not a boolean"),
        ("time.slot_s", "0.01", "time.slot_s = '0.01': Input should be a number, not a text: leave the quotes away"),
        ("nodes.count", 3.0, "nodes.count = 3.0: Input should be a whole number: write 3"),
        ("serving.preload", "x", "serving.preload = 'x': Input should be a list in [ ]"),
        ("summary", 3, "summary = 3: Input should be a text in quotes"),
        ("time", 3, "time = 3: Input should be a table"),
        ("ues", "phone", "ues = 'phone': Input should be a table"),
    ],
)
def test_what_was_given_and_what_would_be_right(key: str, value: Any, said: str, refusal):
    assert refusal("tiny", **{key: value}) == [f"tiny.toml: {said}"]


@pytest.mark.parametrize("key", ["time", "service", "faults"])
def test_an_empty_table_changes_nothing(key: str):
    changed = load_scenario("tiny", **{key: {}})
    assert (changed.fingerprint, changed.label) == (load_scenario("tiny").fingerprint, load_scenario("tiny").label)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("radoi", "radoi: unknown key; did you mean radio"),
        ("radio.fixed", "radio.fixed.uplink_bit_s: missing"),
        ("ues.mobility", "ues.mobility is not a table"),
        ("service.chat", "service.chat is a table with"),
    ],
)
def test_an_empty_table_where_none_is_or_can_be_is_said(key: str, said: str, tmp_path: Path):
    with pytest.raises(UserError, match=said):
        load_scenario("tiny", **{key: {}})
    (tmp_path / "mine.toml").write_text(f'extends = "tiny"\nname = "mine_v0"\nsummary = "Mine."\n[{key}]\n')
    with pytest.raises(UserError, match=said):
        load_scenario(tmp_path / "mine.toml")


def test_numbers_of_python_and_numpy_are_numbers():
    given = {
        "arrivals.rate_jobs_s": 3,  # a whole number is a number
        "nodes.count": np.int32(4),
        "time.episode_s": np.float64(90.0),
        "nodes.devices": ("l4", "l40s"),
        "actions.device_split": np.array([0.0, 0.5]),
    }
    scenario = load_scenario("tiny", **given)
    assert (scenario.arrivals.rate_jobs_s, scenario.nodes.count) == (3.0, 4)
    assert scenario.nodes.devices == ["l4", "l40s"]
    assert scenario.actions.device_split == [0.0, 0.5]
    assert 'nodes.devices = ["l4", "l40s"]' in scenario.label


def test_every_door_takes_the_name_of_a_service():
    env = edge6g_env.batch_env("tiny", 1, **{"service.chat.ttft_slo_s": 0.5})
    assert env.scenario.service[0].ttft_slo_s == 0.5
    assert Look(env).service(0).ttft_slo_s == 0.5


def test_a_fault_of_ours_in_a_check_is_no_error_of_the_scenario(monkeypatch: pytest.MonkeyPatch):
    def fail(*arguments: object) -> None:
        raise np.linalg.LinAlgError("Singular matrix")

    monkeypatch.setattr(Scenario, "_distances_are_valid", fail)
    with pytest.raises(np.linalg.LinAlgError):
        load_scenario("tiny")


@pytest.mark.parametrize(
    "changes",
    [
        {"service.chat.name": "talk", "service.chat.ttft_slo_s": 0.7},
        {"service.0.name": "talk", "service.0.ttft_slo_s": 0.7},
        {"service.chat.ttft_slo_s": 0.7, "service.0.name": "talk"},
    ],
)
def test_a_table_of_a_list_may_be_called_otherwise(changes: dict[str, Any]):
    service, *_ = load_scenario("tiny", **changes).service
    assert (service.name, service.ttft_slo_s) == ("talk", 0.7)


def test_two_names_may_be_exchanged_and_one_that_is_none_is_said():
    plain = load_scenario("tiny")
    first, second = load_scenario(
        "tiny", **{"service.chat.name": "assistant", "service.assistant.name": "chat"}
    ).service
    assert (first.name, second.name) == ("assistant", "chat")
    assert first.ttft_slo_s == plain.service[0].ttft_slo_s
    with pytest.raises(UserError, match="name"):
        load_scenario("tiny", **{"service.0.name": 0})
    with pytest.raises(UserError, match="service has no chatt"):
        load_scenario("tiny", **{"service.chatt.name": "talk"})


@pytest.mark.parametrize("seconds", [1e30, 1e308])
def test_an_episode_has_an_end(seconds: float):
    with pytest.raises(UserError, match=r"time\.episode_s"):
        load_scenario("tiny", **{"time.episode_s": seconds})


@pytest.mark.parametrize("text", ["x = " + "1" * 5000, "x = " + "[" * 5000 + "]" * 5000])
def test_a_file_that_no_reader_takes_is_said(tmp_path, text: str):
    file = tmp_path / "site.toml"
    file.write_text(text)
    with pytest.raises(UserError, match=r"site\.toml"):
        load_scenario(file)
