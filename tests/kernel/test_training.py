"""Fine-tuning beside inference: who gets the accelerator and the memory of a node, and the rounds of several UEs."""

from __future__ import annotations

import numpy as np
import pytest

from edge6g_env import costs
from edge6g_env.kernel.codes import DECODE, MEET, NODE_PREFILL, TRAIN
from tests.kernel.test_finetune import TUNED

NODE, MODEL = "l40s", "llama-3.1-8b"
CHAT, TUNE = 0, 1
SHARE = 0.3


def tuning(**changes):
    return {
        **TUNED,
        "model": MODEL,
        "step_tokens": 1024,
        "step_sequences": 1,
        "steps": 400,
        "share": 0.5,
        "expire_s": 500.0,
        **changes,
    }


@pytest.fixture(scope="module")
def make(make_bench, make_service):
    def build(devices=(NODE,), chat=None, tune=None, **more):
        chat = make_service(model=MODEL, share=0.5, **(chat or {}))
        return make_bench(list(devices), services=[chat, tuning(**(tune or {}))], **{"time.drain_s": 500.0, **more})

    return build


@pytest.fixture(scope="module")
def bench(make):
    return make(ues_a_node=3)


def send(bench, u, s, name="local, int8"):
    return bench.decide(u, s, name)


def run_until(bench, done, most_s=60.0):
    bench.wait(done, most_s)


def steps_a_second(bench, jobs, over_s):
    """Credited steps of training jobs over a stretch, with the shares of the running ones."""

    def done():
        return sum(job.done_steps - job.left_s / step_s(NODE) for job in jobs)

    start, start_s = done(), bench.now_s
    run_until(bench, lambda: bench.now_s >= start_s + over_s)
    return (done() - start) / (bench.now_s - start_s)


def step_s(device):
    return float(costs.training_step_s(MODEL, device, 1024, 1, "int8", rank=16))


def ready(bench, seed=1):
    """An empty world whose first node holds the weights; its UEs."""
    for n in range(seed, seed + 50):
        bench.reset(n)
        if len(bench.ues_of(0)) >= 2:
            break
    bench.lengths(200.0, 3000.0)
    first = send(bench, bench.ues_of(0)[0], CHAT)
    run_until(bench, lambda: first.stage == DECODE)
    return bench.ues_of(0), first


def test_beside_a_stream_training_has_its_share_and_the_stream_the_rest(bench):
    (u, *_), stream = ready(bench)
    trainer = send(bench, u, TUNE)
    run_until(bench, lambda: trainer.stage == TRAIN and trainer.done_steps > 0)
    tokens, start_s = stream.done_tokens, bench.now_s
    rate = steps_a_second(bench, [trainer], 4.0)
    assert rate == pytest.approx(SHARE / step_s(NODE), rel=0.02)
    context = stream.prompt_tokens + 0.5 * (tokens + stream.done_tokens)
    token_s = costs.decode_step_s(MODEL, NODE, context, 1.0, "int8") / (1.0 - SHARE)
    assert (bench.now_s - start_s) / (stream.done_tokens - tokens) == pytest.approx(token_s, rel=0.02)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_training_alone_is_never_idle_and_takes_turns(bench, count):
    ues, stream = ready(bench)
    stream.output_tokens = stream.done_tokens + 1.0
    run_until(bench, lambda: not bench.jobs(DECODE))
    jobs = [send(bench, ues[n % len(ues)], TUNE) for n in range(count)]
    run_until(bench, lambda: all(job.stage == TRAIN and job.done_steps > 0 for job in jobs))
    before = [job.done_steps for job in jobs]
    assert steps_a_second(bench, jobs, 5.0) == pytest.approx(1.0 / step_s(NODE), rel=0.01)
    done = [job.done_steps - n for job, n in zip(jobs, before, strict=True)]
    assert max(done) - min(done) <= 1.0


def prompt_s(bench, u, offset_s, prompt=900.0):
    """From the arrival of a prompt at the node to the end of its prefill."""
    bench.lengths(prompt, 2.0)
    bench.shares(1.0, 0.0)
    arrival_s = bench.now_s + offset_s
    bench.send({u: arrival_s})
    ended = bench.run("local, int8", 1)
    return float(ended[0]["ttft_s"] - (bench.decided_s(arrival_s) - arrival_s))


