"""The way of the tokens back to the UE: nothing arrives while the downlink is down, and the node does not wait for it."""

import numpy as np
import pytest

from edge6g_env import batch_env, radio
from edge6g_env.kernel.codes import DECODE, DOWNLINK, EXPIRED, FINISHED, INGRESS, NODE_PREFILL
from edge6g_env.trace_files import read_trace
from tests.looking import Look, ues

CELL = radio.preset("fr1_3g5_micro")
DOWN_S = CELL.slot_s + CELL.processing_s  # of a bench's downlink
TOKEN_S = 32.0 / (
    4 * 7.40625 * 1e8 * CELL.downlink_share * (1.0 - CELL.overhead_downlink)
)  # an id, top MCS, four layers
STEP_S = (
    0.02  # fading grid and slot: an outage is over one step after the fade, since that step's MCS was chosen before
)
SMALL = "llama-3.2-3b"
CUT, WHOLE = "local, 0.25 on the device, int8", "local, 1 on the device, int4"


def fade(bench, by_db):
    """So much loss on every link that nothing gets through; UEs at rest keep it."""
    bench.weaken(by_db)


def until_stage(bench, name, stage, output, prompt=400.0):
    """Step until the only job comes to a stage; the job."""
    bench.reset(1)
    bench.lengths(prompt, output)
    bench.send({0: 0.013})
    while not bench.jobs(stage):
        assert bench.now_s < 100.0
        bench.step(name)
    return bench.jobs()[0]


@pytest.fixture(scope="module")
def one(make_bench):
    return make_bench(["l40s"])


@pytest.fixture(scope="module")
def small(make_bench, make_service):
    return make_bench(["l40s"], services=[make_service(model=SMALL)])


@pytest.mark.parametrize("stop", ["handover", "outage"])
def test_the_first_token_waits_for_the_downlink(one, stop):
    """The prompt is computed and tokens are generated meanwhile; the time to first token goes on until the air is there again."""
    job = until_stage(one, "local, fp16", NODE_PREFILL, 4000.0)
    back_s = one.now_s + 8.0
    one.silence(back_s) if stop == "handover" else fade(one, 300.0)
    while one.now_s < back_s - 1e-9:
        one.step()
        assert job.first_token_s == -1.0
    if stop == "outage":
        fade(one, -300.0)
    assert job.done_tokens > 10.0
    one.step(), one.step()
    delay_s = job.first_token_s - back_s
    assert delay_s == pytest.approx(DOWN_S + TOKEN_S + (stop == "outage") * STEP_S, abs=1e-9)


@pytest.mark.parametrize("output", [1.0, 40.0])
@pytest.mark.parametrize("n_substeps", [1, 3])
def test_an_answer_that_was_ready_arrives_when_the_interruption_ends_whatever_the_substep(
    make_bench, output, n_substeps
):
    bench = make_bench(["l40s"], **{"time.n_substeps": n_substeps})
    until_stage(bench, "local, fp16", NODE_PREFILL, output)
    back_s = bench.now_s + 8.0071
    bench.silence(back_s)
    (job,) = bench.run("hold", 1)
    assert job["phase"] == FINISHED
    assert job["end_s"] - back_s == pytest.approx(DOWN_S + TOKEN_S, abs=1e-9)
    assert job["arrival_s"] + job["ttft_s"] == pytest.approx(job["end_s"], abs=1e-9)


@pytest.mark.parametrize("stop", ["handover", "outage"])
def test_node_and_weights_are_free_while_the_last_token_waits(one, stop):
    waiting = until_stage(one, "local, fp16", DECODE, 40.0)
    one.silence(1e9) if stop == "handover" else fade(one, 300.0)
    while waiting.stage != DOWNLINK:
        assert one.now_s < 60.0
        one.step()
    for _ in range(20):
        one.step()
        assert (waiting.stage, waiting.done_tokens) == (DOWNLINK, 40.0)
        assert (one.server(0).n_admitted, one.server(0).kv_bytes, one.users()) == (0, 0.0, 0)
        assert one.part(waiting, INGRESS).kv_bytes == 0.0
    one.silence(0.0), fade(one, 0.0 if stop == "handover" else -300.0)
    (job,) = one.run("hold", 1)
    assert job["phase"] == FINISHED
    assert job["end_s"] > job["arrival_s"] + job["ttft_s"] + 0.4  # the last token came late, not the first


