"""Rates and latencies that a scenario fixes: no channel, no waits that are drawn, shared by the cell's uploads alone."""

import numpy as np
import pytest

import edge6g_env
from edge6g_env import costs

UP, DOWN, UP_S, DOWN_S = 2e7, 5e7, 0.007, 0.003
FIXED = {"uplink_bit_s": UP, "downlink_bit_s": DOWN, "uplink_access_s": UP_S, "downlink_access_s": DOWN_S}
PROMPT = 500


def legs_of(job):
    return {name: end_s - start_s for name, start_s, end_s in job.legs}


@pytest.mark.parametrize("more", [{}, {"radio.background_load": 0.9}, {"radio.configured_grant": False}])
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("slot_s", [0.02, 0.005])
def test_messages_take_bytes_over_rate_and_the_latency(seed, slot_s, more):
    options = {"radio.fixed": FIXED, "time.slot_s": slot_s, **more}
    job = edge6g_env.lone_job("tiny", "local, int4", prompt_tokens=PROMPT, output_tokens=5, seed=seed, **options)
    took_s, up_s, down_s = legs_of(job), UP_S + 8 * 4 * PROMPT / UP, DOWN_S + 32 / DOWN
    assert took_s["uplink"] == pytest.approx(up_s, rel=1e-9)
    assert took_s["downlink"] == pytest.approx(down_s, rel=1e-9)
    assert job.outcome["ttft_s"] == pytest.approx(job.decided_s + up_s + took_s["ingress"] + down_s, rel=1e-9)
    assert job.predicted["upload_s"] == pytest.approx(up_s, rel=1e-6)


def test_every_token_behind_a_cut_takes_both_ways():
    bytes_ = costs.boundary_bytes("llama-3.2-3b", 1.0, "int8")
    token_s = {}
    for name, fixed in (
        ("slow", FIXED),
        ("free", dict.fromkeys(FIXED, 0.0) | {"uplink_bit_s": 1e15, "downlink_bit_s": 1e15}),
    ):
        job = edge6g_env.lone_job(
            "tiny",
            "local, 0.25 on the device, int8",
            service="assistant",
            prompt_tokens=PROMPT,
            output_tokens=30,
            **{"radio.fixed": fixed},
        )
        token_s[name] = np.array([job.outcome["tpot_s"] - legs_of(job)["downlink"] / 29, job.predicted["tpot_s"]])
    got_s, predicted_s = token_s["slow"] - token_s["free"]
    away_s = UP_S + 8 * bytes_ / UP + DOWN_S + 32 / DOWN
    assert predicted_s == pytest.approx(away_s, rel=1e-5)
    assert got_s == pytest.approx(away_s * (1 + 1 / 29) - away_s / 29, rel=0.01)


def test_uploads_of_a_cell_share_the_rate(make_bench):
    """The second is decided a slot after the first, which has the rate to itself until then and half of it from then on."""
    bench, tokens = make_bench(["l40s"], ues_a_node=2, drawn=True, **{"radio.fixed": FIXED}), 100_000.0
    full_s, upload = 8 * 4 * tokens / UP, bench.batch.layout.candidate_index("upload_s")
    for senders, sent_s in ((1, full_s), (2, bench.slot_s + 2 * (full_s - bench.slot_s))):
        bench.reset(1)
        bench.lengths(tokens, 3.0)
        bench.send(dict.fromkeys(range(senders), 0.01))
        bench.batch.world.episode["watched"] = 0
        expected_s = []
        while bench.batch.world.step["n_noted"][0] < 2:
            bench.step("local, int4")
            expected_s.append(float(bench.obs["candidates"][0, 0, bench.action("local, int4"), upload]))
        assert expected_s[0] == pytest.approx(UP_S + full_s, rel=1e-6)
        if senders == 2:
            assert expected_s[1] == pytest.approx(UP_S + 2 * full_s, rel=1e-6)
        began_s, there_s = bench.batch.world.noted["start_s"][0, :2]
        substep_s = bench.slot_s / bench.scenario.time.n_substeps
        assert there_s - began_s == pytest.approx(UP_S + sent_s, abs=1e-9 + (senders - 1) * substep_s)


def test_what_agents_see_of_the_channel_stays():
    seen = []
    for radio in ({}, {"radio.fixed": FIXED}):
        env = edge6g_env.batch_env("tiny", 2, **radio)
        obs, layout = env.reset(3), env.layout
        names = [layout.observation_index(f"job/{name}_sinr_db") for name in ("uplink", "downlink")]
        while not (obs["observation"][..., 0] == 1).any():
            obs, *_ = env.step(np.zeros((2, 3), np.int64))
        seen.append(obs["observation"][..., names])
    assert np.array_equal(*seen)
    assert (np.abs(seen[0]) < 100.0).all()
    assert seen[0].any()


@pytest.mark.parametrize("key", FIXED)
def test_all_four_are_named(key):
    some = {name: value for name, value in FIXED.items() if name != key}
    with pytest.raises(edge6g_env.ScenarioError, match=f"radio.fixed.{key}: missing"):
        edge6g_env.load_scenario("tiny", **{"radio.fixed": some})
    with pytest.raises(edge6g_env.ScenarioError, match=f"radio.fixed.{key}"):
        edge6g_env.load_scenario("tiny", **{"radio.fixed": {**FIXED, key: -1.0}})


def test_a_scenario_with_it_can_be_overridden_and_written():
    one = edge6g_env.load_scenario("tiny", **{"radio.fixed": FIXED})
    assert edge6g_env.load_scenario(one, **{"radio.fixed.uplink_bit_s": 1e6}).radio.fixed.uplink_bit_s == 1e6
    assert edge6g_env.load_scenario("tiny").radio.fixed is None
    plain = edge6g_env.load_scenario("tiny")
    assert edge6g_env.load_scenario(plain, **{f"radio.fixed.{key}": value for key, value in FIXED.items()}) == one