@pytest.mark.parametrize("beside", [False, True])
def test_a_prompt_waits_for_one_slice_at_most(bench, beside):
    """Whatever its instant: with training at the node its TTFT is no longer than without by more than a slice."""
    times = {}
    for trains in (False, True):
        (u, *_), stream = ready(bench)
        if not beside:
            stream.output_tokens = stream.done_tokens + 1.0
            run_until(bench, lambda: not bench.jobs(DECODE))
        if trains:
            trainer = send(bench, u, TUNE)
            run_until(bench, lambda job=trainer: job.stage == TRAIN and job.done_steps > 0)
        times[trains] = [prompt_s(bench, u, 1e-3 * n) for n in (0.2, 3.1, 7.7, 11.3, 16.9, 19.2)]
    cycle_s = bench.server().cycle_s
    chunk_s = float(costs.prefill_s(MODEL, NODE, bench.scenario.serving.token_budget, "int8"))
    slice_s = cycle_s * SHARE / (1.0 - SHARE) if beside else chunk_s
    longer = np.subtract(times[True], times[False])
    # The stream's context grows a little meanwhile. In a slice no iteration runs: a prompt that comes then has none to wait for.
    assert longer.max() <= 1.02 * slice_s + 1e-4
    assert longer.min() >= -0.5 * cycle_s - 1e-3
    assert np.abs(longer).max() > 0.1 * slice_s


def test_a_sequence_puts_training_back_and_training_reads_its_state_again(make):
    """Memory for the weights, the training and not quite another long sequence: that is admitted within a substep of asking."""
    weights_gb = costs.memory_bytes(MODEL, "int8") / 1e9
    bench = make(ues_a_node=2, **{"nodes.memory_gb": [1.2 * (weights_gb + 5.0)]})
    (u, *_), _ = ready(bench)
    trainer = send(bench, u, TUNE)
    run_until(bench, lambda: trainer.stage == TRAIN and trainer.done_steps > 0)
    done, held = trainer.done_steps, bench.server().training_bytes
    usable = float(bench.batch.world.site[0].usable_bytes)
    free = usable - bench.server().weight_bytes - bench.server().kv_bytes - held
    kv_token = float(costs.kv_bytes(MODEL, 1.0, "int8"))
    bench.lengths((free + 0.5 * held) / kv_token, 50.0)
    job = send(bench, u, CHAT)
    run_until(bench, lambda: job.stage == NODE_PREFILL)
    bench.step()
    assert bench.part(job, 0).kv_bytes > 0.0
    assert bench.server().training_bytes == 0.0
    assert bench.count("put_back") == 1
    assert trainer.done_steps >= done
    run_until(bench, lambda: job.stage != NODE_PREFILL, 300.0)
    run_until(bench, lambda: trainer.stage == TRAIN, 300.0)
    assert trainer.done_steps >= done
    assert bench.server().training_bytes == pytest.approx(held)


@pytest.mark.parametrize("second_fits", [True, False])
def test_a_second_training_job_that_lacks_memory_is_foreseen_to_wait(make, second_fits):
    """Weights that only training uses make way for a sequence, but not for another training job, which needs them itself."""
    weights_gb = costs.memory_bytes(MODEL, "int8") / 1e9
    own_gb = own_bytes() / 1e9
    room_gb = weights_gb + (2.2 if second_fits else 1.8) * own_gb
    bench = make(ues_a_node=2, **{"nodes.memory_gb": [8.0 * weights_gb]})
    bench.set_memory(1e9 * room_gb)
    (u, *_), _ = ready(bench)
    run_until(bench, lambda: not bench.in_flight(), 300.0)
    trainer = send(bench, u, TUNE)
    run_until(bench, lambda: trainer.stage == TRAIN and trainer.done_steps > 0)
    column = [entry[0] for entry in bench.batch.candidate_names].index("wait_s")
    bench.shares(0.0, 1.0)
    bench.send({u: bench.now_s + 1e-4})
    bench.step()
    foreseen_s = float(bench.obs["candidates"][0, 0, bench.action("local, int8"), column])
    assert (foreseen_s == 0.0) == second_fits
    bench.step("local, int8")
    (second,) = [job for job in bench.jobs() if job.service == TUNE and job.number != trainer.number]
    run_until(bench, lambda: bench.now_s > second.arrival_s + 3.0)
    assert (bench.part(second, 0).kv_bytes > 0.0) == second_fits


def own_bytes():
    """What a training job of the whole model holds beside the weights."""
    whole = costs.training_memory_bytes(MODEL, 1024, "int8", rank=16)
    return float(whole - costs.memory_bytes(MODEL, "int8"))


# --- rounds ----------------------------------------------------------------------------------------------------------------------------


def a_task(bench, members, name="local, 0.5 on the device, int8"):
    """The jobs of a task of so many UEs at the first node, all decided alike."""
    for seed in range(1, 200):
        bench.reset(seed)
        if len(bench.ues_of(0)) >= members:
            break
    bench.shares(0.0, 1.0)
    bench.send({bench.ues_of(0)[0]: bench.now_s + 1e-4})
    bench.step()
    assert len(bench.in_flight()) == members
    while bench.node().n_queue > 0:
        bench.step(name)
    return bench.in_flight()