def test_in_the_meantime_the_node_serves_another(make_bench):
    """Weights in use are never evicted; here another model's job makes room by evicting those of the one that only waits."""
    bench = make_bench(["l4"], ues_a_node=2)
    until_stage(bench, "local, fp16", DECODE, 40.0)
    bench.silence(1e9, 0)
    while not bench.jobs(DOWNLINK):
        bench.step()
    bench.send({1: bench.now_s + 0.001})
    bench.step(), bench.step("local, int8")  # 16 and 8 GB do not fit an L4 of 24 GB together with their KV
    (job,) = bench.run("hold", 1)
    assert (job["phase"], job["job"]) == (FINISHED, 1)
    assert len(bench.jobs()) == 1


def test_an_answer_that_cannot_be_delivered_expires(make_bench, make_service):
    bench = make_bench(["l40s"], services=[make_service(expire_s=20.0)])
    until_stage(bench, "local, fp16", DECODE, 40.0)
    fade(bench, 300.0)
    (job,) = bench.run("hold", 1)
    assert job["phase"] == EXPIRED
    assert bench.now_s == pytest.approx(20.02, abs=0.02)


@pytest.mark.parametrize("stop", ["handover", "outage"])
def test_a_stream_cut_behind_the_device_stands_still_while_the_air_is_down(small, stop):
    """Every token of it crosses the air: the one under way is the last one, at no more energy; then it goes on at its old pace."""
    job = until_stage(small, CUT, DECODE, 4000.0)
    for _ in range(10):
        small.step()
    before = job.copy()
    for _ in range(10):
        small.step()
    pace = job.done_tokens - before["done_tokens"]
    back_s, before = small.now_s + 1.0, job.copy()
    whole = np.floor(before["done_tokens"]) + 1.0
    small.silence(back_s) if stop == "handover" else fade(small, 300.0)
    while job.done_tokens < whole - 1e-9:
        assert small.now_s < back_s - 0.5
        small.step()
    before = job.copy()
    assert before["done_tokens"] == pytest.approx(whole, abs=1e-9)
    while small.now_s < back_s - 1e-9:
        small.step()
        for name in ("done_tokens", "air_bytes", "energy_j", "price_usd"):
            assert job[name] == before[name], name
    small.silence(0.0), fade(small, 0.0 if stop == "handover" else -300.0)
    for _ in range(10 + (stop == "outage")):
        small.step()
    assert pace > 3.0
    assert job.done_tokens - before["done_tokens"] == pytest.approx(pace, rel=0.02)


def test_a_stream_cut_behind_the_device_asks_for_the_channel_once_a_token(make_bench, make_service):
    """Two runs that are the same until one's transmitters get worse amid a token: that token takes its time in both, those after it
    take longer in the one, and no token sees two rates."""
    steps = {"time.slot_s": 0.005, "radio.fading_period_s": 0.005}
    bench = make_bench(["l40s"], services=[make_service(model=SMALL)], **steps)
    done, rate_bit_s = {}, {}
    for evm_floor in (1e-6, 0.1):
        bench.bands["evm_floor"][...] = 1e-6
        job = until_stage(bench, "local, 0.5 on the device, int8", DECODE, 4000.0)
        while not 10.3 < job.done_tokens < 10.7:
            bench.step()
        bench.bands["evm_floor"][...] = evm_floor
        found = set()
        done[evm_floor] = []
        for _ in range(100):
            bench.step()
            done[evm_floor].append(job.done_tokens)
            found.add((job.message_token, job.message_bit_s))
        rate_bit_s[evm_floor] = dict(found)
        assert len(rate_bit_s[evm_floor]) == len(found) > 3
    first, second = np.array(done[1e-6]), np.array(done[0.1])
    same = first <= 11.0
    assert same.sum() > 2  # grid steps within the token
    assert np.array_equal(first[same], second[same])
    assert (second[~same] < first[~same]).all()
    assert rate_bit_s[0.1][10.0] == rate_bit_s[1e-6][10.0] > 2.0 * rate_bit_s[0.1][12.0]


