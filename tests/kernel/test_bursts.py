"""Bursts: each service a Poisson process that switches between two rates; beside closed forms and a slow version over all switches."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.bursts import fit, log_likelihood, variance_over_mean
from edge6g_env import batch_env
from edge6g_env._jit import njit
from edge6g_env.kernel.codes import QUEUED
from edge6g_env.scenario_arrivals import BurstArrivals
from tests.kernel.inner import checks, rng
from tests.looking import Look, sources

BURSTS = {"kind": "burst", "rate_jobs_s": 4.0, "burst_ratio": 8.0, "calm_s": 6.0, "burst_s": 2.0}
WORLDS = 4096
SMALL = {"job_rows_per_node": 8, "ues.per_node": 2, "nodes.count": 1, "nodes.columns": 1, "nodes.neighbours": 0}
JOB = ["service", "ue", "arrival_s", "prompt_tokens", "output_tokens"]


@njit
def _numbers(seed, purpose, owner, out):
    """out[n]: uniform number n of (purpose, owner) in the first episode of a world."""
    for n in range(out.shape[0]):
        out[n] = rng.uniform(rng.world_key(seed, 0), purpose, owner, n)


@njit
def _check(w):
    w.step[0].error = 0
    checks.check_kept(w, 0)
    return w.step[0].error


def numbers(seed, purpose, s, count):
    out = np.zeros(count)
    _numbers(seed, purpose, s, out)
    return out


def bursts(worlds, seed=1, more=None, **changes):
    """Worlds of `tiny` with bursts that have begun; changes of [arrivals], and more of the scenario."""
    batch = batch_env("tiny", worlds, arrivals={**BURSTS, **changes}, **{"time.episode_s": 1000.0, **(more or {})})
    batch.reset(seed)
    return batch


def slow_instants_s(batch, s, seed, until_s):
    """Arrivals of service s: the rate is integrated over all switches, and the sums of the unit exponentials are looked up in it."""
    arrivals, enough = batch.scenario.arrivals, 4000
    share = arrivals.burst_s / (arrivals.calm_s + arrivals.burst_s)
    mean = batch.scenario.service[s].share * arrivals.rate_jobs_s
    calm = mean / (1.0 - share + share * arrivals.burst_ratio)
    busy = numbers(seed, rng.FOR_FIRST_STATE, s, 1)[0] < share
    is_busy = (np.arange(enough) % 2 == 0) == busy
    dwell_s = -np.log(numbers(seed, rng.FOR_DWELL, s, enough)) * np.where(is_busy, arrivals.burst_s, arrivals.calm_s)
    jobs = np.cumsum(dwell_s * np.where(is_busy, arrivals.burst_ratio * calm, calm))
    at = np.cumsum(-np.log(numbers(seed, rng.FOR_ARRIVAL, s, enough)))
    instants_s = np.interp(at, np.concatenate([[0.0], jobs]), np.concatenate([[0.0], np.cumsum(dwell_s)]))
    assert instants_s[-1] > until_s
    return instants_s[instants_s < until_s]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"burst_ratio": 1.0},
        {"burst_ratio": 1e6, "calm_s": 12.0, "burst_s": 4.0},
        {"calm_s": 0.05, "burst_s": 0.4},
        {"calm_s": 500.0, "burst_s": 100.0},
    ],
)
def test_instants_are_exact(draw, changes):
    """Dwells shorter and longer than the gaps between jobs; several seeds so that both states come first."""
    for seed in range(5):
        batch = bursts(1, seed, **changes)
        _, jobs = draw(batch, 300.0)
        for s in range(2):
            expected = slow_instants_s(batch, s, seed, 300.0)
            assert jobs["arrival_s"][jobs["service"] == s] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("changes", [{}, {"burst_ratio": 100.0, "calm_s": 12.0, "burst_s": 4.0}, {"burst_ratio": 1.0}])
def test_mean_and_variance_are_those_of_the_closed_form(draw, changes):
    """In windows that begin with the episode and later, of any length: the mean over the seeds within three standard errors, the variance
    within four of its own (from the fourth moment; it is skewed in short windows)."""
    batch, begin_s = bursts(WORLDS, 7, SMALL, **changes), 0.0
    for until_s in (0.5, 3.0, 20.0, 100.0, 500.0):
        counts, seconds = draw(batch, until_s)[0].astype(float), until_s - begin_s
        for s, service in enumerate(batch.scenario.service):
            mine, rate = counts[:, s], service.share * batch.scenario.arrivals.rate_jobs_s
            assert abs(mine.mean() - rate * seconds) < 3.0 * mine.std(ddof=1) / np.sqrt(WORLDS)
            variance = rate * seconds * variance_over_mean(batch.scenario.arrivals, rate, seconds)
            error = np.sqrt((((mine - mine.mean()) ** 4).mean() - mine.var() ** 2) / WORLDS)
            assert abs(mine.var(ddof=1) - variance) < 4.0 * error, (s, seconds)
        begin_s = until_s


def test_services_switch_independently(draw):
    batch = bursts(WORLDS, 11, SMALL, burst_ratio=100.0)
    counts, _ = draw(batch, 10.0)
    assert abs(np.corrcoef(counts.T)[0, 1]) < 4.0 / np.sqrt(WORLDS)


def test_a_service_does_not_know_of_the_others(draw):
    """Half its share of twice the jobs: the same jobs, whoever else there is."""
    plain = bursts(1, 3, burst_ratio=20.0)
    shares = {"service.chat.share": 0.3, "service.assistant.share": 0.7}
    crowded = bursts(1, 3, shares, burst_ratio=20.0, rate_jobs_s=8.0)
    one, other = (draw(batch, 300.0)[1] for batch in (plain, crowded))
    one, other = one[one["service"] == 0], other[other["service"] == 0]
    assert len(one) == len(other) > 300
    for name in JOB:
        assert one[name] == pytest.approx(other[name], rel=1e-12)


def test_more_jobs_come_in_the_same_bursts(draw):
    """Dwells belong to the service and the switch: ten times the rate, and the same seconds are busy."""
    few, many = (bursts(1, 5, burst_ratio=1e3, rate_jobs_s=rate) for rate in (4.0, 40.0))
    one, other = (draw(batch, 300.0)[1] for batch in (few, many))
    for s in range(2):
        edges_s = np.arange(0.0, 300.0, 1.0)
        sparse, dense = (np.histogram(jobs["arrival_s"][jobs["service"] == s], edges_s)[0] for jobs in (one, other))
        assert (dense[sparse > 1] > 0).all()
        assert np.corrcoef(sparse, dense)[0, 1] > 0.6


def test_jobs_take_ues_and_lengths_at_random(draw):
    batch = bursts(1, 2, rate_jobs_s=100.0)
    _, jobs = draw(batch, 200.0)
    counts = np.bincount(jobs["ue"].astype(int), minlength=batch.scenario.num_ues)
    assert stats.chisquare(counts).pvalue > 1e-3
    assert abs(np.corrcoef(jobs["ue"][1:], jobs["ue"][:-1])[0, 1]) < 4.0 / np.sqrt(len(jobs))
    for s, service in enumerate(batch.scenario.service):
        rows, mine = service.lengths(), jobs[jobs["service"] == s]
        pairs = set(map(tuple, rows[:, 1:].tolist()))
        assert set(zip(mine["prompt_tokens"], mine["output_tokens"], strict=True)) <= pairs
        assert stats.ks_2samp(mine["prompt_tokens"], rows[:, 1]).pvalue > 1e-3


def arrivals_of(batch, seconds, choose):
    """Jobs (JOB) of each world as they arrive while choose(mask) decides."""
    found = [{} for _ in range(batch.num_worlds)]
    looks = [Look(batch, b) for b in range(batch.num_worlds)]
    mask = batch.observations()["action_mask"]
    while batch.times_s()[0] < seconds - 1e-9:
        obs, *_ = batch.step(choose(mask))
        mask = obs["action_mask"]
        for jobs, look in zip(found, looks, strict=True):
            jobs |= {int(job.number): job[JOB].tolist() for job in look.jobs(QUEUED)}
    return [[jobs[number] for number in sorted(jobs)] for jobs in found]


def test_jobs_do_not_depend_on_slot_batch_or_policy():
    """Under debug: what the kernel keeps is checked in every slot."""

    def first(mask):
        return mask.argmax(axis=-1)

    def last(mask):
        return mask.shape[-1] - 1 - mask[..., ::-1].argmax(axis=-1)

    def reject(mask):
        return np.minimum(mask.sum(axis=-1) - 1, 1)

    arrivals, made = {**BURSTS, "rate_jobs_s": 12.0}, []
    for worlds, slot_s, choose in ((3, 0.02, first), (1, 0.02, last), (1, 0.01, reject), (1, 0.05, first)):
        batch = batch_env("tiny", worlds, arrivals=arrivals, debug=True, **{"time.slot_s": slot_s})
        batch.reset(9)
        made.append(arrivals_of(batch, 5.0, choose)[0])
    assert len(made[0]) > 20
    assert all(jobs == made[0] for jobs in made)


def test_a_service_without_jobs_costs_no_time(draw):
    """No job comes within the episode; the switches beyond its end, a thousand a second, are not walked through."""
    batch = bursts(2, 1, rate_jobs_s=1e-12, calm_s=1e-3, burst_s=1e-3)
    assert (sources(batch)["next_s"] == np.inf).all()
    assert draw(batch, 1e6)[0].sum() == 0


def test_a_passed_arrival_is_seen_under_debug(handle):
    batch = bursts(1)
    assert _check(handle(batch)) == 0
    sources(batch)["next_s"][0, 1] = -1.0
    assert checks.VIOLATIONS[_check(handle(batch))] == "the next arrival is not the earliest of all UEs or services"


def test_without_bursts_the_likelihood_is_that_of_poisson():
    gap_s = np.random.default_rng(1).exponential(0.25, 1001)
    poisson = BurstArrivals(**{**BURSTS, "burst_ratio": 1.0})
    assert log_likelihood(poisson, gap_s) == pytest.approx(len(gap_s) * np.log(4.0) - 4.0 * gap_s.sum())


def test_a_fit_finds_the_bursts_that_were_drawn(draw):
    batch = bursts(1, 3, {"time.episode_s": 1500.0}, rate_jobs_s=10.0)
    _, jobs = draw(batch, 1500.0)
    gap_s = np.diff(jobs["arrival_s"][jobs["service"] == 0])
    found, drawn = fit(gap_s), batch.scenario.arrivals
    assert found.rate_jobs_s == pytest.approx(6.0, rel=0.1)
    for key in ("burst_ratio", "calm_s", "burst_s"):
        assert getattr(found, key) == pytest.approx(getattr(drawn, key), rel=0.25), key
    assert log_likelihood(found, gap_s) >= log_likelihood(
        drawn.model_copy(update={"rate_jobs_s": found.rate_jobs_s}), gap_s
    )
