"""The worlds of a run: none comes twice, scenarios take turns, and one network reads all of them over the widest ranges."""

import math
from collections import Counter

import pytest

import eval
from agents.learned.reading import LayoutError
from agents.learned.scorer import CANDIDATE, CONTEXT
from edge6g_env import load_scenario
from edge6g_env.errors import UserError
from edge6g_env.features import unscaled
from edge6g_env.spaces import Layout
from eval.episodes import measured_s
from train.seeds import SeedError
from train.worlds import MOST_VARIED, Draws, Varied, Worlds, lengthened, varied_of


@pytest.fixture(scope="module")
def three(scenario):
    return [scenario, load_scenario("campus"), load_scenario("finetune")]


BATCHES = 2**19  # of a stage


def seeds_of(batch):
    return [seed for _, seeds in batch for seed in seeds]


def test_no_world_comes_twice(scenario):
    """Over training seeds, stages and batches, the last ones of a stage too; all lie above those of evaluation."""
    numbers = [0, 1, 2, 3, 1000, BATCHES - 1]
    seen = [
        seed
        for training in (0, 1, 7, 2**24 - 1)
        for stage in (0, 1, 2, 3)
        for number in numbers
        for seed in seeds_of(Worlds([scenario], training).batch(stage, number, 16))
    ]
    assert len(seen) == len(set(seen)) == 4 * 4 * len(numbers) * 16
    assert min(seen) > eval.EVALUATION_SEED + 2**32


@pytest.mark.parametrize(("stage", "number"), [(0, BATCHES), (1, BATCHES + 3), (4, 0), (0, -1)])
def test_a_batch_that_would_meet_the_worlds_of_another_stage_is_refused(scenario, stage, number):
    with pytest.raises(SeedError, match=r"(batch|stage) must be in 0\.\."):
        Worlds([scenario], 0).batch(stage, number, 4)


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


# --- settings that vary --------------------------------------------------------------------------------------------------

KEYS = ("value", "ttft_slo_s", "tpot_slo_s", "expire_s", "exposure_cost")
RATE = Varied("arrivals.rate_jobs_s", 6.0, 14.0, whole=False)


def test_ranges_are_read(scenario):
    found = varied_of(["arrivals.rate_jobs_s=6.0:14", "nodes.count=3:5"], [scenario])
    assert found == (RATE, Varied("nodes.count", 3.0, 5.0, whole=True))
    assert varied_of([], [scenario]) == ()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["arrivals.rate_jobs_s"], "--vary arrivals.rate_jobs_s: it must be KEY=LOW:HIGH with two numbers"),
        (["version=1:2"], "--vary version=1:2: the version of a scenario is no setting of its worlds"),
        (["arrivals.rate_jobs_s=6"], "it must be KEY=LOW:HIGH with two numbers"),
        (["arrivals.rate_jobs_s=14:6"], "it must be KEY=LOW:HIGH with two numbers"),
        (["arrivals.rate_jobs_s=6:6"], "it must be KEY=LOW:HIGH with two numbers"),
        (["arrivals.rate_jobs_s=6:inf"], "it must be KEY=LOW:HIGH with two numbers"),
        (["arrivals.rate_jobs_s=0.5x:2"], "it must be KEY=LOW:HIGH with two numbers.*or with two factors"),
        (["arrivals.rate_jobs_s=2x:1x"], "it must be KEY=LOW:HIGH with two numbers"),
        (["=6:14"], "it must be KEY=LOW:HIGH with two numbers"),
        (["arrivals.rate_jobs_s=6:14", "arrivals.rate_jobs_s=2:3"], "--vary arrivals.rate_jobs_s stands twice"),
        (["arrivals.rate_job_s=6:14"], "rate_job_s.*did you mean.*rate_jobs_s"),
        (["arrivals.rate_jobs_s=-6:14"], "rate_jobs_s = -6"),
        (
            [f"service.{name}.{key}=1.0:2" for name in ("chat", "assistant") for key in KEYS],
            f"--vary stands 10 times: at most {MOST_VARIED} settings",
        ),
    ],
)
def test_ranges_that_cannot_be_are_refused(scenario, words, message):
    with pytest.raises(UserError, match=message):
        varied_of(words, [scenario])


