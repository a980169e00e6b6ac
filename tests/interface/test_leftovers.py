"""What an ended job or episode leaves in the arrays of a world is never read."""

import numpy as np
import pytest

from edge6g_env import batch_env
from edge6g_env.kernel.codes import ACTIVE, AT_CLOUD, DISPATCH, FINETUNE, INBOX, NOW, SPARE, TRAINING
from edge6g_env.kernel.world_fields import NO_STEP
from tests.tasks import QUICK_TASKS

FAILING = {
    "faults.node_mtbf_s": 20.0,
    "faults.node_mttr_s": 2.0,
    "faults.cloud_mtbf_s": 30.0,
    "faults.cloud_mttr_s": 2.0,
}


@pytest.fixture(params=["busy", "failing"])
def load(request, busy):
    """Overrides: jobs of which some find no room, and parts that fail."""
    return {**busy, **(FAILING if request.param == "failing" else {}), "job_rows_per_node": 16}


# --- free rows ------------------------------------------------------------------------------------------------------------


def in_use(world, b):
    """Rows of the jobs that wait for a decision or were sent on their way."""
    episode, node = world.episode[b], world.node[b]
    queues = [world.queue[b, i, DISPATCH, : node.n_queue[i]] for i in range(len(node))]
    return np.concatenate([world.roster[b, ACTIVE, : episode.n_active], *queues])


def garbage(rng, array):
    """Numbers of an array's type that no job has by chance: small enough for an index, so that they mislead and do not crash."""
    if array.dtype.kind == "f":
        return rng.choice([np.nan, -1e30, 1e30, 0.125], array.shape)
    return rng.integers(1, 3, array.shape)


def poison(batch, rng):
    """Fill rows of jobs that are free, places of lists behind their ends, and taps of links that nobody has used; returns how many
    rows there were."""
    world, filled = batch.world, 0
    for b in range(batch.num_worlds):
        episode, node, server = world.episode[b], world.node[b], world.server[b]
        free = np.setdiff1d(np.arange(world.job.shape[1]), in_use(world, b))
        assert set(world.roster[b, SPARE, : episode.n_free]) <= set(free)
        for rows in (world.job, world.part):
            for name in rows.dtype.names:
                rows[name][b, free] = garbage(rng, rows[name][b, free])
        lists = [(world.roster[b, kind], n) for kind, n in _ends(episode)]
        lists += [(world.queue[b, i, DISPATCH], node.n_queue[i]) for i in range(batch.num_agents)]
        lists += [(world.queue[b, i, INBOX], server.n_inbox[i]) for i in range(batch.num_agents)]
        lists += [(world.queue[b, i, TRAINING], server.n_trainees[i]) for i in range(batch.num_agents)]
        for places, n in lists:
            places[n:] = rng.integers(0, world.job.shape[1], len(places) - n)
        world.tap[b, world.ue["fading_step"][b] == NO_STEP] = 1e30
        filled += len(free)
    return filled


def _ends(episode):
    return (ACTIVE, episode.n_active), (SPARE, episode.n_free), (AT_CLOUD, episode.n_cloud_wait)


def test_free_rows_and_the_ends_of_lists_are_not_read(scenario, short, load, legal, assert_same):
    """After the reset, and before every third slot of two episodes: the same trajectory, whatever stands there."""
    ended, filled, _ = play_poisoned(scenario, {**short, **load}, legal, assert_same)
    assert ended.sum() > 50
    assert filled > 1000


def test_nor_are_those_of_jobs_that_drafted(short, busy, legal, assert_same):
    """The same where devices draft: rows that drafted become rows that do not."""
    drafts = {
        "service.chat.draft": "llama-3.2-1b",
        "service.chat.draft_precision": "int4",
        "service.chat.expire_s": 0.3,
        "service.assistant.privacy": "site",
    }
    grid = {
        "actions.device_split": [0.0, "draft"],
        "actions.edge_split": [0.0],
        "serving.preload": ["llama-3.1-8b"],
    }
    load = {**short, **busy, **FAILING, **drafts, **grid, "job_rows_per_node": 16, "ues.device": "jetson-agx-orin-64g"}
    ended, filled, drafted = play_poisoned("tiny", load, legal, assert_same)
    assert min(ended.sum(), drafted) > 20
    assert filled > 1000


