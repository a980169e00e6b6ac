"""Loops, deadlines and values in a scenario: who runs what, and what is refused."""

import numpy as np
import pytest

import edge6g_env
from edge6g_env import load_scenario, radio
from edge6g_env.spaces import Layout

LOOP = {"service.chat.period_s": 0.5, "service.chat.share": 0.5, "service.assistant.share": 1.0}
BURST = {"arrivals.kind": "burst", "arrivals.burst_ratio": 4.0, "arrivals.calm_s": 3.0, "arrivals.burst_s": 1.0}


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.99])
def test_a_share_of_the_ues_runs_the_loop_and_the_others_have_the_drawn_jobs(share):
    scenario = load_scenario("tiny", **{**LOOP, "service.chat.share": share})
    loops, drawn = scenario.loop_ues, scenario.drawn_ues
    assert len(loops[0]) == round(share * scenario.num_ues)
    assert len(loops[1]) == 0
    rest = scenario.num_ues - len(loops[0])
    assert [*loops[0], *drawn] == list(range(scenario.num_ues)) or (rest == 0 and len(drawn) == scenario.num_ues)
    assert scenario.rates_jobs_s == pytest.approx([len(loops[0]) / 0.5, scenario.arrivals.rate_jobs_s])
    assert sum(scenario.shares) == pytest.approx(1.0)


def test_where_all_ues_run_loops_all_have_the_drawn_jobs_too():
    scenario = load_scenario("tiny", **{**LOOP, "service.chat.share": 1.0})
    assert scenario.drawn_ues == range(scenario.num_ues)


def test_where_all_services_are_loops_nothing_is_drawn():
    both = {"service.assistant.period_s": 2.0, "service.chat.share": 0.25, "service.assistant.share": 0.75}
    scenario = load_scenario("tiny", **{**LOOP, **both})
    assert [len(ues) for ues in scenario.loop_ues] == [3, 9]
    assert sorted(u for ues in scenario.loop_ues for u in ues) == list(range(12))
    assert len(scenario.drawn_ues) == 0
    assert scenario.rates_jobs_s == [3 / 0.5, 9 / 2.0]


def test_objectives_and_a_deadline_replace_each_other():
    plain = load_scenario("tiny").service[0]
    late = load_scenario("tiny", **{"service.chat.deadline_s": 3.0})
    assert late.service[0].objectives == {"ttft_slo_s": 0.0, "tpot_slo_s": 0.0, "deadline_s": 3.0}
    assert (late.service[0].ttft_slo_s, late.service[0].tpot_slo_s) == (None, None)
    again = {"service.chat.ttft_slo_s": plain.ttft_slo_s, "service.chat.tpot_slo_s": plain.tpot_slo_s}
    assert load_scenario(late, **again).service[0] == plain
    assert "deadline_s = 3.0" in late.to_toml()


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"service.chat.ttft_slo_s": None, "service.chat.tpot_slo_s": None},
            "service.chat: name both ttft_slo_s and tpot_slo_s, or deadline_s in their place",
        ),
        ({"service.chat.tpot_slo_s": None}, "service.chat.tpot_slo_s: missing"),
        (
            {**LOOP, "service.chat.deadline_s": 0.6},
            "service.chat: deadline_s = 0.6 must be at most period_s = 0.5: the loop's next job comes then",
        ),
        (
            {**LOOP, "service.assistant.share": 0.4},
            "the shares of the services without period_s must add up to 1, they add up to 0.4",
        ),
        (
            {**LOOP, "service.chat.share": 0.7, "service.assistant.share": 0.4, "service.assistant.period_s": 1.0},
            "the shares of the services with period_s are shares of the UEs: they must add up to 1 at most, they add up to 1.1",
        ),
        (
            {**LOOP, "service.chat.share": 0.01},
            "service.chat.share = 0.01: that is none of the UEs that are left of 12; a loop needs one",
        ),
        (
            {**LOOP, "arrivals.kind": "trace"},
            "service.chat.period_s: arrivals.kind = 'trace' replays instants; loops go with 'poisson' or 'burst'",
        ),
        ({**LOOP, "service.chat.period_s": 0.0}, "service.chat.period_s = 0.0"),
        ({"service.chat.value": 0.0}, "service.chat.value = 0.0"),
        (
            {**LOOP, "ues.per_node": 12, "job_rows_per_node": 4},
            "job_rows_per_node = 4: up to 18 jobs of loops come in a slot, and there are 12 rows; it must be at least 6",
        ),
    ],
)
def test_a_slip_is_one_sentence(changes, line, refusal):
    (found,) = refusal("tiny", **changes)
    assert line in found


