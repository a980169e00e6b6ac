"""LOS probability against Sionna's table, hand-evaluated cases and its laws."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge6g_env import radio
from edge6g_env.radio._data import rows

LIMITS_M = {"UMi-StreetCanyon": 5000, "UMa": 5000, "RMa": 10_000, "InH-Office-mixed": 150, "InH-Office-open": 150}
LIMITS_M |= dict.fromkeys(("InF-SL", "InF-DL", "InF-SH", "InF-DH", "InF-HH"), 600)


def test_every_row_of_the_reference():
    table = rows("los_probability.csv")
    columns = ("distance_2d_m", "h_ut_m", "h_bs_m")
    errors = [
        abs(radio.los_probability(row["scenario"], *(float(row[c]) for c in columns)) - float(row["p_los"]))
        for row in table
    ]
    assert len(errors) == 222
    assert max(errors) <= 1e-5


@pytest.mark.parametrize(
    ("name", "d2_m", "expected"),
    [
        ("UMi-StreetCanyon", 36.0, 0.5 + 0.5 * math.exp(-1)),
        ("RMa", 1010.0, math.exp(-1)),
        ("InH-Office-mixed", 5.9, math.exp(-1)),
        ("InF-SL", 10.0, 0.8),
        ("InF-DL", 2.0, 0.4),
        ("InF-HH", 300.0, 1.0),
    ],
)
def test_by_hand(name, d2_m, expected):
    assert radio.los_probability(name, d2_m, 1.5) == pytest.approx(expected, abs=1e-12)


def test_high_base_station_stretches_the_decay():
    low, high = (radio.los_probability("InF-DH", 20.0, 1.5, hb_m) for hb_m in (6.0, 10.5))
    assert math.log(low) == pytest.approx(2 * math.log(high))
    assert radio.los_probability("InF-DH", 20.0, 1.5) == radio.los_probability("InF-DH", 20.0, 1.5, 8.0)


@given(name=st.sampled_from(sorted(LIMITS_M)), near=st.floats(0, 1), far=st.floats(0, 1), taller=st.booleans())
def test_in_unit_range_and_never_rising(name, near, far, taller):
    h_ut_m = 12.9 if taller and name in ("UMa", "UMi-StreetCanyon") else 1.5
    p_near, p_far = radio.los_probability(name, LIMITS_M[name] * np.sort([near, far]) ** 3, h_ut_m)
    assert 0.0 <= p_far <= 1.0
    assert p_far <= p_near + (0.003 if name == "InH-Office-open" else 1e-12)  # the standard steps up at 49 m


@given(d2_m=st.floats(0, 5000), h_ut_m=st.floats(13, 22.5))
def test_tall_users_of_uma_stay_in_unit_range_and_see_more(d2_m, h_ut_m):
    p = radio.los_probability("UMa", d2_m, h_ut_m)
    assert radio.los_probability("UMa", d2_m, 13.0) <= p <= 1.0


def test_uma_is_held_to_1_just_past_18_m_for_tall_users():
    """The standard's formula exceeds 1 there, by up to 0.6 percent."""
    assert radio.los_probability("UMa", [18.1, 18.5, 19.0], 22.5).max() == 1.0


@given(name=st.sampled_from(sorted(LIMITS_M)), share=st.floats(0, 1), h_ut_m=st.floats(1.5, 1.9))
def test_compiled_scalar_is_the_public_function(name, share, h_ut_m):
    d2_m = LIMITS_M[name] * share
    assert radio.los_probability_of(radio.environment_id(name), d2_m, h_ut_m, 8.0) == radio.los_probability(
        name, d2_m, h_ut_m, 10.0 if name == "RMa" else 8.0
    )


def test_broadcasting_shapes():
    assert radio.los_probability("UMa", [[10.0], [100.0]], [1.5, 5.0, 20.0]).shape == (2, 3)
    assert isinstance(radio.los_probability("UMa", 100, 1.5), float)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("UMa", -1.0, 1.5), r"distance_2d_m = -1 .* 0 to 5000 m"),
        (("UMa", math.nan, 1.5), r"distance_2d_m = nan"),
        (("InH-Office-open", 151.0, 1.0), r"distance_2d_m = 151 .* 0 to 150 m"),
        (("UMa", 100.0, 25.0), r"h_ut_m = 25 .* 1.5 to 22.5 m"),
        (("RMa", 100.0, 1.5, 200.0), r"h_bs_m = 200 .* 10 to 150 m"),
        (("InF-SH", 100.0, 2.0), r"h_ut_m = 2 .* 2 m, the clutter height"),
        (("InF-DH", 100.0, 1.5, 1.5), r"h_bs_m = 1.5 .* above h_ut_m"),
        (("InH-Office", 10.0, 1.0), r"InH-Office-mixed or InH-Office-open"),
        (("nowhere", 10.0, 1.0), r"'nowhere'; one of"),
    ],
)
def test_errors_name_the_argument_and_its_range(arguments, named):
    with pytest.raises(ValueError, match=named):
        radio.los_probability(*arguments)


@given(x=st.floats(-6, 6))
def test_normal_cdf_is_symmetric(x):
    assert radio.normal_cdf(x) + radio.normal_cdf(-x) == pytest.approx(1.0, abs=1e-15)


def test_normal_cdf_known_values():
    assert radio.normal_cdf(0.0) == 0.5
    assert radio.normal_cdf(1.0) == pytest.approx(0.8413447460685429, abs=1e-15)
    assert radio.normal_cdf(-8.0) == pytest.approx(6.220960574271785e-16, rel=1e-9)
