"""Parameters of rules: scales, ranges, what is refused."""

from __future__ import annotations

import math

import pytest

from agents.parameters import Parameter, ParameterError, check, starts
from agents.policy import parameters_of, rule_names
from edge6g_env.scenario import load_scenario

LOG = Parameter("v", "1", 0.01, 100.0, 1.0, "log", "weight")
LINEAR = Parameter("threshold", "s", -2.0, 6.0, 0.0, "linear", "wait")


def test_the_middle_of_a_logarithmic_scale_is_the_geometric_mean():
    assert LOG.at(0.5) == pytest.approx(math.sqrt(0.01 * 100.0))
    assert LINEAR.at(0.25) == pytest.approx(0.0)


@pytest.mark.parametrize("one", [LOG, LINEAR])
def test_place_is_the_inverse_of_at(one: Parameter):
    for place in (0.0, 0.1, 0.5, 0.99, 1.0):
        assert one.place(one.at(place)) == pytest.approx(place)
    assert (one.at(-3.0), one.at(2.0)) == (one.low, one.high)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"v": 1.0}, "threshold is missing"),
        ({"v": 1.0, "threshold": 0.0, "w": 1.0}, "no parameter w: there are v, threshold"),
        ({"v": 101.0, "threshold": 0.0}, r"v = 101.0 is no number between 0.01 and 100"),
        ({"v": "much", "threshold": 0.0}, "v = 'much' is no number"),
        ({"v": math.nan, "threshold": 0.0}, "v = nan is no number"),
        ({"v": True, "threshold": 0.0}, "v = True is no number"),
    ],
)
def test_bad_values_are_refused(values: dict, message: str):
    with pytest.raises(ParameterError, match=message):
        check((LOG, LINEAR), values)


def test_whole_numbers_become_floats():
    assert check((LOG, LINEAR), {"threshold": 2, "v": 1}) == {"v": 1.0, "threshold": 2.0}


@pytest.mark.parametrize(
    ("low", "high", "start", "scale"), [(1.0, 1.0, 1.0, "linear"), (0.0, 1.0, 2.0, "linear"), (0.0, 1.0, 0.5, "log")]
)
def test_a_parameter_without_a_range_is_refused(low: float, high: float, start: float, scale: str):
    with pytest.raises(ValueError, match=r"no logarithm|is not between"):
        Parameter("x", "1", low, high, start, scale, "")  # type: ignore[arg-type]


@pytest.mark.parametrize("rule", rule_names())
def test_parameters_of_a_rule_have_names_of_their_own_and_starts_that_they_take(rule: str):
    for scenario in ("tiny", "finetune"):
        parameters = parameters_of(rule, load_scenario(scenario))
        assert len({one.name for one in parameters}) == len(parameters)
        assert check(parameters, starts(parameters)) == starts(parameters)
