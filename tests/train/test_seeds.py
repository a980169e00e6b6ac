"""No world is met twice: not by two training seeds, two runs, two numbers of worlds, nor by validation and evaluation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import eval
from edge6g_env import sb3_vec_env
from tests.looking import seeds
from train.seeds import CHOICE_SEED, VALIDATION_SEED, SeedError, world_seed

SEEDS, RUNS, WORLDS = st.integers(0, 2**24 - 1), st.integers(0, 2**21 - 1), st.integers(0, 2**16 - 1)
TRIPLES = st.tuples(SEEDS, RUNS, WORLDS)


@given(TRIPLES, TRIPLES)
def test_different_triples_have_different_seeds(one, other):
    assert (world_seed(*one) == world_seed(*other)) == (one == other)


@given(SEEDS, RUNS, st.integers(1, 2**16))
def test_the_worlds_of_a_run_count_up_from_its_first(seed, run, num_worlds):
    """What an environment does with one seed: world b takes seed + b."""
    assert world_seed(seed, run, 0) + num_worlds - 1 == world_seed(seed, run, num_worlds - 1)


@given(TRIPLES)
def test_training_lies_above_validation_and_evaluation_and_fits_an_environment(triple):
    highest = eval.EVALUATION_SEED + 2**32  # far beyond what `--seed` and `--seeds` reach
    assert highest < world_seed(*triple) < 2**62


def test_validation_lies_below_evaluation():
    assert VALIDATION_SEED + 10_000 < CHOICE_SEED < CHOICE_SEED + 10_000 < eval.EVALUATION_SEED


def test_many_runs_of_many_sizes_are_disjoint():
    """Neighbouring seeds and runs with any number of worlds, as an environment numbers them."""
    seen = [world_seed(s, r, 0) + w for s in (0, 1, 4999, 5000) for r in range(4) for w in range(0, 4096, 7)]
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("triple", [(-1, 0, 0), (2**24, 0, 0), (0, 2**21, 0), (0, 0, 2**16), (0, 0, -1)])
def test_what_has_no_place_is_refused(triple):
    with pytest.raises(SeedError, match=r"must be in 0\.\."):
        world_seed(*triple)


def test_an_environment_takes_the_largest_seed(scenario):
    env, first = sb3_vec_env(scenario, 2), world_seed(2**24 - 1, 2**21 - 1, 2**16 - 2)
    env.seed(first)
    env.reset()
    assert seeds(env.batch) == [first, first + 1]
