"""One job in an empty world: legs that follow each other, weights that are there or not, reasons for what is refused."""

import numpy as np
import pytest

import edge6g_env
from edge6g_env.kernel import codes
from edge6g_env.kernel.codes import EXPIRED, FINISHED, REJECTED
from edge6g_env.kernel.legs import LEG_NAMES, LEGS
from edge6g_env.spaces import Layout
from tests.tuners import TEAM, services_with

SMALL = {"prompt_tokens": 300, "output_tokens": 12}
CHAT = ("local, int4", "neighbour 1, int8", "neighbour 1, 0.5 of the rest at the ingress, int4")
ASSISTANT = ("local, 0.25 on the device, int8", "local, 1 on the device, int4", "cloud, 0.5 on the device, fp16")


@pytest.fixture(scope="module")
def jobs():
    """{(service, action): LoneJob} in `tiny`."""
    plans = [("chat", name) for name in CHAT] + [("assistant", name) for name in ASSISTANT]
    return {plan: edge6g_env.lone_job("tiny", plan[1], service=plan[0], **SMALL) for plan in plans}


def test_legs_lead_from_the_decision_to_the_end(jobs):
    for job in jobs.values():
        _, starts_s, ends_s = zip(*job.legs, strict=True)
        assert job.outcome["phase"] == FINISHED
        assert starts_s[0] == pytest.approx(job.decided_s, abs=1e-12)
        assert starts_s[1:] == ends_s[:-1]
        assert (np.subtract(ends_s, starts_s) > 0.0).all()
        assert ends_s[-1] == job.outcome["end_s"] > job.outcome["ttft_s"] > job.decided_s > 0.0
        assert job.outcome["arrival_s"] == 0.0


@pytest.mark.parametrize(
    ("service", "action", "names"),
    [
        ("chat", CHAT[0], ["uplink", "ingress", "decode", "downlink"]),
        ("chat", CHAT[1], ["uplink", "link", "target", "decode", "downlink"]),
        ("chat", CHAT[2], ["uplink", "ingress", "link", "target", "decode", "downlink"]),
        ("assistant", ASSISTANT[0], ["device", "uplink", "ingress", "decode", "downlink"]),
        ("assistant", ASSISTANT[1], ["device", "decode"]),
        ("assistant", ASSISTANT[2], ["device", "uplink", "link", "cloud", "decode", "downlink"]),
    ],
)
def test_legs_are_those_with_work(jobs, service, action, names):
    assert [name for name, *_ in jobs[service, action].legs] == names


def test_every_leg_has_a_name_of_its_own():
    for way, names in zip(LEGS, LEG_NAMES, strict=True):
        without = {int(stage) for stage, part in way if (int(stage), int(part)) not in names}
        assert without <= {codes.END, codes.LOOP, codes.STEP}  # which take no time
        assert len(set(names.values())) == len(names)


def test_lengths_are_those_asked_for_and_expected(jobs):
    for job in jobs.values():
        assert (job.outcome["prompt_tokens"], job.outcome["output_tokens"]) == (300.0, 12.0)
    longer = edge6g_env.lone_job("tiny", CHAT[0], prompt_tokens=300, output_tokens=24)
    short = jobs["chat", CHAT[0]]
    for name in ("energy_j", "price_usd"):
        assert longer.outcome[name] > short.outcome[name]
    assert longer.predicted["price_musd"] > 1.2 * short.predicted["price_musd"]


def test_lengths_that_are_not_given_are_the_services():
    lengths = edge6g_env.load_scenario("tiny").service[0].lengths()[:, 1:]
    found = {seed: edge6g_env.lone_job("tiny", "reject", seed=seed).outcome for seed in range(3)}
    drawn = [(one["prompt_tokens"], one["output_tokens"]) for one in found.values()]
    assert len(set(drawn)) > 1
    for pair in drawn:
        assert (lengths == pair).all(axis=1).any()


