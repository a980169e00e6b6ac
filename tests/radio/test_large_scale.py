"""The step of a move: still UEs, far moves, and its composition; the shadowing std on both sides of the break point."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge6g_env import radio


@given(z=st.floats(-5, 5), normal=st.floats(-5, 5), corr_m=st.floats(0.5, 200))
def test_no_move_changes_nothing_and_a_far_one_everything(z, normal, corr_m):
    assert radio.gauss_markov_step(z, 0.0, corr_m, normal) == z
    assert radio.gauss_markov_step(z, math.inf, corr_m, normal) == normal


@given(moved_m=st.floats(1e-6, 1e4), corr_m=st.floats(0.5, 200))
def test_unit_variance_and_gudmundsons_correlation(moved_m, corr_m):
    kept = radio.gauss_markov_step(1.0, moved_m, corr_m, 0.0)
    fresh = radio.gauss_markov_step(0.0, moved_m, corr_m, 1.0)
    assert kept == pytest.approx(math.exp(-moved_m / corr_m))
    assert kept**2 + fresh**2 == pytest.approx(1.0)


@given(first_m=st.floats(0, 500), second_m=st.floats(0, 500), corr_m=st.floats(1, 200))
def test_two_moves_are_one(first_m, second_m, corr_m):
    twice = radio.gauss_markov_step(radio.gauss_markov_step(1.0, first_m, corr_m, 0.0), second_m, corr_m, 0.0)
    assert radio.gauss_markov_step(1.0, first_m + second_m, corr_m, 0.0) == pytest.approx(twice, rel=1e-9)


@pytest.mark.parametrize(
    ("los", "d2_m", "sigma_db"), [(True, 100.0, 4.0), (True, 100.1, 6.0), (False, 50.0, 8.0), (False, 500.0, 8.0)]
)
def test_shadowing_std_changes_at_the_break_point_in_sight_only(los, d2_m, sigma_db):
    assert radio.shadow_std_db_of(los, d2_m, 100.0, 4.0, 6.0, 8.0) == sigma_db
