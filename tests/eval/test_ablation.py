"""Ablations: what is switched off is not there, the rest is, and both runs are judged alike."""

from __future__ import annotations

import io
from functools import partial

import numpy as np
import pytest
from rich.console import Console

from agents.policy import make_rule
from benchmarks import ablation
from edge6g_env.device_split import DRAFT, share_of
from edge6g_env.kernel.codes import FINETUNE, REJECT
from edge6g_env.scenario import Scenario, load_scenario
from edge6g_env.spaces import Layout, device_shares
from eval import EVALUATION_SEED
from eval.episodes import run_episodes

SEEDS = [EVALUATION_SEED, EVALUATION_SEED + 1]
TUNING = {"time.episode_s": 300.0, "time.warmup_s": 20.0}
RANDOM = partial(make_rule, "random")
KINDS = {
    "time.episode_s": 40.0,
    "time.warmup_s": 2.0,
    "time.drain_s": 8.0,
    "service.chat.trace": None,
    "service.chat.model": "qwen2.5-7b",
    "service.chat.draft": "qwen2.5-0.5b",
    "service.chat.draft_precision": "int4",
    "service.chat.exposure_cost": 0.4,
    "service.chat.value": 2.0,
    "service.assistant.trace": None,
    "service.assistant.model": "llava-1.5-7b",
    "service.assistant.privacy": "site",
    "service.assistant.prompt_tokens": 60,
    "service.assistant.output_tokens": 40,
    "service.assistant.inputs": 1,
    "service.assistant.payload_bytes": 1e5,
    "service.assistant.deadline_s": 4.0,
    "service.assistant.exposure_cost": 0.2,
    "service.chat.prompt_tokens": 200,
    "service.chat.output_tokens": 40,
    "actions.device_split": [0.0, 0.25, 1.0, "draft"],
}


@pytest.fixture(scope="module")
def kinds() -> Scenario:
    """`tiny` with all the mechanisms."""
    return load_scenario("tiny", **KINDS)


@pytest.fixture(scope="module")
def jobs(kinds: Scenario) -> np.ndarray:
    """Of two episodes at random: all ends, places and splits."""
    return run_episodes("random", RANDOM, kinds, SEEDS).jobs


@pytest.fixture(scope="module")
def tuning() -> Scenario:
    """A shorter `finetune`."""
    return load_scenario("finetune", **TUNING)


@pytest.fixture(scope="module")
def tasks(tuning: Scenario) -> np.ndarray:
    """Of two episodes of it at random."""
    return run_episodes("random", RANDOM, tuning, SEEDS).jobs


def off(scenario: Scenario, name: str) -> ablation.Off:
    return next(one for one in ablation.mechanisms(scenario) if one.name == name)


def test_only_what_a_scenario_has_is_switched_off(kinds: Scenario):
    names = [one.name for one in ablation.mechanisms(kinds)]
    assert names == ["encoder on the device", "drafts", "exposure price", "deadline"]
    assert ablation.mechanisms(load_scenario("campus")) == []


def test_mechanisms_of_fine_tuning(tuning: Scenario, tasks: np.ndarray):
    names = [one.name for one in ablation.mechanisms(tuning)]
    assert {"U-shape", "fine-tuning", "aggregation", "AI-RAN"} <= set(names)
    again = ablation.judged(tasks, tuning)
    assert ((tasks["progress"] > 0.0) & (tasks["progress"] < 1.0)).any()
    np.testing.assert_allclose(again["worth"], tasks["worth"], rtol=0, atol=1e-9)
    np.testing.assert_array_equal(again["slo_met"], tasks["slo_met"])


def test_members_apart_are_as_many(tuning: Scenario):
    apart = load_scenario(tuning, **off(tuning, "aggregation").changed)
    members = [getattr(one, "participants", 1) for one in tuning.service]
    assert max(members) > 1
    assert [getattr(one, "participants", 1) for one in apart.service] == [1] * len(members)
    wanted = [rate * n for rate, n in zip(tuning.rates_jobs_s, members, strict=True)]
    np.testing.assert_allclose(apart.rates_jobs_s, wanted)


