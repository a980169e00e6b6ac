"""Credits: team credit against its own words in slow Python, and in real flights against the runs that it compares."""

from itertools import pairwise

import numpy as np
import pytest

from agents.learned.scorer import CANDIDATE, CONTEXT, Scorer, ScorerConfig
from edge6g_env import load_scenario
from edge6g_env.kernel.codes import CUT, EXPIRED, FINETUNE, FINISHED
from edge6g_env.kernel.fields import OUTCOME_DTYPE
from eval.pools.pool import Hangar
from train.stages import credit
from train.stages.credit import Jobs, expired_worth, jobs_of
from train.stages.team import TeamPart, Terms
from train.worlds import Worlds

HORIZONS_S = (0.0, 1.0, 2.5, 100.0, np.inf)


def members(jobs, n):
    """Jobs of the same task, or the job alone."""
    if not jobs.finetunes[n]:
        return [n]
    return [
        m
        for m in range(len(jobs.worth))
        if jobs.finetunes[m] and (jobs.arrival_s[m], jobs.service[m]) == (jobs.arrival_s[n], jobs.service[n])
    ]


def slowly(base, sampled, job, time_s, horizon_s, share):
    """`team` word by word: every decision, every other job."""
    found = []
    for own, at_s in zip(job, time_s, strict=True):
        others = 0.0
        for n in range(len(base.worth)):
            arrival_s, of_task = base.arrival_s[n], members(base, n)
            ends_s = [max(run.end_s[m] for m in of_task) for run in (base, sampled)]
            under_way = any(arrival_s <= at_s <= end_s for end_s in ends_s)
            to_come = at_s < arrival_s <= at_s + horizon_s
            if n != own and (under_way or to_come):
                others += sampled.worth[n] - base.worth[n]
        found.append(sampled.worth[own] - base.worth[own] + share * others)
    return np.array(found)


def drawn(seed):
    """Two runs of the same jobs and decisions about them. All instants are whole seconds, so that many fall together; worths are
    quarters, so that sums are exact."""
    rng = np.random.default_rng(seed)
    count, services = int(rng.integers(1, 25)), 3
    arrival_s = np.sort(rng.integers(0, 12, count)).astype(float)
    finetunes, service = rng.random(count) < 0.4, rng.integers(0, services, count)
    worth = rng.integers(-8, 9, (2, count)) / 4.0
    end_s = arrival_s + rng.integers(0, 8, (2, count))
    base, sampled = (Jobs(worth[run], arrival_s, end_s[run], service, finetunes) for run in range(2))
    job = rng.integers(0, count, 30)  # more than one of a job: a fault has put it back
    time_s = np.floor(rng.uniform(arrival_s[job], end_s[1, job] + 1.0))
    return base, sampled, job, np.minimum(time_s, end_s[1, job])


@pytest.mark.parametrize("seed", range(12))
def test_team_credit_is_what_it_says(seed):
    base, sampled, job, time_s = drawn(seed)
    for horizon_s in HORIZONS_S:
        for share in (0.0, 0.5, 1.0):
            found = credit.team(base, sampled, job, time_s, horizon_s, share)
            assert np.array_equal(found, slowly(base, sampled, job, time_s, horizon_s, share)), (horizon_s, share)


def test_the_decided_job_counts_once_and_a_share_of_0_leaves_it_alone():
    """Whatever the horizon is: its difference is in every credit, and nothing else if no other job differs."""
    for seed in range(12):
        base, sampled, job, time_s = drawn(seed)
        gain = sampled.worth - base.worth
        for horizon_s in HORIZONS_S:
            assert np.array_equal(credit.team(base, sampled, job, time_s, horizon_s, 0.0), gain[job])
            for one in np.unique(job):
                worth = np.where(np.arange(len(gain)) == one, sampled.worth, base.worth)
                lone = credit.team(base, sampled._replace(worth=worth), job, time_s, horizon_s, 1.0)
                assert np.array_equal(lone[job == one], np.full((job == one).sum(), gain[one]))


