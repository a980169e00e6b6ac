"""Learning curves of several training seeds: means and bands against numpy and scipy."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from train.curves import GAIN, GAIN_HIGH, GAIN_LOW
from train.learning_curve import Point
from train.studies.curves import Curve, curve_of, write_curves


def points(decisions: list[int], gains: list[float]) -> list[Point]:
    return [Point(x, x / 100.0, 0.5, gain, -1.0, 1.0, "greedy") for x, gain in zip(decisions, gains, strict=True)]


@pytest.fixture
def curve() -> Curve:
    """Two seeds validated at other places; the second one is slower and comes half as far."""
    found = curve_of([points([0, 100, 200], [0.0, 0.2, 0.1]), points([0, 50, 100], [0.02, 0.1, 0.0])])
    assert found is not None
    return found


def test_a_curve_is_the_mean_of_its_seeds_as_far_as_all_have_come(curve: Curve):
    assert curve.decisions.tolist() == [0, 50, 100]
    np.testing.assert_allclose(curve.gains, [[0.0, 0.1, 0.2], [0.02, 0.1, 0.0]])
    np.testing.assert_allclose(curve.mean, [0.01, 0.1, 0.1])
    np.testing.assert_allclose(curve.minutes, [0.0, 0.5, 1.0])


def test_a_band_is_students_interval_at_each_place(curve: Curve):
    """At the place where the seeds agree it has no width."""
    low, high = curve.band
    for index in (0, 2):
        found = stats.ttest_1samp(curve.gains[:, index], 0.0).confidence_interval(0.95)
        np.testing.assert_allclose((low[index], high[index]), (found.low, found.high))
    np.testing.assert_allclose((low[1], high[1]), (0.1, 0.1))


def test_a_curve_where_there_is_little():
    """One seed has no band; a seed that was never validated leaves no curve; one without a gain has none there."""
    alone = curve_of([points([0, 10], [0.1, 0.2])])
    assert alone is not None
    assert np.isnan(alone.band).all()
    assert curve_of([points([0], [0.1]), []]) is curve_of([]) is None
    assert curve_of([points([0, 10], [0.1, 0.2]), points([20, 30], [0.1, 0.2])]) is None
    gaps = curve_of([points([0, 10, 20], [0.1, np.nan, 0.3])])
    assert gaps is not None
    assert gaps.decisions.tolist() == [0, 20]


def test_table_picture_and_tensorboard_say_the_same(curve: Curve, tmp_path: Path):
    """Written twice, TensorBoard has each point once."""
    for _ in range(2):
        write_curves(tmp_path, "a title", {"search": curve, "ppo": curve})
    table = pd.read_csv(tmp_path / "learning_curves.csv")
    mine = table[table["arm"] == "search"]
    assert mine["decisions"].tolist() == [0, 50, 100]
    assert set(mine["training_seeds"]) == {2}
    (events,) = (tmp_path / "tensorboard" / "search").iterdir()
    board = EventAccumulator(str(events)).Reload()
    for tag, column in ((GAIN, "gain_over_best_rule"), (GAIN_LOW, "low"), (GAIN_HIGH, "high")):
        scalars = board.Scalars(tag)
        assert [one.step for one in scalars] == [0, 50, 100]
        np.testing.assert_allclose([one.value for one in scalars], mine[column], rtol=1e-6)
    image = Image.open(io.BytesIO((tmp_path / "learning_curves.png").read_bytes()))
    assert image.size == (960, 528)