def test_each_environment_of_each_batch_draws_its_own_value(scenario):
    """Within the range, by the numbers of seed, stage and batch alone; the worlds are those of a run without variation."""
    worlds, plain = Worlds([scenario], 3, [RATE]), Worlds([scenario], 3)
    batches = [worlds.batch(1, number, 4) for number in range(12)]
    assert [[len(seeds) for _, seeds in batch] for batch in batches] == [[2, 2]] * 12
    rates = [layout.scenario.arrivals.rate_jobs_s for batch in batches for layout, _ in batch]
    assert len(set(rates)) == 24
    assert 6.0 <= min(rates) < 8.0 < 12.0 < max(rates) <= 14.0
    again = Worlds([scenario], 3, [RATE]).batch(1, 7, 4)
    assert [layout.scenario for layout, _ in again] == [layout.scenario for layout, _ in batches[7]]
    assert sorted(seeds_of(batches[7])) == seeds_of(plain.batch(1, 7, 4))
    for seed, stage in ((4, 1), (3, 0)):
        other = Worlds([scenario], seed, [RATE]).batch(stage, 7, 4)
        assert other[0][0].scenario != batches[7][0][0].scenario


def test_whole_numbers_take_both_ends(scenario):
    count = Varied("nodes.count", 3.0, 5.0, whole=True)
    drawn = [count.drawn(load_scenario(scenario), 0, 0, number) for number in range(60)]
    assert set(drawn) == {3, 4, 5}
    assert all(isinstance(value, int) for value in drawn)


def test_factors_are_of_what_each_scenario_has():
    """The same word means other numbers in another scenario; where it has whole numbers they stay whole."""
    tiny, campus = load_scenario("tiny"), load_scenario("campus")
    words = ["arrivals.rate_jobs_s=0.5x:2.0x", "service.chat.value=1.0x:1.5x", "time.n_substeps=0.5x:1.5x"]
    varied = varied_of(words[::2], [tiny, campus])
    assert [one.word for one in varied] == words[::2]
    met = {}
    for scenario in (tiny, campus):
        draws = Draws(scenario, varied)
        for end, (rate, substeps) in zip(
            draws.ends()[1:], [(0.5, 0.5), (0.5, 1.5), (2.0, 0.5), (2.0, 1.5)], strict=True
        ):
            assert end.arrivals.rate_jobs_s == rate * scenario.arrivals.rate_jobs_s
            assert end.time.n_substeps == round(substeps * scenario.time.n_substeps)
        met[scenario.name] = [draws(0, 0, n).arrivals.rate_jobs_s / scenario.arrivals.rate_jobs_s for n in range(40)]
    assert met["tiny"] == pytest.approx(met["campus"])
    assert 0.5 <= min(met["tiny"]) < 0.7 < 1.8 < max(met["tiny"]) <= 2.0
    assert varied_of(words[1:2], [tiny])[0].ends(tiny)[1] == 1.5 * tiny.service[0].value


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("arrivals.kind=0.5x:2x", "arrivals.kind is no number in tiny_v0, it cannot be multiplied"),
        ("arrivals.rate_job_s=1x:2x", "rate_job_s.*did you mean.*rate_jobs_s"),
        ("nodes.count=0.95x:1.04x", "both ends are 3 in tiny_v0, nothing varies"),
        ("service.chat.exposure_cost=1x:2x", "both ends are 0 in tiny_v0, nothing varies"),
    ],
)
def test_what_cannot_be_multiplied_is_refused(word, message):
    with pytest.raises(UserError, match=message):
        varied_of([word], [load_scenario("tiny")])


def test_a_range_is_written_so_that_it_means_the_same_again(scenario):
    words = [
        f"arrivals.rate_jobs_s={ends}"
        for ends in ("6:14", "6.0:14.0", "0.7x:1.5x", "0.7:1.5", "0.1:0.30000000000000004")
    ]
    varied = [varied_of([word], [scenario])[0] for word in words]
    assert [one.word for one in varied] == words
    assert len({one.range for one in varied}) == len(words)
    assert [varied_of([one.word], [scenario])[0] for one in varied] == varied


