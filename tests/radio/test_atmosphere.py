"""Gas and rain against itur's tables (ITU-R P.676-12, P.838-3) and values quoted from them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import interpolate

from edge6g_env import radio
from edge6g_env.radio._data import rows


def column(table, name):
    return np.array([float(row[name]) for row in table])


def test_gas_at_every_row_of_the_reference():
    table = rows("gas_attenuation.csv")
    reference = column(table, "gamma_db_per_km")
    assert radio.gas_attenuation_db_per_km(column(table, "frequency_ghz")) == pytest.approx(reference, rel=1e-9)


def test_rain_at_every_row_of_the_reference():
    for polarisation in "hv":
        table = [row for row in rows("rain_attenuation.csv") if row["polarisation"] == polarisation]
        mine = radio.rain_attenuation_db_per_km(
            column(table, "frequency_ghz"), column(table, "rain_mm_per_h"), polarisation
        )
        assert len(table) == 1204
        assert mine == pytest.approx(column(table, "gamma_rain_db_per_km"), abs=6e-7)  # the table has six decimals


def test_gas_between_rows_is_the_not_a_knot_spline_of_its_logarithms():
    """By another way, the B-splines that interpolate."""
    table = rows("gas_attenuation.csv")
    x, y = np.log10(column(table, "frequency_ghz")), np.log10(column(table, "gamma_db_per_km"))
    f_ghz = np.linspace(1, 300, 3001)
    reference = 10 ** interpolate.make_interp_spline(x, y, k=3)(np.log10(f_ghz))
    assert radio.gas_attenuation_db_per_km(f_ghz) == pytest.approx(reference, rel=1e-9)


def test_gas_over_200_m_where_it_matters():
    loss_db = 0.2 * radio.gas_attenuation_db_per_km([60.0, 183.31, 140.0])
    assert loss_db == pytest.approx([3.0, 5.6, 0.184], rel=0.05)


def test_no_gas_below_1_ghz():
    assert radio.gas_attenuation_db_per_km([0.5, 0.99]).tolist() == [0.0, 0.0]


def test_heavy_rain_at_two_carriers():
    assert radio.rain_attenuation_db_per_km([28.0, 140.0], 50.0, "h") == pytest.approx([9.0, 20.0], rel=0.05)


@given(f_ghz=st.floats(1, 1000), light=st.floats(0, 150), heavy=st.floats(0, 150), polarisation=st.sampled_from("hv"))
def test_more_rain_never_costs_less(f_ghz, light, heavy, polarisation):
    less, more = radio.rain_attenuation_db_per_km(f_ghz, np.sort([light, heavy]), polarisation)
    assert 0.0 <= less <= more


def test_shapes():
    assert radio.rain_attenuation_db_per_km([[10.0], [20.0]], [0.0, 5.0, 25.0], "v").shape == (2, 3)
    assert radio.gas_attenuation_db_per_km(np.full((2, 2), 28.0)).shape == (2, 2)
    assert isinstance(radio.gas_attenuation_db_per_km(28), float)
    assert isinstance(radio.rain_attenuation_db_per_km(28, 5, "h"), float)


@pytest.mark.parametrize(
    ("function", "arguments", "named"),
    [
        (radio.gas_attenuation_db_per_km, (301.0,), r"frequency_ghz = 301 .* 0.5 to 300 GHz"),
        (radio.gas_attenuation_db_per_km, (0.0,), r"frequency_ghz = 0 .* 0.5 to 300 GHz"),
        (radio.gas_attenuation_db_per_km, (math.nan,), r"frequency_ghz = nan"),
        (radio.rain_attenuation_db_per_km, (0.5, 5.0, "h"), r"frequency_ghz = 0.5 .* 1 to 1000 GHz"),
        (
            radio.rain_attenuation_db_per_km,
            (28.0, -1.0, "h"),
            r"rain_mm_per_h = -1 is outside its range: finite and at least 0 mm/h$",
        ),
        (radio.rain_attenuation_db_per_km, (28.0, [5.0, math.nan], "h"), r"rain_mm_per_h = nan"),
        (radio.rain_attenuation_db_per_km, (28.0, math.inf, "h"), r"rain_mm_per_h = inf"),
        (radio.rain_attenuation_db_per_km, (28.0, 5.0, "x"), r"polarisation = 'x' .* 'h' or 'v'"),
    ],
)
def test_errors_name_the_argument_and_its_range(function, arguments, named):
    with pytest.raises(ValueError, match=named):
        function(*arguments)
