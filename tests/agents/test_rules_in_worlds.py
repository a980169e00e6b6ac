"""Rules in real worlds: what they choose is legal, and a job is never left waiting."""

from __future__ import annotations

import numpy as np
import pytest

from agents.policy import rule_names, start
from edge6g_env.batch import BatchEnv
from edge6g_env.kernel.codes import ACTION_EFFECTS, FAULT_KINDS
from edge6g_env.scenario import load_scenario
from edge6g_env.spaces import Layout
from tests.made import made
from tests.short import shortened

NUM_WORLDS, STEPS = 3, 150
# Two nodes may decide jobs of one UE in the same slot, after a handover: what the first puts on the device the second has not seen.
SAME_DEVICE = {"refused: the device is busy with another model", "refused: the device cannot hold its part"}
ALL_FAILS = {f"faults.{kind}_{what}_s": s for kind in FAULT_KINDS for what, s in (("mtbf", 3.0), ("mttr", 1.0))}


@pytest.mark.parametrize("faults", [{}, ALL_FAILS], ids=["sound", "failing"])
@pytest.mark.parametrize("name", rule_names())
def test_every_action_is_legal_and_every_job_is_decided(name: str, faults: dict[str, float]):
    """debug=True asserts after every slot that no job is lost and what is down holds nothing."""
    env = BatchEnv("tiny", NUM_WORLDS, observe="candidates", skip_idle=True, debug=True, **faults)
    policy, rng = made(name, env.layout), np.random.default_rng(1)
    start(policy, NUM_WORLDS)
    obs, decided = env.reset(seed=11), 0
    for _ in range(STEPS):
        waits = obs["observation"][..., env.layout.observation_index("job/waiting")] == 1.0
        actions = policy.act(obs, rng)
        assert np.take_along_axis(obs["action_mask"], actions[..., None], axis=2).all()
        assert ((actions != 0) == waits).all()
        decided += int(waits.sum())
        obs, _, _, _, info = env.step(actions)
        effects = {ACTION_EFFECTS[effect] for effect in np.unique(np.asarray(info["action_effect"]))}
        assert effects - SAME_DEVICE == {"done"}
        n = env.counters()
        assert (n.arrived == n.finished + n.rejected + n.expired + n.failed + n.in_flight).all()
    assert decided >= STEPS * NUM_WORLDS // 2
    assert (env.statistics().outages.sum() > 0) == bool(faults)


@pytest.mark.parametrize("scenario", ["finetune", "robotics"])
@pytest.mark.parametrize("name", rule_names())
def test_an_episode_is_played_legally_to_its_end(name: str, scenario: str):
    """Short ones, with jobs that are tuned, drafted and answered; nothing is held while it could be decided."""
    env = BatchEnv(scenario, 2, observe="candidates", skip_idle=True, **shortened(scenario, 12.0))
    policy, rng = made(name, env.layout), np.random.default_rng(2)
    start(policy, 2)
    obs, ended, decided = env.reset(seed=21), np.zeros(2, bool), 0
    while not ended.all():
        waits = obs["observation"][..., env.layout.observation_index("job/waiting")] == 1.0
        actions = policy.act(obs, rng)
        assert np.take_along_axis(obs["action_mask"], actions[..., None], axis=2).all()
        assert ((actions != 0) == waits).all()
        decided += int(waits.sum())
        obs, _, _, truncated, _ = env.step(actions)
        ended |= truncated
    assert decided > 10


COMPILED = [name for name in rule_names() if hasattr(made(name, Layout(load_scenario("tiny"))), "compiled")]


@pytest.mark.parametrize("name", COMPILED)
def test_a_compiled_rule_plays_alike_inside_the_kernel(name: str):
    """The same jobs end in the same order and are worth the same, to the bit."""
    short = shortened("tiny", 12.0)
    doors, kernel = BatchEnv("tiny", 2, observe="candidates", skip_idle=True, **short), BatchEnv("tiny", 2, **short)
    policy, rng = made(name, doors.layout), np.random.default_rng(0)
    obs, ended, parts = doors.reset(seed=31), np.zeros(2, bool), []
    while not ended.all():
        obs, _, _, truncated, info = doors.step(policy.act(obs, rng))
        rows = np.array(info["outcomes"])
        parts.append(rows[~ended[rows["world"]]])
        ended |= truncated
    played = np.concatenate(parts)
    kernel.reset(seed=31)
    flown = kernel.fly(policy, np.inf).outcomes
    assert len(played) > 10
    for world in range(2):
        for field in ("job", "worth", "phase", "ttft_s"):
            by_doors, by_kernel = (rows[field][rows["world"] == world] for rows in (played, flown))
            assert (by_doors == by_kernel).all(), field


def test_rules_that_are_an_argmax_over_candidates_are_compiled():
    assert {"greedy", "static", "restricted", "greedy-price"} <= set(COMPILED)
