"""What a message pays beside its bits: access latency in the TDD pattern, and a round trip for each block that fails."""

import math

import numpy as np
import pytest
from scipy import stats

from edge6g_env import radio
from edge6g_env._jit import njit
from tests.kernel.inner import rates, rng

JOBS = 20_000
UPLOAD, FIRST, LAST = range(3)


@njit
def access_s(w, out):
    """out[n]: access latencies of job number n, of the upload, the first and the last token."""
    job = w.job[0, 0]
    for n in range(out.shape[0]):
        job.number = n
        out[n, 0] = rates.uplink_access_s(w, 0, job, rates.UPLOAD)
        out[n, 1] = rates.downlink_access_s(w, 0, job, rates.FIRST_TOKEN)
        out[n, 2] = rates.downlink_access_s(w, 0, job, rates.LAST_TOKEN)


@njit
def harq_s(w, error_rate, out):
    job = w.job[0, 0]
    for n in range(out.shape[0]):
        job.number = n
        for message in range(out.shape[1]):
            out[n, message] = rates.retransmission_s(w, 0, job, message, error_rate)


@njit
def mean_harq_s(w, error_rate):
    return rates.mean_retransmission_s(w.band[0], error_rate)


@njit
def draws(w, purpose, number, out):
    for n in range(out.shape[0]):
        out[n] = rng.uniform(w.episode[0].key, purpose, number, n)


def quiet(make_air, name):
    return make_air(1, **{"radio.presets": [name], "ues.per_node": 1}).reset(1)


@pytest.mark.parametrize("name", radio.presets())
def test_mean_access_latency_is_that_of_the_preset(make_air, name):
    """CHANNEL 11b over many jobs, within four standard errors; never less than slot and processing, never more than the worst phases."""
    air, preset, seen = quiet(make_air, name), radio.preset(name), np.zeros((JOBS, 3))
    access_s(air.handle, seen)
    least_s, gap_s = preset.slot_s + preset.processing_s, preset.tdd_period_s - 3.0 * preset.slot_s
    grant_s = preset.k2_slots * preset.slot_s
    for message, mean_s, low_s, high_s in (
        (UPLOAD, preset.uplink_grant_latency_s, grant_s, preset.sr_period_s + gap_s + grant_s + preset.tdd_period_s),
        (FIRST, preset.downlink_latency_s, 0.0, gap_s),
        (LAST, preset.downlink_latency_s, 0.0, gap_s),
    ):
        mine_s = seen[:, message]
        assert mine_s.mean() == pytest.approx(mean_s, abs=4.0 * mine_s.std() / math.sqrt(JOBS))
        assert mine_s.min() >= low_s + least_s
        assert mine_s.max() <= high_s + least_s
        assert mine_s.max() - mine_s.min() > 0.9 * (high_s - low_s) - 0.1 * preset.sr_period_s * (message == UPLOAD)
    assert abs(np.corrcoef(seen[:, FIRST], seen[:, LAST])[0, 1]) < 4.0 / math.sqrt(JOBS)
    assert abs(np.corrcoef(seen[:, UPLOAD], seen[:, LAST])[0, 1]) < 4.0 / math.sqrt(JOBS)


def next_start_s(phase, starts, period_s):
    """Wait from a phase of the period for the next of the slot starts in it, by looking at each."""
    return min(
        start - phase * period_s for start in [*starts, *(period_s + s for s in starts)] if start >= phase * period_s
    )


def slow_access_s(world, preset, number):
    """(upload, first token, last token) of a job: request, grant, transmission in a DDDSU pattern, from the draws of its number."""
    phase = np.zeros(12)
    draws(world, rng.FOR_ACCESS, number, phase)
    down = [n * preset.slot_s for n in range(4)]
    wait_s = [next_start_s(p, down, preset.tdd_period_s) for p in phase]
    fixed_s = preset.slot_s + preset.processing_s
    upload_s = preset.sr_period_s * phase[0] + wait_s[1] + preset.k2_slots * preset.slot_s
    upload_s += next_start_s(phase[2], [0.0], preset.tdd_period_s) + fixed_s
    return upload_s, wait_s[4] + fixed_s, wait_s[8] + fixed_s


@pytest.mark.parametrize("name", ["fr1_3g5_micro", "fr2_28g"])
def test_access_latency_is_request_grant_and_the_next_slot_of_the_pattern(make_air, name):
    air, preset, seen = quiet(make_air, name), radio.preset(name), np.zeros((200, 3))
    access_s(air.handle, seen)
    expected = [slow_access_s(air.handle, preset, n) for n in range(200)]
    assert seen == pytest.approx(np.array(expected), abs=1e-12)


@pytest.mark.parametrize("error_rate", [0.0, 0.1, 0.5, 0.9])
def test_each_failed_block_costs_a_round_trip(make_air, error_rate):
    """Round trips are geometric, n of them with probability e^n (1 - e): mean rtt e / (1 - e)."""
    air, preset, seen = quiet(make_air, "fr1_3g5_micro"), radio.preset("fr1_3g5_micro"), np.zeros((JOBS, 3))
    harq_s(air.handle, error_rate, seen)
    trips = np.rint(seen / preset.harq_rtt_s)
    assert preset.harq_rtt_s == 0.004
    assert seen == pytest.approx(trips * preset.harq_rtt_s)
    for n in range(4):
        share = error_rate**n * (1.0 - error_rate)
        assert (trips == n).mean() == pytest.approx(share, abs=4.0 * math.sqrt(share * (1.0 - share) / trips.size))
    mean_s = preset.harq_rtt_s * error_rate / (1.0 - error_rate)
    assert seen.mean() == pytest.approx(mean_s, abs=4.0 * seen.std() / math.sqrt(seen.size))
    assert mean_harq_s(air.handle, error_rate) == pytest.approx(mean_s)
    if error_rate:
        assert abs(np.corrcoef(seen[:, FIRST], seen[:, LAST])[0, 1]) < 4.0 / math.sqrt(JOBS)


# --- the same in the times of jobs --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair(make_bench):
    """The same bench with fixed latencies and with drawn ones."""
    return [make_bench(["l40s"], 1, drawn=drawn) for drawn in (False, True)]


@pytest.mark.parametrize("output", [1.0, 30.0])
def test_a_job_pays_its_own_draws_once_for_the_upload_and_once_for_each_end_of_its_answer(pair, handle, output):
    drawn_world = handle(pair[1].batch)
    times, preset = [], radio.preset("fr1_3g5_micro")
    for bench in pair:
        bench.reset(1)
        bench.lengths(200.0, output)
        jobs = []
        for _ in range(20):
            bench.send({0: bench.now_s + 0.013})
            jobs += bench.run("local, fp16", 1)
        times.append(np.array([(job["ttft_s"], job["end_s"] - job["arrival_s"]) for job in jobs]))
    fixed_s = preset.slot_s + preset.processing_s
    for n, (fixed, drawn) in enumerate(zip(*times, strict=True)):
        upload_s, first_s, last_s = slow_access_s(drawn_world, preset, n)
        up = upload_s - preset.k2_slots * preset.slot_s - fixed_s
        assert drawn[0] - fixed[0] == pytest.approx(up + first_s - fixed_s, abs=2e-6)
        end_s = up + (last_s if output > 1.0 else first_s) - fixed_s
        assert drawn[1] - fixed[1] == pytest.approx(end_s, abs=2e-6)
    assert stats.tstd((times[1] - times[0])[:, 0]) > 1e-3