def test_a_task_counts_whole_until_its_last_member_has_ended():
    """Three members of one task, one of another task of the same instant, and an inference that ended with the first member."""
    arrival_s, service = np.zeros(6), np.array([1, 1, 1, 2, 0, 0])
    finetunes = np.array([True, True, True, True, False, False])
    end_s = np.array([1.0, 2.0, 9.0, 1.0, 1.0, 20.0])
    base = Jobs(np.zeros(6), arrival_s, end_s, service, finetunes)
    sampled = base._replace(worth=np.array([1.0, 2.0, 4.0, 8.0, 16.0, 0.0]))
    at_s = np.array([0.5, 1.0, 3.0, 9.0, 9.5])
    found = credit.team(base, sampled, np.full(5, 5), at_s, 0.0, 1.0)
    assert found.tolist() == [31.0, 31.0, 7.0, 7.0, 0.0]


def test_own_credit_is_the_worth_of_the_job_decided():
    base, _, job, _ = drawn(3)
    assert credit.own(base, job).tolist() == [base.worth[n] for n in job]


def test_runs_of_other_jobs_are_refused():
    base, sampled, job, time_s = drawn(5)
    for other in (
        sampled._replace(arrival_s=sampled.arrival_s + 1.0),
        Jobs(*(column[:-1] for column in sampled)),
    ):
        with pytest.raises(ValueError, match="same seed of one scenario"):
            credit.team(base, other, job * 0, time_s, 1.0, 1.0)


def outcomes(scenario, count):
    rows = np.zeros(count, OUTCOME_DTYPE)
    rows["job"] = np.arange(count)[::-1]  # as they end, not as they come
    rows["worth"], rows["phase"], rows["end_s"] = rows["job"] / 8.0, FINISHED, 10.0 + rows["job"]
    rows["price_usd"], rows["energy_j"] = 1e-3, 5.0
    return rows


def test_jobs_stand_by_their_numbers_and_each_must_be_there_once(scenario):
    rows = outcomes(scenario, 5)
    jobs = jobs_of(scenario, rows, costs=np.full(5, 0.5))
    assert jobs.worth.tolist() == [n / 8.0 - 0.5 for n in range(5)]
    assert jobs.end_s.tolist() == [10.0 + n for n in range(5)]
    for wrong in (rows[1:-1], rows[:-1], np.concatenate([rows, rows[:1]])):
        with pytest.raises(ValueError, match="each job once"):
            jobs_of(scenario, wrong)


@pytest.mark.parametrize("name", ["tiny", "finetune"])
def test_a_job_that_the_end_cuts_counts_as_one_that_expired(scenario, name):
    """Of jobs that did expire the kernel says what that is worth; one that was cut is worth the same at the same expense."""
    scenario = scenario if name == "tiny" else load_scenario(name, **{"arrivals.rate_jobs_s": 12.0})
    flights = Hangar(1).flights(scenario)
    policy = net_of(scenario).compiled(flights.layout)
    rows = np.concatenate([flight.outcomes for flight in flights.fly([policy] * 2, [1, 2])])
    late = rows[rows["phase"] == EXPIRED]
    assert len(late) > 20
    np.testing.assert_allclose(expired_worth(scenario, late), late["worth"], atol=1e-12)
    if name == "finetune":
        assert late["progress"][late["kind"] == FINETUNE].max() > 0.0
    of_world = rows[rows["world"] == 0]
    assert (of_world["phase"] == CUT).any()
    cut = of_world.copy()
    cut["phase"] = np.where(of_world["phase"] == EXPIRED, CUT, of_world["phase"])
    cut["worth"] = np.where(of_world["phase"] == EXPIRED, 99.0, of_world["worth"])  # of no matter
    np.testing.assert_allclose(jobs_of(scenario, cut).worth, jobs_of(scenario, of_world).worth, atol=1e-12)


# --- in real flights -----------------------------------------------------------------------------------------------------


def net_of(scenario, **config):
    worlds = Worlds([scenario], 0)
    return Scorer(worlds.reads(CONTEXT, CANDIDATE, 10.0), ScorerConfig(**config))


def part(scenario, terms, seeds=(1, 2), draws=(7, 8), **config):
    worlds = Worlds([scenario], 0)
    policy = net_of(scenario, **config).compiled(worlds.layouts[0], records=True)
    return TeamPart(scenario, policy, list(seeds), list(draws), terms)


WHOLE = Terms(own=False, horizon_s=np.inf, share=1.0)