@pytest.mark.parametrize("name", ["tiny", "robotics"])
def test_a_deadline_is_no_shorter_than_the_way_up_and_down(name, refusal):
    """The mean access latency of a first message each way, as edge6g_env.radio has it."""
    scenario = load_scenario(name)
    service = scenario.service[0].name
    ways_s = [
        radio.preset(p).uplink_grant_latency_s + radio.preset(p).downlink_latency_s for p in scenario.radio.presets
    ]
    (found,) = refusal(name, **{f"service.{service}.deadline_s": 0.99 * min(ways_s)})
    assert f"service.{service}.deadline_s" in found
    assert f"it must be at least {min(ways_s):.3g}" in found
    load_scenario(name, **{f"service.{service}.deadline_s": 1.01 * min(ways_s)})


def test_a_deadline_is_compared_with_fixed_latencies(refusal):
    fixed = {"uplink_bit_s": 1e8, "downlink_bit_s": 1e9, "uplink_access_s": 0.2, "downlink_access_s": 0.1}
    (found,) = refusal("tiny", **{"radio.fixed": fixed, "service.chat.deadline_s": 0.29})
    assert "it must be at least 0.3, the mean access latency of radio.fixed both ways" in found
    load_scenario("tiny", **{"radio.fixed": fixed, "service.chat.deadline_s": 0.31})


def test_ranges_follow_from_the_scenario():
    """Nothing that a job may live, be worth or cost is beyond them; without such keys they are as wide as they were."""
    plain, wide = (Layout(load_scenario("tiny", **more)) for more in ({}, {"service.chat.value": 30.0}))
    old = Layout(load_scenario("tiny", **{"service.chat.expire_s": 3000.0, "service.chat.deadline_s": 2000.0}))

    def high(layout, name):
        return layout.candidates[layout.candidate_index(name)].high

    assert (high(plain, "utility"), high(wide, "utility")) == (1.0, 30.0)
    assert wide.observation[wide.observation_index("job/value")].high == 30.0
    for name in ("ttft_s", "tpot_s", "load_s", "wait_s", "upload_s", "accelerator_s"):
        assert (high(plain, name), high(old, name)) == (120.0, 3000.0)
    assert old.observation[old.observation_index("job/age_s")].high == 3000.0
    assert old.observation[old.observation_index("job/deadline_s")].high == 2000.0
    dear = load_scenario("tiny", **{"reward.price_per_usd": 1e4, "service.chat.exposure_cost": 50.0})
    utility = Layout(dear).candidates[Layout(dear).candidate_index("utility")]
    features = {feature.name: feature for feature in Layout(dear).candidates}
    dearest = 1e4 * features["price_musd"].high / 1e3 + dear.reward.energy_per_j * features["energy_j"].high + 50.0
    assert utility.low == pytest.approx(-dearest - dear.reward.rejected_cost - dear.reward.expired_cost)


@pytest.mark.parametrize("scenario", edge6g_env.scenarios())
def test_what_a_candidate_predicts_is_not_clipped(scenario):
    """Nothing but what is worthless stands at the end of a range: what takes longer than any job lives."""
    layout = Layout(load_scenario(scenario))
    longest_s = max(service.expire_s for service in layout.scenario.service)
    for name in ("ttft_s", "tpot_s"):
        assert layout.candidates[layout.candidate_index(name)].high >= longest_s
    assert np.isfinite([f.high for f in layout.candidates]).all()


def test_rates_of_a_loop_count_in_load_and_shares():
    """Twice the UEs: twice the loops, the drawn jobs as they were."""
    few, many = (load_scenario("tiny", **{**LOOP, "ues.per_node": n}) for n in (4, 8))
    assert many.rates_jobs_s == [2.0 * few.rates_jobs_s[0], few.rates_jobs_s[1]]
    assert load_scenario("tiny").rates_jobs_s == pytest.approx([1.2, 0.8])
    assert len(load_scenario("tiny", **{**LOOP, **BURST}).courses) == 2
