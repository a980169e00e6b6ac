"""Loops: a job each period at the UEs that run them, whatever else happens; late or lost ones are counted; worth by the whole answer."""

import numpy as np
import pytest

from edge6g_env import batch_env
from edge6g_env._jit import njit
from edge6g_env.kernel.codes import EXPIRED, FINISHED
from eval.metrics import episode_metrics
from tests.kernel.inner import rng
from tests.looking import Look, ues

PERIOD_S, DEADLINE_S, EPISODE_S = 0.7, 0.5, 9.8
LOOP = {
    "service.chat.period_s": PERIOD_S,
    "service.chat.deadline_s": DEADLINE_S,
    "service.chat.share": 0.6,
    "service.assistant.share": 1.0,
}
WHOLE = {"time.episode_s": EPISODE_S, "time.warmup_s": 0.0, "time.drain_s": 0.0}
BURST = {"arrivals.kind": "burst", "arrivals.burst_ratio": 4.0, "arrivals.calm_s": 3.0, "arrivals.burst_s": 1.0}


@njit
def _uniform(seed, u, count):
    return rng.uniform(rng.world_key(seed, 0), rng.FOR_LOOP, u, count)


def loops_s(batch, seed, until_s):
    """{UE: instants} of the first service's loop before until_s, from the drawn phases."""
    found, period_s = {}, batch.scenario.service[0].period_s
    for u in batch.scenario.loop_ues[0]:
        instants_s = _uniform(seed, u, 0) * period_s + np.arange(int(until_s / period_s) + 2) * period_s
        found[u] = instants_s[instants_s < until_s]
    return found


def played(batch, policy, seed):
    """Outcomes of a whole episode in every world under a policy: a function of (mask, random stream)."""
    obs, stream, ended, running = batch.reset(seed), np.random.default_rng(seed), [], True
    while running:
        obs, _, _, truncated, info = batch.step(policy(obs["action_mask"], stream))
        ended.append(info["outcomes"])
        running = not truncated.any()
    return np.concatenate(ended)


def at_random(mask, stream):
    return np.where(mask == 1, stream.random(mask.shape), -1.0).argmax(axis=-1)


def hold(mask, stream):
    return np.zeros(mask.shape[:2], np.int64)


def reject(mask, stream):
    return mask[..., 1].astype(np.int64)


@pytest.mark.parametrize("slot_s", [0.01, 0.02, 0.05])
@pytest.mark.parametrize("arrivals", [{}, BURST], ids=["poisson", "burst"])
@pytest.mark.parametrize("policy", [at_random, hold, reject])
def test_a_loop_comes_each_period_whatever_slot_policy_and_batch(slot_s, arrivals, policy):
    """Every instant to the bit, and with the lengths that belong to (UE, number of the loop); also in the third world of a batch."""
    worlds = 3 if slot_s == 0.05 else 1
    batch = batch_env("tiny", worlds, **LOOP, **WHOLE, **arrivals, **{"time.slot_s": slot_s})
    outcomes = played(batch, policy, seed=7)
    trace = batch.scenario.service[0].lengths()
    for b in range(worlds):
        mine = outcomes[(outcomes["world"] == b) & (outcomes["service"] == 0)]
        mine = mine[np.argsort(mine["arrival_s"])]
        expected = []
        for u, instants_s in loops_s(batch, 7 + b, EPISODE_S).items():
            rows = [int(_uniform(7 + b, u, 1 + n) * len(trace)) for n in range(len(instants_s))]
            expected += [(at_s, *trace[row, 1:]) for at_s, row in zip(instants_s, rows, strict=True)]
        found = np.stack([mine["arrival_s"], mine["prompt_tokens"], mine["output_tokens"]], axis=1)
        assert np.array_equal(found, np.array(sorted(expected)))
        assert len(found) > 90


