"""What `--vary` means: how its text is cut, which settings it makes, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from edge6g_env.errors import UserError
from edge6g_env.scenario import ScenarioError, load_scenario
from eval.sweep.grid import SweepError, cells_of, read_vary, shown

LOAD = "arrivals.rate_jobs_s"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("2,4,8", [2, 4, 8]),
        ("2.0, 4e-1 ,-8", [2.0, 0.4, -8]),
        ("[0.0];[0.0,0.25,1.0]", [[0.0], [0.0, 0.25, 1.0]]),
        ("[1,2],[3,4]", [[1, 2], [3, 4]]),
        ("[[1,2],[3]],[]", [[[1, 2], [3]], []]),
        ("{a=1,b=2},{a=3}", [{"a": 1, "b": 2}, {"a": 3}]),
        ("'a,b',\"c;d\"", ["a,b", "c;d"]),
        (r'"a\",b",c', ['a",b', "c"]),
        ("'[',2", ["[", 2]),
        ("1,2;3", None),  # cut at the semicolon alone, and "1,2" is no value
        ("[1,2];3", [[1, 2], 3]),
        ("true,false", [True, False]),
        ("waypoint,street_grid", ["waypoint", "street_grid"]),
        ("7", [7]),
    ],
)
def test_the_text_is_cut_at_semicolons_else_at_commas_outside_of_brackets_and_quotes(text: str, values: list | None):
    if values is None:
        with pytest.raises(UserError, match="'1,2' is not a TOML value"):
            read_vary([f"key={text}"])
    else:
        found = read_vary([f" key ={text}"])
        assert found == {"key": values}
        assert [type(value) for value in found["key"]] == [type(value) for value in values]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["a"], "--vary a: it has no values, it must be KEY=V1,V2,..."),
        (["a= "], "it has no values"),
        (["=3"], "it has no values"),
        (["a=1,,2"], "--vary a=1,,2: one of its values is empty"),
        (["a=1,"], "one of its values is empty"),
        (["a=1", "b=2", "a=3"], "--vary a stands twice"),
        (["a=6:14"], "a range is what `edge6g train` draws values from; here they stand one by one, as a=6,14"),
        (["a=1,6.0:1e2"], "a range is what `edge6g train` draws"),
        (["a=x y"], "--vary a=x y: 'x y' is not a TOML value"),
    ],
)
def test_what_is_no_list_of_values_is_said(words: list[str], says: str):
    with pytest.raises(UserError) as caught:
        read_vary(words)
    assert says in str(caught.value)


def test_cells_are_all_combinations_the_last_key_first():
    tiny = load_scenario("tiny", **{"reward.failed_cost": 0.3})
    cells = cells_of(tiny, {LOAD: np.array([2.0, 4.0]), "service.chat.share": [0.6], "xn.delay_s": (0.001, 0.01, 0.1)})
    found = [(cell.scenario.arrivals.rate_jobs_s, cell.scenario.xn.delay_s) for cell in cells]
    assert found == [(load, delay) for load in (2.0, 4.0) for delay in (0.001, 0.01, 0.1)]
    assert {cell.scenario.reward.failed_cost for cell in cells} == {0.3}
    assert cells[1].label == "arrivals.rate_jobs_s = 2.0, service.chat.share = 0.6, xn.delay_s = 0.01"


@pytest.mark.parametrize(
    ("vary", "error", "says"),
    [
        ({}, SweepError, "nothing varies: --vary KEY=V1,V2,... says what"),
        ({LOAD: []}, SweepError, "it must be a list of values"),
        ({LOAD: 3.0}, SweepError, "it must be a list of values"),
        ({LOAD: "234"}, SweepError, "it must be a list of values"),
        (
            {LOAD: [2, 3, 2.0]},
            SweepError,
            "arrivals.rate_jobs_s = 2 and arrivals.rate_jobs_s = 2.0 are the same scenario",
        ),
        ({"arrivals.rate_jobs": [2]}, ScenarioError, "arrivals.rate_jobs: unknown key; did you mean rate_jobs_s?"),
        ({LOAD: [2, -1]}, ScenarioError, "arrivals.rate_jobs_s = -1: Input should be greater than 0"),
        ({"actions.device_split": [[0.0]]}, ScenarioError, "every job of it would be rejected"),
        ({"actions.device_split": [[0.0]]}, ScenarioError, "(with actions.device_split = [0.0])"),
    ],
)
def test_what_makes_no_settings_is_said(vary: dict, error: type[Exception], says: str):
    with pytest.raises(error) as caught:
        cells_of(load_scenario("tiny"), vary)
    assert says in str(caught.value)


@pytest.mark.parametrize("key", ["arrivals.rate_jobs_s", "arrivals"])
def test_what_is_set_does_not_vary(key: str):
    scenario = load_scenario("tiny", **{"arrivals.rate_jobs_s": 3.0})
    with pytest.raises(
        SweepError, match=rf"^{key} varies, and --set gives it a value \(arrivals.rate_jobs_s\): leave that out"
    ):
        cells_of(scenario, {key: [1.0, 2.0]})


def test_two_names_of_one_key_are_the_same_settings():
    with pytest.raises(SweepError, match="are the same scenario"):
        cells_of(load_scenario("tiny"), {"service.chat.ttft_slo_s": [1.0, 2.0], "service.0.ttft_slo_s": [1.0, 2.0]})


def test_values_stand_in_the_table_as_toml_has_them_numbers_and_text_as_they_are():
    assert [shown(value) for value in (2, 0.5, "int4", True, [0.0, 1.0], ["a"])] == [
        2, 0.5, "int4", "true", "[0.0, 1.0]", '["a"]',
    ]  # fmt: skip