def test_an_episode_that_varies_is_drawn_before_it_is_lengthened():
    """Four fifths of it are measured, where it is not longer still."""
    tiny = load_scenario("tiny")
    varied = varied_of(["time.episode_s=120:440"], [tiny])
    worlds = Worlds([tiny], 0, varied)
    own, longer = worlds, worlds.lengthened(0.8)
    for number in range(20):
        for (mine, seeds), (theirs, same) in zip(own.batch(0, number, 2), longer.batch(0, number, 2), strict=True):
            assert seeds == same
            drawn_s = mine.scenario.time.episode_s
            assert 120.0 <= drawn_s <= 440.0
            assert theirs.scenario.time.episode_s == max(drawn_s, lengthened(tiny, 0.8).time.episode_s)


def test_ends_are_all_combinations_and_what_a_network_reads_is_as_wide_as_the_widest(scenario):
    """Also where the widest of the scenario itself lies outside the range."""
    rows = varied_of(["service.chat.value=2:3", "reward.price_per_usd=90.5:200.0"], [load_scenario(scenario)])
    high = load_scenario(scenario, **{"service.chat.value": 7.0})
    ends = Draws(high, rows).ends()
    assert ends[0] == high
    met = [(end.service[0].value, end.reward.price_per_usd) for end in ends[1:]]
    assert met == [(2, 90.5), (2, 200.0), (3, 90.5), (3, 200.0)]
    assert Draws(high, ()).ends() == [high]
    reads = Worlds([high], 0, rows).reads(["job/value"], ["utility"])
    utilities = [next(f for f in Layout(end).candidates if f.name == "utility") for end in ends]
    assert reads.observation[0].high == 7.0
    assert (reads.candidates[0].low, reads.candidates[0].high) == (min(u.low for u in utilities), 7.0)
    assert reads.candidates[0].low < utilities[0].low


def test_what_is_drawn_lies_between_the_ends(scenario):
    """Of whole numbers and others; by its numbers alone."""
    draws = Draws(scenario, varied_of(["service.chat.value=2:3", "arrivals.rate_jobs_s=6.0:14"], [scenario]))
    drawn = [draws(2**61 + 5, episode) for episode in range(40)]
    assert {one.service[0].value for one in drawn} == {2, 3}
    rates = [one.arrivals.rate_jobs_s for one in drawn]
    assert len(set(rates)) == 40
    assert 6.0 <= min(rates) < 8.0 < 12.0 < max(rates) <= 14.0
    assert draws(2**61 + 5, 7) == drawn[7]
    assert draws(2**61 + 6, 7) != drawn[7]


@pytest.mark.parametrize("name", ["tiny", "campus", "finetune"])
def test_longer_episodes_are_of_the_same_world_and_measure_the_share(name):
    scenario = load_scenario(name)
    longer = lengthened(scenario, 0.8)
    assert 0.8 <= measured_s(longer) / longer.time.episode_s < 0.81
    assert measured_s(scenario) / scenario.time.episode_s < 0.5
    assert load_scenario(longer, **{"time.episode_s": scenario.time.episode_s}).fingerprint == scenario.fingerprint
    assert Layout(longer).candidates == Layout(scenario).candidates
    assert lengthened(scenario, 0.0) is scenario
    longest = load_scenario(scenario, **{"time.episode_s": 5000.0})
    assert lengthened(longest, 0.8) is longest


def test_a_planned_outage_keeps_its_place_in_the_episode():
    blackout = load_scenario("blackout")
    assert blackout.faults.outage
    assert lengthened(blackout, 0.8) is blackout


def test_worlds_in_longer_episodes_have_the_same_seeds_and_draws():
    scenario = load_scenario("tiny")
    worlds = Worlds([scenario], 3, [RATE])
    for (one, seeds), (other, same) in zip(worlds.batch(0, 4, 4), worlds.lengthened(0.8).batch(0, 4, 4), strict=True):
        assert seeds == same
        assert one.scenario.arrivals == other.scenario.arrivals
        assert other.scenario.time.episode_s > one.scenario.time.episode_s


@pytest.mark.parametrize("slot_s", [0.03, 0.016, 0.0125])
def test_a_longer_episode_is_a_whole_number_of_slots(slot_s):
    """Whatever a slot is, where that of the scenario is one."""
    scenario = load_scenario("shard", **{"time.slot_s": slot_s, "time.episode_s": math.ceil(240.0 / slot_s) * slot_s})
    longer = lengthened(scenario, 0.8).time
    assert longer.episode_s >= 5.0 * (longer.warmup_s + longer.drain_s)
    assert longer.episode_s / slot_s == pytest.approx(round(longer.episode_s / slot_s), abs=1e-6)