@pytest.mark.parametrize("policy", [at_random, hold, reject])
def test_missed_and_met_are_all_loops(policy):
    """In time, late, turned away, expired or cut by the end: each loop is one or the other."""
    batch = batch_env("tiny", 1, **LOOP, **WHOLE)
    outcomes = played(batch, policy, seed=3)
    loops = outcomes[outcomes["service"] == 0]
    in_time = (loops["phase"] == FINISHED) & (loops["end_s"] - loops["arrival_s"] <= DEADLINE_S)
    assert np.array_equal(loops["slo_met"] == 1, in_time)
    number = sum(map(len, loops_s(batch, 3, EPISODE_S).values()))
    assert in_time.sum() + (~in_time).sum() == len(loops) == number
    share = episode_metrics(outcomes, EPISODE_S, 1.0)["missed_share"]
    assert share * number == pytest.approx((~in_time).sum())
    assert policy is at_random or share == 1.0
    assert (loops["deadline_s"] == DEADLINE_S).all()
    assert (outcomes["deadline_s"][outcomes["service"] == 1] == 0.0).all()


@pytest.mark.parametrize("arrivals", [{}, BURST], ids=["poisson", "burst"])
@pytest.mark.parametrize("share", [0.6, 1.0])
def test_other_jobs_come_at_their_rate_from_the_ues_without_a_loop(draw, arrivals, share):
    """From all if each has one; from each as often; a loop takes nothing off them."""
    worlds, seconds = 512, 40.0
    batch = batch_env("tiny", worlds, **{**LOOP, "service.chat.share": share}, **arrivals, **{"time.episode_s": 100.0})
    batch.reset(1)
    counts, jobs = draw(batch, seconds)
    rate_jobs_s = batch.scenario.arrivals.rate_jobs_s
    error = counts[:, 1].std(ddof=1) / np.sqrt(worlds)
    assert counts[:, 1].mean() == pytest.approx(rate_jobs_s * seconds, abs=4.0 * error)
    number = [sum(map(len, loops_s(batch, 1 + b, seconds).values())) for b in range(8)]
    assert counts[:8, 0].tolist() == number
    drawn, looped = (set(jobs["ue"][jobs["service"] == s].astype(int)) for s in (1, 0))
    assert drawn == set(batch.scenario.drawn_ues)
    assert looped == set(batch.scenario.loop_ues[0])
    assert (drawn == looped) == (share == 1.0)
    assert (np.diff(jobs["arrival_s"]) >= 0.0).all()


def test_phases_are_spread_over_the_period():
    batch = batch_env("tiny", 512, **LOOP)
    batch.reset(1)
    phases = ues(batch)["loop_phase_s"][:, list(batch.scenario.loop_ues[0])].ravel() / PERIOD_S
    # Kolmogorov-Smirnov, 1 in 1000
    assert np.abs(np.sort(phases) - (np.arange(len(phases)) + 0.5) / len(phases)).max() < 1.95 / np.sqrt(len(phases))


def test_all_loops_may_come_in_one_slot(make_bench, make_service):
    """As many as there are UEs, with the fewest rows that a scenario may have for them: each is counted and has an outcome."""
    services = [make_service(ttft_slo_s=None, tpot_slo_s=None, deadline_s=0.02, period_s=0.02)]
    bench = make_bench(["l4"], 8, services, **{"job_rows_per_node": 16, "time.slot_s": 0.02, "serving.queue_jobs": 1})
    bench.reset(1)
    world = bench.batch.world
    world.ue["next_loop_s"][0] = world.ue["loop_phase_s"][0] = 0.01
    world.episode["next_arrival_s"][0] = 0.01
    assert len(bench.step()) == 7  # one waits, there is no room for the others
    bench.step()
    n = bench.batch.counters()
    assert (n.arrived[0], n.rejected[0], n.in_flight[0]) == (16, 15, 1)


