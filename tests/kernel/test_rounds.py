"""Rounds of fine-tuning tasks of several UEs: closed forms, members that are late, leave or join, and what must not depend on order."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edge6g_env import batch_env, costs
from edge6g_env.kernel.codes import ACTIVE, DOWNLOAD, EXPIRED, FAILED, FINISHED, FREE, MEET, TRAIN, TRAINING, UPLINK
from tests.kernel.test_finetune import TUNED

NODE, DEVICE, MODEL = "l40s", "jetson-agx-orin-64g", "llama-3.2-1b"
UP, DOWN, UP_S, DOWN_S = 4e8, 9e8, 0.006, 0.002
AIR = {"uplink_bit_s": UP, "downlink_bit_s": DOWN, "uplink_access_s": UP_S, "downlink_access_s": DOWN_S}
LAYERS = costs.model(MODEL).layers
STEPS, EVERY, RANK, TOKENS = 10, 4, 8, 1024
ROUNDS = math.ceil(STEPS / EVERY)
SPLIT, WHOLE, NONE = "local, 0.5 on the device, int8", "local, 1 on the device, int8", "local, int8"
THERE, ABOVE = "neighbour 1, 0.5 on the device, int8", "cloud, 0.5 on the device, int8"


def tuning(**changes):
    own = {
        "model": MODEL,
        "lora_rank": RANK,
        "steps": STEPS,
        "step_tokens": TOKENS,
        "participants": 2,
        "aggregate_every": EVERY,
        "round_timeout_s": 5.0,
        "payload_bytes": 0.0,
        "expire_s": 500.0,
    }
    return {**TUNED, **own, **changes}


@pytest.fixture(scope="module")
def make(make_bench, make_service):
    def build(tune=None, share=1e-6, **more):
        chat = make_service(model=MODEL, share=share)
        options = {
            "radio.fixed": AIR,
            "ues.device": DEVICE,
            "actions.device_split": [0.0, 0.5, 1.0],
            "time.drain_s": 500.0,
            **more,
        }
        return make_bench([NODE, NODE], 4, [tuning(**{"share": 1.0 - share, **(tune or {})}), chat], **options)

    return build


@pytest.fixture(scope="module")
def bench(make):
    return make()


@pytest.fixture(scope="module")
def patient(make):
    """A round waits longer than its jobs live."""
    return make({"round_timeout_s": 1e4})


@pytest.fixture(scope="module")
def three(make):
    return make({"participants": 3})


def a_task(bench, names, late=0):
    """The jobs of a task with a member for each name, decided by these actions; `late` more wait in the queue."""
    for seed in range(1, 300):
        bench.reset(seed)
        if len(bench.ues_of(0)) >= len(names) + late:
            break
    bench.shares(1.0, 0.0)
    bench.send({bench.ues_of(0)[0]: bench.now_s + 1e-4})
    bench.step()
    jobs = bench.in_flight()
    assert len(jobs) == len(names) + late
    for name in names:
        bench.step(name)
    return jobs


def run_until(bench, done, most_s=300.0, name="hold"):
    end_s = bench.now_s + most_s
    while not done():
        assert bench.now_s < end_s, "it does not come"
        bench.step(name)


def adapter(layers):
    return float(costs.adapter_bytes(MODEL, RANK, layers=layers))


def step_of(device, layers=None):
    return float(costs.training_step_s(MODEL, device, TOKENS, 2, "int8", rank=RANK, layers=layers))


def cut_bytes():
    return float(costs.boundary_bytes(MODEL, 2.0 * TOKENS, "int8"))


# --- closed forms ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("members", [2, 3])
def test_members_that_train_alone_meet_at_each_round(make, bench, three, members):
    """In step with each other they share the air: 8 A n / rate beside the latencies; the setup has one of them after the other."""
    world = bench if members == 2 else three
    a_task(world, [WHOLE] * members)
    ends = world.run("hold", members, 400.0)
    size = adapter(LAYERS)
    round_s = UP_S + DOWN_S + 8.0 * size * members * (1.0 / UP + 1.0 / DOWN)
    whole_s = DOWN_S + 8.0 * size / DOWN + STEPS * step_of(DEVICE) + ROUNDS * round_s
    for end in ends:
        assert end["progress"] == 1.0
        assert end["air_bytes"] == pytest.approx(size * (1.0 + 2.0 * ROUNDS), abs=1.0)
        spent_s = end["end_s"] - end["arrival_s"]
        # Decided a slot after the other; the device loads its weights first.
        load_s = float(costs.memory_bytes(MODEL, "int8")) / world.phone().load_bytes_s
        assert spent_s - load_s == pytest.approx(whole_s, abs=0.01 * whole_s + (members + 2) * world.slot_s)


def test_members_at_the_node_take_turns_and_send_nothing_but_their_data(three):
    a_task(three, [NONE] * 3)
    ends = three.run("hold", 3, 400.0)
    data = 4.0 * 2.0 * TOKENS * STEPS
    load_s = three.scenario.serving.load_overhead_s + costs.memory_bytes(MODEL, "int8") / float(
        three.batch.world.device["load_bytes_s"][three.batch.world.site[0].accelerator]
    )
    whole_s = 3.0 * STEPS * step_of(NODE)
    for end in ends:
        assert end["air_bytes"] == data
        assert end["progress"] == 1.0
    last_s = max(end["end_s"] - end["arrival_s"] for end in ends)
    assert last_s == pytest.approx(load_s + UP_S + whole_s, abs=0.02 * whole_s + 6 * three.slot_s)


def test_bytes_of_a_split_member_and_what_candidates_say_of_them(three):
    """The last round is shorter, and costs as much as the others."""
    jobs = a_task(three, [], late=3)
    column = {entry[0]: n for n, entry in enumerate(three.batch.candidate_names)}
    seen = three.obs["candidates"][0, 0, three.action(SPLIT)].copy()
    for _ in jobs:
        three.step(SPLIT)
    wanted = adapter(LAYERS // 2) * (1.0 + 2.0 * ROUNDS) + STEPS * (2.0 * cut_bytes() + 4.0 * 2.0 * TOKENS)
    assert 1e6 * seen[column["air_mb"]] == pytest.approx(wanted, rel=1e-5)
    for end in three.run("hold", 3, 400.0):
        assert end["air_bytes"] == pytest.approx(wanted, abs=1.0)


# --- who is late, leaves or joins ------------------------------------------------------------------------------------------------------


def in_first_round(bench, jobs, steps=2.0):
    run_until(bench, lambda: all(job.in_round == 1 and job.run_steps >= steps for job in jobs))


def waits(job):
    return job.stage == MEET and job.in_round == 1


def test_a_round_that_its_last_member_leaves_ends_then(make, planned):
    """No sooner: what waited goes on from that instant. The node of the other fails; it is decided again, and joins."""
    lost_s = 30.0
    world = make({"round_timeout_s": 1e4}, **planned(("node", lost_s, lost_s + 1.0, [1])))
    quick, slow = a_task(world, [SPLIT, THERE])
    in_first_round(world, [quick, slow])
    world.silence(lost_s + 5.0, slow.ue)
    run_until(world, lambda: waits(quick))
    arrived_s = quick.stage_s
    assert arrived_s < lost_s - 5.0
    run_until(world, lambda: quick.done_steps == EVERY)
    assert lost_s - world.slot_s <= world.now_s <= lost_s + 2 * world.slot_s
    assert quick.stage_s >= lost_s - 1e-9
    ends = {int(end["job"]): end for end in world.run(SPLIT, 2, 400.0)}
    assert [end["progress"] for end in ends.values()] == [1.0, 1.0]
    left_s = (STEPS - EVERY) * (step_of(DEVICE, LAYERS // 2) + step_of(NODE) - step_of(NODE, LAYERS // 2))
    assert ends[int(quick.number)]["end_s"] >= lost_s + left_s


def test_who_waits_for_the_next_round_begins_when_all_have_left(make, planned):
    lost_s = 40.0
    world = make(
        {"participants": 3, "round_timeout_s": 1e4}, **planned(("node", lost_s, lost_s + 400.0, [1]), retries=0)
    )
    quick, slow, late = a_task(world, [THERE, THERE], late=1)
    in_first_round(world, [quick, slow])
    world.silence(lost_s + 400.0, slow.ue)
    run_until(world, lambda: waits(quick))
    world.step(SPLIT)
    run_until(world, lambda: late.stage == MEET)
    assert late.in_round == 0
    came_s = late.stage_s
    assert came_s < lost_s - 5.0
    failed = world.run("hold", 2, 400.0)
    assert {int(end["phase"]) for end in failed} == {FAILED}
    assert late.in_round == 1
    assert late.stage_s >= lost_s - 1e-9
    (end,) = world.run("hold", 1, 400.0)
    assert end["progress"] == 1.0


def test_a_late_starter_joins_the_running_round(three):
    early, other, late = a_task(three, [SPLIT, SPLIT], late=1)
    in_first_round(three, [early, other], 1.0)
    three.step(SPLIT)
    run_until(three, lambda: late.in_round == 1)
    assert early.done_steps == other.done_steps == 0.0
    run_until(three, lambda: early.done_steps == EVERY)
    assert late.done_steps == other.done_steps == EVERY


def test_who_has_all_its_steps_blocks_nobody(make):
    """Its last average is held up; the other's last round ends as it arrives, and nobody gets an average twice."""
    world = make({"round_timeout_s": 60.0})
    quick, slow = a_task(world, [SPLIT, SPLIT])
    in_first_round(world, [quick, slow])
    world.silence(world.now_s + 65.0, slow.ue)
    run_until(world, lambda: quick.done_steps == EVERY)
    run_until(world, lambda: quick.stage == DOWNLOAD and quick.done_steps == STEPS)
    assert slow.done_steps < STEPS
    world.silence(world.now_s + 50.0, quick.ue)
    first_s = world.now_s
    run_until(world, lambda: slow.done_steps == STEPS)
    assert world.now_s - first_s < 40.0
    assert quick.stage == DOWNLOAD
    number = int(quick.number)
    run_until(world, lambda: not world.jobs())
    (end,) = (end for end in world.outcomes if end["job"] == number)
    wanted = adapter(LAYERS // 2) * (1.0 + 2.0 * ROUNDS) + STEPS * (2.0 * cut_bytes() + 4.0 * 2.0 * TOKENS)
    assert end["air_bytes"] == pytest.approx(wanted, abs=1.0)


@pytest.mark.parametrize("where", ["node", "cloud"])
def test_a_job_with_all_its_steps_trains_no_more(make, planned, where):
    """Whatever takes its server before its last average is down."""
    lost_s = 300.0
    nodes = [[0]] if where == "node" else []
    slow = {**AIR, "downlink_bit_s": 1e7}
    world = make({"round_timeout_s": 60.0}, **planned((where, lost_s, lost_s + 1.0, *nodes)), **{"radio.fixed": slow})
    jobs = a_task(world, [SPLIT, SPLIT if where == "node" else ABOVE])
    run_until(world, lambda: all(job.done_steps == STEPS for job in jobs))
    assert world.now_s < lost_s
    world.silence(lost_s + 5.0)
    assert len(world.jobs()) == 2
    ends = world.run(SPLIT, 2, 400.0)
    assert [int(end["phase"]) for end in ends] == [FINISHED, FINISHED]
    assert [end["progress"] for end in ends] == [1.0, 1.0]
    assert [end["done_steps"] for end in ends] == [STEPS, STEPS]


def test_a_timeout_counts_to_the_instant(bench):
    """Who arrives after it has lost the round, also where that is in the same substep."""
    quick, slow = a_task(bench, [SPLIT, SPLIT])
    in_first_round(bench, [quick, slow])
    bench.silence(bench.now_s + 100.0, slow.ue)
    run_until(bench, lambda: waits(quick))
    over_s = quick.stage_s + 5.0
    run_until(bench, lambda: bench.now_s + bench.slot_s > over_s)
    # As if it had sent all, and arrived a moment after the end.
    slow.run_steps, slow.stage, slow.clock_s = EVERY, MEET, over_s + 1e-6
    slow.stage_s = slow.clock_s
    bench.step()
    assert (quick.done_steps, slow.done_steps) == (EVERY, 0.0)


# --- ends that are no answers ----------------------------------------------------------------------------------------------------------


def parts_of_worth(world, end):
    """What an outcome brought without its costs."""
    reward = world.scenario.reward
    return end["worth"] + reward.price_per_usd * end["price_usd"] + reward.energy_per_j * end["energy_j"]


def test_at_the_deadline_progress_is_paid_and_the_rest_is_lost(make):
    """No jump: value x quality x progress - expired_cost x (1 - progress), whatever the progress."""
    quality, seen = costs.quality(MODEL, "int8"), []
    for expire_s in (2.0, 4.0, 30.0):
        world = make({"expire_s": expire_s, "value": 3.0}, **{"time.drain_s": 40.0})
        a_task(world, [SPLIT, WHOLE])
        for end in world.run("hold", 2, 60.0):
            p = end["progress"]
            wanted = 3.0 * quality * p - (world.scenario.reward.expired_cost if end["phase"] == EXPIRED else 0.0) * (
                1.0 - p
            )
            assert parts_of_worth(world, end) == pytest.approx(wanted, abs=1e-9)
            assert p == end["done_steps"] / STEPS
            assert end["done_steps"] % EVERY == 0.0 or p == 1.0
            assert end["slo_met"] == (p == 1.0)
            seen.append(p)
    assert 0.0 in seen
    assert 1.0 in seen
    assert any(0.0 < p < 1.0 for p in seen)


def test_failed_alike(make, planned):
    lost_s = 4.0
    world = make(**planned(("node", lost_s, lost_s + 400.0, [1]), retries=0))
    jobs = a_task(world, [THERE, THERE])
    run_until(world, lambda: world.now_s > lost_s - world.slot_s)
    assert [job.done_steps for job in jobs] == [EVERY, EVERY]
    ends = world.run("hold", 2, 400.0)
    for end in ends:
        p = end["progress"]
        assert end["phase"] == FAILED
        assert 0.0 < p < 1.0
        wanted = costs.quality(MODEL, "int8") * p - world.scenario.reward.failed_cost * (1.0 - p)
        assert parts_of_worth(world, end) == pytest.approx(wanted, abs=1e-9)


def test_rejected_is_without_progress(bench):
    a_task(bench, [], late=2)
    bench.step("reject")
    bench.step("reject")
    assert [(end["progress"], end["slo_met"]) for end in bench.outcomes] == [(0.0, 0), (0.0, 0)]
    assert [parts_of_worth(bench, end) for end in bench.outcomes] == [-bench.scenario.reward.rejected_cost] * 2


# --- order and random numbers ----------------------------------------------------------------------------------------------------------


MIXED = {
    "service": [
        tuning(share=0.5, participants=3, round_timeout_s=2.0, expire_s=60.0),
        tuning(
            name="other",
            model="llama-3.2-3b",
            privacy="device",
            share=0.5,
            participants=2,
            round_timeout_s=1.0,
            expire_s=40.0,
        ),
    ],
    "ues.device": DEVICE,
    "actions.device_split": [0.0, 0.25, 1.0],
    "arrivals.rate_jobs_s": 0.4,
    "time": {"slot_s": 0.04, "n_substeps": 1, "episode_s": 200.0, "warmup_s": 0.0, "drain_s": 60.0},
    "faults": {"retries": 2, "node_mtbf_s": 40.0, "node_mttr_s": 4.0},
    "debug": True,
}


def shuffle(batch, rng):
    """Put the rows of the lists in another order in which nothing may depend on it."""
    for b in range(batch.num_worlds):
        rows = batch.world.roster[b, ACTIVE, : batch.world.episode[b].n_active]
        rows[:] = rng.permutation(rows)
        for i in range(batch.num_agents):
            rows = batch.world.queue[b, i, TRAINING, : batch.world.server[b, i].n_trainees]
            rows[:] = rng.permutation(rows)


def test_the_order_in_which_jobs_are_advanced_changes_nothing(legal):
    """With jobs that share devices, nodes, links and the cloud; at fixed rates, since link adaptation learns from each message in turn."""
    one, other = (batch_env("tiny", 2, **MIXED, **{"radio.fixed": AIR}) for _ in range(2))
    obs, rng, dirt, ended, most = one.reset(3), np.random.default_rng(0), np.random.default_rng(1), 0, 0
    other.reset(3)
    for _ in range(2500):
        actions = legal(obs["action_mask"], rng)
        shuffle(other, dirt)
        obs, *_, info = one.step(actions)
        _, *_, shuffled = other.step(actions)
        rows, same = (np.sort(found["outcomes"], order=["world", "job"]) for found in (info, shuffled))
        assert rows.tobytes() == same.tobytes()
        ended, most = ended + len(rows), max(most, int(one.world.episode["n_active"].max()))
    assert ended > 50
    assert most > 6


def test_no_message_has_the_random_numbers_of_another(legal):
    """Each is seen under one number, and each number with one message; with late members, faults, and memory that is taken away."""
    batch = batch_env("tiny", 2, **MIXED)
    obs, rng, seen, again = batch.reset(5), np.random.default_rng(2), {}, 0
    for _ in range(2500):
        obs, *_ = batch.step(legal(obs["action_mask"], rng))
        job = batch.world.job
        for b, row in zip(*np.nonzero(np.isin(job["stage"], (UPLINK, DOWNLOAD))), strict=True):
            one = job[b, row]
            key = int(batch.world.step[b].episode), b, int(one["number"]), int(one["messages"])
            message = int(one["stage"]), float(one["stage_s"])
            assert seen.setdefault(key, message) == message
            again += one["retries"] > 0
    assert len(seen) > 200
    assert again > 0


def test_members_do_not_depend_on_decisions(legal):
    def members(choose):
        batch = batch_env("tiny", 2, **{**MIXED, "debug": False})
        obs, found = batch.reset(8), {}
        for _ in range(1500):
            obs, *_ = batch.step(choose(obs["action_mask"]))
            job = batch.world.job
            for b, row in zip(*np.nonzero(job["stage"] != FREE), strict=True):
                one = job[b, row]
                about = (one["task"], one["members"], one["ue"], one["ingress"], one["service"], one["arrival_s"])
                found.setdefault((b, int(one["number"])), tuple(float(x) for x in about))
        return found

    rng = np.random.default_rng(4)
    rejected = members(lambda mask: np.ones(mask.shape[:2], np.int64))
    decided = members(lambda mask: legal(mask, rng))
    assert len(rejected) > 30
    shared = rejected.keys() & decided.keys()
    assert len(shared) > 0.9 * len(rejected)  # one that ends in the slot of its arrival is not seen
    assert all(rejected[key] == decided[key] for key in shared)
    tasks = {(key[0], about[0]): about[1] for key, about in rejected.items()}
    assert max(tasks.values()) == 3.0


def test_both_kinds_of_task_are_in_rounds(bench):
    """A step is counted once, whoever computes it: a member at the node, one on its device."""
    there, own = a_task(bench, [NONE, WHOLE])
    run_until(bench, lambda: there.stage == TRAIN and there.run_steps > 0)
    ends = bench.run("hold", 2, 400.0)
    assert [end["done_steps"] for end in ends] == [STEPS, STEPS]
    assert own.row != there.row


def test_candidates_count_whole_rounds(make):
    """Of what is done by the deadline: two of three, whose steps and meetings take what is said."""
    size = adapter(LAYERS)
    round_s = UP_S + DOWN_S + 16.0 * size * (1.0 / UP + 1.0 / DOWN)
    load_s = float(costs.memory_bytes(MODEL, "int8")) / 2e9
    world = make(
        {"expire_s": load_s + 8.0 * size / DOWN + 9.5 * step_of(DEVICE) + 3.0 * round_s}, **{"time.drain_s": 60.0}
    )
    world.phone().load_bytes_s = 2e9
    a_task(world, [], late=2)
    column = [entry[0] for entry in world.batch.candidate_names].index("progress")
    promised = float(world.obs["candidates"][0, 0, world.action(WHOLE), column])
    world.step(WHOLE)
    world.step(WHOLE)
    ends = world.run("hold", 2, 100.0)
    assert promised == pytest.approx(2.0 * EVERY / STEPS)
    assert [end["progress"] for end in ends] == [pytest.approx(promised)] * 2
