"""Fast fading of the serving link against CHANNEL 7: the law of the taps, the ray in sight, and the step before."""

import math

import numpy as np
import pytest

PERIOD_S = 0.02  # grid of tiny
SPEED_OF_LIGHT_M_S = 299_792_458.0
RE, IM, NOW, BEFORE = range(4)


def walkers(make_air, speed_m_s, worlds=1, **more):
    speeds = {"ues.speed_min_m_s": speed_m_s, "ues.speed_max_m_s": speed_m_s}
    return make_air(worlds, **{**make_air.STRIDE, **speeds, **more})


def taps(air, now_s):
    """complex128 (B, U, L): scattered taps at an instant."""
    air.downlink(now_s)
    return air.taps()[:, :, RE] + 1j * air.taps()[:, :, IM]


def powers(air, row):
    return air.taps()[:, :, row].copy()


def correlation(a, b):
    return (a.conj() * b).mean() / np.sqrt((np.abs(a) ** 2).mean() * (np.abs(b) ** 2).mean())


@pytest.mark.parametrize("speed_m_s", [0.0, 0.6])
@pytest.mark.parametrize("steps", [1, 3])
def test_taps_decorrelate_by_the_law_of_the_spec(make_air, steps, speed_m_s):
    """r = exp(-1.931 fd dt) for the complex tap, whatever the number of grid steps since somebody last used the air. Around a UE at
    rest things move at 1 km/h."""
    air = (walkers(make_air, speed_m_s, 16) if speed_m_s else make_air(16)).reset(5)
    speed_m_s = max(speed_m_s, 0.28)
    for lead in range(4):  # stationary after some steps, not only at the start
        first = taps(air, lead * PERIOD_S + 1e-6).copy()
    second = taps(air, (3 + steps) * PERIOD_S + 1e-6)
    expected = math.exp(-1.931 * speed_m_s * 3.5e9 / SPEED_OF_LIGHT_M_S * steps * PERIOD_S)
    assert first.size > 20_000
    found = correlation(first, second)
    assert found.real == pytest.approx(expected, abs=0.03)
    assert abs(found.imag) < 0.03
    assert (np.abs(second) ** 2).mean() == pytest.approx(1.0, abs=0.03)
    assert (second.real**2).mean() == pytest.approx(0.5, abs=0.02)


def test_taps_of_a_link_are_independent(make_air):
    first, second = np.moveaxis(taps(make_air(16).reset(6), 0.0)[..., :2], -1, 0)
    assert abs(correlation(first, second)) < 4.0 / math.sqrt(first.size)
    assert abs(correlation(first[:, 1:], first[:, :-1])) < 4.0 / math.sqrt(first.size)


def test_taps_stand_still_within_a_grid_step(make_air):
    air = walkers(make_air, 20.0).reset(6)
    first = taps(air, 0.0201).copy()
    assert np.array_equal(first, taps(air, 0.0399))
    assert not (first == taps(air, 0.0401)).any()


@pytest.mark.parametrize("indoor_share", [0.0, 1.0])
def test_in_sight_there_is_a_ray_by_the_k_factor_of_the_link(make_air, indoor_share):
    """|h|^2 with K of 9 +- 5 dB (UMi) in sight; no ray without sight or behind a wall; its phase is its way."""
    air = make_air(2, **{"ues.indoor_share": indoor_share}).reset(7)
    g = taps(air, 0.5)
    k = 10.0 ** ((9.0 + 5.0 * air.serving(air.links["z_k"])) / 10.0)
    in_sight = (air.serving(air.links["los"]) == 1) & (indoor_share == 0.0)
    k = np.where(in_sight, k, 0.0)[..., None]
    way_m = np.hypot(air.serving(air.distances_m()), 10.0 - 1.5)[..., None]
    ray = np.sqrt(k / (k + 1.0)) * np.exp(-2j * np.pi * way_m * 3.5e9 / SPEED_OF_LIGHT_M_S)
    expected = np.abs(ray + np.sqrt(1.0 / (k + 1.0)) * g) ** 2
    assert powers(air, NOW) == pytest.approx(expected, abs=1e-9)
    if indoor_share == 0.0:
        assert 0.2 < in_sight.mean() < 1.0
        assert powers(air, NOW)[in_sight].std() < 0.8 * powers(air, NOW)[~in_sight].std()


def test_the_mean_power_is_1_with_and_without_a_ray(make_air):
    air = make_air(16, **{"ues.per_node": 128}).reset(8)
    air.downlink(0.0)
    power, in_sight = powers(air, NOW), air.serving(air.links["los"]) == 1
    for group in (power[in_sight], power[~in_sight]):
        assert group.size > 5000
        assert group.mean() == pytest.approx(1.0, abs=5.0 / math.sqrt(group.size))


def test_the_step_before_is_kept_and_after_a_pause_it_is_one_step_old(make_air):
    """Powers out of sight correlate by r^2, also at the first look of all and after 40 steps without a look."""
    speed_m_s = 0.6
    air = walkers(make_air, speed_m_s, 16, **{"ues.per_node": 128}).reset(9)
    r = math.exp(-1.931 * speed_m_s * 3.5e9 / SPEED_OF_LIGHT_M_S * PERIOD_S)
    out_of_sight = air.serving(air.links["los"]) == 0
    for step in (0, 1, 41):
        previous = powers(air, NOW)
        air.downlink(step * PERIOD_S + 1e-6)
        before, now = (powers(air, row)[out_of_sight].ravel() for row in (BEFORE, NOW))
        assert before.size > 10_000
        assert np.corrcoef(before, now)[0, 1] == pytest.approx(r * r, abs=0.03)
        assert before.mean() == pytest.approx(1.0, abs=0.03)
        assert np.array_equal(before, previous[out_of_sight].ravel()) == (step == 1)


def test_another_cell_has_other_taps(make_air):
    air = make_air(16).reset(10)
    first = taps(air, 0.1).copy()
    ue, cell = air.ues, air.links
    ue["serving"][...] = (ue["serving"] + 1) % 3
    ue["node"][...] = air.serving(cell["node"])
    ue["down_step"][...] = -1  # as a handover does
    second = taps(air, 0.121)
    assert abs(correlation(first, second)) < 4.0 / math.sqrt(first.size)
    assert (np.abs(second) ** 2).mean() == pytest.approx(1.0, abs=0.03)
