"""Counter-based random numbers: distributions, independence of what they belong to, and that order does not matter."""

import numpy as np
import pytest
from scipy import stats

from edge6g_env import batch_env
from edge6g_env._jit import njit
from tests.kernel.inner import rng
from tests.looking import ues

N = 20_000
SEED = 12_345


@njit
def draws(kind, seed, first_purpose, first_owner, first_count, steps, out):
    """out[n]: the n-th number along `steps` (purpose, owner, count) from the first address."""
    key = rng.world_key(seed, 0)
    for n in range(out.shape[0]):
        purpose, owner, count = first_purpose + n * steps[0], first_owner + n * steps[1], first_count + n * steps[2]
        if kind == 0:
            out[n, 0] = rng.uniform(key, purpose, owner, count)
        elif kind == 1:
            out[n, 0], out[n, 1] = rng.normal_pair(key, purpose, owner, count)
        else:
            out[n, 0] = rng.exponential(key, purpose, owner, count)


@njit
def of_keys(episode, seeds, out):
    for n in range(seeds.shape[0]):
        out[n] = rng.uniform(rng.world_key(seeds[n], episode), 1, 2, 3)


UNIFORM, NORMAL, EXPONENTIAL = range(3)


def sample(kind, steps=(0, 0, 1), purpose=3, owner=7, count=0, seed=SEED, n=N):
    out = np.zeros((n, 2))
    draws(kind, seed, purpose, owner, count, np.array(steps), out)
    return out


@pytest.mark.parametrize("steps", [(0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 65_536, 0), (0, 8, 2), (1, 1, 1)])
def test_uniform_along_every_part_of_the_address(steps):
    x = sample(UNIFORM, steps)[:, 0]
    assert stats.kstest(x, "uniform").pvalue > 1e-3
    assert ((x > 0.0) & (x < 1.0)).all()
    # neither neighbours nor every second one know of each other: |r| of independent numbers stays below 4 / sqrt(n)
    for lag in (1, 2, 8):
        assert abs(np.corrcoef(x[lag:], x[:-lag])[0, 1]) < 4.0 / np.sqrt(N)


@pytest.mark.parametrize("other", [{"purpose": 4}, {"owner": 8}, {"count": 1}, {"seed": SEED + 1}])
def test_other_purpose_owner_count_or_world_is_independent(other):
    x, y = sample(UNIFORM, (0, 3, 5))[:, 0], sample(UNIFORM, (0, 3, 5), **other)[:, 0]
    assert not (x == y).any()
    assert abs(np.corrcoef(x, y)[0, 1]) < 4.0 / np.sqrt(N)
    pairs = np.histogram2d(x, y, bins=8, range=[[0, 1], [0, 1]])[0]
    assert stats.chisquare(pairs.ravel()).pvalue > 1e-3


def test_seeds_and_episodes_give_keys_without_a_pattern():
    seeds, first, second = np.arange(N), np.zeros(N), np.zeros(N)
    of_keys(0, seeds, first)
    of_keys(1, seeds, second)
    for x in (first, second):
        assert stats.kstest(x, "uniform").pvalue > 1e-3
        assert abs(np.corrcoef(x[1:], x[:-1])[0, 1]) < 4.0 / np.sqrt(N)
    assert abs(np.corrcoef(first, second)[0, 1]) < 4.0 / np.sqrt(N)
    # episode e of seed s is not episode e' of another seed
    assert not np.isin(first, second).any()


def test_normals_are_unit_normals_in_independent_pairs():
    pair = sample(NORMAL, (0, 1, 1))
    for column in pair.T:
        assert stats.kstest(column, "norm").pvalue > 1e-3
        assert abs(stats.skew(column)) < 4.0 * np.sqrt(6.0 / N)
        assert abs(stats.kurtosis(column)) < 4.0 * np.sqrt(24.0 / N)
    assert abs(np.corrcoef(pair.T)[0, 1]) < 4.0 / np.sqrt(N)
    assert abs(np.corrcoef(pair.T**2)[0, 1]) < 4.0 / np.sqrt(N)


def test_exponentials_have_mean_one():
    x = sample(EXPONENTIAL)[:, 0]
    assert x.mean() == pytest.approx(1.0, abs=4.0 / np.sqrt(N))
    assert stats.kstest(x, "expon").pvalue > 1e-3


def test_an_address_has_one_number_whatever_came_before():
    backwards = sample(UNIFORM, (0, 0, -1), count=999, n=1000)[::-1]
    assert np.array_equal(backwards, sample(UNIFORM, (0, 0, 1), count=0, n=1000))
    assert sample(UNIFORM, count=500, n=1)[0, 0] == backwards[500, 0]


def test_splitmix64_against_its_published_vector():
    """Steele et al. 2014: the state goes up by the golden ratio, then mix; first outputs for seed 1234567."""
    state, mixed = np.uint64(1234567), []
    with np.errstate(over="ignore"):
        for _ in range(5):
            state += np.uint64(0x9E3779B97F4A7C15)
            mixed.append(int(mix_one(state)))
    assert mixed == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


@njit
def mix_one(x):
    return rng.mix(x)


def test_worlds_of_other_seeds_differ_and_of_one_seed_agree():
    one, two = batch_env("tiny", 4), batch_env("tiny", 2)
    one.reset([5, 6, 5, 7])
    two.reset([7, 5])
    x = ues(one)["x_m"]
    assert np.array_equal(x[0], x[2])
    assert np.array_equal(x[0], ues(two)["x_m"][1])
    assert np.array_equal(x[3], ues(two)["x_m"][0])
    assert len(np.unique(x[[0, 1, 3]])) == x[[0, 1, 3]].size
