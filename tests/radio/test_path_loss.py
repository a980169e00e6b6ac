"""Path loss against Sionna's TR 38.901 tables, the close-in table, hand-evaluated cases and the laws of the model."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge6g_env import radio
from edge6g_env.radio._data import fact, rows

OUTDOOR = {"UMi-StreetCanyon": (10.0, 1.5), "UMa": (25.0, 1.5), "RMa": (35.0, 1.5)}
INDOOR = {
    "InH-Office": (3.0, 1.0),
    "InF-SL": (1.5, 1.5),
    "InF-DL": (1.5, 1.5),
    "InF-SH": (8.0, 1.5),
    "InF-DH": (8.0, 1.5),
}
HEIGHTS_M = OUTDOOR | INDOOR
FARTHEST_M = {"UMi-StreetCanyon": 5000, "UMa": 5000, "RMa": 5000, "InH-Office": 149} | dict.fromkeys(
    ("InF-SL", "InF-DL", "InF-SH", "InF-DH"), 599
)


def errors_db(file_name, loss_db):
    table = rows(file_name)
    column = "pathloss_db" if file_name == "pathloss.csv" else "ci_loss_db"
    return np.array([abs(loss_db(row) - float(row[column])) for row in table])


def test_every_row_of_the_reference_within_a_hundredth_of_a_db():
    def loss_db(row):
        numbers = (float(row[c]) for c in ("distance_2d_m", "h_bs_m", "h_ut_m", "carrier_ghz"))
        return radio.path_loss_db(row["scenario"], int(row["los"]), *numbers)

    errors = errors_db("pathloss.csv", loss_db)
    assert errors.size == 368
    assert errors.max() <= 0.01


def test_every_row_of_the_close_in_reference():
    def loss_db(row):
        d3_m, f_ghz = float(row["distance_3d_m"]), float(row["carrier_ghz"])
        return radio.path_loss_db(row["scenario"], int(row["los"]), d3_m, 3.0, 3.0, f_ghz)

    errors = errors_db("subthz_pathloss.csv", loss_db)
    assert errors.size == 48
    assert errors.max() <= 0.001


@pytest.mark.parametrize(("name", "short"), [("UMi-StreetCanyon", "umi"), ("UMa", "uma"), ("InH-Office-open", "inh")])
@pytest.mark.parametrize("los", [True, False])
def test_close_in_slope_is_the_published_exponent(name, short, los):
    near_db, far_db = radio.path_loss_db(name, los, [10.0, 100.0], 3.0, 3.0, 140.0)
    assert far_db - near_db == pytest.approx(10 * fact(f"ci_140ghz_exponent_{'los' if los else 'nlos'}_{short}"))


@pytest.mark.parametrize(
    ("name", "los", "expected_db"),
    [  # d3 100 m, 10 GHz: both logarithms are whole
        ("InF-HH", True, 31.84 + 43.0 + 19.0),
        ("InF-SL", False, 33.0 + 51.0 + 20.0),
        ("InF-DL", False, 18.6 + 71.4 + 20.0),
        ("InF-SH", False, 32.4 + 46.0 + 20.0),
        ("InF-DH", False, 33.63 + 43.8 + 20.0),
        ("InH-Office-mixed", True, 32.4 + 34.6 + 20.0),
        ("InH-Office-open", False, 17.3 + 76.6 + 24.9),
    ],
)
def test_indoor_formulas_by_hand(name, los, expected_db):
    assert radio.path_loss_db(name, los, 100.0, 2.0, 2.0, 10.0) == pytest.approx(expected_db, abs=1e-9)


def test_factory_formulas_are_extrapolated_above_100_ghz():
    step_db = radio.path_loss_db("InF-SL", True, 50.0, 1.5, 1.5, 200.0) - radio.path_loss_db(
        "InF-SL", True, 50.0, 1.5, 1.5, 20.0
    )
    assert step_db == pytest.approx(19.0)


@pytest.mark.parametrize("name", ["UMi-StreetCanyon", "UMa"])
@pytest.mark.parametrize("f_ghz", [0.7, 3.5, 28.0])
def test_two_slopes_meet_at_the_break_point(name, f_ghz):
    hb_m, hu_m = HEIGHTS_M[name]
    dbp_m = radio.breakpoint_m(radio.environment_id(name), hb_m, hu_m, f_ghz)
    near_db, far_db = radio.path_loss_db(name, True, [dbp_m * (1 - 1e-9), dbp_m * (1 + 1e-9)], hb_m, hu_m, f_ghz)
    assert far_db == pytest.approx(near_db, abs=1e-6)


def test_no_break_point_indoors():
    assert radio.breakpoint_m(radio.INH_OPEN, 3.0, 1.0, 3.5) == math.inf


@pytest.mark.parametrize("name", OUTDOOR)
def test_below_10_m_is_taken_as_10_m_up_to_100_ghz(name):
    f_ghz = 30.0 if name == "RMa" else 100.0
    losses_db = radio.path_loss_db(name, True, [0.0, 4.0, 10.0], *HEIGHTS_M[name], f_ghz)
    assert losses_db[0] == losses_db[1] == losses_db[2]


def test_least_3d_distance_is_1_m_indoors_and_above_100_ghz():
    assert radio.path_loss_db("InH-Office", True, 0.0, 1.0, 1.0, 10.0) == pytest.approx(32.4 + 20.0)
    at_5_m, at_1_m, at_0_m = radio.path_loss_db("UMi-StreetCanyon", True, [5.0, 1.0, 0.0], 2.0, 2.0, 140.0)
    assert at_5_m - at_1_m == pytest.approx(20 * math.log10(5))
    assert at_0_m == at_1_m


@given(
    name=st.sampled_from(sorted(HEIGHTS_M)),
    los=st.booleans(),
    near=st.floats(0, 1),
    far=st.floats(0, 1),
    f_ghz=st.floats(0.5, 30),
    scale=st.sampled_from([1, 3, 10]),
)
def test_loss_never_falls_with_distance(name, los, near, far, f_ghz, scale):
    f_ghz = f_ghz if name == "RMa" else f_ghz * scale
    distances_m = FARTHEST_M[name] * np.sort([near, far]) ** 2
    near_db, far_db = radio.path_loss_db(name, los, distances_m, *HEIGHTS_M[name], f_ghz)
    assert far_db >= near_db - 1e-9


@given(
    name=st.sampled_from(sorted(HEIGHTS_M)),
    los=st.booleans(),
    share=st.floats(0, 1),
    low=st.floats(0, 1),
    high=st.floats(0, 1),
)
def test_loss_never_falls_with_frequency_to_100_ghz(name, los, share, low, high):
    top_ghz = 30.0 if name == "RMa" else 100.0
    carriers_ghz = np.clip(0.5 * (2 * top_ghz) ** np.sort([low, high]), 0.5, top_ghz)
    low_db, high_db = radio.path_loss_db(name, los, FARTHEST_M[name] * share**2, *HEIGHTS_M[name], carriers_ghz)
    assert high_db >= low_db - 0.02  # RMa steps at its break point


@given(
    name=st.sampled_from(sorted(HEIGHTS_M)),
    share=st.floats(0, 1),
    f_ghz=st.floats(0.5, 30),
)
def test_out_of_sight_is_never_better(name, share, f_ghz):
    nlos_db, los_db = radio.path_loss_db(name, [False, True], FARTHEST_M[name] * share, *HEIGHTS_M[name], f_ghz)
    assert nlos_db >= los_db


@given(
    name=st.sampled_from(sorted(HEIGHTS_M)),
    los=st.booleans(),
    share=st.floats(0, 1),
    f_ghz=st.floats(0.5, 300),
)
def test_compiled_scalar_is_the_public_function(name, los, share, f_ghz):
    f_ghz = min(f_ghz, 30.0) if name == "RMa" else f_ghz
    link = (los, FARTHEST_M[name] * share, *HEIGHTS_M[name], f_ghz)
    assert radio.basic_path_loss_db(radio.environment_id(name), *link) == radio.path_loss_db(name, *link)


def test_broadcasting_shapes():
    los = np.array([[True], [False]])
    losses_db = radio.path_loss_db("UMa", los, [50.0, 100.0, 200.0], 25.0, 1.5, 3.5)
    assert losses_db.shape == (2, 3)
    assert losses_db.dtype == np.float64
    assert losses_db[1, 2] == radio.path_loss_db("UMa", False, 200.0, 25.0, 1.5, 3.5)
    assert isinstance(radio.path_loss_db("UMa", 1, 50, 25, 1.5, 3.5), float)
    assert radio.path_loss_db("UMa", True, [], 25.0, 1.5, 3.5).shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("UMa", True, 5001.0, 25.0, 1.5, 3.5), r"distance_2d_m = 5001 .* 0 to 5000 m"),
        (("UMa", True, -1.0, 25.0, 1.5, 3.5), r"distance_2d_m = -1 .* 0 to 5000 m"),
        (("UMa", True, [10.0, math.nan], 25.0, 1.5, 3.5), r"distance_2d_m = nan"),
        (("RMa", True, 10_001.0, 35.0, 1.5, 3.5), r"distance_2d_m .* 0 to 10000 m"),
        (("RMa", [True, False], 6000.0, 35.0, 1.5, 3.5), r"distance_2d_m = 6000 .* 0 to 5000 m"),
        (("InH-Office", True, 150.0, 3.0, 1.0, 3.5), r"distance_2d_m = 150 .* 3D distance 1 to 150 m"),
        (("InF-SL", True, 601.0, 1.5, 1.5, 3.5), r"distance_2d_m = 601 .* 0 to 600 m"),
        (("UMi-StreetCanyon", True, 50.0, 10.0, 1.4, 3.5), r"h_ut_m = 1.4 .* 1.5 to 22.5 m"),
        (("UMa", True, 50.0, 25.0, 23.0, 3.5), r"h_ut_m = 23 .* 1.5 to 22.5 m"),
        (("RMa", True, 50.0, 9.0, 1.5, 3.5), r"h_bs_m = 9 .* 10 to 150 m"),
        (("RMa", True, 50.0, 35.0, 11.0, 3.5), r"h_ut_m = 11 .* 1 to 10 m"),
        (("UMa", True, 50.0, math.nan, 1.5, 3.5), r"h_bs_m = nan"),
        (("UMa", True, 50.0, 25.0, 1.5, 0.4), r"carrier_ghz = 0.4 .* 0.5 to 300 GHz"),
        (("UMa", True, 50.0, 25.0, 1.5, math.inf), r"carrier_ghz = inf .* 0.5 to 300 GHz"),
        (("RMa", True, 50.0, 35.0, 1.5, 31.0), r"carrier_ghz = 31 .* 0.5 to 30 GHz"),
        (("UMa", 2, 50.0, 25.0, 1.5, 3.5), r"los = 2 .* 0 \(NLOS\) or 1 \(LOS\)"),
        (("UMa", math.nan, 50.0, 25.0, 1.5, 3.5), r"los = nan"),
        (("InF-HH", False, 50.0, 8.0, 8.0, 3.5), r"los = 0 .* InF-HH"),
        (("UMb", True, 50.0, 25.0, 1.5, 3.5), r"'UMb'; one of UMi-StreetCanyon, UMa"),
    ],
)
def test_errors_name_the_argument_and_its_range(arguments, named):
    with pytest.raises(ValueError, match=named):
        radio.path_loss_db(*arguments)
