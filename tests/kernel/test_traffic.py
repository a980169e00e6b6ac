"""Arrivals: Poisson instants, shares, pairs of lengths from the traces, replay in the trace's own order."""

import csv
from importlib import resources

import numpy as np
import pytest
from scipy import stats

from edge6g_env import batch_env
from edge6g_env.kernel.world import QUEUED

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
    found = {}
    for _ in range(round(seconds / batch.scenario.time.slot_s)):
        queued = batch.world.node["n_queue"] > 0
        batch.step(queued.astype(np.int64))
        for b in range(batch.num_worlds):
            job = batch.world.job[b]
            for row in job[FIELDS][job["stage"] == QUEUED].tolist():
                found[b, row[0]] = row
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
        assert batch.world.service["mean_output_tokens"][s] == pytest.approx(rows[:, 2].mean())


@pytest.fixture(scope="module")
def replay():
    batch = batch_env("azure", 4, **{"arrivals.rate_jobs_s": 40.0, "time.episode_s": 100.0})
    batch.reset(2)
    return batch, arrivals_of(batch, 30.0)


def test_replay_is_the_traces_own_sequence(replay):
    """From its starting row on, in order, with gaps scaled so that the mean rate is the service's share of the scenario's."""
    batch, jobs = replay
    starts = set()
    for b in range(batch.num_worlds):
        for s, service in enumerate(batch.scenario.service):
            rows = trace_rows(service.trace)
            mine = np.sort(jobs[(jobs["world"] == b) & (jobs["service"] == s)], order="arrival_s")
            first = int(batch.world.replay["first_row"][b, s])
            starts.add((s, first))
            expected = rows[(first + np.arange(len(mine))) % len(rows)]
            assert np.array_equal(mine["prompt_tokens"], expected[:, 1])
            assert np.array_equal(mine["output_tokens"], expected[:, 2])
            span_s = (rows[-1, 0] - rows[0, 0]) * len(rows) / (len(rows) - 1)  # the last row's gap is the mean one
            scale = (len(rows) / span_s) / (service.share * 40.0)
            gaps = np.diff(expected[:, 0])
            gaps = np.where(gaps < 0.0, gaps + span_s, gaps)
            assert np.diff(mine["arrival_s"]) == pytest.approx(gaps * scale, abs=1e-6)
            assert len(mine) > 100
    assert len(starts) == batch.num_worlds * len(batch.scenario.service)


def test_replay_runs_on_over_the_end_of_the_trace():
    batch = batch_env("azure", 1, **{"arrivals.rate_jobs_s": 40.0, "time.episode_s": 100.0})
    batch.reset(3)
    name = batch.scenario.service[0].trace
    rows = trace_rows(name)
    batch.world.replay["first_row"][0, 0] = len(rows) - 5
    batch.world.replay["next_row"][0, 0] = 0
    jobs = arrivals_of(batch, 3.0)
    mine = np.sort(jobs[jobs["service"] == 0], order="arrival_s")
    expected = rows[(len(rows) - 5 + np.arange(len(mine))) % len(rows)]
    assert len(mine) > 10
    assert np.array_equal(mine["prompt_tokens"], expected[:, 1])
    assert (np.diff(mine["arrival_s"]) >= 0.0).all()


def test_replay_gives_its_jobs_to_ues_at_random(replay):
    batch, jobs = replay
    counts = np.bincount(jobs["ue"].astype(int), minlength=batch.scenario.num_ues)
    assert stats.chisquare(counts).pvalue > 1e-3
    ue = jobs["ue"][jobs["world"] == 0]
    assert abs(np.corrcoef(ue[1:], ue[:-1])[0, 1]) < 4.0 / np.sqrt(len(ue))


def test_a_round_of_the_trace_closes_with_its_mean_gap():
    batch = batch_env("azure", 1)
    for s, service in enumerate(batch.scenario.service):
        rows, row = trace_rows(service.trace), batch.world.service[s]
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
    rows = batch.world.job.shape[1] - 1
    assert n.in_flight[0] == batch.world.node["n_queue"].sum() <= rows
