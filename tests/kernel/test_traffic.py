"""Arrivals: Poisson instants, shares, pairs of lengths from the traces, replay in the trace's own order."""

import csv
from importlib import resources

import numpy as np
import pytest
from scipy import stats

from edge6g_env import batch_env
from edge6g_env.kernel.codes import QUEUED, REJECTED
from tests.looking import Look, sources

RATE = 50.0
SECONDS = 20.0
FIELDS = ["number", "ue", "service", "arrival_s", "prompt_tokens", "output_tokens"]


def trace_rows(name):
    """(t, prompt, output) as the CSV says, read here."""
    text = (resources.files("edge6g_env") / "traces" / f"{name}.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return np.array([(float(r["t_s"]), float(r["context_tokens"]), float(r["generated_tokens"])) for r in rows])


def arrivals_of(batch, seconds):
    """Jobs (world, *FIELDS) as they arrive, each rejected at once so that no queue fills."""
    found, looks = {}, [Look(batch, b) for b in range(batch.num_worlds)]
    for _ in range(round(seconds / batch.scenario.time.slot_s)):
        batch.step((batch.deciding() >= 0).astype(np.int64))
        for b, look in enumerate(looks):
            found |= {(b, int(job.number)): job[FIELDS].tolist() for job in look.jobs(QUEUED)}
    rows = [(b, *row) for (b, _), row in found.items()]
    return np.array(rows, dtype=[("world", int), *((name, float) for name in FIELDS)])


@pytest.fixture(scope="module")
def poisson():
    more = {"arrivals.rate_jobs_s": RATE, "time.episode_s": 100.0, "nodes.neighbours": 0}
    batch = batch_env("campus", 8, **more)
    batch.reset(1)
    return batch, arrivals_of(batch, SECONDS)


def test_every_job_was_seen(poisson):
    batch, jobs = poisson
    n = batch.counters()
    assert len(jobs) == n.arrived.sum()
    assert (n.arrived == n.rejected + n.in_flight).all()


def test_poisson_rate_and_gaps(poisson):
    """The world's arrivals: a Poisson process of the scenario's rate, so gaps are exponential and counts vary as their mean."""
    _, jobs = poisson
    expected = 8 * RATE * SECONDS
    assert len(jobs) == pytest.approx(expected, abs=4.0 * np.sqrt(expected))
    gaps = np.concatenate([np.diff(np.sort(jobs["arrival_s"][jobs["world"] == b])) for b in range(8)])
    assert stats.kstest(gaps * RATE, "expon").pvalue > 1e-3
    assert abs(np.corrcoef(gaps[1:], gaps[:-1])[0, 1]) < 4.0 / np.sqrt(len(gaps))
    counts = np.histogram(jobs["arrival_s"][jobs["world"] == 0], bins=np.arange(0.0, SECONDS + 0.1, 0.2))[0]
    assert counts.var() == pytest.approx(counts.mean(), rel=0.6)


def test_arrivals_of_ues_are_independent_and_equally_often(poisson):
    batch, jobs = poisson
    counts = np.bincount(jobs["ue"].astype(int), minlength=batch.scenario.num_ues)
    assert stats.chisquare(counts).pvalue > 1e-3
    one = np.sort(jobs["arrival_s"][(jobs["world"] == 0) & (jobs["ue"] == 0)])
    other = np.sort(jobs["arrival_s"][(jobs["world"] == 0) & (jobs["ue"] == 1)])
    assert not np.isin(one, other).any()


def test_services_come_in_their_shares(poisson):
    batch, jobs = poisson
    shares = [service.share for service in batch.scenario.service]
    counts = np.bincount(jobs["service"].astype(int), minlength=len(shares))
    assert stats.chisquare(counts, np.array(shares) * len(jobs)).pvalue > 1e-3


def test_lengths_are_pairs_of_the_services_trace(poisson):
    batch, jobs = poisson
    for s, service in enumerate(batch.scenario.service):
        rows = trace_rows(service.trace)
        mine = jobs[jobs["service"] == s]
        pairs = set(map(tuple, rows[:, 1:].tolist()))
        assert set(zip(mine["prompt_tokens"], mine["output_tokens"], strict=True)) <= pairs
        # drawn uniformly: each row as likely as every other
        assert stats.ks_2samp(mine["prompt_tokens"], rows[:, 1]).pvalue > 1e-3
        assert stats.ks_2samp(mine["output_tokens"], rows[:, 2]).pvalue > 1e-3
        own = np.corrcoef(rows[:, 1], rows[:, 2])[0, 1]
        assert np.corrcoef(mine["prompt_tokens"], mine["output_tokens"])[0, 1] == pytest.approx(own, abs=0.1)
        # what agents are told is the trace's mean
        assert Look(batch).service(s).mean_output_tokens == pytest.approx(rows[:, 2].mean())


@pytest.fixture(scope="module")
def replay():
    batch = batch_env("azure", 4, **{"arrivals.rate_jobs_s": 40.0, "time.episode_s": 100.0})
    batch.reset(2)
    return batch, arrivals_of(batch, 30.0)


def replayed(name, start_s, rate_jobs_s, seconds):
    """(arrival, prompt, output) of a trace that runs round and is entered at start_s, in numpy: the slow way."""
    rows = trace_rows(name)
    since_first_s = rows[:, 0] - rows[0, 0]
    round_s = since_first_s[-1] * len(rows) / (len(rows) - 1)  # the gap over the end is the mean one
    since_start_s = (since_first_s - start_s) % round_s
    order = np.argsort(since_start_s, kind="stable")
    scaled_round_s = len(rows) / rate_jobs_s
    rounds = int(seconds / scaled_round_s) + 1
    arrivals = [since_start_s[order] / round_s * scaled_round_s + n * scaled_round_s for n in range(rounds)]
    return np.column_stack([np.concatenate(arrivals), np.tile(rows[order, 1:], (rounds, 1))]), round_s


def check_replay(jobs, start_s, service, rate_jobs_s, seconds):
    """Every row of the trace from start_s on, in order, none missing, at its scaled instant."""
    expected, _ = replayed(service.trace, start_s, service.share * rate_jobs_s, seconds)
    expected = expected[expected[:, 0] < seconds]
    assert len(jobs) == len(expected) > 0
    assert jobs["arrival_s"] == pytest.approx(expected[:, 0], abs=1e-6)
    assert np.array_equal(jobs["prompt_tokens"], expected[:, 1])
    assert np.array_equal(jobs["output_tokens"], expected[:, 2])
    assert np.diff(jobs["arrival_s"]) == pytest.approx(np.diff(expected[:, 0]), abs=1e-6)


def test_replay_is_the_traces_own_sequence(replay):
    batch, jobs = replay
    starts = set()
    for b in range(batch.num_worlds):
        for s, service in enumerate(batch.scenario.service):
            mine = np.sort(jobs[(jobs["world"] == b) & (jobs["service"] == s)], order="number")
            start_s = float(sources(batch)["start_s"][b, s])
            starts.add(start_s)
            check_replay(mine, start_s, service, 40.0, batch.times_s()[b])
            assert len(mine) > 50
    assert len(starts) == batch.num_worlds * len(batch.scenario.service)


@pytest.fixture(scope="module")
def worlds():
    return batch_env("azure", 512)


ROUND_S = 5353 / 2.88  # of the code trace, scaled


@pytest.mark.parametrize("seconds", [0.5, 5.0, 60.0, 300.0, ROUND_S, 1.3 * ROUND_S, 2.5 * ROUND_S])
def test_replay_offers_its_share_of_the_rate(worlds, draw, seconds):
    """Whatever the length of an episode, with its first seconds alone and longer than the trace. Mean and spread over
    512 seeds; a whole number of rounds has no spread, so half a job is allowed."""
    worlds.reset(1000)
    counts, _ = draw(worlds, seconds)
    for s, service in enumerate(worlds.scenario.service):
        offered, error = counts[:, s].mean(), counts[:, s].std(ddof=1) / np.sqrt(len(counts))
        expected = service.share * worlds.scenario.arrivals.rate_jobs_s * seconds
        assert abs(offered - expected) < 3.0 * error + (0.5 if error == 0.0 else 0.0), service.name


def test_replay_runs_round(draw):
    """Over the trace's end and once more, with no row left out nor twice."""
    batch, seconds = batch_env("azure", 1), 2.2 * ROUND_S
    batch.reset(3)
    start_s = sources(batch)["start_s"][0].copy()
    _, jobs = draw(batch, seconds)
    assert (np.diff(jobs["arrival_s"]) >= 0.0).all()
    for s, service in enumerate(batch.scenario.service):
        check_replay(jobs[jobs["service"] == s], start_s[s], service, batch.scenario.arrivals.rate_jobs_s, seconds)


def test_replay_starts_at_any_time_of_the_trace(worlds):
    worlds.reset(1)
    for s, service in enumerate(worlds.scenario.service):
        _, round_s = replayed(service.trace, 0.0, 1.0, 1.0)
        assert stats.kstest(sources(worlds)["start_s"][:, s] / round_s, "uniform").pvalue > 1e-3
    one, other = (sources(worlds)["start_s"][:, s] for s in range(2))
    assert abs(np.corrcoef(one, other)[0, 1]) < 4.0 / np.sqrt(worlds.num_worlds)


def test_replay_gives_its_jobs_to_ues_at_random(replay):
    batch, jobs = replay
    counts = np.bincount(jobs["ue"].astype(int), minlength=batch.scenario.num_ues)
    assert stats.chisquare(counts).pvalue > 1e-3
    ue = jobs["ue"][jobs["world"] == 0]
    assert abs(np.corrcoef(ue[1:], ue[:-1])[0, 1]) < 4.0 / np.sqrt(len(ue))


def test_a_round_of_the_trace_closes_with_its_mean_gap():
    batch = batch_env("azure", 1)
    for s, service in enumerate(batch.scenario.service):
        rows, row = trace_rows(service.trace), Look(batch).service(s)
        assert row.trace_rows == len(rows)
        assert row.trace_span_s == pytest.approx(np.ptp(rows[:, 0]) + np.diff(rows[:, 0]).mean())


def test_a_full_queue_rejects_what_arrives():
    """Nobody decides: each node keeps as many jobs as it has places, the rest is rejected at the instant of its arrival."""
    batch = batch_env("tiny", 1, **{"arrivals.rate_jobs_s": 400.0})
    batch.reset(4)
    rejected = []
    for _ in range(100):
        *_, info = batch.step(np.zeros((1, 3), np.int64))
        rejected += info["outcomes"].tolist()
        n = batch.counters()
        assert n.arrived[0] == n.rejected[0] + n.in_flight[0]
    assert n.rejected[0] == len(rejected) > 300
    names = info["outcomes"].dtype.names
    phase, arrival, end = (names.index(name) for name in ("phase", "arrival_s", "end_s"))
    assert all(row[phase] == 1 and row[arrival] == row[end] for row in rejected)
    assert n.in_flight[0] == len(Look(batch).jobs(QUEUED))


def test_a_full_queue_rejects_as_the_scenario_says(make_bench, make_service):
    """Of five jobs that come to a node with two places, and are held, three are rejected as they come."""
    bench = make_bench(["l40s"], ues_a_node=5, services=[make_service()], **{"serving.queue_jobs": 2})
    bench.reset(1)
    bench.send({u: 0.001 + 0.0001 * u for u in range(5)})
    outcomes = bench.step()
    assert [int(job) for job in outcomes["job"]] == [2, 3, 4]
    assert (outcomes["phase"] == REJECTED).all()
    assert [int(job.number) for job in bench.queue()] == [0, 1]