def test_the_base_run_gains_nothing_over_itself(scenario):
    """Drawn so cold that every draw is the best: all runs are base runs."""
    hangar = Hangar(1)
    cold, warm = (part(scenario, WHOLE, beta=beta)(hangar).decided.credit for beta in (1e9, 40.0))
    assert len(cold) > 50
    assert (cold == 0.0).all()
    assert (warm != 0.0).mean() > 0.5


def test_the_first_decision_of_a_world_is_credited_with_all_that_came_after(scenario):
    seeds, draws, hangar = [1, 2], [7, 8], Hangar(1)
    one = part(scenario, WHOLE, seeds, draws)
    batch, flights = one(hangar), hangar.flights(scenario)
    each = [(seed, draw) for seed in seeds for draw in draws]
    drawn_runs = flights.fly([one.policy] * 4, [s for s, _ in each], sample_seed=[d for _, d in each], record=True)
    base_runs = flights.fly([one.policy] * 2, seeds)
    runs = [np.concatenate([flight.outcomes for flight in flown]) for flown in (drawn_runs, base_runs)]
    worth = [
        [jobs_of(scenario, rows[rows["world"] == w]).worth.sum() for w in range(count)]
        for rows, count in zip(runs, (4, 2), strict=True)
    ]
    rows = np.concatenate([flight.recorded.rows for flight in drawn_runs])
    rows = rows[np.argsort(rows["world"], kind="stable")]
    rows = rows[rows["n_shortlist"] > 1]
    first = [int(np.flatnonzero(rows["world"] == w)[0]) for w in range(4)]
    expected = [worth[0][w] - worth[1][w // 2] for w in range(4)]
    np.testing.assert_allclose(batch.decided.credit[first], expected, atol=1e-4)
    assert np.abs(expected).max() > 0.1


@pytest.mark.parametrize("name", ["tiny", "blackout"])
def test_a_decided_job_is_under_way_at_its_decisions(scenario, name):
    """By which it counts once in the sums, after a fault too: then it is decided again."""
    if name == "blackout":
        scenario = load_scenario(name)
    flights = Hangar(1).flights(scenario)
    policy = net_of(scenario).compiled(flights.layout, records=True)
    flown, again = flights.fly([policy] * 2, [1, 2], sample_seed=[3, 4], record=True), 0
    outcomes, rows = (
        np.concatenate(parts) for parts in ([f.outcomes for f in flown], [f.recorded.rows for f in flown])
    )
    for world in range(2):
        jobs = jobs_of(scenario, outcomes[outcomes["world"] == world])
        of = rows[rows["world"] == world]
        assert (jobs.arrival_s[of["job"]] <= of["time_s"] + 1e-9).all()
        assert (jobs.end_s[of["job"]] >= of["time_s"]).all()
        again += len(of) - len(np.unique(of["job"]))
        assert all(a <= b for a, b in pairwise(of["time_s"]))
    assert again > 0 or name == "tiny"


def test_own_credit_plays_no_base_run(scenario):
    """Each decision has the worth of its job in the drawn run, and no others are counted."""
    hangar, own = Hangar(1), Terms(own=True, horizon_s=0.0, share=0.0)
    alone, team = (part(scenario, terms)(hangar) for terms in (own, WHOLE))
    flights, one = hangar.flights(scenario), part(scenario, own)
    flown = flights.fly([one.policy] * 4, [1, 1, 2, 2], sample_seed=[7, 8, 7, 8], record=True)
    assert alone.decisions == sum(flight.decisions.sum() for flight in flown) < team.decisions
    outcomes, rows = (
        np.concatenate(parts) for parts in ([f.outcomes for f in flown], [f.recorded.rows for f in flown])
    )
    worth = {
        (w, n): x
        for w in range(4)
        for n, x in enumerate(jobs_of(scenario, outcomes[outcomes["world"] == w]).worth.tolist())
    }
    rows = rows[np.argsort(rows["world"], kind="stable")]
    rows = rows[rows["n_shortlist"] > 1]
    expected = [worth[w, n] for w, n in zip(rows["world"].tolist(), rows["job"].tolist(), strict=True)]
    np.testing.assert_allclose(alone.decided.credit, expected, atol=1e-6)
    assert np.array_equal(alone.decided.choice, team.decided.choice)