@pytest.fixture(scope="module")
def rounds(make):
    tune = {"participants": 2, "aggregate_every": 4, "round_timeout_s": 5.0, "steps": 12, "step_tokens": 256}
    return make((NODE, NODE), tune=tune, ues_a_node=4, **{"ues.device": "jetson-agx-orin-64g"})


def test_equal_members_have_equal_times(rounds):
    members = a_task(rounds, 2)
    ends = rounds.run("hold", 2, 400.0)
    assert [end["progress"] for end in ends] == [1.0, 1.0]
    # They are decided a slot apart, and leave each round together: what the slot makes is in the first round.
    assert abs(ends[0]["end_s"] - ends[1]["end_s"]) <= 2.0 * rounds.slot_s
    adapter = costs.adapter_bytes(MODEL, 16, layers=costs.model(MODEL).layers // 2)
    step = 2.0 * float(costs.boundary_bytes(MODEL, 256.0, "int8")) + 4.0 * 256.0
    for end in ends:
        assert end["air_bytes"] == pytest.approx(adapter * (1.0 + 2.0 * 3.0) + 12.0 * step, abs=1.0)
    assert len(members) == 2


def test_who_is_late_loses_the_round_and_no_more(rounds):
    members = a_task(rounds, 2)
    slow, quick = members
    run_until(rounds, lambda: slow.run_steps == 2.0 and quick.run_steps >= 2.0, 200.0)
    rounds.ue(slow.ue).silent_until_s = rounds.now_s + 40.0
    run_until(rounds, lambda: quick.done_steps == 4.0, 200.0)
    assert slow.done_steps == 0.0
    assert slow.run_steps == 0.0
    first = {int(end["job"]): end for end in rounds.run("hold", 2, 1000.0)}
    assert first[int(quick.number)]["progress"] == first[int(slow.number)]["progress"] == 1.0
    assert first[int(quick.number)]["end_s"] < first[int(slow.number)]["end_s"]


def test_a_task_takes_the_ues_that_there_are(make):
    bench = make((NODE, NODE), tune={"participants": 3, "aggregate_every": 2, "round_timeout_s": 5.0}, ues_a_node=3)
    for seed in range(1, 60):
        bench.reset(seed)
        served = len(bench.ues_of(0))
        if not 0 < served < 3:
            continue
        bench.shares(0.0, 1.0)
        bench.send({bench.ues_of(0)[0]: bench.now_s + 1e-4})
        bench.step()
        jobs = bench.in_flight()
        assert sorted(job.ue for job in jobs) == bench.ues_of(0)
        assert {int(job.members) for job in jobs} == {served}
        return
    raise AssertionError("no seed has fewer than three UEs at the first node")


def test_steps_are_counted_once(rounds):
    """Credited steps never exceed those that were done, and nobody waits at the end of a round in which it is not."""
    members = a_task(rounds, 2)
    while rounds.jobs():
        rounds.step()
        for job in rounds.jobs():
            assert 0.0 <= job.done_steps + job.run_steps <= 12.0
            assert job.done_steps % 4.0 == 0.0
            assert job.stage != MEET or job.in_round == 1 or job.run_steps == 0.0
    assert len(members) == 2


def test_candidates_know_what_decodes_and_prompts_leave_to_training(bench):
    """A step's time at a node with a stream and a prompt each quarter of a second, before a training job is there and beside one."""
    ues, _ = ready(bench)
    column = [entry[0] for entry in bench.batch.candidate_names].index("tpot_s")

    def prompts(over_s):
        end_s = bench.now_s + over_s
        while bench.now_s < end_s:
            bench.lengths(1500.0, 2.0)
            bench.shares(1.0, 0.0)
            bench.send({ues[1]: bench.now_s + 1e-4})
            for _ in range(12):
                bench.step("local, int8")

    prompts(6.0)
    jobs = []
    for n in (1, 2):
        bench.shares(0.0, 1.0)
        bench.send({ues[0]: bench.now_s + 1e-4})
        bench.step()
        promised = float(bench.obs["candidates"][0, 0, bench.action("local, int8"), column])
        bench.step("local, int8")
        jobs = bench.jobs(TRAIN) + [job for job in bench.jobs() if job.service == TUNE and job.stage != TRAIN]
        assert len(jobs) == n
        prompts(3.0)
        done, start_s = sum(job.done_steps - job.left_s / step_s(NODE) for job in jobs), bench.now_s
        prompts(8.0)
        done = sum(job.done_steps - job.left_s / step_s(NODE) for job in jobs) - done
        assert n * (bench.now_s - start_s) / done == pytest.approx(promised, rel=0.15)
