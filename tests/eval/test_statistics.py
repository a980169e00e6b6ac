"""Closed forms of the interquartile mean, and coverage of the intervals."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import stats

from eval.statistics import (
    bootstrap_interval,
    clear_of_zero,
    estimate,
    estimate_group,
    estimate_mean,
    group_interval,
    iqm,
    paired_difference,
    ratio_interval,
    student_interval,
    welch_interval,
)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2, 3, 4], 2.5),  # one cut from each end
        ([8, -100, 2, 4, 6, 1000, 3, 5], 4.5),  # of 8, the middle four: 3 4 5 6; order does not matter
        ([1, 2, 30], 11.0),  # a quarter of three rounds down to none
        ([5, np.nan, 5, 7], 17 / 3),  # NaN skipped
        ([9], 9.0),
    ],
)
def test_iqm_of_known_numbers(values, expected):
    assert iqm(values) == pytest.approx(expected)


def test_iqm_of_nothing_is_nan():
    assert np.isnan(iqm([]))
    assert np.isnan(iqm([np.nan]))


def test_interval_covers_the_true_iqm_of_normal_samples():
    """Nominal 95 %: of 200 samples of 20, at least 176 and not nearly all intervals must hold the true value 3."""
    samples = np.random.default_rng(11).normal(loc=3.0, scale=2.0, size=(200, 20))
    intervals = np.array([bootstrap_interval(sample, resamples=1_000) for sample in samples])
    covered = (intervals[:, 0] <= 3.0) & (intervals[:, 1] >= 3.0)
    assert 0.88 <= covered.mean() <= 0.99


def test_interval_is_as_wide_as_theory_says():
    """The IQM of n normal values has standard error close to sigma * sqrt(1.19 / n) (asymptotic variance, trim 1/4)."""
    samples = np.random.default_rng(12).normal(scale=2.0, size=(60, 100))
    widths = [high - low for low, high in (bootstrap_interval(sample, resamples=1_000) for sample in samples)]
    assert np.mean(widths) == pytest.approx(2 * 1.96 * 2.0 * np.sqrt(_asymptotic_variance() / 100), rel=0.1)


def _asymptotic_variance() -> float:
    """Of the quarter-trimmed mean at the unit normal: (E[z^2; |z| < q] + q^2 / 2) / 0.5^2, q the upper quartile."""
    q = stats.norm.ppf(0.75)
    inner = 0.5 - 2 * q * stats.norm.pdf(q)  # integral of z^2 over the middle half
    return (inner + 0.5 * q**2) / 0.25


def test_interval_follows_its_seed_and_its_confidence():
    sample = np.random.default_rng(5).gamma(2.0, size=20)
    assert bootstrap_interval(sample, seed=1) == bootstrap_interval(sample, seed=1)
    assert bootstrap_interval(sample, seed=1) != bootstrap_interval(sample, seed=2)
    (low, high), (low_50, high_50) = bootstrap_interval(sample), bootstrap_interval(sample, confidence=0.5)
    assert low < low_50 < high_50 < high


@pytest.mark.parametrize(
    ("values", "expected"), [([], None), ([1.0, 2.0], None), ([4.0, 4.0, 4.0], (4.0, 4.0)), ([1.0, np.nan, 2.0], None)]
)
def test_degenerate_samples_give_no_or_a_point_interval_and_no_warning(values, expected):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert bootstrap_interval(values) == expected


def test_paired_differences_of_correlated_policies_are_tighter_than_unpaired():
    rng = np.random.default_rng(2)
    hardness = rng.normal(scale=1.0, size=20)
    a, b = (hardness + gain + rng.normal(scale=0.1, size=20) for gain in (0.2, 0.0))
    paired = paired_difference(dict(enumerate(a)), dict(enumerate(b)))
    unpaired = paired_difference(dict(enumerate(a)), dict(enumerate(rng.permutation(b))))
    assert clear_of_zero(paired)
    assert paired["high"] - paired["low"] < 0.25 * (unpaired["high"] - unpaired["low"])


def test_paired_difference_matches_seeds_and_skips_those_without_a_partner():
    difference = paired_difference({1: 5.0, 2: 7.0, 3: 9.0, 4: np.nan}, {3: 8.0, 2: 5.0, 4: 1.0, 9: 0.0})
    assert difference == {"iqm": 1.5, "low": None, "high": None, "mean": 1.5, "n": 2}
    assert not clear_of_zero(difference)


def test_an_empty_sample_is_none_throughout():
    assert estimate([np.nan]) == {"iqm": None, "low": None, "high": None, "mean": None, "n": 0}


def test_the_draws_are_those_of_scipy():
    sample = np.random.default_rng(3).gamma(2.0, size=17)
    theirs = stats.bootstrap(
        (sample,), iqm_along, n_resamples=2_000, method="percentile", vectorized=True, rng=np.random.default_rng(0)
    ).confidence_interval
    assert bootstrap_interval(sample, resamples=2_000) == pytest.approx((theirs.low, theirs.high), rel=1e-12)


def iqm_along(x, axis=-1):
    return stats.trim_mean(x, 0.25, axis=axis)


def test_the_interval_of_a_group_covers_training_and_evaluation_seeds():
    """Value = checkpoint + seed + rest, all unit normal, five checkpoints, 20 seeds: nominal 95 %, of 150 groups it covers 82 to 97 %.

    Where checkpoints decide, the interval of a single one covers less than half as often.
    """
    rng = np.random.default_rng(8)
    groups = rng.normal(size=(150, 5, 1)) + rng.normal(size=(150, 1, 20)) + rng.normal(size=(150, 5, 20))
    covered = [low <= 0.0 <= high for low, high in (group_interval(group, resamples=300) for group in groups)]
    assert 0.82 <= np.mean(covered) <= 0.97
    wide = 3.0 * rng.normal(size=(150, 5, 1)) + rng.normal(size=(150, 1, 20))
    alone = [low <= 0.0 <= high for low, high in (bootstrap_interval(group[0], resamples=300) for group in wide)]
    assert np.mean(alone) < 0.5 * np.mean(
        [low <= 0.0 <= high for low, high in (group_interval(g, resamples=300) for g in wide)]
    )


def test_the_interval_of_a_group_of_equal_checkpoints_is_that_of_the_seeds():
    """Nothing between checkpoints: drawing them changes nothing. Each value comes as often as there are checkpoints, so trims are alike."""
    sample = np.random.default_rng(4).normal(size=20)
    low, high = group_interval(np.tile(sample, (4, 1)))
    alone_low, alone_high = bootstrap_interval(sample, seed=1)  # the seeds of a group are drawn by the next number
    assert (low, high) == pytest.approx((alone_low, alone_high), rel=1e-12)


def test_a_group_needs_three_checkpoints_for_an_interval_and_leaves_out_seeds_without_a_value():
    table = np.array([[1.0, 2.0, np.nan, 4.0], [2.0, 3.0, 9.0, 5.0]])
    assert estimate_group(table) == {
        "iqm": pytest.approx(2.75),
        "low": None,
        "high": None,
        "mean": pytest.approx(17 / 6),
        "n": 6,
    }
    assert estimate_group(np.full((3, 4), np.nan))["n"] == 0


def test_the_interval_of_a_mean_over_all_that_seeds_bring():
    """It is one number where every seed has the same mean, that of the seeds' means where all bring as much, None for two seeds."""
    counts = np.array([1.0, 5.0, 2.0, 0.0, 9.0])
    assert ratio_interval(3.0 * counts, counts) == pytest.approx((3.0, 3.0))
    assert ratio_interval([1.0, 2.0, 9.0], [1.0, 2.0, 0.0]) is None
    totals = np.random.default_rng(0).normal(0.3, 1.0, 40)
    interval = ratio_interval(4.0 * totals, np.full(40, 4.0))
    assert interval is not None
    assert interval == pytest.approx(
        (totals.mean() - 1.96 * totals.std() / 40**0.5, totals.mean() + 1.96 * totals.std() / 40**0.5), abs=0.03
    )