@pytest.mark.parametrize(("output", "deadline_s"), [(50.0, 9.0), (50.0, 0.5), (1.0, 0.1)])
def test_worth_is_value_times_quality_times_deadline_over_latency(make_bench, make_service, output, deadline_s):
    service = make_service(ttft_slo_s=None, tpot_slo_s=None, deadline_s=deadline_s, value=7.0)
    bench = make_bench(["l4"], services=[service])
    bench.reset(1)
    bench.lengths(200.0, output)
    bench.send({0: 0.001})
    (job,) = bench.run("local, int8", 1)
    latency_s = job["end_s"] - job["arrival_s"]
    reward = bench.scenario.reward
    costs = reward.price_per_usd * job["price_usd"] + reward.energy_per_j * job["energy_j"]
    late = min(1.0, deadline_s / latency_s)
    assert job["worth"] == pytest.approx(7.0 * job["quality"] * late - costs, abs=1e-12)
    assert job["slo_met"] == (latency_s <= deadline_s)
    assert (deadline_s == 9.0) == (job["slo_met"] == 1)


@pytest.mark.parametrize("name", ["local, int8", "local, 1 on the device, int4", "neighbour 1, int4", "cloud, int8"])
def test_candidates_forecast_the_whole_answer(make_bench, make_service, name):
    """Timeliness and utility of a lone job with the outputs that are expected: as it turns out, within 3 %."""
    service = make_service(model="llama-3.2-3b", ttft_slo_s=None, tpot_slo_s=None, deadline_s=0.2, value=5.0)
    bench = make_bench(["l4", "l40s"], services=[service], **{"serving.preload": ["llama-3.2-3b"]})
    u = bench.reset_with_ue(0)
    bench.lengths(300.0, 60.0)
    bench.send({u: 0.001})
    bench.step()
    layout, row = bench.batch.layout, bench.obs["candidates"][0, 0, bench.action(name)]
    predicted = {key: float(row[layout.candidate_index(key)]) for key in ("timeliness", "utility")}
    (job,) = bench.run(name, 1)
    late = 0.2 / (job["end_s"] - job["arrival_s"])
    assert late < 0.9
    assert predicted["timeliness"] == pytest.approx(late, rel=0.03)
    assert predicted["utility"] == pytest.approx(job["worth"], rel=0.03)


def test_an_answer_that_comes_too_late_is_a_missed_loop(make_bench, make_service):
    """It expires, and the loop goes on."""
    service = make_service(ttft_slo_s=None, tpot_slo_s=None, deadline_s=0.2, period_s=0.5, expire_s=0.4)
    bench = make_bench(["l4"], 1, [service])
    bench.batch.reset(1)
    bench.outcomes = []
    jobs = bench.run("hold", 4)
    assert all(job["phase"] == EXPIRED and job["slo_met"] == 0 for job in jobs)
    assert np.diff([job["arrival_s"] for job in jobs]) == pytest.approx(np.full(3, 0.5))
    assert jobs[0]["worth"] == -bench.scenario.reward.expired_cost


def test_what_agents_see_of_it():
    """Deadline and value of the job at the head; no objectives that do not count."""
    batch = batch_env("tiny", 4, **LOOP, **{"service.chat.value": 3.0})
    obs, seen = batch.reset(2), set()
    at = [batch.layout.observation_index(f"job/{name}") for name in ("ttft_slo_s", "tpot_slo_s", "deadline_s", "value")]
    for _ in range(150):
        obs, *_ = batch.step(reject(obs["action_mask"], None))
        for b, i in zip(*np.nonzero(batch.deciding() >= 0), strict=True):
            service = int(Look(batch, b).queue(i)[0].service)
            seen.add((service, *np.round(obs["observation"][b, i, at].astype(float), 4).tolist()))
    other = batch.scenario.service[1]
    assert seen == {(0, 0.0, 0.0, DEADLINE_S, 3.0), (1, other.ttft_slo_s, other.tpot_slo_s, 0.0, 1.0)}
