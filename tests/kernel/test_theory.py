"""Serving against theory: processor sharing, Little's law, and closed forms of a lone job when links and memory have no limits."""

import numpy as np
import pytest

import edge6g_env
from agents.policy import make_rule
from benchmarks import ideal as ideal_air
from benchmarks.queueing import LENGTHS, processor_sharing_s, responses
from edge6g_env import batch_env, costs
from edge6g_env.kernel.codes import FINISHED
from edge6g_env.trace_files import read_trace
from tests.looking import Look

MODEL, NODE, NEIGHBOUR, PHONE, CLOUD = "llama-3.2-3b", "l40s", "l4", "phone-snapdragon-8gen3", "h100-80g"
PROMPT, OUTPUT = 400.0, 40.0


# --- M/G/1 processor sharing ---------------------------------------------------------------------------------------------------------


def test_two_jobs_share_the_reference_queue():
    """2 s of work at 0 and 1 s of work at 1 s: both have half the server until both end at 3 s; a third comes to an empty queue."""
    took_s = processor_sharing_s(np.array([0.0, 1.0, 10.0]), np.array([2.0, 1.0, 5.0]))
    assert took_s == pytest.approx([3.0, 2.0, 5.0])


@pytest.mark.parametrize("lengths", list(LENGTHS))
@pytest.mark.parametrize("load", [0.3, 0.6])
def test_the_reference_queue_has_the_mean_response_of_theory(load, lengths):
    """E[S] / (1 - load), with 200,000 jobs: three standard errors are 2 to 3 % at the higher load."""
    rng = np.random.default_rng(5)
    sample = LENGTHS[lengths](read_trace("azure_conv_2023")[:, 2])
    work_s = rng.choice(sample, 200_000) / sample.mean()
    took_s = processor_sharing_s(np.cumsum(rng.exponential(1.0 / load, work_s.size)), work_s)
    assert took_s.mean() == pytest.approx(work_s.mean() / (1.0 - load), rel=0.04)


@pytest.mark.parametrize("lengths", ["fixed", "trace", "two points"])
@pytest.mark.parametrize("load", [0.3, 0.6])
def test_a_node_without_batching_gain_is_a_processor_sharing_queue(load, lengths):
    """Mean response E[S] / (1 - load) whatever the distribution of the lengths; the raw mean agrees within its noise."""
    found = responses(load, lengths, 5_000)
    assert found.jobs > 4_000
    assert found.paired_half < 0.01
    assert found.paired == pytest.approx(1.0, abs=0.01)
    assert abs(found.raw - 1.0) < 2.0 * found.raw_half  # four standard errors


# --- Little's law ----------------------------------------------------------------------------------------------------------------------

START_S, SPAN_S = 10.0, 28.0


def job_seconds(arrival_s, end_s):
    """Time that jobs spend in the system within [START_S, START_S + SPAN_S]."""
    inside = np.minimum(end_s, START_S + SPAN_S) - np.maximum(arrival_s, START_S)
    return np.maximum(inside, 0.0).sum()


@pytest.mark.parametrize("scenario", edge6g_env.scenarios())
def test_littles_law(scenario):
    """L = lambda W: the jobs in the system, looked at in every slot, against the sum of their times in it, those of unfinished jobs
    included up to the end of the span; what was rejected has its time too."""
    batch = batch_env(scenario, 2, observe="candidates")
    policy, rng = make_rule("greedy", batch.layout), np.random.default_rng(1)
    obs, slot_s = batch.reset(7), batch.scenario.time.slot_s
    slots = [round(t / slot_s) for t in (START_S, START_S + SPAN_S)]
    assert slots[1] * slot_s < batch.scenario.time.episode_s
    in_system, counted_s, arrived = 0.0, 0.0, -batch.counters().arrived.sum()
    for slot in range(1, slots[1] + 1):
        obs, *_, info = batch.step(policy.act(obs, rng))
        counted_s += job_seconds(info["outcomes"]["arrival_s"], info["outcomes"]["end_s"])
        if slot == slots[0]:
            arrived = -batch.counters().arrived.sum()
        if slot > slots[0]:
            in_system += batch.counters().in_flight.sum()
    arrived += batch.counters().arrived.sum()
    left = [job.arrival_s for b in range(2) for job in Look(batch, b).in_flight()]
    counted_s += job_seconds(np.array(left), np.inf)
    rate_s, mean_s = arrived / SPAN_S, counted_s / arrived
    assert in_system / (slots[1] - slots[0]) == pytest.approx(rate_s * mean_s, rel=0.02)
    assert in_system > 0.0


# --- a lone job, infinite bandwidth and memory ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ideal(make_bench, make_service):
    """Two nodes that hold every variant, links and air without delay, so that only accelerators and the phone take time."""
    free = {
        f"{link}.{key}": value for link in ("xn", "backhaul") for key, value in (("rate_bit_s", 1e20), ("delay_s", 0.0))
    }
    bench = make_bench([NODE, NEIGHBOUR], services=[make_service(model=MODEL)], **free)
    bench.hold_all_models()
    bench.set_disks(1e20)
    bench.scale_bands(1e6)
    ideal_air.without_latency(bench.bands)
    ideal_air.without_limits(bench.bands)
    for seed in range(1, 50):
        bench.reset(seed)
        if bench.ues_of(0):
            return bench
    raise AssertionError("no UE at the first node")


