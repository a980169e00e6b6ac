"""Training makes way: inference that it stands in the way of is admitted within one substep of asking, whatever it lacks; and how
training comes by memory, at nodes, on devices and in the cloud."""

from __future__ import annotations

import pytest

from edge6g_env import costs
from edge6g_env.kernel.codes import ADMIT, CLOUD_WAIT, DECODE, FREE, MEET, NODE_PREFILL, TRAIN
from tests.kernel.test_finetune import TUNED

NODE, DEVICE, CLOUD = "l40s", "jetson-agx-orin-64g", "h100-80g"
CHAT, TUNE, OTHER = range(3)
CHAT_MODEL, TUNE_MODEL = "llama-3.1-8b", "llama-3.2-3b"
HERE, ABOVE = "local, int8", "cloud, int8"


def tuning(**changes):
    own = {
        "model": TUNE_MODEL,
        "step_tokens": 1024,
        "step_sequences": 2,
        "steps": 4000,
        "share": 0.3,
        "expire_s": 500.0,
    }
    return {**TUNED, **own, "payload_bytes": 0.0, **changes}


@pytest.fixture(scope="module")
def make(make_bench, make_service):
    def build(services=None, **more):
        chat = make_service(model=CHAT_MODEL, share=0.4)
        services = services or [chat, tuning(), tuning(name="other", model=CHAT_MODEL)]
        options = {"time.drain_s": 500.0, "ues.device": DEVICE, "serving.preload": [], **more}
        return make_bench([NODE], 4, services, **options)

    return build


@pytest.fixture(scope="module")
def bench(make):
    return make()


def start(bench):
    bench.reset_with_ue()
    return bench.ues_of(0)[0]


def send(bench, u, s, name=HERE):
    return bench.decide(u, s, name)


def run_until(bench, done, most_s=300.0):
    bench.wait(done, most_s)


def weights(model):
    return float(costs.memory_bytes(model, "int8"))


def own_bytes(model, tokens, layers, rank=16, targets="q,v", checkpointing=True):
    """Private bytes of so many layers (COSTS 7)."""
    hidden, params = costs.model(model).hidden, costs.adapter_params(model, rank, targets, layers)
    kept = 2.0 * tokens * hidden * layers + 34.0 * tokens * hidden if checkpointing else 34.0 * tokens * hidden * layers
    return 16.0 * params + kept


TRAINED = own_bytes(TUNE_MODEL, 2048.0, costs.model(TUNE_MODEL).layers)


def kv_bytes(tokens):
    return float(costs.kv_bytes(CHAT_MODEL, tokens, "int8"))


def admitted(bench, job):
    return bench.part(job, 0).kv_bytes > 0.0


def ask_s(bench, job):
    """Step until the sequence has asked its node, and one substep more; when it asked."""
    run_until(bench, lambda: job.stage == NODE_PREFILL)
    asked_s = float(job.stage_s)
    run_until(bench, lambda: bench.now_s >= asked_s + bench.slot_s / bench.scenario.time.n_substeps)
    return asked_s


# --- what inference may lack -----------------------------------------------------------------------------------------------------------


def test_kv_is_there_within_a_substep(bench):
    u = start(bench)
    bench.set_memory(weights(CHAT_MODEL) + weights(TUNE_MODEL) + TRAINED + kv_bytes(1000.0))
    bench.lengths(100.0, 2000.0, 50.0)
    first = send(bench, u, CHAT)
    run_until(bench, lambda: first.stage == DECODE)
    trainer = send(bench, u, TUNE)
    run_until(bench, lambda: trainer.stage == TRAIN)
    bench.lengths(2000.0, 10.0)
    second = send(bench, u, CHAT)
    ask_s(bench, second)
    assert admitted(bench, second)
    assert trainer.stage == ADMIT
    assert first.stage == DECODE
    assert bench.server().training_bytes == 0.0
    run_until(bench, lambda: trainer.stage == TRAIN)  # again, when there is room


def test_weights_begin_to_load_within_a_substep(bench):
    """Those of the sequence's model, where training fills the memory."""
    u = start(bench)
    bench.set_memory(weights(CHAT_MODEL) + weights(TUNE_MODEL))
    bench.lengths(500.0, 10.0)
    trainer = send(bench, u, TUNE)
    run_until(bench, lambda: trainer.stage == TRAIN)
    chat = send(bench, u, CHAT)
    asked_s = ask_s(bench, chat)
    server = bench.server()
    assert server.load_variant == chat.variant
    assert server.n_training == 0
    run_until(bench, lambda: admitted(bench, chat))
    load_s = bench.scenario.serving.load_overhead_s + weights(CHAT_MODEL) / float(
        bench.batch.world.device["load_bytes_s"][bench.batch.world.site[0].accelerator]
    )
    assert chat.admit_s == pytest.approx(asked_s + load_s, abs=1e-6)


