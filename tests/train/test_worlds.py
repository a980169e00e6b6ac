"""The worlds of a run: none comes twice, scenarios take turns, and one network reads all of them over the widest ranges."""

from collections import Counter

import pytest

import eval
from agents.learned.reading import LayoutError
from agents.learned.scorer import CANDIDATE, CONTEXT
from edge6g_env import load_scenario
from edge6g_env.features import unscaled
from train.seeds import SeedError
from train.worlds import OF_STAGE, Worlds


@pytest.fixture(scope="module")
def three(scenario):
    return [scenario, load_scenario("campus"), load_scenario("finetune")]


def seeds_of(batch):
    return [seed for _, seeds in batch for seed in seeds]


def test_no_world_comes_twice(scenario):
    """Over training seeds, stages and batches, the last ones of a stage too; all lie above those of evaluation."""
    numbers = [0, 1, 2, 3, 1000, OF_STAGE - 1]
    seen = [
        seed
        for training in (0, 1, 7, 2**24 - 1)
        for stage in (0, 1, 2)
        for number in numbers
        for seed in seeds_of(Worlds([scenario], training).batch(stage, number, 16))
    ]
    assert len(seen) == len(set(seen)) == 4 * 3 * len(numbers) * 16
    assert min(seen) > eval.EVALUATION_SEED + 2**32


def test_a_batch_depends_on_its_numbers_alone(scenario):
    worlds = Worlds([scenario], 5)
    later = worlds.batch(1, 9, 4)
    worlds.batch(0, 3, 4)
    assert worlds.batch(1, 9, 4) == later == Worlds([scenario], 5).batch(1, 9, 4)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_scenarios_take_turns(three, count):
    """After any number of batches none has been played more than once oftener than another; each scenario's seeds are its own."""
    worlds, played = Worlds(three, 0), Counter()
    for number in range(6):
        batch = worlds.batch(0, number, count)
        assert sum(len(seeds) for _, seeds in batch) == count
        assert len({id(layout) for layout, _ in batch}) == len(batch)
        for layout, seeds in batch:
            played[worlds.layouts.index(layout)] += len(seeds)
        assert max(played.values()) - min(played[index] for index in range(3)) <= 1
    every = [seed for number in range(6) for seed in seeds_of(worlds.batch(0, number, count))]
    assert len(set(every)) == len(every)


def test_reads_take_the_widest_ranges(three):
    worlds = Worlds(three, 0)
    reads = worlds.reads(CONTEXT, CANDIDATE, 10.0)
    assert [feature.name for feature in reads.observation] == list(CONTEXT)
    assert [feature.name for feature in reads.candidates] == list(CANDIDATE)
    wider = 0
    for kind, features in (("observation", reads.observation), ("candidates", reads.candidates)):
        for feature in features:
            own = [next(f for f in getattr(layout, kind) if f.name == feature.name) for layout in worlds.layouts]
            if kind == "candidates" and feature.unit == "s":
                assert all(feature == unscaled(one, 10.0) for one in own)
                continue
            assert (feature.low, feature.high) == (min(one.low for one in own), max(one.high for one in own))
            wider += feature.high > own[0].high or feature.low < own[0].low
    assert wider > 0


def test_an_entry_that_a_scenario_lacks_is_named(three):
    with pytest.raises(LayoutError, match=r"'service/of_another', which is not there"):
        Worlds(three, 0).reads(["service/of_another"], [])


@pytest.mark.parametrize("seed", [-1, 2**24])
def test_a_seed_out_of_range_is_refused(scenario, seed):
    with pytest.raises(SeedError, match=r"seed must be in 0\.\."):
        Worlds([scenario], seed)