def test_a_job_on_its_device_does_not_need_the_air(small):
    times = []
    for quiet in (False, True):
        small.reset(1)
        small.lengths(100.0, 20.0)
        small.send({0: 0.013})
        if quiet:
            small.silence(1e9), fade(small, 300.0)
        (job,) = small.run(WHOLE, 1)
        times.append((job["ttft_s"], job["tpot_s"], job["phase"]))
    assert times[0] == times[1]
    assert times[0][2] == FINISHED


def test_an_answer_from_a_neighbour_or_the_cloud_comes_back_over_the_link(make_bench):
    """The same job at equal accelerators, links of 0.2 s: the first token takes the link there and back, the last one back as well."""
    bench, ends = make_bench(["l40s", "l40s"], **{"xn.delay_s": 0.2, "xn.rate_bit_s": 1e15}), {}
    for name in ("local, int8", "neighbour 1, int8"):
        bench.reset(next(seed for seed in range(1, 50) if bench.reset(seed) is None and bench.ues_of(0)))
        bench.lengths(400.0, 30.0)
        bench.send({bench.ues_of(0)[0]: 0.013})
        (job,) = bench.run(name, 1)
        ends[name] = np.array([job["ttft_s"], job["tpot_s"]])
    more_s = ends["neighbour 1, int8"] - ends["local, int8"]
    assert more_s == pytest.approx([0.4, 0.0], abs=1e-3)


def test_no_token_arrives_during_an_interruption():
    """Fast walkers among people at 28 GHz, cells changed at once, 0.2 s of silence each time. Only what was on the way when the
    handover came may arrive after it: some milliseconds of access, block errors and a hop."""
    on_the_way_s, silent_s, slot_s = 0.012, 0.2, 0.02
    service = {"name": "chat", "model": "llama-3.1-8b", "privacy": "open", "share": 1.0, "trace": "azure_conv_2023"}
    slo = {"ttft_slo_s": 2.0, "tpot_slo_s": 0.1, "expire_s": 60.0, "exposure_cost": 0.0}
    more = {
        "time.slot_s": slot_s,
        "ues.speed_min_m_s": 10.0,
        "ues.speed_max_m_s": 20.0,
        "ues.pause_s": 0.0,
        "ues.per_node": 16,
        "radio.presets": ["fr2_28g"],
        "radio.blockers_per_m2": 0.1,
        "radio.time_to_trigger_s": 0.0,
        "radio.handover_hysteresis_db": 0.0,
        "radio.handover_interruption_s": silent_s,
        "arrivals.rate_jobs_s": 30.0,
        "service": [{**service, **slo}],
    }
    batch = batch_env("tiny", 4, debug=True, **more)
    batch.reset(1)
    looks, local = [Look(batch, b) for b in range(4)], batch.action_names.index("local, int4")
    trace = read_trace(service["trace"])
    looks[0].lengths(*np.minimum(trace[:, 1:], 60.0).T, 60.0)
    handovers, ue_of, ended = {}, {}, []
    for _ in range(1500):
        seen = ues(batch)["handover_s"].copy()
        *_, info = batch.step(np.where(batch.deciding() >= 0, local, 0))
        ended += list(info["outcomes"])
        at_s = ues(batch)["handover_s"]
        for b, u in zip(*np.nonzero(at_s != seen), strict=True):
            handovers.setdefault((int(b), int(u)), []).append(at_s[b, u])
        for b, look in enumerate(looks):
            ue_of |= {(b, int(job.number)): int(job.ue) for job in look.jobs()}
    inside, after, arrived = 0, 0, 0
    for job in ended:
        if job["phase"] != FINISHED:
            continue
        b = int(job["world"])
        when_s = np.array(handovers.get((b, ue_of[b, int(job["job"])]), [np.inf]))
        for token_s in (job["arrival_s"] + job["ttft_s"], job["end_s"]):
            since_s = token_s - when_s
            inside += ((since_s > on_the_way_s) & (since_s < silent_s)).any()
            after += ((since_s >= silent_s) & (since_s < silent_s + 0.03)).any()
            arrived += 1
    assert sum(map(len, handovers.values())) > 300
    assert arrived > 1000
    assert inside == 0
    assert after > 20  # those that had waited
