"""Limits: read from words, priced by dual ascent, and kept by a search."""

import math

import numpy as np
import pytest

from agents.policy import make_rule
from edge6g_env import BatchEnv
from edge6g_env.kernel.codes import COST_NAMES
from eval.episodes import run_episodes
from eval.limits import excess
from eval.pools.flights import Flights
from tests.train.small import learner
from train.limits import (
    MOST_PRICE,
    RATE,
    Limit,
    LimitError,
    above,
    costs_of,
    limits_of,
    priced,
    prices_tensor,
    prices_told,
)
from train.seeds import VALIDATION_SEED


def test_limits_are_read():
    assert limits_of(["slo_miss=0.1", "energy_j=50"]) == (Limit("slo_miss", 0.1), Limit("energy_j", 50.0))
    assert limits_of(["exposure=1", "energy_j=1e-3"]) == (Limit("exposure", 1.0), Limit("energy_j", 1e-3))
    assert limits_of([]) == ()
    assert [limit.cost for limit in limits_of([f"{name}=0.5" for name in COST_NAMES])] == [*COST_NAMES]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["slo_mis=0.1"],
            "--limit slo_mis=0.1: there is no cost 'slo_mis': the costs of a job are .*did you mean slo_miss",
        ),
        (["latency"], "there is no cost 'latency': the costs of a job are slo_miss, exposure, energy_j"),
        (["slo_miss=1.5"], "--limit slo_miss=1.5: it must be slo_miss=a number from 1e-06 on, 1 at most"),
        (["exposure=0"], "it must be exposure=a number from 1e-06 on, 1 at most"),
        (["energy_j=-1"], "it must be energy_j=a number from 1e-06 on, the most"),
        (["energy_j=nan"], "it must be energy_j=a number from 1e-06 on"),
        (["energy_j=inf"], "it must be energy_j=a number from 1e-06 on"),
        (["energy_j=much"], "it must be energy_j=a number from 1e-06 on"),
        (["energy_j"], "--limit energy_j: it must be energy_j=a number from 1e-06 on"),
        (["energy_j=1", "slo_miss=0.1", "energy_j=2"], "--limit energy_j stands twice"),
    ],
)
def test_limits_that_cannot_be_are_refused(words, message):
    with pytest.raises(LimitError, match=message):
        limits_of(words)


def test_the_price_follows_the_mean_cost():
    """Up while the limit is broken, down to 0 and no further when it is met; where it is just met, or nothing is known, it stays."""
    limit = Limit("energy_j", 20.0)
    for n in range(1, 4):
        limit = limit.after(40.0)  # twice the limit: a cost of the limit is priced at RATE more
        assert limit.price * limit.most == pytest.approx(n * RATE)
    assert limit.after(20.0) == limit.after(math.nan) == limit
    prices = [limit.price]
    for _ in range(10):
        limit = limit.after(10.0)
        prices.append(limit.price)
    assert prices == sorted(prices, reverse=True)
    assert prices[-1] == prices[-2] == 0.0
    assert 0.0 <= Limit("slo_miss", 0.1, 0.01).after(0.0).price < 0.01
    assert (
        Limit("slo_miss", 1e-6).after(1.0).price == Limit("slo_miss", 1e-6).after(2e-6).price
    )  # far above is no more than twice


@pytest.mark.parametrize("limit", [Limit("slo_miss", 0.01), Limit("energy_j", 20.0)])
def test_a_limit_that_cannot_be_met_does_not_drown_the_reward(limit):
    """A cost of 1 of a share, of another as high as its limit, is never priced at more; a batch that meets it lowers the price at once."""
    for _ in range(200):
        limit = limit.after(5.0 * limit.most)
    whole = 1.0 if limit.cost == "slo_miss" else limit.most
    assert limit.price * whole == pytest.approx(MOST_PRICE)
    assert limit.after(0.5 * limit.most).price < limit.price


def test_excess_is_the_share_above_the_limit():
    limit = Limit("energy_j", 20.0)
    assert [excess(limit.most, mean) for mean in (0.0, 20.0, 22.0, 60.0)] == pytest.approx([0.0, 0.0, 0.1, 2.0])


def test_prices_come_back_to_their_limits():
    limits = (Limit("slo_miss", 0.1, 1.0 / 3.0), Limit("energy_j", 9.0, 0.7))
    bare = tuple(Limit(limit.cost, limit.most) for limit in limits)
    assert priced(bare, prices_tensor(limits).tolist()) == limits
    assert prices_told(limits) == {"price_slo_miss": 1.0 / 3.0, "price_energy_j": 0.7}
    with pytest.raises(ValueError, match="shorter"):
        priced(bare, [0.5])


def test_costs_of_jobs_are_those_of_the_metrics(scenario):
    """Their means over the measured jobs of an episode, as `compare` says them."""
    flights, seeds = Flights(scenario), [VALIDATION_SEED + n for n in range(3)]
    flown = flights([make_rule("greedy", flights.layout)], seeds)
    rows = run_episodes("greedy", lambda layout: make_rule("greedy", layout), scenario, seeds).rows
    for cost, metric in (
        ("energy_j", "energy_j_per_job"),
        ("exposure", "exposure_mean"),
        ("slo_miss", "slo_attainment"),
    ):
        of_jobs = costs_of(cost, flown.jobs[0])
        means = [of_jobs[flown.jobs[0]["world"] == world].mean() for world in range(3)]
        told = np.array([row[metric] for row in rows], float)
        np.testing.assert_allclose(means, 1.0 - told if cost == "slo_miss" else told, rtol=1e-9)


