"""How jobs end: nothing is lost, and each end costs what the scenario says."""

import numpy as np
import pytest

import edge6g_env
from edge6g_env import batch_env
from edge6g_env.kernel.codes import CUT, EXPIRED, FINISHED, REJECTED
from tests.short import shortened

EPISODE = shortened("tiny", 4.0, 1.0, 1.0)


@pytest.mark.parametrize("scenario", edge6g_env.scenarios())
@pytest.mark.parametrize("rate", [1.0, 10.0, 200.0])
def test_every_job_has_exactly_one_end(scenario, rate, legal):
    """Over whole episodes: numbers of outcomes are each job's once, and add up to the counters."""
    more = {"arrivals.kind": "poisson", "arrivals.rate_jobs_s": rate, **shortened(scenario, 4.0, 1.0, 1.0)}
    batch, rng = batch_env(scenario, 2, debug=True, **more), np.random.default_rng(1)
    obs = batch.reset(1)
    ended = [[], []]
    for _ in range(round(batch.scenario.time.episode_s / batch.scenario.time.slot_s)):
        obs, _, _, truncated, info = batch.step(legal(obs["action_mask"], rng))
        for row in info["outcomes"]:
            ended[row["world"]].append((int(row["job"]), int(row["phase"])))
        n = batch.counters()
        assert (n.arrived == n.finished + n.rejected + n.expired + n.failed + n.in_flight).all()
    assert truncated.all()
    for b in range(2):
        assert sorted(number for number, _ in ended[b]) == list(range(n.arrived[b]))
        phases = [phase for _, phase in ended[b]]
        assert phases.count(FINISHED) == n.finished[b]
        assert phases.count(REJECTED) == n.rejected[b]
        # what was under way at the end has expired, or was cut, in the same step
        assert phases.count(EXPIRED) + phases.count(CUT) == n.expired[b] + n.in_flight[b]


def test_measured_are_those_between_warm_up_and_drain(legal):
    """And at the end of the episode: of the unfinished, the measured ones expire, the others are cut and cost nothing."""
    more = {"arrivals.rate_jobs_s": 30.0, **EPISODE}
    batch, rng = batch_env("tiny", 4, **more), np.random.default_rng(2)
    obs, rows = batch.reset(2), []
    for _ in range(200):
        obs, _, _, truncated, info = batch.step(legal(obs["action_mask"], rng))
        rows.append(info["outcomes"])
    last, rows = rows[-1], np.concatenate(rows)
    assert truncated.all()
    assert np.array_equal(rows["measured"] == 1, (rows["arrival_s"] >= 1.0) & (rows["arrival_s"] < 3.0))
    swept = last[last["end_s"] == 4.0]
    assert set(swept["phase"].tolist()) == {EXPIRED, CUT}
    assert np.array_equal(swept["phase"] == EXPIRED, swept["measured"] == 1)
    cut = rows[rows["phase"] == CUT]
    assert len(cut) > 0
    assert (cut["measured"] == 0).all()
    assert (cut["worth"] == 0.0).all()


@pytest.mark.parametrize("decided", [True, False])
def test_a_job_expires_at_its_age(make_bench, make_service, decided):
    """In the queue of decisions or under way: in the first slot that ends at its age or later."""
    bench = make_bench(["l4"], services=[make_service(expire_s=1.5)])
    bench.reset(1)
    bench.lengths(100.0, 5000.0)
    bench.send({0: 0.015})
    (job,) = bench.run("local, int8" if decided else "hold", 1)
    assert job["phase"] == EXPIRED
    assert job["end_s"] == pytest.approx(1.52)
    assert job["worth"] <= -bench.scenario.reward.expired_cost
    assert job["quality"] == job["slo_met"] == 0
    assert bench.server(0).kv_bytes == 0.0
    assert bench.users() == 0
    assert bench.all_rows_are_free()


def test_a_rejected_job_costs_the_rejection(make_bench):
    bench = make_bench(["l4"])
    bench.reset(1)
    bench.send({0: 0.001})
    (job,) = bench.run("reject", 1)
    assert job["phase"] == REJECTED
    assert job["worth"] == -bench.scenario.reward.rejected_cost
    assert job["ttft_s"] == job["tpot_s"] == -1.0
    assert job["slot"] == 1
    assert job["end_s"] == pytest.approx(bench.slot_s)


@pytest.mark.parametrize(
    ("output", "ttft_slo_s", "tpot_slo_s"), [(50.0, 9.0, 0.1), (50.0, 0.5, 0.1), (50.0, 9.0, 0.01), (1.0, 0.5, 0.1)]
)
def test_worth_is_quality_times_timeliness_less_the_costs(make_bench, make_service, output, ttft_slo_s, tpot_slo_s):
    """Timeliness: the objective over the time where it is missed, for both objectives; a job of one token has no TPOT."""
    service = make_service(ttft_slo_s=ttft_slo_s, tpot_slo_s=tpot_slo_s, exposure_cost=0.03)
    bench = make_bench(["l4"], services=[service])
    bench.reset(1)
    bench.lengths(200.0, output)
    bench.send({0: 0.001})
    (job,) = bench.run("local, int8", 1)
    late = min(1.0, ttft_slo_s / job["ttft_s"])
    if output > 1.0:
        late *= min(1.0, tpot_slo_s / job["tpot_s"])
    reward = bench.scenario.reward
    costs = reward.price_per_usd * job["price_usd"] + reward.energy_per_j * job["energy_j"] + 0.03
    assert (job["exposure_device"], job["exposure_site"]) == (1.0, 0.0)
    assert job["worth"] == pytest.approx(job["quality"] * late - costs, abs=1e-12)
    assert job["slo_met"] == (late == 1.0)


def test_a_storm_of_arrivals_stays_within_its_arrays(python):
    """More arrivals in a slot than a step has outcome rows: interpreted, so that an index beyond an array raises."""
    code = """
import numpy as np
from edge6g_env import batch_env
batch = batch_env("tiny", 1, **{"arrivals.rate_jobs_s": 3e4, "ues.per_node": 1, "job_rows_per_node": 4})
batch.reset(1)
for _ in range(2):
    batch.step(np.zeros((1, 3), np.int64))
n = batch.counters()
print(int(n.arrived[0]), int(n.rejected[0] + n.in_flight[0]))
"""
    arrived, accounted = map(int, python(code, NUMBA_DISABLE_JIT="1").split())
    assert arrived == accounted > 500
