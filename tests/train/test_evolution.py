"""The search on rewards that are known: where it ends, and that its state is all of it."""

from __future__ import annotations

import numpy as np
import pytest

from train.evolution import KEPT, SETTLED, Evolution, Narrowing, SearchState

TOP = np.linspace(-0.8, 1.1, 7)
SCALES = np.arange(1.0, 8.0)


def quadratic(points: np.ndarray) -> np.ndarray:
    """Highest at TOP, steeper in each number than in the one before."""
    return -(((points - TOP) * SCALES) ** 2).sum(axis=1)


def searched(evolution: Evolution | Narrowing, state: SearchState, generations: int, reward=quadratic) -> SearchState:
    for _ in range(generations):
        points = evolution.ask(state)
        state = evolution.tell(state, points, reward(points))
    return state


def stored(state: SearchState) -> SearchState:
    """Through arrays alone, as a checkpoint has them."""
    return SearchState.of({name: np.array(array.tolist()) for name, array in state._asdict().items()})


def test_it_finds_the_top_of_a_quadratic_through_its_stored_arrays():
    evolution, state = Evolution(16, 0.5, seed=3), SearchState.at(np.zeros(7), 0.3)
    for _ in range(200):
        state = stored(searched(evolution, state, 1))
    assert np.abs(state.mean - TOP).max() < 1e-4
    assert np.abs(state.running_mean - TOP).max() < 1e-3
    assert state.generation == 200


def test_a_search_that_was_stored_goes_on_as_if_it_had_not_been():
    begin = SearchState.at(np.ones(7), 0.2)
    whole = searched(Evolution(8, 0.3, seed=5), begin, 12)
    halves = searched(Evolution(8, 0.3, seed=5), stored(searched(Evolution(8, 0.3, seed=5), begin, 5)), 7)
    for one, other in zip(whole, halves, strict=True):
        assert np.array_equal(one, other)
    apart = searched(Evolution(8, 0.3, seed=6), begin, 12)
    assert not np.array_equal(whole.mean, apart.mean)


def test_asking_and_telling_leave_the_state_as_it_was():
    evolution, state = Evolution(8, 0.3, seed=0), SearchState.at(np.zeros(7), 0.2)
    before = stored(state)
    searched(evolution, state, 1)
    assert all(np.array_equal(one, other) for one, other in zip(before, state, strict=True))


def test_the_step_size_stays_below_its_cap():
    """On a slope that never ends it would grow for ever."""
    evolution, state, grew = Evolution(16, 0.12, seed=1), SearchState.at(np.zeros(7), 0.06), []
    for _ in range(60):
        state = searched(evolution, state, 1, reward=lambda points: points.sum(axis=1))
        grew.append(float(state.sigma))
    assert max(grew) == 0.12
    assert (
        searched(Evolution(16, 9.0, seed=1), SearchState.at(np.zeros(7), 0.06), 60, lambda x: x.sum(axis=1)).sigma > 0.5
    )


def test_the_running_mean_is_that_of_the_search_points():
    evolution, state = Evolution(8, 0.3, seed=2), SearchState.at(np.zeros(7), 0.2)
    expected = state.mean
    for generation in range(1, 12):
        state = searched(evolution, state, 1)
        expected = state.mean if generation < SETTLED else KEPT * expected + (1.0 - KEPT) * state.mean
        np.testing.assert_allclose(state.running_mean, expected, rtol=1e-12)


def test_in_the_unit_cube_no_point_leaves_it():
    evolution, state = Evolution(8, 0.3, seed=2, unit_cube=True), SearchState.at(np.full(3, 0.5), 0.25)
    for _ in range(40):
        points = evolution.ask(state)
        assert points.min() >= 0.0
        assert points.max() <= 1.0
        state = evolution.tell(state, points, points @ np.array([1.0, -1.0, 0.0]))  # best in a corner
    assert np.abs(state.mean[:2] - [1.0, 0.0]).max() < 0.05


@pytest.mark.parametrize("top", [0.0, 0.31, 0.77, 1.0])
def test_a_single_number_is_found_by_narrowing(top: float):
    state = searched(Narrowing(), SearchState.at([0.5], 0.5), 12, reward=lambda points: -np.abs(points[:, 0] - top))
    assert abs(state.mean[0] - top) < 1e-3


def test_arrays_that_are_no_state_are_refused():
    good = SearchState.at(np.zeros(3), 0.1)._asdict()
    with pytest.raises(KeyError):
        SearchState.of({name: array for name, array in good.items() if name != "path_c"})
    with pytest.raises(ValueError, match="shapes"):
        SearchState.of({**good, "variances": np.ones(4)})