@pytest.mark.parametrize("tight", [False, True])
def test_a_load_for_training_alone_is_given_up(bench, tight):
    """Whether it takes the memory that the sequence's weights need, or only the time to load them."""
    u = start(bench)
    bench.set_memory(weights(CHAT_MODEL) + (kv_bytes(2000.0) if tight else 4.0 * weights(TUNE_MODEL)))
    bench.lengths(500.0, 10.0)
    trainer = send(bench, u, TUNE)
    run_until(bench, lambda: bench.server().load_variant == trainer.variant)
    run_until(bench, lambda: bench.now_s > trainer.stage_s + 0.3)
    chat = send(bench, u, CHAT)
    asked_s = ask_s(bench, chat)
    assert bench.server().load_variant == chat.variant
    run_until(bench, lambda: admitted(bench, chat))
    load_s = bench.scenario.serving.load_overhead_s + weights(CHAT_MODEL) / float(
        bench.batch.world.device["load_bytes_s"][bench.batch.world.site[0].accelerator]
    )
    assert chat.admit_s == pytest.approx(asked_s + load_s, abs=1e-6)
    assert trainer.stage == ADMIT


def test_a_sequence_that_grows_puts_training_back_and_no_sequence(bench):
    u = start(bench)
    bench.set_memory(weights(CHAT_MODEL) + weights(TUNE_MODEL) + TRAINED + 2.0 * kv_bytes(1500.0))
    bench.lengths(100.0, 2000.0, 50.0)  # far more than was reserved
    streams = [send(bench, u, CHAT) for _ in range(2)]
    run_until(bench, lambda: all(job.stage == DECODE for job in streams))
    trainer = send(bench, u, TUNE)
    run_until(bench, lambda: trainer.stage == TRAIN)
    run_until(bench, lambda: trainer.stage == ADMIT)
    assert bench.count("put_back") == 1
    run_until(bench, lambda: not bench.jobs(DECODE))
    assert bench.count("preempted") == 0
    assert len(bench.outcomes) == 2


# --- how training comes by memory ------------------------------------------------------------------------------------------------------


def test_who_asks_behind_a_load_begins_when_it_is_admitted(make, make_service):
    """Not in the past: no more steps than the time since then allows."""
    big, small = tuning(name="big", model=CHAT_MODEL, share=0.3), tuning(name="small", share=0.3)
    world = make([make_service(model=TUNE_MODEL, share=0.4), small, big])
    u = start(world)
    world.lengths(50.0, 3.0)
    chat = send(world, u, 0)  # has the weights of the small one loaded
    run_until(world, lambda: chat.stage not in (NODE_PREFILL, DECODE))
    first = send(world, u, 2)
    run_until(world, lambda: world.server().load_variant == first.variant)
    second = send(world, u, 1)
    run_until(world, lambda: second.stage == TRAIN)
    since_s = world.now_s
    step_s = float(costs.training_step_s(TUNE_MODEL, NODE, 1024, 2, "int8"))
    run_until(world, lambda: world.now_s >= since_s + 2.0)
    assert second.done_steps <= (world.now_s - since_s + world.slot_s) / step_s + 1.0


