"""The way of a traced UE: straight legs inside the square, at the given pace, however it is read."""

import numpy as np
import pytest

from edge6g_env.radio.waypoints import Way


def way(seed=0):
    return Way(200.0, np.random.default_rng(seed))


def test_moves_at_its_pace_along_straight_legs():
    step_m = 0.5
    positions_m = way().at(step_m * np.arange(200_000.0))
    moves_m = np.diff(positions_m, axis=0)
    lengths_m = np.hypot(*moves_m.T)
    assert (np.abs(positions_m) <= 200).all()
    assert lengths_m.max() <= step_m * (1 + 1e-6)
    straight = lengths_m > step_m * (1 - 1e-6)
    # one turn a leg, and legs of a square of 400 m have 0.5214 times 400 m in the mean
    assert (~straight).mean() == pytest.approx(step_m / (0.5214 * 400), rel=0.15)
    turned = np.abs(np.diff(moves_m, axis=0)).max(axis=1) > 1e-6
    assert turned.mean() < 2.5 * step_m / (0.5214 * 400)


def test_reading_in_pieces_changes_nothing():
    at_m = 7.3 * np.arange(5_000.0)
    pieces = way()
    assert (np.concatenate([pieces.at(part) for part in np.array_split(at_m, 37)]) == way().at(at_m)).all()


def test_starts_anywhere_in_the_square_and_may_stand_still():
    starts_m = np.array([way(seed).at(np.zeros(2)) for seed in range(2_000)])
    assert (starts_m[:, 0] == starts_m[:, 1]).all()
    assert starts_m[:, 0].mean(axis=0) == pytest.approx([0, 0], abs=10)
    assert starts_m[:, 0].std(axis=0) == pytest.approx([200 / 3**0.5] * 2, rel=0.05)


def test_steps_of_many_legs():
    positions_m = way().at(1e5 * np.arange(300.0))
    assert (np.abs(positions_m) <= 200).all()
    assert len(np.unique(positions_m, axis=0)) == 300
