"""Rules in real worlds: what they choose is legal, and a job is never left waiting."""

from __future__ import annotations

import numpy as np
import pytest

from agents.policy import rule_names, start
from edge6g_env.batch import BatchEnv
from edge6g_env.kernel.codes import ACTION_EFFECTS, FAULT_KINDS
from tests.made import made

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