@pytest.mark.parametrize(
    ("n", "quantile"), [(2, np.tan(0.475 * np.pi)), (3, 0.95 * np.sqrt(2.0 / (4.0 * 0.975 * 0.025)))]
)
def test_students_interval_is_that_of_the_closed_forms(n: int, quantile: float):
    """With one degree of freedom t is Cauchy's distribution, with two its quantile is algebraic."""
    x = np.array([1.0, 4.0, 2.5])[:n]
    half = quantile * x.std(ddof=1) / np.sqrt(n)
    np.testing.assert_allclose(student_interval(x), (x.mean() - half, x.mean() + half))
    found = estimate_mean([*x, np.nan])
    assert (found["mean"], found["low"], found["n"]) == pytest.approx((x.mean(), x.mean() - half, n))


def test_students_interval_covers_as_often_as_it_says():
    """Of 4000 samples of three normal values 95 %, with a standard error of 0.34 %; a percentile bootstrap covers far fewer."""
    rng = np.random.default_rng(4)
    found = [student_interval(rng.normal(2.0, 3.0, 3)) for _ in range(4000)]
    assert 0.935 < np.mean([low <= 2.0 <= high for low, high in found]) < 0.965


def test_students_interval_where_there_is_little():
    assert student_interval([]) is student_interval([1.0]) is student_interval([1.0, np.nan]) is None
    assert student_interval([2.0, 2.0]) is None  # two that are alike say nothing of a third
    assert estimate_mean([]) == {"mean": None, "low": None, "high": None, "n": 0}


def test_welchs_interval_of_two_samples():
    """Of equal size and variance it is the pooled one, with 2n - 2 degrees of freedom; a sample that never varies adds nothing to it."""
    a, b = np.array([0.0, 1.0, 2.0]), np.array([5.0, 6.0, 7.0])
    half = stats.t.ppf(0.975, 4) * np.sqrt(2.0 / 3.0)
    np.testing.assert_allclose(welch_interval(a, b), (-5.0 - half, -5.0 + half))
    np.testing.assert_allclose(welch_interval(a, [3.0, 3.0]), np.subtract(student_interval(a), 3.0))
    c = [1.0, 9.0, 4.0, 4.5]
    found = stats.ttest_ind(a, c, equal_var=False).confidence_interval(0.95)
    np.testing.assert_allclose(welch_interval(a, [*c, np.nan]), (found.low, found.high))
    assert welch_interval([1.0, 1.0], [2.0, 2.0]) is welch_interval(a, [1.0]) is None