@pytest.mark.parametrize(("service", "action"), [("chat", CHAT[2]), ("assistant", ASSISTANT[1])])
def test_cold_weights_are_loaded_and_nothing_else_changes(jobs, service, action):
    warm, cold = jobs[service, action], edge6g_env.lone_job("tiny", action, service=service, warm=False, **SMALL)
    assert warm.predicted["load_s"] == 0.0 < cold.predicted["load_s"]
    assert cold.outcome["ttft_s"] > warm.outcome["ttft_s"] + 0.5
    took = [{name: end_s - start_s for name, start_s, end_s in job.legs} for job in (warm, cold)]
    for name in set(took[0]) - {"ingress", "target", "device"}:
        # what is drawn by the instant (fading) differs a little
        assert took[1][name] == pytest.approx(took[0][name], rel=0.1, abs=0.01), name


@pytest.mark.parametrize("node", range(3))
def test_the_node_decides_and_the_seed_draws(node):
    jobs = [edge6g_env.lone_job("tiny", "local, int4", node=node, seed=seed, **SMALL) for seed in (1, 1, 2)]
    assert {job.outcome["agent"] for job in jobs} == {node}
    assert jobs[0] == jobs[1] != jobs[2]


def test_hold_and_reject():
    held = edge6g_env.lone_job("tiny", "hold", **{"service.chat.expire_s": 1.0})
    assert (held.outcome["phase"], held.legs) == (EXPIRED, [])
    assert edge6g_env.lone_job("tiny", "reject").outcome["phase"] == REJECTED


def test_an_action_without_a_model_means_the_default_one():
    scenario = edge6g_env.load_scenario("rush")
    service = next(one for one in scenario.inference if one.models and one.privacy != "device")
    job = edge6g_env.lone_job(scenario, "local, int4", service=service.name, **SMALL)
    assert service.family[int(job.outcome["model"])] == service.default
    assert Layout(scenario).action_names[int(job.outcome["action"])].startswith("local, int4, model ")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"action": "local, int4", "service": "assistant"}, "raw data may not leave the device"),
        ({"action": "cloud, int4"}, "raw data may not reach the cloud"),
        ({"action": "local, fp16", "nodes.memory_gb": 8.0}, "the node cannot hold its part"),
        ({"action": "lokal, int4"}, "did you mean local, int4"),
        ({"action": "local, int4", "service": "chatt"}, "did you mean chat"),
        ({"action": "local, int4", "service": [{}]}, "service is the name of one"),
        ({"action": "local, int4", "node": 3}, "0 to 2"),
        ({"action": "local, int4", "output_tokens": 0}, "output_tokens must be an integer of at least 1"),
        ({"action": "local, int4", "seed": -1}, "seed must be"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(options, words):
    with pytest.raises(ValueError, match=words):
        edge6g_env.lone_job("tiny", **{"prompt_tokens": 100, **options})


CUT = "local, 0.125 on the device, int4"


@pytest.fixture(scope="module")
def tuned():
    return edge6g_env.load_scenario("tiny", service=services_with(privacy="device", steps=12, step_tokens=16))


def test_a_job_of_fine_tuning_has_its_steps_as_far_as_they_are_noted(tuned):
    short = edge6g_env.lone_job(tuned, CUT, service="tuner", **{"service.tuner.steps": 3})
    names = [name for name, *_ in short.legs]
    assert [names.count(leg) for leg in ("device forward", "states down", "device head", "gradients down")] == [3] * 4
    assert short.legs[-1][2] == pytest.approx(short.outcome["end_s"])
    assert (short.outcome["progress"], short.outcome["done_steps"], short.predicted["progress"]) == (1.0, 3.0, 1.0)
    long = edge6g_env.lone_job(tuned, CUT, service="tuner")
    assert long.outcome["done_steps"] == 12.0
    assert 50 < len(long.legs) < 64
    assert long.legs[-1][2] < long.outcome["end_s"]
    assert [name for name, *_ in long.legs[: len(names)]] == names


def test_what_is_no_lone_job_of_fine_tuning_is_refused(tuned):
    with pytest.raises(ValueError, match=r"service.tuner.participants = 3: a lone job is of one participant"):
        edge6g_env.lone_job(
            tuned, CUT, service="tuner", **{f"service.tuner.{key}": value for key, value in TEAM.items()}
        )
    for lengths in ({"prompt_tokens": 4}, {"output_tokens": 4}):
        with pytest.raises(ValueError, match="a job of tuner has no text"):
            edge6g_env.lone_job(tuned, CUT, service="tuner", **lengths)