def layers_s(layers, device, precision, new, cached):
    """`layers` layers of a pass without head and engine, s."""
    layer_s = costs.layer_time_s(MODEL, device, new, precision) + costs.attention_time_s(MODEL, device, new, cached)
    return layers * float(layer_s)


def whole(device, batch=1.0):
    """(prefill, token) in s of the whole model on one device, as functions of the precision."""

    def times(precision):
        step_s = costs.decode_step_s(MODEL, device, PROMPT + 0.5 * OUTPUT, batch, precision)
        return float(costs.prefill_s(MODEL, device, PROMPT, precision)), float(step_s)

    return times


def split(first, second, share):
    """The same with the first `share` of the layers on `first`, the rest and the head on `second`; no engine runs on the phone."""
    cut = round(share * costs.model(MODEL).layers)

    def times(precision):
        passes = []
        for second_s, new, cached in zip(
            whole(second)(precision), (PROMPT, 1.0), (0.0, PROMPT + 0.5 * OUTPUT), strict=True
        ):
            moved_s = layers_s(cut, first, precision, new, cached) - layers_s(cut, second, precision, new, cached)
            passes.append(second_s + moved_s)
        return tuple(passes)

    return times


def engine_s(device, precision):
    """What an engine adds to each pass of one sequence, s."""
    return float(costs.kernel_tables([device], [(MODEL, precision)]).overhead_s[0].sum())


def edge_split(first, second, share):
    """The same with an engine at both: each adds its own time, the second alone has the head."""

    def times(precision):
        return tuple(part_s + engine_s(first, precision) for part_s in split(first, second, share)(precision))

    return times


CLOSED_FORMS = {
    "local, fp16": whole(NODE),
    "local, int4": whole(NODE),
    "neighbour 1, int8": whole(NEIGHBOUR),
    "neighbour 1, fp16": whole(NEIGHBOUR),
    "local, 1 on the device, int4": whole(PHONE),
    "local, 0.25 on the device, int8": split(PHONE, NODE, 0.25),
    "local, 0.5 on the device, fp16": split(PHONE, NODE, 0.5),
    "neighbour 1, 0.5 on the device, int4": split(PHONE, NEIGHBOUR, 0.5),
    "neighbour 1, 0.5 of the rest at the ingress, fp16": edge_split(NODE, NEIGHBOUR, 0.5),
    "neighbour 1, 0.5 of the rest at the ingress, int4": edge_split(NODE, NEIGHBOUR, 0.5),
}


@pytest.mark.parametrize("name", list(CLOSED_FORMS))
def test_unloaded_times_are_closed_forms(ideal, name):
    assert_times(ideal, name, *CLOSED_FORMS[name](name.rsplit(", ", 1)[1]))


@pytest.mark.parametrize("precision", ["fp16", "int4"])
def test_unloaded_times_in_the_cloud_are_closed_forms(ideal, precision):
    """A prompt has a pass of its own there; tokens come at the pace of the cloud's batch of 32."""
    prefill_s, token_s = whole(CLOUD)(precision)[0], whole(CLOUD, 32.0)(precision)[1]
    assert_times(ideal, f"cloud, {precision}", prefill_s, token_s)


@pytest.mark.parametrize("split_at", ["at the edge", "behind the device"])
def test_a_split_token_reads_its_whole_context(ideal, split_at):
    """With a prompt of thousands of tokens attention is much of a token's time: half of it at each place, and all of the context."""
    way = {
        "at the edge": ("neighbour 1, 0.5 of the rest at the ingress, int4", NODE, NEIGHBOUR),
        "behind the device": ("local, 0.5 on the device, int4", PHONE, NODE),
    }
    name, first, second = way[split_at]
    cut = round(0.5 * costs.model(MODEL).layers)
    prompt, output = 6000.0, 40.0
    token_s = float(costs.decode_step_s(MODEL, second, prompt + 0.5 * output, 1.0, "int4"))
    token_s += engine_s(first, "int4") if first != PHONE else 0.0
    for device, sign in ((first, 1.0), (second, -1.0)):
        token_s += sign * layers_s(cut, device, "int4", 1.0, prompt + 0.5 * output)
    assert_times(ideal, name, None, token_s, (prompt, output))


def assert_times(bench, name, prefill_s, token_s, lengths=(PROMPT, OUTPUT)):
    """A job in an empty world has these times within 1 %."""
    bench.lengths(*lengths)
    arrival_s = bench.now_s + 3.013
    bench.send({bench.ues_of(0)[0]: arrival_s})
    (job,) = bench.run(name, 1)
    assert job["phase"] == FINISHED
    if prefill_s is not None:
        assert job["ttft_s"] == pytest.approx(bench.decided_s(arrival_s) - arrival_s + prefill_s, abs=0.01 * prefill_s)
    assert job["tpot_s"] == pytest.approx(token_s, rel=0.01)
