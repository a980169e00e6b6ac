"""An agent's observation does not depend on what it cannot know."""

import numpy as np

from edge6g_env.batch import batch_env
from tests.looking import Look


def observed(env, i):
    """What agent i is shown of the world as it stands: a step of no length would do, so the kernel's observer is run by a hold."""
    copy = env.save_state()
    obs, *_ = env.step(np.zeros((1, env.num_agents), np.int64))
    shown = {name: array[0, i].copy() for name, array in obs.items()}
    env.load_state(copy)
    return shown


def test_another_nodes_senders_and_a_jobs_true_output_are_hidden():
    env = batch_env("tiny", 1, observe="candidates", **{"arrivals.rate_jobs_s": 6.0, "time.report_period_s": 1000.0})
    env.reset(seed=4)
    hold = np.zeros((1, env.num_agents), np.int64)
    look = Look(env)
    while (env.deciding() < 0).all():
        env.step(hold)
    i = int(np.flatnonzero(env.deciding()[0] >= 0)[0])
    before = observed(env, i)
    for job in look.in_flight():
        job.output_tokens += 500.0
    for other in set(range(env.num_agents)) - {i}:
        look.server(other).prefill_share = 0.5
        look.node(other).cloud_seen_wait_s = 9.0
    after = observed(env, i)
    assert before["action_mask"].sum() > 1
    for name, shown in before.items():
        np.testing.assert_array_equal(shown, after[name], err_msg=name)
