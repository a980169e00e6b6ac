"""Blockage: rates and shares by hand, the chain against its laws, the loss against the knife-edge formula."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge6g_env import radio
from edge6g_env._jit import njit
from edge6g_env.radio._data import fact, rows


@pytest.mark.parametrize(
    ("d2_m", "h_bs_m", "density", "share_below_heads"),
    [
        (100.0, fact("markov_bs_height"), 0.01, 0.4 / 3.6),  # Jain's own heights
        (100.0, 10.0, 0.1, 0.4 / 8.6),
        (20.0, 1.5, 0.01, 0.4 / 0.6),  # hT is at least 2 m
        (0.0, 10.0, 0.01, 0.4 / 8.6),
    ],
)
def test_rates_by_hand(d2_m, h_bs_m, density, share_below_heads):
    a, b = radio.blockage_rates_of(d2_m, h_bs_m, 1.4, density)
    assert a == pytest.approx(2 / math.pi * density * fact("markov_blocker_speed") * d2_m * share_below_heads)
    assert b == fact("markov_unblock_rate")
    assert radio.blocked_share(d2_m, h_bs_m, 1.4, density) == pytest.approx(a / (a + b))


def test_constants_are_those_of_the_paper():
    assert fact("markov_ue_height") == radio.BLOCKED_UE_HEIGHT_M
    assert fact("markov_blocker_density_low") == radio.BLOCKERS_PER_M2


@given(d2_m=st.floats(0, 10_000), h_bs_m=st.floats(0, 1000), h_ut_m=st.floats(0, 1000), density=st.floats(0, 10))
def test_share_is_a_probability_and_zero_above_the_heads(d2_m, h_bs_m, h_ut_m, density):
    share = radio.blocked_share(d2_m, h_bs_m, h_ut_m, density)
    assert 0.0 <= share < 1.0
    if h_ut_m >= fact("markov_blocker_height"):
        assert share == 0.0


@given(first_s=st.floats(1e-3, 5), second_s=st.floats(1e-3, 5), a=st.floats(1e-3, 5), b=st.floats(0.1, 5))
def test_two_steps_are_one_long_step(first_s, second_s, a, b):
    """Chapman-Kolmogorov, on the transition probabilities that the step has."""

    def blocked_after(blocked, dt_s):
        low, high = 0.0, 1.0  # the step is monotone in its uniform number: find where it changes
        for _ in range(60):
            middle = (low + high) / 2
            stays = radio.blockage_step(blocked, a, b, dt_s, middle) == radio.blockage_step(blocked, a, b, dt_s, 0.0)
            low, high = (middle, high) if stays else (low, middle)
        return low if radio.blockage_step(blocked, a, b, dt_s, 0.0) else 1.0 - low

    after_first = blocked_after(False, first_s)
    via = after_first * blocked_after(True, second_s) + (1 - after_first) * blocked_after(False, second_s)
    assert blocked_after(False, first_s + second_s) == pytest.approx(via, abs=1e-9)


@njit
def shares(a, b, dt_s, uniforms):
    """Blocked share and mean length in s of a blockage, of a chain that starts in its stationary state."""
    blocked = radio.blockage_step(False, a, b, np.inf, uniforms[0])
    total, spells = 0, 0
    for u in uniforms[1:]:
        after = radio.blockage_step(blocked, a, b, dt_s, u)
        spells += blocked and not after
        blocked = after
        total += blocked
    return total / len(uniforms), total * dt_s / spells


@pytest.mark.parametrize(("dt_s", "steps"), [(0.02, 2_000_000), (0.5, 400_000), (20.0, 200_000)])
def test_share_of_time_is_stationary_at_every_step_length(dt_s, steps):
    a, b = radio.blockage_rates_of(100.0, 5.0, 1.4, 0.1)
    share, spell_s = shares(a, b, dt_s, np.random.default_rng(3).random(steps))
    assert share == pytest.approx(a / (a + b), rel=0.03)
    clears = b / (a + b) * (1 - math.exp(-(a + b) * dt_s))  # a spell of whole steps: 1/b for short ones
    assert spell_s == pytest.approx(dt_s / clears, rel=0.03)


def test_ramp_takes_50_ms_both_ways():
    level, seen = 0.0, []
    for blocked in [True] * 7 + [False] * 7:
        level = radio.blockage_ramp_step(level, blocked, 0.01)
        seen.append(level)
    assert seen == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1, 1, 0.8, 0.6, 0.4, 0.2, 0, 0, 0])
    assert radio.blockage_ramp_step(0.0, True, radio.BLOCKAGE_RAMP_S) == 1.0
    assert radio.blockage_ramp_step(0.3, False, math.inf) == 0.0


def screen_loss_db(carrier_ghz, width_m=0.3, from_ue_m=1.0, path_m=50.0):
    """TR 38.901 clause 7.6.4.2, upright screen in the middle of the path, no height terms."""
    wavelength_m = 299_792_458.0 / (carrier_ghz * 1e9)
    detour_m = sum(math.hypot(d_m, width_m / 2) for d_m in (from_ue_m, path_m - from_ue_m)) - path_m
    edge = math.atan(math.pi / 2 * math.sqrt(math.pi / wavelength_m * detour_m)) / math.pi
    return -20 * math.log10(1 - 2 * edge)


def test_knife_edge_formula_gives_the_reference_table():
    for row in rows("blockage_loss.csv"):
        arguments = [float(row[c]) for c in ("carrier_ghz", "screen_width_m", "distance_from_ue_m", "path_length_m")]
        assert screen_loss_db(*arguments) == pytest.approx(float(row["loss_db"]), abs=2e-4)


def test_loss_at_the_rows_of_the_reference():
    for row in rows("blockage_loss.csv"):
        if (row["screen_width_m"], row["distance_from_ue_m"]) == ("0.3", "1.0") and float(row["carrier_ghz"]) >= 7:
            assert radio.blockage_loss_db(float(row["carrier_ghz"]), True) == pytest.approx(float(row["loss_db"]))


@given(carrier_ghz=st.floats(7, 300))
def test_loss_between_and_beyond_the_rows_is_the_knife_edge(carrier_ghz):
    assert radio.blockage_loss_db(carrier_ghz, True) == pytest.approx(screen_loss_db(carrier_ghz), abs=0.12)


@given(carrier_ghz=st.floats(0.5, 300))
def test_out_of_sight_it_costs_a_third_and_below_7_ghz_nothing(carrier_ghz):
    los_db, nlos_db = (radio.blockage_loss_db(carrier_ghz, los) for los in (True, False))
    assert nlos_db == pytest.approx(los_db / 3)
    assert (los_db == 0.0) == (carrier_ghz < 7.0)


@pytest.mark.parametrize(
    ("function", "arguments", "named"),
    [
        (radio.blocked_share, (-1.0, 10.0), r"distance_2d_m = -1 .* 0 to 10000 m"),
        (radio.blocked_share, (50.0, math.nan), r"h_bs_m = nan"),
        (radio.blocked_share, (50.0, 10.0, -0.1), r"h_ut_m = -0.1 .* 0 to 1000 m"),
        (radio.blocked_share, (50.0, 10.0, 1.4, 11.0), r"blockers_per_m2 = 11 .* 0 to 10"),
        (radio.blockage_loss_db, (0.4, True), r"carrier_ghz = 0.4 .* 0.5 to 300 GHz"),
        (radio.blockage_loss_db, (math.nan, True), r"carrier_ghz = nan"),
    ],
)
def test_errors_name_the_argument_and_its_range(function, arguments, named):
    with pytest.raises(ValueError, match=named):
        function(*arguments)