@pytest.mark.parametrize("targets", ["q,v", "all-linear"])
@pytest.mark.parametrize("checkpointing", [True, False])
@pytest.mark.parametrize("precision", ["int8", "int4", "fp16"])
def test_private_bytes_are_those_of_the_issue(make, targets, checkpointing, precision):
    """At the node and on the device, for a cut with its head on the device too; and the mask asks for so much and no more."""
    rank, tokens, layers = 8, 2048.0, costs.model(CHAT_MODEL).layers
    more = {"lora_rank": rank, "lora_targets": targets, "checkpointing": checkpointing, "model": CHAT_MODEL}
    service = tuning(privacy="device", share=1.0, **more)
    world = make([service], **{"actions.device_split": [0.0, 0.25, 1.0], "ues.device": "h100-80g"})
    k, spec = layers // 4, costs.model(CHAT_MODEL)
    table = costs.kernel_tables([NODE], [(CHAT_MODEL, precision)])
    head = float(table.head_bytes[0]) + 4.0 * tokens * spec.vocab
    split, whole = (f"local, {share:g} on the device, {precision}" for share in (0.25, 1.0))
    for name, device, node in (
        (split, own_bytes(CHAT_MODEL, tokens, k, rank, targets, checkpointing) + head, layers - k),
        (whole, own_bytes(CHAT_MODEL, tokens, layers, rank, targets, checkpointing), 0),
    ):
        u = start(world)
        job = send(world, u, 0, name)
        assert float(world.ue(u).device_kv_bytes) == pytest.approx(device, rel=1e-12)
        if node == 0:
            continue
        run_until(world, lambda job=job: job.stage != ADMIT and world.server().n_training == 1)
        held = own_bytes(CHAT_MODEL, tokens, node, rank, targets, checkpointing)
        assert world.server().training_bytes == pytest.approx(held, rel=1e-12)
    # The mask, to the byte.
    first = float(table.layer_bytes[0] * k + table.embedding_bytes[0])
    last = float(table.layer_bytes[0] * (layers - k) + table.head_bytes[0])
    wanted = {
        "device": first + own_bytes(CHAT_MODEL, tokens, k, rank, targets, checkpointing) + head,
        "node": last + own_bytes(CHAT_MODEL, tokens, layers - k, rank, targets, checkpointing),
    }
    for where, need in wanted.items():
        for spare, legal in ((1.0, 1), (-1.0, 0)):
            u = start(world)
            kept = float(world.phone().usable_bytes), float(world.batch.world.site[0].usable_bytes)
            if where == "device":
                world.phone().usable_bytes = need + spare
            else:
                world.set_memory(need + spare)
            world.send({u: world.now_s + 1e-4})
            world.step()
            assert world.obs["action_mask"][0, 0, world.action(split)] == legal, (where, spare)
            world.phone().usable_bytes = kept[0]
            world.set_memory(kept[1])


def test_state_is_read_again_after_a_put_back_only(bench):
    """16 bytes a parameter of the adapter, at the disk's rate; the first admission takes no time."""
    u = start(bench)
    bench.set_memory(weights(CHAT_MODEL) + weights(TUNE_MODEL) + TRAINED + kv_bytes(100.0))
    bench.lengths(2000.0, 30.0)
    trainer = send(bench, u, TUNE)
    run_until(bench, lambda: trainer.stage == TRAIN)
    assert trainer.admit_s == pytest.approx(float(bench.variant(0, int(trainer.variant)).ready_s), abs=1e-12)
    chat = send(bench, u, CHAT)
    run_until(bench, lambda: trainer.stage == ADMIT)
    run_until(bench, lambda: len(bench.outcomes) == 1)
    freed_s = float(bench.outcomes[0]["end_s"])
    run_until(bench, lambda: trainer.stage == TRAIN)
    rate = float(bench.batch.world.device["load_bytes_s"][bench.batch.world.site[0].accelerator])
    state_s = 16.0 * costs.adapter_params(TUNE_MODEL, 16, "q,v") / rate
    assert state_s > 1e-3
    assert trainer.admit_s == pytest.approx(freed_s + state_s, abs=bench.slot_s)
    waited_s = (
        trainer.admit_s
        - state_s
        - bench.slot_s
        / bench.scenario.time.n_substeps
        * round((trainer.admit_s - state_s) / (bench.slot_s / bench.scenario.time.n_substeps))
    )
    assert waited_s == pytest.approx(0.0, abs=1e-9)  # it gets memory at the start of a substep
    assert chat.stage == FREE


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6])
def test_the_radio_slows_steps(make, share):
    """By 1 / (1 - r l), at a load l of the cell that others make."""
    load = 0.5
    world = make(**{"serving.ran_share": share, "radio.background_load": load})
    u = start(world)
    trainer = send(world, u, TUNE)
    run_until(world, lambda: trainer.done_steps > 0)
    step_s = float(costs.training_step_s(TUNE_MODEL, NODE, 1024, 2, "int8")) / (1.0 - share * load)

    def done():
        return trainer.done_steps - trainer.left_s * (1.0 / (1.0 - share * load)) / step_s

    first, first_s = done(), world.now_s
    run_until(world, lambda: world.now_s >= first_s + 5.0)
    assert (done() - first) / (world.now_s - first_s) == pytest.approx(1.0 / step_s, rel=0.01)


# --- the cloud -------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cloudy(make, make_service, planned):
    def build(*outages, retries=3, expire_s=60.0, **changes):
        chat = make_service(model=CHAT_MODEL, share=0.4, expire_s=400.0)
        services = [chat, tuning(expire_s=expire_s, share=0.6, **changes)]
        return make(services, **{"cloud.concurrency": 3, **planned(*outages, retries=retries)})

    return build