GENERATIONS = 10


def searched(scenario, limits):
    """Means over unseen seeds of all costs of the running mean that a search ends with; its prices on the way."""
    found, prices = learner(scenario, "search", 1, {"population": 8, "episodes": 2}, limits=limits), []
    for _ in range(GENERATIONS):
        found.model.advance()
        prices.append([limit.price for limit in found.model.search.limits])
    found.close()
    flights = Flights(scenario)
    policy = found.model.search.policy(flights.layout, found.model.search.points()[-1])
    (jobs,) = flights([policy], [VALIDATION_SEED + n for n in range(6)]).jobs
    return {cost: costs_of(cost, jobs).mean() for cost in COST_NAMES}, np.array(prices)


LIMITS = (Limit("slo_miss", 0.1, 0.7), Limit("exposure", 0.3, 0.4), Limit("energy_j", 20.0, 0.01))


def test_a_price_is_taken_off_a_candidate_by_what_is_foreseen_of_it(scenario):
    """The choices of `search` and `scorer` before they have learned anything: the highest of utility less price x foreseen cost, and of the
    32 of highest utility."""
    bare = tuple(Limit(limit.cost, limit.most) for limit in LIMITS)
    search, scorer = (learner(scenario, algo, limits=bare) for algo in ("search", "scorer"))
    env = BatchEnv(scenario, 16, observe="candidates", skip_idle=True)
    layout, checked, moved = env.layout, 0, 0
    for one in (search.model.search, scorer.model.search):
        one.limits = LIMITS
    (searched,), (scored, *_) = search.policies(layout), scorer.policies(layout)
    obs = env.reset(seed=3)
    for _ in range(60):
        actions = make_rule("greedy", layout).act(obs, np.random.default_rng(0))
        chosen = [one.act(obs, np.random.default_rng(0)) for one in (searched, scored)]
        for b, i in np.argwhere(obs["action_mask"][..., 1] == 1):
            rows = obs["candidates"][b, i].astype(float)
            utility = rows[:, layout.candidate_index("utility")]
            foreseen = [rows[:, layout.candidate_index(name)] for name in ("timeliness", "exposure_device", "energy_j")]
            value = utility + 0.7 * foreseen[0] - 0.4 * foreseen[1] - 0.01 * foreseen[2]
            legal = np.flatnonzero(obs["action_mask"][b, i])
            legal = legal[legal > 0]  # not `hold`
            short = legal[np.argsort(-utility[legal], kind="stable")[:32]]
            for one in chosen:
                assert value[one[b, i]] >= value[short].max() - 1e-5
            checked, moved = checked + 1, moved + (chosen[0][b, i] != actions[b, i])
        obs, *_ = env.step(actions)
    assert checked > 100
    assert moved > 20
    for one in (search, scorer, env):
        one.close()


@pytest.fixture(scope="module")
def unlimited(scenario):
    return searched(scenario, ())[0]


@pytest.mark.parametrize(("limit", "at_most"), [(Limit("energy_j", 2.0), 0.85), (Limit("exposure", 0.35), 0.6)])
def test_a_search_with_a_limit_spends_less(scenario, unlimited, limit, at_most):
    """`cloud` takes 6 J a job here and `device-first` gives away a quarter of a prompt, `greedy` 29 J and four fifths."""
    spent, prices = searched(scenario, (limit,))
    assert spent[limit.cost] < at_most * unlimited[limit.cost]
    assert (prices >= 0.0).all()
    assert (prices[:3] > 0.0).all()


def test_of_two_policies_the_better_one_breaks_its_limits_less(scenario):
    """Then it gains more; one as good comes in the place of the other, one without a gain never does."""
    one = learner(scenario, limits=(Limit("exposure", 0.5),))
    steps = [(0.1, 0.4, True), (0.3, 0.6, False), (0.05, 0.4, False), (0.1, 0.4, True), (-0.2, 0.0, True)]
    steps += [(math.nan, 0.0, False), (0.4, 0.1, False), (-0.1, 0.0, True)]
    for gain, breach, better in steps:
        assert one.takes(gain, breach) is better, (gain, breach)
    assert (one.best, one.above_limits) == (-0.1, 0.0)
    unheard = learner(scenario)
    assert not unheard.takes(math.nan, 0.0)
    assert unheard.best is None
    for each in (one, unheard):
        each.close()


def test_how_far_limits_are_broken_is_seen_in_the_metrics():
    metrics = {"slo_attainment": 0.8, "exposure_mean": 0.3, "energy_j_per_job": 30.0}
    assert above((Limit("slo_miss", 0.1), Limit("energy_j", 20.0)), metrics) == pytest.approx(1.0)
    assert above((Limit("exposure", 0.3), Limit("energy_j", 20.0)), metrics) == pytest.approx(0.5)
    assert above((Limit("exposure", 0.3),), metrics) == above((), metrics) == 0.0
    assert above((Limit("energy_j", 20.0),), {**metrics, "energy_j_per_job": math.nan}) == 0.0