def test_forbidden_fine_tuning_is_rejected_and_a_forbidden_cut_is_not_made(tuning: Scenario):
    layout = Layout(tuning)
    share = device_shares(tuning, layout.action_table)
    for name in ("fine-tuning", "U-shape"):
        hidden = partial(ablation._without, RANDOM, off(tuning, name).forbidden)
        jobs = run_episodes("random", hidden, tuning, SEEDS).jobs
        tuned = jobs[(jobs["kind"] == FINETUNE) & (jobs["action"] >= 0)]
        route = layout.action_table[tuned["action"], 0]
        kept = np.array([one.privacy == "device" for one in tuning.service])[tuned["service"]]
        cut = (share[tuned["action"]] > 0.0) & (share[tuned["action"]] < 1.0)
        assert len(tuned) > 10
        assert (route == REJECT).all() == (name == "fine-tuning")
        assert not (cut & kept).any()
        assert cut.any() == (name == "U-shape")


def test_the_worth_of_the_kernel_is_found_again_in_the_outcomes(kinds: Scenario, jobs: np.ndarray):
    assert set(jobs["phase"]) >= {0, 1}
    assert set(jobs["slo_met"]) == {0, 1}
    assert np.ptp(jobs["exposure_site"]) > 0.0
    again = ablation.judged(jobs, kinds)
    np.testing.assert_allclose(again["worth"], jobs["worth"], rtol=0, atol=1e-9)
    for field in ("slo_met", "deadline_s"):
        np.testing.assert_array_equal(again[field], jobs[field])


def test_jobs_played_for_other_objectives_and_prices_are_judged_as_the_scenario_does(kinds: Scenario, jobs: np.ndarray):
    """A policy that looks at the mask alone does the same whatever it is paid: the same jobs, and after judging the same worth."""
    for name in ("exposure price", "deadline"):
        changed = load_scenario(kinds, **off(kinds, name).changed)
        others = run_episodes("random", RANDOM, changed, SEEDS).jobs
        assert not np.allclose(others["worth"], jobs["worth"])
        np.testing.assert_allclose(ablation.judged(others, kinds)["worth"], jobs["worth"], rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ["encoder on the device", "drafts"])
def test_hidden_rows_are_not_taken_and_all_others_are(kinds: Scenario, jobs: np.ndarray, name: str):
    switched, layout = off(kinds, name), Layout(kinds)
    hidden = partial(ablation._without, RANDOM, switched.forbidden)
    others = run_episodes("random", hidden, kinds, SEEDS).jobs
    splits = [kinds.actions.device_split[n] for n in layout.action_table[:, 1]]
    for service, one in enumerate(kinds.service):
        mine = [
            {splits[a] for a in played["action"][played["service"] == service] if a > 1} for played in (jobs, others)
        ]
        is_for = service in switched.services
        seen = mine[0] | mine[1]  # of a rare one either may have none by chance, as they draw otherwise
        gone = {s for s in seen if (s == DRAFT if name == "drafts" else share_of(s) > 0.0)} if is_for else set()
        assert mine[1] == seen - gone
        assert bool(gone) == is_for, one.name


def test_the_table_has_a_difference_with_its_interval_for_each_mechanism(kinds: Scenario):
    seeds = [*SEEDS, EVALUATION_SEED + 2]
    rows = [*ablation.ablations(kinds, partial(make_rule, "greedy"), seeds, Console(file=io.StringIO()))]
    rewards = [row for row in rows if row.measure == "reward per job"]
    assert [row.mechanism for row in rewards] == [one.name for one in ablation.mechanisms(kinds)]
    assert len({row.on["mean"] for row in rewards}) == 1  # one run with everything
    for row in rows:
        assert row.difference["mean"] == pytest.approx(row.on["mean"] - row.off["mean"], abs=1e-9)
    assert len([*ablation.table(rows)]) == 1 + len(rows)