def paid(world, end, held_s):
    """What a training job in the cloud pays beside its bytes, for so long."""
    usd = end["price_usd"]
    usd -= end["air_bytes"] * costs.network_price_usd_per_byte("air")
    usd -= end["backhaul_bytes"] * costs.network_price_usd_per_byte("backhaul")
    return usd == pytest.approx(held_s * costs.accelerator_price_usd_per_s(CLOUD), rel=1e-6)


def test_it_waits_for_all_places_of_an_accelerator_and_keeps_them_to_its_end(cloudy):
    world = cloudy()
    assert int(world.batch.world.cloud[0].accelerator_places) == 3
    u = start(world)
    world.lengths(200.0, 400.0)
    chats = [send(world, u, 0, ABOVE) for _ in range(2)]
    run_until(world, lambda: all(job.stage == DECODE for job in chats))
    trainer = send(world, u, 1, ABOVE)
    run_until(world, lambda: trainer.stage == CLOUD_WAIT)
    assert world.episode.cloud_running == 2
    run_until(world, lambda: trainer.stage == TRAIN)
    assert len(world.outcomes) == 2 or all(job.in_cloud == 0 for job in chats)
    since_s = float(trainer.place_since_s)
    late = send(world, u, 0, ABOVE)
    run_until(world, lambda: late.stage == CLOUD_WAIT)
    before = len(world.outcomes)
    end_s = trainer.arrival_s + 60.0
    run_until(world, lambda: world.now_s > end_s - 2 * world.slot_s)
    assert late.stage == CLOUD_WAIT
    assert world.episode.cloud_running == 3
    run_until(world, lambda: late.stage == DECODE)
    (end,) = [end for end in world.outcomes[before:] if end["kind"] == 1]
    assert end["phase"] == 2
    assert paid(world, end, end["end_s"] - since_s)
    (last,) = world.run("hold", 1, 400.0)
    assert last["ttft_s"] + last["arrival_s"] > end["end_s"]


def test_it_pays_until_a_fault_and_others_come_after_it(cloudy):
    lost_s = 20.0
    world = cloudy(("cloud", lost_s, lost_s + 1.0), retries=0)
    u = start(world)
    trainer = send(world, u, 1, ABOVE)
    run_until(world, lambda: trainer.stage == TRAIN)
    since_s = float(trainer.place_since_s)
    (end,) = world.run("hold", 1, 60.0)
    assert end["phase"] == 3
    assert paid(world, end, lost_s - since_s)
    assert world.episode.cloud_running == 0


def test_a_place_is_free_when_its_job_ends_also_if_that_waited_for_others(cloudy):
    """One whose round goes on: what comes after it does not begin before its end."""
    rounds = {"participants": 2, "aggregate_every": 5, "round_timeout_s": 1e4, "steps": 100, "model": TUNE_MODEL}
    world = cloudy(**rounds)
    for seed in range(1, 60):
        world.reset(seed)
        if len(world.ues_of(0)) >= 2:
            break
    u = world.ues_of(0)[0]
    world.lengths(200.0, 20.0)
    world.shares(0.0, 1.0)
    world.send({u: world.now_s + 1e-4})
    world.step()
    quick, slow = world.in_flight()
    world.step(ABOVE)
    world.step(HERE)
    run_until(world, lambda: quick.in_round == 1 and slow.in_round == 1)
    slow.left_s = 1e6  # never through
    run_until(world, lambda: quick.stage == MEET)
    send(world, u, 0, ABOVE)
    run_until(world, lambda: not world.jobs(MEET))
    ends = [end for end in world.outcomes if end["kind"] == 1]
    (last,) = [end for end in world.run("hold", 1, 400.0) if end["kind"] == 0]
    assert last["arrival_s"] + last["ttft_s"] > ends[0]["end_s"]


def test_who_stood_behind_one_that_gave_up_begins_then(cloudy):
    """It needed more places than were free, and the next one less."""
    world = cloudy(expire_s=6.0)
    u = start(world)
    world.lengths(200.0, 2000.0)
    chats = [send(world, u, 0, ABOVE) for _ in range(2)]
    run_until(world, lambda: all(job.stage == DECODE for job in chats))
    trainer = send(world, u, 1, ABOVE)
    run_until(world, lambda: trainer.stage == CLOUD_WAIT)
    end_s = float(trainer.arrival_s) + 6.0
    world.lengths(200.0, 20.0)
    late = send(world, u, 0, ABOVE)
    run_until(world, lambda: late.stage == CLOUD_WAIT)
    assert world.now_s < end_s - 3.0
    run_until(world, lambda: late.stage == DECODE)
    assert late.stage_s >= end_s
    assert world.episode.cloud_running == 3