def test_nor_are_those_of_jobs_that_trained(legal, assert_same):
    """Rows that trained become rows that do not, and the other way round."""
    ended, filled, _ = play_poisoned("tiny", {**QUICK_TASKS, **FAILING, "job_rows_per_node": 16}, legal, assert_same)
    assert min(ended[FINETUNE], ended[1 - FINETUNE]) > 20
    assert filled > 1000


def play_poisoned(scenario, options, legal, assert_same):
    """Play two batches alike, one of them poisoned; returns how many jobs of each kind ended, rows were filled, and jobs were seen to
    draft."""
    plain, poisoned = (batch_env(scenario, 2, observe="candidates", **options) for _ in range(2))
    rng, dirt, ended, filled = np.random.default_rng(1), np.random.default_rng(2), np.zeros(2, np.int64), 0
    drafted = 0
    obs = plain.reset(3)
    assert_same(poisoned.reset(3), obs)
    for slot in range(round(2.8 / plain.scenario.time.slot_s)):
        filled += 0 if slot % 3 else poison(poisoned, dirt)
        actions = legal(obs["action_mask"], rng)
        seen, (obs, *rest) = poisoned.step(actions), plain.step(actions)
        assert_same(seen, (obs, *rest), f"slot {slot}")
        assert_same(poisoned.counters(), plain.counters())
        assert_same(poisoned.state(), plain.state())
        ended += np.bincount(rest[-1]["outcomes"]["kind"], minlength=2)
        drafted += int((plain.world.job["pass_tokens"] > 1.0).sum())
    return ended, filled, drafted


# --- the episode before ---------------------------------------------------------------------------------------------------

SCRATCH = {
    "known": "what a forecast looks at, filled anew for each job at a head",
    "chunk_layer_s": "likewise",
    "forecast": "likewise",
    "undrafted": "likewise",
    "actions": "laid anew by each step",
    "outcome": "only the first step.n_outcomes rows mean something, none after a reset",
}


def kept_arrays(batch):
    """The saved state but for scratch: the buffers of the last observations of an ended episode, the last row of cells, and what the
    poison above fills: places of lists behind their ends (no job is in flight), taps of links that nobody has used."""
    state = {name: array for name, array in batch.save_state().items() if name not in SCRATCH}
    for name in ("observation", "action_mask", "candidates"):
        state[name] = state[name][NOW]
    state["cell"] = state["cell"][:, :-1]
    spare = [roster[SPARE, :n] for roster, n in zip(state.pop("roster"), state["episode"]["n_free"], strict=True)]
    del state["queue"]
    state["tap"][state["ue"]["fading_step"] == NO_STEP] = 0.0
    return {**state, "spare": np.stack(spare)}


@pytest.mark.parametrize("seconds", [0.3, 1.4])
def test_an_episode_does_not_depend_on_what_ran_before(scenario, seconds, short, load, legal, assert_same):
    """reset(7) in a new environment, and in one that ran another seed: amid an episode, or in the next one."""
    fresh, used = (batch_env(scenario, 2, observe="candidates", **short, **load) for _ in range(2))
    rng, obs = np.random.default_rng(4), used.reset(3)
    for _ in range(round(seconds / used.scenario.time.slot_s)):
        obs, *_ = used.step(legal(obs["action_mask"], rng))
    assert used.counters().in_flight.min() > 0
    fresh.reset(7), used.reset(7)
    assert (fresh.counters().in_flight == 0).all()
    assert_same(kept_arrays(used), kept_arrays(fresh))
    assert (used.world.step["n_outcomes"] == 0).all()
