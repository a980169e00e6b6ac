"""Walls: the formulas of the fact sheet, evaluated as text, and their laws."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge6g_env import radio
from edge6g_env.radio._data import fact, rows


def formula_db(building, carrier_ghz):
    """The formula as facts.csv spells it."""
    text = next(r["value"] for r in rows("facts.csv") if r["name"] == f"o2i_{building}_loss_wall")
    python = re.sub(r"(\d)f", r"\1*f", text).replace("^", "**")
    return eval(python, {"log10": math.log10, "f": carrier_ghz})  # a table of this repository


@pytest.mark.parametrize("building", ["low", "high"])
@pytest.mark.parametrize("carrier_ghz", [6.0, 7.0, 15.0, 28.0, 73.0, 100.0, 140.0, 300.0])
def test_wall_is_the_formula_of_the_fact_sheet(building, carrier_ghz):
    assert radio.wall_loss_db(carrier_ghz, building) == pytest.approx(formula_db(building, carrier_ghz), abs=1e-9)


def test_std_and_loss_a_metre_are_the_standards():
    stds = {r["name"]: re.search(r"std ([\d.]+) dB", r["source"]) for r in rows("facts.csv")}
    for building in ("low", "high"):
        assert radio.wall_std_db(28.0, building) == float(stds[f"o2i_{building}_loss_wall"][1])
    assert fact("o2i_indoor_loss") == radio.INDOOR_LOSS_DB_PER_M
    assert radio.MAX_INDOOR_M == 25.0


@given(carrier_ghz=st.floats(0.5, 6, exclude_max=True), building=st.sampled_from(["low", "high"]))
def test_below_6_ghz_20_db_and_no_random_term(carrier_ghz, building):
    assert radio.wall_loss_db(carrier_ghz, building) == 20.0
    assert radio.wall_std_db(carrier_ghz, building) == 0.0


@given(low=st.floats(6, 300), high=st.floats(6, 300))
def test_loss_rises_with_carrier_and_coated_glass_is_worse_from_6_ghz(low, high):
    carriers_ghz = np.sort([low, high])
    plain_db, coated_db = (radio.wall_loss_db(carriers_ghz, building) for building in ("low", "high"))
    assert plain_db[0] <= plain_db[1] + 1e-9
    assert coated_db[0] <= coated_db[1] + 1e-9
    assert (coated_db > plain_db).all()


def test_shapes():
    assert radio.wall_loss_db(np.full((2, 3), 28.0), "low").shape == (2, 3)
    assert radio.wall_std_db([3.5, 28.0], "high").tolist() == [0.0, 6.5]
    assert isinstance(radio.wall_loss_db(28, "low"), float)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((0.1, "low"), r"carrier_ghz = 0.1 .* 0.5 to 300 GHz"),
        ((math.nan, "low"), r"carrier_ghz = nan"),
        ((28.0, "brick"), r"building = 'brick' .* 'low' or 'high'"),
    ],
)
def test_errors_name_the_argument_and_its_range(arguments, named):
    for function in (radio.wall_loss_db, radio.wall_std_db):
        with pytest.raises(ValueError, match=named):
            function(*arguments)
